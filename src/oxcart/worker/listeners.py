"""Worker events: who listens, and that no listener can do harm."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, get_args

from ..errors import OptionsError
from .inside import LISTENER, inside

log = logging.getLogger("oxcart.worker")

WorkerEvent = Literal[
    "ready",
    "active",
    "progress",
    "completed",
    "failed",
    "stalled",
    "lock_lost",
    "drained",
    "error",
    "paused",
    "resumed",
    "closed",
]


def check_event(event: str) -> None:
    """Refuse an event that never comes."""
    if event not in get_args(WorkerEvent):
        raise OptionsError(f"unknown worker event {event!r}: one of {', '.join(get_args(WorkerEvent))}")


class Listeners:
    """The callbacks of a worker's events. One that raises, whatever it raises, is logged and does no more."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[..., Any]]] = {}
        self._running: set[asyncio.Future[Any]] = set()

    def add(self, event: str, callback: Callable[..., Any]) -> None:
        """Call this, plain or async, at every such event."""
        self._callbacks.setdefault(event, []).append(callback)

    def has(self, event: str) -> bool:
        return event in self._callbacks

    def emit(self, event: WorkerEvent, *args: Any) -> None:
        """Tell all who listen; async ones run on beside."""
        for callback in self._callbacks.get(event, ()):
            try:
                result = callback(*args)
            except BaseException:
                log.exception("a listener for %r raised", event)
                continue
            if asyncio.iscoroutine(result):
                task = asyncio.ensure_future(_guarded(event, result))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def finish(self, timeout_s: float) -> None:
        """Wait for the async ones that still run, but not for ever."""
        if self._running:
            _, late = await asyncio.wait(set(self._running), timeout=timeout_s)
            for task in late:
                task.cancel()


async def _guarded(event: str, callback: Any) -> None:
    inside.set(LISTENER)
    # Caught here: once a SystemExit leaves a task, asyncio stops the loop.
    try:
        await callback
    except BaseException:
        log.exception("a listener for %r raised", event)
