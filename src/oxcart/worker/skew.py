"""Clock skew: all who share a queue use their own clocks, so a wrong one is told."""

from __future__ import annotations

import asyncio
import logging

from ..aio.connection import Connection
from ..clock import Clock
from ..errors import ConnectionFailed, OxcartError

log = logging.getLogger("oxcart.worker")

WORTH_TELLING_MS = 500
LOOK_EVERY_S = 60


class ClockCheck:
    """Compares this machine's clock with the server's, at the start and every minute, and warns when they part."""

    def __init__(self, connection: Connection, clock: Clock, who: object) -> None:
        self._connection = connection
        self._clock = clock
        self._who = who
        self._told = False

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                self.judge(await self.offset_ms())
            except ConnectionFailed:
                pass  # others tell of it
            except OxcartError as error:
                log.info("%s: the server's clock can't be read, so it is not compared: %s", self._who, error)
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def offset_ms(self) -> int:
        """How far this clock is ahead of the server's, give or take half a round trip."""
        before = self._clock()
        seconds, micros = await self._connection.transport.execute("TIME")
        after = self._clock()
        return (before + after) // 2 - (int(seconds) * 1000 + int(micros) // 1000)

    def judge(self, offset_ms: int) -> None:
        """Warn once for each time that the clocks part."""
        wrong = abs(offset_ms) > WORTH_TELLING_MS
        if wrong and not self._told:
            ahead = "ahead of" if offset_ms > 0 else "behind"
            log.warning(
                "%s: this machine's clock is %.1f s %s the Redis server's: delayed jobs will run that much %s",
                self._who,
                abs(offset_ms) / 1000,
                ahead,
                "too early" if offset_ms > 0 else "too late",
            )
        self._told = wrong
