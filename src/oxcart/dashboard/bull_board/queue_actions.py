"""What can be done with a queue, or with all of them."""

from __future__ import annotations

from typing import Any, cast

from ... import JobState, QueueNotEmpty
from .. import shapes
from ..ask import Ask
from ..board import Board
from ..handlers import acting, bulk
from ..handlers.job_options import read_options
from ..reading.each import of_each
from .asked import check_may, queue_of, with_body
from .changed import Changed
from .job_shape import app_job
from .trouble import INVALID, Trouble, bad_body

GRACE_S = 5
"""How old jobs have to be that are cleaned."""

_CLEANED = {"wait": "waiting", **{str(state): str(state) for state in JobState if state != JobState.UNKNOWN}}
_MEANS_NOTHING = frozenset(
    """timestamp repeat repeatJobKey prevMillis telemetry failParentOnFailure continueParentOnFailure
    ignoreDependencyOnFailure removeDependencyOnFailure""".split()
)
"""Options that the page sends back when it duplicates a job: they are of that job, not of a new one."""


async def add(board: Board, ask: Ask) -> Changed:
    """`POST /queues/{queue}/add` with `{name?, data?, options?}`."""
    queue = await queue_of(board, ask)
    name: object = ask.body.get("name", "")
    given: object = ask.body.get("options") or {}
    if not isinstance(name, str):
        raise bad_body("name")
    if not isinstance(given, dict):
        raise bad_body("options")
    body: dict[str, Any] = {"name": name, "options": _options(cast(dict[str, Any], given))}
    if "data" in ask.body:
        body["data"] = ask.body["data"]
    done = await acting.add(board, with_body(ask, **body))
    job_id = done.get("id") or ""
    job = await queue.job(job_id)
    if job is None:  # done already, and not kept
        gone: dict[str, Any] = {"id": job_id, "name": name, "progress": 0, "attempts": 0, "stacktrace": [], "opts": {}}
        return Changed(done["text"], {"job": {**gone, "returnValue": None, "isFailed": False}, "status": "unknown"})
    shown = app_job(board, ask.access, job)
    return Changed(done["text"], {"job": shown, "status": str(await job.state())})


def _options(given: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in given.items() if name not in _MEANS_NOTHING}
    if found.get("attempts") == 0:
        del found["attempts"]
    read_options(found)  # what can't be right is told by its name
    return found


async def pause(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/pause`."""
    await queue_of(board, ask)
    return _done(await acting.pause(board, ask))


async def resume(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/resume`."""
    await queue_of(board, ask)
    return _done(await acting.resume(board, ask))


async def pause_all(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/pause`: all that the user sees."""
    names = await board.names(ask)
    done = (await of_each(names, lambda name: board.open(name).pause())).at_least_one()
    return Changed(f"{len(done)} queues are paused.", {})


async def resume_all(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/resume`: all that the user sees."""
    names = await board.names(ask)
    done = (await of_each(names, lambda name: board.open(name).resume())).at_least_one()
    return Changed(f"{len(done)} queues go on.", {})


async def empty(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/empty`: remove all that waits; what is delayed stays."""
    queue = await queue_of(board, ask)
    return _done(await acting.drain(board, with_body(ask, confirm=queue.name)))


async def promote(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/promote`: all that is delayed runs now."""
    queue = await queue_of(board, ask)
    check_may(ask, "promote")
    return Changed(f"{await queue.promote_jobs()} delayed jobs run now.", {})


async def retry(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/retry/{status}`: all that failed, or completed, runs again."""
    await queue_of(board, ask)
    check_may(ask, "retry")
    status = ask.path["status"]
    if status not in ("failed", "completed"):
        raise Trouble(400, "STATUS_NOT_RETRIABLE", "only failed or completed jobs can run again", {"status": status})
    # One by one, so that each goes where its priority wants it; as a task, so that it is seen, and can be cancelled.
    task = await bulk.start(board, with_body(ask, action="retry", state=status))
    await bulk.ended(board, task["id"])
    if task["problem"] is not None and task["failed"] + task["done"] == 0:
        raise Trouble(500, "INTERNAL_SERVER_ERROR", task["problem"], message=task["problem"])
    counts = {"retried": task["done"], "skipped": task["skipped"] + task["failed"]}
    return Changed(f"{task['done']} {status} jobs run again.", counts)


async def clean(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/clean/{status}`: remove all of a state that are some seconds old. Other words do nothing."""
    queue = await queue_of(board, ask)
    check_may(ask, "remove")
    state = _CLEANED.get(ask.path["status"])
    removed = [] if state is None else await queue.clean(GRACE_S, 0, state)
    return Changed(f"{len(removed)} {ask.path['status'][:40]} jobs are removed.", {})


async def obliterate(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/obliterate` with `{force?}`: erase a paused queue."""
    queue = await queue_of(board, ask)
    force = ask.body.get("force", False)
    if not isinstance(force, bool):
        raise bad_body("force")
    if not await queue.is_paused():
        raise Trouble(400, "QUEUE_NOT_PAUSED", "the queue is not paused")
    try:
        return _done(await acting.obliterate(board, with_body(ask, confirm=queue.name, force=force)))
    except QueueNotEmpty as error:
        details = {"key": "ERRORS.QUEUE_HAS_ACTIVE_JOBS_DETAILS"}
        raise Trouble(409, "QUEUE_HAS_ACTIVE_JOBS", str(error), message=details) from None


# ---------------------------------------------------------------------------------------------------------- limits


async def concurrency(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/concurrency` with `{concurrency}`; 0 is no limit."""
    await queue_of(board, ask)
    wanted = ask.body.get("concurrency")
    if not _is_whole(wanted, 0):
        raise Trouble(400, "INVALID_CONCURRENCY", "concurrency: a whole number, 0 or more", code=INVALID)
    return _done(await acting.limits(board, with_body(ask, concurrency=wanted or None)))


async def rate_limit(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/rate-limit` with `{max, duration}`; without `max`, or with null, there is none."""
    await queue_of(board, ask)
    most, duration = ask.body.get("max"), ask.body.get("duration")
    if most is None:
        return _done(await acting.limits(board, with_body(ask, rate_limit=None)))
    if not _is_whole(most, 1) or not _is_whole(duration, 1):
        raise Trouble(400, "INVALID_RATE_LIMIT", "max and duration: whole numbers, 1 or more", code=INVALID)
    limit = {"max": most, "duration": duration}
    return _done(await acting.limits(board, with_body(ask, rate_limit=limit)))


async def release(board: Board, ask: Ask) -> Changed:
    """`PUT /queues/{queue}/rate-limit/release`: what a rate limit holds back goes on now."""
    await queue_of(board, ask)
    return _done(await acting.limits(board, with_body(ask, release=True)))


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**53


def _done(done: shapes.Done) -> Changed:
    return Changed(done["text"], {})
