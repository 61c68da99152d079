"""The application's workers in a hurry: `oxcart worker taskmanager.demo.quick:workers`.

A job whose worker was killed is found by another one when its lock has run out, after half a minute to a minute. That
is right for production, and too long for a tour; here it takes some seconds. And pictures may need less memory: every
one that the application takes fits into what it gives them, and the tour wants one that doesn't. Nothing else differs.
"""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

from oxcart import Worker

from .. import worker

LOCK_S = 5
MEMORY_FOR_A_PICTURE = 150_000_000


def workers() -> list[Worker]:
    """All workers of the application, with short locks and little memory."""
    with (
        patch.object(worker, "Worker", partial(Worker, lock_duration=LOCK_S, stalled_interval=1)),
        patch.object(worker, "MEMORY_FOR_A_PICTURE", MEMORY_FOR_A_PICTURE),
    ):
        return worker.workers()
