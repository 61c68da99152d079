"""The same fixtures for the blocking shell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from oxcart.sync import FlowProducer, Queue
from tests.clocks import Clock
from tests.conftest import RedisServer
from tests.invariants import broken_invariants


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    client = Redis.from_url(redis_server.url, decode_responses=True, encoding_errors="surrogateescape", protocol=2)  # pyright: ignore[reportUnknownMemberType]
    yield client
    client.close()


@pytest.fixture
def queue(redis_server: RedisServer, queue_name: str, allowed_breaks: set[str]) -> Iterator[Queue]:
    """A queue of its own for the test; afterwards its keys must make sense."""
    with Queue(queue_name, connection=redis_server.url) as queue:
        yield queue
    broken = asyncio.run(_broken(redis_server.url, queue_name, allowed_breaks))
    assert not broken, "\n".join(broken)


@pytest.fixture
def timed(queue: Queue, redis_server: RedisServer, clock: Clock) -> Iterator[Queue]:
    """The test's queue once more, for which it is always the time of the clock."""
    with Queue(queue.name, connection=redis_server.url, clock=clock) as timed:
        yield timed


@pytest.fixture
def flows(redis_server: RedisServer) -> Iterator[FlowProducer]:
    with FlowProducer(connection=redis_server.url) as flows:
        yield flows


async def _broken(url: str, queue: str, allowed: set[str]) -> list[str]:
    client = AsyncRedis.from_url(url, decode_responses=True, encoding_errors="surrogateescape", protocol=2)  # pyright: ignore[reportUnknownMemberType]
    async with client:
        return await broken_invariants(client, "bull", queue, allow=allowed)
