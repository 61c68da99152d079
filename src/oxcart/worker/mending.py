"""SeriesCheck: finds schedulers whose next run has vanished, and gets them going again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..aio.connection import Connection
from ..clock import Clock
from ..errors import ConnectionFailed, OxcartError
from ..protocol import series, wire
from ..protocol.calls import schedule
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from .series import Series, stuck

log = logging.getLogger("oxcart.worker")


class SeriesCheck:
    """Looks at the start, and every interval for all workers of the queue together.

    `on_mended` is told of each run that was missing, `on_trouble` of a scheduler that can't be helped.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        interval_ms: int,
        clock: Clock,
        goes_on: Series,
        on_mended: Callable[[BaseException], None],
        on_trouble: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._interval_ms = interval_ms
        self._clock = clock
        self._series = goes_on
        self._on_mended = on_mended
        self._on_trouble = on_trouble

    async def run(self) -> None:
        """Check for ever."""
        interval_ms = 0  # at the start whatever others have done
        while True:
            pause_ms = self._interval_ms
            try:
                await self.check(interval_ms)
                interval_ms = self._interval_ms
            except ConnectionFailed:
                pause_ms = min(self._interval_ms, 1000)  # the shuttle tells of it; here it is only late
            except Exception as error:  # whatever somebody has stored there, it must not end the worker
                log.exception("the schedulers of %s could not be looked through", self._keys.name)
                self._on_trouble(error)
            await asyncio.sleep(pause_ms / 1000)

    async def check(self, interval_ms: int = 0) -> list[str]:
        """Check once, unless somebody has within the interval; answers the ids of the runs that were added."""
        added: list[str] = []
        start = 0
        while True:
            looked = await self._connection.run(schedule.stopped(self._keys, start, self._clock(), interval_ms))
            for found in looked.stopped:
                if job_id := await self._mend(found):
                    added.append(job_id)
                    text = f"the scheduler {found.id!r} of {self._keys.name} had no next run: {job_id} was added"
                    self._on_mended(OxcartError(text))
            start += looked.count
            if looked.count < schedule.LARGEST_LOOK:
                return added

    async def _mend(self, found: schedule.Stopped) -> str:
        """Get one going again; answers the id of the run that was added. One that can't be helped harms no other."""
        try:
            if found.ended is not None:
                return (await self._series.add_next(self._whole(found, found.ended), None)).added
            if series.may_be_over(found.fields, found.since, found.slot_ms, self._clock()):
                return ""
            return await self._connection.run(schedule.revive(self._keys, found, self._clock()))
        except ConnectionFailed:
            raise
        except Exception as error:
            self._on_trouble(stuck(found.id, self._keys.name, error))
            return ""

    def _whole(self, found: schedule.Stopped, ended: JobRecord) -> JobRecord:
        """The run that has ended or, if it doesn't say when it comes again, what its scheduler says."""
        try:
            repeat = series.repeat_of(ended)
        except wire.Unreadable:
            repeat = wire.StoredRepeat()
        if repeat.pattern is None and repeat.every_ms is None:
            return schedule.as_run(self._keys, found)
        return ended
