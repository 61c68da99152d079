"""Keeps a worker's helper tasks alive: one that dies of a bug is started again, but not for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

RESTARTS = 3
PAUSE_S = 0.2
LONG_LIFE_S = 60


async def supervise(name: str, run: Callable[[], Awaitable[None]], on_error: Callable[[BaseException], None]) -> None:
    """Run it for ever; raise what killed it when that has happened too often."""
    deaths = 0
    while True:
        born = time.monotonic()
        try:
            await run()
            return
        except asyncio.CancelledError:
            raise
        except Exception as error:
            deaths = deaths + 1 if time.monotonic() - born < LONG_LIFE_S else 1
            error.add_note(f"in the worker's {name}, death number {deaths}")
            on_error(error)
            if deaths > RESTARTS:
                raise
        await asyncio.sleep(PAUSE_S * deaths)
