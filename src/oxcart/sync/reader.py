"""Reader: reads the events of all queues of a connection, in a thread of its own, over one more connection to Redis."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
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
        self._changed = threading.Condition()
        self._closed = False

    @property
    def hungry(self) -> bool:
        return len(self._entries) < MANY

    def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next event; None when it is closed. `TimeoutError` if none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._entries or self._closed, timeout_s):
                raise TimeoutError
            if not self._entries:
                return None
            entry = self._entries.popleft()
            self.position = entry.id
        if len(self._entries) == MANY // 2:
            self._wake()
        return entry

    def feed(self, entries: list[Entry]) -> None:
        """Take in what is new to it."""
        fresh = [entry for entry in entries if order(entry.id) > order(self.cursor)]
        if fresh:
            with self._changed:
                self._entries += fresh
                self.cursor = fresh[-1].id
                self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing any more."""
        with self._changed:
            self._closed = True
            self._entries.clear()
            self._changed.notify_all()


class Reader:
    """Waits for the events of every queue that somebody listens to, with one blocking read for all of them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._process = 0
        self._start_over()

    def subscribe(self, keys: Keys, since: str = NEWEST) -> Subscription:
        """Listen to a queue from a position on. When this returns, nothing after the position is missed."""
        position = since
        if since == NEWEST:
            command = last_id(keys)
            position = command.read(self._transport.execute(*command.command()))
        if self._process != os.getpid():
            self._lock = threading.Lock()  # the other process may have been holding it when it was copied
            self._start_over()
        with self._lock:
            subscription = Subscription(keys.one("events"), position, self._rested.set)
            self._subscriptions.add(subscription)
            started = self._thread is not None
            if not started:
                source = self._transport
                own = Transport(source.url, timeout=BLOCK_MS / 1000 + 2, client_name=keys.reader_name)
                self._own = own
                self._thread = threading.Thread(target=self._read, args=(own,), name="oxcart-events", daemon=True)
                self._thread.start()
        if started:
            self._interrupt()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more; the connection is closed with the last one who does."""
        subscription.close()
        with self._lock:
            self._subscriptions.discard(subscription)
            if self._subscriptions or self._thread is None:
                return
            thread, self._thread, self._own = self._thread, None, None
        self._interrupt_for_good(thread)

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in list(self._subscriptions):
            self.unsubscribe(subscription)

    def _start_over(self) -> None:
        """Another process than before: threads don't come along."""
        self._process = os.getpid()
        self._subscriptions: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._own: Transport | None = None
        self._rested = threading.Event()
        self._reads = 0
        self._blocked_as = 0

    def _read(self, own: Transport) -> None:
        pauses = growing_pauses()
        troubled = False
        while self._own is own:
            self._rested.clear()
            cursors = self._cursors()
            if not cursors:
                self._rested.wait(1)
                continue
            try:
                self._read_once(own, cursors)
                pauses = growing_pauses()
                troubled = False
            except OxcartError as error:
                # Away, or a stream that is none: told once, and tried again, since nothing is lost meanwhile.
                if not troubled:
                    log.warning("events can't be read for now: %s", error)
                troubled = True
                time.sleep(next(pauses))
        own.close()

    def _read_once(self, own: Transport, cursors: dict[str, str]) -> None:
        command = read_streams(cursors, BLOCK_MS)
        number = int(own.execute("CLIENT", "ID"))  # another one after each new connection
        self._reads += 1
        self._blocked_as = number
        try:
            found = command.read(own.execute(*command.command()))
        finally:
            self._blocked_as = 0
        for key, entries in found.items():
            for subscription in self._listeners():
                if subscription.key == key:
                    subscription.feed(entries)

    def _listeners(self) -> list[Subscription]:
        with self._lock:
            return list(self._subscriptions)

    def _cursors(self) -> dict[str, str]:
        """For each stream, how far all who want more of it have come."""
        cursors: dict[str, str] = {}
        for subscription in self._listeners():
            if subscription.hungry:
                known = cursors.get(subscription.key)
                if known is None or order(subscription.cursor) < order(known):
                    cursors[subscription.key] = subscription.cursor
        return cursors

    def _interrupt(self) -> None:
        """Make the reader look at its list again, also while it waits in Redis."""
        self._rested.set()
        read = self._reads
        while self._blocked_as and self._reads == read:
            try:
                if self._transport.execute("CLIENT", "UNBLOCK", self._blocked_as):
                    return
            except ConnectionFailed:
                return
            except OxcartError as error:
                log.warning("a reader of events can't be told of another queue at once: %s", error)
                return
            time.sleep(0.001)  # its read has not arrived yet

    def _interrupt_for_good(self, thread: threading.Thread) -> None:
        """End the reader's thread; it would otherwise see that it is not needed when its wait is over."""
        while thread.is_alive() and thread is not threading.current_thread():
            self._interrupt()
            thread.join(0.05)
            if not self._blocked_as:
                return


class Background:
    """Something that goes on beside, in a thread, until it is stopped."""

    def __init__(self, run: Callable[[Background], None]) -> None:
        self._end: Callable[[], None] | None = None
        self._thread = threading.Thread(target=run, args=(self,), name="oxcart-callbacks", daemon=True)
        self._thread.start()

    def on_stop(self, end: Callable[[], None]) -> None:
        """What ends it."""
        self._end = end

    def stop(self) -> None:
        if self._end is not None:
            self._end()
        if self._thread is not threading.current_thread():
            self._thread.join(5)


def finished(value: Any) -> Any:
    """What a callback answers."""
    return value
