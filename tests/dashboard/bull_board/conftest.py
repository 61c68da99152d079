"""Fixtures: Bull Board and our dashboard over the same queues, each with a client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from oxcart.dashboard import Dashboard, Redactor
from tests.conftest import RedisServer, in_ci
from tests.dashboard.bull_board.real import RealBoard, missing
from tests.dashboard.seed import NAMES, seeded
from tests.interop.conftest import all_peers, node6, peers

__all__ = ["all_peers", "node6", "peers"]


class Both:
    """The same requests to both; paths are below `api`."""

    def __init__(self, theirs: httpx.AsyncClient, ours: httpx.AsyncClient) -> None:
        self.theirs = theirs
        self.ours = ours

    async def get(self, path: str) -> tuple[httpx.Response, httpx.Response]:
        return await self.theirs.get(path), await self.ours.get(path)


def plain_client(dashboard: Dashboard) -> httpx.AsyncClient:
    """A program that knows nothing of our headers."""
    transport = httpx.ASGITransport(dashboard, client=("127.0.0.1", 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost/api")


@pytest.fixture(scope="session")
def real_boards(redis_server: RedisServer) -> Iterator[dict[str, RealBoard]]:
    """The boards that were started, by their prefix: a test that needs one starts it with the first such test."""
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"Bull Board: {lack}")
    boards: dict[str, RealBoard] = {}
    yield boards
    for board in boards.values():
        board.close()


@pytest.fixture
async def both(real_boards: dict[str, RealBoard], redis_server: RedisServer) -> AsyncIterator[Both]:
    """Both over seeded queues. Nothing is masked, since Bull Board masks nothing."""
    prefix = await seeded(redis_server.url)
    if prefix not in real_boards:
        real_boards[prefix] = RealBoard({"path": redis_server.socket}, prefix, list(NAMES))
    dashboard = Dashboard(list(NAMES), connection=redis_server.url, prefix=prefix, redact=Redactor(()))
    theirs = httpx.AsyncClient(base_url=real_boards[prefix].address + "/api", timeout=60)
    async with theirs, plain_client(dashboard) as ours:
        yield Both(theirs, ours)
    await dashboard.close()
