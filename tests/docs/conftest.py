"""Fixtures for the documentation's snippets: an empty database of the test server, and a folder to be in."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.conftest import RedisServer
from tests.docs.snippets import Program

DATABASE = 9


@pytest.fixture
async def program(redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Program]:
    """A program whose default connection is an empty database of the test server."""
    url = f"{redis_server.url}?db={DATABASE}"
    # Pages give their queues plain names, so they have a database of their own, empty at the start of each.
    client = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
    await client.flushdb()
    await client.aclose()
    monkeypatch.setenv("OXCART_REDIS_URL", url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield Program(tmp_path)
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
