"""Screen: one readable line for each thing that happens."""

from __future__ import annotations

import os
import re
import time
from typing import Literal, TextIO

Colour = Literal["plain", "dim", "red", "green", "yellow", "blue", "bold"]

CODES: dict[Colour, str] = {
    "plain": "",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "blue": "\x1b[36m",
    "bold": "\x1b[1m",
}
RESET = "\x1b[0m"

LONG_ID = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f-]{22}")


def short(text: str) -> str:
    """The text with the beginnings of long ids only."""
    return LONG_ID.sub(r"\1…", text)


class Screen:
    """Writes lines with the seconds since the start; in colour on a terminal, unless `NO_COLOR` is set."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colours = out.isatty() and not os.environ.get("NO_COLOR")
        self._started = time.monotonic()

    def restart_clock(self) -> None:
        """Count the seconds from now."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def event(self, who: str, what: str, colour: Colour = "plain") -> None:
        """Something that happened just now, and to whom."""
        self.say(f"{self.seconds:6.2f} s  {who:<22}  {what}", colour)

    def say(self, text: str = "", colour: Colour = "plain") -> None:
        """A line without a time."""
        print(self.painted(text, colour), file=self._out, flush=True)

    def painted(self, text: str, colour: Colour) -> str:
        """The text in a colour, where there are colours."""
        return f"{CODES[colour]}{text}{RESET}" if self._colours and CODES[colour] else text
