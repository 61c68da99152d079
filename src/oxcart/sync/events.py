# Generated from aio/events.py by tools/unasync.py: change that file instead.

"""QueueEvents: listen to a queue. QueueEventsProducer: tell events of one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Self

from ..errors import OxcartError
from ..options import Duration, milliseconds
from ..protocol.calls import watch
from ..protocol.events import Event, read_event
from ..protocol.keys import Keys
from .connection import Connection, connect
from .reader import Background, Subscription, check_callback, tell

log = logging.getLogger("oxcart.events")

Callback = Callable[[Any], Any]


class QueueEvents:
    """The events of a queue, whichever program caused them, in their order.

    `since` is where to start: `$` for what happens from now on, or the id of an event (`event.id`, `last_id`), after
    which nothing is missed as long as the stream still has it. All `QueueEvents` of a `Connection` share one more
    connection to Redis. While Redis is away nothing comes; then it goes on where it was. `pause` is how long to wait
    after events have come, before more are asked for: then many come with one read, and each that much later.

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
        pause: Duration = 0,
    ) -> None:
        self.keys = Keys(queue, prefix)
        self._pause_s = milliseconds("pause", pause) / 1000
        self._since = watch.check_since(since)
        self._connection, self._own_connection = connect(connection)
        self._callbacks: dict[str, list[Callback]] = {}
        self._loop: Subscription | None = None
        """What loops over the events get."""
        self._told: Subscription | None = None
        """What callbacks get."""
        self._telling: Background | None = None
        self._looped = self._closed = False

    def __repr__(self) -> str:
        return f"QueueEvents({self.keys.name!r})"

    @property
    def last_id(self) -> str:
        """The id of the event that was handed out last: what a later `since` goes on from. Empty before the opening.

        With both a loop and callbacks, of the two the one that is behind.
        """
        used = [one.position for one in (self._loop if self._looped else None, self._told) if one is not None]
        if not used:
            return "" if self._loop is None else self._loop.position
        return min(used, key=watch.order)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Begin to listen: what happens after this is not missed. `async with` does it.

        Opened again, also after a fork or on another event loop, it goes on where it was.
        """
        reader = self._connection.reader
        if self._loop is not None and not self._closed and reader.knows(self._loop):
            return
        before = self._loop
        loop = reader.subscribe(self.keys, self._since if before is None else before.position, pause_s=self._pause_s)
        if self._loop is not before:  # somebody else was quicker
            reader.unsubscribe(loop)
            return
        self._loop, self._closed = loop, False
        if self._callbacks:
            self._start_telling()

    def close(self) -> None:
        """Listen no more; loops over the events end."""
        self._closed = True
        telling, self._telling = self._telling, None
        if telling is not None:
            telling.stop()
        if self._loop is not None:
            self._connection.reader.unsubscribe(self._loop)
        if self._own_connection:
            self._connection.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._closed:
            raise StopIteration
        self.open()
        assert self._loop is not None
        self._looped = True
        entry = self._loop.next()
        if entry is None:
            raise StopIteration
        return read_event(entry.id, entry.fields, self.keys.name)

    def on(self, kind: str, callback: Callback) -> None:
        """Call `callback`, plain or async, with each event of this kind, or with `"*"` of every kind, in their order.

        An error in it is logged and harms nobody. Example: `events.on("failed", lambda event: print(event))`
        """
        check_callback(kind, callback)
        self._callbacks.setdefault(kind, []).append(callback)
        if self._telling is None and self._loop is not None and not self._closed:
            self._start_telling()

    def _start_telling(self) -> None:
        assert self._loop is not None
        since = self._loop.position if self._told is None else self._told.position
        self._telling = Background(lambda background: self._tell(background, since))

    def _tell(self, background: Background, since: str) -> None:
        """Hand all that comes after the opening to the callbacks; loops over the events have their own position."""
        self._told = told = self._connection.reader.subscribe(self.keys, since, pause_s=self._pause_s)
        background.on_stop(told.close)
        try:
            while (entry := told.next()) is not None:
                event = read_event(entry.id, entry.fields, self.keys.name)
                for callback in [*self._callbacks.get(event.kind, ()), *self._callbacks.get("*", ())]:
                    tell(callback, event)
        except OxcartError as error:
            log.error("%s: callbacks get no more events: %s", self, error)
        finally:
            self._connection.reader.unsubscribe(told)


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
