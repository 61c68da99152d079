"""Queues: all of them with their numbers, and the jobs of the one that is open in the page."""

from __future__ import annotations

import asyncio

from ... import Queue
from ..ask import Ask
from ..board import Board
from ..reading import direct, rows
from ..reading.connected import worker_count
from ..reading.each import of_each
from . import shapes
from .asked import STATUSES, looks_only, queue_of, whole
from .job_shape import app_job
from .trouble import bad_query

_LISTED = STATUSES[1:]
_FIRST_PAGE = 10
_MOST_JOBS = 300

_FIELDS = tuple(
    """name timestamp progress opts stacktrace failedReason processedOn finishedOn priority delay attemptsMade atm ats
    stc pb defa deid rjk parentKey""".split()
)
_HEAVY = ("data", "returnvalue")
_LARGEST = 2**20
"""Data or a result of more bytes are not read for a list: the job has to be opened."""

_MOST_DATA = 10_000_000
"""How many characters of data and results a list has in all; from there on, jobs have to be opened to see them."""


async def listed(board: Board, ask: Ask) -> shapes.Queues:
    """`GET /queues?activeQueue=&status=&page=&jobsPerPage=`."""
    status = ask.query.get("status") or "latest"
    if status not in (*STATUSES, "paused"):
        raise bad_query("status")
    page, count = whole(ask.query, "page", 1, 10**9), whole(ask.query, "jobsPerPage", _FIRST_PAGE, _MOST_JOBS)
    names = await board.names(ask)
    active = ask.query.get("activeQueue")
    found = await of_each(
        names, lambda name: _queue(board, ask, board.open(name), status if name == active else None, page, count)
    )
    return {"queues": [queue for _, queue in found.at_least_one()]}


async def _queue(board: Board, ask: Ask, queue: Queue, status: str | None, page: int, count: int) -> shapes.AppQueue:
    """A queue; with the jobs of this status, if one is given."""
    counts, paused, concurrency, limited_s, schedulers = await asyncio.gather(
        queue.counts(),
        queue.is_paused(),
        queue.global_concurrency(),
        queue.rate_limit_ttl(),
        queue.scheduler_count(),
    )
    workers = await worker_count(board, queue)
    start = (page - 1) * count
    single = status in (None, "latest")
    jobs = [] if status in (None, "paused") else await _jobs(board, ask, queue, status, 0 if single else start, count)
    total = 1 if single else 0 if status == "paused" else -(-counts.get(status or "", 0) // count)
    start = 0 if single else start
    return {
        "name": queue.name,
        "delimiter": "",
        "type": "bullmq",
        "statuses": list(STATUSES),
        "counts": {name: counts.get(name, 0) for name in sorted(_LISTED)},
        "jobs": jobs,
        "pagination": {"pageCount": total, "range": {"start": start, "end": start + count - 1}},
        "readOnlyMode": looks_only(ask),
        "allowRetries": ask.access.may("retry"),
        "allowCompletedRetries": ask.access.may("retry"),
        "isPaused": paused,
        "globalConcurrency": concurrency,
        "activeRateLimitTtl": rows.ms_of(limited_s),
        "supportsGlobalRateLimit": True,
        "jobSchedulerCount": schedulers,
        "hasWorkers": None if workers is None else workers > 0,
    }


async def _jobs(board: Board, ask: Ask, queue: Queue, status: str, start: int, count: int) -> list[shapes.AppJob]:
    """A page of a list, the newest first; of the latest, a page of each list."""
    states = _LISTED if status == "latest" else (status,)
    left = _MOST_DATA
    shown: list[shapes.AppJob] = []
    for state in states:
        at, end = start, start + count
        while at < end:
            most, budget = (_LARGEST, min(left, direct.BUDGET)) if left > 0 else (0, direct.BUDGET)
            reading = direct.Reading(_FIELDS, _HEAVY, most, budget)
            some = await direct.some(board, queue, state, at, end - at, False, reading)
            if not some:
                break
            at += len(some)
            there = [light for _, light in some if light is not None]
            left -= sum(len(light.job.record.fields.get(name, "")) for light in there for name in _HEAVY)
            shown += [app_job(board, ask.access, light.job, with_data=not light.sizes) for light in there]
            await asyncio.sleep(0)  # others want their answers too
    return shown


# ------------------------------------------------------------------------------------------------- one queue


async def metrics(board: Board, ask: Ask) -> shapes.Metrics:
    """`GET /queues/{queue}/metrics`: what workers that count have counted, the newest minute first."""
    queue = await queue_of(board, ask)
    done, failed = await asyncio.gather(_metric(board, queue, "completed"), _metric(board, queue, "failed"))
    return {"completed": done, "failed": failed}


async def _metric(board: Board, queue: Queue, kind: str) -> shapes.Metric:
    found, before = await asyncio.gather(queue.metrics(kind), direct.counted_before(board, queue, kind))
    written = 0 if found.last_point_at is None else rows.ms_of(found.last_point_at)
    return {
        "meta": {"count": found.count, "prevTS": written, "prevCount": before or 0},
        "data": found.points,
        "count": found.total_points,
    }


async def default_options(board: Board, ask: Ask) -> dict[str, object]:
    """`GET /queues/{queue}/default-job-options`: they belong to programs that add jobs; we have none."""
    await queue_of(board, ask)
    return {}


async def data_schema(board: Board, ask: Ask) -> dict[str, object]:
    """`GET /queues/{queue}/job-data-schema`: what the data of any of its jobs are like, as it's one for all."""
    queue = await queue_of(board, ask)
    schemas = [form.schema for form in board.forms.of(queue.name).values()]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if schemas else {}


async def rate_limit(board: Board, ask: Ask) -> shapes.RateLimitAnswer:
    """`GET /queues/{queue}/rate-limit`."""
    limit = await (await queue_of(board, ask)).global_rate_limit()
    found: shapes.RateLimit | None = None
    if limit is not None:
        found = {"max": limit.max, "duration": rows.ms_of(limit.duration)}
    return {"supported": True, "rateLimit": found}
