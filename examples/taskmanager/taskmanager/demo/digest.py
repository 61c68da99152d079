"""The digest in the demo: the next batch runs now, and what came of it is drawn as a tree."""

from __future__ import annotations

from oxcart import Job, Scheduler

from ..contract import DIGEST_BATCH, EMAIL
from ..queues import Queues
from . import Unexpected
from .screen import Screen, short

WITHIN_S = 30


async def run_next_batch(queues: Queues, screen: Screen) -> Job:
    """Let the scheduler's next batch run now, not when its time comes; the job that sums it up, when it is done."""
    scheduler = await scheduler_of(queues)
    screen.event(
        "demo", f"the batch of {scheduler.next:%d %b %H:%M} ({scheduler.cron} {scheduler.tz}) runs now", "blue"
    )
    run = await job(queues, scheduler.next_job_id)
    await run.promote()
    batch = await run.result(WITHIN_S)
    summary = await job(queues, batch["summary"])
    for digest in await summary.children():
        await digest.promote()  # they wait for ten minutes otherwise
    await summary.result(WITHIN_S)
    return await job(queues, summary.id)


async def draw(queues: Queues, screen: Screen, summary: Job) -> None:
    """Show the flow with the states of its jobs, and when the next batch comes."""
    flow = await queues.flows.get(EMAIL, summary.id)
    scheduler = await scheduler_of(queues)
    screen.say(short(f"\n{flow}\n"))
    screen.event("demo", f"the next batch comes by itself: {scheduler.next:%d %b %H:%M} {scheduler.tz}", "blue")


async def scheduler_of(queues: Queues) -> Scheduler:
    """The scheduler, which each worker makes at its start."""
    found = await queues.email.scheduler(DIGEST_BATCH)
    if found is None:
        raise Unexpected(f"there is no scheduler {DIGEST_BATCH!r}")
    return found


async def job(queues: Queues, job_id: str) -> Job:
    """A job that must be there."""
    found = await queues.email.job(job_id)
    if found is None:
        raise Unexpected(f"there is no job {job_id!r}")
    return found
