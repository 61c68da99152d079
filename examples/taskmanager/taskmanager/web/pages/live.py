"""Live: how far a job is, as it happens. The browser's EventSource listens, and comes again if it is cut off."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass

from fastapi.responses import StreamingResponse
from oxcart import Event, QueueEvents

STILL_HERE_S = 15
"""How often something is sent even if there is nothing to say: proxies cut what is silent."""

LASTS_S = 600
"""When the browser has to come again, and is asked again who it is."""


@dataclass(frozen=True, slots=True)
class Now:
    """How far something is."""

    percent: int
    text: str
    over: bool = False


def stream(
    events: QueueEvents, concerns: Callable[[Event], bool], now: Callable[[], Awaitable[Now]]
) -> StreamingResponse:
    """Tell how far something is: at once, and whenever an event that concerns it has come."""
    return StreamingResponse(
        _told(events, concerns, now),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},  # nginx, don't gather it
    )


async def _told(
    events: QueueEvents, concerns: Callable[[Event], bool], now: Callable[[], Awaitable[Now]]
) -> AsyncIterator[str]:
    ends = time.monotonic() + LASTS_S
    async with events:  # first listen, then look: what happens in between is not missed
        last = await now()
        yield _sent(last)
        says_again = time.monotonic() + STILL_HERE_S
        while not last.over and time.monotonic() < ends:
            try:
                event = await asyncio.wait_for(anext(events), max(says_again - time.monotonic(), 0))
            except TimeoutError:
                yield ": still here\n\n"
                says_again = time.monotonic() + STILL_HERE_S
            else:
                if not concerns(event):
                    continue
            # What is true is the job's state. An event says that something has happened, and one can be missed.
            if (found := await now()) != last:
                last = found
                yield _sent(last)


def _sent(now: Now) -> str:
    return f"data: {json.dumps(asdict(now))}\n\n"
