"""Recorded failures: those that workers with a recorder saw in the last 24 hours, also of jobs that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ... import Queue
from ...tally import HOUR_MS, OTHER
from ..board import Board
from . import rows, traces
from .direct import ask_redis

HOURS = 24
MANY = "too many kinds of failures to tell these apart"


@dataclass(slots=True)
class Recorded:
    """Failures of one kind in one queue."""

    failure: traces.Failure
    name: str
    per_hour: list[int] = field(default_factory=lambda: [0] * HOURS)
    first: int | None = None
    last: int | None = None


async def recorded_failures(board: Board, queues: Sequence[Queue], now: int) -> dict[tuple[str, str], Recorded]:
    """By queue and fingerprint."""
    found: dict[tuple[str, str], Recorded] = {}
    present = now - now % HOUR_MS
    hours = [present - (HOURS - 1 - at) * HOUR_MS for at in range(HOURS)]
    for queue in queues:
        kept = await asyncio.gather(*(ask_redis(board, "HGETALL", queue.keys.failures(hour)) for hour in hours))
        for at, flat in enumerate(kept):
            for one, count, last in _read(board, flat or ()):
                known = found.setdefault((queue.name, one.failure.fingerprint), one)
                known.per_hour[at] += count
                known.first = one.first if known.first is None else min(known.first, one.first or known.first)
                known.last = max(known.last or 0, last)
    return found


def _read(board: Board, flat: Sequence[Any]) -> Iterator[tuple[Recorded, int, int]]:
    """What an hour has: of each kind an example, how often, and when last."""
    pairs = iter(flat)
    fields = {str(name): str(value) for name, value in zip(pairs, pairs, strict=False)}
    for name, example in fields.items():
        what, _, part = name.rpartition(":")
        count, last = rows.whole(fields.get(f"{what}:n")), rows.whole(fields.get(f"{what}:at"))
        if part != "is" or not count:
            continue
        if what == OTHER:
            yield Recorded(traces.Failure(OTHER, "", MANY, MANY), ""), count, last or 0
            continue
        kept: Any = rows.decode(example)
        if isinstance(kept, dict):
            parts = cast(dict[str, Any], kept)
            kind, place, reason, job = (str(parts.get(word) or "") for word in ("kind", "place", "reason", "name"))
            # Told apart by what may be seen of it, as those of jobs are.
            failure = traces.known_failure(board, kind, reason, place)
            at = parts.get("at")
            one = Recorded(failure, rows.text_of(board, job, rows.PREVIEW), first=at if isinstance(at, int) else None)
            yield one, count, last or 0
