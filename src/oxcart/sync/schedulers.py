# Generated from aio/schedulers.py by tools/unasync.py: change that file instead.

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


def upsert(
    connection: Connection, keys: Keys, new: schedule.NewScheduler, clock: Clock, timeout: float | None
) -> JobRecord:
    """Make or change a scheduler; answers its next run. Insists for `timeout` seconds if Redis is away."""
    deadline = None if timeout is None else time.monotonic() + timeout
    now = clock()
    slot = None if new.repeat.cron is None else series.first_match(new.repeat, now)
    for _ in range(schedule.MOST_TRIES):
        added = insist(connection, schedule.upsert(keys, new, now, slot, random.random()), deadline)
        if added is not None:
            return added
        # The run for that time was let go before its time: the series goes on after it.
        slot = series.next_match(new.stored, now if slot is None else slot)
        if slot is None:
            break
    raise refusal(schedule.TIME_TAKEN, new.id, keys.name)


def pause(connection: Connection, keys: Keys, scheduler_id: str, clock: Clock) -> bool:
    """Put a scheduler aside; answers whether there was one."""
    found = connection.run(schedule.read_one(keys, scheduler_id))
    if not found:
        return False
    if found[0].legacy or found[0].ended:
        raise refusal(schedule.OF_VERSION_5 if found[0].legacy else schedule.OVER, scheduler_id, keys.name)
    now = clock()
    series.check_pausable(found[0], now)
    return connection.run(schedule.pause(keys, scheduler_id, now))


def resume(connection: Connection, keys: Keys, scheduler_id: str, clock: Clock) -> JobRecord | None:
    """Let a scheduler go on that is paused; answers its next run, None if it isn't paused."""
    found = connection.run(schedule.read_paused(keys, scheduler_id))
    if not found:
        return None
    paused, now = found[0], clock()
    scheduler, stored = paused.scheduler, paused.repeat
    if scheduler is None or scheduler.ended:
        raise refusal(schedule.OVER, scheduler_id, keys.name)
    series.check_pausable(scheduler, now)
    after = now
    for _ in range(schedule.MOST_TRIES):
        slot = None if stored.pattern is None else series.next_match(stored, after)
        if slot is None and stored.pattern is not None:
            raise refusal(schedule.OVER, scheduler_id, keys.name)
        resumed = connection.run(schedule.resume(keys, paused, now, slot, random.random()))
        if resumed.outcome == "over":
            raise refusal(schedule.OVER, scheduler_id, keys.name)
        if resumed.outcome != "taken":
            return resumed.run
        after = slot or now
    raise refusal(schedule.TIME_TAKEN, scheduler_id, keys.name)


def convert_legacy(connection: Connection, keys: Keys, clock: Clock) -> dict[str, str]:
    """Turn repeated jobs of version 5 into schedulers, as far as their next runs wait; answers keys and new ids."""
    converted: dict[str, str] = {}
    known = connection.run(schedule.read_many(keys, 0, -1, True))
    taken = {scheduler.id for scheduler in known}
    for old in known:
        if not old.legacy or (old.cron is None and old.every is None):
            continue
        [run] = connection.run(read.jobs(keys, [old.next_job_id]))
        if run is None or run.damage():
            continue
        new_id = next(name for name in series.new_ids(old) if name not in taken)
        if connection.run(schedule.convert(keys, old, run, new_id, clock())):
            converted[old.id] = new_id
            taken.add(new_id)
    return converted
