"""Kept: answers that are good for some seconds, made once however many ask for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ..board import Board

Value = TypeVar("Value")

KEEP_S = 60.0
"""How long an answer may be of use, unless it is said."""

SWEEP_S = 5.0
"""How often answers are dropped that are of no use any more: they may be large, and are asked for by time."""


class Kept:
    """Answers by what was asked. Who asks while one is being made waits for that one."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[float, float, Any]] = {}
        """When each was asked for, until when it is of use, and the answer."""
        self._swept_at = time.monotonic()
        self._under_way: dict[Hashable, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, key: Hashable, seconds: float, make: Callable[[], Awaitable[Value]]) -> Value:
        """The answer, not older than this. An error is not kept."""
        return await self.since(key, time.monotonic() - seconds, make, seconds)

    async def since(
        self, key: Hashable, moment: float, make: Callable[[], Awaitable[Value]], keep_s: float = KEEP_S
    ) -> Value:
        """The answer, if it was asked for at this moment of the monotonic clock or later."""
        made = self._made.get(key)
        if made is not None and made[0] >= moment:
            return made[2]
        begun, task = self._under_way.get(key, (0.0, None))
        if task is None or begun < moment or task.done() or task.get_loop() is not asyncio.get_running_loop():
            begun = time.monotonic()
            task = asyncio.ensure_future(self._make(key, begun, keep_s, make))
            task.add_done_callback(_retrieve)
            self._under_way[key] = begun, task
        # Who leaves (a tab that was closed) must not take the answer away from the others.
        return await asyncio.shield(task)

    async def _make(self, key: Hashable, begun: float, keep_s: float, make: Callable[[], Awaitable[Value]]) -> Value:
        try:
            value = await make()
            if self._made.get(key, (0.0,))[0] <= begun:
                self._made[key] = (begun, begun + keep_s, value)
            self._sweep()
            return value
        finally:
            if self._under_way.get(key, (0.0,))[0] == begun:
                del self._under_way[key]

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        self._made = {key: made for key, made in self._made.items() if made[1] > now}


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look at a task's error, so that nobody complains if all who waited are gone."""
    if not task.cancelled():
        task.exception()


_KEPT: WeakKeyDictionary[Board, Kept] = WeakKeyDictionary()


def kept(board: Board) -> Kept:
    """The answers that are kept for a board."""
    return _KEPT.setdefault(board, Kept())
