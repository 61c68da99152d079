"""Present: what workers say of themselves, and which of them has a job, by the job's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ... import Queue
from ...protocol.presence import Presence
from ..board import Board
from .direct import ask_redis


async def said(board: Board, queue: Queue, numbers: Sequence[int]) -> dict[int, Presence]:
    """By the numbers of their connections. Workers of Node, and of older versions, say nothing."""
    texts = await asyncio.gather(*(ask_redis(board, "GET", queue.keys.presence(number)) for number in numbers))
    found = ((number, Presence.from_text(text)) for number, text in zip(numbers, texts, strict=True))
    return {number: presence for number, presence in found if presence is not None}


async def owners(board: Board, queue: Queue, ids: Sequence[str], workers: Mapping[int, Presence]) -> list[int | None]:
    """The number of the worker that has the lock of each job; None if no worker says that it is its own."""
    if not workers:
        return [None] * len(ids)
    by_token = {presence.token: number for number, presence in workers.items()}
    locks = await asyncio.gather(*(ask_redis(board, "GET", f"{queue.keys.job(job_id)}:lock") for job_id in ids))
    return [by_token.get(str(lock).rpartition(":")[0]) for lock in locks]
