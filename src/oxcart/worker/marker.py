"""Marker: waits until there may be work. One wait for all slots of a worker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ..aio.transport import Transport
from ..clock import Clock
from ..errors import OxcartError
from ..protocol.keys import Keys

LONGEST_S = 10
"""The longest wait for a known time: clocks may be set meanwhile."""

SHORTEST_S = 0.002
"""What older servers take for more than nothing; 0 would wait for ever."""


class Marker:
    """Waits at the queue's marker over a connection of its own, which carries the worker's name in Redis."""

    def __init__(self, transport: Transport, keys: Keys, drain_delay_s: float, clock: Clock) -> None:
        self._transport = transport
        self._key = keys.one("marker")
        self._drain_delay_s = drain_delay_s
        self._clock = clock
        self._popping = False
        self._over = False

    async def wait(self, next_due_ms: int) -> bool:
        """Wait until someone adds a job, or a delayed one is due, or it is time to look again.

        Answers whether it took the marker, which others may need. `next_due_ms` is 0 if nothing is known to be due.
        """
        due = next_due_ms
        while True:
            timeout_s = self._drain_delay_s
            if due:
                timeout_s = min((due - self._clock()) / 1000, LONGEST_S)
                if timeout_s <= 0:
                    return False
            if self._over:
                return False
            popped = await self._pop(max(timeout_s, SHORTEST_S))
            if popped is None:
                return False
            later = int(float(popped[2]))
            if later == 0:
                return True
            # The time of a delayed job, which may be before the one known so far.
            due = min(due, later) if due else later

    async def connect(self) -> int:
        """Open the connection, by which the worker is listed; answers its number, 0 if Redis doesn't tell."""
        return (await self._transport.link()).client_id

    async def _pop(self, timeout_s: float) -> list[Any] | None:
        self._popping = True
        try:
            # The deadline of the socket is the server's plus a margin: a dead peer must not hold the worker for ever.
            return await self._transport.execute("BZPOPMIN", self._key, f"{timeout_s:.3f}", timeout=timeout_s + 2)
        finally:
            self._popping = False

    async def interrupt(self, other: Transport) -> None:
        """End a wait under way, asking for it over another connection.

        Closing the socket is not enough: until the server notices, it may hand the marker to a connection that is gone,
        and whoever needs it sleeps on. Nor is it to ask once: a wait that has just been sent is not there yet.
        """
        self._over = True
        link = self._transport.current
        if link is not None and link.client_id and other.current is not None:
            with contextlib.suppress(OxcartError, TimeoutError):
                async with asyncio.timeout(1):
                    while self._popping:
                        await other.execute("CLIENT", "UNBLOCK", link.client_id)
                        await asyncio.sleep(0.002)
        self._transport.drop("closed")

    async def close(self) -> None:
        """Close the connection, also one that is being opened."""
        await self._transport.close()
