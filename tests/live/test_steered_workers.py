"""Real workers on a queue that is steered: pauses, limits, metrics, and who is listed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from oxcart import Job, Queue, RateLimit, RateLimited, Worker
from tests.clocks import Clock
from tests.conftest import RedisServer, RunWorker, wait_until


async def test_a_worker_stops_taking_while_the_queue_is_paused(queue: Queue, run_worker: RunWorker) -> None:
    done: list[str] = []

    async def process(job: Job) -> None:
        done.append(job.id)

    await run_worker(process, drain_delay=60)
    await queue.pause()
    job = await queue.add("x")
    await asyncio.sleep(0.05)
    assert done == []
    await queue.resume()
    await wait_until(lambda: done == [job.id])


async def test_a_raised_concurrency_is_used_at_once(queue: Queue, run_worker: RunWorker) -> None:
    running: set[str] = set()
    release = asyncio.Event()

    async def process(job: Job) -> None:
        running.add(job.id)
        await release.wait()

    await queue.set_global_concurrency(1)
    for _ in range(3):
        await queue.add("x")
    await run_worker(process, concurrency=3, drain_delay=60)
    await wait_until(lambda: len(running) == 1)
    await queue.set_global_concurrency(3)
    await wait_until(lambda: len(running) == 3)
    release.set()
    await wait_until(lambda: _counted(queue, "completed", 3))


async def _counted(queue: Queue, state: str, wanted: int) -> bool:
    return (await queue.counts())[state] == wanted


async def test_a_processor_that_meets_a_limit_pauses_the_queue_and_gets_its_job_back(
    queue: Queue, run_worker: RunWorker
) -> None:
    """Traps 36 and 38 of part 1: the attempt is not counted, the start is."""
    runs: list[str] = []

    async def process(job: Job) -> str:
        runs.append(job.id)
        if len(runs) == 1:
            raise RateLimited(timedelta(seconds=2))
        return "done"

    first, second = await queue.add("x", 1), await queue.add("x", 2)
    await run_worker(process)
    assert 0 < await wait_until(queue.rate_limit_ttl) <= 2
    assert await first.state() == "waiting"
    await wait_until(lambda: _counted(queue, "completed", 2))
    assert runs == [first.id, first.id, second.id]
    await first.refresh()
    assert (first.attempts_made, first.attempts_started) == (1, 2)


async def test_a_limit_of_the_workers_holds_for_all_of_them(queue: Queue, run_worker: RunWorker) -> None:
    limiter = RateLimit(3, timedelta(minutes=1))
    started = 0

    async def process(job: Job) -> None:
        nonlocal started
        started += 1

    for _ in range(2):
        await run_worker(process, concurrency=5, limiter=limiter)
    for _ in range(8):
        await queue.add("x")
    await wait_until(lambda: started == 3)
    assert await queue.rate_limit_ttl(3) > 50
    assert await queue.count() == 5


async def test_workers_count_what_finishes(queue: Queue, run_worker: RunWorker, redis: Redis, clock: Clock) -> None:
    async def process(job: Job) -> None:
        if job.data:
            raise RuntimeError("boom")

    await run_worker(process, metrics=timedelta(hours=1), clock=clock)  # with which no minute ends meanwhile
    for n in (0, 1, 0):
        await queue.add("x", n)
    await wait_until(lambda: _counted(queue, "failed", 1))
    await wait_until(lambda: _counted(queue, "completed", 2))
    assert (await queue.metrics("completed")).count == 2
    assert (await queue.metrics("failed")).count == 1
    assert await redis.hget(f"bull:{queue.name}:metrics:completed", "prevCount") == "0"
    assert f'bullmq_job_completed_total{{queue="{queue.name}"}} 2' in await queue.prometheus()


async def test_workers_are_listed_with_their_names(queue: Queue, run_worker: RunWorker) -> None:
    async def process(job: Job) -> None: ...

    await run_worker(process, name="mailer-1")
    await run_worker(process)
    await wait_until(lambda: _listed(queue, 2))
    found = {worker.name: worker for worker in await queue.workers()}
    assert set(found) == {"mailer-1", None}
    assert found["mailer-1"].age_s >= 0


async def _listed(queue: Queue, wanted: int) -> bool:
    return [worker.details["cmd"] for worker in await queue.workers()] == ["bzpopmin"] * wanted


async def test_one_connection_serves_queues_and_listeners(queue: Queue, redis_server: RedisServer) -> None:
    """The result of a job that this very program runs, over the worker's own connection."""
    job = await queue.add("x", {"n": 2})
    waiting = asyncio.ensure_future(job.result(timeout=10))

    async def process(job: Job) -> int:
        return job.data["n"] * 2

    worker = Worker(queue.name, process, connection=redis_server.url)
    running = asyncio.create_task(worker.run())
    assert await waiting == 4
    await worker.close()
    await running
