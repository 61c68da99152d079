"""Sends a call until it is answered: for calls that are safe to send again."""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, is_log_in_refused
from ..protocol.call import Call
from .connection import Connection

Reply = TypeVar("Reply")


async def insist(connection: Connection, call: Call[Reply], deadline: float | None) -> Reply:
    """The answer to a call; `ConnectionFailed` if there is none before `deadline` (by `time.monotonic`).

    A refused log-in is told at once, as it stays refused.
    """
    pauses = growing_pauses()
    while True:
        try:
            return await connection.run(call)
        except ConnectionFailed as error:
            if is_log_in_refused(error):
                raise
            pause = next(pauses)
            if deadline is not None and time.monotonic() + pause > deadline:
                raise
            await asyncio.sleep(pause)
