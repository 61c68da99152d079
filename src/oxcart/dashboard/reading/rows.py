"""Rows: jobs as lists show them, light and redacted, whatever is stored of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeGuard, TypeVar, cast

import orjson

from ... import Backoff, DamagedJob, Deduplication, Job, JobOptions, Keep, Parent
from .. import shapes
from ..access import Access
from ..board import Board

PREVIEW = 200
"""How many characters of a job's data, reason or progress a list shows."""

LARGE = 2**20
"""From so many characters on it takes long to look for secrets: not in the event loop, where others wait for it."""

LARGEST_WHOLE = 20_000
"""What has more characters is shortened before it is redacted for a preview."""

LARGEST_DATA = 16 * 1024
"""Of data of more bytes a list says only how large they are: it reads no more, and a part could not be redacted."""

DEEP_WHOLE = 10_000_000
"""How much is kept of a value that is nested too deeply."""

DEEPEST = 60
"""How deep values go; what is deeper shows as a mark."""

Made = TypeVar("Made")

NOTHING: Mapping[str, int] = {}


def row(
    board: Board, access: Access, job: Job, state: str, due: int | None = None, sizes: Mapping[str, int] = NOTHING
) -> shapes.JobRow:
    """A job in a list. `sizes` are those of its fields that were not read since they are large."""
    fields = job.record.fields
    raw = options_of(job)
    attempts = raw.get("attempts")
    return {
        "id": sendable(job.id),
        "name": text_of(board, job.name, PREVIEW),
        "queue": job.queue_name,
        "state": state,
        "created": whole(fields.get("timestamp")),
        "due": due,
        "started": whole(fields.get("processedOn")),
        "finished": whole(fields.get("finishedOn")),
        "progress": light_progress(board, access, job, sizes),
        "priority": whole(fields.get("priority")) or 0,
        "attempts_made": job.attempts_made,
        "attempts": max(int(attempts), 1) if is_number(attempts) else 1,
        "stalled": job.stalled_count,
        "failed_reason": first_line(board, job.failed_reason),
        "preview": preview(board, access, job, sizes.get("data", 0)),
        "worker": None if job.processed_by is None else text_of(board, job.processed_by, PREVIEW),
        "scheduler": None if job.scheduler_id is None else sendable(job.scheduler_id),
        "has_parent": bool(job.parent_key),
        "damaged": damage(job),
    }


def damage(job: Job) -> str | None:
    """Why a job can't be read, if it can't."""
    return sendable(job.reason) if isinstance(job, DamagedJob) else None


def preview(board: Board, access: Access, job: Job, size: int = 0) -> str:
    """The start of a job's data as JSON, of large ones how large they are; empty for those who may not see data."""
    if not access.may("view_data"):
        return ""
    size = size or _bytes(job.record.fields.get("data", ""))
    if size > LARGEST_DATA:
        return size_in_words(size)
    return cut(as_json(redacted(board, job.queue_name, job.data)[0]), PREVIEW)


def _bytes(text: str) -> int:
    # Only what is near the limit has to be counted.
    return len(text) if len(text) > LARGEST_DATA else len(text.encode("utf-8", "surrogateescape"))


def size_in_words(size: int) -> str:
    """How large something is that is not shown, such as "1.5 MB"."""
    for unit, bytes_of_it in (("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if size >= bytes_of_it:
            return f"({size / bytes_of_it:.3g} {unit})"
    return f"({size} bytes)"


def progress(board: Board, access: Access, job: Job) -> Any:
    """A number, or whatever the processor said, shortened."""
    return progress_of(board, access, job.queue_name, job.progress)


def light_progress(board: Board, access: Access, job: Job, sizes: Mapping[str, int]) -> Any:
    """The same; of one that was not read since it is large, how large it is."""
    return size_in_words(sizes["progress"]) if "progress" in sizes else progress(board, access, job)


def progress_of(board: Board, access: Access, queue: str, value: Any) -> Any:
    """The same of a value. Those who may not see data see numbers only."""
    if is_number(value):
        return value
    if value is None or not access.may("view_data"):
        return 0
    if isinstance(value, str):
        return text_of(board, value, PREVIEW)
    safe = clean(redacted(board, queue, shortened(value, LARGEST_WHOLE))[0])
    text = as_json(safe)
    return safe if len(text) <= PREVIEW else cut(text, PREVIEW)


async def aside(size: int, make: Callable[[], Made]) -> Made:
    """What is made of something of this size: if it is large, in a thread."""
    return make() if size < LARGE else await asyncio.to_thread(make)


def redacted(board: Board, queue: str, value: Any) -> tuple[Any, bool]:
    """A value with its secrets masked, and whether there were any. What is nested too deeply is left out."""
    try:
        return board.redactor.value(value, queue)
    except RecursionError:
        return board.redactor.value(shortened(value, DEEP_WHOLE), queue)[0], True


def short(board: Board, queue: str, value: Any, most: int) -> tuple[Any, bool, bool]:
    """About so many characters of a value as it may be seen; whether anything is cut, and whether anything is masked.

    It is masked before it is cut, as half a secret is one too. What is far behind the cut is not looked at.
    """
    part, left_out = (value, False) if board.redactor.wants_all else cut_down(value, most + LARGEST_WHOLE)
    safe, masked = redacted(board, queue, part)
    found, was_cut = cut_down(safe, most)
    return found, left_out or was_cut, masked


def first_line(board: Board, text: str | None) -> str | None:
    """The start of a reason."""
    if text is None:
        return None
    lines = text[:LARGEST_WHOLE].strip().splitlines() or [""]
    return cut(sendable(board.redactor.text(lines[0])), PREVIEW)


def text_of(board: Board, text: str, most: int) -> str:
    """A text as it may be seen, cut. What is far behind the cut is not looked at: it may be long."""
    return cut(sendable(board.redactor.text(text[: most + LARGEST_WHOLE])), most)


def cut(text: str, most: int) -> str:
    """A text of at most so many characters, with a mark if there are more."""
    return text if len(text) <= most else text[: most - 1] + "…"


def options_of(job: Job) -> Mapping[str, Any]:
    """The options as they are stored, under the names of the wire; empty if they can't be read."""
    found = decode(job.record.fields.get("opts", ""))
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def since_when(job: Job, now: int) -> int | None:
    """Since when a job waits to be taken: since it was added, or due, or given back by a worker."""
    created, delay = whole(job.record.fields.get("timestamp")), options_of(job).get("delay")
    if created is None:
        return None
    due = created + int(delay) if is_number(delay) else created
    since = created if due > now else due  # it was promoted
    return max(since, whole(job.record.fields.get("processedOn")) or 0)


# ------------------------------------------------------------------------------------------------ values


def decode(text: str) -> Any:
    """The value of a JSON text; None if it is none."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except ValueError:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None


def as_json(value: Any) -> str:
    """A value as JSON, whatever strange text is in it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return orjson.dumps(clean(value), option=orjson.OPT_NON_STR_KEYS).decode()


def clean(value: Any) -> Any:
    """The same value with nothing in it that JSON or UTF-8 can't carry."""
    try:
        # What is infinite is written as null without a word; only then is the value worth a walk.
        return _clean(value, 0) if b"null" in orjson.dumps(value) else value
    except TypeError:
        return _clean(value, 0)


def _clean(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        return "… (nested too deeply)"
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return {sendable(str(key)): _clean(item, depth + 1) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [_clean(item, depth + 1) for item in cast("list[Any]", value)]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def sendable(text: str) -> str:
    """Text that UTF-8 can carry: half characters show as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left
        self.cut = False


def shortened(value: Any, characters: int) -> Any:
    """About so many characters of a value: the beginnings of its texts, lists and objects."""
    return _shorten(value, _Budget(characters), 0)


def cut_down(value: Any, characters: int) -> tuple[Any, bool]:
    """The same, and whether anything was left out."""
    budget = _Budget(characters)
    return _shorten(value, budget, 0), budget.cut


def _shorten(value: Any, budget: _Budget, depth: int) -> Any:
    if isinstance(value, str):
        kept = value[: max(budget.left, 0)]
        budget.left -= len(kept) + 2
        if len(kept) < len(value):
            budget.cut = True
            return f"{kept}… ({len(value) - len(kept)} more characters)"
        return value
    if isinstance(value, (dict, list)):
        if depth > DEEPEST:
            budget.cut = True
            return "… (nested too deeply)"
        budget.left -= 2
        if isinstance(value, dict):
            return _shorten_object(cast("dict[Any, Any]", value), budget, depth)
        return _shorten_list(cast("list[Any]", value), budget, depth)
    budget.left -= 8
    return value


def _shorten_object(value: dict[Any, Any], budget: _Budget, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, item in value.items():
        if budget.left <= 0:
            budget.cut = True
            found["…"] = f"{len(value) - len(found)} more"
            break
        budget.left -= len(str(key)) + 4
        found[key] = _shorten(item, budget, depth + 1)
    return found


def _shorten_list(value: list[Any], budget: _Budget, depth: int) -> list[Any]:
    found: list[Any] = []
    for item in value:
        if budget.left <= 0:
            budget.cut = True
            found.append(f"… ({len(value) - len(found)} more)")
            break
        found.append(_shorten(item, budget, depth + 1))
    return found


_DIGITS = re.compile(r"\s*(\d{1,16})")


def whole(text: str | None) -> int | None:
    """A number as it is stored; None for nothing, 0 or anything else."""
    match = _DIGITS.match(text) if text else None
    return (int(match[1]) or None) if match else None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it can be counted with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


# ----------------------------------------------------------------------------------------------- options

_NAMES = {
    "job_id": "jobId",
    "remove_on_complete": "removeOnComplete",
    "remove_on_fail": "removeOnFail",
    "keep_logs": "keepLogs",
    "stack_trace_limit": "stackTraceLimit",
    "size_limit": "sizeLimit",
    "keep_last_if_active": "keepLastIfActive",
}


def plain_options(options: JobOptions) -> dict[str, Any]:
    """Options as BullMQ writes them and as the API takes them: times are ms, but the `age` of `Keep` is seconds."""
    return {_NAMES.get(name, name): _plain(name, value) for name, value in options.items()}


def _plain(name: str, value: Any) -> Any:
    match value:
        case Backoff():
            found = {"type": value.type, "delay": value.delay_ms, "jitter": value.jitter or None}
        case Keep():
            found = {"count": value.count, "age": seconds_of(value.age), "limit": value.limit}
        case Deduplication():
            ttl = None if value.ttl is None else ms_of(value.ttl)
            found = {"id": value.id, "ttl": ttl, "extend": value.extend or None, "replace": value.replace or None}
            found["keepLastIfActive"] = value.keep_last_if_active or None
        case Parent():
            return {"id": value.id, "queue": value.queue_key}
        case datetime() | timedelta():
            return ms_of(value)
        case _ if name == "delay" and is_number(value):
            return round(value * 1000)
        case _:
            return value
    return {word: item for word, item in found.items() if item is not None}


def seconds_of(value: timedelta | float | int | None) -> float | int | None:
    """A length of time in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def ms_of(value: datetime | timedelta | float | int) -> int:
    """A point in time, or a length of time in seconds, as ms."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, timedelta):
        return round(value.total_seconds() * 1000)
    return round(value * 1000)


def counts_of(counted: Mapping[str, int]) -> shapes.Counts:
    """The numbers of `Queue.counts` under the names of the API."""
    return {
        "waiting": counted.get("waiting", 0),
        "prioritized": counted.get("prioritized", 0),
        "delayed": counted.get("delayed", 0),
        "waiting_children": counted.get("waiting-children", 0),
        "active": counted.get("active", 0),
        "completed": counted.get("completed", 0),
        "failed": counted.get("failed", 0),
    }
