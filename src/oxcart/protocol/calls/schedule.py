"""Schedulers: made and changed, read, kept going, removed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import OptionsError, PayloadError
from ...options import milliseconds
from ...repeat import Repeat
from .. import series, wire
from ..call import Argument, Call, Command, call, unless_refused
from ..keys import Keys
from ..record import JobRecord
from .add import NewJob, Preparer

TIME_TAKEN = -10
"""The answer when a job has the id that a run would get."""

OVER = -23
"""A scheduler has come to its end, so that it can be neither paused nor resumed."""

OF_VERSION_5 = -24
"""It is a repeated job of version 5, which can't be paused."""

MOST_TRIES = 32
"""How many further times are tried then."""

LARGEST_LOOK = 200
"""How many schedulers one call looks at."""


@dataclass(frozen=True, slots=True)
class NewScheduler:
    """A scheduler that is checked and encoded, ready to be sent."""

    id: str
    repeat: Repeat
    job: NewJob
    template: Mapping[str, Any]

    @property
    def wire(self) -> dict[str, Any]:
        return wire.repeat_to_wire(self.repeat)

    @property
    def stored(self) -> wire.StoredRepeat:
        return wire.repeat_from_wire(self.wire)


class SchedulerPreparer:
    """Checks and encodes schedulers for one queue. `defaults` are the default options of its jobs."""

    def __init__(self, defaults: Mapping[str, Any], clock: Callable[[], int]) -> None:
        self._defaults = {name: value for name, value in defaults.items() if name not in series.PER_RUN}
        self._preparer = Preparer(self._defaults, clock)
        self._clock = clock

    def prepare(
        self, scheduler_id: str, repeat: Repeat, name: str | None, data: object, options: Mapping[str, Any]
    ) -> NewScheduler:
        """A scheduler as it will be stored; an `OptionsError` or `PayloadError` if it can't be right."""
        series.check_scheduler_id(scheduler_id)
        if repeat.end is not None and repeat.end.timestamp() * 1000 <= self._clock():
            raise OptionsError(f"end={repeat.end!r}: it has passed, so nothing would ever run")
        options = series.checked(options)
        job = self._preparer.prepare(scheduler_id if name is None else name, data, options)
        return NewScheduler(scheduler_id, repeat, job, wire.template_to_wire({**self._defaults, **options}))


def upsert(keys: Keys, new: NewScheduler, now: int, slot_ms: int | None, random: float) -> Call[JobRecord | None]:
    """Make or change a scheduler; answers its next run. None: `slot_ms` is the id of another job, try a later time."""
    repeat, shape = new.repeat, new.job.shape
    stored = new.wire
    head = wire.with_slot(wire.run_options(new.template, {**stored, "count": 1}, new.id, now), new.id)

    def read(reply: Any) -> JobRecord | None:
        if reply == TIME_TAKEN:
            return None
        if reply == []:
            raise OptionsError(f"end={repeat.end!r}: the next run would be later, so nothing would ever run")
        return unless_refused(keys, new.id, _added)(reply)

    def _added(reply: Any) -> JobRecord:
        job_id, delay = reply
        slot = job_id.rpartition(":")[2]
        opts = f'{head}{slot}","delay":{delay}' + (f',"prevMillis":{slot}}}' if repeat.cron is not None else "}")
        record = JobRecord(job_id, _fields_of_run(new, now, opts, delay))
        record.data = new.job.value
        return record

    return call(
        "upsert_scheduler",
        keys,
        read,
        *_definition(new),
        extra_keys={"policies": keys.policies, "paused_schedulers": keys.paused_schedulers},
        prefix=keys.prefix,
        scheduler=new.id,
        now=now,
        upcoming=_number(slot_ms),
        every=stored.get("every", ""),
        pattern=stored.get("pattern", ""),
        zone=stored.get("tz", ""),
        offset=stored.get("offset", ""),
        start=stored.get("startDate", ""),
        ends=stored.get("endDate", ""),
        immediately=int(repeat.immediately),
        limited=int(repeat.limit is not None),
        random=random,
        policy=series.policy_of(repeat, milliseconds("jitter", repeat.jitter)),
        head=head,
        name=shape.name,
        data=new.job.data,
        priority=shape.priority,
        lifo=int(shape.lifo),
    )


def _definition(new: NewScheduler) -> list[Argument]:
    """The fields of a scheduler's hash, but for those that the script knows better."""
    fields: list[Argument] = ["name", new.job.shape.name]
    for name, value in new.wire.items():
        if name != "offset":
            fields += (name, value)
    if new.template:
        fields += ("opts", wire.encode(new.template))
    if new.job.data != "{}":
        fields += ("data", new.job.data)
    return fields


def _fields_of_run(new: NewScheduler, now: int, opts: str, delay: str) -> dict[str, str]:
    """What was stored of its next run."""
    return {
        "name": new.job.shape.name,
        "data": new.job.data,
        "opts": opts,
        "timestamp": str(now),
        "delay": delay,
        "priority": str(new.job.shape.priority),
        "rjk": new.id,
    }


@dataclass(frozen=True, slots=True)
class Advanced:
    """What became of a scheduler whose run was taken."""

    added: str
    """The id of the next run; empty if none was added."""
    skipped: str
    """Why the present run is to be skipped, `overlap` or `missed`; empty if it isn't."""


def advance(
    keys: Keys, record: JobRecord, step: series.Step, now: int, random: float, *, due_ms: int | None
) -> Call[Advanced | None]:
    """Add the run after a run that was taken. None: another job has its id, try a later time.

    `due_ms`: when the run was to begin, None if it has been tried before. Raises `OptionsError` if the options of the
    run can't be handed on.
    """
    raw, fields = record.options.raw, record.fields
    scheduler = fields["rjk"]
    stored = series.repeat_of(record)
    try:
        head = wire.with_slot(wire.next_run_options(raw, now), scheduler)
    except PayloadError as error:
        raise OptionsError(str(error)) from None

    def read(reply: Any) -> Advanced | None:
        if reply == TIME_TAKEN:
            return None
        return unless_refused(keys, scheduler, lambda found: Advanced(*found))(reply)

    return call(
        "advance_scheduler",
        keys,
        read,
        extra_keys={"policies": keys.policies, "running": keys.running},
        prefix=keys.prefix,
        scheduler=scheduler,
        run=record.id,
        own=series.slot_of(record.id),
        now=now,
        due=_number(due_ms),
        upcoming=_number(step.upcoming_ms),
        following=_number(step.following_ms),
        over=int(step.over),
        every=_number(stored.every_ms),
        offset=_number(stored.offset_ms),
        ends=_number(stored.end_ms),
        random=random,
        head=head,
        name=fields.get("name", ""),
        data=fields.get("data", "{}"),
        priority=_priority(raw),
        lifo=int(record.options.lifo),
        dedup=_deduplication_id(raw),
    )


def _number(value: float | None) -> Argument:
    if value is None or not math.isfinite(value):
        return ""
    return int(value) if value == int(value) else value


def _priority(raw: Mapping[str, Any]) -> int:
    value = raw.get("priority")
    return int(value) if isinstance(value, int | float) and 0 < value < 2**21 else 0


def _deduplication_id(raw: Mapping[str, Any]) -> str:
    stored: Any = raw.get("de")
    found: object = stored.get("id") if isinstance(stored, dict) else None  # pyright: ignore
    return found if isinstance(found, str) else ""


def remove(keys: Keys, scheduler_id: str) -> Call[bool]:
    """Remove a scheduler, also one that is paused; answers whether there was one."""
    return call("remove_scheduler", keys, bool, extra_keys=_own(keys), prefix=keys.prefix, scheduler=scheduler_id)


def _own(keys: Keys) -> dict[str, str]:
    """Where things are kept of schedulers that only Oxcart knows."""
    return {"policies": keys.policies, "running": keys.running, "paused_schedulers": keys.paused_schedulers}


def pause(keys: Keys, scheduler_id: str, now: int) -> Call[bool]:
    """Put a scheduler aside; answers whether there was one."""
    own = _own(keys)
    return call("pause_scheduler", keys, bool, extra_keys=own, prefix=keys.prefix, scheduler=scheduler_id, now=now)


def read_paused(keys: Keys, scheduler_id: str = "") -> Call[list[series.Paused]]:
    """The schedulers that are paused, or the one with this id if it is."""

    def read(reply: Any) -> list[series.Paused]:
        parts = iter(reply)
        found = (series.read_paused(name, text) for name, text in zip(parts, parts, strict=True))
        return sorted((paused for paused in found if paused is not None), key=lambda paused: paused.id)

    extra = {"paused_schedulers": keys.paused_schedulers}
    return call("read_paused_schedulers", keys, read, extra_keys=extra, scheduler=scheduler_id)


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came of resuming a scheduler."""

    outcome: Literal["resumed", "gone", "over", "taken"]
    """`gone`: it is not paused any more. `over`: no run would be before its end. `taken`: a job has the run's id."""
    run: JobRecord | None = None
    """Its next run, if it is resumed."""


def resume(keys: Keys, paused: series.Paused, now: int, slot_ms: int | None, random: float) -> Call[Resumed]:
    """Make a scheduler of one that is paused, as it was. `slot_ms` is the next time of a pattern."""
    stored, policy = paused.repeat, series.read_policy(paused.policy)
    found = Stopped(paused.id, paused.slot_ms, paused.fields, policy.since, None)
    try:
        plain = as_run(keys, found)
        raw = plain.options.raw
        head = wire.with_slot(wire.run_options(raw, raw["repeat"], paused.id, now), paused.id)
    except (wire.Unreadable, PayloadError) as error:
        raise OptionsError(f"the options of the scheduler {paused.id!r} can't be read: {error}") from None
    priority = _priority(raw)

    def read(reply: Any) -> Resumed:
        if reply in (0, []):
            return Resumed("over" if reply == [] else "gone")
        if reply == TIME_TAKEN:
            return Resumed("taken")
        return unless_refused(keys, paused.id, _resumed)(reply)

    def _resumed(reply: Any) -> Resumed:
        job_id, delay, name, data = reply
        slot = job_id.rpartition(":")[2]
        opts = f'{head}{slot}","delay":{delay}' + (f',"prevMillis":{slot}}}' if stored.pattern is not None else "}")
        fields = {"name": name, "data": data, "opts": opts, "timestamp": str(now), "delay": delay}
        return Resumed("resumed", JobRecord(job_id, {**fields, "priority": str(priority), "rjk": paused.id}))

    return call(
        "resume_scheduler",
        keys,
        read,
        extra_keys=_own(keys),
        prefix=keys.prefix,
        scheduler=paused.id,
        at=paused.at_ms,
        now=now,
        upcoming=_number(slot_ms),
        every=_number(stored.every_ms),
        offset=_number(stored.offset_ms),
        start=_number(stored.start_ms),
        ends=_number(stored.end_ms),
        jitter=int(policy.jitter_ms * random),
        number=paused.fields["ic"],
        head=head,
        priority=priority,
        lifo=int(plain.options.lifo),
        dedup=_deduplication_id(raw),
    )


def read_many(keys: Keys, start: int, stop: int, ascending: bool) -> Call[list[series.Scheduler]]:
    """Schedulers by when their next runs are."""
    return _read(keys, "", start, stop, ascending)


def read_one(keys: Keys, scheduler_id: str) -> Call[list[series.Scheduler]]:
    """The scheduler with this id, if there is one."""
    return _read(keys, scheduler_id, 0, 0, False)


def count(keys: Keys) -> Command[int]:
    """How many schedulers there are."""
    return Command(("ZCARD", keys.one("schedulers")), int)


def _read(keys: Keys, scheduler_id: str, start: int, stop: int, ascending: bool) -> Call[list[series.Scheduler]]:
    def read(reply: Any) -> list[series.Scheduler]:
        parts = iter(reply)
        found = (
            series.read_scheduler(name, wire.read_int(slot), _fields(flat), policy, finished, opts)
            for name, slot, flat, policy, finished, opts in zip(parts, parts, parts, parts, parts, parts, strict=True)
        )
        return [scheduler for scheduler in found if scheduler is not None]

    return call(
        "read_schedulers",
        keys,
        read,
        extra_keys={"policies": keys.policies},
        prefix=keys.prefix,
        scheduler=scheduler_id,
        start=start,
        stop=stop,
        ascending=int(ascending),
    )


@dataclass(frozen=True, slots=True)
class Stopped:
    """A scheduler whose next run is not there, or has ended without bringing another."""

    id: str
    slot_ms: int
    fields: Mapping[str, str]
    """Its hash, without the data."""
    since: int
    """How many runs it had had before its limit began to count."""
    ended: JobRecord | None
    """The run that has ended; None if it is not there."""


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to a look at some schedulers."""

    count: int
    stopped: Sequence[Stopped]


def is_at(keys: Keys, scheduler_id: str, slot_ms: int) -> Command[bool]:
    """Whether the run for this time is the one that a scheduler is at."""

    def read(reply: Any) -> bool:
        return reply is not None and float(reply) == slot_ms

    return Command(("ZSCORE", keys.one("schedulers"), scheduler_id), read)


def stopped(keys: Keys, start: int, now: int, interval_ms: int) -> Call[Looked]:
    """Look at some schedulers, from this place on; with an interval, only if nobody has in that time."""

    def read(reply: Any) -> Looked:
        count, *found = reply
        parts = iter(found)
        rows = zip(parts, parts, parts, parts, parts, strict=True)
        return Looked(count, [_stopped(keys, *row) for row in rows])

    own = _own(keys) | {"check": keys.schedulers_check}
    return call(
        "stopped_schedulers",
        keys,
        read,
        extra_keys=own,
        prefix=keys.prefix,
        start=start,
        count=LARGEST_LOOK,
        now=now,
        interval_ms=interval_ms,
    )


def _stopped(keys: Keys, name: str, slot: str, flat: Sequence[str], policy: str, run: Sequence[str]) -> Stopped:
    ended = JobRecord.from_flat(keys.run(name, int(slot)), run) if run else None
    return Stopped(name, int(slot), _fields(flat), series.read_policy(policy).since, ended)


def as_run(keys: Keys, found: Stopped) -> JobRecord:
    """The run that a scheduler is at as it should be, from its hash: for one that is missing or damaged."""
    template: Any = wire.decode(found.fields.get("opts", "") or "{}")
    raw: dict[str, Any] = template if isinstance(template, dict) else {}  # pyright: ignore
    repeat = wire.repeat_of_hash(found.fields, wire.read_int(found.fields.get("ic"), 1) - found.since)
    opts = wire.encode({**raw, "repeat": repeat, "repeatJobKey": found.id})
    name, data = found.fields.get("name", found.id), found.fields.get("data", "{}")
    return JobRecord(keys.run(found.id, found.slot_ms), {"name": name, "data": data, "opts": opts, "rjk": found.id})


def revive(keys: Keys, found: Stopped, now: int) -> Call[str]:
    """Add the run again that a scheduler is at; answers its id, empty if it is there."""
    run = as_run(keys, found)
    raw = run.options.raw
    return call(
        "revive_scheduler",
        keys,
        str,
        prefix=keys.prefix,
        scheduler=found.id,
        slot=found.slot_ms,
        now=now,
        head=wire.with_slot(wire.run_options(raw, raw["repeat"], found.id, now), found.id),
        cron=int("pattern" in found.fields),
        priority=_priority(raw),
        lifo=int(run.options.lifo),
        dedup=_deduplication_id(raw),
    )


def convert(keys: Keys, old: series.Scheduler, run: JobRecord, new_id: str, now: int) -> Call[str]:
    """Turn a repeated job of version 5 into a scheduler; answers its next run, empty if that can't be done now."""
    raw = run.options.raw
    slot_ms = series.slot_of(old.next_job_id)
    repeat = series.repeat_of_legacy(old, series.repeat_of(run))
    template = {name: value for name, value in raw.items() if name not in wire.SET_BY_SCHEDULER}
    data = run.fields.get("data", "{}")
    fields: list[Argument] = ["name", old.name]
    for name, value in repeat.items():
        if name != "count":
            fields += (name, value)
    fields += ("offset", slot_ms % repeat["every"] if "every" in repeat else 0)
    if template:
        fields += ("opts", wire.encode(template))
    if data != "{}":
        fields += ("data", data)
    return call(
        "convert_scheduler",
        keys,
        str,
        *fields,
        prefix=keys.prefix,
        old=old.id,
        scheduler=new_id,
        slot=slot_ms,
        now=now,
        head=wire.with_slot(wire.run_options(template, repeat, new_id, now), new_id),
        cron=int("pattern" in repeat),
        name=old.name,
        data=data,
        priority=_priority(raw),
        lifo=int(run.options.lifo),
        dedup=_deduplication_id(raw),
    )


def _fields(flat: Sequence[str]) -> dict[str, str]:
    parts = iter(flat)
    return dict(zip(parts, parts, strict=True))
