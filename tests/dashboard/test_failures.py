"""Failures: the failed jobs of all queues, those of the same kind together."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard import shapes
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import failures
from tests.conftest import RedisServer
from tests.dashboard.seed import PYTHON_KEY_ERROR, Crew, asked, seeded


async def test_failures_are_grouped_over_all_queues(connection: Connection, redis_server: RedisServer) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await failures.groups(board, asked())
    counts = [group["count"] for group in found["groups"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == found["looked_at"] == found["total"]
    by_kind = {(group["kind"], group["message"]): group for group in found["groups"]}
    timeouts = by_kind["ConnectionError", "connect ETIMEDOUT <ip>:587"]
    assert timeouts["queues"] == ["email"]
    assert timeouts["ids"][0] == "three-attempts"
    assert len(timeouts["ids"]) == 5
    assert timeouts["example"].startswith("connect ETIMEDOUT 10.")
    assert sum(timeouts["per_hour"]) == timeouts["count"]
    assert timeouts["first"] is not None and timeouts["last"] is not None and timeouts["first"] < timeouts["last"]
    assert by_kind["Error", "550 5.1.1 mailbox <email> unavailable"]["count"] > 1
    assert ("TypeError", "Cannot read properties of undefined (reading 'address')") in by_kind
    assert ("KeyError", "'tenant_id'") in by_kind
    assert "hunter2" not in json.dumps(found)


async def test_one_queue_can_be_asked_for(connection: Connection, redis_server: RedisServer) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await failures.groups(board, asked(queue="reports"))
    assert {name for group in found["groups"] for name in group["queues"]} == {"reports"}
    limited = await failures.groups(board, asked(None, Access("bob", queues=("reports",))))
    assert limited["groups"] == found["groups"]
    with pytest.raises(Refusal):
        await failures.groups(board, asked(None, Access("bob", queues=("reports",)), queue="email"))


async def test_only_the_newest_are_looked_at(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MOST", 100)
    monkeypatch.setattr(failures, "CHUNK", 30)
    count, crew = 130, Crew(connection, queue, "w")
    await queue.add_bulk([JobSpec("push", {"n": n}) for n in range(count)])
    now = time.time_ns() // 1_000_000
    taken: list[str] = []
    while len(taken) < count:
        taken += await crew.take(50, now)
    for number, job_id in enumerate(taken):
        await crew.fail(job_id, "'tenant_id'", [PYTHON_KEY_ERROR], now - count + number)
    found = await failures.groups(Board(connection, queues=[queue.name]), asked())
    [group] = found["groups"]
    assert (found["looked_at"], found["total"], group["count"]) == (100, count, 100)
    assert group["last"] == now - 1
    assert group["ids"] == taken[:-6:-1]
    more = await failures.groups(Board(connection, queues=[queue.name]), asked(count=1000))
    assert (more["looked_at"], more["groups"][0]["count"]) == (count, count)


async def test_whatever_number_is_asked_for_it_is_looked_for_once(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.add("x")
    board, look = Board(connection, queues=[queue.name]), failures._look  # pyright: ignore[reportPrivateUsage]
    looks: list[int] = []
    at_once = 0

    async def counted(board: Board, names: list[str], most: int) -> shapes.Failures:
        nonlocal at_once
        looks.append(most)
        at_once += 1
        assert at_once == 1
        await asyncio.sleep(0.01)
        found = await look(board, names, most)
        at_once -= 1
        return found

    monkeypatch.setattr(failures, "_look", counted)
    counts = (1, 50, 2000, 2001, 19_900, 19_899, 20_000)
    await asyncio.gather(*(failures.groups(board, asked(count=count)) for count in counts))
    assert sorted(looks) == [2000, 20_000]
    # Those of other queues or users wait for their turn; not too many of them.
    several = Board(connection, queues=[f"q{number}" for number in range(10)])
    asks = [failures.groups(several, asked(queue=f"q{number}")) for number in range(10)]
    told = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(one, Refusal) for one in told) == 10 - failures.MOST_WAITING
    assert "now" in await failures.groups(several, asked(queue="q9"))
