"""Series: keeps schedulers going. Whoever takes a run of one adds the next, before it runs that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from ..aio.connection import Connection
from ..aio.job import Job
from ..backoff import growing_pauses
from ..clock import Clock
from ..errors import ConnectionFailed, OptionsError, OxcartError, Reschedule, SchedulerError, ScriptError, refusal
from ..protocol import series, wire
from ..protocol.calls import schedule
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from .execution import Attempt
from .processors import Run

LATER_S = 10
"""When a run comes again whose scheduler can't be read here: a worker that can may take it then."""


class Series:
    """Adds the next runs of schedulers. `on_trouble` is told what is wrong, `on_away` that Redis can't be reached."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        clock: Clock,
        on_trouble: Callable[[BaseException], None],
        on_away: Callable[[BaseException], None],
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self._on_trouble = on_trouble
        self._on_away = on_away
        self._rand = rand

    async def advance(self, attempt: Attempt, run: Run) -> Run:
        """Add the run after this one; answers how to run this one: as given, or not at all.

        Insists until Redis has answered, or the attempt is ended: then whoever takes the run next will do it.
        """
        pauses = growing_pauses()
        while True:
            try:
                return await self._try_to_advance(attempt.record, run)
            except ConnectionFailed as error:
                self._on_away(error)
                await asyncio.sleep(next(pauses))

    async def _try_to_advance(self, record: JobRecord, run: Run) -> Run:
        scheduler = record.fields["rjk"]
        try:
            done = await self.add_next(record, _due_ms(record))
        except OptionsError as error:
            if not await self._connection.run(schedule.is_at(self._keys, scheduler, series.slot_of(record.id))):
                return run  # the series went on without it, or is gone
            self._on_trouble(
                OxcartError(
                    f"the scheduler {scheduler!r} of {self._keys.name} can't be read here, and is left alone: {error}. "
                    f"Its run is put back for {LATER_S} s, for a worker that can read it"
                )
            )
            return _not_here
        except (ScriptError, SchedulerError, wire.Unreadable) as error:
            # The run is none the worse for it; the check of schedulers will try again.
            self._on_trouble(stuck(scheduler, self._keys.name, error))
            return run
        return _skipped(done.skipped) if done.skipped else run

    async def add_next(self, record: JobRecord, due_ms: int | None) -> schedule.Advanced:
        """Add the run after this one, if it is the one that its scheduler is at. `due_ms`: see `schedule.advance`.

        Raises `OptionsError` if it can't be told when that is, `SchedulerError` if its time is taken.
        """
        now = self._clock()
        stored = series.repeat_of(record)
        step = series.step_of(stored, series.slot_of(record.id), now)
        for _ in range(schedule.MOST_TRIES):
            call = schedule.advance(self._keys, record, step, now, self._rand(), due_ms=due_ms)
            done = await self._connection.run(call)
            if done is not None:
                return done
            step = series.step_further(stored, step)
        raise refusal(schedule.TIME_TAKEN, record.fields["rjk"], self._keys.name)


def stuck(scheduler: str, queue: str, error: BaseException) -> OxcartError:
    """What to tell when a scheduler could not go on."""
    return OxcartError(f"the scheduler {scheduler!r} of {queue} could not add its next run: {error}")


def _due_ms(record: JobRecord) -> int | None:
    """When a run was to begin: at its time, or when it was put off to by hand. None if it has begun before."""
    if record.attempts_made or record.integer("ats") > 1 or "stc" in record.fields:
        return None
    return max(series.slot_of(record.id), record.integer("ox:due"))


def _skipped(why: str) -> Run:
    """Instead of running a run, say why it was left out."""

    async def skip(_: Job) -> Any:
        return {"skipped": why}

    return skip


async def _not_here(_: Job) -> Any:
    raise Reschedule(LATER_S)
