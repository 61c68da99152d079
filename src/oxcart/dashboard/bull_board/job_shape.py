"""A job as Bull Board shows it: whole, but for what is masked."""

from __future__ import annotations

from typing import Any

from ... import Job
from ..access import Access
from ..board import Board
from ..reading import family, rows
from ..redact import MASK
from . import shapes

_LONG_NAMES = {
    "de": "deduplication",
    "kl": "keepLogs",
    "fpof": "failParentOnFailure",
    "cpof": "continueParentOnFailure",
    "idof": "ignoreDependencyOnFailure",
    "rdof": "removeDependencyOnFailure",
}
"""Options that are stored under short names."""

TOO_MUCH = f"{MASK} (too much for a list: open the job)"
"""Stands for data that are left out. As a mask it can't be stored back."""

_MOST = 10_000_000
"""How many characters of a text are shown."""


def app_job(board: Board, access: Access, job: Job, *, with_data: bool = True) -> shapes.AppJob:
    """All of a job, or all but its data and its result. Who may not see data gets none."""
    fields = job.record.fields
    stacktrace = job.stacktrace
    found: shapes.AppJob = {
        "id": rows.sendable(job.id),
        "name": _text(board, job.name),
        "timestamp": rows.whole(fields.get("timestamp")),
        "progress": _progress(board, access, job),
        "attempts": job.attempts_made,
        "delay": rows.whole(fields.get("delay")) or 0,
        "stacktrace": [_text(board, trace) for trace in reversed(stacktrace)],
        "opts": options(board, job.queue_name, family.options_of(board, access, job)),
        "data": secret(board, access, job.queue_name, job.data) if with_data else TOO_MUCH,
        "returnValue": secret(board, access, job.queue_name, job.return_value) if with_data else TOO_MUCH,
        "isFailed": bool(stacktrace),
    }
    for name, stored in (("processedOn", "processedOn"), ("finishedOn", "finishedOn"), ("priority", "priority")):
        if (number := rows.whole(fields.get(stored))) is not None:
            found[name] = number
    if job.attempts_started and job.attempts_started != job.attempts_made:
        found["attemptsStarted"] = job.attempts_started
    if job.stalled_count:
        found["stalledCounter"] = job.stalled_count
    texts = (
        ("processedBy", job.processed_by),
        ("failedReason", job.failed_reason),
        ("deferredFailure", fields.get("defa")),
    )
    for name, text in (*texts, ("deduplicationId", job.deduplication_id)):
        if text:
            found[name] = _text(board, text)
    return found


def options(board: Board, queue: str, stored: dict[str, Any]) -> dict[str, Any]:
    """Options under the names that people write them with."""
    found: dict[str, Any] = {"attempts": 0}
    telemetry: dict[str, Any] = {}
    for name, value in stored.items():
        if name == "tm":
            telemetry["metadata"] = value
        elif name == "omc":
            telemetry["omitContext"] = value
        elif name != "repeatJobKey":
            found[_LONG_NAMES.get(name, name)] = value
    if telemetry:
        found["telemetry"] = telemetry
    return rows.clean(rows.redacted(board, queue, found)[0])


def secret(board: Board, access: Access, queue: str, value: Any) -> Any:
    """Data or a result as this user may see it."""
    return rows.clean(rows.redacted(board, queue, value)[0]) if access.may("view_data") else None


def _progress(board: Board, access: Access, job: Job) -> Any:
    value = job.progress
    if rows.is_number(value):
        return value
    return 0 if value is None or not access.may("view_data") else secret(board, access, job.queue_name, value)


def _text(board: Board, text: str) -> str:
    return rows.text_of(board, text, _MOST)
