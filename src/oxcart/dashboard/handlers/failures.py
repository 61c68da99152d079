"""Failures: the failed jobs of all queues, those of the same kind together."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from ... import Queue
from .. import shapes
from ..ask import Ask, Refusal
from ..board import Board
from ..reading import direct, rows, traces
from ..reading.each import of_each
from ..reading.kept import kept
from ..reading.recorded import with_recorder
from ..reading.recorded_failures import Recorded, recorded_failures

MOST = 2000
"""How many of the newest failed jobs are looked at, in all queues together, unless more are asked for."""

MOST_EVER = 20_000

LEAST = 50
"""How many of each queue at least."""

MOST_WAITING = 5
"""How many looks may be asked for at once, of other queues or users."""

CHUNK = 250
FRESH_S = 5
HOUR_MS = 3_600_000
HOURS = 24
MOST_IDS = 5
MOST_NAMES = 20

FIELDS = ("name", "failedReason", "stacktrace", "finishedOn")


async def groups(board: Board, ask: Ask) -> shapes.Failures:
    """`GET /failures?queue=&count=`: the largest group first, of the newest failed jobs: of 2,000, or of 20,000.

    A `count` between is taken for the larger, so that what one has asked for is there for the others.
    """
    names = await board.chosen(ask)
    most = MOST if ask.whole("count", MOST, 1, MOST_EVER) <= MOST else MOST_EVER
    return await kept(board).get(("failures", most, *names), FRESH_S, lambda: _look_in_turn(board, names, most))


_TURNS: WeakKeyDictionary[Board, asyncio.Semaphore] = WeakKeyDictionary()
_WAITING: WeakKeyDictionary[Board, int] = WeakKeyDictionary()


async def _look_in_turn(board: Board, names: list[str], most: int) -> shapes.Failures:
    """It takes seconds, and keeps Redis and this process busy: so one look at a time, whoever asks for which."""
    waiting = _WAITING.get(board, 0)
    if waiting >= MOST_WAITING:
        raise Refusal(429, "too_many", "Others look through the failures right now. Try again in a moment.")
    _WAITING[board] = waiting + 1
    try:
        async with _TURNS.setdefault(board, asyncio.Semaphore()):
            return await _look(board, names, most)
    finally:
        _WAITING[board] -= 1


async def _look(board: Board, names: list[str], most: int = MOST) -> shapes.Failures:
    counts = (await of_each([board.open(name) for name in names], lambda queue: queue.counts("failed"))).at_least_one()
    queues = [queue for queue, _ in counts]
    failed = {queue.name: count["failed"] for queue, count in counts if count["failed"]}
    share = max(most // max(len(failed), 1), LEAST)
    found = _Groups(board.clock())
    for queue in queues:
        if queue.name in failed and found.looked_at < most:
            await _read(board, queue, found, min(share, most - found.looked_at))
    counting = await with_recorder(board, queues)
    found.record(await recorded_failures(board, counting, found.now), {queue.name for queue in counting})
    return {"now": found.now, "groups": found.shown(), "looked_at": found.looked_at, "total": sum(failed.values())}


async def _read(board: Board, queue: Queue, found: _Groups, most: int) -> None:
    """Look at the newest of a queue, some at a time: without their data, which may be large."""
    for start in range(0, most, CHUNK):
        count = min(CHUNK, most - start)
        jobs = await direct.columns(board, queue, "failed", FIELDS, start, count)
        for job_id, name, reason, stacktrace, finished in jobs:
            trace = rows.decode(stacktrace)
            last = str(trace[-1]) if isinstance(trace, list) and trace else ""  # pyright: ignore
            name = rows.text_of(board, name, rows.PREVIEW)
            found.add(
                queue.name, rows.sendable(job_id), name, traces.failure(board, reason, last), rows.whole(finished)
            )
        if len(jobs) < count:
            return


@dataclass(slots=True)
class _Group:
    failure: traces.Failure
    count: int = 0
    names: Counter[str] = field(default_factory=Counter[str])
    queues: Counter[str] = field(default_factory=Counter[str])
    first: int | None = None
    last: int | None = None
    per_hour: list[int] = field(default_factory=lambda: [0] * HOURS)
    ids: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    recorded: int | None = None
    recorded_per_hour: list[int] = field(default_factory=lambda: [0] * HOURS)

    def record(self, queue: str, found: Recorded) -> None:
        """Workers counted failures of this kind."""
        self.recorded = (self.recorded or 0) + sum(found.per_hour)
        self.recorded_per_hour = [a + b for a, b in zip(self.recorded_per_hour, found.per_hour, strict=True)]
        if found.name:
            self.names.setdefault(found.name, 0)
        self.queues.setdefault(queue, 0)
        times = [at for at in (self.first, self.last, found.first, found.last) if at is not None]
        self.first, self.last = min(times, default=None), max(times, default=None)

    def shown(self) -> shapes.FailureGroup:
        queues = [name for name, _ in self.queues.most_common()]
        return {
            "fingerprint": self.failure.fingerprint,
            "kind": self.failure.kind,
            "message": self.failure.message,
            "example": self.failure.example,
            "count": self.count,
            "recorded": self.recorded,
            "names": [name for name, _ in self.names.most_common(MOST_NAMES)],
            "queues": queues,
            "first": self.first,
            "last": self.last,
            # Whoever has seen more of them: workers saw those that are gone too, but maybe not all workers count.
            "per_hour": max(self.per_hour, self.recorded_per_hour, key=sum),
            "ids": self.ids.get(queues[0], []),
        }


class _Groups:
    """Failures by what they are."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.looked_at = 0
        self._groups: dict[str, _Group] = {}

    def add(self, queue: str, job_id: str, name: str, failure: traces.Failure, finished: int | None) -> None:
        """A failed job. Those of one queue come the newest first."""
        self.looked_at += 1
        group = self._groups.setdefault(failure.fingerprint, _Group(failure))
        group.count += 1
        group.names[name] += 1
        group.queues[queue] += 1
        ids = group.ids.setdefault(queue, [])
        if len(ids) < MOST_IDS:
            ids.append(job_id)
        if finished is None:
            return
        group.first = finished if group.first is None else min(group.first, finished)
        group.last = finished if group.last is None else max(group.last, finished)
        hours = (self.now - finished) // HOUR_MS
        if 0 <= hours < HOURS:
            group.per_hour[HOURS - 1 - hours] += 1

    def record(self, found: dict[tuple[str, str], Recorded], counting: set[str]) -> None:
        """Add what workers counted. A group of queues where nobody counts has no such number."""
        for group in self._groups.values():
            if counting & group.queues.keys():
                group.recorded = 0
        for (queue, fingerprint), one in found.items():
            self._groups.setdefault(fingerprint, _Group(one.failure)).record(queue, one)

    def shown(self) -> list[shapes.FailureGroup]:
        """The largest first; of equal ones, the newest."""

        def order(group: _Group) -> tuple[int, int]:
            return -max(group.count, group.recorded or 0), -(group.last or 0)

        ordered = sorted(self._groups.values(), key=order)
        return [group.shown() for group in ordered]
