"""What breaks in other systems: each fault once, with nothing lost and nothing run twice that needn't be."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, ConnectionFailed, Job, JobSpec, Queue, ServerRefused, Worker
from oxcart.errors import is_forbidden
from oxcart.protocol.keys import Keys
from oxcart.sync import Job as BlockingJob
from oxcart.sync import Queue as BlockingQueue
from oxcart.worker.stalled import StalledCheck
from tests.chaos.proxy import proxy_before
from tests.conftest import RedisServer, RunWorker, wait_until

pytestmark = pytest.mark.chaos

BACK_S = 10
"""How soon a worker goes on when Redis is back, on the slowest of machines; its `drain_delay` is longer than that."""


class Held:
    """A processor whose jobs go on once they are released; it counts how often each was begun."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.release = asyncio.Event()

    async def __call__(self, job: Job) -> None:
        self.runs[job.id] += 1
        await self.release.wait()


@pytest.fixture
async def control(fragile_server: RedisServer) -> AsyncIterator[Redis]:
    """A way past what stands between the others and the server."""
    async with Redis.from_url(fragile_server.url) as redis:  # pyright: ignore[reportUnknownMemberType]
        yield redis


async def run(worker: Worker) -> asyncio.Task[None]:
    return asyncio.create_task(worker.run())


async def test_jobs_that_finish_while_redis_is_away_are_settled_when_it_is_back(fragile_server: RedisServer) -> None:
    held = Held()
    errors: list[BaseException] = []

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", held, connection=fragile_server.url, concurrency=20, drain_delay=60)
        worker.on("error")(errors.append)
        running = await run(worker)
        await queue.add_bulk([JobSpec("x") for _ in range(30)])
        await wait_until(lambda: len(held.runs) == 20)
        fragile_server.kill()
        held.release.set()
        await asyncio.sleep(1)
        fragile_server.start()
        await wait_until(lambda: _completed(queue, 30), timeout=BACK_S)
        assert all(count == 1 for count in held.runs.values())
        assert len(errors) <= 3, "it is told once, not at every try"
        await worker.close()
        await running


async def _completed(queue: Queue, count: int) -> bool:
    return (await queue.counts())["completed"] == count


async def test_a_lock_that_ran_out_while_redis_was_away_is_no_reason_to_run_again(fragile_server: RedisServer) -> None:
    held = Held()

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", held, connection=fragile_server.url, concurrency=5, lock_duration=0.5, stalled_interval=60)
        running = await run(worker)
        await queue.add_bulk([JobSpec("x") for _ in range(5)])
        await wait_until(lambda: len(held.runs) == 5)
        fragile_server.kill()
        held.release.set()
        await asyncio.sleep(1.2)
        fragile_server.start()
        await wait_until(lambda: _completed(queue, 5))
        assert set(held.runs.values()) == {1}
        await worker.close()
        await running


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_job_that_talks_to_itself_waits_for_a_redis_that_is_away(
    fragile_server: RedisServer, kind: str
) -> None:
    begun, away, charged = threading.Event(), threading.Event(), list[str]()

    def charge() -> str:
        charged.append("once")
        begun.set()
        away.wait(30)
        return "a receipt"

    async def in_loop(job: Job) -> str:
        receipt = await job.step("charge", asyncio.to_thread, charge)
        await job.update_progress(50)
        await job.log("charged")
        await job.update_data({"receipt": receipt})
        return receipt

    def in_thread(job: BlockingJob) -> str:
        receipt = job.step("charge", charge)
        job.update_progress(50)
        job.log("charged")
        job.update_data({"receipt": receipt})
        return receipt

    processor = {"async": in_loop, "thread": in_thread}[kind]
    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", processor, connection=fragile_server.url)
        running = await run(worker)
        job = await queue.add("x", attempts=3)
        await wait_until(begun.is_set)
        fragile_server.kill()
        away.set()
        await asyncio.sleep(0.5)  # long enough for a try that fails
        fragile_server.start()
        assert await job.result(timeout=30) == "a receipt"
        await job.refresh()
        assert (charged, job.attempts_made, job.stacktrace) == (["once"], 1, [])
        assert (job.progress, job.data, await job.logs()) == (50, {"receipt": "a receipt"}, ["charged"])
        await worker.close()
        await running


async def test_a_job_that_is_given_back_waits_no_longer_for_a_redis_that_is_away(fragile_server: RedisServer) -> None:
    begun, away, ended = threading.Event(), threading.Event(), list[BaseException]()

    def work(job: BlockingJob) -> None:
        begun.set()
        away.wait(30)
        try:
            job.log("to nobody")
        except ConnectionFailed as error:
            ended.append(error)
            raise

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", work, connection=fragile_server.url)
        running = await run(worker)
        await queue.add("x")
        await wait_until(begun.is_set)
    fragile_server.kill()
    away.set()
    await worker.close(timeout=0.5)
    await running
    await wait_until(lambda: ended)


async def test_a_job_that_has_ended_insists_no_more_and_what_is_not_allowed_is_told_at_once(
    fragile_server: RedisServer, control: Redis
) -> None:
    refused, ended = list[BaseException](), list[Job]()
    rights = "~bull:q:* ~oxcart:* +@read +@write -@dangerous +eval +evalsha +time +info"
    await control.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">pw", *rights.split())  # pyright: ignore

    async def work(job: Job) -> None:
        try:
            await family_of(job, "other").state()
        except ServerRefused as error:
            refused.append(error)

    worker = Worker("q", work, connection=fragile_server.url.replace("unix://", "unix://narrow:pw@"))
    worker.on("completed")(lambda job, _: ended.append(job))
    running = await run(worker)
    async with Queue("q", connection=fragile_server.url) as queue:
        await queue.add("x")
        await wait_until(lambda: ended)
    assert [is_forbidden(error) for error in refused] == [True]
    fragile_server.kill()
    with pytest.raises(ConnectionFailed):
        await asyncio.wait_for(ended[0].state(), 10)
    await worker.close(timeout=0.1)
    await running


def family_of(job: Job, queue: str) -> Job:
    """A job of another queue, as one of this attempt's own."""
    return Job(job.record, Keys(queue, "bull"), job._connection, attempt=job.attempt)  # pyright: ignore[reportPrivateUsage]


async def test_a_job_is_kept_whoever_opened_the_lost_connection_again(
    fragile_server: RedisServer, control: Redis
) -> None:
    held = Held()
    lost_locks: list[str] = []

    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Connection(proxy.url) as shared,
        Queue("q", connection=shared) as queue,
    ):
        worker = Worker("q", held, connection=shared)
        worker.on("lock_lost")(lost_locks.append)
        running = await run(worker)
        job = await queue.add("x")
        await wait_until(lambda: held.runs)
        proxy.cut_all()
        await wait_until(lambda: shared.transport.current is None)
        assert await job.state() == "active"  # this opens it again, while no call of the worker is under way
        assert await control.delete(f"bull:q:{job.id}:lock") == 1  # as if it had run out meanwhile
        held.release.set()
        await wait_until(lambda: lost_locks or not worker._attempts)
        assert await job.state() == "completed"
        assert (held.runs[job.id], lost_locks) == (1, [])
        await worker.close()
        await running


async def test_after_redis_was_away_only_jobs_that_nobody_runs_are_given_back(
    fragile_server: RedisServer, control: Redis
) -> None:
    """Who checks first after that must not be quicker than those who renew their locks."""
    held = Held()
    stalled: list[str] = []

    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Queue("q", connection=fragile_server.url) as queue,
    ):
        workers = [Worker("q", held, connection=proxy.url, lock_duration=4, stalled_interval=0.1) for _ in range(2)]
        for worker in workers:
            worker.on("stalled")(stalled.append)
        running = [await run(worker) for worker in workers]
        jobs = await queue.add_bulk([JobSpec("x") for _ in range(2)])
        await wait_until(lambda: len(held.runs) == 2)
        lost = await queue.add("x")
        await control.lmove("bull:q:wait", "bull:q:active")  # pyright: ignore (whoever took it is gone)
        proxy.cut_all()
        await control.delete(*[f"bull:q:{job.id}:lock" for job in jobs])  # as if they had run out meanwhile
        await wait_until(lambda: stalled)
        assert stalled == [lost.id]
        held.release.set()
        await wait_until(lambda: _completed(queue, 3))
        assert set(held.runs.values()) == {1}
        for worker, task in zip(workers, running, strict=True):
            await worker.close()
            await task


async def test_a_worker_starts_without_redis_and_goes_on_when_it_comes(fragile_server: RedisServer) -> None:
    async def work(job: Job) -> None: ...

    fragile_server.kill()
    errors: list[BaseException] = []
    worker = Worker("q", work, connection=fragile_server.url, drain_delay=60)
    worker.on("error")(errors.append)
    running = await run(worker)
    await wait_until(lambda: errors)
    await asyncio.sleep(0.7)
    fragile_server.start()
    async with Queue("q", connection=fragile_server.url) as queue:
        await queue.add("x")
        await wait_until(lambda: _completed(queue, 1), timeout=BACK_S)
    assert len(errors) <= 3
    await worker.close()
    await running


async def test_closing_while_redis_is_away_ends_in_bounded_time(fragile_server: RedisServer) -> None:
    started = asyncio.Event()

    async def work(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", work, connection=fragile_server.url)
        running = await run(worker)
        await queue.add("x")
        await started.wait()
    fragile_server.kill()
    before = time.monotonic()
    await worker.close(timeout=0.1)
    await running
    assert time.monotonic() - before < 8


async def test_who_insists_while_jobs_are_handed_back_does_not_cut_that_short(fragile_server: RedisServer) -> None:
    started = asyncio.Event()

    async def work(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", work, connection=fragile_server.url)
        running = await run(worker)
        job = await queue.add("x")
        await started.wait()
        fragile_server.kill()
        closing = asyncio.create_task(worker.close(timeout=0))
        await wait_until(lambda: worker._ending)  # pyright: ignore[reportPrivateUsage]
        insisting = asyncio.create_task(worker.close(timeout=0))
        await asyncio.sleep(0.2)  # long enough to give up
        fragile_server.start()
        await asyncio.gather(closing, insisting, running)
        assert await job.state() == "waiting"


async def test_a_frozen_server_costs_nothing_but_time(fragile_server: RedisServer) -> None:
    runs: Counter[str] = Counter()

    async def work(job: Job) -> None:
        runs[job.id] += 1
        await asyncio.sleep(0.01)

    async with Queue("q", connection=fragile_server.url, timeout=30) as queue:
        worker = Worker("q", work, connection=fragile_server.url, concurrency=10)
        running = await run(worker)
        adding = asyncio.gather(*(queue.add("x", {"n": n}) for n in range(50)))
        await wait_until(lambda: runs)
        fragile_server.freeze()
        more = asyncio.gather(*(queue.add("y", {"n": n}) for n in range(50)))
        await asyncio.sleep(7)  # longer than the deadline of a call
        fragile_server.thaw()
        await adding
        await more
        await wait_until(lambda: _completed(queue, 100))
        assert len(runs) == 100, "no add was done twice"
        assert set(runs.values()) == {1}
        await worker.close()
        await running


async def test_a_server_that_stands_still_is_sent_no_check_for_lost_jobs(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would read it when it goes on, and give jobs back before their workers have renewed the locks."""
    sent, answered = 0, asyncio.Event()
    check = StalledCheck.check

    async def noted(self: StalledCheck) -> list[str]:
        nonlocal sent
        sent += 1
        found = await check(self)
        answered.set()
        return found

    monkeypatch.setattr(StalledCheck, "check", noted)
    async with Connection(fragile_server.url, timeout=1) as connection:
        worker = Worker("q", Held(), connection=connection, stalled_interval=0.3)
        running = await run(worker)
        await answered.wait()
        fragile_server.freeze()  # the next is due in 0.3 s
        before = sent
        await wait_until(lambda: connection.transport.current is None)
        assert sent == before
        fragile_server.thaw()
        await worker.close()
        await running


async def test_a_dead_peer_is_noticed(fragile_server: RedisServer) -> None:
    runs: list[str] = []

    async def work(job: Job) -> None:
        runs.append(job.id)

    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Queue("q", connection=fragile_server.url) as queue,
    ):
        worker = Worker("q", work, connection=proxy.url, drain_delay=1)
        running = await run(worker)
        await queue.add("x")
        await wait_until(lambda: len(runs) == 1)
        proxy.deafen()
        await queue.add("x")
        await wait_until(lambda: len(runs) == 2, timeout=15)
        await worker.close()
        await running


async def test_lost_replies_lose_no_job_and_run_none_twice(fragile_server: RedisServer) -> None:
    runs: Counter[str] = Counter()
    lost_locks: list[str] = []
    chance = random.Random(7)

    async def work(job: Job) -> None:
        runs[job.id] += 1
        await asyncio.sleep(0.002)

    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Queue("q", connection=fragile_server.url) as queue,
    ):
        workers = [Worker("q", work, connection=proxy.url, concurrency=10) for _ in range(2)]
        running = [await run(worker) for worker in workers]
        for worker in workers:
            worker.on("lock_lost")(lost_locks.append)
        proxy.lose_reply = lambda: chance.random() < 0.03
        added = 0
        while added < 2_000 or proxy.lost <= 5:  # how many calls they take depends on how fast the machine is
            await queue.add_bulk([JobSpec("x") for _ in range(500)])
            added += 500
            await wait_until(lambda added=added: _completed(queue, added), timeout=40)
        proxy.lose_reply = lambda: False
        assert set(runs.values()) == {1}
        assert not lost_locks
        for worker, task in zip(workers, running, strict=True):
            await worker.close()
            await task


async def test_a_producer_over_a_bad_wire_adds_each_job_once(fragile_server: RedisServer) -> None:
    chance = random.Random(3)
    async with proxy_before(fragile_server.socket, fragile_server.folder) as proxy:
        proxy.lose_reply = lambda: chance.random() < 0.1
        async with Queue("q", connection=proxy.url, timeout=30) as queue:
            jobs = [await queue.add("x", {"n": n}) for n in range(200)]
            bulk = await queue.add_bulk([JobSpec("x") for _ in range(2_000)])
        assert proxy.lost > 10
    async with Queue("q", connection=fragile_server.url) as queue:
        assert await queue.count() == 2_200
    assert len({job.id for job in [*jobs, *bulk]}) == 2_200


async def test_connections_that_are_cut_all_the_time_lose_nothing(fragile_server: RedisServer) -> None:
    runs: Counter[str] = Counter()

    async def work(job: Job) -> None:
        runs[job.id] += 1

    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Queue("q", connection=fragile_server.url) as queue,
    ):
        worker = Worker("q", work, connection=proxy.url, concurrency=10)
        running = await run(worker)
        for _ in range(15):
            await queue.add_bulk([JobSpec("x") for _ in range(20)])
            await asyncio.sleep(0.05)
            proxy.cut_all()
        await wait_until(lambda: _completed(queue, 300), timeout=20)
        assert set(runs.values()) == {1}
        await worker.close()
        await running


async def test_a_server_that_forgets_its_scripts_all_the_time_does_no_harm(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    runs: Counter[str] = Counter()
    errors: list[BaseException] = []

    async def work(job: Job) -> None:
        runs[job.id] += 1

    worker = await run_worker(work, concurrency=5)
    worker.on("error")(errors.append)
    for _ in range(100):
        await queue.add_bulk([JobSpec("x") for _ in range(5)])
        await redis.script_flush()  # pyright: ignore
    await wait_until(lambda: _completed(queue, 500))
    assert set(runs.values()) == {1}
    assert errors == []


async def test_a_server_that_becomes_read_only_for_a_while_runs_nothing_twice(
    fragile_server: RedisServer, control: Redis
) -> None:
    held = Held()
    errors: list[BaseException] = []

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", held, connection=fragile_server.url, concurrency=10)
        worker.on("error")(errors.append)
        running = await run(worker)
        await queue.add_bulk([JobSpec("x") for _ in range(20)])
        await wait_until(lambda: len(held.runs) == 10)
        await control.replicaof("127.0.0.1", "1")  # pyright: ignore
        held.release.set()
        await asyncio.sleep(1)
        await control.replicaof("NO", "ONE")  # pyright: ignore
        await wait_until(lambda: _completed(queue, 20))
        assert set(held.runs.values()) == {1}
        assert len(errors) < 10
        await worker.close()
        await running


async def test_producers_go_on_at_the_server_that_has_taken_over(
    fragile_server: RedisServer, control: Redis, redis_server: RedisServer, queue_name: str
) -> None:
    """The address leads to another server by now, and the demoted one keeps its connections."""
    async with (
        proxy_before(fragile_server.socket, fragile_server.folder) as proxy,
        Queue(queue_name, connection=proxy.url) as queue,
    ):
        blocking = BlockingQueue(queue_name, connection=proxy.url)
        await queue.add("x")
        await asyncio.to_thread(blocking.add, "x")
        await control.replicaof("127.0.0.1", "1")  # pyright: ignore
        proxy.server = redis_server.socket
        await queue.add("x")
        await asyncio.to_thread(blocking.add, "x")
        assert (await queue.counts())["waiting"] == 2
        await asyncio.to_thread(blocking.close)
        await queue.obliterate(force=True)


async def test_a_full_server_takes_completions_when_it_has_room_again(
    fragile_server: RedisServer, control: Redis
) -> None:
    held = Held()

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", held, connection=fragile_server.url, concurrency=10)
        running = await run(worker)
        await queue.add_bulk([JobSpec("x") for _ in range(20)])
        await wait_until(lambda: len(held.runs) == 10)
        await control.config_set("maxmemory", "1mb")  # pyright: ignore
        held.release.set()
        await asyncio.sleep(0.5)
        await control.config_set("maxmemory", "0")  # pyright: ignore
        await wait_until(lambda: _completed(queue, 20))
        assert set(held.runs.values()) == {1}
        await worker.close()
        await running


async def test_a_processor_that_blocks_the_loop_keeps_its_lock(queue: Queue, run_worker: RunWorker) -> None:
    runs: Counter[str] = Counter()

    async def block(job: Job) -> str:
        runs[job.id] += 1
        await wait_until(lambda: len(runs) == 2)  # one that was taken behind a blocked loop is held by nobody yet
        time.sleep(3)  # noqa: ASYNC251 (on purpose: twice the lock)
        return "kept"

    for _ in range(2):
        await run_worker(block, lock_duration=1.5, stalled_interval=0.2, concurrency=2)
    await queue.add_bulk([JobSpec("x") for _ in range(2)])
    await wait_until(lambda: _completed(queue, 2), timeout=30)
    assert set(runs.values()) == {1}


async def test_a_job_whose_lock_was_taken_over_is_stopped_and_writes_nothing(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    started = asyncio.Event()
    stopped: list[str] = []
    lost: list[str] = []

    async def work(job: Job) -> str:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(job.id)
            raise
        return "never"

    worker = await run_worker(work, lock_duration=0.4)
    worker.on("lock_lost")(lost.append)
    job = await queue.add("x")
    await started.wait()
    await redis.set(f"bull:{queue.name}:{job.id}:lock", "somebody else", px=60_000)
    await wait_until(lambda: stopped and lost)
    assert lost == [job.id]
    assert await job.state() == "active", "it is the other worker's now"
    await redis.lrem(f"bull:{queue.name}:active", 0, job.id)  # pyright: ignore
    await redis.srem(f"bull:{queue.name}:stalled", job.id)  # pyright: ignore
    await redis.delete(f"bull:{queue.name}:{job.id}:lock", f"bull:{queue.name}:{job.id}")


async def test_a_lost_job_is_given_back_and_run_again(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    stalled: list[str] = []
    job = await queue.add("x")
    # A worker that took it and is gone:
    await redis.rpoplpush(f"bull:{queue.name}:wait", f"bull:{queue.name}:active")  # pyright: ignore

    async def work(job: Job) -> int:
        return job.stalled_count

    worker = await run_worker(work, stalled_interval=0.1)
    worker.on("stalled")(stalled.append)
    await wait_until(lambda: _completed(queue, 1))
    await job.refresh()
    assert job.return_value == 1
    await wait_until(lambda: stalled)
    assert stalled == [job.id]


async def test_a_job_that_is_lost_too_often_fails_with_that_reason(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    job = await queue.add("x")
    await redis.hset(f"bull:{queue.name}:{job.id}", "stc", "2")  # pyright: ignore
    await redis.rpoplpush(f"bull:{queue.name}:wait", f"bull:{queue.name}:active")  # pyright: ignore

    async def work(job: Job) -> None:
        raise AssertionError("it was run")

    await run_worker(work, stalled_interval=0.1, max_stalled_count=2)

    async def failed() -> bool:
        return await job.state() == "failed"

    await wait_until(failed)
    await job.refresh()
    assert job.failed_reason == "job stalled more than allowable limit"


async def test_jobs_that_stalled_run_one_at_a_time_while_others_go_on(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    suspects, most, others = 0, 0, 0
    others_done = asyncio.Event()

    async def work(job: Job) -> None:
        nonlocal suspects, most, others
        if job.stalled_count:
            suspects += 1
            most = max(most, suspects)
            await others_done.wait()
            await asyncio.sleep(0.02)
            suspects -= 1
        else:
            others += 1

    jobs = await queue.add_bulk([JobSpec("x") for _ in range(60)])
    for job in jobs[:20]:
        await redis.hset(f"bull:{queue.name}:{job.id}", "stc", "1")  # pyright: ignore
    await run_worker(work, concurrency=10)
    await wait_until(lambda: others == 40)
    others_done.set()
    await wait_until(lambda: _completed(queue, 60), timeout=8)  # with the pause of half a second between two, it is 10
    assert most == 1


async def test_an_internal_task_that_dies_is_started_again(
    queue: Queue, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oxcart.worker.marker import Marker

    deaths = {"left": 2}
    errors: list[BaseException] = []
    wait = Marker.wait

    async def mortal(marker: Marker, due: int) -> bool:
        if deaths["left"]:
            deaths["left"] -= 1
            raise RuntimeError("a bug")
        return await wait(marker, due)

    monkeypatch.setattr(Marker, "wait", mortal)

    async def work(job: Job) -> None: ...

    worker = await run_worker(work)
    worker.on("error")(errors.append)
    await wait_until(lambda: len(errors) == 2)
    await queue.add("x")
    await wait_until(lambda: _completed(queue, 1))


async def test_a_worker_that_cannot_be_kept_alive_ends_loudly(
    queue: Queue, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oxcart.worker import supervision
    from oxcart.worker.marker import Marker

    async def dead(marker: Marker, due: int) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Marker, "wait", dead)
    monkeypatch.setattr(supervision, "PAUSE_S", 0.001)

    async def work(job: Job) -> None: ...

    worker = Worker(queue.name, work, connection=redis_server.url)
    with pytest.raises(RuntimeError, match="a bug"):
        await worker.run()


async def test_a_password_that_is_wrong_for_a_while_stops_nobody(fragile_server: RedisServer, control: Redis) -> None:
    errors: list[BaseException] = []

    async def work(job: Job) -> None: ...

    url = fragile_server.url.replace("unix://", "unix://:right@")
    await control.config_set("requirepass", "other")  # pyright: ignore
    await control.auth("other")  # pyright: ignore
    worker = Worker("q", work, connection=url)
    worker.on("error")(errors.append)
    running = await run(worker)
    async with Queue("q", connection=url) as queue:
        with pytest.raises(ConnectionFailed, match=r"refuses the log-in") as caught:
            await queue.add("x")
        assert "right" not in str(caught.value)
        await wait_until(lambda: errors)
        await control.config_set("requirepass", "right")  # pyright: ignore
        await queue.add("x")
        await wait_until(lambda: _completed(queue, 1))
    assert len(errors) <= 3
    assert not any("right" in str(error) for error in errors)
    await worker.close()
    await running


async def test_a_server_that_is_busy_with_a_script_runs_nothing_twice(
    fragile_server: RedisServer, control: Redis
) -> None:
    held = Held()
    errors: list[BaseException] = []

    await control.config_set("lua-time-limit", "50")  # pyright: ignore
    async with Queue("q", connection=fragile_server.url, timeout=20) as queue:
        worker = Worker("q", held, connection=fragile_server.url, concurrency=10)
        worker.on("error")(errors.append)
        running = await run(worker)
        await queue.add_bulk([JobSpec("x") for _ in range(20)])
        await wait_until(lambda: len(held.runs) == 10)
        spin = "local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 2 do end"
        busy = asyncio.ensure_future(control.eval(spin, 0))  # pyright: ignore
        await asyncio.sleep(0.3)
        held.release.set()
        await busy
        await wait_until(lambda: _completed(queue, 20))
        assert set(held.runs.values()) == {1}
        assert len(errors) < 10
        await worker.close()
        await running
