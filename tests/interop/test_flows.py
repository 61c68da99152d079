"""Flows: a tree added by Node and the same added by us leave the same, and each works what the other has added."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Flow, FlowProducer, Job, JobSpec, Parent, Queue, WaitForChildren, Worker
from tests.conftest import RedisServer, wait_until
from tests.dumps import dump
from tests.interop.peer import Peer
from tests.interop.test_same_traces import differences

pytestmark = pytest.mark.interop

POLICIES = {
    "fail_parent": "failParentOnFailure",
    "continue_parent": "continueParentOnFailure",
    "ignore": "ignoreDependencyOnFailure",
    "remove": "removeDependencyOnFailure",
}


def as_node(flow: Flow, name: Callable[[str], str]) -> dict[str, Any]:
    """The same tree as Node's `FlowProducer` takes it."""
    options: dict[str, Any] = dict(flow.options)
    renamed = {"job_id": "jobId", "remove_on_complete": "removeOnComplete"}
    opts = {renamed.get(key, key): value for key, value in options.items()}
    if (policy := opts.pop("on_child_failure", None)) in POLICIES:
        opts[POLICIES[policy]] = True
    if "delay" in opts:
        opts["delay"] *= 1000
    children = [as_node(child, name) for child in flow.children]
    tree = {"name": flow.name, "queueName": name(flow.queue), "data": flow.data, "opts": opts, "children": children}
    return tree | ({"prefix": flow.prefix} if flow.prefix else {})


def placed(flow: Flow, name: Callable[[str], str]) -> Flow:
    children = [placed(child, name) for child in flow.children]
    return Flow(name(flow.queue), flow.name, flow.data, children=children, prefix=flow.prefix, **flow.options)


def leaf(job_id: str, **options: Any) -> Flow:
    return Flow("c", "leaf", {"n": job_id}, job_id=job_id, **options)


TREES: dict[str, Flow] = {
    "one child": Flow("p", "root", {}, job_id="r", children=[leaf("a")]),
    "no child": Flow("p", "root", [1], job_id="r", priority=3),
    "deep": Flow(
        "p",
        "root",
        {"a": 1},
        job_id="r",
        children=[Flow("c", "mid", None, job_id="m", children=[leaf("x"), leaf("y", priority=2)]), leaf("z")],
    ),
    "in one queue": Flow("p", "root", {}, job_id="r", children=[Flow("p", "x", {}, job_id="x", lifo=True)]),
    "delays and priorities": Flow(
        "p",
        "root",
        {},
        job_id="r",
        delay=60,
        priority=7,
        children=[leaf("a", delay=600), leaf("b", priority=5), leaf("c", lifo=True), leaf("d", attempts=3)],
    ),
    "every policy": Flow(
        "p",
        "root",
        {},
        job_id="r",
        children=[leaf(policy, on_child_failure=policy) for policy in (*POLICIES, "block")],
    ),
}


@pytest.mark.parametrize("tree", TREES)
async def test_a_tree_leaves_the_same_whoever_adds_it(
    node6: Peer, redis: Redis, redis_server: RedisServer, queue_name: str, tree: str
) -> None:
    found: dict[str, Any] = {}
    for side in ("node", "ours"):

        def name(queue: str, side: str = side) -> str:
            return f"{queue_name}-{side}-{queue}"

        if side == "node":
            await node6("flow", tree=as_node(TREES[tree], name))
        else:
            async with FlowProducer(connection=redis_server.url) as flows:
                await flows.add(placed(TREES[tree], name))
        dumps = {queue: await dump(redis, "bull", name(queue)) for queue in ("p", "c")}
        found[side] = json.loads(json.dumps(dumps).replace(f"{queue_name}-{side}", "side"))
    assert not [*differences(found["node"], found["ours"])]


async def test_node_works_a_flow_of_ours(node6: Peer, redis_server: RedisServer, queue_name: str) -> None:
    parents, children = f"{queue_name}-p", f"{queue_name}-c"
    await node6("worker", queue=parents, behaviour="count", options={})
    await node6("worker", queue=children, behaviour="echo", options={})
    async with FlowProducer(connection=redis_server.url) as flows:
        node = await flows.add(
            Flow(parents, "root", children=[Flow(children, "echo", n, on_child_failure="ignore") for n in range(3)])
        )
        assert await node.job.result(timeout=20) == {"node": node.job.id}
        assert sorted((await node.job.children_values()).values()) == [0, 1, 2]


async def test_a_step_job_of_ours_waits_for_children_that_node_works(
    node6: Peer, redis_server: RedisServer, queue_name: str
) -> None:
    """Durable steps and `WaitForChildren`: each part is done once."""
    done: list[str] = []
    children = f"{queue_name}-c"
    async with (
        Queue(f"{queue_name}-p", connection=redis_server.url) as queue,
        Queue(children, connection=redis_server.url) as other,
    ):

        async def split(job: Job) -> int:
            done.append("split")
            specs = [JobSpec("echo", n, parent=job) for n in range(3)]
            return len(await other.add_bulk(specs))

        async def process(job: Job) -> Any:
            parts = await job.step("split", split, job)
            if (await job.dependency_counts())["unprocessed"]:
                raise WaitForChildren
            done.append("join")
            return [parts, sorted((await job.children_values()).values())]

        worker = Worker(queue.name, process, connection=redis_server.url)
        running = asyncio.create_task(worker.run())
        job = await queue.add("sum")
        await wait_until(lambda: _is(queue, job.id, "waiting-children"))
        await node6("worker", queue=children, behaviour="echo", options={})
        assert await job.result(timeout=20) == [3, [0, 1, 2]]
        assert done == ["split", "join"]
        await job.refresh()
        assert (job.attempts_made, job.attempts_started) == (1, 2)
        assert (await other.jobs())[0].options["parent"] == Parent(job.id, queue.name)
        await worker.close()
        await running


async def _is(queue: Queue, job_id: str, state: str) -> bool:
    return await queue.state(job_id) == state
