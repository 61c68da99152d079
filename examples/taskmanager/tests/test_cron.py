"""The scheduler of the digests: each morning comes once, whatever starts and stops meanwhile."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from conftest import RunWorkers
from oxcart import Queue, Worker
from waiting import wait_until

from taskmanager import worker
from taskmanager.contract import DIGEST_BATCH, DIGEST_SUMMARY
from taskmanager.worker import email_worker


class Clock:
    """The workers' clock, which can be put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return round((time.time() + self.ahead_s) * 1000)

    def put_to(self, moment: datetime) -> None:
        self.ahead_s = moment.timestamp() - time.time()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(worker, "Worker", partial(Worker, clock=clock, drain_delay=0.1))
    return clock


async def next_run(queue: Queue, after: datetime) -> datetime:
    """When the next run is, once it is a later one."""

    async def found() -> datetime | None:
        scheduler = await queue.scheduler(DIGEST_BATCH)
        return scheduler.next if scheduler and scheduler.next and scheduler.next > after else None

    return await wait_until(found)


async def batches(queue: Queue) -> list[datetime | None]:
    """The mornings that were worked off, the latest first."""
    return [job.scheduled_for for job in await queue.jobs("completed") if job.name == DIGEST_BATCH]


@pytest.mark.filterwarnings("ignore")
async def test_each_morning_comes_once_however_many_workers_there_are_and_however_often_they_start(
    queue: Queue, run_workers: RunWorkers, clock: Clock
) -> None:
    now = datetime.now(UTC)
    first_workers = await run_workers(email_worker, email_worker, email_worker)
    first = await next_run(queue, now)
    assert (first.hour, first.minute, first.second) == (8, 0, 0)

    clock.put_to(first)
    second = await next_run(queue, first)
    assert second == first + timedelta(days=1)
    for one in first_workers:
        await one.close()  # it ends what it began
    assert await batches(queue) == [first]

    # Nobody is there when the next morning comes; those who start later make up for it, once.
    clock.put_to(second + timedelta(hours=1))
    await run_workers(email_worker, email_worker)
    third = await next_run(queue, second)
    assert third == second + timedelta(days=1)
    await wait_until(lambda: all_done(queue))
    assert await batches(queue) == [second, first]
    summaries = [job for job in await queue.jobs("completed") if job.name == DIGEST_SUMMARY]
    assert len(summaries) == 2
    assert len(await queue.schedulers()) == 1


async def all_done(queue: Queue) -> bool:
    counts = await queue.counts("waiting", "prioritized", "active", "waiting-children")
    return not any(counts.values())
