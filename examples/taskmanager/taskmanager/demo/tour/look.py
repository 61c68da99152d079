"""What the looks at rules have in common."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from oxcart import DamagedJob, Job

from ...contract import QUEUES
from .. import Unexpected
from ..stage import Stage


class NotHere(Exception):
    """It can't be looked at here; the text says why."""


def ensure(holds: bool, otherwise: str) -> None:
    """Go on if something holds."""
    if not holds:
        raise Unexpected(otherwise)


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


async def all_jobs(stage: Stage) -> list[Job | DamagedJob]:
    """What is in the queues of the application, in whatever state."""
    found: list[Job | DamagedJob] = []
    for name in QUEUES:
        queue = stage.queues.named(name)
        assert queue is not None
        found += [job async for job in queue.iter_jobs()]
    return found
