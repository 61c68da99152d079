"""The invariant check itself: it sees each kind of harm, and nothing wrong with a healthy queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Job, JobSpec, Queue
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.invariants import broken_invariants

HARM: dict[str, Callable[[Redis, str], Awaitable[Any]]] = {
    "I1 job 1": lambda redis, q: redis.zadd(f"{q}delayed", {"1": 2**53}),
    "I2 job 1": lambda redis, q: redis.lpush(f"{q}wait", "1"),
    "I3 job 99": lambda redis, q: redis.lpush(f"{q}wait", "99"),
    "I4 job 1": lambda redis, q: redis.lrem(f"{q}wait", 0, "1"),
    "I5 99:logs": lambda redis, q: redis.rpush(f"{q}99:logs", "line"),
    "I6 stalled": lambda redis, q: redis.set(f"{q}stalled", "x"),
    "I7 the counter": lambda redis, q: redis.set(f"{q}id", "1"),
    "I8 job 1": lambda redis, q: redis.set(f"{q}1:lock", "t", px=9999),
    "I9 job 1": lambda redis, q: redis.rpoplpush(f"{q}wait", f"{q}active"),
    "I10 1:lock": lambda redis, q: redis.set(f"{q}1:lock", "t"),
    "I12 job 1": lambda redis, q: redis.hset(f"{q}1", "atm", "3"),
    "I13 1": lambda redis, q: redis.sadd(f"{q}stalled", "1"),
    "I15 stalled-check": lambda redis, q: redis.set(f"{q}stalled-check", "1"),
    "I17 job 3": lambda redis, q: redis.zadd(f"{q}delayed", {"3": 5}),
    "I18 job 2": lambda redis, q: redis.zadd(f"{q}prioritized", {"2": 5}),
    "I19 job 1": lambda redis, q: redis.zadd(f"{q}completed", {"1": 5}),
    "I20": lambda redis, q: redis.delete(f"{q}marker"),
    "I22 marker": lambda redis, q: redis.zadd(f"{q}marker", {"7": 1}),
    "I24 job 1": lambda redis, q: redis.zadd(f"{q}waiting-children", {"1": 1}),
    "I26 job 1": lambda redis, q: redis.hset(f"{q}1", "parent", '{"id":"1","queueKey":"bull:x"}'),
    "I27 de:x": lambda redis, q: redis.set(f"{q}de:x", "99"),
    "I30 limiter": lambda redis, q: redis.set(f"{q}limiter", "1"),
    "I33 meta": lambda redis, q: redis.hset(f"{q}meta", "opts.maxLenEvents", "many"),
    "I34 strange": lambda redis, q: redis.set(f"{q}strange", "1"),
}


@pytest.mark.parametrize("harm", HARM)
async def test_harm_is_seen(redis: Redis, redis_server: RedisServer, queue_name: str, harm: str) -> None:
    async with Queue(queue_name, connection=redis_server.url) as queue:
        await queue.add_bulk([JobSpec("x"), JobSpec("x", priority=1), JobSpec("x", delay=60)])
    assert await broken_invariants(redis, "bull", queue_name) == []
    await HARM[harm](redis, f"bull:{queue_name}:")
    found = await broken_invariants(redis, "bull", queue_name)
    assert any(line.startswith(harm) for line in found), found
    assert not any(
        line.startswith(harm) for line in await broken_invariants(redis, "bull", queue_name, allow={harm.split()[0]})
    )


async def test_a_healthy_queue_is_found_healthy(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None:
        if job.name == "bad":
            raise ValueError

    names = ["good", "bad"] * 50
    await queue.add_bulk([JobSpec(name, attempts=2, backoff=60 if n % 3 else 0) for n, name in enumerate(names)])
    worker = await run_worker(work, concurrency=10)

    async def rests() -> bool:
        counts = await queue.counts()
        return counts["waiting"] == counts["active"] == 0

    await wait_until(rests)
    await worker.close()
    assert await broken_invariants(redis, "bull", queue.name) == []
