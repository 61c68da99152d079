"""The two sides that are compared, and a step that is done on both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from oxcart import Connection, Job, Queue
from oxcart.clock import system_clock
from oxcart.errors import refusal
from oxcart.protocol.calls import work
from oxcart.protocol.calls.work import Settlement
from oxcart.protocol.record import JobRecord
from oxcart.worker.execution import Attempt
from tests.interop.peer import Peer

PREFIX = "bull"
LOCK_MS = 600_000
"""Longer than any sequence of steps."""
WORKER = "w"

START_MS = 1_804_066_200_123
"""When sequences begin whose clock is set: 2027-03-03 09:30 UTC, and 123 ms."""

Arguments = dict[str, Any]


class Clock:
    """What time it is on both sides: the real time, or what it was set to."""

    def __init__(self) -> None:
        self.set_to: int | None = None

    def __call__(self) -> int:
        return system_clock() if self.set_to is None else self.set_to


@dataclass(frozen=True)
class Step:
    """An operation with its arguments. `queue` says on which of the queues, `q` if it is not given."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def queue(self) -> str:
        return self.arguments.get("queue", "q")

    @property
    def rest(self) -> Arguments:
        """The arguments but for the queue."""
        return {name: value for name, value in self.arguments.items() if name != "queue"}

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


class Side:
    """The queues of one side. Both sides have the same Redis; `peer` is Node, which makes flows for both."""

    def __init__(self, name: str, base: str, peer: Peer, redis: Redis) -> None:
        self.base = f"{base}-{name}"
        self.peer = peer
        self.redis = redis
        self.clock = Clock()
        """The machine has one for both."""

    def name(self, queue: str) -> str:
        return f"{self.base}-{queue}"

    def key(self, queue: str, *parts: str) -> str:
        return ":".join((PREFIX, self.name(queue), *parts))


class Node(Side):
    """The side where Node does it."""

    def __init__(self, base: str, peer: Peer, redis: Redis) -> None:
        super().__init__("node", base, peer, redis)

    async def call(self, queue: str, method: str, *arguments: Any) -> Any:
        return await self.peer("call", queue=self.name(queue), method=method, args=list(arguments))

    async def on_job(self, queue: str, job_id: str, method: str, *arguments: Any) -> Any:
        return await self.peer("onJob", queue=self.name(queue), id=job_id, method=method, args=list(arguments))

    async def settle(self, queue: str, job_id: str, method: str, **arguments: Any) -> Any:
        return await self.peer("settle", queue=self.name(queue), id=job_id, method=method, **arguments)


class Ours(Side):
    """The side where Oxcart does it."""

    def __init__(self, base: str, peer: Peer, redis: Redis, connection: Connection) -> None:
        super().__init__("ours", base, peer, redis)
        self.connection = connection
        self.taken: dict[tuple[str, str], JobRecord] = {}
        """What was read of the jobs that were taken by hand."""
        self._queues: dict[str, Queue] = {}

    def queue(self, queue: str) -> Queue:
        if queue not in self._queues:
            self._queues[queue] = Queue(self.name(queue), connection=self.connection, clock=lambda: self.clock())
        return self._queues[queue]

    async def job(self, queue: str, job_id: str) -> Job:
        """A handle of a job, even of one that is gone."""
        found = await self.queue(queue).job(job_id)
        return found or Job(JobRecord(job_id, {}), self.queue(queue).keys, self.connection, clock=self.clock)

    async def settle(self, queue: str, settlement: Settlement) -> None:
        """Settle one job and take none."""
        order = work.Order("none", 0)
        call = work.settle_and_take(
            self.queue(queue).keys, self.clock(), work.Limits(LOCK_MS), order, [(settlement, False)]
        )
        taken = await self.connection.run(call)
        if taken.codes and taken.codes[0]:
            self.taken.pop((queue, settlement.job_id), None)  # as for Node
            raise refusal(taken.codes[0], settlement.job_id, self.name(queue))

    async def attempt(self, queue: str, job_id: str, token: str) -> Attempt:
        """The attempt of a job that was taken; of one that was not, if a test says so."""
        record = self.taken.get((queue, job_id)) or (await self.job(queue, job_id)).record
        return Attempt(Job(record, self.queue(queue).keys, self.connection), token, 0)
