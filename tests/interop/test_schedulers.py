"""Schedulers: made by either side they leave the same, and each side reads, works and ends those of the other."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import urllib.error
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Job, Queue, SchedulerError
from oxcart.clock import system_clock
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.interop.differential.machine import Machine
from tests.interop.differential.operations import as_node_shows, shown
from tests.interop.differential.sides import START_MS, Node, Ours
from tests.interop.peer import NodeError, Peer
from tests.interop.test_both_ways import http

pytestmark = pytest.mark.interop

HOUR, DAY = 3600, 86400


@pytest.fixture
async def machine(node6: Peer, redis: Redis, redis_server: RedisServer, queue_name: str) -> AsyncIterator[Machine]:
    """A queue on both sides, at one time, so that all that they leave can be compared as it is."""
    async with Connection(redis_server.url) as connection:
        machine = Machine(Node(queue_name, node6, redis), Ours(queue_name, node6, redis, connection))
        await machine.start(START_MS)
        yield machine
        await machine.start()


TIMES: dict[str, dict[str, Any]] = {
    "every": {"every": HOUR},
    "every with an offset": {"every": HOUR, "offset": 300},
    "every with an odd offset": {"every": 7, "offset": 6.999},
    "every with a start": {"every": HOUR, "start_ms": START_MS + 90_000},
    "every with a start that has passed": {"every": HOUR, "start_ms": START_MS - 90_000},
    "every with a start and an offset": {"every": HOUR, "start_ms": START_MS + 90_000, "offset": 300},
    "every with a limit": {"every": HOUR, "limit": 2},
    "every with an end": {"every": HOUR, "end_ms": START_MS + 2 * DAY * 1000},
    "every at once": {"every": HOUR, "immediately": True},
    "every of a day": {"every": DAY},
    "every of 37.5 seconds": {"every": 37.5},
    "cron": {"cron": "0 8 * * *", "tz": "UTC"},
    "cron with seconds": {"cron": "*/10 * * * * *", "tz": "UTC"},
    "cron in a zone": {"cron": "15 2 * * sun", "tz": "America/New_York"},
    "cron in another zone": {"cron": "0 */6 * * *", "tz": "Asia/Kolkata"},
    "cron with a start": {"cron": "0 8 * * *", "tz": "UTC", "start_ms": START_MS + 10 * DAY * 1000},
    "cron with a limit": {"cron": "0 8 * * *", "tz": "UTC", "limit": 2},
    "cron with an end": {"cron": "0 8 * * *", "tz": "UTC", "end_ms": START_MS + 2 * DAY * 1000},
    "cron at once": {"cron": "0 8 * * *", "tz": "UTC", "immediately": True},
    "a nickname": {"cron": "@weekly", "tz": "Europe/Berlin"},
}
TEMPLATES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a name": {"name": "other ü"},
    "data": {"data": {"n": [1, None, {"a": "ü/€"}]}},
    "an empty list": {"data": []},
    "an empty object": {"data": {}},
    "zero": {"data": 0},
    "False": {"data": False},
    "an empty text": {"data": ""},
    "attempts": {"options": {"attempts": 3}},
    "one attempt": {"options": {"attempts": 1}},
    "a backoff": {"options": {"attempts": 3, "backoff": 60}},
    "a growing backoff": {"options": {"attempts": 3, "backoff": {"type": "exponential", "delay": 60}}},
    "a priority": {"options": {"priority": 7}},
    "lifo": {"options": {"lifo": True}},
    "logs": {"options": {"keep_logs": 5, "stack_trace_limit": 2, "size_limit": 500}},
    "retention": {"options": {"remove_on_complete": True, "remove_on_fail": {"count": 5, "age": HOUR}}},
    "retention by number": {"options": {"remove_on_complete": 2, "remove_on_fail": False}},
}


async def worked(machine: Machine, seconds: float, *, fails: bool = False) -> str | None:
    """After a while, take a job and settle it; which one that was."""
    await machine.do("wait", seconds=seconds)
    job_id = await machine.do("take", token="t")
    if job_id is not None:
        await machine.do("fail" if fails else "complete", id=job_id, token="t")
    return job_id


async def looked_at(machine: Machine) -> None:
    await machine.do("scheduler_count")
    await machine.do("scheduler", id="s")
    for ascending in (False, True):
        await machine.do("schedulers", ascending=ascending)


@pytest.mark.parametrize("times", TIMES)
async def test_a_series_leaves_the_same_from_its_first_run_to_its_end(machine: Machine, times: str) -> None:
    await machine.do("upsert_scheduler", id="s", **TIMES[times])
    await looked_at(machine)
    for seconds in (0, HOUR, DAY, 30 * DAY):
        await worked(machine, seconds)
    await looked_at(machine)
    await machine.do("remove_scheduler", id="s")
    await machine.do("remove_scheduler", id="s")
    await worked(machine, 30 * DAY)
    await looked_at(machine)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("times", ["every", "cron"])
async def test_runs_are_made_of_the_template(machine: Machine, times: str, template: str) -> None:
    await machine.do("upsert_scheduler", id="s", **TIMES[times], **TEMPLATES[template])
    await looked_at(machine)
    for fails in (False, True, False):
        await worked(machine, DAY, fails=fails)
    await looked_at(machine)


# ------------------------------------------------------------------------------------------------ once more


def twice(**times: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return times, times


AGAIN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the same interval": twice(every=HOUR),
    "the same interval with a start": twice(every=HOUR, start_ms=START_MS + 90_000),
    "the same interval and offset": twice(every=HOUR, offset=300),
    "the same pattern": twice(cron="0 8 * * *", tz="UTC"),
    "another interval": ({"every": HOUR}, {"every": 60}),
    "another interval with an offset": ({"every": HOUR}, {"every": 60, "offset": 7}),
    "another interval with a start": ({"every": HOUR}, {"every": 60, "start_ms": START_MS + 700_000}),
    "another pattern": ({"cron": "0 8 * * *", "tz": "UTC"}, {"cron": "0 9 * * *", "tz": "UTC"}),
    "another zone": ({"cron": "0 8 * * *", "tz": "UTC"}, {"cron": "0 8 * * *", "tz": "Asia/Tokyo"}),
    "a pattern for an interval": ({"every": HOUR}, {"cron": "0 8 * * *", "tz": "UTC"}),
    "an interval for a pattern": ({"cron": "0 8 * * *", "tz": "UTC"}, {"every": HOUR}),
    "an interval with an offset for a pattern": ({"cron": "0 8 * * *", "tz": "UTC"}, {"every": HOUR, "offset": 60}),
    "a limit": ({"every": HOUR}, {"every": HOUR, "limit": 2}),
    "no limit any more": ({"cron": "0 8 * * *", "tz": "UTC", "limit": 1}, {"cron": "0 8 * * *", "tz": "UTC"}),
    "at once": ({"cron": "0 8 * * *", "tz": "UTC"}, {"cron": "0 8 * * *", "tz": "UTC", "immediately": True}),
}


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("when", ["at once", "while it runs", "after a run"])
async def test_a_scheduler_that_is_changed_leaves_the_same(machine: Machine, again: str, when: str) -> None:
    first, second = AGAIN[again]
    await machine.do("upsert_scheduler", id="s", **first, name="old", data=[1], options={"priority": 3, "lifo": True})
    running = None
    if when != "at once":
        await machine.do("wait", seconds=DAY)
        running = await machine.do("take", token="t")
    if when == "after a run":
        await machine.do("complete", id=running, token="t")
    for data in (2, []):  # the second time nothing is new but the data
        await machine.do("upsert_scheduler", id="s", **second, data=data, options={"attempts": 2})
        await looked_at(machine)
    if when == "while it runs":
        await machine.do("fail", id=running, token="t")
    for seconds in (0, DAY, 40 * DAY):
        await worked(machine, seconds)
    await looked_at(machine)


@pytest.mark.parametrize("state", ["waiting", "prioritized", "delayed", "active", "completed"])
async def test_a_scheduler_that_is_removed_leaves_the_same(machine: Machine, state: str) -> None:
    options = {"priority": 2} if state == "prioritized" else {}
    later = {"offset": 300} if state == "delayed" else {}
    job = await machine.do("upsert_scheduler", id="s", every=HOUR, **later, options=options)
    if state in ("active", "completed"):
        await machine.do("take", token="t")
    if state == "completed":
        await machine.do("complete", id=job["id"], token="t")
    await machine.do("remove_scheduler", id="s")
    if state == "active":
        await machine.do("complete", id=job["id"], token="t")
    await worked(machine, DAY)
    await worked(machine, DAY)
    await machine.do("upsert_scheduler", id="s", every=HOUR)


async def test_the_run_to_come_can_not_be_removed_by_anybody(machine: Machine) -> None:
    job = await machine.do("upsert_scheduler", id="s", every=HOUR, offset=300)
    for priority in (None, 3, 0):
        if priority is not None:
            await machine.do("change_priority", id=job["id"], n=priority)
            await machine.do("promote", id=job["id"])
        await machine.do("remove", id=job["id"])
        await machine.do("remove_job", id=job["id"])
        # Each side at the queue of the other.
        for queue in (machine.ours.queue("q"), Queue(machine.node.name("q"), connection=machine.ours.connection)):
            found = await queue.job(job["id"])
            assert found is not None
            with pytest.raises(SchedulerError, match="a scheduler waits for"):
                await found.remove()
        with pytest.raises(NodeError) as refused:
            await machine.node.peer("jobCall", queue=machine.ours.name("q"), id=job["id"], method="remove")
        assert refused.value.code == -8


# -------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("times", "template"), [*((times, "data") for times in TIMES), *(("cron", template) for template in TEMPLATES)]
)
async def test_each_side_reads_what_the_other_wrote(machine: Machine, times: str, template: str) -> None:
    """Schedulers, and their runs with all options."""
    await machine.do("upsert_scheduler", id="s", **TIMES[times], **TEMPLATES[template])
    names = (machine.node.name("q"), machine.ours.name("q"))
    queues = [Queue(name, connection=machine.ours.connection) for name in names]
    for _ in range(2):
        theirs = [await machine.node.peer("call", queue=name, method="getJobSchedulers") for name in names]
        mine = [[as_node_shows(found) for found in await queue.schedulers()] for queue in queues]
        assert [shown(one) for one in theirs] == [shown(one) for one in mine]
        one, other = [await _read_by_both(machine, queue) for queue in queues]
        assert one == other
        await worked(machine, DAY)


async def _read_by_both(machine: Machine, queue: Queue) -> Any:
    """The run to come, as each side shows it."""
    [scheduler] = await queue.schedulers()
    job = await queue.job(scheduler.next_job_id)
    seen = await machine.node.peer("seen", queue=queue.name, id=scheduler.next_job_id)
    if job is None or seen is None:
        return job, seen
    assert (job.scheduler_id, seen["repeatJobKey"]) == ("s", "s")
    opts = shown({"template": {"opts": seen["opts"]}})["template"]["opts"]
    mine = (job.name, job.data, job.options, job.scheduler_id, job.delay, job.priority, job.created_at)
    return mine, {**seen, "opts": opts, "queueQualifiedName": ""}


# ----------------------------------------------------------------------------------------------------- working


EVERY_MS = {"interval": 250, "cron": 1000}
SECONDS = float(os.environ.get("OXCART_SCHEDULER_SECONDS", "8"))


@dataclass(frozen=True)
class Run:
    """A run that is done."""

    slot: int
    """When it was to be, in ms."""
    made: int
    """When it was added, which is when the one before it was taken."""
    began: int
    worker: str | None


async def runs_of(queue: Queue, scheduler_id: str) -> list[Run]:
    """All runs that are done, in their order."""
    found: list[Run] = []
    async for job in queue.iter_jobs("completed"):
        if job.scheduler_id == scheduler_id:
            made, began = (round(at.timestamp() * 1000) if at else 0 for at in (job.created_at, job.processed_at))
            found.append(Run(int(job.id.rpartition(":")[2]), made, began, job.processed_by))
    return sorted(found, key=lambda run: run.slot)


def passed_over(runs: list[Run], every_ms: int) -> int:
    """How many slots have no run; each of them had passed when the run before it was taken, and no run is too late."""
    count = 0
    for before, after in itertools.pairwise(runs):
        step = after.slot - before.slot
        # An upsert without an offset that finds the next time passed takes the next one of the clock's grid, as Node's.
        anew = step > every_ms and after.slot % every_ms == 0
        assert step > 0 and (step % every_ms == 0 or anew), f"{before} is followed by {after}"
        assert after.made >= before.began - 1, f"{after} was there before {before} was taken"
        if step > every_ms:
            assert after.slot - every_ms <= after.made, f"{after} could have been earlier, after {before}"
            count += step // every_ms - 1
    return count


async def done(queue: Queue, count: int, scheduler_id: str = "s") -> list[Run]:
    """Wait until so many runs of a scheduler are done, then stop it; its runs."""

    async def enough() -> bool:
        return len(await runs_of(queue, scheduler_id)) >= count

    await wait_until(enough, 30)
    await at_rest(queue)
    return await runs_of(queue, scheduler_id)


async def at_rest(queue: Queue) -> None:
    """Let nobody take anything any more."""
    await queue.pause()

    async def none() -> bool:
        return not (await queue.counts("active"))["active"]

    await wait_until(none)


async def echo(job: Job) -> Any:
    return job.data


@pytest.mark.parametrize("kind", EVERY_MS)
@pytest.mark.parametrize("maker", ["node", "ours"])
@pytest.mark.parametrize("fleet", ["node", "ours"])
async def test_one_works_the_scheduler_of_the_other(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, kind: str, maker: str, fleet: str
) -> None:
    count = 5 if kind == "interval" else 3
    options = {"attempts": 2, "priority": 5, "keepLogs": 7}
    if maker == "node":
        times = {"every": 250} if kind == "interval" else {"pattern": "* * * * * *", "tz": "UTC"}
        template = {"name": "tick", "data": {"n": [1]}, "opts": options}
        await node("call", queue=queue.name, method="upsertJobScheduler", args=["s", times, template])
    else:
        ours: dict[str, Any] = {"every": 0.25} if kind == "interval" else {"cron": "* * * * * *"}
        await queue.upsert_scheduler(
            "s", **ours, name="tick", data={"n": [1]}, options={"attempts": 2, "priority": 5, "keep_logs": 7}
        )
    if fleet == "node":
        await node("worker", queue=queue.name, behaviour="echo", options={})
    else:
        await run_worker(echo)
    runs = await done(queue, count)
    passed_over(runs, EVERY_MS[kind])
    for number, run in enumerate(runs, 1):
        job = await queue.job(f"repeat:s:{run.slot}")
        assert job is not None
        assert (job.name, job.data, job.return_value, job.priority) == ("tick", {"n": [1]}, {"n": [1]}, 5)
        opts = json.loads(job.record.fields["opts"])
        assert (opts["attempts"], opts["priority"], opts["repeat"]["count"]) == (2, 5, number)
    scheduler = await queue.scheduler("s")
    assert scheduler is not None and scheduler.iterations == len(runs) + 1
    await _each_was_taken_once(redis, queue, len(runs))


async def _each_was_taken_once(redis: Redis, queue: Queue, count: int) -> None:
    events: Any = await redis.xrange(f"bull:{queue.name}:events")
    taken = [fields["jobId"] for _, fields in events if fields["event"] == "active"]
    assert (len(taken), len(set(taken))) == (count, count)


async def test_four_workers_of_three_kinds_miss_no_run_and_do_none_twice(
    node6: Peer, node5: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    """`OXCART_SCHEDULER_SECONDS=60` does it for longer."""
    every = {"interval": 250, "cron": 1000}
    await queue.upsert_scheduler("interval", every=0.25, data={"by": "us"})
    pattern = {"pattern": "* * * * * *", "tz": "UTC"}
    await node6("call", queue=queue.name, method="upsertJobScheduler", args=["cron", pattern, {"data": {"by": "node"}}])
    made = system_clock()
    for peer in (node6, node5):
        await peer("worker", queue=queue.name, behaviour="echo", options={"name": f"node{peer.version}"})
    for name in ("ours1", "ours2"):
        await run_worker(echo, name=name)
    await asyncio.sleep(SECONDS)  # it is about what happens meanwhile
    last = system_clock()
    for scheduler_id in every:
        await wait_until(lambda scheduler_id=scheduler_id: _ran_for(queue, scheduler_id, last))
    await at_rest(queue)
    found = {scheduler_id: await runs_of(queue, scheduler_id) for scheduler_id in every}
    gaps = {scheduler_id: passed_over(runs, every[scheduler_id]) for scheduler_id, runs in found.items()}
    told = {name: dict(Counter(run.worker for run in runs)) for name, runs in found.items()}
    print(f"{SECONDS} s: {told}, slots passed over: {gaps}")
    for scheduler_id, runs in found.items():
        assert runs[0].slot <= made + every[scheduler_id]
        slots = (runs[-1].slot - runs[0].slot) // every[scheduler_id] + 1
        assert len(runs) + gaps[scheduler_id] == slots >= SECONDS * 1000 / every[scheduler_id] - 1
        scheduler = await queue.scheduler(scheduler_id)
        assert scheduler is not None and scheduler.iterations == len(runs) + 1
    await _each_was_taken_once(redis, queue, sum(map(len, found.values())))
    assert not (await queue.counts("failed"))["failed"]
    workers = {run.worker for runs in found.values() for run in runs}
    assert len(workers) > 1


async def _ran_for(queue: Queue, scheduler_id: str, slot_ms: int) -> bool:
    return any(run.slot >= slot_ms for run in await runs_of(queue, scheduler_id))


async def test_schedulers_that_every_start_of_a_program_makes_again_miss_no_run_and_do_none_twice(
    node6: Peer, node5: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def make(number: int) -> None:
        await queue.upsert_scheduler("interval", every=0.25, data=number)
        await queue.upsert_scheduler("cron", cron="* * * * * *", data=number)
        await node6(
            "call",
            queue=queue.name,
            method="upsertJobScheduler",
            args=["nodes", {"every": 250}, {"data": number, "opts": {"attempts": 2}}],
        )

    await make(0)
    for peer in (node6, node5):
        await peer("worker", queue=queue.name, behaviour="echo", options={"name": f"node{peer.version}"})
    for name in ("ours1", "ours2"):
        await run_worker(echo, name=name)
    for number in range(1, 40):
        await make(number)
        await asyncio.sleep(0.08)  # so that it happens at any time of a run
    await at_rest(queue)
    total = 0
    for scheduler_id, every_ms in {"interval": 250, "cron": 1000, "nodes": 250}.items():
        runs = await runs_of(queue, scheduler_id)
        print(f"{scheduler_id}: {len(runs)} runs, slots passed over: {passed_over(runs, every_ms)}")
        total += len(runs)
    await _each_was_taken_once(redis, queue, total)


async def test_what_only_we_know_of_a_scheduler_goes_when_node_removes_it(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await queue.upsert_scheduler("s", every=HOUR, offset=300, overlap="skip", missed="skip", jitter=3)
    [scheduler] = await queue.schedulers()
    assert (scheduler.overlap, scheduler.missed, scheduler.jitter) == ("skip", "skip", 3)
    assert await node("call", queue=queue.name, method="removeJobScheduler", args=["s"]) is True
    assert await queue.schedulers() == []
    await run_worker(echo)

    async def forgotten() -> bool:
        return not await redis.hlen(queue.keys.policies)  # pyright: ignore

    await wait_until(forgotten)


# ------------------------------------------------------------------------------------------------------ pausing


async def test_node_does_not_run_what_is_paused_and_goes_on_with_what_is_resumed(node: Peer, queue: Queue) -> None:
    template = {"data": {"n": 2**60}, "opts": {"attempts": 2}}
    await node("call", queue=queue.name, method="upsertJobScheduler", args=["s", {"every": 100}, template])
    await node("worker", queue=queue.name, behaviour="echo", options={"name": "node"})
    await wait_until(lambda: _ran(queue, "s", 3))
    assert await queue.pause_scheduler("s") is True
    assert await node("call", queue=queue.name, method="getJobSchedulers", args=[]) == []

    async def nothing_to_come() -> bool:
        return not any((await queue.counts("active", "delayed", "waiting", "prioritized")).values())

    await wait_until(nothing_to_come)
    before = await queue.counts("completed")
    await asyncio.sleep(0.5)  # so that five runs would have been
    assert await nothing_to_come() and await queue.counts("completed") == before
    [paused] = await queue.paused_schedulers()
    resumed = await queue.resume_scheduler("s")
    assert resumed is not None and resumed.data == paused.data
    await wait_until(lambda: _ran(queue, "s", before["completed"] + 3))
    [listed] = await node("call", queue=queue.name, method="getJobSchedulers", args=[])
    assert (listed["key"], listed["every"], listed["template"]["opts"]["attempts"]) == ("s", 100, 2)
    await queue.remove_scheduler("s")
    await at_rest(queue)
    slots = [run.slot for run in await runs_of(queue, "s")]
    assert len(slots) == len(set(slots)) and all((slot - slots[0]) % 100 == 0 for slot in slots)


async def test_node_s_upsert_ends_a_pause_and_our_workers_forget_it(
    node: Peer, queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await queue.upsert_scheduler("s", every=HOUR, offset=300, data="old")
    await queue.pause_scheduler("s")
    await node(
        "call", queue=queue.name, method="upsertJobScheduler", args=["s", {"every": HOUR * 500}, {"data": "new"}]
    )
    assert await queue.paused_schedulers() == []
    live = await queue.scheduler("s")
    assert live is not None and (live.data, live.paused_at) == ("new", None)
    assert await queue.resume_scheduler("s") is None
    await run_worker(echo)

    async def forgotten() -> bool:
        return not await redis.hlen(queue.keys.paused_schedulers)  # pyright: ignore

    await wait_until(forgotten)
    await queue.remove_scheduler("s")


# -------------------------------------------------------------------------------------------------- Bull Board


async def test_bull_board_shows_the_run_to_come_and_can_not_remove_it(node: Peer, queue: Queue) -> None:
    job = await queue.upsert_scheduler("s", every=HOUR, offset=300, name="tick", data={"n": 1})
    port = await node("board", names=[queue.name])
    listed = await asyncio.to_thread(http, "GET", port, f"/api/queues?activeQueue={queue.name}&status=delayed&page=1")
    [shown_queue] = [item for item in listed["queues"] if item["name"] == queue.name]
    [shown_job] = shown_queue["jobs"]
    assert (shown_job["id"], shown_job["name"], shown_job["data"]) == (job.id, "tick", {"n": 1})
    with pytest.raises(urllib.error.HTTPError):
        await asyncio.to_thread(http, "PUT", port, f"/api/queues/{queue.name}/{job.id}/clean")
    assert await queue.state(job.id) == "delayed"
    await asyncio.to_thread(http, "PUT", port, f"/api/queues/{queue.name}/{job.id}/promote")
    assert await queue.state(job.id) == "waiting"


# ------------------------------------------------------------------------------------------------- version 5


@pytest.mark.parametrize("times", [{"every": 250}, {"pattern": "* * * * * *"}, {"pattern": "* * * * * *", "tz": "UTC"}])
async def test_repeated_jobs_of_version_5_run_on_and_become_schedulers(
    node5: Peer, node6: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, times: dict[str, Any]
) -> None:
    every_ms = times.get("every", 1000)
    opts = {"repeat": times, "attempts": 2, "priority": 3}
    await node5("add", queue=queue.name, name="old", data={"n": [1]}, opts=opts)
    [legacy] = await queue.schedulers()
    assert (legacy.legacy, legacy.name, legacy.cron, legacy.tz) == (True, "old", times.get("pattern"), times.get("tz"))
    assert legacy.every == (0.25 if "every" in times else None)
    worker = await run_worker(echo)
    await wait_until(lambda: _ran(queue, legacy.id, 3))
    await worker.close()
    runs = await runs_of(queue, legacy.id)
    passed_over(runs, every_ms)
    assert [job.data async for job in queue.iter_jobs("completed")] == [{"n": [1]}] * len(runs)

    assert await queue.convert_legacy_schedulers() == {legacy.id: "old"}
    [converted] = await queue.schedulers()
    assert (converted.id, converted.legacy, converted.data, converted.cron) == ("old", False, {"n": [1]}, legacy.cron)
    assert converted.options == {"attempts": 2, "priority": 3}
    [seen] = await node6("call", queue=queue.name, method="getJobSchedulers")
    assert (seen["key"], seen["template"]["data"], seen["iterationCount"]) == ("old", {"n": [1]}, 1)
    await node6("worker", queue=queue.name, behaviour="echo", options={})
    later = await done(queue, 3, "old")
    passed_over([*runs, *later] if "every" not in times else later, every_ms)
    jobs = [job async for job in queue.iter_jobs("completed")]
    assert all((job.name, job.data, job.priority) == ("old", {"n": [1]}, 3) for job in jobs)
    await _each_was_taken_once(redis, queue, len(runs) + len(later))


@pytest.mark.parametrize("options", [{"limit": 3}, {"immediately": True, "limit": 2}, {"key": "mine", "limit": 3}])
async def test_a_repeated_job_of_version_5_ends_at_its_limit(
    node5: Peer, queue: Queue, run_worker: RunWorker, allowed_breaks: set[str], options: dict[str, Any]
) -> None:
    allowed_breaks.add("I28")  # it has no count, and nothing to come at its end
    await node5("add", queue=queue.name, name="old", data=[1], opts={"repeat": {"every": 200, **options}})
    [legacy] = await queue.schedulers()
    assert legacy.legacy and (legacy.id == "mine") == ("key" in options)
    await run_worker(echo)
    await wait_until(lambda: _ran(queue, legacy.id, options["limit"]))
    await asyncio.sleep(0.5)  # in which another run would be made, and done
    runs = await runs_of(queue, legacy.id)
    assert len(runs) == options["limit"]
    assert not (await queue.counts("delayed"))["delayed"]


async def test_version_5_and_we_do_its_repeated_jobs_together(
    node5: Peer, queue: Queue, run_worker: RunWorker, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")  # it has no count
    repeated: dict[str, dict[str, Any]] = {"often": {"every": 250}, "each second": {"pattern": "* * * * * *"}}
    for name, times in repeated.items():
        await node5("add", queue=queue.name, name=name, data={"of": name}, opts={"repeat": times})
    keys = {scheduler.name: scheduler.id for scheduler in await queue.schedulers()}
    await node5("worker", queue=queue.name, behaviour="echo", options={"name": "node5"})
    await run_worker(echo, name="ours")
    await wait_until(lambda: _ran(queue, keys["each second"], 4))
    await wait_until(lambda: _have_worked(queue, {"node5", "ours"}))
    await at_rest(queue)
    total = 0
    for name, key in keys.items():
        runs = await runs_of(queue, key)
        passed_over(runs, repeated[name].get("every", 1000))
        total += len(runs)
    jobs = [job async for job in queue.iter_jobs("completed")]
    assert all(job.data == {"of": job.name} for job in jobs)
    await _each_was_taken_once(redis, queue, total)


async def _have_worked(queue: Queue, names: set[str]) -> bool:
    return {job.processed_by async for job in queue.iter_jobs("completed")} == names


async def test_a_repeated_job_that_version_5_has_put_aside_is_converted(
    node5: Peer, node6: Peer, queue: Queue, run_worker: RunWorker
) -> None:
    await node5("add", queue=queue.name, name="old", data=[1], opts={"repeat": {"every": HOUR * 1000}})
    await node5("call", queue=queue.name, method="pause")
    [legacy] = await queue.schedulers()
    await node5("jobCall", queue=queue.name, id=legacy.next_job_id, method="promote")
    assert await queue.convert_legacy_schedulers() == {legacy.id: "old"}
    await node6("call", queue=queue.name, method="resume")
    await run_worker(echo)
    await wait_until(lambda: _ran(queue, "old", 1))
    [scheduler] = await queue.schedulers()
    assert (scheduler.data, scheduler.iterations) == ([1], 2)
    assert scheduler.next is not None and legacy.next is not None
    assert scheduler.next - legacy.next == timedelta(hours=1)


async def _ran(queue: Queue, scheduler_id: str, count: int) -> bool:
    return len(await runs_of(queue, scheduler_id)) >= count
