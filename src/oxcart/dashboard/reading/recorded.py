"""Recorded: what workers with a recorder counted, as it is kept in Redis, step of time by step of time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ... import Queue
from ...tally import MINUTE_MS, Tally, total
from ..board import Board
from .direct import ask_redis
from .each import of_each

LONGEST_NAME = 200
"""So much of a job's name is shown beside its numbers."""


async def with_recorder(board: Board, queues: Sequence[Queue]) -> list[Queue]:
    """Those of the queues that have a worker with a recorder, or had one."""
    there = await of_each(queues, lambda queue: ask_redis(board, "EXISTS", queue.keys.step_total))
    return [queue for queue, found in there.found if found]


async def tallies(board: Board, key: str, name: str | None = None) -> dict[str, Tally]:
    """What was counted in a step of time, by the names of jobs, or of one name only."""
    if name is not None:
        text = await ask_redis(board, "HGET", key, name)
        return {} if text is None else {name: Tally.from_text(str(text))}
    flat = iter(await ask_redis(board, "HGETALL", key) or ())
    return {str(found): Tally.from_text(str(text)) for found, text in zip(flat, flat, strict=False)}


async def counted_since(board: Board, queue: Queue, since: int, until: int) -> Tally:
    """All of a queue in a span of minutes, if it is short."""
    keys = [queue.keys.step("m", at) for at in range(since - since % MINUTE_MS, until, MINUTE_MS)]
    found = await asyncio.gather(*(tallies(board, key) for key in keys))
    return total(tally for some in found for tally in some.values())
