"""Fixtures with Node: both versions of BullMQ that share queues with us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.conftest import RedisServer, in_ci
from tests.interop.peer import Peer, missing

Peers = Callable[[int], Peer]


@pytest.fixture(scope="session")
def peers(redis_server: RedisServer) -> Iterator[Peers]:
    """The Node process with BullMQ of a major version; started when it is first asked for, or has been killed."""
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"BullMQ for Node: {lack}")
    started: dict[int, Peer] = {}

    def peer(version: int) -> Peer:
        if version in started and not started[version].alive:
            started.pop(version).close()
        if version not in started:
            started[version] = Peer.start(version, redis_server.socket)
        return started[version]

    yield peer
    for one in started.values():
        one.close()


@pytest.fixture(params=[6, 5], ids=["node6", "node5"])
async def node(request: pytest.FixtureRequest, peers: Peers) -> AsyncIterator[Peer]:
    """Node with BullMQ 6.7 and, once more, with 5.81. Without Node the test is skipped; in CI that is a failure."""
    peer = peers(request.param)
    yield peer
    if peer.alive:
        await peer.reset()


@pytest.fixture
async def node6(peers: Peers) -> AsyncIterator[Peer]:
    """Node with BullMQ 6.7, for what 5.81 does otherwise."""
    peer = peers(6)
    yield peer
    if peer.alive:
        await peer.reset()


@pytest.fixture
async def node5(peers: Peers) -> AsyncIterator[Peer]:
    """Node with BullMQ 5.81, for what it does otherwise."""
    peer = peers(5)
    yield peer
    if peer.alive:
        await peer.reset()
