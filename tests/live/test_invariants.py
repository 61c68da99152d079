"""The invariant check itself: it sees each kind of harm, and nothing wrong with a healthy queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Job, JobSpec, Queue, Worker
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.invariants import broken_invariants

Harm = Callable[[Any, str], Awaitable[Any]]


def many(*harms: Harm) -> Harm:
    async def all_of_them(redis: Any, start: str) -> None:
        for harm in harms:
            await harm(redis, start)

    return all_of_them


def events(*kinds: str) -> Harm:
    async def tell(redis: Any, start: str) -> None:
        for kind in kinds:
            await redis.xadd(f"{start}events", {"event": kind, "jobId": "x"})

    return tell


# What is in the healthy queue that is harmed: 1 completed, 2 failed, 3 waiting, 4 prioritized, 5 delayed, 6 waiting for
# its child, 7 the child; `every` a scheduler with its pending iteration.
HARM: dict[str, tuple[str, Harm]] = {
    "I1 {q}3 (job 3): in 2 states": ("two states", lambda r, q: r.zadd(f"{q}delayed", {"3": 2**53})),
    "I2 {q}wait (job 3): 2 times": ("twice in a list", lambda r, q: r.lpush(f"{q}wait", "3")),
    "I3 {q}99 (job 99): no hash": ("no hash", lambda r, q: r.lpush(f"{q}wait", "99")),
    "I3 {q}3 (job 3): lacks data, opts": ("half a hash", lambda r, q: r.hdel(f"{q}3", "data", "opts")),
    "I3 {q}3 (job 3): a string": ("another type", many(lambda r, q: r.delete(f"{q}3"), lambda r, q: r.set(f"{q}3", 1))),
    "I4 {q}3 (job 3)": ("in no state", lambda r, q: r.lrem(f"{q}wait", 0, "3")),
    "I5 {q}99:logs (job 99)": ("logs of nobody", lambda r, q: r.rpush(f"{q}99:logs", "line")),
    "I6 {q}stalled: a string": ("a key's type", lambda r, q: r.set(f"{q}stalled", "x")),
    "I6 {q}3:logs (job 3): a string": ("logs' type", lambda r, q: r.set(f"{q}3:logs", "x")),
    "I6 {q}de:x: a list": ("deduplication's type", lambda r, q: r.lpush(f"{q}de:x", "3")),
    "I7 {q}id (job 7)": ("counter behind", lambda r, q: r.set(f"{q}id", "6")),
    "I7 {q}id: not a number": ("counter broken", lambda r, q: r.set(f"{q}id", "x")),
    "I8 {q}3:lock (job 3)": ("dangling lock", lambda r, q: r.set(f"{q}3:lock", "t", px=9999)),
    "I9 {q}active (job 3)": ("left active", lambda r, q: r.rpoplpush(f"{q}wait", f"{q}active")),
    "I10 {q}3:lock (job 3)": ("endless lock", lambda r, q: r.set(f"{q}3:lock", "t")),
    "I11 {q}3:lock (job 3)": ("empty lock", lambda r, q: r.set(f"{q}3:lock", "", px=9999)),
    "I12 {q}3 (job 3): active, but never": ("never started", lambda r, q: r.rpoplpush(f"{q}wait", f"{q}active")),
    "I12 {q}1 (job 1): started 1 times": ("ended too often", lambda r, q: r.hset(f"{q}1", "atm", "3")),
    "I12 {q}1 (job 1): ats, atm": ("odd count", lambda r, q: r.hset(f"{q}1", "ats", "?")),
    "I13 {q}stalled (job 99)": ("a mark of nobody", lambda r, q: r.sadd(f"{q}stalled", "99")),
    "I14 {q}stalled (job 1)": ("a mark that stayed", lambda r, q: r.sadd(f"{q}stalled", "1")),
    "I15 {q}stalled-check": ("endless check", lambda r, q: r.set(f"{q}stalled-check", "1")),
    "I16 {q}active (job 3): 1 jobs": (
        "too many active",
        many(lambda r, q: r.hset(f"{q}meta", "concurrency", "0"), lambda r, q: r.rpoplpush(f"{q}wait", f"{q}active")),
    ),
    "I17 {q}delayed (job 5): due": ("due too early", lambda r, q: r.zadd(f"{q}delayed", {"5": 4096})),
    "I17 {q}delayed (job 5): the score": ("a score with a fraction", lambda r, q: r.zadd(f"{q}delayed", {"5": 4.5})),
    "I17 {q}3 (job 3): in wait": ("a delay that stayed", lambda r, q: r.hset(f"{q}3", "delay", "50")),
    "I18 {q}prioritized (job 4): the score": ("a score of no priority", lambda r, q: r.zadd(f"{q}prioritized", {4: 5})),
    "I18 {q}prioritized (job 4): a score": ("another priority", lambda r, q: r.hset(f"{q}4", "priority", "9")),
    "I18 {q}pc (job 4)": ("priority counter behind", lambda r, q: r.delete(f"{q}pc")),
    "I19 {q}completed (job 1): score 5": ("another finish time", lambda r, q: r.zadd(f"{q}completed", {"1": 5})),
    "I19 {q}1 (job 1): completed without": ("no value", lambda r, q: r.hdel(f"{q}1", "returnvalue")),
    "I19 {q}1 (job 1): returnvalue is not": ("a value NaN", lambda r, q: r.hset(f"{q}1", "returnvalue", "NaN")),
    "I19 {q}2 (job 2): failed without": ("no reason", lambda r, q: r.hdel(f"{q}2", "failedReason")),
    "I19 {q}2 (job 2): failed, but": ("a failure to come", lambda r, q: r.hset(f"{q}2", "defa", "x")),
    "I20 {q}marker (job 3)": ("nobody woken", lambda r, q: r.delete(f"{q}marker")),
    "I21 {q}marker (job 5): a delayed job, and nothing": ("nobody told", lambda r, q: r.delete(f"{q}marker")),
    "I21 {q}marker (job 5): a delayed job, and workers": (
        "told too late",
        many(lambda r, q: r.zrem(f"{q}marker", "0"), lambda r, q: r.zadd(f"{q}marker", {"1": 2**52})),
    ),
    "I22 {q}marker: unknown": ("an odd marker", lambda r, q: r.zadd(f"{q}marker", {"7": 1})),
    "I22 {q}marker: member '0'": ("a marker's score", lambda r, q: r.zadd(f"{q}marker", {"0": 1})),
    "I22 {q}marker: wakes": ("woken in a pause", lambda r, q: r.hset(f"{q}meta", "paused", "1")),
    "I24 {q}waiting-children (job 6)": ("waits for nobody", lambda r, q: r.delete(f"{q}6:dependencies")),
    "I25 {q}6:dependencies (job 6): child x": ("no child", lambda r, q: r.sadd(f"{q}6:dependencies", "x")),
    "I25 {q}7 (job 7): wait, and its parent": ("not waited for", lambda r, q: r.srem(f"{q}6:dependencies", f"{q}7")),
    "I25 {q}7 (job 7): wait, and its": ("known twice", lambda r, q: r.hset(f"{q}6:processed", f"{q}7", "1")),
    "I25 {q}6:dependencies (job 6): child {q}7 has the": (
        "a stranger's child",
        lambda r, q: r.hset(f"{q}7", "parentKey", f"{q}3"),
    ),
    "I25 {q}6:dependencies (job 6): child {q}7 is completed": (
        "waits for a completed child",
        lambda r, q: r.zadd(f"{q}completed", {"7": 5}),
    ),
    "I25 {q}6:dependencies (job 6): child {q}7 has failed": (
        "waits for a failed child",
        lambda r, q: r.zadd(f"{q}failed", {"7": 5}),
    ),
    "I26 {q}7 (job 7): parentKey": ("two parents", lambda r, q: r.hset(f"{q}7", "parentKey", f"{q}3")),
    "I26 {q}7 (job 7): has a parent": ("no parent's key", lambda r, q: r.hdel(f"{q}7", "parentKey")),
    "I26 {q}7 (job 7): its parent": ("no parent", lambda r, q: r.delete(f"{q}6")),
    "I27 {q}de:x (job 99)": ("held by nobody", lambda r, q: r.set(f"{q}de:x", "99")),
    "I27 {q}de:x (job 3)": ("held by another", lambda r, q: r.set(f"{q}de:x", "3")),
    "I27 {q}de:x (job 1): held by a job that is": (
        "held for ever",
        many(lambda r, q: r.set(f"{q}de:x", "1"), lambda r, q: r.hset(f"{q}1", "deid", "x")),
    ),
    "I27 {q}dn:x": ("kept for nobody", lambda r, q: r.hset(f"{q}dn:x", "name", "n")),
    "I28 {q}repeat:every: needs": ("no rhythm", lambda r, q: r.hdel(f"{q}repeat:every", "every")),
    "I28 {q}repeat:every: listed": ("no scheduler", lambda r, q: r.delete(f"{q}repeat:every")),
    "I28 {q}repeat:every: has made": ("no iterations", lambda r, q: r.hdel(f"{q}repeat:every", "ic")),
    "I28 {q}repeat:every: a scheduler": ("not listed", lambda r, q: r.zrem(f"{q}repeat", "every")),
    "I28 {q}repeat:every: no iteration": (
        "no iteration ahead",
        many(lambda r, q: r.zrem(f"{q}delayed", "repeat:every:1"), lambda r, q: r.delete(f"{q}repeat:every:1")),
    ),
    "I28 {q}repeat (job repeat:every:1)": ("another slot", lambda r, q: r.zadd(f"{q}repeat", {"every": 2})),
    "I28 {q}repeat:every (job ": ("two iterations ahead", lambda r, q: r.hset(f"{q}5", "rjk", "every")),
    "I28 {q}repeat:every:1 (job repeat:every:1)": ("an orphan", lambda r, q: r.zrem(f"{q}repeat", "every")),
    "I29 {q}repeat:every:1 (job": ("one iteration too many", lambda r, q: r.hset(f"{q}repeat:every", "limit", "2")),
    "I30 {q}limiter: never": ("endless limit", lambda r, q: r.set(f"{q}limiter", "1")),
    "I30 {q}limiter: 9 jobs": (
        "over the limit",
        many(lambda r, q: r.set(f"{q}limiter", "9", px=9999), lambda r, q: r.hset(f"{q}meta", "max", "5")),
    ),
    "I31 {q}metrics:failed:data: points": ("points alone", lambda r, q: r.lpush(f"{q}metrics:failed:data", "1")),
    "I31 {q}metrics:failed: count": ("less than before", lambda r, q: r.hset(f"{q}metrics:failed", "prevCount", "4")),
    "I31 {q}metrics:failed:data: the points": (
        "more than before",
        many(
            lambda r, q: r.lpush(f"{q}metrics:failed:data", "3"),
            lambda r, q: r.hset(f"{q}metrics:failed", mapping={"count": "2", "prevCount": "1"}),
        ),
    ),
    "I32 {q}events (job x): active": ("taken before it waited", events("added", "active")),
    "I32 {q}events (job x): completed": ("completed twice", events("active", "completed", "completed")),
    "I32 {q}events (job 3): the last": (
        "another end",
        lambda r, q: r.xadd(f"{q}events", {"event": "active", "jobId": "3"}),
    ),
    "I32 {q}events: 2": (
        "a stream without an end",
        many(lambda r, q: r.hset(f"{q}meta", "opts.maxLenEvents", "100"), events(*["added", "waiting"] * 100)),
    ),
    "I33 {q}meta: opts.maxLenEvents": ("odd length", lambda r, q: r.hset(f"{q}meta", "opts.maxLenEvents", "many")),
    "I33 {q}meta: paused": ("odd pause", lambda r, q: r.hset(f"{q}meta", "paused", "0")),
    "I33 {q}meta: unknown version": ("odd version", lambda r, q: r.hset(f"{q}meta", "version", "x")),
    "I34 {q}strange: a string": ("strange key", lambda r, q: r.set(f"{q}strange", "1")),
    "I34 {q}3 (job 3)": ("strange field", lambda r, q: r.hset(f"{q}3", "strange", "1")),
    "I36 {q}3:logs (job 3)": (
        "too many lines",
        many(lambda r, q: r.hset(f"{q}3", "opts", '{"kl":1}'), lambda r, q: r.rpush(f"{q}3:logs", "a", "b")),
    ),
    "I36 {q}2 (job 2)": ("too many traces", lambda r, q: r.hset(f"{q}2", "opts", '{"stackTraceLimit":0}')),
    "OX oxcart:{q}receipt:x": ("endless receipt", lambda r, q: r.set(f"oxcart:{q}receipt:x", "1")),
}


@pytest.fixture
async def start(redis: Redis, redis_server: RedisServer, queue_name: str) -> str:
    """What the keys start with of a queue with a job in every state; what oxcart does not make yet is made by hand."""

    async def work(job: Job) -> None:
        if job.name == "bad":
            raise ValueError

    async with Queue(queue_name, connection=redis_server.url) as queue:
        jobs = await queue.add_bulk([JobSpec("good"), JobSpec("bad")])
        worker = Worker(queue_name, work, connection=redis_server.url)
        running = asyncio.ensure_future(worker.run())
        for job, state in zip(jobs, ("completed", "failed"), strict=True):
            await wait_until(lambda job=job, state=state: is_in(job, state))
        await worker.close()
        await running
        specs = [JobSpec("x"), JobSpec("x", priority=1), JobSpec("x", delay=60), JobSpec("parent"), JobSpec("child")]
        await queue.add_bulk([*specs, JobSpec("every", delay=60, job_id="repeat:every:1")])
    start = f"bull:{queue_name}:"
    parent = json.dumps({"id": "6", "queueKey": start[:-1], "fpof": True})
    pipe: Any = redis.pipeline()
    pipe.lrem(f"{start}wait", 0, "6").zadd(f"{start}waiting-children", {"6": 1}).sadd(
        f"{start}6:dependencies", f"{start}7"
    )
    for event in ("active", "waiting-children"):
        pipe.xadd(f"{start}events", {"event": event, "jobId": "6"})
    pipe.hset(f"{start}7", mapping={"parentKey": f"{start}6", "parent": parent})
    pipe.hset(f"{start}repeat:every:1", mapping={"rjk": "every", "opts": '{"repeat":{"every":9,"count":3}}'})
    pipe.hset(f"{start}repeat:every", mapping={"name": "every", "every": "9", "ic": "3"})
    pipe.zadd(f"{start}repeat", {"every": 1})
    await pipe.execute()
    return start


async def is_in(job: Job, state: str) -> bool:
    return await job.state() == state


@pytest.mark.parametrize("message", HARM, ids=[f"{line.split()[0]} {what}" for line, (what, _) in HARM.items()])
async def test_harm_is_seen_unless_it_is_allowed(redis: Redis, queue_name: str, start: str, message: str) -> None:
    assert await broken_invariants(redis, "bull", queue_name) == []
    await HARM[message][1](redis, start)
    wanted = message.replace("{q}", start)
    found = await broken_invariants(redis, "bull", queue_name)
    assert any(line.startswith(wanted) for line in found), found
    allowed = {wanted.split()[0]}
    found = await broken_invariants(redis, "bull", queue_name, allow=allowed)
    assert not any(line.split()[0] in allowed for line in found)


async def test_what_a_running_worker_will_see_to_is_no_harm(redis: Redis, queue_name: str, start: str) -> None:
    await redis.delete(f"{start}marker")
    assert await broken_invariants(redis, "bull", queue_name, quiescent=False) == []


async def test_fields_and_keys_of_our_own_are_known(redis: Redis, queue_name: str, start: str) -> None:
    await redis.hset(f"{start}3", "oxNote", "1")  # pyright: ignore
    await redis.set(f"oxcart:{start}quarantine:9", "kept")
    await redis.set(f"oxcart:{start}receipt:me", "[]", px=9999)
    assert await broken_invariants(redis, "bull", queue_name) == []


async def test_bytes_that_are_no_text_do_not_stop_the_check(redis: Redis, queue_name: str, start: str) -> None:
    await redis.execute_command("HSET", f"{start}3", "data", b"\xff\xfe")  # pyright: ignore
    assert await broken_invariants(redis, "bull", queue_name) == []


async def test_names_are_no_patterns(redis: Redis, redis_server: RedisServer, queue_name: str) -> None:
    name = f"{queue_name}[*]?"
    async with Queue(name, connection=redis_server.url, prefix="{b*}") as queue:
        await queue.add("x")
    await redis.set(f"{{bxx}}:{queue_name}*y:strange", "1")
    assert await broken_invariants(redis, "{b*}", name) == []
    await redis.set(f"{{b*}}:{name}:strange", "1")
    assert len(await broken_invariants(redis, "{b*}", name)) == 1


async def test_a_queue_that_was_worked_is_found_healthy(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None:
        await job.log("a line")
        if job.name == "bad":
            raise ValueError

    names = ["good", "bad"] * 50
    await queue.add_bulk(
        [JobSpec(name, attempts=2, backoff=60 if n % 3 else 0, keep_logs=1) for n, name in enumerate(names)]
    )
    worker = await run_worker(work, concurrency=10)

    async def rests() -> bool:
        counts = await queue.counts("waiting", "active")
        return not any(counts.values())

    await wait_until(rests)
    assert await broken_invariants(redis, "bull", queue.name, quiescent=False) == []
    await worker.close()
    assert await broken_invariants(redis, "bull", queue.name) == []
