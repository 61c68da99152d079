# Generated from aio/insist.py by tools/unasync.py: change that file instead.

"""Sends a call until it is answered: for calls that are safe to send again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, ServerRefused, stays_refused
from ..protocol.address import masked
from ..protocol.call import Call, Command
from .connection import Connection
from .reader import within

log = logging.getLogger("oxcart")

Reply = TypeVar("Reply")


def insist(
    connection: Connection,
    call: Call[Reply] | Command[Reply],
    deadline: float | None,
    stopped: Callable[[], bool] = lambda: False,
) -> Reply:
    """The answer to a call; `ConnectionFailed` if there is none before `deadline` (by `time.monotonic`), or `stopped`.

    What stays refused is told at once, and why it waits for a server that refuses for now is logged.
    """
    pauses = growing_pauses()
    told = False
    while True:
        left_s = None if deadline is None else deadline - time.monotonic()
        try:
            return within(left_s, connection.run(call))
        except TimeoutError:
            raise ConnectionFailed(f"no answer from Redis at {masked(connection.url)} in time") from None
        except ConnectionFailed as error:
            pause = next(pauses)
            late = deadline is not None and time.monotonic() + pause > deadline
            if stays_refused(error) or stopped() or late:
                raise
            if isinstance(error, ServerRefused) and not told:
                log.warning("trying until it is done: %s", error)
                told = True
            time.sleep(pause)
