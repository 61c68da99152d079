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

    `on_trouble` is told of what is wrong with a scheduler, `on_away` that Redis can't be
    reached, `on_mended` of a run that was missing.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        clock: Clock,
        interval_ms: int,
        on_trouble: Callable[[BaseException], None],
        on_away: Callable[[BaseException], None],
        on_mended: Callable[[BaseException], None],
        rand: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self._interval_ms = interval_ms
        self._on_trouble = on_trouble
        self._on_away = on_away
        self._on_mended = on_mended
        self._rand = rand

    # ------------------------------------------------------------------------------------------ a run is taken

    async def advance(self, attempt: Attempt, run: Run) -> Run:
        """Add the run after this one; answers how to run this one: as given, or not at all.

        Insists until Redis has answered, or the attempt is ended: then whoever takes the run next will do it.
        """
        pauses = growing_pauses()
        record = attempt.record
        while True:
            try:
                done = await self._advance(record, self._due_ms(record))
                return _skipped(done.skipped) if done.skipped else run
            except ConnectionFailed as error:
                self._on_away(error)
                await asyncio.sleep(next(pauses))
            except OptionsError as error:
                if not await self._is_current(record):
                    return run  # the series went on without it, or is gone
                self._unreadable(record.fields["rjk"], error)
                return _not_here
            except (ScriptError, SchedulerError, wire.Unreadable) as error:
                # The run is none the worse for it; the check of schedulers will try again.
                self._on_trouble(self._stuck(record.fields["rjk"], error))
                return run

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

    async def _is_current(self, record: JobRecord) -> bool:
        return await self._connection.run(schedule.is_at(self._keys, record.fields["rjk"], series.slot_of(record.id)))

    @staticmethod
    def _due_ms(record: JobRecord) -> int | None:
        """When a run was to begin: at its time, or when it was put off to by hand. None if it has begun before."""
        if record.attempts_made or record.integer("ats") > 1 or "stc" in record.fields:
            return None
        return max(series.slot_of(record.id), record.integer("ox:due"))

    def _stuck(self, scheduler: str, error: BaseException) -> OxcartError:
        return OxcartError(f"the scheduler {scheduler!r} of {self._keys.name} could not add its next run: {error}")

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
        interval_ms = 0  # at the start whatever others have done
        while True:
            pause_ms = self._interval_ms
            try:
                await self.repair(interval_ms)
                interval_ms = self._interval_ms
            except ConnectionFailed:
                pause_ms = min(self._interval_ms, 1000)  # the shuttle tells of it; here it is only late
            except Exception as error:  # whatever somebody has stored there, it must not end the worker
                self._on_trouble(error)
            await asyncio.sleep(pause_ms / 1000)

    async def repair(self, interval_ms: int = 0) -> list[str]:
        """Look once, unless somebody has within the interval; answers the ids of the runs that were added."""
        added: list[str] = []
        start = 0
        while True:
            looked = await self._connection.run(schedule.stopped(self._keys, start, self._clock(), interval_ms))
            for found in looked.stopped:
                if job_id := await self._restart(found):
                    added.append(job_id)
                    text = f"the scheduler {found.id!r} of {self._keys.name} had no next run: {job_id} was added"
                    self._on_mended(OxcartError(text))
            start += looked.count
            if looked.count < schedule.LARGEST_LOOK:
                return added

    async def _restart(self, found: schedule.Stopped) -> str:
        """Get one going again; answers the id of the run that was added. One that can't be mended harms no other."""
        try:
            if found.ended is not None:
                return (await self._advance(self._whole(found, found.ended), None)).added
            if series.may_be_over(found.fields, found.since, found.slot_ms, self._clock()):
                return ""
            return await self._connection.run(schedule.revive(self._keys, found, self._clock()))
        except ConnectionFailed:
            raise
        except Exception as error:
            self._on_trouble(self._stuck(found.id, error))
            return ""

    def _whole(self, found: schedule.Stopped, ended: JobRecord) -> JobRecord:
        """The run that has ended or, if it doesn't say when it comes again, what its scheduler says."""
        try:
            repeat = wire.repeat_from_wire(_repeat_of(ended))
        except wire.Unreadable:
            repeat = wire.StoredRepeat()
        if repeat.pattern is None and repeat.every_ms is None:
            return schedule.as_run(self._keys, found)
        return ended


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
