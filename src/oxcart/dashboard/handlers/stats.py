"""Stats: what workers with a recorder counted, over time and by the names of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ... import Queue
from ...tally import HOUR_MS, LEVELS, MINUTE_MS, Level, Tally, percentile
from .. import shapes
from ..ask import Ask, invalid
from ..board import Board
from ..reading import rows
from ..reading.kept import kept
from ..reading.recorded import LONGEST_NAME, tallies, with_recorder
from .marks import marks_between

FRESH_S = 5
DAY = 24 * HOUR_MS
MOST_STEPS = 1000
"""How many steps of all queues together one answer is made of; for more, wider steps are taken."""

MOST_POINTS = 1500
MOST_NAMES = 200
PIECE = 100
"""After so many steps others may have the event loop."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which steps are read, and which are shown."""

    level: Level
    step: int
    start: int
    end: int

    @property
    def times(self) -> range:
        """When the steps begin that are read."""
        return range(self.start, self.end, self.level.step_ms)

    @property
    def points(self) -> range:
        return range(self.start, self.end, self.step)


def plan(now: int, since: int, until: int, wanted: int, queues: int) -> Plan:
    """The steps for a range of time: as narrow as was wanted, unless they are not kept for so long, or are too many."""
    span = until - since
    step = max(
        wanted or (MINUTE_MS if span <= 3 * HOUR_MS else HOUR_MS if span <= 8 * DAY else DAY), span // MOST_POINTS
    )
    # A level is of use if it is kept for so long, fits into the step, and has not too many steps.
    kept_ones = [level for level in LEVELS if since >= now - level.keep_ms - level.step_ms] or [LEVELS[-1]]
    few = [level for level in kept_ones if queues * (span // level.step_ms + 1) <= MOST_STEPS] or [kept_ones[-1]]
    fitting = [level for level in few if level.step_ms <= step]
    level = fitting[-1] if fitting else few[0]
    step = -(-step // level.step_ms) * level.step_ms
    start = since - since % step
    return Plan(level, step, start, start + max(-(-(until - start) // step), 1) * step)


# ---------------------------------------------------------------------------------------------------------- answers


@dataclass(slots=True)
class _Found:
    """What was counted, by step and by name."""

    points: dict[int, Tally] = field(default_factory=dict[int, Tally])
    names: dict[tuple[str, str], Tally] = field(default_factory=dict[tuple[str, str], Tally])

    def add(self, queue: str, at: int, found: dict[str, Tally]) -> None:
        for name, tally in found.items():
            self.points.setdefault(at, Tally()).add(tally)
            self.names.setdefault((queue, name), Tally()).add(tally)


async def stats(board: Board, ask: Ask) -> shapes.Stats:
    """What workers with a recorder counted: `?queue=&name=&from=&to=&step=`, the last 24 hours if nothing is said.

    Percentiles come from buckets that are at most a quarter wider than where they begin, by the place in the bucket.
    Old times are kept in hours and days (of UTC) only; then `step` is what could be had.
    """
    names = await board.chosen(ask)
    now = board.clock()
    until = min(ask.whole("to", now, 1), now + MINUTE_MS)
    since = max(ask.whole("from", until - DAY), until - LEVELS[-1].keep_ms, 0)
    if since >= until:
        raise invalid("from: a time before `to`, and before now")
    step = ask.whole("step", 0, MINUTE_MS, LEVELS[-1].keep_ms)
    name = ask.text("name")
    # A page that moves on with the time asks for another range each time: those of one minute are the same.
    since, until = since - since % MINUTE_MS, -(-until // MINUTE_MS) * MINUTE_MS
    key = ("stats", tuple(names), name, since, until, step)
    return await kept(board).get(key, FRESH_S, lambda: _stats(board, names, name, since, until, step))


async def _stats(board: Board, names: list[str], name: str | None, since: int, until: int, step: int) -> shapes.Stats:
    now = board.clock()
    queues = await with_recorder(board, [board.open(one) for one in names])
    chosen = plan(now, since, until, step, len(queues))
    found = await _read(board, queues, chosen, name)
    counted = sorted(found.names.items(), key=lambda item: (-item[1].failed, -item[1].completed, item[0]))
    return {
        "now": now,
        "recorded": bool(queues),
        "step": chosen.step,
        "points": [_point(at, found.points.get(at) or Tally()) for at in chosen.points],
        "names": [_name(board, queue, job, tally) for (queue, job), tally in counted[:MOST_NAMES]],
        "marks": await marks_between(board, chosen.start, chosen.end),
    }


async def _read(board: Board, queues: Sequence[Queue], chosen: Plan, name: str | None) -> _Found:
    found = _Found()
    wanted = [(queue, at) for queue in queues for at in chosen.times]
    for start in range(0, len(wanted), PIECE):
        some = wanted[start : start + PIECE]
        steps = [tallies(board, queue.keys.step(chosen.level.letter, at), name) for queue, at in some]
        for (queue, at), step in zip(some, await asyncio.gather(*steps), strict=True):
            found.add(queue.name, at - (at - chosen.start) % chosen.step, step)
    return found


def _point(at: int, tally: Tally) -> shapes.StatsPoint:
    return {
        "at": at,
        "completed": tally.completed,
        "failed": tally.failed,
        "retried": tally.retried,
        "run": spread(tally.run),
        "wait": spread(tally.wait),
    }


def _name(board: Board, queue: str, name: str, tally: Tally) -> shapes.NameStats:
    return {
        "queue": queue,
        "name": rows.text_of(board, name, LONGEST_NAME),
        "completed": tally.completed,
        "failed": tally.failed,
        "retried": tally.retried,
        "run": spread(tally.run),
        "wait": spread(tally.wait),
    }


def spread(counts: dict[int, int]) -> shapes.Spread:
    """How long something took, from how many were in which bucket."""
    p50, p95, p99 = (percentile(counts, share) for share in (50, 95, 99))
    return {"count": sum(counts.values()), "p50": p50, "p95": p95, "p99": p99}
