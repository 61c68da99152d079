# Generated from aio/insist.py by tools/unasync.py: change that file instead.

"""Sends a call until it is answered: for calls that are safe to send again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, is_log_in_refused
from ..protocol.address import masked
from ..protocol.call import Call, Command
from .connection import Connection
from .reader import within

Reply = TypeVar("Reply")


def insist(
    connection: Connection,
    call: Call[Reply] | Command[Reply],
    deadline: float | None,
    stopped: Callable[[], bool] = lambda: False,
) -> Reply:
    """The answer to a call; `ConnectionFailed` if there is none before `deadline` (by `time.monotonic`), or `stopped`.

    A refused log-in is told at once, as it stays refused. With no time left there is one try all the same: what has
    been done half is worse than what comes late.
    """
    pauses = growing_pauses()
    while True:
        left_s = None if deadline is None else deadline - time.monotonic()
        try:
            return within(left_s if left_s is None or left_s > 0 else None, connection.run(call))
        except TimeoutError:
            raise ConnectionFailed(f"no answer from Redis at {masked(connection.url)} in time") from None
        except ConnectionFailed as error:
            if is_log_in_refused(error):
                raise
            pause = next(pauses)
            if stopped() or (deadline is not None and time.monotonic() + pause > deadline):
                raise
            time.sleep(pause)
