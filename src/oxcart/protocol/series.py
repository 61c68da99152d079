"""Schedulers as they are stored, and when their runs are."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from ..cron import Cron
from ..errors import OptionsError
from ..options import JobOptions
from ..repeat import Missed, Overlap, Repeat
from . import wire
from .record import JobRecord
from .wire import StoredRepeat


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A job that comes again and again, as it is stored. Durations are seconds, times are aware datetimes."""

    id: str
    name: str
    """The name of its jobs."""
    next: datetime | None
    """When its next run is; if it has `ended`, when its last one was."""
    cron: str | None = None
    every: float | None = None
    tz: str | None = None
    """The zone of `cron`; None if whoever made it gave none: then each worker takes its own."""
    limit: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    offset: float | None = None
    iterations: int | None = None
    """How many runs have been made, the next one included; None for a repeated job of version 5."""
    data: Any = None
    """The data of its jobs; of a repeated job of version 5, that of the run that is ahead is not here."""
    options: JobOptions | None = None
    overlap: Overlap = "allow"
    missed: Missed = "once"
    jitter: float = 0
    runs_left: int | None = None
    """How many runs are still to come by its `limit`, the next one included; None without a limit."""
    ended: bool = False
    """Whether its last run is done, so that nothing is to come."""
    paused_at: datetime | None = None
    """Since when it is paused: it has no next run then."""
    legacy: bool = False
    """Whether it is a repeated job of version 5 of BullMQ, with a key of that time for its id."""

    @property
    def next_job_id(self) -> str:
        """The id of the job that is its next run."""
        return f"repeat:{self.id}:{round(self.next.timestamp() * 1000) if self.next else 0}"

    def upcoming(self, count: int = 10) -> list[datetime]:
        """When the next runs are, if none is missed: so many, or fewer if it ends before.

        Raises `OptionsError` for a pattern or zone that can't be read here. Example: `scheduler.upcoming(3)`
        """
        return list(itertools.islice(self._runs(), count))

    def previous(self, count: int = 10) -> list[datetime]:
        """When the runs before the next one were, oldest first, by its times as they are now; not before its `start`.

        Raises `OptionsError` for a pattern or zone that can't be read here. Example: `scheduler.previous(3)`
        """
        if self.paused_at is None:
            before = None if self.next is None else _ms(self.next) + (1 if self.ended else 0)
        else:
            before = _ms(self.paused_at)
        if before is None:
            return []
        if self.cron is not None:
            found = matches_before(Cron.parse(self.cron), self.tz, before, count)
        else:
            found = self._grid_before(before, count)
        start = 0 if self.start is None else _ms(self.start)
        return [moment for at in found if at >= start and (moment := wire.moment(at)) is not None]

    def _grid_before(self, before: int, count: int) -> list[int]:
        every = round((self.every or 0) * 1000)
        phase = self.next if self.next is not None else self.offset
        if every < 1 or phase is None:
            return []
        off = _ms(phase) if isinstance(phase, datetime) else round(phase * 1000)
        last = before - 1 - (before - 1 - off) % every
        return [at for at in range(last - (count - 1) * every, last + 1, every) if at >= 0]

    def _runs(self) -> Iterator[datetime]:
        cron = None if self.cron is None else Cron.parse(self.cron)
        at = None if self.next is None or self.ended else round(self.next.timestamp() * 1000)
        left = itertools.count() if self.runs_left is None else range(self.runs_left)
        for _ in left:
            moment = None if at is None else wire.moment(at)
            if at is None or moment is None or (self.end is not None and moment > self.end):
                return
            yield moment
            at = cron.next_after(at, self.tz) if cron else at + round((self.every or 0) * 1000)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def read_scheduler(
    scheduler_id: str, slot_ms: int, fields: Mapping[str, str], policy: str, finished: str, run_opts: str
) -> Scheduler | None:
    """A scheduler from its hash, what is kept beside, and of its next run when it was finished, if it was, and options.

    None if there is no hash and its id says nothing either.
    """
    legacy = "ic" not in fields
    found = fields or _of_old_key(scheduler_id)
    if not found:
        return None
    stored = wire.repeat_from_wire(found)
    own = read_policy(policy)
    template = _readable(found.get("opts", ""))
    count = _count_of(run_opts) or wire.read_int(found.get("ic"), 1) - own.since
    return Scheduler(
        id=scheduler_id,
        name=found.get("name") or scheduler_id,
        next=wire.moment(slot_ms),
        cron=stored.pattern,
        every=None if stored.every_ms is None else stored.every_ms / 1000,
        tz=stored.tz,
        limit=stored.limit,
        start=None if stored.start_ms is None else wire.moment(stored.start_ms),
        end=None if stored.end_ms is None else wire.moment(stored.end_ms),
        offset=None if stored.offset_ms is None else stored.offset_ms / 1000,
        iterations=None if legacy else wire.read_int(found["ic"]),
        data=_readable(found["data"]) if "data" in found else {},
        options=wire.options_from_wire(template) if isinstance(template, dict) else None,  # pyright: ignore
        overlap=own.overlap,
        missed=own.missed,
        jitter=own.jitter_ms / 1000,
        runs_left=None if stored.limit is None else 0 if finished else max(stored.limit - count + 1, 0),
        ended=finished != "" or (not run_opts and _has_no_next(found, own.since, slot_ms)),
        legacy=legacy,
    )


def _count_of(run_opts: str) -> int:
    """Which run it is of those that a limit allows."""
    opts = _readable(run_opts)
    repeat: Any = opts.get("repeat") if isinstance(opts, dict) else None  # pyright: ignore
    return wire.repeat_from_wire(repeat).count if isinstance(repeat, dict) else 0  # pyright: ignore


def _has_no_next(fields: Mapping[str, str], since: int, slot_ms: int) -> bool:
    """Whether a run that is not there was the last, as far as that can be told."""
    try:
        return "ic" in fields and may_be_over(fields, since, slot_ms, slot_ms)
    except OptionsError:
        return False


@dataclass(frozen=True, slots=True)
class Paused:
    """A scheduler that is put aside, as it is kept."""

    id: str
    at_ms: int
    """Since when."""
    slot_ms: int
    """When its next run was to be."""
    fields: Mapping[str, str]
    """Its hash; `ic` is which run the next one will be."""
    policy: str

    @property
    def repeat(self) -> StoredRepeat:
        return wire.repeat_from_wire(self.fields)

    @property
    def scheduler(self) -> Scheduler | None:
        """As it is shown."""
        found = read_scheduler(self.id, self.slot_ms, self.fields, self.policy, "", "")
        over = found is not None and found.runs_left == 0
        return None if found is None else replace(found, next=None, paused_at=wire.moment(self.at_ms), ended=over)


def read_paused(scheduler_id: str, text: str) -> Paused | None:
    """A scheduler that is put aside, from its JSON; None if that can't be read."""
    try:
        found: object = json.loads(text)  # which takes bytes that are no UTF-8, too: they go back as they were
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kept = cast(dict[str, Any], found)
    flat: Any = kept.get("hash")
    if not isinstance(flat, list) or not flat:
        return None
    parts = iter(map(str, cast(list[Any], flat)))
    fields = dict(zip(parts, parts, strict=False))
    number = wire.read_int(fields.get("ic"), 1) + (1 if kept.get("stays") is True else 0)
    return Paused(
        scheduler_id,
        int(wire.loose_number(kept.get("at")) or 0),
        int(wire.loose_number(kept.get("slot")) or 0),
        fields | {"ic": str(number)},
        str(kept.get("policy") or ""),
    )


def check_pausable(scheduler: Scheduler, now: int) -> None:
    """Raises `OptionsError` if its times can't be read here: then it could not be resumed."""
    if scheduler.cron is not None:
        Cron.parse(scheduler.cron).next_after(now, scheduler.tz)
    elif not scheduler.every:
        raise OptionsError(f"the scheduler {scheduler.id!r} has neither a pattern nor an interval")


# Of very old data nothing but the key is left, which says it all: name:jobId:endDate:tz:patternOrEvery.
_OLD_KEY = re.compile(r"(?P<name>[^:]*):(?P<job>[^:]*):(?P<endDate>\d*):(?P<tz>[^:]*):(?P<times>.*[ ].*|\d+)", re.S)


def _of_old_key(key: str) -> dict[str, str]:
    match = _OLD_KEY.fullmatch(key)
    if match is None:
        return {}
    fields = {name: match[name] for name in ("name", "endDate", "tz") if match[name]}
    return fields | {"every" if match["times"].isdigit() else "pattern": match["times"]}


def _readable(text: str) -> Any:
    try:
        return wire.decode(text) if text else None
    except wire.Unreadable:
        return None


def new_ids(old: Scheduler) -> Iterator[str]:
    """Ids for a scheduler in place of a repeated job of version 5, the best first: the name of its jobs."""
    name = old.name if not re.search(r":\d{10,}$", old.name) else f"{old.name}-"
    yield name
    for length in itertools.count(8):
        yield f"{name}-{hashlib.md5(old.id.encode(), usedforsecurity=False).hexdigest()[:length]}" + "-" * (length - 8)


def repeat_of_legacy(old: Scheduler, run: StoredRepeat) -> dict[str, Any]:
    """The options of a scheduler's run that say when it comes, from those of a repeated job of version 5."""
    repeat: dict[str, Any] = {}
    if old.cron is not None:
        repeat["pattern"] = old.cron
    elif old.every is not None:
        repeat["every"] = round(old.every * 1000)
    if old.tz is not None:
        repeat["tz"] = old.tz
    if run.limit is not None:
        repeat["limit"] = run.limit
    if run.start_ms is not None:
        repeat["startDate"] = run.start_ms
    if old.end is not None:
        repeat["endDate"] = round(old.end.timestamp() * 1000)
    return repeat | {"count": max(run.count, 1)}


@dataclass(frozen=True, slots=True)
class Policy:
    """What only Oxcart knows of a scheduler; odd values read as not given."""

    overlap: Overlap = "allow"
    missed: Missed = "once"
    jitter_ms: float = 0
    since: int = 0
    """How many runs it had had before its limit began to count."""


def read_policy(text: str) -> Policy:
    """Read it from its JSON, or from nothing."""
    found = _readable(text)
    own: dict[str, Any] = found if isinstance(found, dict) else {}  # pyright: ignore
    return Policy(
        overlap="skip" if own.get("overlap") == "skip" else "allow",
        missed=own["missed"] if own.get("missed") in ("skip", "all") else "once",
        jitter_ms=max(wire.loose_number(own.get("jitter")) or 0, 0),
        since=int(wire.loose_number(own.get("since")) or 0),
    )


def policy_of(repeat: Repeat, jitter_ms: int) -> str:
    """What only Oxcart knows of a scheduler, as JSON; empty if that is nothing."""
    said: dict[str, Any] = {}
    if repeat.overlap != "allow":
        said["overlap"] = repeat.overlap
    if repeat.missed != "once":
        said["missed"] = repeat.missed
    if jitter_ms:
        said["jitter"] = jitter_ms
    return wire.encode(said) if said else ""


# --------------------------------------------------------------------------------------------------- times


def matches_before(cron: Cron, zone: str | None, before_ms: int, count: int) -> list[int]:
    """The last times of a pattern before this moment, oldest first: so many, or all if there are fewer."""
    found: list[int] = []
    high, width = before_ms, 60_000
    while len(found) < count and (at := _match_before(cron, zone, high, width)) is not None:
        found.append(at)
        high, width = at, max(high - at, 1000)
    return found[::-1]


def _match_before(cron: Cron, zone: str | None, high: int, width: int) -> int | None:
    """The last time before `high`, which is looked for first about so far before it."""
    low = high
    while True:
        low = max(low - width, 0)
        at = cron.next_after(low - 1, zone)
        if at is not None and at < high:
            break
        if low == 0:
            return None
        width *= 4
    # There may be many more behind it: the rest is halved until none is. None is at `end` or later.
    end = high
    while (following := cron.next_after(at, zone)) is not None and following < end:
        middle = (following + end) // 2
        later = cron.next_after(middle - 1, zone)
        if later is not None and later < end:
            at = later
        else:
            at, end = following, middle
    return at


def next_match(stored: StoredRepeat, after_ms: int) -> int | None:
    """The next time of a pattern, within start and end; None if none is left. Raises `OptionsError` if unreadable."""
    assert stored.pattern is not None
    found = Cron.parse(stored.pattern).next_after(max(after_ms, stored.start_ms or 0), stored.tz)
    return None if found is None or (stored.end_ms is not None and found > stored.end_ms) else found


@dataclass(frozen=True, slots=True)
class Step:
    """When the run after a run is. A pattern's times are here, an interval's are left to the script."""

    over: bool
    """No further run is to come."""
    upcoming_ms: int | None = None
    """The next time that is not missed yet."""
    following_ms: int | None = None
    """The time right after the run's own, which may have passed."""


def repeat_of(record: JobRecord) -> StoredRepeat:
    """When a run says that it comes again; raises `wire.Unreadable` if its options can't be read."""
    found: Any = record.options.raw.get("repeat")
    return wire.repeat_from_wire(cast(dict[str, Any], found) if isinstance(found, dict) else {})


def step_of(stored: StoredRepeat, slot_ms: int, now: int) -> Step:
    """From the run at `slot_ms` on to the next. Raises `OptionsError` if that can't be told."""
    if stored.limit is not None and stored.count + 1 > stored.limit:
        return Step(over=True)
    if stored.pattern is None:
        if stored.every_ms is None:
            raise OptionsError("its job has neither a pattern nor an interval in its options")
        return Step(over=False)
    upcoming, following = next_match(stored, max(now, slot_ms)), next_match(stored, slot_ms)
    return Step(upcoming is None and following is None, upcoming, following)


def step_further(stored: StoredRepeat, step: Step) -> Step:
    """The same, where a job has the time that it gave."""
    upcoming = None if step.upcoming_ms is None else next_match(stored, step.upcoming_ms)
    following = None if step.following_ms is None else next_match(stored, step.following_ms)
    return Step(upcoming is None and following is None, upcoming, following)


def may_be_over(fields: Mapping[str, str], since: int, slot_ms: int, now: int) -> bool:
    """Whether a scheduler whose run is not there may have come to its end, so that nothing is missing.

    Of one with a limit or an end that can't be told for sure; and what a repeated job of version 5 carried is gone.
    """
    stored = wire.repeat_from_wire(fields)
    if "ic" not in fields or (stored.limit is not None and wire.read_int(fields["ic"]) - since >= stored.limit):
        return True
    if stored.end_ms is None:
        return False
    if stored.pattern is None:
        return max(now, slot_ms + (stored.every_ms or 0)) > stored.end_ms
    return now > stored.end_ms or next_match(stored, max(now, slot_ms)) is None


def slot_of(job_id: str) -> int:
    """The time that the id of a run says."""
    return wire.read_int(job_id.rpartition(":")[2])


def first_match(repeat: Repeat, now: int) -> int:
    """When the first run of a pattern is. Raises `OptionsError` if it never comes."""
    if repeat.immediately:
        return now
    found = next_match(wire.repeat_from_wire(wire.repeat_to_wire(repeat)), now)
    if found is None:
        bounds = " between start and end" if repeat.start or repeat.end else ""
        raise OptionsError(f"cron={repeat.cron!r} has no time to come{bounds}: nothing would ever run")
    return found


def check_scheduler_id(scheduler_id: object) -> str:
    """The id, if a scheduler can have it."""
    if not isinstance(scheduler_id, str) or not scheduler_id:
        raise OptionsError(f"scheduler id {scheduler_id!r}: a scheduler's id is a non-empty string")
    try:
        scheduler_id.encode()
    except UnicodeEncodeError:
        raise OptionsError(f"scheduler id {scheduler_id!r}: not valid Unicode") from None
    if re.search(r":\d{10,}$", scheduler_id):
        raise OptionsError(f"scheduler id {scheduler_id!r}: it ends like the id of a scheduler's run")
    return scheduler_id


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a scheduler's jobs, if they can be the same for all; an `OptionsError` if not."""
    if not isinstance(cast(object, options), Mapping):
        raise OptionsError(f"options={options!r}: JobOptions, such as JobOptions(attempts=2)")
    for name in PER_RUN:
        if name in options:
            raise OptionsError(f"{name}: it can't be the same for all runs of a scheduler")
    return cast(dict[str, Any], options)


PER_RUN = ("job_id", "delay", "timestamp", "parent", "on_child_failure", "deduplication")
"""Options that make no sense for a job that comes again."""
