"""Random sequences of operations, shrunk to the shortest that differs.

`OXCART_DIFFERENTIAL_MINUTES=20` goes on for so long with ever new sequences; else they are the same each time.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from redis.asyncio import Redis

from oxcart import Connection
from tests.conftest import RedisServer
from tests.interop.peer import Peer

from .machine import Machine
from .sequences import BEGINNINGS, KINDS, resolved, sequences_of
from .sides import Node, Ours, Step

pytestmark = pytest.mark.interop

MINUTES = float(os.environ.get("OXCART_DIFFERENTIAL_MINUTES", "0"))
EXAMPLES = 16
LEAST_STEPS = 350
"""For each kind of sequence."""
Steps = list[Step]


class Sequences:
    """Runs sequences on queues that are emptied in between, in an event loop of their own, and counts their steps."""

    def __init__(self, base: str, peer: Peer, server: RedisServer, now: int | None = None) -> None:
        self._base = base
        self._peer = peer
        self._server = server
        self._now = now
        self._runner = asyncio.Runner()
        self.done = 0
        self.skipped = 0

    def __enter__(self) -> Sequences:
        self._machine, self._redis, self._connection = self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._close())
        self._runner.close()

    def run(self, steps: Steps) -> None:
        """Raises `Differs` with what was done, if the sides differ after one of the steps."""
        self._runner.run(self._run(steps))

    async def _open(self) -> tuple[Machine, Redis, Connection]:
        redis: Redis = Redis.from_url(self._server.url, decode_responses=True, protocol=2)
        connection = Connection(self._server.url)
        machine = Machine(
            Node(self._base, self._peer, redis), Ours(self._base, self._peer, redis, connection), ("q", "p")
        )
        return machine, redis, connection

    async def _close(self) -> None:
        await self._machine.start()
        await self._redis.aclose()
        await self._connection.close()

    async def _run(self, steps: Steps) -> None:
        await self._machine.start(self._now)
        for one in steps:
            step = resolved(one, self._machine.found[one.queue])
            if self._machine.avoids(step):
                self.skipped += 1
            else:
                await self._machine.run(step)
                self.done += 1


def search(kind: str, run: Callable[[Steps], None], examples: int, number: int | None = None) -> None:
    """Run sequences of a kind: the same ones each time, or with a number those that it stands for."""

    @settings(
        max_examples=examples,
        derandomize=number is None,
        database=None,
        deadline=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )
    @given(sequences_of(kind))
    def check(steps: Steps) -> None:
        run(steps)

    if number is not None:
        check = seed(number)(check)
    check()


@pytest.mark.parametrize("kind", KINDS)
def test_random_sequences_leave_the_same_on_both_sides(
    node6: Peer, redis_server: RedisServer, queue_name: str, kind: str
) -> None:
    with Sequences(queue_name, node6, redis_server, BEGINNINGS.get(kind)) as sequences:
        search(kind, sequences.run, EXAMPLES)
        until = time.monotonic() + MINUTES * 60 / len(KINDS)
        while time.monotonic() < until:
            number = random.randrange(2**32)
            print(f"{kind}: {sequences.done} steps, next seed {number}", flush=True)
            search(kind, sequences.run, EXAMPLES, number)
    print(f"{kind}: {sequences.done} steps, {sequences.skipped} not comparable")
    assert sequences.done >= LEAST_STEPS
