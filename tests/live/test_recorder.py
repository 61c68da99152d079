"""The recorder of a worker: what is counted of jobs, and what is left in Redis of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Job, JobSpec, OptionsError, Queue, Requeue, Unrecoverable, Worker
from oxcart.protocol.keys import Keys
from oxcart.tally import HOUR_MS, LEVELS, MINUTE_MS, OTHER, Tally
from oxcart.worker import recorder as recorder_module
from oxcart.worker.recorder import Recorder
from tests.clocks import Clock
from tests.conftest import RedisServer, RunWorker, wait_until


async def totals(redis: Redis, keys: Keys) -> dict[str, Tally]:
    kept: dict[str, str] = await redis.hgetall(keys.step_total)  # pyright: ignore
    return {name: Tally.from_text(text) for name, text in kept.items()}


async def finished(queue: Queue) -> int:
    counts = await queue.counts("completed", "failed")
    return sum(counts.values())


async def test_a_recorder_counts_by_name_how_jobs_ended_how_long_they_ran_and_waited(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def process(job: Job) -> None:
        if job.name == "bad":
            raise ValueError("no such user 17")
        await asyncio.sleep(0.02)

    await queue.add_bulk([JobSpec("good") for _ in range(5)])
    await queue.add("bad", attempts=3)
    worker = await run_worker(process, recorder=True)
    await wait_until(lambda: _is(queue, 6))
    await worker.close()
    found = await totals(redis, queue.keys)
    good, bad = found["good"], found["bad"]
    assert (good.completed, good.failed, good.retried) == (5, 0, 0)
    assert (bad.completed, bad.failed, bad.retried) == (0, 1, 2)
    assert sum(good.run.values()) == sum(good.wait.values()) == 5
    assert sum(bad.run.values()) == 3 and sum(bad.wait.values()) == 1, "only of the first attempt it is known"
    assert good.run_ms >= 5 * 15
    for level in LEVELS:
        steps = [key async for key in redis.scan_iter(f"{queue.keys.own}stats:{level.letter}:*")]
        kept: list[dict[str, str]] = [await redis.hgetall(step) for step in steps]  # pyright: ignore
        assert sum(Tally.from_text(step.get("good", "")).completed for step in kept) == 5
        assert all([0 < await redis.pttl(step) <= level.keep_ms + level.step_ms for step in steps])


async def _is(queue: Queue, count: int) -> bool:
    return await finished(queue) == count


async def test_what_is_put_back_on_purpose_is_not_counted(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    seen: list[str] = []

    async def process(job: Job) -> None:
        seen.append(job.id)
        if len(seen) < 3:
            raise Requeue

    await queue.add("again")
    worker = await run_worker(process, recorder=True)
    await wait_until(lambda: _is(queue, 1))
    await worker.close()
    [tally] = (await totals(redis, queue.keys)).values()
    assert (tally.completed, tally.retried, sum(tally.run.values())) == (1, 0, 1)


async def test_the_wait_of_a_delayed_job_begins_when_it_is_due(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await queue.add("later", delay=3)
    worker = await run_worker(_nothing, recorder=True)
    await wait_until(lambda: _is(queue, 1))
    await worker.close()
    [tally] = (await totals(redis, queue.keys)).values()
    assert tally.wait_ms < 2500


async def _nothing(job: Job) -> None: ...


async def test_failures_are_kept_by_what_they_are_with_an_example(
    queue: Queue, run_worker: RunWorker, redis: Redis, clock: Clock
) -> None:
    async def process(job: Job) -> None:
        if job.name == "lost":
            raise Unrecoverable("gone")
        raise LookupError(f"no user {job.id}")

    await queue.add_bulk([JobSpec("find", remove_on_fail=True) for _ in range(4)])
    await queue.add("lost", remove_on_fail=True)
    worker = await run_worker(process, recorder=True, clock=clock)  # with which no hour ends meanwhile
    await wait_until(lambda: _gone(queue))
    await worker.close()
    [key] = [key async for key in redis.scan_iter(f"{queue.keys.own}stats:failures:*")]
    kept: dict[str, str] = await redis.hgetall(key)  # pyright: ignore
    examples = [json.loads(text) | {"n": kept[f"{name[:-3]}:n"]} for name, text in kept.items() if name.endswith(":is")]
    by_kind = {example["kind"]: example for example in examples}
    assert by_kind["LookupError"]["n"] == "4" and by_kind["Unrecoverable"]["n"] == "1"
    assert by_kind["LookupError"]["place"].endswith("test_recorder.py\nprocess")
    assert by_kind["LookupError"]["name"] == "find"
    assert await redis.pttl(key) > 0


async def _gone(queue: Queue) -> bool:
    return not any((await queue.counts()).values())


class Seen:
    """A recorder without a worker, told by hand."""

    def __init__(self, connection: Connection, queue: Queue, clock: Any) -> None:
        self.told: list[BaseException] = []
        self.recorder = Recorder(connection, queue.keys, clock, self.told.append)

    def completed(self, name: str, ran_s: float = 0.01) -> None:
        fields = {"name": name, "opts": "{}"}
        record = type("R", (), {"fields": fields, "name": name, "id": "1"})
        attempt = type("A", (), {"record": record, "job": type("J", (), {"record": record})})
        outcome: Any = type("O", (), {"verdict": recorder_module.Verdict.COMPLETED, "attempt": attempt})
        self.recorder.note(outcome, ran_s, float("inf"))


async def test_names_beyond_a_number_count_as_one_in_memory_and_in_redis(
    queue: Queue, redis_server: RedisServer, redis: Redis
) -> None:
    async with Connection(redis_server.url) as connection:
        for start in (0, 5000):
            seen = Seen(connection, queue, lambda: 1_800_000_000_000)
            for number in range(start, start + 5000):
                seen.completed(f"job {number}")
            await seen.recorder.flush()
            assert not seen.told
    found = await totals(redis, queue.keys)
    assert len(found) == 201
    assert found[OTHER].completed == 10_000 - 200


async def test_while_redis_is_away_counting_goes_on_within_bounds_and_nothing_is_lost(
    fragile_server: RedisServer,
) -> None:
    now = [1_800_000_000_000]
    async with Queue("q", connection=fragile_server.url) as queue, Connection(fragile_server.url) as connection:
        seen = Seen(connection, queue, lambda: now[0])
        await queue.add("x")
        fragile_server.kill()
        for minute in range(400):
            now[0] += MINUTE_MS
            for number in range(20):
                seen.completed(f"job {number}")
            if minute % 100 == 0:
                await seen.recorder.flush()
        kept = seen.recorder._minutes
        assert sum(map(len, kept.values())) <= recorder_module.MOST_COUNTS
        fragile_server.start()
        await seen.recorder.flush()
        redis = Redis.from_url(fragile_server.url, decode_responses=True)  # pyright: ignore
        found = await totals(redis, queue.keys)
        await redis.aclose()
        assert sum(tally.completed for tally in found.values()) == 8000
        assert not seen.told


async def test_a_call_whose_answer_was_lost_counts_once(
    queue: Queue, redis_server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oxcart import ConnectionFailed

    async with Connection(redis_server.url) as connection:
        seen = Seen(connection, queue, lambda: 1_800_000_000_000)
        seen.completed("one")
        run = connection.run

        async def lose(call: Any) -> Any:
            await run(call)
            raise ConnectionFailed("the answer is lost")

        monkeypatch.setattr(connection, "run", lose)
        await seen.recorder.flush()
        monkeypatch.setattr(connection, "run", run)
        seen.completed("one")
        await seen.recorder.flush()
    assert (await totals(redis, queue.keys))["one"].completed == 2


async def test_keys_that_somebody_damaged_are_told_of_and_hold_nothing_up(
    queue: Queue, redis_server: RedisServer, redis: Redis
) -> None:
    now = 1_800_000_000_000
    async with Connection(redis_server.url) as connection:
        seen = Seen(connection, queue, lambda: now)
        await redis.set(queue.keys.step("m", now - now % MINUTE_MS), "damaged", ex=100)
        seen.completed("one")
        await seen.recorder.flush()
        assert len(seen.told) == 1
        await redis.hset(queue.keys.step_total, "two", "no JSON")  # pyright: ignore
        await redis.expire(queue.keys.step_total, 100)
        now += MINUTE_MS
        seen.completed("two")
        await seen.recorder.flush()
        assert len(seen.told) == 1
    assert (await totals(redis, queue.keys))["two"].completed == 1


async def test_a_clock_that_jumps_harms_nothing(queue: Queue, redis_server: RedisServer, redis: Redis) -> None:
    times = iter([1_800_000_000_000, 1_700_000_000_000, 1_900_000_000_000, 5])
    async with Connection(redis_server.url) as connection:
        seen = Seen(connection, queue, lambda: next(times))
        for _ in range(4):
            seen.completed("one")
        await seen.recorder.flush()
        assert not seen.told
    assert (await totals(redis, queue.keys))["one"].completed == 4


async def test_erasing_a_queue_erases_what_was_counted_of_it(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def process(job: Job) -> None:
        raise ValueError("boom")

    await queue.add("x")
    worker = await run_worker(process, recorder=True)
    await wait_until(lambda: _is(queue, 1))
    await worker.close()
    assert await redis.exists(queue.keys.step_total)
    await queue.obliterate()
    left = [key async for key in redis.scan_iter(f"{queue.keys.own}stats:*") if ":receipt:" not in key]
    assert left == []


async def test_a_new_version_is_marked_once_for_all_its_workers(
    redis: Redis, redis_server: RedisServer, queue_name: str
) -> None:
    prefix = f"p{queue_name}"
    keys = Keys("a", prefix)

    async def start(queue: str, version: str) -> None:
        worker = Worker(queue, _nothing, connection=redis_server.url, prefix=prefix, version=version)
        task = asyncio.create_task(worker.run())
        await wait_until(lambda: _has(redis, keys, queue, version))
        await worker.close()
        await task

    for queue, version in (("a", "1.0"), ("a", "1.0"), ("b", "1.0"), ("a", "2.0"), ("a", "1.0"), ("b", "2.0")):
        await start(queue, version)
    marks: list[str] = await redis.zrange(keys.marks, 0, -1)  # pyright: ignore
    assert [mark.partition(":")[2] for mark in marks] == ["version 1.0", "version 2.0"]
    assert await redis.pttl(keys.marks) > HOUR_MS
    await redis.delete(keys.marks, keys.versions)


async def _has(redis: Redis, keys: Keys, queue: str, version: str) -> bool:
    return await redis.hget(keys.versions, queue) == version  # pyright: ignore


async def test_a_worker_that_has_told_its_version_sleeps_like_any_other(
    queue: Queue, run_worker: RunWorker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[int] = []
    change = Worker._change

    async def count(self: Worker, *args: Any) -> None:
        changes.append(1)
        await change(self, *args)

    monkeypatch.setattr(Worker, "_change", count)
    await run_worker(_nothing, version="1.0")
    await wait_until(lambda: _has(redis, queue.keys, queue.name, "1.0"))
    await asyncio.sleep(0.1)
    assert len(changes) < 5


async def test_the_version_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXCART_VERSION", "3.1")
    assert Worker("q", _nothing).version == "3.1"
    assert Worker("q", _nothing, version="4").version == "4"
    monkeypatch.setenv("OXCART_VERSION", "")
    assert Worker("q", _nothing).version is None


@pytest.mark.parametrize("options", [{"recorder": 1}, {"recorder": "yes"}, {"version": 3}, {"version": " "}])
async def test_what_is_no_choice_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionsError):
        Worker("q", _nothing, **options)


async def test_it_is_written_now_and_then_while_the_worker_runs(
    queue: Queue, run_worker: RunWorker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "FLUSH_S", 0.05)
    await queue.add("x")
    await run_worker(_nothing, recorder=True)
    await wait_until(lambda: totals(redis, queue.keys))


async def test_a_busy_worker_writes_once_a_time_and_not_all_the_time(
    queue: Queue, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Connection(redis_server.url) as connection:
        seen = Seen(connection, queue, lambda: 1_800_000_000_000)
        run, calls = connection.run, list[Any]()

        async def count(call: Any) -> Any:
            calls.append(call)
            seen.completed("one")  # jobs end while it writes
            return await run(call)

        monkeypatch.setattr(connection, "run", count)
        seen.completed("one")
        await asyncio.wait_for(seen.recorder.flush(), 5)
        assert len(calls) == 1
