"""Fleets of several kinds on one queue: Node 6, Node 5 and ours; what one of them sets holds for all."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Job, JobSpec, Keep, Queue, RateLimit, Worker
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.dumps import dump
from tests.interop.peer import NodeError, Peer
from tests.seen import idle, taken_at

pytestmark = pytest.mark.interop


async def settled(queue: Queue, count: int, timeout: float = 30) -> None:
    """Wait until so many jobs are finished."""

    async def all_done() -> bool:
        return sum((await queue.counts("completed", "failed")).values()) >= count

    await wait_until(all_done, timeout)


async def told(redis: Redis, queue: Queue) -> list[dict[str, str]]:
    return [fields for _, fields in await redis.xrange(f"bull:{queue.name}:events")]  # pyright: ignore


async def python_says(job: Job) -> dict[str, str]:
    await asyncio.sleep(0)
    return {"python": job.id}


async def test_three_fleets_share_the_jobs_of_three_producers(
    node6: Peer, node5: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    free = asyncio.Event()

    async def work(job: Job) -> dict[str, str]:
        if job.name == "hold":
            await free.wait()
        return await python_says(job)

    for peer in (node6, node5):
        await peer(
            "worker", queue=queue.name, behaviour="byName", options={"concurrency": 4, "name": f"n{peer.version}"}
        )
    await run_worker(work, concurrency=4, name="python")
    # First every fleet has all its hands full, so that none is done before another has begun.
    first = [job.id for job in await queue.add_bulk([JobSpec("hold") for _ in range(12)])]
    await wait_until(lambda: _all_held(queue, (node6, node5), 4))
    more = [{"name": "count", "data": {}, "opts": {"priority": n % 3, "attempts": 2}} for n in range(200)]
    await asyncio.gather(
        node6("addBulk", queue=queue.name, jobs=more),
        node5("addBulk", queue=queue.name, jobs=more),
        queue.add_bulk([JobSpec("count", priority=n % 3, attempts=2) for n in range(200)]),
    )
    free.set()
    for peer in (node6, node5):
        for job_id in await peer("holding"):
            await peer("release", id=job_id)
    await settled(queue, 612, timeout=60)
    workers = {job.id: job.processed_by async for job in queue.iter_jobs("completed")}
    assert len(workers) == 612
    assert Counter(workers[job_id] for job_id in first) == {"n6": 4, "n5": 4, "python": 4}
    events = await told(redis, queue)
    taken = [event["jobId"] for event in events if event["event"] == "active"]
    assert sorted(map(int, taken)) == list(range(1, 613)), "each job runs once"


async def _all_held(queue: Queue, peers: tuple[Peer, ...], each: int) -> bool:
    held = [len(await peer("holding")) for peer in peers]
    return held == [each] * len(peers) and (await queue.counts("active"))["active"] == each * (len(peers) + 1)


async def test_a_flow_is_worked_by_three_fleets(node6: Peer, node5: Peer, queue: Queue, run_worker: RunWorker) -> None:
    names = {"five": f"{queue.name}5", "ours": queue.name, "six": f"{queue.name}6"}
    tree: dict[str, Any] = {"name": "count", "queueName": names["six"], "data": {}, "opts": {"jobId": "P"}}
    tree["children"] = [
        {"name": "x", "queueName": names["ours"], "data": {}, "opts": {"jobId": "ours"}},
        {"name": "x", "queueName": names["five"], "data": {}, "opts": {"jobId": "five"}},
    ]
    await node6("flow", tree=tree)
    await run_worker(python_says)
    await node5("worker", queue=names["five"], behaviour="count")
    await node6("listen", queue=names["six"])
    await node6("worker", queue=names["six"], behaviour="count")
    assert await node6("waitUntilFinished", queue=names["six"], id="P", ttl=20_000) == {"node": "P"}
    values = await node6("jobCall", queue=names["six"], id="P", method="getChildrenValues")
    assert values == {
        f"bull:{names['ours']}:ours": {"python": "ours"},
        f"bull:{names['five']}:five": {"node": "five"},
    }


async def test_the_global_concurrency_of_node_holds_for_all(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await node("call", queue=queue.name, method="setGlobalConcurrency", args=[2])
    await queue.add_bulk([JobSpec("x", {"ms": 5}) for _ in range(60)])
    running: set[str] = set()
    most: list[int] = []
    release = asyncio.Event()

    async def work(job: Job) -> None:
        running.add(job.id)
        most.append(len(running))
        await release.wait()
        await asyncio.sleep(0.005)
        running.discard(job.id)

    await run_worker(work, concurrency=5, drain_delay=0.1)
    await wait_until(lambda: len(running) == 2)
    release.set()
    await wait_until(lambda: len(most) > 10)
    await node("worker", queue=queue.name, behaviour="sleep", options={"concurrency": 5, "drainDelay": 1})
    await settled(queue, 60)
    assert max(most) == 2
    active = 0
    for event in await told(redis, queue):
        active += (event["event"] == "active") - (event["event"] == "completed")
        assert active <= 2
    await node("call", queue=queue.name, method="removeGlobalConcurrency")
    release.clear()
    await node("closeWorkers", queue=queue.name)
    await queue.add_bulk([JobSpec("x") for _ in range(20)])
    await wait_until(lambda: len(running) == 5)
    release.set()
    await settled(queue, 80)


@pytest.mark.parametrize("fleet", ["ours", "both"])
async def test_the_global_rate_limit_of_node_holds_for_all(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, fleet: str
) -> None:
    await node("call", queue=queue.name, method="setGlobalRateLimit", args=[3, 500])
    await queue.add_bulk([JobSpec("x") for _ in range(9)])
    await run_worker(python_says, concurrency=5)
    if fleet == "both":
        await node("worker", queue=queue.name, behaviour="count", options={"concurrency": 5})
    await settled(queue, 9)
    starts = await taken_at(redis, queue)
    # A window begins with its first job, so what is sure is when the next ones may begin, and not what is within 0.5 s.
    assert len(starts) == 9
    assert starts[3] - starts[0] >= 490, "no more than three in one window"
    assert starts[6] - starts[0] >= 990


async def test_a_limit_set_by_hand_in_node_holds_our_worker_back(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    since = time.time()
    await node("call", queue=queue.name, method="rateLimit", args=[600])
    await queue.add("x")
    await run_worker(python_says, limiter=RateLimit(100, 1))
    await settled(queue, 1)
    [start] = await taken_at(redis, queue)
    assert start >= since * 1000 + 590


async def test_nothing_is_taken_while_node_has_paused_the_queue(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, allowed_breaks: set[str]
) -> None:
    runs: list[str] = []

    async def work(job: Job) -> None:
        runs.append(job.id)

    await run_worker(work, drain_delay=0.1)
    await idle(redis, queue)
    await node("call", queue=queue.name, method="pause")
    await node("add", queue=queue.name, name="x", data={})
    # Node 5 has a list of its own for what is added meanwhile; both lists filled would lose jobs at its resume.
    if node.version == 6:
        await queue.add("x")
        await queue.add("x", priority=2)
    await queue.add("x", delay=0.05, priority=2)
    count = 4 if node.version == 6 else 2

    async def promoted() -> bool:
        return not (await queue.counts("delayed"))["delayed"]

    await wait_until(promoted)  # which a worker does that takes nothing
    assert (runs, (await queue.counts("completed"))["completed"]) == ([], 0)
    await node("call", queue=queue.name, method="resume")
    await settled(queue, count)
    assert len(runs) == count


async def test_what_node_5_put_aside_in_a_pause_is_run_after_node_6_resumes(
    node6: Peer, node5: Peer, queue: Queue, run_worker: RunWorker
) -> None:
    await node5("call", queue=queue.name, method="pause")
    await node5("addBulk", queue=queue.name, jobs=[{"name": "x", "data": {}}] * 3)
    await queue.add_bulk([JobSpec("x")] * 3)
    assert (await queue.counts("waiting"))["waiting"] == 6
    await node6("call", queue=queue.name, method="resume")
    await run_worker(python_says)
    await settled(queue, 6)


async def test_a_job_that_we_lost_is_recovered_by_node(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    started, lost = asyncio.Event(), asyncio.Event()

    async def work(job: Job) -> dict[str, str]:
        if not started.is_set():
            started.set()
            await asyncio.sleep(60)
        return {"python": job.id}

    worker = await run_worker(work, lock_duration=0.6, stalled_interval=60)
    worker.on("lock_lost")(lambda job_id: lost.set())
    await queue.add("count")
    await asyncio.wait_for(started.wait(), 10)
    # As if we had been away for longer than the lock; it stays until we have noticed, or we would just take it again.
    await redis.set(f"bull:{queue.name}:1:lock", "nobody", px=60_000)
    await asyncio.wait_for(lost.wait(), 10)
    await redis.delete(f"bull:{queue.name}:1:lock")
    await redis.delete(f"bull:{queue.name}:stalled-check")
    await node("worker", queue=queue.name, behaviour="count", options={"stalledInterval": 100})
    await settled(queue, 1)
    job = await queue.job("1")
    assert job is not None
    assert job.return_value in ({"node": "1"}, {"python": "1"})
    assert (job.stalled_count, job.attempts_started, job.attempts_made) == (1, 2, 1)


async def test_node_cannot_remove_what_we_run(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def work(job: Job) -> None:
        started.set()
        await go_on.wait()

    await run_worker(work)
    await queue.add("x")
    await asyncio.wait_for(started.wait(), 5)
    with pytest.raises(NodeError, match="could not be removed because it is locked"):
        await node("jobCall", queue=queue.name, id="1", method="remove")
    go_on.set()
    await settled(queue, 1)
    await node("jobCall", queue=queue.name, id="1", method="remove")
    assert await queue.job("1") is None


async def test_node_and_we_read_the_same(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    await queue.add_bulk([JobSpec("x", {"n": n}, lifo=n % 2 == 0) for n in range(6)])
    await queue.add_bulk([JobSpec("x", {"n": n}, priority=5 - n) for n in range(5)])
    await queue.add_bulk([JobSpec("x", {"n": n}, delay=60 - n) for n in range(4)])
    for state in ("waiting", "prioritized", "delayed"):
        theirs = await node("jobs", queue=queue.name, states=[state])
        ours = await queue.jobs(state)
        if state == "waiting":
            assert [job["id"] for job in reversed(theirs)] == [job.id for job in ours]
        assert {job["id"]: (job["data"], job["state"], job["timestamp"], job["delay"]) for job in theirs} == {
            job.id: (job.data, str(await job.state()), int(job.record.fields["timestamp"]), job.record.integer("delay"))
            for job in ours
        }
    counts = await node("call", queue=queue.name, method="getJobCounts")
    ours_counted = {str(state): count for state, count in (await queue.counts()).items()}
    assert {state: count for state, count in counts.items() if count} == {
        state: count for state, count in ours_counted.items() if count
    }


async def test_node_sees_our_jobs_as_its_own(node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    """`toJSON` of a job added and worked by us, beside one added and worked by Node."""

    class Error(Exception): ...

    async def work(job: Job) -> Any:
        if job.data["message"]:
            raise Error(job.data["message"])
        return None

    theirs = f"{queue.name}n"
    for message in ("", "boom"):
        data = {"message": message, "failures": 9 if message else 0}
        opts = {"attempts": 2, "removeOnFail": 5, "keepLogs": 3, "priority": 2}
        await node("add", queue=theirs, name="x", data=data, opts=opts)
        await queue.add("x", data, attempts=2, remove_on_fail=5, keep_logs=3, priority=2)
    await node("worker", queue=theirs, behaviour="failFirst", options={"name": "w"})
    await run_worker(work, name="w")
    await settled(queue, 2)
    await wait_until(lambda: _finished(redis, theirs, 2))
    for job_id in ("1", "2"):
        one, other = [await node("job", queue=name, id=job_id) for name in (queue.name, theirs)]
        assert one.keys() == other.keys()
        for key in ("timestamp", "processedOn", "finishedOn", "queueQualifiedName"):
            assert type(one.pop(key)) is type(other.pop(key))
        assert len(one.pop("stacktrace")) == len(other.pop("stacktrace"))
        for key in ("failedReason", "returnvalue"):
            assert (key in one) == (key in other)
            one.pop(key, None)
            other.pop(key, None)
        assert one == other


async def _finished(redis: Redis, name: str, count: int) -> bool:
    return count == sum([await redis.zcard(f"bull:{name}:{state}") for state in ("completed", "failed")])  # pyright: ignore


def some_jobs(seed: int, count: int) -> list[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
    """Jobs with options chosen at random, as Node and as we say them."""
    choose = random.Random(seed)
    names = ["x", "y", "name with spaces", "", "ü€😀"]
    data: list[Any] = [
        {},
        None,
        0,
        "text",
        [],
        {"a": [1, 2.5, {"b": None}]},
        "ü€😀 \u2028 </script> \x00",
        True,
        {"": ""},
    ]
    words: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"priority": 7}, {"priority": 7}),
        ({"priority": 1}, {"priority": 1}),
        ({"delay": 60_000}, {"delay": 60}),
        ({"delay": 90_500}, {"delay": 90.5}),
        ({"lifo": True}, {"lifo": True}),
        ({"attempts": 5}, {"attempts": 5}),
        ({"backoff": 1500}, {"backoff": 1.5}),
        ({"backoff": {"type": "exponential", "delay": 1000}}, {"backoff": Backoff.exponential(1)}),
        ({"backoff": {"type": "fixed", "delay": 10, "jitter": 0.5}}, {"backoff": Backoff.fixed(0.01, jitter=0.5)}),
        ({"removeOnComplete": True}, {"remove_on_complete": True}),
        ({"removeOnComplete": 10}, {"remove_on_complete": 10}),
        ({"removeOnFail": {"age": 60, "count": 5}}, {"remove_on_fail": Keep(age=60, count=5)}),
        ({"removeOnFail": {"age": 60, "limit": 5}}, {"remove_on_fail": Keep(age=60, limit=5)}),
        ({"keepLogs": 7}, {"keep_logs": 7}),
        ({"stackTraceLimit": 3}, {"stack_trace_limit": 3}),
        ({"sizeLimit": 9000}, {"size_limit": 9000}),
        ({"jobId": "own-1"}, {"job_id": "own-1"}),
        ({"jobId": "own-2"}, {"job_id": "own-2"}),
        ({"telemetry": {"metadata": "trace"}}, {"telemetry_metadata": "trace"}),
    ]
    found: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = []
    for _ in range(count):
        theirs: dict[str, Any] = {}
        ours: dict[str, Any] = {}
        for one, other in choose.sample(words, choose.choice([0, 0, 1, 2, 4])):
            theirs |= one
            ours |= other
        found.append((choose.choice(names), choose.choice(data), theirs, ours))
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_jobs_of_all_kinds_look_the_same_in_redis_and_run_in_the_same_order(
    node: Peer, queue: Queue, redis: Redis, redis_server: RedisServer, seed: int
) -> None:
    jobs = some_jobs(seed, 80)
    theirs = f"{queue.name}n"
    await node("addBulk", queue=theirs, jobs=[{"name": n, "data": d, "opts": o} for n, d, o, _ in jobs])
    for start in range(0, len(jobs), 16):  # added in parts: bulks, and single adds of one moment
        some = [JobSpec(name, data, **options) for name, data, _, options in jobs[start : start + 16]]
        if start % 32:
            await queue.add_bulk(some)
        else:
            await asyncio.gather(*(queue.add(spec.name, spec.data, **spec.options) for spec in some))
    assert await dump(redis, "bull", queue.name) == await dump(redis, "bull", theirs)

    async def order(name: str) -> list[str]:
        events: list[Any] = await redis.xrange(f"bull:{name}:events")  # pyright: ignore
        return [fields["jobId"] for _, fields in events if fields["event"] == "active"]

    ready = sum((await queue.counts("waiting", "prioritized")).values())
    worker = Worker(queue.name, python_says, connection=redis_server.url)
    running = asyncio.ensure_future(worker.run())
    await node("worker", queue=theirs, behaviour="count")
    for name in (queue.name, theirs):
        await wait_until(lambda name=name: _all_taken(order, name, ready))
    await worker.close()
    await running
    await node("closeWorkers", queue=theirs)
    assert await order(queue.name) == await order(theirs)


async def _all_taken(order: Any, name: str, count: int) -> bool:
    return len(await order(name)) >= count


async def test_node_hears_of_all_that_happens_here(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def work(job: Job) -> str:
        await job.update_progress({"pct": 40})
        if job.attempts_made == 0:
            raise ValueError("once")
        return "ü€😀"

    await node("listen", queue=queue.name)
    await queue.add("own", job_id="own", attempts=2, backoff=0.05)
    await queue.add("own", job_id="own")
    await queue.add("late", job_id="late", delay=0.05, remove_on_complete=True, attempts=2)
    await run_worker(work)
    await wait_until(lambda: node.told("completed", "own") and node.told("completed", "late"))
    heard = [item for item in node.events if item["event"] != "drained"]
    kinds = {id_: [item["event"] for item in heard if item["fields"]["jobId"] == id_] for id_ in ("own", "late")}
    attempt = ["active", "progress"]
    assert [kind for kind in kinds["own"] if kind != "duplicated"] == [
        "added", "waiting", *attempt, "delayed", "waiting", *attempt, "completed",
    ]  # fmt: skip
    assert "duplicated" in kinds["own"]
    assert kinds["late"] == ["added", "delayed", "waiting", *attempt, "waiting", *attempt, "completed"]
    assert node.told("completed", "own") == [{"jobId": "own", "returnvalue": "ü€😀", "prev": "active"}]
    [delayed] = node.told("delayed", "own")
    assert abs(delayed["delay"] - time.time() * 1000) < 20_000


async def test_a_removed_job_of_ours_still_tells_its_value_to_who_waits_in_node(
    node: Peer, queue: Queue, run_worker: RunWorker
) -> None:
    await node("listen", queue=queue.name)
    await queue.add("x", job_id="gone", remove_on_complete=True)
    waiting = asyncio.ensure_future(node("waitUntilFinished", queue=queue.name, id="gone", ttl=15_000))
    for _ in range(3):  # what is asked after it is answered after it has looked
        await node("job", queue=queue.name, id="gone")
    await run_worker(python_says)
    assert await waiting == {"python": "gone"}
    with pytest.raises(NodeError, match="no job gone"):
        await node("waitUntilFinished", queue=queue.name, id="gone", ttl=5000)
