"""The traps of the wire specification that need Node: mixed fleets with versions 5 and 6 of BullMQ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Deduplication, Job, Keep, Queue, QueueEvents
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.interop.peer import Peer
from tests.traps.wire import Wire, idle, is_finished

pytestmark = pytest.mark.interop


@pytest.fixture
def wire(redis: Redis, queue: Queue) -> Wire:
    """The keys of the test's queue."""
    return Wire(redis, queue.name)


async def echo(job: Job) -> Any:
    return job.data


async def finished(queue: Queue, *ids: str) -> None:
    for job_id in ids:
        await wait_until(lambda job_id=job_id: is_finished(queue, job_id))


async def asked(node: Peer, queue: Queue, method: str, *args: Any) -> Any:
    """What a method of Node's queue answers."""
    return await node("call", queue=queue.name, method=method, args=list(args))


async def added(node: Peer, queue: Queue, **opts: Any) -> str:
    """The id of a job that Node adds."""
    return await node("add", queue=queue.name, name="x", data={}, opts=opts)


# ------------------------------------------------------------------------------------------------- values and settings


async def test_trap_16_every_queue_of_node_writes_its_own_settings_and_ours_does_not_fight_it(
    node: Peer, queue: Queue, wire: Wire
) -> None:
    await wire.write("meta", **{"opts.maxLenEvents": 77, "version": "oxcart:0.1.0"})
    await asked(node, queue, "count")

    async def is_rewritten() -> bool:
        meta = await wire.fields("meta")
        return meta["opts.maxLenEvents"] == "10000" and meta["version"].startswith(f"bullmq:{node.version}.")

    await wait_until(is_rewritten)
    before = await wire.fields("meta")
    await queue.add("x")
    assert await wire.fields("meta") == before
    assert (await queue.version() or "").startswith("bullmq:")


async def test_trap_19_javascript_rounds_large_integers_but_not_strings(node: Peer, queue: Queue) -> None:
    job = await queue.add("x", [2**53 + 1, str(2**53 + 1)])
    assert (await node("job", queue=queue.name, id=job.id))["data"] == [2**53, str(2**53 + 1)]


# --------------------------------------------------------------------------------------------- pausing with version 5


async def test_trap_48_version_5_puts_jobs_aside_when_it_pauses_and_we_do_not(
    node5: Peer, queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    before = await added(node5, queue)
    await asked(node5, queue, "pause")
    aside = await added(node5, queue)
    ours = await queue.add("x")
    assert (await wire.members("paused"), await wire.members("wait")) == ([aside, before], [ours.id])
    assert await queue.is_paused()
    await idle(await run_worker(echo, drain_delay=0.1))
    assert await queue.counts("active", "completed", "paused") == {"active": 0, "completed": 0, "paused": 3}
    await queue.resume()
    await finished(queue, before, aside, ours.id)


async def test_trap_48_version_5_honours_our_pause(node5: Peer, queue: Queue, wire: Wire) -> None:
    job = await queue.add("x")
    await queue.pause()
    assert await wire.members("wait") == [job.id]
    assert await asked(node5, queue, "isPaused")
    assert await node5("take", queue=queue.name, token="t") is None
    await queue.resume()
    assert await node5("take", queue=queue.name, token="t") == job.id
    await node5("settle", queue=queue.name, id=job.id, method="moveToCompleted", args=["done", "t", False])


@pytest.mark.parametrize("filled", ["wait", "paused", "both"])
async def test_trap_49_our_pause_and_resume_lose_nothing_whichever_lists_are_filled(
    node5: Peer, queue: Queue, wire: Wire, filled: str
) -> None:
    ids: list[str] = []
    if filled == "wait":
        ids.append((await queue.add("x")).id)
        await queue.pause()
    else:
        ids.append(await added(node5, queue))
        await asked(node5, queue, "pause")
        ids.append(await added(node5, queue))
    if filled != "paused":
        ids.append((await queue.add("x")).id)
    await queue.pause()  # again
    assert {*await wire.members("wait"), *await wire.members("paused")} == set(ids)
    await queue.resume()
    assert await wire.members("wait") == ids[::-1]
    assert await wire.members("paused") == []
    await queue.drain()


async def test_trap_49_what_a_resume_of_version_5_loses_is_found_among_the_orphans(
    node5: Peer, queue: Queue, wire: Wire
) -> None:
    kept = await added(node5, queue)
    await asked(node5, queue, "pause")
    lost = await queue.add("x")
    await asked(node5, queue, "resume")
    assert await wire.members("wait") == [kept]
    assert await queue.state(lost.id) == "unknown"
    assert await queue.remove_orphans() == 1
    assert await queue.job(lost.id) is None
    assert await queue.job(kept) is not None


async def test_trap_50_what_version_5_put_aside_comes_back_first_with_our_resume_and_nodes(
    node5: Peer, node6: Peer, queue: Queue, wire: Wire
) -> None:
    for resumed_by in ("ours", "node6"):
        aside = [await added(node5, queue)]
        await asked(node5, queue, "pause")
        aside.append(await added(node5, queue))
        ours = await queue.add("x")
        await (queue.resume() if resumed_by == "ours" else asked(node6, queue, "resume"))
        assert await wire.members("wait") == [ours.id, *aside[::-1]]
        assert await wire.scores("marker") == {"0": 0}
        await queue.drain()


async def test_trap_51_after_our_pause_and_a_resume_of_version_5_jobs_are_found_by_the_clock(
    node5: Peer, queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    await queue.pause()
    first = await queue.add("x")
    await asked(node5, queue, "resume")
    assert await wire.scores("marker") == {}
    worker = await run_worker(echo, drain_delay=0.3)
    await finished(queue, first.id)
    await idle(worker)
    await queue.pause()
    second = await queue.add("x")
    await asked(node5, queue, "resume")
    await finished(queue, second.id)


async def test_trap_52_jobs_that_version_5_put_aside_are_counted_and_seen(
    node5: Peer, node6: Peer, queue: Queue
) -> None:
    job_id = await added(node5, queue)
    await asked(node5, queue, "pause")
    assert (await asked(node5, queue, "getJobCounts"))["paused"] == 1
    assert (await asked(node6, queue, "getJobCounts"))["waiting"] == 0
    assert await queue.counts("waiting", "paused") == {"waiting": 1, "paused": 1}
    assert await queue.state(job_id) == "waiting"
    await queue.resume()


# --------------------------------------------------------------------------------------------- what version 5 writes


async def test_trap_53_the_debouncing_of_version_5_is_the_deduplication_of_ours(
    node5: Peer, queue: Queue, wire: Wire, redis_server: RedisServer, run_worker: RunWorker
) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        first = await added(node5, queue, debounce={"id": "d"})
        assert await added(node5, queue, debounce={"id": "d"}) == first
        kinds: list[str] = []
        async for event in events:
            kinds.append(event.kind)
            if {"debounced", "deduplicated"} <= set(kinds):
                break
    assert await wire.text("de:d") == first
    assert (await queue.add("x", deduplication=Deduplication("d"))).id == first
    job = await queue.job(first)
    assert job is not None
    assert job.deduplication_id == "d"
    await run_worker(echo)
    await finished(queue, first)
    assert await wire.text("de:d") is None


async def test_trap_56_a_retried_job_with_a_priority_waits_by_it_again_unless_version_5_retried_it(
    node5: Peer, node6: Peer, queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    async def fail_first(job: Job) -> None:
        if job.attempts_started == 1:
            raise ValueError("boom")

    jobs = [await queue.add("x", priority=3) for _ in range(3)]
    worker = await run_worker(fail_first)
    await finished(queue, *(job.id for job in jobs))
    await worker.close()
    for node, job in ((node5, jobs[0]), (node6, jobs[1])):
        await node("jobCall", queue=queue.name, id=job.id, method="retry", args=["failed"])
    await jobs[2].retry()
    assert await wire.members("wait") == [jobs[0].id]
    assert await wire.members("prioritized") == [jobs[1].id, jobs[2].id]
    await run_worker(fail_first)
    await finished(queue, *(job.id for job in jobs))
    assert await queue.counts("completed", "failed") == {"completed": 3, "failed": 0}


OPTIONS: dict[str, Any] = {
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 1000},
    "priority": 4,
    "removeOnComplete": {"count": 5},
}


@pytest.mark.parametrize("worked_by", ["ours", "version 5", "version 6"])
async def test_trap_58_each_works_what_the_others_added(
    node5: Peer, node6: Peer, queue: Queue, wire: Wire, run_worker: RunWorker, worked_by: str
) -> None:
    ids = [await added(node, queue, **OPTIONS) for node in (node5, node6)]
    ours = await queue.add(
        "x", attempts=3, backoff=Backoff.exponential(1), priority=4, remove_on_complete=Keep(count=5)
    )
    written = [await wire.fields(job_id) for job_id in (*ids, ours.id)]
    assert written[0].keys() == written[1].keys() == written[2].keys()
    options = [json.loads(fields["opts"]) for fields in written]
    assert options[0] == options[1] == options[2]
    if worked_by == "ours":
        await run_worker(echo)
    else:
        await {"version 5": node5, "version 6": node6}[worked_by]("worker", queue=queue.name, behaviour="echo")
    await finished(queue, *ids, ours.id)
    assert (await queue.counts())["completed"] == 3


async def test_trap_59_ids_of_children_are_numbers_or_not_and_parents_are_released_by_both(
    node: Peer, queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    parents = f"{queue.name}-parents"
    child = {"name": "child", "queueName": queue.name, "data": {"n": 1}}
    parent_id = await node("flow", tree={"name": "parent", "queueName": parents, "data": {}, "children": [child]})
    numbered = await added(node, queue, parent={"id": parent_id, "queue": f"bull:{parents}"})
    [other] = [job.id for job in await queue.jobs("waiting") if job.id != numbered]
    assert numbered.isdecimal()
    assert not other.isdecimal()
    assert not parent_id.isdecimal()
    await run_worker(echo)
    await finished(queue, numbered, other)
    above = Wire(wire.redis, parents)
    assert await above.members("wait") == [parent_id]
    assert set(await above.fields(f"{parent_id}:processed")) == {wire.key(numbered), wire.key(other)}
