"""Cases that were got wrong once: found by review, each with the fact that holds now."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Job, JobSpec, JobState, Queue, Worker
from oxcart.sync import Job as BlockingJob
from oxcart.worker import shuttle
from oxcart.worker.locks import LockKeeper
from oxcart.worker.signals import SIGNALS
from tests.conftest import RedisServer, RunWorker, wait_until


async def work(job: Job) -> str:
    return "done"


async def _completed(queue: Queue, count: int) -> bool:
    return (await queue.counts())["completed"] == count


@pytest.mark.parametrize("keep", [{"age": -1}, {"age": 5, "limit": -1}, {"count": -7}, {"age": 1e300}, {"age": "old"}])
async def test_an_odd_retention_spoils_no_neighbour(
    queue: Queue, run_worker: RunWorker, redis: Redis, keep: Any
) -> None:
    jobs = await queue.add_bulk([JobSpec("x") for _ in range(6)])
    opts = json.dumps({"removeOnComplete": keep, "attempts": 0})
    await redis.hset(f"bull:{queue.name}:{jobs[0].id}", "opts", opts)  # pyright: ignore
    await run_worker(work, concurrency=12)
    await wait_until(lambda: _completed(queue, 6))


async def test_a_damaged_key_beside_a_job_is_told_and_the_job_completed_all_the_same(
    queue: Queue, run_worker: RunWorker, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.update({"I6", "I27", "I34"})
    errors: list[str] = []
    jobs = await queue.add_bulk([JobSpec("x") for _ in range(6)])
    await redis.hset(f"bull:{queue.name}:{jobs[2].id}", "deid", "d")  # pyright: ignore
    await redis.rpush(f"bull:{queue.name}:de:d", "not a string")  # pyright: ignore
    worker = await run_worker(work, concurrency=12)
    worker.on("error")(lambda error: errors.append(str(error)))
    await wait_until(lambda: _completed(queue, 6))
    await wait_until(lambda: any(f"job {jobs[2].id}: " in error and "WRONGTYPE" in error for error in errors))


async def test_a_damaged_set_gives_the_jobs_back_instead_of_losing_them(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(6)])
    await redis.set(f"bull:{queue.name}:completed", "not a set")
    runs: Counter[str] = Counter()

    async def count(job: Job) -> None:
        runs[job.id] += 1

    worker = await run_worker(count, concurrency=6, stalled_interval=0.2)
    await wait_until(lambda: len(runs) == 6)
    await redis.delete(f"bull:{queue.name}:completed")
    await wait_until(lambda: _completed(queue, 6))
    # The worker hears that a job is settled a moment after everybody can see it.
    await wait_until(lambda: not worker._attempts)


async def test_looking_for_lost_jobs_runs_none_twice(
    queue: Queue, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuttle, "ADOPT_AGAIN_S", 0.02)
    runs: Counter[str] = Counter()

    async def count(job: Job) -> None:
        runs[job.id] += 1

    await queue.add_bulk([JobSpec("x") for _ in range(5_000)])
    worker = await run_worker(count, concurrency=100)
    for _ in range(20):
        await asyncio.sleep(0.01)
        if worker._shuttle is not None and (link := worker._connection.transport.current) is not None:
            link.abort("cut by the test")
    await wait_until(lambda: _completed(queue, 5_000), timeout=60)
    assert set(runs.values()) == {1}


@pytest.mark.parametrize("field", [{"stacktrace": '["half an emoji \\ud83d"]'}, {"opts": '{"attempts":1e999}'}])
async def test_stored_values_that_nobody_thought_of_hold_no_slot(
    queue: Queue, run_worker: RunWorker, redis: Redis, field: dict[str, str]
) -> None:
    async def fail(job: Job) -> None:
        if job.name == "bad":
            raise ValueError("boom")

    bad, good = await queue.add_bulk([JobSpec("bad"), JobSpec("good")])
    await redis.hset(f"bull:{queue.name}:{bad.id}", mapping=field)  # pyright: ignore
    await run_worker(fail)
    await wait_until(lambda: _completed(queue, 1))
    assert await good.state() is JobState.COMPLETED
    await wait_until(lambda: _has_failed(bad))


async def _has_failed(job: Job) -> bool:
    return await job.state() is JobState.FAILED


async def test_one_queue_in_two_event_loops_adds_each_job_once(redis_server: RedisServer, queue_name: str) -> None:
    def use() -> tuple[list[str], int]:
        queue = Queue(queue_name, connection=redis_server.url)
        ids = [asyncio.run(_add(queue)) for _ in range(3)]
        return ids, asyncio.run(_count(queue))

    assert await asyncio.to_thread(use) == (["1", "2", "3"], 3)


async def _add(queue: Queue) -> str:
    job = await queue.add("x")
    link = queue._connection.transport.current
    assert link is not None and link._transport is not None
    link._transport.abort()  # so that nothing is left open; the queue doesn't know
    await asyncio.sleep(0)
    return job.id


async def _count(queue: Queue) -> int:
    count = await queue.count()
    await queue.close()
    return count


async def test_a_job_that_arrives_after_the_stop_goes_back_unrun(
    queue: Queue, redis_server: RedisServer, redis: Redis
) -> None:
    runs: list[str] = []

    async def note(job: Job) -> None:
        runs.append(job.id)
        await asyncio.sleep(30)

    worker = Worker(queue.name, note, connection=redis_server.url)
    running = asyncio.create_task(worker.run())
    await wait_until(lambda: worker._shuttle is not None and worker._shuttle.supply.idle)
    await redis.execute_command("CLIENT", "PAUSE", "8000", "WRITE")  # pyright: ignore
    assert worker._shuttle is not None
    worker._shuttle.look_again(woken=False)
    adding = asyncio.ensure_future(queue.add("x"))
    await asyncio.sleep(0.05)
    closing = asyncio.ensure_future(worker.close(timeout=0))
    await wait_until(lambda: worker.phase.value != "running")
    await redis.execute_command("CLIENT", "UNPAUSE")  # pyright: ignore
    await closing
    await running
    await adding
    assert runs == []
    assert await queue.state("1") is JobState.WAITING


def test_a_lock_that_was_given_up_and_taken_anew_meanwhile_is_not_lost() -> None:
    from oxcart.protocol.calls.work import Renewed
    from oxcart.protocol.keys import Keys

    held = {"1": "old", "2": "same", "3": "settled"}
    told: list[Any] = []

    class Slow:
        def run(self, call: Any) -> Renewed:
            held["1"] = "new"
            del held["3"]
            return Renewed(["1", "2", "3"], [])

    keeper = LockKeeper(Slow(), Keys("q"), 1000, held, told.extend, told.extend, told.append)  # pyright: ignore[reportArgumentType]
    keeper._renew()
    assert told == [("2", "same")]


async def test_the_end_of_the_loop_gives_running_jobs_back(queue: Queue, redis_server: RedisServer) -> None:
    started: list[str] = []

    def program() -> None:
        async def hang(job: Job) -> None:
            started.append(job.id)
            await asyncio.sleep(60)

        async def main() -> None:
            worker = Worker(queue.name, hang, connection=redis_server.url, concurrency=2)
            task = asyncio.create_task(worker.run())
            await wait_until(lambda: len(started) == 2)
            assert not task.done()

        asyncio.run(main())  # ends with the worker still running

    await queue.add_bulk([JobSpec("x") for _ in range(3)])
    await asyncio.to_thread(program)
    counts = await queue.counts()
    assert (counts["waiting"], counts["failed"], counts["active"]) == (3, 0, 0)


async def test_a_worker_that_gets_its_own_lost_job_again_runs_it_to_the_end(
    queue: Queue, run_worker: RunWorker, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I32")  # the test moves the job by hand, and tells no event
    starts: list[int] = []

    async def second_time(job: Job) -> int:
        starts.append(job.attempts_started)
        if len(starts) == 1:
            await asyncio.sleep(60)
        await asyncio.sleep(0.3)
        return len(starts)

    await run_worker(second_time, concurrency=2, lock_duration=0.4)
    job = await queue.add("x")
    await wait_until(lambda: starts)
    # As the stalled check would do it after a long sleep of the machine:
    await redis.delete(f"bull:{queue.name}:1:lock")
    await redis.lrem(f"bull:{queue.name}:active", 0, "1")  # pyright: ignore
    await redis.rpush(f"bull:{queue.name}:wait", "1")  # pyright: ignore
    await redis.zadd(f"bull:{queue.name}:marker", {"0": 0})
    await wait_until(lambda: _completed(queue, 1))
    await job.refresh()
    assert job.return_value == 2


async def test_resuming_ends_a_wait_for_the_pause(queue: Queue, run_worker: RunWorker) -> None:
    release = asyncio.Event()

    async def wait(job: Job) -> None:
        await release.wait()

    worker = await run_worker(wait)
    job = await queue.add("x")

    async def active() -> bool:
        return await job.state() == "active"

    await wait_until(active)
    pausing = asyncio.ensure_future(worker.pause())
    await asyncio.sleep(0)
    worker.resume()
    await asyncio.wait_for(pausing, 10)
    release.set()


async def test_a_job_may_pause_its_worker(queue: Queue, run_worker: RunWorker) -> None:
    async def pause(job: Job) -> None:
        await asyncio.wait_for(worker.pause(), 30)  # in a task of its own, before Python 3.12

    worker = await run_worker(pause)
    await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await wait_until(lambda: _completed(queue, 1), timeout=10)
    assert await queue.counts("waiting") == {"waiting": 1}
    worker.resume()
    await wait_until(lambda: _completed(queue, 2), timeout=10)


async def test_a_thread_may_pause_its_worker(queue: Queue, run_worker: RunWorker) -> None:
    loop = asyncio.get_running_loop()

    def pause(job: Any) -> None:
        asyncio.run_coroutine_threadsafe(worker.pause(), loop).result(30)

    worker = await run_worker(pause)
    await queue.add("x")
    await wait_until(lambda: _completed(queue, 1), timeout=10)


async def test_a_job_may_close_its_worker_and_is_completed(queue: Queue, redis_server: RedisServer) -> None:
    async def close(job: Job) -> None:
        await worker.close()

    worker = Worker(queue.name, close, connection=redis_server.url)
    await queue.add("x")
    await asyncio.wait_for(worker.run(), 20)
    assert (await queue.counts("completed", "waiting")) == {"completed": 1, "waiting": 0}


async def test_listeners_may_close_all_workers_and_go_on(queue: Queue, redis_server: RedisServer) -> None:
    begun, ended = 0, 0
    workers = [Worker(queue.name, work, connection=redis_server.url) for _ in range(2)]

    async def close_all() -> None:
        nonlocal begun, ended
        begun += 1
        await asyncio.gather(*(worker.close() for worker in workers))
        ended += 1  # not so if they waited for each other, until all are given up

    for worker in workers:
        worker.on("drained")(close_all)
    await asyncio.gather(*(worker.run() for worker in workers))
    assert begun == ended > 0


async def test_signal_handlers_of_the_program_are_put_back_after_the_last_of_its_workers(
    queue: Queue, redis_server: RedisServer
) -> None:
    def own(*_: Any) -> None: ...

    before = {number: signal.signal(number, own) for number in SIGNALS}
    try:
        workers = [Worker(queue.name, work, connection=redis_server.url) for _ in range(2)]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        for worker, task in zip(workers, running, strict=True):
            await wait_until(lambda worker=worker: worker._shuttle is not None and worker._shuttle.supply.idle)
            assert signal.getsignal(signal.SIGTERM) is not own
            await worker.close()
            await task
        assert [signal.getsignal(number) for number in SIGNALS] == [own, own]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def test_what_the_program_has_given_its_loop_hears_signals_after_the_worker_too(
    queue: Queue, redis_server: RedisServer
) -> None:
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    try:
        worker = Worker(queue.name, work, connection=redis_server.url)
        running = asyncio.create_task(worker.run())
        await wait_until(lambda: worker._shuttle is not None and worker._shuttle.supply.idle)
        os.kill(os.getpid(), signal.SIGTERM)
        await running
        heard.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), 30)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_a_signal_to_a_fork_of_a_job_is_none_for_its_worker(queue: Queue, run_worker: RunWorker) -> None:
    def fork_twice(job: BlockingJob) -> list[int | None]:
        codes = list[int | None]()
        for number in SIGNALS:
            fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
            fork.start()
            os.kill(fork.pid or 0, number)
            if number is signal.SIGINT:  # a terminal sends it to all: the job may go on
                fork.join(0.5)
                codes.append(fork.exitcode)
            fork.terminate()
            fork.join(10)
            codes.append(fork.exitcode)
        return codes

    worker = await run_worker(fork_twice)
    job = await queue.add("x")
    ended = -signal.SIGTERM
    assert await job.result(timeout=60) == [None, ended, ended]
    assert worker._stop_asked == 0


async def test_pausing_a_worker_that_ends_with_jobs_it_could_not_hand_back_ends_too(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxcart.worker.worker.FLUSH_S", 0.1)
    begun = asyncio.Event()

    async def hang(job: Job) -> None:
        begun.set()
        await asyncio.sleep(60)

    async with Queue("q", connection=fragile_server.url) as queue:
        await queue.add("x")
    worker = Worker("q", hang, connection=fragile_server.url)
    running = asyncio.create_task(worker.run())
    await begun.wait()
    pausing = asyncio.create_task(worker.pause())
    fragile_server.kill()
    await worker.close(timeout=0.1)
    await running
    await asyncio.wait_for(pausing, 30)


async def test_a_shorter_grace_may_be_given_while_a_worker_stops(queue: Queue, run_worker: RunWorker) -> None:
    started = asyncio.Event()

    async def hang(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    worker = await run_worker(hang)
    await queue.add("x")
    await started.wait()
    first = asyncio.ensure_future(worker.close())
    await asyncio.sleep(0)
    await asyncio.wait_for(worker.close(timeout=0.05), 20)
    await first


async def test_an_id_that_names_a_key_of_the_queue_is_dropped(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    job = await queue.add("x")
    await redis.rpush(f"bull:{queue.name}:wait", "wait")  # pyright: ignore
    await run_worker(work)
    await wait_until(lambda: _completed(queue, 1))
    assert await job.state() is JobState.COMPLETED


async def test_suspects_that_had_a_priority_keep_it(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    order: list[str] = []

    async def note(job: Job) -> None:
        order.append(job.name)
        await asyncio.sleep(0.01)

    jobs = await queue.add_bulk([JobSpec(f"s{n}", priority=9) for n in range(3)])
    for job in jobs:
        await redis.hset(f"bull:{queue.name}:{job.id}", "stc", "1")  # pyright: ignore
    await queue.add_bulk([JobSpec("first", priority=1)])
    await run_worker(note, concurrency=4)
    await wait_until(lambda: _completed(queue, 4))
    assert order[0] == "first"


async def test_a_closing_worker_never_takes_the_marker_along(
    queue: Queue, redis_server: RedisServer, redis: Redis
) -> None:
    async def come_and_go() -> None:
        worker = Worker(queue.name, work, connection=redis_server.url)
        running = asyncio.create_task(worker.run())
        await wait_until(lambda: worker._shuttle is not None and worker._shuttle.hungry.is_set())
        await queue.add("later", delay=60)
        await worker.close()
        await running

    for _ in range(100):
        await come_and_go()
        assert await redis.exists(f"bull:{queue.name}:marker") == 1
