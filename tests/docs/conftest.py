"""Fixtures for the documentation's snippets: an empty database of the test server, and a folder to be in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.conftest import RedisServer
from tests.docs.snippets import Program

DATABASE = 9


NewProgram = Callable[[], Awaitable[Program]]


@pytest.fixture
async def new_program(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[NewProgram]:
    """Make a program whose default connection is an empty database of the test server; one after the other."""
    url = f"{redis_server.url}?db={DATABASE}"
    monkeypatch.setenv("OXCART_REDIS_URL", url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    async def make() -> Program:
        # Pages give their queues plain names, so they have a database of their own, empty at the start of each.
        client = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
        await client.flushdb()
        await client.aclose()
        forget(tmp_path)
        return Program(tmp_path)

    yield make
    forget(tmp_path)


def forget(folder: Path) -> None:
    """Let the modules of a folder be imported anew."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
async def program(new_program: NewProgram) -> Program:
    return await new_program()
