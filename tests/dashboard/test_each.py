"""Many queues: one that can't be read spoils nothing for the others, and very many are asked some at a time."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, ConnectionFailed, Queue, ScriptError, ServerRefused
from oxcart.dashboard import Alert, alerts
from oxcart.dashboard.board import Board
from oxcart.dashboard.bull_board import queue_actions
from oxcart.dashboard.bull_board import queues as bull_board_queues
from oxcart.dashboard.bull_board import schedulers as bull_board_schedulers
from oxcart.dashboard.handlers import failures, prometheus, queues, schedulers, workers
from oxcart.dashboard.handlers.overview import overview
from oxcart.dashboard.reading import each
from oxcart.dashboard.reading.connected import clients, workers_of
from oxcart.errors import FORBIDDEN
from tests.conftest import RedisServer
from tests.dashboard.conftest import ask_for

ALL = ask_for()


@pytest.fixture
async def prefix(redis: Redis, connection: Connection) -> AsyncIterator[str]:
    """A prefix with the healthy queues `email` and `zebra`."""
    prefix = f"e{secrets.token_hex(4)}"
    for name in ("email", "zebra"):
        await Queue(name, connection=connection, prefix=prefix).add("x")
    yield prefix
    async for key in redis.scan_iter(f"*{prefix}:*"):
        await redis.delete(key)


@pytest.fixture
async def board(connection: Connection, prefix: str) -> AsyncIterator[Board]:
    board = Board(connection, prefix=prefix)
    yield board
    await board.close()


@pytest.fixture
async def limited(redis_server: RedisServer, redis: Redis, prefix: str) -> AsyncIterator[Board]:
    """A board whose user in Redis has the rights for one of the queues only."""
    rules = ("on", ">pw", f"~{prefix}:email:*", f"~oxcart:{prefix}:*", "+@all")
    await redis.execute_command("ACL", "SETUSER", prefix, "reset", *rules)  # pyright: ignore[reportUnknownMemberType]
    url = redis_server.url.replace("unix://", f"unix://{prefix}:pw@")
    async with Connection(url) as connection:
        board = Board(connection, prefix=prefix)
        yield board
        await board.close()
    await redis.execute_command("ACL", "DELUSER", prefix)  # pyright: ignore[reportUnknownMemberType]


async def rows(board: Board) -> list[str]:
    return [row["name"] for row in (await overview(board, ALL))["queues"]]


async def told(board: Board) -> list[tuple[str, str | None]]:
    found = (await overview(board, ALL))["attention"]
    return [(item["severity"], item["queue"]) for item in found if item["kind"] == "unreadable"]


async def everything(board: Board) -> None:
    """All that is about every queue; a board that raises for it is of no use to anybody."""
    await prometheus.prometheus(board, ALL)
    await failures.groups(board, ALL)
    await schedulers.listed(board, ALL)
    await workers.workers(board, ALL)
    await bull_board_queues.listed(board, ALL)
    await bull_board_schedulers.listed(board, ALL)


@pytest.mark.parametrize("key", ["meta", "failed", "repeat"])
async def test_a_queue_with_a_damaged_key_is_told_and_the_others_are_shown(
    board: Board, redis: Redis, prefix: str, key: str
) -> None:
    await redis.hset(f"{prefix}:broken:meta", "opts.maxLenEvents", "10")
    await redis.delete(f"{prefix}:broken:{key}")
    await redis.set(f"{prefix}:broken:{key}", "no such type")
    assert "email" in await rows(board) and "zebra" in await rows(board)
    assert await told(board) == [("high", "broken")]
    await everything(board)
    found = await failures.groups(board, ALL)
    assert found["total"] == 0


async def test_queues_that_our_user_may_not_read_are_told_once_and_the_others_are_shown(limited: Board) -> None:
    assert await rows(limited) == ["email"]
    assert await told(limited) == [("low", "zebra")]
    await everything(limited)
    assert (await queue_actions.pause_all(limited, ALL)).text == "1 queues are paused."


async def test_with_no_right_to_anything_the_reason_is_told(limited: Board, redis: Redis, prefix: str) -> None:
    rules = ("on", ">pw", "~nothing", "+@all")
    await redis.execute_command("ACL", "SETUSER", prefix, "reset", *rules)  # pyright: ignore[reportUnknownMemberType]
    with pytest.raises(ServerRefused, match="doesn't let this user"):
        await overview(limited, ALL)


async def test_a_damaged_queue_keeps_no_rule_from_the_others(
    board: Board, redis: Redis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.set(f"{prefix}:broken:meta", "no such type")
    sent: list[dict[str, Any]] = []
    watch = alerts.Watch(board, [Alert("waiting", to=[sent.append])])
    for _ in range(3):
        await watch.look()
    assert [[queue["name"] for queue in message["queues"]] for message in sent] == [["email", "zebra"]]
    assert sum("broken" in record.getMessage() for record in caplog.records) == 1
    await watch.close()


async def test_what_can_not_be_looked_at_has_not_ended(board: Board, redis: Redis, prefix: str) -> None:
    sent: list[str] = []
    watch = alerts.Watch(board, [Alert("waiting", queues="email", to=[lambda message: sent.append(message["event"])])])
    await watch.look()
    await redis.rename(f"{prefix}:email:meta", f"{prefix}:email:kept")
    await redis.set(f"{prefix}:email:meta", "no such type")
    await watch.look()
    await redis.rename(f"{prefix}:email:kept", f"{prefix}:email:meta")
    await watch.look()
    assert sent == ["alert"]
    await watch.close()


async def test_of_very_many_only_some_are_asked_at_once() -> None:
    running = most = 0

    async def ask(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    answers = await each.of_each(range(1000), ask)
    assert most <= each.AT_ONCE and [value for _, value in answers.found] == list(range(1000))


@pytest.mark.parametrize("error", [ConnectionFailed("away"), ServerRefused("LOADING", "loading"), ZeroDivisionError()])
async def test_what_is_about_no_queue_is_raised(error: Exception) -> None:
    async def ask(number: int) -> int:
        if number == 3:
            raise error
        return number

    with pytest.raises(type(error)):
        await each.of_each(range(5), ask)


@pytest.mark.parametrize("error", [ScriptError("WRONGTYPE"), ServerRefused(FORBIDDEN, "no")])
async def test_if_nothing_can_be_read_that_is_raised(error: Exception) -> None:
    async def ask(number: int) -> int:
        raise error

    answers = await each.of_each(range(2), ask)
    with pytest.raises(type(error)):
        answers.at_least_one()
    assert (await each.of_each([], ask)).at_least_one() == []


async def test_of_many_queues_rows_of_a_moment_ago_will_do_but_not_after_an_action(
    board: Board, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxcart.dashboard.handlers.overview.FEW", 1)
    monkeypatch.setattr("oxcart.dashboard.handlers.overview.EACH_S", 30)
    read: list[str] = []
    make = queues._row_of

    async def counted(board: Board, queue: Queue) -> Any:
        read.append(queue.name)
        return await make(board, queue)

    monkeypatch.setattr(queues, "_row_of", counted)
    for _ in range(3):
        await overview(board, ALL)
    assert sorted(read) == ["email", "zebra"]
    board.pulse.touch("email")
    await overview(board, ALL)
    assert sorted(read) == ["email", "email", "zebra"]


async def test_a_queue_with_nothing_in_it_is_not_asked_how_long_its_jobs_took(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> Any:
        raise AssertionError("nothing waits, and nothing has ended")

    monkeypatch.setattr(queues, "latency", never)
    monkeypatch.setattr(queues, "oldest_waiting", never)
    row = await queues.row_of(board, board.open("quiet"))
    assert row["p95"] is None and row["oldest_waiting"] is None


async def test_workers_are_found_by_their_names_whatever_these_are(board: Board) -> None:
    email, zebra = board.open("email"), board.open("zebra")
    start = email.keys.client_name(None)
    names = [start, f"{start}:w:a", f"{start}:w:b:w:c", zebra.keys.client_name("z"), "", f"x{start}"]

    async def some(_: Board) -> Any:
        return [{"name": name, "addr": str(at)} for at, name in enumerate(names)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oxcart.dashboard.reading.direct.clients", some)
        connected = await clients(board)
    assert connected is not None
    found = [(client["addr"], client.get("worker")) for client in workers_of(email, connected)]
    assert found == [("0", None), ("1", "a"), ("2", "b:w:c")]
    assert [client.get("worker") for client in workers_of(zebra, connected)] == ["z"]
