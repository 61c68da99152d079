"""Fixtures with Node: both versions of BullMQ that share queues with us."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import RedisServer, in_ci
from tests.interop.peer import Peer, missing


@pytest.fixture(params=[6, 5], ids=["node6", "node5"])
async def node(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Peer]:
    """A Node process with BullMQ 6.7 or 5.81. Without Node the test is skipped; in CI that is a failure."""
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"BullMQ for Node: {lack}")
    async with Peer.start(request.param, redis_server.socket) as peer:
        yield peer
