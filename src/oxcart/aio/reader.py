"""Reader: reads the events of all queues of a connection, over one more connection to Redis."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, OptionsError, OxcartError, is_forbidden
from ..protocol.backlog import GLANCE_MS, Backlog, Batch, block_ms, cursors, rest_s
from ..protocol.calls.watch import NEWEST, Entry, last_id, order, read_streams
from ..protocol.keys import Keys
from .transport import Transport

log = logging.getLogger("oxcart.events")

Value = TypeVar("Value")


class Subscription(Backlog):
    """The events of one queue, for who waits for them."""

    def __init__(self, key: str, position: str, about: str | None, pause_s: float = 0.0) -> None:
        super().__init__(key, position, about, pause_s)
        self._changed = asyncio.Event()

    async def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next event; None when it is closed. `TimeoutError` if none comes in time."""
        while not self.has_news:
            self._changed.clear()
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        return self.pop()

    def feed(self, batch: Batch) -> None:
        """Take in what is new to it."""
        if self.take_in(batch):
            self._changed.set()

    def fail(self, error: OxcartError) -> None:
        """Its stream can't be read: who waits is told, after what was read before."""
        self.error = error
        self._changed.set()

    def close(self) -> None:
        """Hand out nothing any more."""
        self.closed = True
        self._changed.set()


class Reader:
    """Waits for the events of every queue that somebody listens to, with one blocking read for all of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._own: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._reading: dict[str, str] = {}
        """The streams that are read at this moment, and from where."""
        self._interrupted = False

    async def subscribe(
        self, keys: Keys, since: str = NEWEST, about: str | None = None, pause_s: float = 0.0
    ) -> Subscription:
        """Listen to a queue, or only for one job, from a position on. When this returns, nothing after it is missed."""
        position = since
        if since == NEWEST:
            command = last_id(keys)
            position = command.read(await self._transport.execute(*command.command()))
        # From here on nothing is awaited: whoever is cancelled leaves nothing behind.
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._start_over(loop)
        subscription = Subscription(keys.one("events"), position, about, pause_s)
        self._subscriptions.add(subscription)
        if self._task is None or self._task.done():
            source = self._transport
            self._own = Transport(source.url, timeout=source.timeout, client_name=keys.reader_name)
            self._task = loop.create_task(self._read(self._own))
        else:
            self._include(subscription)
        return subscription

    def knows(self, subscription: Subscription) -> bool:
        """Whether it is still read for; not after a change of the event loop."""
        return subscription in self._subscriptions and self._loop is asyncio.get_running_loop()

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
        self._loop, self._task, self._reading = loop, None, {}
        self._subscriptions.clear()

    async def _stop(self) -> None:
        task, self._task = self._task, None
        own, self._own = self._own, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        if own is not None:
            await own.close()

    def _include(self, subscription: Subscription) -> None:
        """See to it that the read under way, if any, is for this one too: by a new one, since reading takes nothing."""
        read_from = self._reading.get(subscription.key)
        covered = read_from is not None and order(read_from) <= order(subscription.cursor)
        if self._reading and not covered and self._own is not None:
            self._interrupted = True
            self._own.drop("somebody else listens too")

    async def _read(self, own: Transport) -> None:
        pauses = growing_pauses()
        troubled = False
        while True:
            try:
                await self._read_once(own)
                pauses = growing_pauses()
                troubled = False
            except ConnectionFailed as error:
                if is_forbidden(error):
                    await self._find_guilty(own)
                    continue
                if self._interrupted:
                    self._interrupted = False
                    continue
                if not troubled:
                    log.warning("events can't be read for now: %s", error)
                troubled = True
                await asyncio.sleep(next(pauses))
            except OxcartError:
                await self._find_guilty(own)
            except Exception:  # a bug: those who listen shall not pay
                log.exception("a read of events broke")
                await asyncio.sleep(next(pauses))

    async def _read_once(self, own: Transport) -> None:
        link = await own.link()
        wanted = cursors(self._subscriptions)
        if not wanted:
            await asyncio.sleep(GLANCE_MS / 1000)  # all have enough for now
            return
        wait_ms = block_ms(self._subscriptions)
        command = read_streams(wanted, wait_ms)
        self._reading = wanted
        try:
            reply = await own.execute_on(link, *command.command(), timeout=wait_ms / 1000 + 2)
        finally:
            self._reading = {}
        found = command.read(reply)
        self._hand_out(found)
        if found:
            await self._rest()

    async def _rest(self) -> None:
        """Let more events come together, until somebody is in a hurry."""
        rested_s = 0.0
        while rested_s < rest_s(self._subscriptions):
            await asyncio.sleep(GLANCE_MS / 1000)
            rested_s += GLANCE_MS / 1000

    def _hand_out(self, found: dict[str, list[Entry]]) -> None:
        batches = {key: Batch(entries) for key, entries in found.items() if entries}
        for subscription in self._subscriptions:
            if subscription.hungry and subscription.key in batches:
                subscription.feed(batches[subscription.key])

    async def _find_guilty(self, own: Transport) -> None:
        """A stream that can't be read spoils the read of all: who listens to it is told, and the others go on."""
        found = False
        for key, cursor in cursors(self._subscriptions).items():
            command = read_streams({key: cursor}, None)
            try:
                self._hand_out(command.read(await own.execute(*command.command())))
            except OxcartError as error:
                if isinstance(error, ConnectionFailed) and not is_forbidden(error):
                    return
                found = True
                for subscription in self._subscriptions:
                    if subscription.key == key:
                        subscription.fail(error)
        if not found:
            await asyncio.sleep(GLANCE_MS / 1000)  # each can be read, and all at once can't: they are read so


class Background:
    """Something that goes on beside, until it is stopped."""

    def __init__(self, run: Callable[[Background], Awaitable[None]]) -> None:
        self._task = asyncio.ensure_future(run(self))

    def on_stop(self, end: Callable[[], None]) -> None:
        """What ends it; a task is cancelled as well."""

    async def stop(self) -> None:
        if self._task.get_loop() is not asyncio.get_running_loop():
            return  # gone with its loop
        self._task.cancel()
        await asyncio.wait([self._task])  # so that its cancellation is not taken for one of ours


def check_callback(kind: str, callback: object) -> None:
    """Raise an `OptionsError` for what can't be called with an event."""
    if not callable(callback):
        raise OptionsError(f"on({kind!r}, {callback!r}): a function that takes an event")


async def tell(callback: Callable[[Any], Any], value: Any) -> None:
    """Call a callback, plain or async. Whatever it raises is logged and ends nothing, a cancellation of its own too."""
    task = asyncio.current_task()
    try:
        await finished(callback(value))
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # it is we who are stopped
        log.exception("the callback %r raised for %r", callback, value)


async def finished(value: Any) -> Any:
    """What a function answers, also one that has to be awaited."""
    return await value if inspect.isawaitable(value) else value


async def within(timeout_s: float | None, value: Awaitable[Value]) -> Value:
    """The value; `TimeoutError` if it isn't there in time."""
    async with asyncio.timeout(timeout_s):
        return await value
