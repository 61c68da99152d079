"""Flows: adding trees, reading them, what children do to their parents, removing either."""

from __future__ import annotations

import random
import time
import uuid
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import (
    Deduplication,
    Flow,
    HasOtherParent,
    JobNotFound,
    JobSpec,
    OptionsError,
    Parent,
    ParentNotFound,
)
from oxcart.protocol.calls.work import Settlement
from tests.conftest import RedisServer
from tests.hands import TOKEN, Hands
from tests.live.shells.shell import FlowProducer, Queue


async def test_a_tree_is_added_and_waits_for_its_leaves(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    node = await flows.add(
        Flow(
            queue.name,
            "root",
            {"a": 1},
            children=[
                Flow(queue.name, "inner", children=[Flow(queue.name, "deep", [1], priority=2)]),
                Flow(queue.name, "leaf", job_id="own"),
            ],
        )
    )
    inner, leaf = node.children
    assert [each.job.name for each in node] == ["root", "inner", "deep", "leaf"]
    assert await node.job.state() == await inner.job.state() == "waiting-children"
    assert await leaf.job.state() == "waiting"
    assert leaf.job.parent == {"id": node.job.id, "queueKey": f"bull:{queue.name}"}
    assert leaf.job.options["parent"] == Parent(node.job.id, queue.name)
    taken = hands.take(9)
    assert [record.name for record in taken] == ["leaf", "deep"]
    for record in taken:
        hands.complete(record.id, record.name.upper())
    assert [record.name for record in hands.take(9)] == ["inner"]
    assert await inner.job.children_values() == {f"bull:{queue.name}:{inner.children[0].job.id}": "DEEP"}
    hands.complete(inner.job.id, "INNER")
    assert hands.work() == [node.job.id]
    assert sorted((await node.job.children_values()).values()) == ["INNER", "LEAF"]


async def test_what_was_added_can_be_read_and_drawn(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    added = await flows.add(
        Flow(
            queue.name,
            "root",
            job_id="r",
            children=[
                Flow(queue.name, "a", job_id="a", children=[Flow(queue.name, "b", job_id="b")]),
                Flow(queue.name, "c", job_id="c", on_child_failure="ignore"),
            ],
        )
    )
    hands.take(9)
    hands.complete("b")
    hands.fail("c", "no paint")
    found = await flows.get(queue.name, "r")
    assert found is not None
    assert [(node.job.id, node.state) for node in found] == [
        ("r", "waiting-children"),
        ("a", "waiting"),
        ("b", "completed"),
        ("c", "failed"),
    ]
    assert str(found) == "\n".join(
        [
            f"root ({queue.name}:r) waiting-children",
            f"├── a ({queue.name}:a) waiting",
            f"│   └── b ({queue.name}:b) completed",
            f"└── c ({queue.name}:c) failed",
        ]
    )
    assert str(added).splitlines()[0] == f"root ({queue.name}:r)"
    shallow = await flows.get(queue.name, "r", depth=1)
    assert shallow is not None and shallow.children == []
    assert await flows.get(queue.name, "nobody") is None
    hands.work()
    hands.work()


async def test_a_flow_may_span_queues_and_prefixes(
    queue: Queue, flows: FlowProducer, redis_server: RedisServer, redis: Redis, hands: Hands
) -> None:
    other = f"{queue.name}-other"
    node = await flows.add(
        Flow(queue.name, "root", children=[Flow(other, "x", prefix="o:th", on_child_failure="fail_parent")])
    )
    [child] = node.children
    assert child.job.record.fields["parentKey"] == f"bull:{queue.name}:{node.job.id}"
    far = Hands(redis_server.url, other, "o:th")
    far.take()
    far.complete(child.job.id, 7)
    assert await node.job.children_values() == {f"o:th:{other}:{child.job.id}": 7}
    assert [found.id for found in await node.job.children()] == [child.job.id]
    hands.work()
    far.close()
    await redis.delete(*(await redis.keys(f"o:th:{other}:*")))


async def test_a_program_that_seeds_its_random_numbers_gets_other_ids_for_each_flow(
    queue: Queue, flows: FlowProducer
) -> None:
    ids: list[str] = []
    for _ in range(2):
        random.seed(42)
        node = await flows.add(Flow(queue.name, "root", children=[Flow(queue.name, "x")]))
        ids += [each.job.id for each in node]
    assert len(set(ids)) == 4
    assert all(str(uuid.UUID(job_id)) == job_id and uuid.UUID(job_id).version == 4 for job_id in ids)


async def test_each_failure_policy_does_to_the_parent_what_it_says(
    queue: Queue, flows: FlowProducer, hands: Hands
) -> None:
    """Traps 5, 7, 9 and 10 of part 2."""
    wanted = {
        "block": ("waiting-children", {"unprocessed": 2}),
        "fail_parent": ("waiting", {"unprocessed": 1, "failed": 1}),
        "continue_parent": ("waiting", {"unprocessed": 1, "ignored": 1}),
        "ignore": ("waiting-children", {"unprocessed": 1, "ignored": 1}),
        "remove": ("waiting-children", {"unprocessed": 1}),
    }
    for policy, (state, counts) in wanted.items():
        node = await flows.add(
            Flow(
                queue.name,
                "root",
                children=[
                    Flow(queue.name, "bad", priority=1, on_child_failure=policy),  # pyright: ignore[reportArgumentType]
                    Flow(queue.name, "slow", delay=60),
                ],
            )
        )
        bad, slow = node.children
        hands.take()
        hands.fail(bad.job.id, "no paint")
        assert await node.job.state() == state, policy
        assert {kind: n for kind, n in (await node.job.dependency_counts()).items() if n} == counts, policy
        if counts.get("ignored"):
            assert await node.job.ignored_failures() == {f"bull:{queue.name}:{bad.job.id}": "no paint"}
        if policy == "fail_parent":
            assert (await node.job.dependencies()).failed == [f"bull:{queue.name}:{bad.job.id}"]
            [doomed] = hands.take()
            assert doomed.fields["defa"] == f"child bull:{queue.name}:{bad.job.id} failed"
            hands.fail(doomed.id, doomed.fields["defa"])
        elif state == "waiting":
            await slow.job.remove()
            hands.work()
        else:
            await node.job.remove()
        await queue.drain(delayed=True)


async def test_a_child_can_be_added_to_a_job_that_is_there(queue: Queue, hands: Hands) -> None:
    parent = await queue.add("parent")
    hands.take()
    child = await queue.add("child", parent=parent, on_child_failure="ignore")
    others = await queue.add_bulk([JobSpec("child", n, parent=Parent(parent.id, queue.name)) for n in range(2)])
    assert (await parent.dependency_counts())["unprocessed"] == 3
    assert child.parent == {"id": parent.id, "queueKey": f"bull:{queue.name}", "idof": True}
    for job in (child, *others):
        await job.remove()
    hands.complete(parent.id)


async def test_a_parent_that_is_not_there_is_refused_and_nothing_is_added(
    queue: Queue, flows: FlowProducer, redis: Redis
) -> None:
    """Code -5; in a bulk Node answers it as an id (trap 12 of part 2)."""
    nobody = Parent("nobody", queue.name)
    with pytest.raises(ParentNotFound, match=f"under the parent bull:{queue.name}:nobody: it does not exist") as caught:
        await queue.add("x", parent=nobody)
    assert caught.value.code == -5
    with pytest.raises(ParentNotFound) as caught:
        await queue.add_bulk([JobSpec("x", parent=nobody), JobSpec("y")])
    assert caught.value.__notes__ == ["1 of 2 jobs were refused; the others were added"]
    with pytest.raises(ParentNotFound):
        await flows.add(Flow(queue.name, "root", parent=nobody, children=[Flow(queue.name, "x")]))
    assert [job.name for job in await queue.jobs()] == ["y"]


async def test_a_job_that_has_a_parent_gets_no_other_while_that_lives(
    queue: Queue, flows: FlowProducer, redis: Redis
) -> None:
    """Code -7; Node leaves the new parent waiting for ever (trap 11 of part 2), ours is not added."""
    first = await flows.add(Flow(queue.name, "first", job_id="f", children=[Flow(queue.name, "x", job_id="kid")]))
    with pytest.raises(HasOtherParent, match=f"job kid of {queue.name} exists already and is a child of another") as e:
        await flows.add(Flow(queue.name, "second", job_id="s", children=[Flow(queue.name, "x", job_id="kid")]))
    assert e.value.code == -7
    assert await queue.job("s") is None
    with pytest.raises(HasOtherParent):
        await queue.add("x", job_id="kid", parent=Parent((await queue.add("p")).id, queue.name))
    await redis.delete(f"bull:{queue.name}:f", f"bull:{queue.name}:f:dependencies")
    await redis.zrem(f"bull:{queue.name}:waiting-children", "f")
    again = await flows.add(Flow(queue.name, "second", job_id="s", children=[Flow(queue.name, "x", job_id="kid")]))
    assert again.children[0].job.was_duplicate
    assert (await again.job.dependencies()).unprocessed == [f"bull:{queue.name}:kid"]
    assert first.job.id == "f"


async def test_children_that_are_done_already_let_their_parent_go_at_once(
    queue: Queue, flows: FlowProducer, hands: Hands
) -> None:
    await queue.add("x", job_id="done")
    hands.take()
    hands.complete("done", 5)
    node = await flows.add(Flow(queue.name, "root", children=[Flow(queue.name, "x", job_id="done")]))
    assert await node.job.state() == "waiting"
    assert await node.job.children_values() == {f"bull:{queue.name}:done": 5}
    hands.work()


async def test_large_flows_travel_in_several_calls(
    queue: Queue, flows: FlowProducer, redis: Redis, hands: Hands
) -> None:
    """Nothing runs before its parent is there, and no parent before its last child."""
    inner = [
        Flow(queue.name, "inner", children=[Flow(queue.name, "leaf", [m, n]) for n in range(300)]) for m in range(2)
    ]
    node = await flows.add(Flow(queue.name, "root", children=[*inner, *[Flow(queue.name, "x") for _ in range(10)]]))
    assert await queue.counts("waiting", "waiting-children") == {"waiting": 610, "waiting-children": 3}
    assert await node.job.dependency_counts() == {"processed": 0, "unprocessed": 12, "ignored": 0, "failed": 0}
    while hands.work():
        pass
    assert (await queue.counts())["completed"] == 613


async def test_bad_trees_are_refused_before_anything_is_sent(queue: Queue, flows: FlowProducer, redis: Redis) -> None:
    name = queue.name
    twice = Flow(name, "twice")
    circle = Flow(name, "circle")
    circle.children = (circle,)
    bad: list[tuple[Flow, str]] = [
        (Flow(name, "r", children=[twice, twice]), "in the flow more than once"),
        (circle, "or within itself"),
        (
            Flow(name, "r", children=[Flow(name, "x", job_id="a"), Flow(name, "y", job_id="a")]),
            "job_id='a' is the id of two nodes",
        ),
        (Flow(name, "r", deduplication=Deduplication("d"), children=[Flow(name, "x")]), "with children can't be dedup"),
        (Flow(name, "r", children=[Flow(name, "x", deduplication=Deduplication("d"))]), "deduplication and parent"),
        (Flow(name, "r", on_child_failure="ignore", children=[Flow(name, "x")]), "says what happens to the parent"),
        (Flow(name, "r", children=[Flow(name, "x", atempts=2)]), "did you mean 'attempts'"),  # pyright: ignore
        (Flow(name, "r", children=[Flow("a:b", "x")]), "can't contain ':'"),
    ]
    for flow, text in bad:
        with pytest.raises(OptionsError, match=text):
            await flows.add(flow)
    assert await redis.keys(f"bull:{name}:*") == []


async def test_children_are_read_page_by_page(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    node = await flows.add(
        Flow(queue.name, "root", children=[Flow(queue.name, "x", delay=60 if n % 2 else 0) for n in range(700)])
    )
    hands.work()
    found: list[str] = []
    cursor, pages = None, 0
    while True:
        page = await node.job.dependencies(count=100, cursor=cursor)
        found += page.all
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            break
    assert len(set(found)) == 700
    assert pages >= 5
    assert len((await node.job.dependencies()).processed) == 100
    with pytest.raises(OptionsError, match="the cursor of an earlier page"):
        await node.job.dependencies(count=10, cursor="x:1")
    await queue.obliterate()


async def test_removing_a_parent_removes_its_children(queue: Queue, flows: FlowProducer, redis: Redis) -> None:
    def tree() -> Flow:
        return Flow(
            queue.name,
            "root",
            children=[Flow(queue.name, "a", children=[Flow(queue.name, "b")]), Flow(queue.name, "c", delay=60)],
        )

    node = await flows.add(tree())
    await node.job.remove()
    assert await queue.jobs() == []
    node = await flows.add(tree())
    await node.job.remove(children=False)
    assert len(await queue.jobs()) == 3
    await queue.obliterate()


async def test_a_parent_goes_on_when_its_last_child_is_removed(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    """Trap 6 of part 2: its own delay and priority don't count then."""
    node = await flows.add(
        Flow(queue.name, "root", delay=60, priority=3, children=[Flow(queue.name, "x"), Flow(queue.name, "y")])
    )
    first, second = node.children
    await first.job.remove()
    assert await node.job.state() == "waiting-children"
    assert await second.job.leave_parent()
    assert await node.job.state() == "waiting"
    assert second.job.parent_key is None
    with pytest.raises(ParentNotFound):
        await second.job.leave_parent()
    hands.work()


@pytest.mark.parametrize("keep", ["0::", "1::", ":0:"], ids=["none", "the newest", "none by age"])
async def test_a_parent_goes_on_when_its_failed_child_is_not_kept(
    queue: Queue, flows: FlowProducer, redis: Redis, hands: Hands, redis_server: RedisServer, keep: str
) -> None:
    """A failed child is waited for, since it may be retried: not when it is gone. Trap 6 holds here too."""
    far = Hands(redis_server.url, f"{queue.name}-far", "o:th")
    bad = Flow(queue.name, "bad", prefix="bull")
    near = await flows.add(Flow(queue.name, "root", delay=60, priority=3, children=[bad]))
    distant = await flows.add(Flow(far.keys.name, "root", prefix="o:th", children=[bad]))
    last = await queue.add("last")
    for later, record in enumerate(hands.take(3)):  # each in a millisecond of its own: then it is known who is newest
        settlement = Settlement(record.id, TOKEN, "failed", "boom", keep=keep, number=1)
        hands.trip([settlement], 0, time.time_ns() // 1_000_000 + later)
    assert [job.id for job in await queue.jobs("failed")] == ([last.id] if keep == "1::" else [])
    assert await near.job.state() == await distant.job.state() == "waiting"
    assert hands.work() == [near.job.id]
    assert far.work() == [distant.job.id]
    far.close()
    await redis.delete(*(await redis.keys(f"o:th:{far.keys.name}:*")))


async def test_unprocessed_children_can_be_removed(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    node = await flows.add(
        Flow(queue.name, "root", children=[Flow(queue.name, "x", n, delay=60 if n else 0) for n in range(4)])
    )
    [taken] = hands.take()
    assert await node.job.remove_unprocessed_children() == 3
    assert (await node.job.dependencies()).unprocessed == [f"bull:{queue.name}:{taken.id}"]
    hands.complete(taken.id)
    assert hands.work() == [node.job.id]
    await node.job.remove()
    with pytest.raises(JobNotFound):
        await node.job.remove_unprocessed_children()


async def test_a_retried_child_is_waited_for_again(queue: Queue, flows: FlowProducer, hands: Hands) -> None:
    node = await flows.add(
        Flow(
            queue.name,
            "root",
            children=[Flow(queue.name, "bad", on_child_failure="ignore"), Flow(queue.name, "slow", delay=60)],
        )
    )
    bad, slow = node.children
    hands.work(fails=True)
    assert (await node.job.dependency_counts())["ignored"] == 1
    await bad.job.retry()
    assert await node.job.dependency_counts() == {"processed": 0, "unprocessed": 2, "ignored": 0, "failed": 0}
    hands.work()
    await slow.job.promote()
    hands.work()
    assert hands.work() == [node.job.id]


async def test_a_flow_sent_again_after_a_lost_answer_is_added_once(
    queue: Queue, flows: FlowProducer, redis: Redis
) -> None:
    from oxcart.protocol.calls import flow as calls

    nodes = calls.FlowPreparer("bull", {}, lambda: 1_700_000_000_000).prepare(
        [Flow(queue.name, "root", children=[Flow(queue.name, "x")])]
    )
    [(call, _)] = calls.plan(nodes, lambda: ("producer", 1))
    for _ in range(2):
        await redis.eval(call.script.source, len(call.keys), *call.keys, *call.args)  # pyright: ignore
    assert await queue.counts("waiting", "waiting-children") == {"waiting": 1, "waiting-children": 1}
    events: Any = await redis.xlen(f"bull:{queue.name}:events")
    assert events == 4


@pytest.mark.parametrize("policy", ["ignore", "remove"])
async def test_a_flow_that_is_added_again_does_not_wait_for_a_child_that_failed_without_harm(
    queue: Queue, flows: FlowProducer, hands: Hands, policy: Any
) -> None:
    """A retried producer adds the same flow, with the same ids."""

    def tree() -> Flow:
        kids = [Flow(queue.name, "kid", job_id=f"k{n}", on_child_failure=policy) for n in range(2)]
        return Flow(queue.name, "root", job_id="r", children=kids)

    node = await flows.add(tree())
    [record] = hands.take(1)
    hands.fail(record.id)
    await flows.add(tree())
    found = await node.job.dependencies()
    assert (len(found.unprocessed), len(found.ignored)) == (1, 1 if policy == "ignore" else 0)
    assert hands.work() == ["k1"]
    assert hands.work() == ["r"]


async def test_a_flow_goes_on_at_once_if_all_its_children_have_failed_without_harm(
    queue: Queue, flows: FlowProducer, hands: Hands
) -> None:
    await queue.add("kid", job_id="k")
    hands.work(fails=True)
    kid = Flow(queue.name, "kid", job_id="k", on_child_failure="ignore")
    node = await flows.add(Flow(queue.name, "root", children=[kid]))
    assert await node.job.state() == "waiting"
    assert await node.job.ignored_failures() == {f"bull:{queue.name}:k": "boom"}


@pytest.mark.parametrize(
    ("policy", "state", "kind"),
    [
        ("block", "waiting-children", "unprocessed"),
        ("fail_parent", "waiting", "failed"),
        ("continue_parent", "waiting", "ignored"),
        ("ignore", "waiting-children", "ignored"),
        ("remove", "waiting-children", ""),
    ],
)
async def test_a_child_that_had_failed_before_does_to_its_parent_what_its_policy_says(
    queue: Queue, flows: FlowProducer, hands: Hands, policy: Any, state: str, kind: str
) -> None:
    """In Node all wait for it, as if it could still end."""
    await queue.add("kid", job_id="k")
    hands.work(fails=True)
    kids = [Flow(queue.name, "kid", job_id="k", on_child_failure=policy), Flow(queue.name, "slow", delay=60)]
    node = await flows.add(Flow(queue.name, "root", children=kids))
    assert await node.job.state() == state
    counts = await node.job.dependency_counts()
    assert counts.pop("unprocessed") == (2 if kind == "unprocessed" else 1)
    assert [name for name, count in counts.items() if count] == ([kind] if kind in counts else [])
    if policy == "fail_parent":
        [doomed] = hands.take()
        assert doomed.fields["defa"] == f"child bull:{queue.name}:k failed"
        hands.fail(doomed.id, doomed.fields["defa"])
    await queue.obliterate()
