"""StalledCheck: gives jobs back whose worker is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from ..aio.connection import Connection
from ..clock import Clock
from ..errors import ConnectionFailed, ServerRefused
from ..protocol.calls import work
from ..protocol.keys import Keys

RENEWED_S = 5
"""How long a worker with short locks may take to notice that the server is back, and to renew them."""


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
        trusted: int | None = None  # the link over which locks are renewed in time, by number
        waited = False
        while True:
            try:
                prompt = await self._answers_at_once()
                over = self._connection.transport.opened
                if not waited and (trusted not in (None, over) or not prompt):
                    # Locks may have run out meanwhile: every worker renews its own first, also who notices it late.
                    await asyncio.sleep(max(self._lock_ms / 2000, RENEWED_S))
                    waited = True
                    continue
                trusted, waited = over, False
                await self.check()
                pause_ms = self._interval_ms
            except ConnectionFailed:
                trusted, waited = 0, False  # no link has this number
                pause_ms = min(self._interval_ms, 1000)  # the shuttle tells of it; here it is only late
            await asyncio.sleep(pause_ms / 1000)

    async def _answers_at_once(self) -> bool:
        """Whether the server does. If it stood still, it would read our check when it goes on, before the renewals."""
        began = time.monotonic()
        with contextlib.suppress(ServerRefused):  # which is an answer
            await self._connection.transport.execute("EXISTS", self._keys.one("stalled_check"))
        return time.monotonic() - began < self._lock_ms / 4000

    async def check(self) -> list[str]:
        """Check once; answers the ids that were given back."""
        recovered = await self._connection.run(
            work.recover_stalled(self._keys, self._clock(), self._interval_ms, self._max_stalled)
        )
        for job_id in recovered:
            self._on_stalled(job_id)
        return recovered
