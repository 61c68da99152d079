"""Facts: what rules have to know of queues."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ... import JobState, Queue
from ...tally import MINUTE_MS
from ..board import Board
from ..handlers import queues
from ..reading import direct
from ..reading.connected import worker_count
from ..reading.recorded import counted_since, with_recorder
from .rules import Alert


class Facts:
    """Each fact is asked for once in a round, whatever the number of rules."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._known: dict[tuple[str, ...], asyncio.Future[Any]] = {}

    async def holds(self, rule: Alert, queue: Queue) -> int | None:
        """The number by which a rule holds for a queue; None if it doesn't."""
        if rule.kind == "paused" and rule.over == 0:
            counts, paused = await self._state(queue)  # also if nothing waits
            return counts[JobState.WAITING] + counts[JobState.PRIORITIZED] if paused else None
        value = await self._value(rule, queue)
        return value if value is not None and value > rule.over else None

    async def _value(self, rule: Alert, queue: Queue) -> int | None:
        """The number that a rule is about; None if it doesn't hold whatever the number is."""
        if rule.kind == "failures":
            return await self._once(
                ("failures", queue.name, str(rule.within)), lambda: self._failed(queue, rule.within)
            )
        counts, paused = await self._state(queue)
        waiting = counts[JobState.WAITING] + counts[JobState.PRIORITIZED]
        if rule.kind == "waiting":
            return waiting
        if rule.kind == "paused":
            return waiting if paused else None
        if rule.kind == "oldest_waiting":
            since = None if paused else await queues.oldest_waiting(self._board, queue)
            return None if since is None else max(self._board.clock() - since, 0) // 1000
        # Redis may not let us list its clients: then nothing is known of workers.
        if await worker_count(self._board, queue) != 0 or (rule.kind == "no_workers" and paused):
            return None
        return waiting if rule.kind == "no_workers" else counts[JobState.ACTIVE]

    async def _state(self, queue: Queue) -> tuple[dict[str, int], bool]:
        async def ask() -> tuple[dict[str, int], bool]:
            return await asyncio.gather(queue.counts(), queue.is_paused())

        return await self._once(("state", queue.name), ask)

    async def _failed(self, queue: Queue, within_s: int) -> int:
        """How many jobs failed for good in the last so many seconds.

        Those that are kept tell it exactly, for workers of BullMQ too. Of those that are not kept, workers that count
        by minute tell, or those with a recorder. None of the three tells of more than there were, so the most holds.
        """
        board, now = self._board, self._board.clock()
        since = now - 1000 * within_s
        kept = await direct.finished_between(board, queue, "failed", f"({since}", "+inf")
        minutes = within_s // 60
        counted = sum((await queues.minutes_of(board, queue, minutes))["failed"]) if minutes else 0
        recorded = 0
        if within_s <= 3600 and await with_recorder(board, [queue]):
            first = -(-since // MINUTE_MS) * MINUTE_MS
            recorded = (await counted_since(board, queue, first, now + 1)).failed
        return max(kept, counted, recorded)

    async def _once(self, key: tuple[str, ...], make: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(make())
        return await self._known[key]
