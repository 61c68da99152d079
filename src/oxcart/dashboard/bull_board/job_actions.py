"""What can be done with a job."""

from __future__ import annotations

from typing import Any

from ... import JobLocked, JobState, SchedulerError
from ..ask import Ask
from ..board import Board
from ..handlers import acting
from ..reading import family, rows
from .asked import job_of, with_body
from .changed import Changed
from .trouble import INVALID, Trouble, bad_body

HIGHEST_PRIORITY = 2**21 - 1
LATEST_MS = 8_640_000_000_000_000
"""The last moment of JavaScript."""


async def retry(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/{id}/retry`."""
    _, job = await job_of(board, ask)
    state = await job.state()
    if state not in (JobState.FAILED, JobState.COMPLETED):
        raise Trouble(400, "JOB_NOT_RETRIABLE", f"job {job.id} is {state}", {"state": str(state)})
    done = await acting.retry(board, with_body(ask, id=job.id))
    return Changed(done["text"])


async def clean(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/{id}/clean`: remove a job with all below it."""
    _, job = await job_of(board, ask)
    try:
        done = await acting.remove(board, with_body(ask, id=job.id))
    except SchedulerError as error:
        scheduler = rows.sendable(job.scheduler_id or "")
        told = {"jobId": rows.sendable(job.id), "jobSchedulerId": scheduler}
        key = "JOB_BELONGS_TO_JOB_SCHEDULER"
        details = {"key": f"ERRORS.{key}_DETAILS", "options": told}
        raise Trouble(400, key, str(error), message=details, code=key, jobSchedulerId=scheduler) from None
    except JobLocked as error:
        details = {"key": "ERRORS.JOB_IS_ACTIVE_DETAILS", "options": {"jobId": rows.sendable(job.id)}}
        raise Trouble(409, "JOB_IS_ACTIVE", str(error), message=details) from None
    return Changed(done["text"])


async def promote(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/{id}/promote`."""
    _, job = await job_of(board, ask)
    _check_delayed(await job.state())
    return Changed((await acting.promote(board, with_body(ask, id=job.id)))["text"])


async def update_data(board: Board, ask: Ask) -> Changed:
    """`PATCH /queues/{queue}/{id}/update-data` with `{jobData}`."""
    if "jobData" not in ask.body:
        raise bad_body("jobData")
    _, job = await job_of(board, ask)
    done = await acting.data(board, with_body(ask, id=job.id, data=ask.body["jobData"]))
    return Changed(done["text"], {})


async def delay(board: Board, ask: Ask) -> Changed:
    """`PATCH /queues/{queue}/{id}/delay` with `{runAt}`: a moment that has passed is now."""
    at = ask.body.get("runAt")
    if not rows.is_number(at) or abs(at) > LATEST_MS:
        raise Trouble(400, "INVALID_RUN_AT", "runAt: milliseconds since 1970", code=INVALID)
    _, job = await job_of(board, ask)
    _check_delayed(await job.state())
    done = await acting.delay(board, with_body(ask, id=job.id, at=max(0, int(at))))
    return Changed(done["text"], {})


async def priority(board: Board, ask: Ask) -> Changed:
    """`PATCH /queues/{queue}/{id}/priority` with `{priority}`."""
    wanted: Any = ask.body.get("priority")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not 0 <= wanted <= HIGHEST_PRIORITY:
        options = {"max": HIGHEST_PRIORITY}
        raise Trouble(400, "INVALID_PRIORITY", f"priority: 0 to {HIGHEST_PRIORITY}", options, code=INVALID)
    _, job = await job_of(board, ask)
    done = await acting.priority(board, with_body(ask, id=job.id, priority=wanted))
    return Changed(done["text"], {})


async def remove_unprocessed_children(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/{id}/remove-unprocessed-children`."""
    _, job = await job_of(board, ask)
    await family.check_below(board, ask.access, job.keys, job.id)
    if not (await job.dependency_counts()).get("unprocessed"):
        raise Trouble(400, "JOB_HAS_NO_UNPROCESSED_CHILDREN", f"job {job.id} waits for no children")
    removed = await job.remove_unprocessed_children()
    return Changed(f"{removed} children of job {job.id} are removed.", {"removed": removed})


def _check_delayed(state: JobState) -> None:
    if state is not JobState.DELAYED:
        raise Trouble(400, "JOB_NOT_DELAYED", f"it is {state}", {"status": str(state)})
