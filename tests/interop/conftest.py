"""Fixtures with Node: both versions of BullMQ that share queues with us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from oxcart import Queue
from tests.conftest import RedisServer, in_ci
from tests.interop.peer import Peer, missing


class Peers:
    """The Node processes with BullMQ, one for each major version, started when first asked for, or after a kill."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._started: dict[int, Peer] = {}

    def __getitem__(self, version: int) -> Peer:
        if version in self._started and not self._started[version].alive:
            self._started.pop(version).close()
        if version not in self._started:
            self._started[version] = Peer.start(version, self._socket)
        return self._started[version]

    async def reset(self) -> None:
        for peer in self._started.values():
            if peer.alive:
                await peer.reset()

    def close(self) -> None:
        for peer in self._started.values():
            peer.close()


@pytest.fixture(scope="session")
def all_peers(redis_server: RedisServer) -> Iterator[Peers]:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"BullMQ for Node: {lack}")
    peers = Peers(redis_server.socket)
    yield peers
    peers.close()


@pytest.fixture
async def peers(all_peers: Peers) -> AsyncIterator[Peers]:
    """The Node processes; what a test made there is closed after it. Skips without Node; in CI that is a failure."""
    yield all_peers
    await all_peers.reset()


@pytest.fixture
async def queue(queue: Queue, peers: Peers, allowed_breaks: set[str]) -> AsyncIterator[Queue]:
    """The queue of the test. Node's workers are gone when its keys are checked, and maybe the marker with them."""
    yield queue
    await peers.reset()
    allowed_breaks.update({"I20", "I21"})


@pytest.fixture(params=[6, 5], ids=["node6", "node5"])
def node(request: pytest.FixtureRequest, peers: Peers) -> Peer:
    """Node with BullMQ 6.7 and, once more, with 5.81."""
    return peers[request.param]


@pytest.fixture
def node6(peers: Peers) -> Peer:
    """Node with BullMQ 6.7, where 5.81 does otherwise."""
    return peers[6]


@pytest.fixture
def node5(peers: Peers) -> Peer:
    """Node with BullMQ 5.81, where 6.7 does otherwise."""
    return peers[5]
