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
    """Adds the next runs of schedulers, and finds those whose next run has vanished.

    `on_trouble` is told of what is wrong with a scheduler, `on_away` that Redis can't be reached.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        clock: Clock,
        interval_ms: int,
        on_trouble: Callable[[BaseException], None],
        on_away: Callable[[BaseException], None],
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self._interval_ms = interval_ms
        self._on_trouble = on_trouble
        self._on_away = on_away
        self._rand = rand

    # ------------------------------------------------------------------------------------------ a run is taken

    async def advance(self, attempt: Attempt, run: Run) -> Run:
        """Add the run after this one; answers how to run this one: as given, or not at all."""
        pauses = growing_pauses()
        while attempt.ending is None:
            try:
                done = await self._advance(attempt.record, self._due_ms(attempt.record))
            except ConnectionFailed as error:
                self._on_away(error)
                await asyncio.sleep(next(pauses))
            except OptionsError as error:
                self._unreadable(attempt.record.fields["rjk"], error)
                return _not_here
            except (ScriptError, SchedulerError) as error:
                self._on_trouble(error)
                return run
            else:
                return _skipped(done.skipped) if done.skipped else run
        return run  # it goes back, or is lost: who takes it next will do it

    async def _advance(self, record: JobRecord, due_ms: int | None) -> schedule.Advanced:
        now = self._clock()
        stored = wire.repeat_from_wire(_repeat_of(record))
        step = series.step_of(stored, series.slot_of(record.id), now)
        for _ in range(schedule.MOST_TRIES):
            done = await self._connection.run(
                schedule.advance(self._keys, record, step, now, self._rand(), due_ms=due_ms)
            )
            if done is not None:
                return done
            step = series.step_further(stored, step)
        raise refusal(schedule.TIME_TAKEN, record.fields["rjk"], self._keys.name)

    @staticmethod
    def _due_ms(record: JobRecord) -> int | None:
        """When a run was to begin: at its time or, with jitter or put off, later. None if it has begun before."""
        if record.attempts_made or record.integer("ats") > 1 or "stc" in record.fields:
            return None
        slot, made = series.slot_of(record.id), record.integer("timestamp")
        # One that was overdue when it was added has no delay, and says nothing by its own time.
        return max(slot, made + record.integer("delay")) if made <= slot else slot

    def _unreadable(self, scheduler: str, error: OptionsError) -> None:
        self._on_trouble(
            OxcartError(
                f"the scheduler {scheduler!r} of {self._keys.name} can't be read here, and is left alone: {error}. "
                f"Its run is put back for {LATER_S} s, for a worker that can read it"
            )
        )

    # -------------------------------------------------------------------------------------- a run has vanished

    async def check(self) -> None:
        """At the start and every interval, bring back runs that are missing: look for ever."""
        while True:
            try:
                await self.repair()
                pause_ms = self._interval_ms
            except ConnectionFailed:
                pause_ms = min(self._interval_ms, 1000)  # the shuttle tells of it; here it is only late
            except ScriptError as error:
                self._on_trouble(error)
                pause_ms = self._interval_ms
            await asyncio.sleep(pause_ms / 1000)

    async def repair(self) -> list[str]:
        """Look once; answers the ids of the runs that were added."""
        added: list[str] = []
        start = 0
        while True:
            looked = await self._connection.run(schedule.stopped(self._keys, start))
            for found in looked.stopped:
                if job_id := await self._restart(found):
                    added.append(job_id)
                    text = f"the scheduler {found.id!r} of {self._keys.name} had no next run: {job_id} was added"
                    self._on_trouble(OxcartError(text))
            start += looked.count
            if looked.count < schedule.LARGEST_LOOK:
                return added

    async def _restart(self, found: schedule.Stopped) -> str:
        try:
            if found.ended is not None and not found.ended.damage():
                return (await self._advance(found.ended, None)).added
            if series.may_be_over(found.fields, found.slot_ms, self._clock()):
                return ""
            return await self._connection.run(schedule.revive(self._keys, found, self._clock()))
        except (OptionsError, SchedulerError, wire.Unreadable) as error:
            self._on_trouble(
                OxcartError(
                    f"the scheduler {found.id!r} of {self._keys.name} has stopped, and can't be mended: {error}"
                )
            )
            return ""


def _repeat_of(record: JobRecord) -> dict[str, Any]:
    found: Any = record.options.raw.get("repeat")
    return found if isinstance(found, dict) else {}  # pyright: ignore


def _skipped(why: str) -> Run:
    """Instead of running a run, say why it was left out."""

    async def skip(_: Job) -> Any:
        return {"skipped": why}

    return skip


async def _not_here(_: Job) -> Any:
    raise Reschedule(LATER_S)
