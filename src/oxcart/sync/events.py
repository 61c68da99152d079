# Generated from aio/events.py by tools/unasync.py: change that file instead.

"""QueueEvents: listen to a queue. QueueEventsProducer: tell events of one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Self

from ..errors import OptionsError
from ..protocol.calls import watch
from ..protocol.events import Event, read_event
from ..protocol.keys import Keys
from .connection import Connection, connect
from .reader import Background, Subscription, finished

log = logging.getLogger("oxcart.events")

Callback = Callable[[Any], Any]


class QueueEvents:
    """The events of a queue, whichever program caused them, in their order.

    `since` is where to start: `$` for what happens from now on, or the id of an event (`event.id`, `last_id`), after
    which nothing is missed as long as the stream still has it. All `QueueEvents` of a `Connection` share one more
    connection to Redis. While Redis is away nothing comes; then it goes on where it was.

    Raises `OptionsError` for a name or position that can't be right. Example:

    ```python
    with QueueEvents("email") as events:
        for event in events:
            print(event.kind, event.job_id)
    ```
    """

    def __init__(
        self,
        queue: str,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        since: str = watch.NEWEST,
    ) -> None:
        self.keys = Keys(queue, prefix)
        self._since = watch.check_since(since)
        self._connection, self._own_connection = connect(connection)
        self._callbacks: dict[str, list[Callback]] = {}
        self._subscription: Subscription | None = None
        self._telling: Background | None = None
        self._last_id = ""

    def __repr__(self) -> str:
        return f"QueueEvents({self.keys.name!r})"

    @property
    def last_id(self) -> str:
        """The id of the event that was handed out last: what a later `since` goes on from. Empty before."""
        return self._last_id

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Begin to listen: what happens after this is not missed. `async with` does it."""
        if self._subscription is None:
            self._subscription = self._connection.reader.subscribe(self.keys, self._since)
            self._last_id = self._subscription.position
            if self._callbacks:
                self._telling = Background(self._tell)

    def close(self) -> None:
        """Listen no more; loops over the events end."""
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.stop()
        if self._subscription is not None:
            self._connection.reader.unsubscribe(self._subscription)
        if self._own_connection:
            self._connection.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        self.open()
        assert self._subscription is not None
        entry = self._subscription.next()
        if entry is None:
            raise StopIteration
        return self._read(entry)

    def on(self, kind: str, callback: Callback) -> None:
        """Call `callback`, plain or async, with each event of this kind, or with `"*"` of every kind, in their order.

        An error in it is logged and harms nobody. Example: `events.on("failed", lambda event: print(event))`
        """
        if not callable(callback):
            raise OptionsError(f"on({kind!r}, {callback!r}): a function that takes an event")
        self._callbacks.setdefault(kind, []).append(callback)
        if self._telling is None and self._subscription is not None:
            self._telling = Background(self._tell)

    def _tell(self, background: Background) -> None:
        """Hand all that comes after the opening to the callbacks; loops over the events have their own position."""
        assert self._subscription is not None
        listening = self._connection.reader.subscribe(self.keys, self._subscription.position)
        background.on_stop(listening.close)
        try:
            while (entry := listening.next()) is not None:
                event = self._read(entry)
                for callback in [*self._callbacks.get(event.kind, ()), *self._callbacks.get("*", ())]:
                    try:
                        finished(callback(event))
                    except Exception:
                        log.exception("%s: the callback %r raised for %r", self, callback, event)
        finally:
            self._connection.reader.unsubscribe(listening)

    def _read(self, entry: watch.Entry) -> Event:
        self._last_id = entry.id
        return read_event(entry.id, entry.fields, self.keys.name)


class QueueEventsProducer:
    """Tells events of a program's own in a queue's stream, for whoever listens there, Node's programs too.

    Example: `QueueEventsProducer("email").publish("bounced", {"address": "a@b.c"})`
    """

    def __init__(self, queue: str, *, connection: Connection | str | None = None, prefix: str = "bull") -> None:
        self.keys = Keys(queue, prefix)
        self._connection, self._own_connection = connect(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, kind: str, fields: Mapping[str, Any] | None = None) -> str:
        """Write an event; answers its id. Values that are no text are written as JSON.

        Raises `OptionsError` for a kind that the queue itself tells, `PayloadError` for what JSON can't carry.
        """
        return self._connection.run(watch.publish(self.keys, kind, fields or {}))

    def close(self) -> None:
        """Close the connection, unless it is shared."""
        if self._own_connection:
            self._connection.close()
