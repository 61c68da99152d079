"""Pulse: when something last happened in a queue. What is known of one in which nothing has, needn't be asked again."""

from __future__ import annotations

import time

QUIET_S = 60.0
"""For how long what is known of a quiet queue is taken for true: programs that set limits tell no event."""

BUSY_S = 10.0
"""For how long, where something happens all the time: open tabs hear the numbers from the live stream meanwhile."""


MANY = 1000
"""From so many on, queues are forgotten that were touched too long ago for it to matter."""


class Pulse:
    """What the reader of events hears, and what this dashboard itself has done; in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._touched: dict[str, float] = {}

    def listen(self, queue: str) -> None:
        """From now on, all that happens is heard. What is known from before may be old."""
        self._heard[queue] = self._touched[queue] = time.monotonic()

    def beat(self, queue: str) -> None:
        """Something has happened. A last event may come when nobody listens any more."""
        if queue in self._heard:
            self._heard[queue] = time.monotonic()

    def deafen(self, queue: str) -> None:
        """Nobody listens any more."""
        self._heard.pop(queue, None)

    def touch(self, queue: str) -> None:
        """A user of this dashboard has changed something, and wants to see it. The queue may not be there at all."""
        now = time.monotonic()
        if len(self._touched) >= MANY:
            self._touched = {name: at for name, at in self._touched.items() if now - at < QUIET_S}
        self._touched[queue] = now

    def changed_at(self, queue: str) -> float | None:
        """When something happened last in a queue; None if nobody listens."""
        heard = self._heard.get(queue)
        return None if heard is None else max(heard, self._touched.get(queue, 0.0))

    def good_since(self, queue: str, spare_s: float = 0.0) -> float | None:
        """From when on an answer has to be, to be good now; None if nobody listens: then only a new one is.

        With `spare_s`, one that is no older than this is good in any case, but for what this dashboard itself has done.
        """
        heard, now = self._heard.get(queue), time.monotonic()
        if heard is None and not spare_s:
            return None
        quiet = now if heard is None else min(max(heard, now - QUIET_S), now - BUSY_S)
        return max(min(quiet, now - spare_s), self._touched.get(queue, 0.0))
