"""What a worker leaves in Redis: Node's worker in some queues and ours in others, given the same, leave the same."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Job, Unrecoverable, Worker
from tests.conftest import RedisServer, wait_until
from tests.dumps import dump
from tests.interop.peer import Peer
from tests.invariants import broken_invariants

pytestmark = pytest.mark.interop

MINUTE = 60_000


REFUSALS = (
    r"Job \S+ has pending dependencies\. moveToFinished",
    r"Cannot complete job \S+ because it has at least one failed child\. moveToFinished",
    r"job \S+ of \S+ has pending children and can't be completed before them",
    r"job \S+ of \S+ can't be completed: at least one of its children failed",
)
"""What both say when a job can't be completed yet; ours names the queue."""


class Error(Exception):
    """What Node throws, by its name."""


class UnrecoverableError(Unrecoverable):
    """The same."""


class Side:
    """The queues of one side: `worker` says who works them. What is asked of them beside is done by Node for both."""

    def __init__(self, worker: str, node: Peer, redis: Redis, server: RedisServer, base: str) -> None:
        self.worker = worker
        self.node = node
        self.redis = redis
        self.base = f"{base}-{worker}"
        self._server = server
        self.by_the_clock = False
        """Whether what becomes of one job before another is chance: then what is told is compared job by job."""
        self._held: dict[str, asyncio.Future[str]] = {}
        self._used: set[str] = set()

    def name(self, queue: str) -> str:
        self._used.add(queue)
        return f"{self.base}-{queue}"

    async def add(self, name: str, data: Any = None, queue: str = "q", **opts: Any) -> str:
        return await self.node("add", queue=self.name(queue), name=name, data={} if data is None else data, opts=opts)

    async def flow(self, tree: dict[str, Any]) -> str:
        return await self.node("flow", tree=self._placed(tree))

    async def call(self, method: str, *args: Any, queue: str = "q") -> Any:
        return await self.node("call", queue=self.name(queue), method=method, args=list(args))

    async def job_call(self, job_id: str, method: str, *args: Any, queue: str = "q") -> Any:
        return await self.node("jobCall", queue=self.name(queue), id=job_id, method=method, args=list(args))

    async def drop_lock(self, job_id: str, queue: str = "q") -> None:
        """As if the worker of a job had been gone for a while."""
        await self.redis.delete(f"bull:{self.name(queue)}:{job_id}:lock", f"bull:{self.name(queue)}:stalled-check")

    @asynccontextmanager
    async def working(self, queue: str = "q", **options: Any) -> AsyncIterator[None]:
        """A worker of a queue; options as in Node."""
        options = {"name": "w", "drainDelay": 1, **options}
        if self.worker == "node":
            await self.node("worker", queue=self.name(queue), behaviour="byName", options=options)
            yield
            await self.node("closeWorkers", queue=self.name(queue))
            return
        ours: dict[str, Any] = {"name": options["name"], "drain_delay": options["drainDelay"]}
        if "stalledInterval" in options:
            ours["stalled_interval"] = options["stalledInterval"] / 1000
        ours["max_stalled_count"] = options.get("maxStalledCount", 1)
        worker = Worker(self.name(queue), self._work, connection=self._server.url, **ours)
        running = asyncio.ensure_future(worker.run())
        yield
        await worker.close()
        await running

    async def work_off(self, *queues: str, **options: Any) -> None:
        """Work the queues, one after the other, until nothing is left to do in them."""
        for queue in queues or ("q",):
            async with self.working(queue, **options):
                await wait_until(lambda queue=queue: self.rests(queue))

    async def rests(self, queue: str = "q") -> bool:
        """Whether nothing is to be done in a queue, now or soon."""
        start, soon = f"bull:{self.name(queue)}:", (time.time() * 1000 + MINUTE / 3) * 4096
        pipe: Any = self.redis.pipeline()
        pipe.llen(f"{start}wait").llen(f"{start}active").zcard(f"{start}prioritized").zcount(f"{start}delayed", 0, soon)
        return not any(await pipe.execute())

    async def holding(self, job_id: str) -> None:
        """Wait until a job named `hold` runs."""

        async def held() -> bool:
            return job_id in (await self.node("holding") if self.worker == "node" else self._held)

        await wait_until(held)

    async def release(self, job_id: str, error: str | None = None) -> None:
        """Let it end."""
        if self.worker == "node":
            await self.node("release", id=job_id, error=error)
        elif error:
            self._held.pop(job_id).set_exception(Error(error))
        else:
            self._held.pop(job_id).set_result("released")

    async def traces(self) -> dict[str, Any]:
        """All that is in the queues, with what may differ taken out: names of queues, wake-ups, and kinds of errors."""
        found = {queue: _settled(await dump(self.redis, "bull", self.name(queue))) for queue in sorted(self._used)}
        if self.by_the_clock:
            for keys in found.values():
                keys["events"].sort(key=lambda event: event["jobId"])  # and those of one job stay as they are
        return json.loads(json.dumps(found).replace(self.base, "side"))

    async def broken(self) -> list[str]:
        """What doesn't hold for the keys; a worker that stopped may have taken the marker with it."""
        allow = {"I20", "I21"}
        lines = [await broken_invariants(self.redis, "bull", self.name(queue), allow=allow) for queue in self._used]
        return [line for some in lines for line in some]

    def _placed(self, tree: dict[str, Any]) -> dict[str, Any]:
        children = [self._placed(child) for child in tree.get("children", ())]
        return {"data": {}, **tree, "queueName": self.name(tree["queueName"]), "children": children}

    async def _work(self, job: Job) -> Any:
        """Does what `peer.mjs` does."""
        match job.name:
            case "echo":
                return job.data
            case "fail":
                raise Error(job.data.get("message", "boom"))
            case "failFirst":
                if job.attempts_made < job.data["failures"]:
                    raise Error(f"failure {job.attempts_made + 1}")
                return "done"
            case "unrecoverable":
                raise UnrecoverableError("no way")
            case "progress":
                await job.update_progress({"half": True})
                await job.log("a line")
                return "told"
            case "hold":
                self._held[job.id] = asyncio.get_running_loop().create_future()
                return await self._held[job.id]
            case _:
                raise AssertionError(f"no behaviour {job.name}")


def _settled(found: dict[str, Any]) -> dict[str, Any]:
    """Without how often an idle worker looked and checked, and with stack traces as their messages."""
    found = {key: value for key, value in found.items() if key not in ("marker", "stalled-check", "stalled")}
    found["events"] = [event for event in found.get("events", ()) if event["event"] != "drained"]
    for key, value in found.items():
        if isinstance(value, dict) and "stacktrace" in value:
            found[key] = value | {"stacktrace": [re.sub(r"^\w+: ", "", line) for line in value["stacktrace"]]}
    return json.loads(re.sub("|".join(REFUSALS), "refused because of children", json.dumps(found)))


def differences(node: Any, ours: Any, where: str = "") -> Iterator[str]:
    """What differs, a line each, as deep as it can be told."""
    if isinstance(node, dict) and isinstance(ours, dict):
        for key in sorted({**node, **ours}):
            yield from differences(node.get(key, "nothing"), ours.get(key, "nothing"), f"{where}/{key}")
    elif isinstance(node, list) and isinstance(ours, list) and len(node) == len(ours):
        for at, (one, other) in enumerate(zip(node, ours, strict=True)):
            yield from differences(one, other, f"{where}/{at}")
    elif node != ours:
        yield f"{where}: Node {node!r}, ours {ours!r}"


Scenario = Callable[[Side], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


@pytest.fixture
async def sides(node: Peer, redis: Redis, redis_server: RedisServer, queue_name: str) -> tuple[Side, Side]:
    return (
        Side("node", node, redis, redis_server, queue_name),
        Side("ours", node, redis, redis_server, queue_name),
    )


async def same_on(sides: tuple[Side, Side], given: Scenario) -> None:
    await asyncio.gather(*(given(side) for side in sides))
    node, ours = [await side.traces() for side in sides]
    found = [*differences(node, ours), *await sides[1].broken()]
    assert not found, "\n".join(["", *found])


# ------------------------------------------------------------------------------------------------------- one queue


@scenario
async def mixed_adds(side: Side) -> None:
    for n in range(3):
        await side.add("echo", n)
        await side.add("echo", n, priority=3 - n)
        await side.add("echo", n, lifo=True)
    await side.add("echo", [], jobId="own", attempts=5)
    await side.add("echo", "again", jobId="own")
    await side.work_off()


@scenario
async def delays(side: Side) -> None:
    side.by_the_clock = True
    for n in range(3):
        await side.add("echo", n, delay=100 + 150 * n, priority=n)
    await side.add("echo", "never", delay=MINUTE)
    await side.work_off()


@scenario
async def values(side: Side) -> None:
    for value in (0, "", [], {}, False, "ü€😀\u2028/", [1, [2, {"a": None}]], {"x:y": 1.5}, "x" * 5000):
        await side.add("echo", value)
    await side.work_off()


@scenario
async def retries(side: Side) -> None:
    await side.add("failFirst", {"failures": 2}, attempts=3)
    await side.add("failFirst", {"failures": 1}, attempts=3, lifo=True)
    await side.add("failFirst", {"failures": 2}, attempts=3, priority=2)
    await side.add("failFirst", {"failures": 1}, attempts=2, priority=2)
    await side.add("failFirst", {"failures": 9}, attempts=3)
    await side.add("echo", 1)
    await side.work_off()


@scenario
async def retries_after_a_while(side: Side) -> None:
    side.by_the_clock = True
    await side.add("failFirst", {"failures": 2}, attempts=3, backoff=40)
    await side.add("failFirst", {"failures": 2}, attempts=3, backoff={"type": "exponential", "delay": 300}, priority=7)
    await side.add("fail", {}, attempts=2, backoff=MINUTE)
    await side.add("fail", {}, attempts=2, backoff=MINUTE, priority=3, lifo=True)
    await side.work_off()


@scenario
async def failures_for_good(side: Side) -> None:
    await side.add("fail", {"message": "one\ntwo"})
    await side.add("unrecoverable", attempts=4, backoff=MINUTE)
    for limit in (0, 1, 2):
        await side.add("fail", {"message": "x"}, attempts=3, stackTraceLimit=limit)
    await side.work_off()


@scenario
async def retention(side: Side) -> None:
    for keep in (True, False, 0, 2, {"count": 1}, {"age": 3600}, {"age": 3600, "count": 2}):
        for name in ("echo", "progress", "fail"):
            await side.add(name, {}, removeOnComplete=keep, removeOnFail=keep)
        await side.work_off()


@scenario
async def jobs_of_lost_workers(side: Side) -> None:
    # Node works both sides at once here, and knows what it holds by the id alone.
    lost = await side.add("hold", jobId=f"{side.base}-lost")
    await side.node("worker", queue=side.name("q"), behaviour="hold", options={"stalledInterval": MINUTE})
    await wait_until(lambda: _holds(side, lost))
    await side.node("closeWorkers", queue=side.name("q"), force=True)
    await side.drop_lock(lost)
    await side.work_off(stalledInterval=100, maxStalledCount=0)
    # Not before: whether the check or a job comes first is chance.
    await side.add("echo", 1)
    await side.add("echo", 2, priority=1)
    await side.work_off(stalledInterval=100, maxStalledCount=0)


async def _holds(side: Side, job_id: str) -> bool:
    return job_id in await side.node("holding")


@scenario
async def a_queue_that_node_looks_after(side: Side) -> None:
    await side.add("failFirst", {"failures": 1}, jobId="a")
    await side.add("failFirst", {"failures": 1}, jobId="b", priority=4)
    await side.add("failFirst", {"failures": 1}, jobId="c", lifo=True)
    await side.add("fail", {}, jobId="d", attempts=2, backoff=MINUTE, priority=2)
    await side.add("echo", 1, jobId="e", delay=MINUTE)
    await side.add("echo", 1, jobId="f", delay=MINUTE)
    await side.add("echo", 1, jobId="g")
    await side.work_off()
    await side.job_call("c", "retry", "failed")
    await side.job_call("b", "retry", "failed")
    await side.job_call("d", "promote")
    await side.job_call("e", "changeDelay", 2 * MINUTE)
    await side.job_call("f", "changePriority", {"priority": 9})
    await side.job_call("f", "promote")
    await side.work_off()
    await side.call("retryJobs", {"state": "failed"})
    await side.job_call("g", "retry", "completed")
    await side.job_call("g", "updateData", {"new": True})
    await side.work_off()
    await side.call("promoteJobs")
    await side.work_off()
    await side.call("clean", 0, 2, "completed")
    await side.call("remove", "d")


# ------------------------------------------------------------------------------------------------------------ flows

POLICIES = (
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
)


def leaf(job_id: str, name: str = "echo", data: Any = 7, **opts: Any) -> dict[str, Any]:
    return {"name": name, "queueName": "q", "data": data, "opts": {"jobId": job_id, **opts}}


def parent(*children: dict[str, Any], queue: str = "p", job_id: str = "P", **opts: Any) -> dict[str, Any]:
    return {"name": "echo", "queueName": queue, "opts": {"jobId": job_id, **opts}, "children": list(children)}


@scenario
async def a_flow_that_goes_well(side: Side) -> None:
    await side.flow(parent(leaf("a"), leaf("b", data="text", priority=1), leaf("c", removeOnComplete=True)))
    await side.work_off("q", "p")


@scenario
async def a_flow_in_one_queue(side: Side) -> None:
    await side.flow(parent(leaf("a"), parent(leaf("c"), queue="q", job_id="b", priority=2), queue="q"))
    await side.add("echo", 1)
    await side.work_off("q")


def _parent_with(**opts: Any) -> Scenario:
    async def run(side: Side) -> None:
        side.by_the_clock = opts.get("delay", MINUTE) < MINUTE
        await side.flow(parent(leaf("a"), **opts))
        await side.add("echo", 1, "p")
        await side.add("echo", 2, "p", priority=1)
        await side.work_off("q", "p")

    return run


SCENARIOS["a_parent_with_a_priority"] = _parent_with(priority=3)
SCENARIOS["a_parent_with_a_delay"] = _parent_with(delay=MINUTE)
SCENARIOS["a_parent_with_both"] = _parent_with(delay=400, priority=3)
SCENARIOS["a_lifo_parent"] = _parent_with(lifo=True, attempts=2)


@scenario
async def parents_in_a_paused_queue(side: Side) -> None:
    await side.flow(parent(leaf("a")))
    await side.flow(parent(leaf("b"), job_id="P2", priority=1))
    await side.call("pause", queue="p")
    await side.work_off("q")


@scenario
async def children_that_are_retried(side: Side) -> None:
    await side.flow(parent(leaf("a", "failFirst", {"failures": 1}, attempts=2, failParentOnFailure=True)))
    await side.work_off("q", "p")


def _failing(policy: str | None, order: str) -> Scenario:
    async def run(side: Side) -> None:
        opts = {} if policy is None else {policy: True}
        bad, good = leaf("bad", "fail", {"message": "boom"}, **opts), leaf("good")
        await side.flow(parent(*((bad, good) if order == "first" else (good, bad)), attempts=2))
        await side.work_off("q")
        await side.work_off("p")
        # Healed by hand: whatever the parent came to meanwhile.
        await side.job_call("bad", "retry", "failed")
        async with side.working("q"):
            await wait_until(lambda: side.rests("q"))
        await side.work_off("p")

    return run


for _policy in (None, *POLICIES):
    for _order in ("first", "last"):
        SCENARIOS[f"a_child_fails_{_order}_{_policy}"] = _failing(_policy, _order)


def _failing_and_removed(policy: str) -> Scenario:
    async def run(side: Side) -> None:
        opts = {policy: True, "removeOnFail": True}
        await side.flow(parent(leaf("bad", "unrecoverable", attempts=3, **opts), leaf("good", removeOnComplete=True)))
        await side.work_off("q", "p")

    return run


for _policy in POLICIES:
    SCENARIOS[f"a_child_fails_and_is_removed_{_policy}"] = _failing_and_removed(_policy)


@scenario
async def a_failure_that_climbs(side: Side) -> None:
    bad = leaf("bad", "fail", failParentOnFailure=True, data={"message": "deep"})
    middle = parent(bad, leaf("good"), queue="m", job_id="M", failParentOnFailure=True, attempts=3)
    await side.flow(parent(middle, leaf("other")))
    await side.work_off("q", "m", "p")


@scenario
async def a_parent_that_is_retried_after_its_child_failed_it(side: Side) -> None:
    await side.flow(parent(leaf("bad", "fail", {"message": "x"}, failParentOnFailure=True), attempts=2))
    await side.work_off("q", "p")
    await side.job_call("P", "retry", "failed", queue="p")
    await side.work_off("p")


@scenario
async def a_parent_that_starts_before_its_children_are_done(side: Side) -> None:
    bad = leaf("bad", "fail", {"message": "x"}, continueParentOnFailure=True)
    await side.flow(parent(bad, leaf("late", delay=MINUTE), attempts=2))
    await side.work_off("q", "p")
    await side.job_call("late", "promote")
    await side.work_off("q")
    await side.job_call("P", "retry", "failed", queue="p")
    await side.work_off("p")


def _failed_by_a_second_child(**opts: Any) -> Scenario:
    async def run(side: Side) -> None:
        first = leaf("first", "fail", {"message": "x"}, continueParentOnFailure=True)
        second = leaf("second", "fail", {"message": "y"}, failParentOnFailure=True)
        await side.flow(parent(first, second, **opts))
        await side.work_off("q", "p")

    return run


SCENARIOS["a_waiting_parent_is_failed"] = _failed_by_a_second_child()
SCENARIOS["a_prioritized_parent_is_failed"] = _failed_by_a_second_child(priority=5)
SCENARIOS["a_delayed_parent_is_failed"] = _failed_by_a_second_child(delay=MINUTE)
SCENARIOS["a_delayed_prioritized_parent_is_failed"] = _failed_by_a_second_child(delay=MINUTE, priority=5)


@scenario
async def a_running_parent_is_failed(side: Side) -> None:
    first = leaf("first", "fail", {"message": "x"}, continueParentOnFailure=True)
    second = leaf("second", "fail", {"message": "y"}, failParentOnFailure=True, delay=MINUTE)
    await side.flow(parent(first, second, attempts=3) | {"name": "hold"})
    await side.work_off("q")
    async with side.working("p"):
        await side.holding("P")
        await side.job_call("second", "promote")
        await side.work_off("q")
        await side.release("P")
        await wait_until(lambda: side.rests("p"))


@scenario
async def children_of_a_parent_that_is_gone(side: Side) -> None:
    await side.flow(parent(leaf("a"), leaf("b", "fail", failParentOnFailure=True, data={"message": "x"})))
    await side.redis.delete(*[f"bull:{side.name('p')}:{key}" for key in ("P", "P:dependencies", "waiting-children")])
    await side.work_off("q")


@scenario
async def a_child_added_to_a_running_parent(side: Side) -> None:
    # It must not be due again before the worker is closed: that would hold it for ever.
    await side.add("hold", {}, "p", jobId="P", attempts=2, backoff=MINUTE)
    async with side.working("p"):
        await side.holding("P")
        await side.add("echo", 5, parent={"id": "P", "queue": f"bull:{side.name('p')}"}, jobId="a")
        await side.release("P")
        await wait_until(lambda: _made(side, "P", "1"))
    await side.work_off("q")
    await side.job_call("P", "promote", queue="p")
    async with side.working("p"):
        await side.holding("P")
        await side.release("P")
        await wait_until(lambda: side.rests("p"))


async def _made(side: Side, job_id: str, attempts: str) -> bool:
    return await side.redis.hget(f"bull:{side.name('p')}:{job_id}", "atm") == attempts  # pyright: ignore


# ---------------------------------------------------------------------------------------------------- deduplication


def _deduplicated(name: str, data: Any, deduplication: dict[str, Any], **opts: Any) -> Scenario:
    async def run(side: Side) -> None:
        for _ in range(2):
            await side.add(name, data, deduplication={"id": "d", **deduplication}, **opts)
        await side.work_off()
        await side.add("echo", 3, deduplication={"id": "d", **deduplication}, **opts)

    return run


SCENARIOS["a_deduplicated_job_completes"] = _deduplicated("echo", 1, {})
SCENARIOS["a_deduplicated_job_fails"] = _deduplicated("fail", {}, {})
SCENARIOS["a_deduplicated_job_will_be_retried"] = _deduplicated("fail", {}, {}, attempts=2, backoff=MINUTE)
SCENARIOS["a_deduplicated_job_is_removed"] = _deduplicated("echo", 1, {}, removeOnComplete=True)
SCENARIOS["a_throttled_job_completes"] = _deduplicated("echo", 1, {"ttl": MINUTE})
SCENARIOS["a_throttled_job_fails"] = _deduplicated("fail", {}, {"ttl": MINUTE})
SCENARIOS["a_debounced_job_completes"] = _deduplicated(
    "echo", 1, {"ttl": MINUTE, "extend": True, "replace": True}, delay=100
)


def _kept(error: str | None = None, first: dict[str, Any] | None = None, **opts: Any) -> Scenario:
    async def run(side: Side) -> None:
        deduplication = {"id": "d", "keepLastIfActive": True}
        held = await side.add("hold", {}, deduplication=deduplication, **(first or {}))
        async with side.working():
            await side.holding(held)
            for n in (1, 2):
                await side.add("echo", {"n": n}, deduplication=deduplication, **opts)
            await side.release(held, error)
            await wait_until(side.rests)

    return run


SCENARIOS["the_last_kept_job_follows"] = _kept()
SCENARIOS["the_last_kept_job_follows_a_failure"] = _kept("boom")
SCENARIOS["the_last_kept_job_follows_a_removed_one"] = _kept(first={"removeOnComplete": True})
SCENARIOS["the_last_kept_job_waits_for_the_retry"] = _kept("boom", {"attempts": 2, "backoff": MINUTE})
SCENARIOS["the_last_kept_job_has_its_own_id"] = _kept(jobId="own")
SCENARIOS["the_last_kept_job_is_delayed"] = _kept(delay=MINUTE)
SCENARIOS["the_last_kept_job_is_prioritized"] = _kept(priority=4)
SCENARIOS["the_last_kept_job_is_lifo"] = _kept(lifo=True, attempts=3, removeOnFail=5)


NODE_5_DIFFERS = {"parents_in_a_paused_queue"}
"""It releases parents into its list `paused`."""


@pytest.mark.parametrize("name", SCENARIOS)
async def test_our_worker_leaves_what_nodes_worker_leaves(sides: tuple[Side, Side], name: str) -> None:
    if name in NODE_5_DIFFERS and sides[0].node.version == 5:
        return
    await same_on(sides, SCENARIOS[name])
