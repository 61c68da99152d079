"""Reader: reads the events of all queues of a connection, in a thread of its own, over one more connection to Redis."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, OptionsError, OxcartError
from ..protocol.calls.watch import NEWEST, Entry, last_id, order, read_streams
from ..protocol.keys import Keys
from .transport import Transport

log = logging.getLogger("oxcart.events")

BLOCK_MS = 10_000
MANY = 1000
"""How many events may wait for who reads slowly; until then it gets no more, and loses none."""
GLANCE_MS = 20
"""How long a read waits while somebody reads slowly, who may want more at any moment."""

Value = TypeVar("Value")


class Subscription:
    """The events of one queue after a position, in order. `position` is the id of the last one handed out."""

    def __init__(self, key: str, position: str) -> None:
        self.key = key
        self.position = position
        self.cursor = position
        """The id of the last event that was read for it."""
        self._entries: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._error: OxcartError | None = None

    @property
    def hungry(self) -> bool:
        return len(self._entries) < MANY and self._error is None

    def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next event; None when it is closed. `TimeoutError` if none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._entries or self._closed or self._error, timeout_s):
                raise TimeoutError
            if self._closed:
                return None
            if not self._entries and self._error is not None:
                raise self._error
            entry = self._entries.popleft()
            self.position = entry.id
            return entry

    def feed(self, entries: list[Entry]) -> None:
        """Take in what is new to it."""
        fresh = [entry for entry in entries if order(entry.id) > order(self.cursor)]
        if fresh:
            with self._changed:
                self._entries += fresh
                self.cursor = fresh[-1].id
                self._changed.notify_all()

    def fail(self, error: OxcartError) -> None:
        """Its stream can't be read: who waits is told, after what was read before."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self._closed = True
            self._entries.clear()
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
            cursors = self._cursors()
            all_hungry = all(subscription.hungry for subscription in self.subscriptions)
        if not cursors:
            time.sleep(GLANCE_MS / 1000)  # all have enough for now
            return
        command = read_streams(cursors, BLOCK_MS if all_hungry else GLANCE_MS)
        self._hand_out(command.read(self._own.execute(*command.command())))

    def _hand_out(self, found: dict[str, list[Entry]]) -> None:
        for subscription in self.listeners():
            if subscription.hungry and subscription.key in found:
                subscription.feed(found[subscription.key])

    def _find_guilty(self) -> None:
        """A stream that can't be read spoils the read of all: who listens to it is told, and the others go on."""
        with self._lock:
            cursors = self._cursors()
        for key, cursor in cursors.items():
            command = read_streams({key: cursor}, None)
            try:
                self._hand_out(command.read(self._own.execute(*command.command())))
            except ConnectionFailed:
                return
            except OxcartError as error:
                for subscription in self.listeners():
                    if subscription.key == key:
                        subscription.fail(error)

    def _cursors(self) -> dict[str, str]:
        """For each stream, how far all who want more of it have come."""
        cursors: dict[str, str] = {}
        for subscription in self.subscriptions:
            if subscription.hungry:
                known = cursors.get(subscription.key)
                if known is None or order(subscription.cursor) < order(known):
                    cursors[subscription.key] = subscription.cursor
        return cursors


class Reader:
    """Waits for the events of every queue that somebody listens to, with one blocking read for all of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._start_over()

    def subscribe(self, keys: Keys, since: str = NEWEST) -> Subscription:
        """Listen to a queue from a position on. When this returns, nothing after the position is missed."""
        position = since
        if since == NEWEST:
            command = last_id(keys)
            position = command.read(self._transport.execute(*command.command()))
        if self._process != os.getpid():
            self._start_over()
        subscription = Subscription(keys.one("events"), position)
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
