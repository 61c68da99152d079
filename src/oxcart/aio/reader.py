"""Reader: reads the events of all queues of a connection, over one more connection to Redis."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, OxcartError
from ..protocol.calls.watch import NEWEST, Entry, last_id, order, read_streams
from ..protocol.keys import Keys
from .transport import Transport

log = logging.getLogger("oxcart.events")

BLOCK_MS = 10_000
MANY = 1000
"""How many events may wait for who reads slowly; until then it gets no more, and loses none."""


class Subscription:
    """The events of one queue after a position, in order. `position` is the id of the last one handed out."""

    def __init__(self, key: str, position: str, wake: Callable[[], None]) -> None:
        self.key = key
        self.position = position
        self.cursor = position
        """The id of the last event that was read for it."""
        self._wake = wake
        self._entries: deque[Entry] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def hungry(self) -> bool:
        return len(self._entries) < MANY

    async def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next event; None when it is closed. `TimeoutError` if none comes in time."""
        while not self._entries:
            if self._closed:
                return None
            self._changed.clear()
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        entry = self._entries.popleft()
        self.position = entry.id
        if len(self._entries) == MANY // 2:
            self._wake()
        return entry

    def feed(self, entries: list[Entry]) -> None:
        """Take in what is new to it."""
        fresh = [entry for entry in entries if order(entry.id) > order(self.cursor)]
        if fresh:
            self._entries += fresh
            self.cursor = fresh[-1].id
            self._changed.set()

    def close(self) -> None:
        """Hand out nothing any more."""
        self._closed = True
        self._entries.clear()
        self._changed.set()


class Reader:
    """Waits for the events of every queue that somebody listens to, with one blocking read for all of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._own: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._rested = asyncio.Event()
        self._reads = 0
        self._reading = False

    async def subscribe(self, keys: Keys, since: str = NEWEST) -> Subscription:
        """Listen to a queue from a position on. When this returns, nothing after the position is missed."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._start_over(loop)
        position = since
        if since == NEWEST:
            command = last_id(keys)
            position = command.read(await self._transport.execute(*command.command()))
        subscription = Subscription(keys.one("events"), position, self._rested.set)
        self._subscriptions.add(subscription)
        if self._task is None or self._task.done():
            source = self._transport
            self._own = Transport(source.url, timeout=source.timeout, client_name=keys.reader_name)
            self._task = loop.create_task(self._read(self._own))
        else:
            await self._interrupt()
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more; the connection is closed with the last one who does."""
        subscription.close()
        self._subscriptions.discard(subscription)
        if not self._subscriptions:
            await self._stop()

    async def close(self) -> None:
        """End all subscriptions."""
        for subscription in list(self._subscriptions):
            await self.unsubscribe(subscription)

    def _start_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another event loop than before: who listened there is gone with it."""
        self._loop, self._task = loop, None
        self._subscriptions.clear()
        self._rested = asyncio.Event()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        own, self._own = self._own, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if own is not None:
            await own.close()

    async def _read(self, own: Transport) -> None:
        pauses = growing_pauses()
        troubled = False
        while True:
            self._rested.clear()
            cursors = self._cursors()
            if not cursors:
                await self._rested.wait()
                continue
            try:
                await self._read_once(own, cursors)
                pauses = growing_pauses()
                troubled = False
            except OxcartError as error:
                # Away, or a stream that is none: told once, and tried again, since nothing is lost meanwhile.
                if not troubled:
                    log.warning("events can't be read for now: %s", error)
                troubled = True
                await asyncio.sleep(next(pauses))

    async def _read_once(self, own: Transport, cursors: dict[str, str]) -> None:
        command = read_streams(cursors, BLOCK_MS)
        await own.link()
        self._reads += 1
        self._reading = True
        try:
            found = command.read(await own.execute(*command.command(), timeout=BLOCK_MS / 1000 + 2))
        finally:
            self._reading = False
        for key, entries in found.items():
            for subscription in self._subscriptions:
                if subscription.key == key:
                    subscription.feed(entries)

    def _cursors(self) -> dict[str, str]:
        """For each stream, how far all who want more of it have come."""
        cursors: dict[str, str] = {}
        for subscription in self._subscriptions:
            if subscription.hungry:
                known = cursors.get(subscription.key)
                if known is None or order(subscription.cursor) < order(known):
                    cursors[subscription.key] = subscription.cursor
        return cursors

    async def _interrupt(self) -> None:
        """Make the reader look at its list again, also while it waits in Redis."""
        self._rested.set()
        read, own = self._reads, self._own
        while self._reading and self._reads == read and own is not None and (link := own.current) is not None:
            try:
                if await self._transport.execute("CLIENT", "UNBLOCK", link.client_id):
                    return
            except ConnectionFailed:
                return
            except OxcartError:  # not allowed to: a new connection does it as well
                own.drop("interrupted")
                return
            await asyncio.sleep(0.001)  # its read has not arrived yet


class Background:
    """Something that goes on beside, until it is stopped."""

    def __init__(self, run: Callable[[Background], Awaitable[None]]) -> None:
        self._task = asyncio.ensure_future(run(self))

    def on_stop(self, end: Callable[[], None]) -> None:
        """What ends it; a task is cancelled as well."""

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def finished(value: Any) -> Any:
    """What a callback answers, also one that has to be awaited."""
    return await value if inspect.isawaitable(value) else value
