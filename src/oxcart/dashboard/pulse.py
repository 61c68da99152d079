"""Pulse: when something last happened in a queue. What is known of one in which nothing has, needn't be asked again."""

from __future__ import annotations

import time

QUIET_S = 60.0
"""For how long what is known of a quiet queue is taken for true: programs that set limits tell no event."""

BUSY_S = 10.0
"""For how long, where something happens all the time: open tabs hear the numbers from the live stream meanwhile."""


class Pulse:
    """What the reader of events hears, and what this dashboard itself has done; in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self._touched: dict[str, float] = {}

    def listen(self, queue: str) -> None:
        """From now on, all that happens is heard. What is known from before may be old."""
        self._heard[queue] = self._touched[queue] = time.monotonic()

    def beat(self, queue: str) -> None:
        """Something has happened."""
        self._heard[queue] = time.monotonic()

    def deafen(self, queue: str) -> None:
        """Nobody listens any more."""
        self._heard.pop(queue, None)

    def touch(self, queue: str) -> None:
        """A user of this dashboard has changed something, and wants to see it."""
        self._touched[queue] = time.monotonic()

    def good_since(self, queue: str) -> float | None:
        """From when on an answer has to be, to be good now; None if nobody listens: then only a new one is."""
        heard = self._heard.get(queue)
        if heard is None:
            return None
        now = time.monotonic()
        quiet = max(heard, now - QUIET_S)
        return max(min(quiet, now - BUSY_S), self._touched.get(queue, 0.0))
