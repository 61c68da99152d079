"""StalledCheck: gives jobs back whose worker is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..aio.connection import Connection
from ..clock import Clock
from ..errors import ConnectionFailed
from ..protocol.calls import work
from ..protocol.keys import Keys


class StalledCheck:
    """Checks at the start and every interval; of all workers of a queue, one does it for the others.

    After Redis was away it checks late: whoever lives renews its locks first.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        interval_ms: int,
        max_stalled: int,
        lock_ms: int,
        clock: Clock,
        on_stalled: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._interval_ms = interval_ms
        self._max_stalled = max_stalled
        self._lock_ms = lock_ms
        self._clock = clock
        self._on_stalled = on_stalled

    async def run(self) -> None:
        """Check for ever."""
        checked_over, away = 0, False
        while True:
            try:
                await self._connection.transport.link()
                over = self._connection.transport.opened
                if away or checked_over not in (0, over):
                    # Locks may have run out meanwhile: in half a lock's life every worker has renewed its own twice.
                    await asyncio.sleep(self._lock_ms / 2000)
                checked_over, away = over, False
                await self.check()
                pause_ms = self._interval_ms
            except ConnectionFailed:
                away = True
                pause_ms = min(self._interval_ms, 1000)  # the shuttle tells of it; here it is only late
            await asyncio.sleep(pause_ms / 1000)

    async def check(self) -> list[str]:
        """Check once; answers the ids that were given back."""
        recovered = await self._connection.run(
            work.recover_stalled(self._keys, self._clock(), self._interval_ms, self._max_stalled)
        )
        for job_id in recovered:
            self._on_stalled(job_id)
        return recovered
