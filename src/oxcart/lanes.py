"""Lanes: names and numbers for calls that must not be done twice, however often they are sent."""

from __future__ import annotations

import os
import uuid
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Lane:
    """A producer's name and how many calls it has made; one is under way at a time. A receipt in Redis has the last."""

    producer: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0

    def next(self) -> tuple[str, int]:
        """The name and number of the next call."""
        self.number += 1
        return self.producer, self.number


class Lanes:
    """Lanes to be taken and given back, from any thread. After a fork they have other names."""

    def __init__(self) -> None:
        self._free: deque[Lane] = deque()
        self._process = os.getpid()

    def take(self) -> Lane:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._free = deque()
        try:
            return self._free.pop()
        except IndexError:
            return Lane()

    def give(self, lane: Lane) -> None:
        """To be called when its last call was answered; one that was given up may still come to pass."""
        self._free.append(lane)
