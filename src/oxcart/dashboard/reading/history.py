"""History: the latest runs of schedulers that are still kept, found by the ids that their times give them.

What is looked for are the times before the next run, as the scheduler is now. So it costs the same however many jobs
there are; a run of other times, or one that was made at once, is not found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache

from ... import OptionsError, Queue, Scheduler
from .. import shapes
from ..board import Board
from . import direct, rows


async def runs(board: Board, queue: Queue, schedulers: Sequence[Scheduler], most: int) -> dict[str, list[shapes.Run]]:
    """The latest runs of each scheduler of a queue, oldest first."""
    times: dict[str, list[int]] = {}
    for scheduler in schedulers:
        times[scheduler.id] = _times(scheduler, most)
        if len(times) % 20 == 0:
            await asyncio.sleep(0)  # patterns take a millisecond each, when they are reckoned first
    found = await direct.runs(board, queue, [run_id(name, at) for name, some in times.items() for at in some])
    return {
        name: [_run(run_id(name, at), at, ran) for at in some if (ran := found.get(run_id(name, at))) is not None]
        for name, some in times.items()
    }


def run_id(scheduler: str, at: int) -> str:
    """The id of the job that is the run of a scheduler at a time."""
    return f"repeat:{scheduler}:{at}"


def _run(job_id: str, at: int, ran: direct.Ran) -> shapes.Run:
    took = None if ran.started is None or ran.finished is None else max(ran.finished - ran.started, 0)
    return {"id": rows.sendable(job_id), "at": at, "state": ran.state, "took": took}


def _times(scheduler: Scheduler, most: int) -> list[int]:
    # Only what tells the times: so it can be the key of what was reckoned before.
    plain = Scheduler(
        "",
        "",
        scheduler.next,
        cron=scheduler.cron,
        every=scheduler.every,
        tz=scheduler.tz,
        start=scheduler.start,
        offset=scheduler.offset,
        ended=scheduler.ended,
        paused_at=scheduler.paused_at,
    )
    return _times_of(plain, most)


@lru_cache(maxsize=4096)
def _times_of(scheduler: Scheduler, most: int) -> list[int]:
    """Reckoned once for all who look."""
    try:
        return [rows.ms_of(at) for at in scheduler.previous(most)]
    except (OptionsError, ArithmeticError, ValueError):  # what can't be read, and times that no calendar has
        return []
