"""The rule of cron: each time comes once, however many workers there are, and whatever is started again."""

from __future__ import annotations

import asyncio
from collections import Counter

from oxcart import Job, Scheduler

from ...contract import DIGEST_BATCH, EMAIL
from ..parts import PROCESSES
from ..stage import Stage
from ..watch import until
from .look import ensure

USUAL = "0 8 * * *"
RUNS = 3


async def fires_once(stage: Stage) -> str:
    """The digests' scheduler runs each second for a moment; then it is as it was, and a worker is started again."""
    queue = stage.queues.email
    usual = await scheduler(stage)
    ensure((usual.cron, usual.tz) == (USUAL, "UTC"), f"the scheduler says {usual.cron} {usual.tz}")
    try:
        await queue.upsert_scheduler(DIGEST_BATCH, cron="* * * * * *", tz="UTC")
        await until(lambda: enough(stage), f"{RUNS} runs, a second apart")
    finally:
        await queue.upsert_scheduler(DIGEST_BATCH, cron=USUAL, tz="UTC")
    await asyncio.sleep(0.2)
    starts = Counter(line.facts["id"] for line in stage.watch.lines("Job active", queue=EMAIL, name=DIGEST_BATCH))
    runs = await enough(stage) or []
    times = sorted({job.id for job in runs})
    ensure(len(times) == len(runs), "a time has come twice")
    ensure(set(starts.values()) == {1}, f"a run was started {max(starts.values())} times")
    before = stage.watch.worker_pids()
    await stage.kill_workers(1)
    await stage.wait_for_new_workers(than=len(before), processes=1)
    await until(lambda: same(stage, usual), "a worker that is started again finds the scheduler as it was")
    return (
        f"each second for a moment, with {PROCESSES} worker processes: {len(runs)} times, {sum(starts.values())} runs; "
        "after a worker was killed and started again there is one scheduler, due at "
        f"{usual.next:%d %b %H:%M} {usual.tz}"
    )


async def scheduler(stage: Stage) -> Scheduler:
    found = await stage.queues.email.schedulers()
    ensure(len(found) == 1, f"there are {len(found)} schedulers, and not one")
    return found[0]


async def same(stage: Stage, usual: Scheduler) -> bool:
    found = await scheduler(stage)
    return (found.cron, found.next) == (usual.cron, usual.next)


async def enough(stage: Stage) -> list[Job] | None:
    """The runs that are done, once there are enough of them."""
    found = [job for job in await stage.queues.email.jobs("completed") if job.name == DIGEST_BATCH]
    return found if len(found) >= RUNS else None
