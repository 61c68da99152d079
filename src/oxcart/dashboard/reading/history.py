"""History: the latest runs of schedulers that are still kept, found by the ids that their times give them.

What is looked for are the times before the next run, as the scheduler is now. So it costs the same however many jobs
there are; a run of other times, or one that was made at once, is not found.

The run after one is made when that one is taken. So the times that passed until then were missed. A time without a run
for which this can't be said (its run was removed, or there was no scheduler yet) is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
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
    return {scheduler.id: _told(scheduler, times[scheduler.id], found) for scheduler in schedulers}


_SKIPPED = {f'{{"skipped":"{why}"}}': why for why in ("missed", "overlap")}
"""What the value of a run is that was left out by a worker."""


def run_id(scheduler: str, at: int) -> str:
    """The id of the job that is the run of a scheduler at a time."""
    return f"repeat:{scheduler}:{at}"


def _told(scheduler: Scheduler, times: Sequence[int], found: Mapping[str, direct.Ran]) -> list[shapes.Run]:
    """The runs that are there, and the times between them that were missed."""
    told: list[shapes.Run] = []
    passed = 0
    for at in times:
        job_id = run_id(scheduler.id, at)
        if (ran := found.get(job_id)) is not None:
            told.append(_run(job_id, at, ran))
            # Of one that was taken again it isn't known when it was first; and each run may be made up for, or be to.
            passed = 0 if ran.starts != 1 or scheduler.missed == "all" else ran.started or 0
        elif at <= passed:
            told.append({"id": rows.sendable(job_id), "at": at, "state": "missed", "took": None, "skipped": None})
    return told


def _run(job_id: str, at: int, ran: direct.Ran) -> shapes.Run:
    took = None if ran.started is None or ran.finished is None else max(ran.finished - ran.started, 0)
    return {"id": rows.sendable(job_id), "at": at, "state": ran.state, "took": took, "skipped": _SKIPPED.get(ran.value)}


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
