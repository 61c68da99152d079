"""Flows that reach into queues which a user, or a dashboard, does not show end there: to be seen, and to be removed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Flow, FlowProducer, Queue
from oxcart.dashboard import Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.bull_board import job_actions
from oxcart.dashboard.bull_board import jobs as bull_jobs
from oxcart.dashboard.handlers import acting, bulk, exporting, jobs, revealing
from oxcart.dashboard.reading import family
from tests.conftest import RedisServer


@dataclass
class Finance:
    """A queue with a job `par`, whose children `kid` and `deep` are in another queue; `deep` below one of its own."""

    mine: Queue
    theirs: Queue
    redis: Redis

    @property
    def team(self) -> Access:
        """A user who sees only the first queue."""
        return Access("tom", role="operate", queues=(self.mine.name,))

    def ask(self, access: Access | None = None, body: dict[str, Any] | None = None, **query: Any) -> Ask:
        path = {"queue": self.mine.name, "id": str(query.get("id", "par"))}
        return Ask(access or self.team, path, {name: str(value) for name, value in query.items()}, body or {})

    async def kids(self) -> int:
        """How many of the children in the other queue are there."""
        return await self.redis.exists(*(f"bull:{self.theirs.name}:{name}" for name in ("kid", "deep")))


@pytest.fixture
async def finance(queue: Queue, redis: Redis, redis_server: RedisServer, flows: FlowProducer) -> AsyncIterator[Finance]:
    async with Queue(f"{queue.name}-finance", connection=redis_server.url) as theirs:
        inner = Flow(queue.name, "inner", job_id="inner", children=[Flow(theirs.name, "deep", {}, job_id="deep")])
        await flows.add(
            Flow(queue.name, "par", job_id="par", children=[Flow(theirs.name, "topsecret", {}, job_id="kid"), inner])
        )
        yield Finance(queue, theirs, redis)
        for one in (queue, theirs):
            await one.pause()
            await one.obliterate(force=True)


async def test_jobs_are_not_removed_with_children_that_the_user_does_not_see(
    finance: Finance, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SOON_S", 20)
    with pytest.raises(Refusal, match="queues that you don't see"):
        await acting.remove(board, finance.ask(body={"id": "par"}))
    with pytest.raises(Refusal, match="queues that you don't see"):
        await job_actions.clean(board, finance.ask())
    with pytest.raises(Refusal, match="queues that you don't see"):
        await job_actions.remove_unprocessed_children(board, finance.ask())
    task = await bulk.start(board, finance.ask(body={"action": "remove", "ids": ["par", "inner"]}))
    assert (task["done"], task["failed"]) == (0, 2) and "queues that you don't see" in (task["problem"] or "")
    assert await finance.kids() == 2
    await acting.remove(board, finance.ask(body={"id": "par", "children": False}))
    assert await finance.kids() == 2
    both = Access("tom", role="operate", queues=(finance.mine.name, finance.theirs.name))
    await acting.remove(board, finance.ask(both, {"id": "inner"}))
    assert await finance.kids() == 1


async def test_a_dashboard_of_some_queues_leaves_the_jobs_of_others_alone(
    finance: Finance, connection: Connection
) -> None:
    board = Board(connection, queues=[finance.mine.name])
    admin = Access("ada", role="admin")
    with pytest.raises(Refusal, match="queues that you don't see"):
        await acting.remove(board, finance.ask(admin, {"id": "par"}))
    for shown in (
        await jobs.flow(board, finance.ask(admin, id="par")),
        await bull_jobs.flow(board, finance.ask(admin, id="par")),
    ):
        assert "inner" in json.dumps(shown)
        assert finance.theirs.name not in json.dumps(shown) and "topsecret" not in json.dumps(shown)
    theirs = Board(connection, queues=[finance.theirs.name])
    ask = Ask(admin, {"queue": finance.theirs.name}, {"id": "deep", "whole": "1"})
    flow = await jobs.flow(theirs, ask)
    assert flow["root"]["id"] == "deep"
    assert (await jobs.detail(theirs, ask))["parent"] is None


async def test_a_tree_that_is_too_large_to_look_at_is_not_removed_by_who_sees_not_all(
    finance: Finance, board: Board, flows: FlowProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves = [Flow(finance.mine.name, "leaf") for _ in range(5)]
    await flows.add(Flow(finance.mine.name, "large", job_id="large", children=leaves))
    monkeypatch.setattr(family, "MOST_BELOW", 4)
    with pytest.raises(Refusal, match="more than 4 jobs"):
        await acting.remove(board, finance.ask(body={"id": "large"}))
    monkeypatch.setattr(family, "MOST_BELOW", 6)
    await acting.remove(board, finance.ask(body={"id": "large"}))


async def test_where_a_parent_is_that_is_not_seen_stands_in_no_option(finance: Finance, board: Board) -> None:
    theirs = Access("eve", role="admin", queues=(finance.theirs.name,))
    ask = Ask(theirs, {"queue": finance.theirs.name, "id": "kid"}, {"id": "kid"}, {"id": "kid"})
    shown = [
        await jobs.detail(board, ask),
        await revealing.reveal(board, ask),
        (await bull_jobs.detail(board, ask))["job"]["opts"],
        [one async for one in cast(Any, (await exporting.export(board, ask)).body)],
    ]
    assert finance.mine.name not in json.dumps(shown).replace(finance.theirs.name, "")
    everything = Ask(Access("ada", role="admin"), ask.path, ask.query, ask.body)
    for one in (await jobs.detail(board, everything), await revealing.reveal(board, everything)):
        assert one["options"]["parent"] == {"id": "par", "queue": f"bull:{finance.mine.name}"}


async def test_reasons_of_failures_in_queues_that_are_not_seen_are_not_told(finance: Finance, board: Board) -> None:
    reasons: dict[Any, Any] = {
        f"bull:{finance.theirs.name}:kid": "salary of ada is 90000",
        f"bull:{finance.mine.name}:own": "late",
    }
    await finance.redis.hset(f"bull:{finance.mine.name}:par:failed", mapping=reasons)
    flow = await bull_jobs.flow(board, finance.ask(id="par"))
    root = flow["flowRoot"]
    assert root is not None and root.get("ignoredChildFailureReasons") == {f"bull:{finance.mine.name}:own": "late"}
    await finance.redis.delete(f"bull:{finance.mine.name}:par:failed")


async def test_a_flow_is_shown_without_what_is_large_of_its_jobs(
    queue: Queue, redis: Redis, board: Board, flows: FlowProducer
) -> None:
    size = 50_000
    leaves = [Flow(queue.name, f"leaf {n}", {"text": "x" * size}) for n in range(60)]
    middle = [Flow(queue.name, "branch", {"text": "x" * size}, children=leaves[n::4]) for n in range(4)]
    root = await flows.add(Flow(queue.name, "root", children=middle))
    before = (await redis.info("stats"))["total_net_output_bytes"]
    ask = Ask(Access("ada"), {"queue": queue.name, "id": root.job.id}, {"id": root.job.id, "children": "100"})
    flow = await jobs.flow(board, ask)
    assert len(flow["root"]["children"]) == 4 and len(flow["root"]["children"][0]["children"]) == 15
    await bull_jobs.flow(board, ask)
    assert (await redis.info("stats"))["total_net_output_bytes"] - before < 10 * size
