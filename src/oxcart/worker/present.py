"""Present: a worker says what it is, at the start, when that changes, and again before it would be forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..aio.connection import Connection
from ..errors import ConnectionFailed, ServerRefused
from ..protocol import presence
from ..protocol.keys import Keys
from ..protocol.presence import Presence

EVERY_S = presence.KEEP_MS / 3000


class Present:
    """Says it for dashboards only: where it can't be said, nothing is lost, and nobody is told."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        connect: Callable[[], Awaitable[int]],
        about: Callable[[], Presence],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._connect = connect
        self._about = about
        self._changed = asyncio.Event()
        self._said = 0
        """The number of the connection for which it was said."""

    async def run(self) -> None:
        """Say it for ever."""
        while True:
            try:
                number = await self._connect()
                if number:
                    await self._connection.run(presence.say(self._keys, number, self._about()))
                    self._said = number
            except ServerRefused:
                return
            except ConnectionFailed:
                pass  # others tell of it
            await self._pause()

    async def _pause(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(EVERY_S):
                await self._changed.wait()
        except TimeoutError:
            pass

    def again(self) -> None:
        """Something of it has changed."""
        self._changed.set()

    async def leave(self) -> None:
        """Take it back."""
        if self._said:
            await self._connection.run(presence.leave(self._keys, self._said))
