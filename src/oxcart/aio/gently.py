"""Gently: runs many calls one after the other, and leaves Redis to others for most of the time."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from ..protocol.call import Call, Command
from .connection import Connection

Reply = TypeVar("Reply")

REST = 2.5
"""How long to rest after a call, as a multiple of how long it took: others keep some three quarters of their speed."""
LONGEST_REST_S = 0.05
"""What took longer than a fraction of this was not Redis at work: a long way, a busy program, an outage."""


class Gently:
    """A connection for the many calls of one big operation."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rest_s = 0.0

    async def run(self, call: Call[Reply] | Command[Reply]) -> Reply:
        """Run a call, after a rest if there was one before."""
        if self._rest_s:
            await asyncio.sleep(self._rest_s)
        started = time.monotonic()
        try:
            return await self._connection.run(call)
        finally:
            self._rest_s = min((time.monotonic() - started) * REST, LONGEST_REST_S)
