"""Eviction: a server that throws keys away when it is full throws away parts of jobs, so that is told."""

from __future__ import annotations

import asyncio
import logging
import re

from ..aio.connection import Connection
from ..backoff import growing_pauses
from ..errors import ConnectionFailed, OxcartError, is_forbidden

log = logging.getLogger("oxcart.worker")

SAFE = "noeviction"


class EvictionCheck:
    """Looks once, at the start, at what the server does when its memory is full. If it may not look, it is silent."""

    def __init__(self, connection: Connection, who: object) -> None:
        self._connection = connection
        self._who = who

    async def run(self) -> None:
        """Look, as soon as Redis can be asked."""
        pauses = growing_pauses()
        while True:
            try:
                self.judge(str(await self._connection.transport.execute("INFO", "memory")))
                return
            except ConnectionFailed as error:  # others tell of it
                if is_forbidden(error):
                    return
            except OxcartError:
                return
            await asyncio.sleep(next(pauses))

    def judge(self, said: str) -> None:
        """Warn of a policy that loses jobs."""
        found = re.search(r"^maxmemory_policy:(\S+)", said, re.MULTILINE)
        if found and found[1] != SAFE:
            log.warning(
                "%s: the Redis server's maxmemory-policy is %s: when its memory is full, it throws away parts of jobs; "
                "set it to %s",
                self._who,
                found[1],
                SAFE,
            )
