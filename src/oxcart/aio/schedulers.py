"""Repeated jobs: makes schedulers, and turns those of version 5 of BullMQ into such."""

from __future__ import annotations

import random
import time

from ..clock import Clock
from ..errors import refusal
from ..protocol import series
from ..protocol.calls import read, schedule
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from .connection import Connection
from .insist import insist


async def upsert(
    connection: Connection, keys: Keys, new: schedule.NewScheduler, clock: Clock, timeout: float | None
) -> JobRecord:
    """Make or change a scheduler; answers its next run. Insists for `timeout` seconds if Redis is away."""
    deadline = None if timeout is None else time.monotonic() + timeout
    now = clock()
    slot = None if new.repeat.cron is None else series.first_match(new.repeat, now)
    for _ in range(schedule.MOST_TRIES):
        added = await insist(connection, schedule.upsert(keys, new, now, slot, random.random()), deadline)
        if added is not None:
            return added
        # The run for that time was let go before its time: the series goes on after it.
        slot = series.next_match(new.stored, now if slot is None else slot)
        if slot is None:
            break
    raise refusal(schedule.TIME_TAKEN, new.id, keys.name)


async def convert_legacy(connection: Connection, keys: Keys, clock: Clock) -> dict[str, str]:
    """Turn repeated jobs of version 5 into schedulers, as far as their next runs wait; answers keys and new ids."""
    converted: dict[str, str] = {}
    known = await connection.run(schedule.read_many(keys, 0, -1, True))
    taken = {scheduler.id for scheduler in known}
    for old in known:
        if not old.legacy or (old.cron is None and old.every is None):
            continue
        [run] = await connection.run(read.jobs(keys, [old.next_job_id]))
        if run is None or run.damage():
            continue
        new_id = next(name for name in series.new_ids(old) if name not in taken)
        if await connection.run(schedule.convert(keys, old, run, new_id, clock())):
            converted[old.id] = new_id
            taken.add(new_id)
    return converted
