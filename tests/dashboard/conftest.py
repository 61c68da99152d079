"""Fixtures of the dashboard's tests: a board without HTTP, and a dashboard with a client that speaks HTTP to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from oxcart import Connection
from oxcart.dashboard import Access, Dashboard
from oxcart.dashboard.ask import Ask
from oxcart.dashboard.board import Board
from tests.conftest import RedisServer

WRITES = {"x-oxcart": "1", "origin": "http://localhost", "sec-fetch-site": "same-origin"}
"""What the page sends along with an action."""

Open = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[Connection]:
    async with Connection(redis_server.url) as connection:
        yield connection


@pytest.fixture
async def board(connection: Connection) -> AsyncIterator[Board]:
    """A board that finds its queues by itself."""
    board = Board(connection)
    yield board
    await board.close()


def ask_for(queue: str | None = None, body: dict[str, Any] | None = None, **query: Any) -> Ask:
    """What an admin asks for: `ask_for("email", {"id": "1"})`, `ask_for("email", state="failed")`."""
    path = {} if queue is None else {"queue": queue}
    return Ask(Access("ada", role="admin"), path, {name: str(value) for name, value in query.items()}, body or {})


@pytest.fixture
async def open_dashboard(redis_server: RedisServer) -> AsyncIterator[Open]:
    """Open dashboards, closed after the test: `client = open_dashboard(read_only=True)`."""
    async with AsyncExitStack() as stack:

        def open(client: tuple[str, int] = ("127.0.0.1", 1234), **options: Any) -> httpx.AsyncClient:
            options.setdefault("connection", redis_server.url)
            dashboard = Dashboard(**options)
            stack.push_async_callback(dashboard.close)
            transport = httpx.ASGITransport(dashboard, raise_app_exceptions=True, client=client)
            return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=WRITES)

        yield open


@pytest.fixture
async def api(open_dashboard: Open) -> httpx.AsyncClient:
    """A client of a dashboard without a log-in, on this machine."""
    return open_dashboard()
