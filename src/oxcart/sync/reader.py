"""Reader: reads the events of all queues of a connection, in a thread of its own, over one more connection to Redis."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, OptionsError, OxcartError, is_forbidden
from ..protocol.backlog import BLOCK_MS, GLANCE_MS, Backlog, Batch, block_ms, cursors, rest_s
from ..protocol.calls.watch import NEWEST, Entry, last_id, read_streams
from ..protocol.keys import Keys
from .transport import Transport

log = logging.getLogger("oxcart.events")

Value = TypeVar("Value")


class Subscription(Backlog):
    """The events of one queue, for who waits for them."""

    def __init__(self, key: str, position: str, about: str | None, pause_s: float = 0.0) -> None:
        super().__init__(key, position, about, pause_s)
        self._changed = threading.Condition()

    def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next event; None when it is closed. `TimeoutError` if none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.has_news, timeout_s):
                raise TimeoutError
            return self.pop()

    def feed(self, batch: Batch) -> None:
        """Take in what is new to it."""
        with self._changed:
            if self.take_in(batch):
                self._changed.notify_all()

    def fail(self, error: OxcartError) -> None:
        """Its stream can't be read: who waits is told, after what was read before."""
        with self._changed:
            self.error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class _Reading:
    """One thread that reads, over a connection of its own, for those who listen, until it is ended."""

    def __init__(self, url: str, name: str) -> None:
        self.subscriptions: set[Subscription] = set()
        self._own = Transport(url, timeout=BLOCK_MS / 1000 + 2, client_name=name)
        self._lock = threading.Lock()
        self._wanted = 0
        """How often somebody came: a read that began before has to begin again."""
        self._begun = 0
        """As of when the read under way knows who listens."""
        self._ended = False
        threading.Thread(target=self._run, name="oxcart-events", daemon=True).start()

    def include(self, subscription: Subscription) -> None:
        """Read for this one too: by a new read, since reading takes nothing."""
        with self._lock:
            self.subscriptions.add(subscription)
            self._wanted = wanted = self._wanted + 1
        while self._begun < wanted and not self._ended:
            self._own.interrupt()
            time.sleep(0.001)

    def end(self) -> None:
        """Read no more; the thread ends by itself."""
        self._ended = True
        self._own.interrupt()

    def listeners(self) -> list[Subscription]:
        with self._lock:
            return list(self.subscriptions)

    def _run(self) -> None:
        pauses = growing_pauses()
        troubled = False
        while not self._ended:
            try:
                self._read_once()
                pauses = growing_pauses()
                troubled = False
            except ConnectionFailed as error:
                if is_forbidden(error):
                    self._find_guilty()
                    continue
                if self._ended or self._begun < self._wanted:
                    continue  # interrupted
                if not troubled:
                    log.warning("events can't be read for now: %s", error)
                troubled = True
                time.sleep(next(pauses))
            except OxcartError:
                self._find_guilty()
            except Exception:  # a bug, or a client that is surprised by an interruption: those who listen shall not pay
                log.debug("a read of events broke", exc_info=True)
                time.sleep(next(pauses))
        self._own.close()

    def _read_once(self) -> None:
        with self._lock:
            self._begun = self._wanted
            wanted = cursors(self.subscriptions)
            wait_ms = block_ms(self.subscriptions)
        if not wanted:
            time.sleep(GLANCE_MS / 1000)  # all have enough for now
            return
        command = read_streams(wanted, wait_ms)
        found = command.read(self._own.execute(*command.command()))
        self._hand_out(found)
        if found:
            self._rest()

    def _rest(self) -> None:
        """Let more events come together, until somebody is in a hurry."""
        rested_s = 0.0
        while rested_s < rest_s(self.listeners()) and self._begun >= self._wanted and not self._ended:
            time.sleep(GLANCE_MS / 1000)
            rested_s += GLANCE_MS / 1000

    def _hand_out(self, found: dict[str, list[Entry]]) -> None:
        batches = {key: Batch(entries) for key, entries in found.items() if entries}
        for subscription in self.listeners():
            if subscription.hungry and subscription.key in batches:
                subscription.feed(batches[subscription.key])

    def _find_guilty(self) -> None:
        """A stream that can't be read spoils the read of all: who listens to it is told, and the others go on."""
        with self._lock:
            wanted = cursors(self.subscriptions)
        found = False
        for key, cursor in wanted.items():
            command = read_streams({key: cursor}, None)
            try:
                self._hand_out(command.read(self._own.execute(*command.command())))
            except OxcartError as error:
                if isinstance(error, ConnectionFailed) and not is_forbidden(error):
                    return
                found = True
                for subscription in self.listeners():
                    if subscription.key == key:
                        subscription.fail(error)
        if not found:
            time.sleep(GLANCE_MS / 1000)  # each can be read, and all at once can't: they are read so


class Reader:
    """Waits for the events of every queue that somebody listens to, with one blocking read for all of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._start_over()

    def subscribe(
        self, keys: Keys, since: str = NEWEST, about: str | None = None, pause_s: float = 0.0
    ) -> Subscription:
        """Listen to a queue, or only for one job, from a position on. When this returns, nothing after it is missed."""
        position = since
        if since == NEWEST:
            command = last_id(keys)
            position = command.read(self._transport.execute(*command.command()))
        if self._process != os.getpid():
            self._start_over()
        subscription = Subscription(keys.one("events"), position, about, pause_s)
        with self._lock:
            if self._reading is None:
                self._reading = _Reading(self._transport.url, keys.reader_name)
            self._reading.include(subscription)
        return subscription

    def knows(self, subscription: Subscription) -> bool:
        """Whether it is still read for; not after a fork."""
        reading = self._reading
        return self._process == os.getpid() and reading is not None and subscription in reading.listeners()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more; the connection is closed with the last one who does."""
        subscription.close()
        if self._process != os.getpid():
            return
        with self._lock:
            reading = self._reading
            if reading is None:
                return
            reading.subscriptions.discard(subscription)
            if not reading.subscriptions:
                self._reading = None
                reading.end()

    def close(self) -> None:
        """End all subscriptions."""
        reading = self._reading
        if reading is not None and self._process == os.getpid():
            for subscription in reading.listeners():
                self.unsubscribe(subscription)

    def _start_over(self) -> None:
        """Another process than before: threads don't come along, and its lock may have been held when it was copied."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._reading: _Reading | None = None


class Background:
    """Something that goes on beside, in a thread, until it is stopped."""

    def __init__(self, run: Callable[[Background], None]) -> None:
        self._end: Callable[[], None] | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=run, args=(self,), name="oxcart-callbacks", daemon=True)
        self._thread.start()

    def on_stop(self, end: Callable[[], None]) -> None:
        """What ends it."""
        self._end = end

    def stop(self) -> None:
        if self._process != os.getpid():
            return
        if self._end is not None:
            self._end()
        if self._thread is not threading.current_thread():
            self._thread.join(5)


def check_callback(kind: str, callback: object) -> None:
    """Raise an `OptionsError` for what can't be called with an event."""
    if not callable(callback):
        raise OptionsError(f"on({kind!r}, {callback!r}): a function that takes an event")
    if inspect.iscoroutinefunction(callback):
        raise OptionsError(f"on({kind!r}, {callback!r}): a plain function; for async ones there is oxcart.QueueEvents")


def tell(callback: Callable[[Any], Any], value: Any) -> None:
    """Call a callback. Whatever it raises is logged and ends nothing."""
    try:
        callback(value)
    except BaseException:
        log.exception("the callback %r raised for %r", callback, value)


def finished(value: Any) -> Any:
    """What a function answers."""
    return value


def within(timeout_s: float | None, value: Value) -> Value:
    """The value. What blocks has the time that the connection gives it, whatever is wanted here."""
    return value
