"""The names of the queues: found by a look through all keys, and noted in Redis for the next process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Queue
from oxcart.dashboard import board as boards
from oxcart.dashboard.board import Board
from tests.conftest import RedisServer, wait_until
from tests.dashboard.conftest import ask_for

ALL = ask_for()


@pytest.fixture
async def prefix(connection: Connection) -> AsyncIterator[str]:
    """A prefix with the queues `email` and `reports`."""
    prefix = f"p{secrets.token_hex(4)}"
    for name in ("email", "reports"):
        await Queue(name, connection=connection, prefix=prefix).add("x")
    yield prefix


def key_of(prefix: str) -> str:
    return f"oxcart:{prefix}:queues"


async def names_of(connection: Connection, prefix: str) -> list[str]:
    board = Board(connection, prefix=prefix)
    try:
        return await board.names(ALL)
    finally:
        await board.close()


@pytest.fixture
def endless_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis with so many keys that a look through all of them does not end."""

    async def never(*_: object) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(boards, "find_queues", never)


async def test_the_names_that_one_process_found_are_there_for_the_next_at_once(
    connection: Connection, prefix: str, request: pytest.FixtureRequest
) -> None:
    assert await names_of(connection, prefix) == ["email", "reports"]
    request.getfixturevalue("endless_search")
    assert await asyncio.wait_for(names_of(connection, prefix), 5) == ["email", "reports"]


@pytest.mark.usefixtures("endless_search")
async def test_noted_names_of_queues_that_are_gone_or_can_not_be_are_not_shown(
    connection: Connection, redis: Redis, prefix: str
) -> None:
    await redis.sadd(key_of(prefix), "email", "gone", "", "not:a:name", "wild*", "\udcff".encode("utf-8", "replace"))
    assert await names_of(connection, prefix) == ["email"]


async def test_what_is_noted_is_what_was_found_last(
    connection: Connection, redis: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, find = asyncio.Event(), boards.find_queues

    async def later(*args: Any) -> list[str]:
        await go.wait()
        return await find(*args)

    monkeypatch.setattr(boards, "find_queues", later)
    await redis.sadd(key_of(prefix), "email", "gone")
    board = Board(connection, prefix=prefix)
    assert await board.names(ALL) == ["email"]
    go.set()

    async def is_noted() -> bool:
        return await redis.smembers(key_of(prefix)) == {"email", "reports"}

    await wait_until(is_noted)

    async def is_seen() -> bool:
        return await board.names(ALL) == ["email", "reports"]

    await wait_until(is_seen)
    await board.close()


async def test_nothing_is_written_when_nothing_has_changed(connection: Connection, redis: Redis, prefix: str) -> None:
    await names_of(connection, prefix)
    await redis.config_resetstat()
    await names_of(connection, prefix)
    stats = await redis.info("commandstats")
    assert "cmdstat_smembers" in stats and not {"cmdstat_sadd", "cmdstat_srem"} & set(stats)


async def test_a_dashboard_for_looking_only_notes_nothing(connection: Connection, redis: Redis, prefix: str) -> None:
    board = Board(connection, prefix=prefix, read_only=True)
    assert await board.names(ALL) == ["email", "reports"]
    assert not await redis.exists(key_of(prefix))


async def test_what_can_not_be_noted_is_found_all_the_same(connection: Connection, redis: Redis, prefix: str) -> None:
    await redis.set(key_of(prefix), "no set")
    assert await names_of(connection, prefix) == ["email", "reports"]


async def test_a_user_who_may_not_touch_our_keys_finds_the_queues_all_the_same(
    redis: Redis, redis_server: RedisServer, prefix: str
) -> None:
    await redis.acl_setuser(prefix, enabled=True, nopass=True, categories=["+@all"], keys=[f"{prefix}:*"])
    async with Connection(redis_server.url.replace("unix://", f"unix://{prefix}:x@")) as narrow:
        assert await names_of(narrow, prefix) == ["email", "reports"]
    await redis.acl_deluser(prefix)
    assert not await redis.exists(key_of(prefix))


async def test_an_erased_queue_does_not_come_back_by_a_search_that_was_under_way(
    connection: Connection, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def slow(*_: object) -> list[str]:
        await go.wait()
        return ["email", "reports"]

    monkeypatch.setattr(boards, "find_queues", slow)
    board = Board(connection, prefix=prefix)
    search = asyncio.create_task(board._find())
    await asyncio.sleep(0)
    board.forget("email")
    go.set()
    await search
    assert await board.names(ALL) == ["reports"]
    await board._find()  # one that began later has seen it again
    assert await board.names(ALL) == ["email", "reports"]
    await board.close()


async def test_queues_that_are_gone_are_not_held(connection: Connection, prefix: str) -> None:
    board = Board(connection, prefix=prefix)
    for number in range(100):
        board.open(f"gone-{number}")
    board.open("email")
    await board._find()
    assert set(board._queues) == {"email"}
    await board.close()
