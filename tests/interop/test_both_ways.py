"""Jobs of Node worked by us, jobs of ours worked by Node, and both at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Job, JobSpec, Keep, Queue, Unrecoverable
from tests.conftest import RunWorker, wait_until
from tests.dumps import dump
from tests.interop.peer import NodeError, Peer
from tests.seen import idle, taken_at

pytestmark = pytest.mark.interop


async def finished(queue: Queue, count: int, timeout: float = 30) -> None:
    async def all_done() -> bool:
        counts = await queue.counts("completed", "failed")
        return sum(counts.values()) >= count

    await wait_until(all_done, timeout)


# ------------------------------------------------------------------------------------ Node adds, our worker works


async def test_nodes_jobs_are_run_with_their_values(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    async def work(job: Job) -> Any:
        return {"name": job.name, "data": job.data}

    await node("listen", queue=queue.name)
    await run_worker(work)
    values: list[Any] = [{"a": [1, 2.5, None, True], "ü": "€"}, "text", 17, None, [], {}, 1e300]
    for value in values:
        job_id = await node("add", queue=queue.name, name="x", data=value)
        answer = await node("waitUntilFinished", queue=queue.name, id=job_id, ttl=15_000)
        assert answer == {"name": "x", "data": value}


async def test_nodes_priorities_delays_and_lifo_are_kept(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    order: list[str] = []

    async def note(job: Job) -> None:
        order.append(job.name)

    for name, opts in {
        "p5": {"priority": 5},
        "p1": {"priority": 1},
        "one": {},
        "two": {},
        "later": {"delay": 300},
        "lifo": {"lifo": True},
    }.items():
        await node("add", queue=queue.name, name=name, data={}, opts=opts)
    await run_worker(note)
    await finished(queue, 6)
    # On a slow machine its time comes before that of others.
    assert [name for name in order if name != "later"] == ["lifo", "one", "two", "p1", "p5"]
    [later] = [job for job in await queue.jobs("completed") if job.name == "later"]
    assert later.created_at and later.processed_at
    assert (later.processed_at - later.created_at).total_seconds() >= 0.3


async def test_a_failure_of_ours_is_seen_by_node(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    async def fail(job: Job) -> None:
        raise ValueError("boom from Python")

    await node("listen", queue=queue.name)
    job_id = await node("add", queue=queue.name, name="x", data={}, opts={"attempts": 2, "backoff": 50})
    await run_worker(fail)
    with pytest.raises(NodeError, match="boom from Python"):
        await node("waitUntilFinished", queue=queue.name, id=job_id, ttl=15_000)
    await wait_until(lambda: node.told("failed", job_id))
    assert node.told("failed", job_id) == [{"jobId": job_id, "failedReason": "boom from Python", "prev": "active"}]
    await wait_until(lambda: node.told("retries-exhausted", job_id))
    seen = await node("job", queue=queue.name, id=job_id)
    assert (seen["state"], seen["attemptsMade"], seen["failedReason"]) == ("failed", 2, "boom from Python")
    assert len(seen["stacktrace"]) == 2


async def test_nodes_backoff_is_kept(node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def fail(job: Job) -> None:
        raise ValueError("x")

    opts = {"attempts": 3, "backoff": {"type": "exponential", "delay": 100}}
    await node("add", queue=queue.name, name="x", data={}, opts=opts)
    await run_worker(fail)
    await finished(queue, 1)
    first, second, third = await taken_at(redis, queue)
    assert second - first >= 100
    assert third - second >= 200


async def test_progress_and_logs_of_ours_are_seen_by_node(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    async def work(job: Job) -> None:
        await job.update_progress({"pct": 40})
        await job.log("a line")

    await node("listen", queue=queue.name)
    job_id = await node("add", queue=queue.name, name="x", data={})
    await run_worker(work)
    await node("waitUntilFinished", queue=queue.name, id=job_id, ttl=15_000)
    await wait_until(lambda: node.told("progress", job_id))
    assert node.told("progress", job_id) == [{"jobId": job_id, "data": {"pct": 40}}]
    assert await node("call", queue=queue.name, method="getJobLogs", args=[job_id]) == {"logs": ["a line"], "count": 1}


async def test_nodes_pause_and_limits_hold_for_our_worker(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    starts: list[str] = []

    async def note(job: Job) -> None:
        starts.append(job.id)

    # Pausing with version 5 moves the list; what we add meanwhile stays in `wait`, so here all is added before.
    for _ in range(4):
        await node("add", queue=queue.name, name="x", data={})
    await node("call", queue=queue.name, method="pause")
    await node("call", queue=queue.name, method="setGlobalRateLimit", args=[2, 400])
    await run_worker(note, drain_delay=0.2, concurrency=4)
    await asyncio.sleep(0.3)
    assert starts == []
    assert (await queue.counts())["paused"] == 4
    await node("call", queue=queue.name, method="resume")
    await finished(queue, 4)
    first, _, third, _ = await taken_at(redis, queue)
    assert third - first >= 390


async def test_our_worker_is_listed_by_node(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    async def work(job: Job) -> None: ...

    await run_worker(work, name="python-1")

    async def listed() -> bool:
        found = await node("call", queue=queue.name, method="getWorkers")
        return [worker["rawname"].partition(":w:")[2] for worker in found] == ["python-1"]

    await wait_until(listed)


# -------------------------------------------------------------------------------------- we add, Node's worker works


async def test_our_jobs_are_run_by_node(node: Peer, queue: Queue) -> None:
    await node("worker", queue=queue.name, behaviour="echo")
    values: list[Any] = [{"a": [1, 2.5, None, True], "ü": "€"}, "text", 17, None, [], {}]
    jobs = await queue.add_bulk([JobSpec("x", value) for value in values])
    await finished(queue, len(values))
    for job, value in zip(jobs, values, strict=True):
        await job.refresh()
        assert job.return_value == value


async def test_our_options_are_acted_on_by_node(node: Peer, queue: Queue) -> None:
    specs = [
        JobSpec("x", {"failures": 2}, attempts=3, backoff=Backoff.exponential(0.05), job_id="retried"),
        JobSpec("x", {"failures": 9}, attempts=2, backoff=0.05, job_id="hopeless", stack_trace_limit=1),
        JobSpec("x", {"failures": 0}, remove_on_complete=True, job_id="gone"),
        JobSpec("x", {"failures": 0}, delay=0.2, priority=3, job_id="later"),
    ]
    await queue.add_bulk(specs)
    await node("worker", queue=queue.name, behaviour="failFirst")
    await finished(queue, 3)
    retried, failed, later = [await queue.job(name) for name in ("retried", "hopeless", "later")]
    assert retried and failed and later
    assert (retried.attempts_made, retried.return_value) == (3, "done")
    assert (failed.attempts_made, failed.failed_reason, len(failed.stacktrace)) == (2, "failure 2", 1)
    assert later.return_value == "done"
    assert await queue.job("gone") is None


async def test_node_waits_for_our_jobs_order(node: Peer, queue: Queue, redis: Redis) -> None:
    await queue.add("p2", priority=2)
    await queue.add("p1", priority=1)
    await queue.add("one")
    await queue.add("lifo", lifo=True)
    await node("worker", queue=queue.name, behaviour="echo")
    await finished(queue, 4)
    events = [fields for _, fields in await redis.xrange(f"bull:{queue.name}:events")]  # pyright: ignore
    order = [fields["jobId"] for fields in events if fields["event"] == "active"]
    assert order == ["4", "3", "2", "1"]


# ------------------------------------------------------------------------------------------- both work one queue


async def test_both_work_one_queue_and_each_job_once(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    ours: list[str] = []
    node_works = asyncio.Event()

    async def work(job: Job) -> Any:
        ours.append(job.id)
        await node_works.wait()  # or all would be done before Node has got any
        await asyncio.sleep(0.01)
        return {"python": job.id}

    await run_worker(work, concurrency=5)
    await queue.add_bulk([JobSpec("x") for _ in range(300)])
    await wait_until(lambda: ours)
    await node("worker", queue=queue.name, behaviour="count", options={"concurrency": 5})
    await finished(queue, 1)
    node_works.set()
    await node("addBulk", queue=queue.name, jobs=[{"name": "x", "data": {}} for _ in range(300)])
    await finished(queue, 600, timeout=60)
    by = [next(iter(job.return_value)) async for job in queue.iter_jobs("completed")]
    assert len(by) == 600
    assert by.count("python") == len(ours) == len(set(ours))
    assert by.count("node") > 0
    assert by.count("python") > 0


async def test_an_idle_worker_of_either_side_is_woken_by_the_other(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    """By itself it would look again only after the test has given up."""

    async def work(job: Job) -> str:
        return "python"

    await node("listen", queue=queue.name)
    worker = await run_worker(work, drain_delay=60)
    await idle(redis, queue)
    job_id = await node("add", queue=queue.name, name="x", data={})
    assert await node("waitUntilFinished", queue=queue.name, id=job_id, ttl=15_000) == "python"
    await worker.close()
    await node("worker", queue=queue.name, behaviour="echo", options={"drainDelay": 60})
    await idle(redis, queue)
    job = await queue.add("x", "hello")
    assert await node("waitUntilFinished", queue=queue.name, id=job.id, ttl=15_000) == "hello"


async def test_a_job_that_node_lost_is_recovered_by_us(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await node("worker", queue=queue.name, behaviour="sleep", options={"lockDuration": 500, "stalledInterval": 60000})
    job = await queue.add("x", {"ms": 60000})

    async def active() -> bool:
        return await job.state() == "active"

    await wait_until(active)
    node._process.kill()  # pyright: ignore[reportPrivateUsage]
    await redis.delete(f"bull:{queue.name}:stalled-check")

    async def work(job: Job) -> str:
        return "recovered"

    await run_worker(work, stalled_interval=0.3)
    await finished(queue, 1)
    await job.refresh()
    assert job.return_value == "recovered"


# --------------------------------------------------------------------------------------------- the same in Redis

ADDS: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("plain", {"n": 1}, {}, {}),
    ("no data", {}, {}, {}),
    ("null", None, {}, {}),
    ("lifo", {}, {"lifo": True}, {"lifo": True}),
    ("urgent", {}, {"priority": 1}, {"priority": 1}),
    ("less", {}, {"priority": 2097151}, {"priority": 2097151}),
    ("later", {}, {"delay": 60000}, {"delay": 60}),
    ("later urgent", {}, {"delay": 60000, "priority": 3}, {"delay": 60, "priority": 3}),
    ("own", {}, {"jobId": "order-17"}, {"job_id": "order-17"}),
    ("own again", {"n": 2}, {"jobId": "order-17"}, {"job_id": "order-17"}),
    ("legacy id", {}, {"jobId": "a:b:c"}, {"job_id": "a:b:c"}),
    ("007", {}, {"jobId": "007"}, {"job_id": "007"}),
    ("empty id", {}, {"jobId": ""}, {"job_id": ""}),
    (
        "many options",
        {"ü": [1.5, "€"]},
        {
            "attempts": 3,
            "backoff": {"type": "exponential", "delay": 2000, "jitter": 0.5},
            "removeOnComplete": {"count": 100, "age": 3600},
            "removeOnFail": 500,
            "keepLogs": 5,
            "stackTraceLimit": 2,
            "sizeLimit": 1000,
        },
        {
            "attempts": 3,
            "backoff": Backoff.exponential(2, jitter=0.5),
            "remove_on_complete": Keep(count=100, age=3600),
            "remove_on_fail": 500,
            "keep_logs": 5,
            "stack_trace_limit": 2,
            "size_limit": 1000,
        },
    ),
    ("bare backoff", {}, {"attempts": 2, "backoff": 1000}, {"attempts": 2, "backoff": 1}),
    (
        "flags",
        {},
        {"removeOnComplete": True, "removeOnFail": False},
        {"remove_on_complete": True, "remove_on_fail": False},
    ),
    ("", {}, {}, {}),
]


async def test_what_is_added_looks_the_same_in_redis(node: Peer, queue: Queue, redis: Redis) -> None:
    theirs = f"{queue.name}n"
    for name, data, node_options, our_options in ADDS:
        their_id = await node("add", queue=theirs, name=name, data=data, opts=node_options)
        assert (await queue.add(name, data, **our_options)).id == their_id
    assert await dump(redis, "bull", queue.name) == await dump(redis, "bull", theirs)


async def test_a_bulk_looks_the_same_in_redis(node: Peer, queue: Queue, redis: Redis) -> None:
    theirs = f"{queue.name}n"
    await node("addBulk", queue=theirs, jobs=[{"name": n, "data": d, "opts": o} for n, d, o, _ in ADDS])
    await queue.add_bulk([JobSpec(n, d, **o) for n, d, _, o in ADDS])
    ours, node_dump = await dump(redis, "bull", queue.name), await dump(redis, "bull", theirs)
    assert ours == node_dump


WORKED: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("echo", {"n": 1}, {}, {}),
    ("echo", {"n": 2}, {"removeOnComplete": True}, {"remove_on_complete": True}),
    ("fail", {"message": "boom"}, {}, {}),
    ("fail", {"message": "twice"}, {"attempts": 2}, {"attempts": 2}),
    ("fail", {"message": "later"}, {"attempts": 3, "backoff": 60000}, {"attempts": 3, "backoff": 60}),
    ("fail", {"message": "gone"}, {"removeOnFail": True}, {"remove_on_fail": True}),
    ("unrecoverable", {}, {"attempts": 5}, {"attempts": 5}),
    ("progress", {}, {"keepLogs": 3}, {"keep_logs": 3}),
    ("fail", {"message": "limited"}, {"attempts": 2, "stackTraceLimit": 1}, {"attempts": 2, "stack_trace_limit": 1}),
]


class Error(Exception):
    """So that stack traces start as in Node."""


class UnrecoverableError(Unrecoverable):
    """The same."""


async def behave(job: Job) -> Any:
    match job.name:
        case "echo":
            return job.data
        case "fail":
            raise Error(job.data["message"])
        case "unrecoverable":
            raise UnrecoverableError("no way")
        case _:
            await job.update_progress({"half": True})
            await job.log("a line")
            return "told"


@pytest.mark.parametrize("case", WORKED, ids=lambda case: f"{case[0]} {json.dumps(case[2])}")
async def test_what_is_worked_looks_the_same_in_redis(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, case: Any
) -> None:
    name, data, node_options, our_options = case
    theirs = f"{queue.name}n"
    await node("worker", queue=theirs, behaviour=name, options={"name": "w", "drainDelay": 1})
    await node("add", queue=theirs, name=name, data=data, opts=node_options)
    await run_worker(behave, name="w", drain_delay=1)
    await queue.add(name, data, **our_options)

    def settled(found: dict[str, Any]) -> dict[str, Any]:
        # How often an idle worker looked, and what it checked, is its own affair.
        found = {key: value for key, value in found.items() if key not in ("marker", "stalled-check", "stalled")}
        drained = {"event": "drained"}
        events = [event for event in found["events"] if event != drained]
        return found | {"events": events, "told": drained in found["events"]}

    async def same() -> bool:
        ours, others = [settled(await dump(redis, "bull", name)) for name in (queue.name, theirs)]
        last["ours"], last["node"] = ours, others
        return ours == others and not ours.get("active") and not ours.get("wait")

    last: dict[str, Any] = {}
    try:
        await wait_until(same)
    except AssertionError:
        assert last["ours"] == last["node"]
        raise
    await node("closeWorkers", queue=theirs)


@pytest.mark.parametrize("keep", [1, 3, {"count": 2}, {"age": 3600}, {"age": 3600, "count": 2}], ids=json.dumps)
async def test_retention_leaves_the_same(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, keep: Any
) -> None:
    theirs = f"{queue.name}n"
    ours = Keep(**keep) if isinstance(keep, dict) else keep  # pyright: ignore
    await node("addBulk", queue=theirs, jobs=[{"name": "echo", "data": {}, "opts": {"removeOnComplete": keep}}] * 6)
    await queue.add_bulk([JobSpec("echo", remove_on_complete=ours) for _ in range(6)])
    await node("worker", queue=theirs, behaviour="echo")
    await run_worker(behave)

    async def kept(name: str) -> list[str]:
        return await redis.zrange(f"bull:{name}:completed", 0, -1)  # pyright: ignore

    async def done(name: str) -> bool:
        events = await redis.xrange(f"bull:{name}:events")  # pyright: ignore
        return sum(fields["event"] == "completed" for _, fields in events) == 6

    await wait_until(lambda: done(queue.name))
    await wait_until(lambda: done(theirs))
    assert await kept(queue.name) == await kept(theirs)


# --------------------------------------------------------------------------------------- Node's flows and deduplication


POLICIES = [
    "none",
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
]


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_parent_of_node_learns_of_children_that_we_ran(
    node: Peer, queue: Queue, run_worker: RunWorker, policy: str, redis: Redis
) -> None:
    parents = f"{queue.name}p"
    tree: dict[str, Any] = {
        "name": "parent",
        "queueName": parents,
        "data": {},
        "children": [
            {"name": "echo", "queueName": queue.name, "data": {"n": 1}},
            {
                "name": "fail",
                "queueName": queue.name,
                "data": {"message": "boom"},
                "opts": {} if policy == "none" else {policy: True},
            },
        ],
    }
    await node("flow", tree=tree)
    [parent] = await node("jobs", queue=parents, states=["waiting-children"])
    await run_worker(behave)
    await finished(queue, 2)
    seen = await node("job", queue=parents, id=parent["id"])
    expected = {"none": "waiting-children"}.get(policy, "waiting")
    assert seen["state"] == expected
    deferred = await redis.hget(f"bull:{parents}:{parent['id']}", "defa")  # pyright: ignore
    assert (deferred is not None) == (policy == "failParentOnFailure")
    counts = await node("jobCall", queue=parents, id=parent["id"], method="getDependenciesCount")
    assert counts["processed"] == 1
    assert counts["unprocessed"] == (1 if policy == "none" else 0)


async def test_a_deferred_failure_of_a_parent_is_carried_out_by_us(
    node: Peer, queue: Queue, run_worker: RunWorker
) -> None:
    tree: dict[str, Any] = {
        "name": "echo",
        "queueName": queue.name,
        "data": {},
        "children": [
            {"name": "fail", "queueName": queue.name, "data": {"message": "x"}, "opts": {"failParentOnFailure": True}}
        ],
    }
    parent_id = await node("flow", tree=tree)
    await run_worker(behave)
    await finished(queue, 2)
    parent = await queue.job(parent_id)
    assert parent is not None
    assert (parent.failed_reason or "").endswith("failed")
    assert await parent.state() == "failed"


async def test_a_deduplication_of_node_ends_with_the_job_that_we_ran(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    opts = {"deduplication": {"id": "d1"}}
    first = await node("add", queue=queue.name, name="echo", data={}, opts=opts)
    assert await node("add", queue=queue.name, name="echo", data={}, opts=opts) == first
    await run_worker(behave)
    await finished(queue, 1)
    assert await redis.exists(f"bull:{queue.name}:de:d1") == 0


async def test_the_job_that_node_kept_back_is_added_when_ours_is_done(
    node: Peer, queue: Queue, run_worker: RunWorker
) -> None:
    release = asyncio.Event()
    seen: list[Any] = []

    async def work(job: Job) -> None:
        seen.append(job.data)
        if len(seen) == 1:
            await release.wait()

    opts = {"deduplication": {"id": "d1", "keepLastIfActive": True}}
    await node("add", queue=queue.name, name="echo", data={"v": 1}, opts=opts)
    await run_worker(work)
    await wait_until(lambda: seen)
    for version in (2, 3):
        await node("add", queue=queue.name, name="echo", data={"v": version}, opts=opts)
    release.set()
    await finished(queue, 2)
    assert seen == [{"v": 1}, {"v": 3}]


# ------------------------------------------------------------------------------------------------------ Bull Board


async def test_bull_board_lists_our_jobs_and_retries_one(node: Peer, queue: Queue, run_worker: RunWorker) -> None:
    healed = asyncio.Event()

    async def work(job: Job) -> str:
        if not healed.is_set():
            raise ValueError("not yet")
        return "at last"

    await queue.add("x", {"n": 1})
    await run_worker(work, name="python-1")
    await finished(queue, 1)
    port = await node("board", names=[queue.name])
    listed = await asyncio.to_thread(http, "GET", port, f"/api/queues?activeQueue={queue.name}&status=failed&page=1")
    [shown] = [item for item in listed["queues"] if item["name"] == queue.name]
    assert shown["counts"]["failed"] == 1
    [job] = shown["jobs"]
    assert (job["name"], job["data"], job["failedReason"]) == ("x", {"n": 1}, "not yet")
    assert job["stacktrace"][0].startswith("ValueError: not yet")

    healed.set()
    await asyncio.to_thread(http, "PUT", port, f"/api/queues/{queue.name}/{job['id']}/retry")

    async def completed() -> bool:
        return await queue.state(job["id"]) == "completed"

    await wait_until(completed)
    again = await queue.job(job["id"])
    assert again is not None
    assert again.return_value == "at last"


def http(method: str, port: int, path: str) -> Any:
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None
