"""Stats: what workers with a recorder counted, over time and by the names of jobs; marks in time; Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import Queue
from ..errors import FORBIDDEN, ServerRefused
from ..tally import DAY_MS, HOUR_MS, LEVELS, MINUTE_MS, Level, Tally, percentile, total
from . import rows, shapes
from .answers import File
from .ask import Ask, invalid
from .board import Board
from .kept import kept

FRESH_S = 5
DAY = 24 * HOUR_MS
MOST_STEPS = 1000
"""How many steps of all queues together one answer is made of; for more, wider steps are taken."""

MOST_POINTS = 1500
MOST_NAMES = 200
MOST_MARKS = 100
KEPT_MARKS = 500
KEEP_MARKS_MS = 400 * DAY_MS
LONGEST_MARK = 200
LONGEST_NAME = 200
PIECE = 100
"""After so many steps others may have the event loop."""


# ---------------------------------------------------------------------------------------------------------- reading


async def ask_redis(board: Board, *command: str | int | float) -> Any:
    """What Redis answers; None if this user of it may not ask."""
    try:
        return await board.connection.transport.execute(*command)
    except ServerRefused as error:
        if error.code != FORBIDDEN:
            raise
        return None


async def recorded(board: Board, queues: Sequence[Queue]) -> list[Queue]:
    """Those of the queues that have a worker with a recorder, or had one."""
    there = await asyncio.gather(*(ask_redis(board, "EXISTS", queue.keys.step_total) for queue in queues))
    return [queue for queue, found in zip(queues, there, strict=True) if found]


async def tallies(board: Board, key: str, name: str | None = None) -> dict[str, Tally]:
    """What was counted in a step of time, by the names of jobs, or of one name only."""
    if name is not None:
        text = await ask_redis(board, "HGET", key, name)
        return {} if text is None else {name: Tally.from_text(str(text))}
    flat = iter(await ask_redis(board, "HGETALL", key) or ())
    return {str(found): Tally.from_text(str(text)) for found, text in zip(flat, flat, strict=False)}


async def counted_since(board: Board, queue: Queue, since: int, until: int) -> Tally:
    """All of a queue in a span of minutes, if it is short."""
    keys = [queue.keys.step("m", at) for at in range(since - since % MINUTE_MS, until, MINUTE_MS)]
    found = await asyncio.gather(*(tallies(board, key) for key in keys))
    return total(tally for some in found for tally in some.values())


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
    queues = await recorded(board, [board.open(one) for one in names])
    chosen = plan(now, since, until, step, len(queues))
    found = await _read(board, queues, chosen, name)
    counted = sorted(found.names.items(), key=lambda item: (-item[1].failed, -item[1].completed, item[0]))
    return {
        "now": now,
        "recorded": bool(queues),
        "step": chosen.step,
        "points": [_point(at, found.points.get(at) or Tally()) for at in chosen.points],
        "names": [_name(board, queue, job, tally) for (queue, job), tally in counted[:MOST_NAMES]],
        "marks": await _marks(board, chosen.start, chosen.end),
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


# ------------------------------------------------------------------------------------------------------------ marks


def _marks_key(board: Board) -> str:
    return Queue("-", connection=board.connection, prefix=board.prefix).keys.marks


async def _marks(board: Board, since: int, until: int) -> list[shapes.Mark]:
    """The newest in a range of time, oldest first."""
    key = _marks_key(board)
    flat = await ask_redis(board, "ZREVRANGEBYSCORE", key, until, since, "WITHSCORES", "LIMIT", 0, MOST_MARKS)
    pairs = iter(flat or ())
    found: list[shapes.Mark] = []
    for member, score in zip(pairs, pairs, strict=False):
        text = str(member).partition(":")[2]
        found.append({"at": int(float(score)), "text": rows.text_of(board, text, LONGEST_MARK)})
    return found[::-1]


async def mark(board: Board, ask: Ask) -> shapes.Done:
    """Mark a moment, such as a deploy, in the charts of all queues: `{text, at?}`."""
    text = " ".join(ask.given("text", str).split())
    if not text or len(text) > LONGEST_MARK:
        raise invalid(f"text: what happened, in at most {LONGEST_MARK} characters")
    at: int = ask.given("at", int, board.clock())
    if not 0 <= at <= board.clock() + LEVELS[-1].keep_ms:
        raise invalid("at: a time in milliseconds since 1970")
    key = _marks_key(board)
    await board.connection.transport.execute("ZADD", key, at, f"{at}:{rows.sendable(text)}")
    await board.connection.transport.execute("ZREMRANGEBYRANK", key, 0, -1 - KEPT_MARKS)
    await board.connection.transport.execute("PEXPIRE", key, KEEP_MARKS_MS)
    return {"done": 1, "text": f"Marked: {text}"}


# ------------------------------------------------------------------------------------------------------- Prometheus

PROMETHEUS = "text/plain; version=0.0.4"
BOUNDS = range(2, 23)
"""Histograms have a bucket for each power of two of milliseconds, from 4 ms to 70 minutes."""

_COUNTERS = (
    ("oxcart_jobs_completed_total", "Jobs that are completed, by their names", "completed"),
    ("oxcart_jobs_failed_total", "Jobs that failed for good, by their names", "failed"),
    ("oxcart_attempts_retried_total", "Failed attempts that are repeated, by the names of jobs", "retried"),
)
_HISTOGRAMS = (
    ("oxcart_job_run_seconds", "How long attempts ran, by the names of jobs", "run"),
    ("oxcart_job_wait_seconds", "How long jobs waited from being due to being taken, by their names", "wait"),
)


async def prometheus(board: Board, ask: Ask) -> File:
    """The numbers of all queues that the user sees, as text for Prometheus."""
    names = await board.names(ask)
    text = await kept(board).get(("prometheus", *names), FRESH_S, lambda: _prometheus(board, names))
    return File(text, PROMETHEUS)


async def _prometheus(board: Board, names: Sequence[str]) -> str:
    queues = [board.open(name) for name in names]
    texts = await asyncio.gather(*(queue.prometheus() for queue in queues))
    counted: list[tuple[str, dict[str, Tally]]] = []
    for queue in await recorded(board, queues):
        shown: dict[str, Tally] = {}
        for name, tally in (await tallies(board, queue.keys.step_total)).items():
            shown.setdefault(rows.text_of(board, name, LONGEST_NAME), Tally()).add(tally)
        counted.append((queue.name, shown))
    return "\n".join([*_regrouped(texts), *_families(counted)]) + "\n"


def _regrouped(texts: Sequence[str]) -> Iterator[str]:
    """The lines of many queues, those of one metric together: Prometheus wants it so, and its head but once."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    for text in texts:
        head, lines = list[str](), list[str]()
        for line in text.split("\n"):
            if line.startswith("# HELP "):
                head, lines = families.setdefault(line.split(" ")[2], ([], []))
            if not line.startswith("#"):
                lines.append(line)
            elif line not in head:
                head.append(line)
    for head, lines in families.values():
        yield from head
        yield from lines


def _families(counted: Sequence[tuple[str, dict[str, Tally]]]) -> Iterator[str]:
    labelled = [
        (f'queue="{_escaped(queue)}",name="{_escaped(name)}"', tally)
        for queue, names in counted
        for name, tally in names.items()
    ]
    if not labelled:
        return
    for metric, text, part in _COUNTERS:
        yield f"# HELP {metric} {text}"
        yield f"# TYPE {metric} counter"
        for labels, tally in labelled:
            yield f"{metric}{{{labels}}} {getattr(tally, part)}"
    for metric, text, part in _HISTOGRAMS:
        yield f"# HELP {metric} {text}"
        yield f"# TYPE {metric} histogram"
        for labels, tally in labelled:
            yield from _histogram(metric, labels, getattr(tally, part), getattr(tally, f"{part}_ms"))


def _histogram(metric: str, labels: str, counts: dict[int, int], sum_ms: int) -> Iterator[str]:
    for power in BOUNDS:
        # Buckets below this one end at or before 2**power milliseconds.
        below = sum(count for bucket, count in counts.items() if bucket < 4 * (power - 1))
        yield f'{metric}_bucket{{{labels},le="{2**power / 1000!r}"}} {below}'
    everything = sum(counts.values())
    yield f'{metric}_bucket{{{labels},le="+Inf"}} {everything}'
    yield f"{metric}_sum{{{labels}}} {sum_ms / 1000!r}"
    yield f"{metric}_count{{{labels}}} {everything}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
