"""One queue: its numbers, its lists, the search in it, its minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypedDict, cast

from ... import Queue
from .. import shapes
from ..ask import Ask, invalid
from ..board import Board
from ..reading import direct, finding, rows
from ..reading.connected import worker_count
from ..reading.finding import FINISHED, STATES, Wanted
from ..reading.kept import kept

MOST_ROWS = 200
LATENCY_FRESH_S = 30
LATENCY_KEEP_S = 3600
OLDEST_FRESH_S = 2
LATEST = 100
"""So many finished jobs tell how long jobs take."""

MINUTE_MS = 60_000
HOUR = 60
LONGEST = 20_160
"""Two weeks of minutes: what the metrics can be asked for."""


async def detail(board: Board, ask: Ask) -> shapes.QueueDetail:
    """`GET /queues/{queue}`."""
    queue = await board.queue(ask)
    row, limit, version = await asyncio.gather(row_of(board, queue), queue.global_rate_limit(), queue.version())
    rate: shapes.RateLimit | None = None
    if limit is not None:
        rate = {"max": limit.max, "duration": rows.ms_of(limit.duration)}
    return {**row, "now": board.clock(), "rate_limit": rate, "version": version}


async def row_of(board: Board, queue: Queue, spare_s: float = 0.0) -> shapes.QueueRow:
    """A queue in the overview: a few calls, no more if it holds more; none while nothing happens in it.

    With `spare_s`, one that is no older than this will do.
    """
    good_since = board.pulse.good_since(queue.name, spare_s)
    if good_since is None:
        return await _row_of(board, queue)
    return await kept(board).since(("row", queue.name), good_since, lambda: _row_of(board, queue))


async def _row_of(board: Board, queue: Queue) -> shapes.QueueRow:
    state, minutes, workers = await asyncio.gather(
        _state_of_row(queue), minutes_of(board, queue, HOUR), worker_count(board, queue)
    )
    counted, paused, concurrency, limited_s, schedulers = state
    # What can't have an answer is not asked: most of very many queues have nothing in them.
    waits, ended = counted["waiting"] + counted["prioritized"], counted["completed"] + counted["failed"]
    oldest = await oldest_waiting(board, queue) if waits else None
    times = await latency(board, queue) if ended else NO_LATENCY
    return {
        "name": queue.name,
        "counts": rows.counts_of(counted),
        "paused": paused,
        "concurrency": concurrency,
        "rate_limited_for": rows.ms_of(limited_s),
        "oldest_waiting": oldest,
        "workers": workers,
        "done_per_minute": minutes["completed"] if minutes["counted"] else [],
        "failed_per_minute": minutes["failed"] if minutes["counted"] else [],
        "schedulers": schedulers,
        **times,
    }


async def _state_of_row(queue: Queue) -> tuple[dict[str, int], bool, int | None, float, int]:
    return await asyncio.gather(
        queue.counts(),
        queue.is_paused(),
        queue.global_concurrency(),
        queue.rate_limit_ttl(),
        queue.scheduler_count(),
    )


_SINCE = direct.Reading(("timestamp", "processedOn"), ("opts",))
"""What tells since when a job waits."""


async def oldest_waiting(board: Board, queue: Queue) -> int | None:
    """Since when the job waits that is next; looked at once in some seconds."""
    return await kept(board).get(("oldest", queue.name), OLDEST_FRESH_S, lambda: _oldest_waiting(board, queue))


async def _oldest_waiting(board: Board, queue: Queue) -> int | None:
    for state in ("waiting", "prioritized"):
        for found in await direct.page(board, queue, state, 0, 1, True, _SINCE):
            return rows.since_when(found.job, board.clock())
    return None


# --------------------------------------------------------------------------------------------------- lists


def state_of(ask: Ask) -> str:
    """The one state that the query names."""
    states = finding.parse_states(ask.text("state"))
    if len(states) != 1:
        raise invalid(f"state: one of {', '.join(STATES)}")
    return states[0]


async def page(board: Board, ask: Ask) -> shapes.JobPage:
    """`GET /queues/{queue}/jobs`: a part of a list."""
    queue = await board.queue(ask)
    state = state_of(ask)
    start, count = ask.whole("start", 0), ask.whole("count", 50, 1, MOST_ROWS)
    natural = "newest" if state in FINISHED else "oldest"
    upward = ask.one_of("order", ("newest", "oldest"), natural) == "oldest"
    jobs, counted = await asyncio.gather(direct.page(board, queue, state, start, count, upward), queue.counts(state))
    due = await direct.due_times(board, queue, [found.job.id for found in jobs]) if state == "delayed" else {}
    found = [rows.row(board, ask.access, one.job, state, due.get(one.job.id), one.sizes) for one in jobs]
    return {"now": board.clock(), "jobs": found, "start": start, "total": counted[state]}


async def search(board: Board, ask: Ask) -> shapes.SearchPage:
    """`GET /queues/{queue}/search`: jobs that fit all that is asked, as far as one request may look."""
    queue = await board.queue(ask)
    states = finding.parse_states(ask.text("state"))
    wanted = Wanted.parse(ask.query, ask.access)
    limit = ask.whole("count", 50, 1, MOST_ROWS)
    searched = finding.Search(board, ask.access, queue, wanted, states, named=ask.text("q"), light=True)
    return await searched.page(ask.text("cursor"), limit)


# ------------------------------------------------------------------------------------------------- numbers


async def metrics(board: Board, ask: Ask) -> shapes.MinuteCounts:
    """`GET /queues/{queue}/metrics`."""
    queue = await board.queue(ask)
    return await minutes_of(board, queue, ask.whole("minutes", HOUR, 1, LONGEST))


async def minutes_of(board: Board, queue: Queue, minutes: int) -> shapes.MinuteCounts:
    """How many jobs ended in each of the last minutes that are over."""
    now = board.clock()
    (done, done_total, done_counts), (failed, failed_total, failed_counts) = await asyncio.gather(
        _minutes(board, queue, "completed", minutes, now), _minutes(board, queue, "failed", minutes, now)
    )
    return {
        "now": now,
        "counted": done_counts or failed_counts,
        "completed": done,
        "failed": failed,
        "completed_total": done_total,
        "failed_total": failed_total,
    }


async def _minutes(board: Board, queue: Queue, kind: str, minutes: int, now: int) -> tuple[list[int], int, bool]:
    found, before = await asyncio.gather(queue.metrics(kind, 0, minutes - 1), direct.counted_before(board, queue, kind))
    if found.last_point_at is None:
        return [0] * minutes, found.count, found.count > 0
    # A point is written by the first job of a later minute: the newest is of the minute before that one, and what came
    # in that minute and no job has followed since has no point yet.
    written = rows.ms_of(found.last_point_at) // MINUTE_MS
    by_minute = {written - 1 - at: point for at, point in enumerate(found.points)}
    if before is not None:
        by_minute[written] = max(found.count - before, 0)
    present = now // MINUTE_MS
    return [by_minute.get(minute, 0) for minute in range(present - minutes, present)], found.count, True


class Latency(TypedDict):
    """How long jobs ran and waited."""

    p50: int | None
    p95: int | None
    wait_p95: int | None


NO_LATENCY = Latency(p50=None, p95=None, wait_p95=None)


async def latency(board: Board, queue: Queue) -> Latency:
    """Of the latest finished jobs; looked at once in some seconds, and not again while nothing happens in the queue."""
    moment, changed_at = time.monotonic() - LATENCY_FRESH_S, board.pulse.changed_at(queue.name)
    if changed_at is not None:
        moment = min(moment, changed_at)
    made = kept(board).since(("latency", queue.name), moment, lambda: _latency(board, queue), LATENCY_KEEP_S)
    return await made


async def _latency(board: Board, queue: Queue) -> Latency:
    names = ("timestamp", "processedOn", "finishedOn", "opts", "atm")
    found = await asyncio.gather(*(direct.columns(board, queue, state, names, 0, LATEST) for state in FINISHED))
    jobs = sorted((job for some in found for job in some), key=lambda job: rows.whole(job[3]) or 0, reverse=True)
    ran: list[int] = []
    waited: list[int] = []
    for _, created_text, started_text, finished_text, opts, made in jobs[:LATEST]:
        created, started, finished = map(rows.whole, (created_text, started_text, finished_text))
        if started is None or finished is None:
            continue
        ran.append(max(finished - started, 0))
        if created is not None and made in ("", "1"):  # of a retry it can't be told since when it waited
            waited.append(max(started - due_of(created, opts, started), 0))
    return {"p50": percentile(ran, 50), "p95": percentile(ran, 95), "wait_p95": percentile(waited, 95)}


def due_of(created: int, opts: str, started: int) -> int:
    """When a job was due: when it was added, or after its delay, if it was not promoted before."""
    options: Any = rows.decode(opts) if '"delay"' in opts else None
    delay: object = cast(dict[str, Any], options).get("delay") if isinstance(options, dict) else None
    due = created + int(delay) if rows.is_number(delay) else created
    return created if due > started else due


def percentile(values: Sequence[int], share: int) -> int | None:
    """The smallest value that so many percent don't exceed."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * share // 100) - 1, 0)]
