"""The two sides."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from oxcart import Connection
from tests.conftest import RedisServer
from tests.interop.peer import Peer

from .machine import Machine
from .sides import START_MS, Node, Ours


@pytest.fixture
async def machine(node6: Peer, redis: Redis, redis_server: RedisServer, queue_name: str) -> AsyncIterator[Machine]:
    """Queues `q` and `p` on both sides."""
    async with Connection(redis_server.url) as connection:
        machine = Machine(Node(queue_name, node6, redis), Ours(queue_name, node6, redis, connection), ("q", "p"))
        await machine.start()
        yield machine
        await machine.start()  # so that the server stays as small as it is


@pytest.fixture
async def timed(machine: Machine) -> Machine:
    """The same, with a clock that is set: what each side leaves is compared with all its times."""
    await machine.start(START_MS)
    return machine
