"""Fixtures for the traps: the queue's keys, a second queue for parents, and a clock for schedulers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from oxcart import Queue
from tests.conftest import RedisServer
from tests.hands import Hands
from tests.invariants import broken_invariants
from tests.traps.wire import Wire


@pytest.fixture
def wire(redis: Redis, queue: Queue) -> Wire:
    """The keys of the test's queue."""
    return Wire(redis, queue.name)


@pytest.fixture
async def parents(
    redis_server: RedisServer, redis: Redis, queue_name: str, allowed_breaks: set[str]
) -> AsyncIterator[Queue]:
    """A queue for the parents of the jobs in the test's queue; its keys must make sense as well."""
    async with Queue(f"{queue_name}-parents", connection=redis_server.url) as parents:
        yield parents
    broken = await broken_invariants(redis, "bull", parents.name, allow=allowed_breaks)
    assert not broken, "\n".join(broken)


@pytest.fixture
def above(redis: Redis, parents: Queue) -> Wire:
    """The keys of the parents' queue."""
    return Wire(redis, parents.name)


@pytest.fixture
def parent_hands(parents: Queue, redis_server: RedisServer) -> Iterator[Hands]:
    """A worker of the parents' queue by hand."""
    hands = Hands(redis_server.url, parents.name)
    yield hands
    hands.close()
