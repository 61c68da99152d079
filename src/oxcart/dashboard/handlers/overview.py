"""The overview: every queue in a row, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from ...errors import is_forbidden
from .. import shapes
from ..ask import Ask
from ..board import Board
from ..pulse import QUIET_S
from ..reading import rows
from ..reading.each import of_each
from . import queues, redis

MINUTE_MS = 60_000
OLD_MS = 5 * MINUTE_MS
VERY_OLD_MS = 60 * MINUTE_MS
FEW = 100
EACH_S = 0.02
"""Of more than a few queues, rows will do that are no older than this for each of them: one takes milliseconds."""

RECENT = 10
"""Failures of so many minutes are news."""

_SEVERITIES = get_args(shapes.Severity)
_KINDS = get_args(shapes.AttentionKind)


async def overview(board: Board, ask: Ask) -> shapes.Overview:
    """`GET /overview`."""
    names = await board.names(ask)
    spare_s = min(len(names) * EACH_S, QUIET_S) if len(names) > FEW else 0.0
    answers = await of_each(names, lambda name: queues.row_of(board, board.open(name), spare_s))
    if all(is_forbidden(error) for _, error in answers.unreadable):
        answers.at_least_one()  # with no right to anything, all there is to tell is this
    now = board.clock()
    found = [item for _, row in answers.found for item in attention(row, now)]
    found += unreadable(board, answers.unreadable)
    if ask.access.may("redis"):
        found += redis_attention(await redis.health(board))
    found.sort(key=_urgency)
    return {"now": now, "queues": [row for _, row in answers.found], "attention": found}


def _urgency(item: shapes.Attention) -> tuple[int, int, int]:
    return _SEVERITIES.index(item["severity"]), _KINDS.index(item["kind"]), -(item["count"] or 0)


def unreadable(board: Board, told: Sequence[tuple[str, Exception]]) -> list[shapes.Attention]:
    """Queues that have no row: those with damaged keys, and together those that our user in Redis may not read."""
    found: list[shapes.Attention] = []
    for name, error in told:
        if not is_forbidden(error):
            why = rows.text_of(board, str(error), rows.PREVIEW)
            found.append(_item("unreadable", "high", name, f"{rows.sendable(name)} can't be read: {why}", None, None))
    hidden = [name for name, error in told if is_forbidden(error)]
    if hidden:
        which = ", ".join(map(rows.sendable, hidden[:3])) + (f" and {len(hidden) - 3:,} more" if hidden[3:] else "")
        text = f"Redis does not let this dashboard read {which}"
        found.append(_item("unreadable", "low", hidden[0], text, len(hidden), None))
    return found


def attention(row: shapes.QueueRow, now: int) -> list[shapes.Attention]:
    """What of one queue somebody should look at."""
    counts = row["counts"]
    waiting = counts["waiting"] + counts["prioritized"]
    state = "waiting" if counts["waiting"] else "prioritized"
    name = row["name"]
    found: list[shapes.Attention] = []
    if row["workers"] == 0 and not row["paused"] and waiting:
        text = f"{_jobs(waiting)} in {name} {_wait(waiting)}, but no worker is connected"
        found.append(_item("no_workers", "high", name, text, waiting, state))
    if row["workers"] == 0 and counts["active"]:
        text = f"{_jobs(counts['active'])} in {name} {_are(counts['active'])} active, but no worker is connected"
        found.append(_item("stalled", "high", name, text, counts["active"], "active"))
    if row["paused"] and waiting:
        text = f"{name} is paused, and {_jobs(waiting)} {_wait(waiting)}"
        found.append(_item("paused", "medium", name, text, waiting, state))
    waited = 0 if row["oldest_waiting"] is None else now - row["oldest_waiting"]
    if waiting and waited >= OLD_MS and not row["paused"] and row["workers"] != 0:
        severity: shapes.Severity = "high" if waited >= VERY_OLD_MS else "medium"
        text = f"The next job in {name} has waited for {length_in_words(waited)}"
        found.append(_item("old_waiting", severity, name, text, waiting, state))
    if counts["failed"]:
        found.append(_failures(row))
    if row["rate_limited_for"] and waiting:
        text = f"{name} is held back by a rate limit for {length_in_words(row['rate_limited_for'])}"
        found.append(_item("rate_limited", "low", name, text, waiting, state))
    return found


def _failures(row: shapes.QueueRow) -> shapes.Attention:
    """Failures that go on are worse than those of long ago. If nobody counts by minute, that can't be told."""
    failed, name = row["counts"]["failed"], row["name"]
    new, done = sum(row["failed_per_minute"][-RECENT:]), sum(row["done_per_minute"][-RECENT:])
    text = f"{failed:,} failed {'job' if failed == 1 else 'jobs'} in {name}"
    if new:
        severity: shapes.Severity = "high" if new >= done else "medium"
        text += f", {new:,} in the last {RECENT} minutes"
    else:
        severity = "low" if row["failed_per_minute"] and not sum(row["failed_per_minute"]) else "medium"
    return _item("failures", severity, name, text, failed, "failed")


def redis_attention(health: shapes.Redis) -> list[shapes.Attention]:
    """What of the server somebody should look at."""
    found: list[shapes.Attention] = []
    policy, share = health["policy"], redis.memory_share(health)
    if policy and policy != "noeviction":
        text = f"Redis may delete jobs when its memory is full: maxmemory-policy is {policy}"
        found.append(_item("redis_policy", "high" if health["maximum"] else "medium", None, text, None, None))
    if share >= redis.MEMORY_NEAR:
        text = f"Redis uses {share:.0%} of the memory that it may use"
        found.append(_item("redis_memory", "high" if share >= 0.95 else "medium", None, text, None, None))
    return found


def _item(
    kind: shapes.AttentionKind,
    severity: shapes.Severity,
    queue: str | None,
    text: str,
    count: int | None,
    state: str | None,
) -> shapes.Attention:
    return {"kind": kind, "severity": severity, "queue": queue, "text": text, "count": count, "state": state}


def _jobs(count: int) -> str:
    return f"{count:,} {'job' if count == 1 else 'jobs'}"


def _wait(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def length_in_words(ms: int) -> str:
    """A length of time, such as "12 min" or "3 h 5 min"."""
    minutes = ms // MINUTE_MS
    if minutes < 1:
        return f"{max(ms // 1000, 1)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours // 24} days"
