"""Schedulers: which there are, and what can be done with them."""

from __future__ import annotations

import asyncio
from typing import Any

from ... import JobOptions, OptionsError, Queue, Scheduler
from ..ask import Ask
from ..board import Board
from ..handlers import schedulers
from ..reading import rows
from ..reading.each import of_each
from . import shapes
from .asked import queue_of, with_body
from .changed import Changed
from .job_shape import app_job, options, secret
from .trouble import INVALID, Trouble, bad_body


async def listed(board: Board, ask: Ask) -> shapes.Schedulers:
    """`GET /job-schedulers?queueName=`: of each queue those first that run last."""
    wanted = ask.query.get("queueName")
    queues = [board.open(name) for name in await board.names(ask) if wanted in (None, "", name)]
    found = await of_each(queues, lambda queue: queue.schedulers(0, schedulers.MOST - 1))
    shown = [_scheduler(board, ask, queue, one) for queue, some in found.at_least_one() for one in some]
    return {"schedulers": list(await asyncio.gather(*shown))}


async def _scheduler(board: Board, ask: Ask, queue: Queue, scheduler: Scheduler) -> shapes.AppJobScheduler:
    found: shapes.AppJobScheduler = {
        "id": rows.sendable(scheduler.id),
        "queueName": queue.name,
        "name": rows.text_of(board, scheduler.name, rows.PREVIEW),
    }
    if scheduler.cron is not None:
        found["pattern"] = rows.sendable(scheduler.cron)
    if scheduler.every is not None:
        found["every"] = rows.ms_of(scheduler.every)
    if scheduler.tz is not None:
        found["tz"] = rows.sendable(scheduler.tz)
    numbers = ("limit", scheduler.limit), ("iterationCount", scheduler.iterations)
    times = ("startDate", scheduler.start), ("endDate", scheduler.end), ("next", scheduler.next)
    for name, number in (*numbers, *((name, None if at is None else rows.ms_of(at)) for name, at in times)):
        if number is not None:
            found[name] = number
    if template := _template(board, ask, queue, scheduler):
        found["template"] = template
    if scheduler.next is not None and not scheduler.ended:
        found["nextRunJobId"] = rows.sendable(scheduler.next_job_id)
        await _add_last_run(queue, scheduler, found)
    return found


def _template(board: Board, ask: Ask, queue: Queue, scheduler: Scheduler) -> shapes.Template:
    found: shapes.Template = {}
    if scheduler.data not in (None, {}):
        found["data"] = secret(board, ask.access, queue.name, scheduler.data)
    if scheduler.options:
        found["opts"] = options(board, queue.name, rows.plain_options(scheduler.options))
        if "attempts" not in scheduler.options:
            found["opts"].pop("attempts", None)
    return found


async def _add_last_run(queue: Queue, scheduler: Scheduler, found: shapes.AppJobScheduler) -> None:
    """The run before the next one: when it was taken is when the next one was made."""
    if (scheduler.iterations or 0) < 2:
        return
    upcoming = await queue.job(scheduler.next_job_id)
    made = None if upcoming is None else rows.whole(upcoming.record.fields.get("timestamp"))
    if made is not None:
        found["lastRun"] = made
    if scheduler.every is not None and scheduler.next is not None:
        before = f"repeat:{scheduler.id}:{rows.ms_of(scheduler.next) - rows.ms_of(scheduler.every)}"
        if await queue.job(before) is not None:
            found["lastRunJobId"] = rows.sendable(before)


# -------------------------------------------------------------------------------------------------------- changing


async def remove(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/job-schedulers/{scheduler}/remove`."""
    _, scheduler = await _scheduler_of(board, ask)
    return Changed((await schedulers.remove(board, with_body(ask, id=scheduler.id)))["text"])


async def edit(board: Board, ask: Ask) -> Changed:
    """`PATCH /queues/{queue}/job-schedulers/{scheduler}` with `pattern` or `every`, and `tz`, `limit`, `endDate`.

    When it runs is replaced as a whole; what it runs stays.
    """
    times = _times(board, ask)
    _, scheduler = await _scheduler_of(board, ask)
    try:
        done = await schedulers.save(board, with_body(ask, id=scheduler.id, **times))
    except OptionsError as error:
        word = str(error).partition("=")[0]
        key = {"end": "END_DATE", "every": "INTERVAL", "limit": "LIMIT"}.get(word, "PATTERN")
        raise Trouble(400, f"INVALID_SCHEDULER_{key}", str(error)) from None
    return Changed(done["text"])


def _times(board: Board, ask: Ask) -> dict[str, Any]:
    pattern, every = ask.body.get("pattern"), ask.body.get("every")
    if (pattern is None) == (every is None):
        raise Trouble(400, "INVALID_SCHEDULER_SCHEDULE", "pattern or every: one of them", code=INVALID)
    if pattern is not None and not isinstance(pattern, str):
        raise bad_body("pattern")
    if every is not None and (every := _whole(every)) is None:
        raise Trouble(400, "INVALID_SCHEDULER_INTERVAL", "every: milliseconds, 1 or more", code=INVALID)
    tz, limit, end = ask.body.get("tz", ""), ask.body.get("limit"), ask.body.get("endDate")
    if not isinstance(tz, str):
        raise bad_body("tz")
    if limit is not None and (limit := _whole(limit)) is None:
        raise Trouble(400, "INVALID_SCHEDULER_LIMIT", "limit: 1 or more", code=INVALID)
    if end is not None and ((end := _whole(end)) is None or end <= board.clock()):
        raise Trouble(400, "INVALID_SCHEDULER_END_DATE", "endDate: a moment to come, in milliseconds", code=INVALID)
    return {"cron": pattern, "every": every, "tz": tz or None, "limit": limit, "end": end, "start": None}


def _whole(value: Any) -> int | None:
    """A number from 1 on, also as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**53:
        return None
    return value


async def run(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/job-schedulers/{scheduler}/run`: a job as the scheduler makes them, beside its own runs."""
    queue, scheduler = await _scheduler_of(board, ask)
    job = await queue.add(scheduler.name, scheduler.data, **(scheduler.options or JobOptions()))
    return Changed(f"Job {job.id} runs as {scheduler.id} would.", {"job": app_job(board, ask.access, job)})


async def _scheduler_of(board: Board, ask: Ask) -> tuple[Queue, Scheduler]:
    queue = await queue_of(board, ask)
    scheduler = await queue.scheduler(ask.path["scheduler"])
    if scheduler is None:
        raise Trouble(404, "JOB_SCHEDULER_NOT_FOUND", f"there is no scheduler {ask.path['scheduler'][:100]!r}")
    return queue, scheduler
