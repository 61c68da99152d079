"""Repeat: when a job comes again and again, as a user says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast, get_args

from .cron import Cron, clock_of
from .errors import OptionsError
from .options import Duration, aware_ms, flag, milliseconds, whole

Overlap = Literal["allow", "skip"]
"""Whether a run may begin while the one before it is not finished."""

Missed = Literal["once", "skip", "all"]
"""What becomes of runs that no worker was there for."""


LATEST_MS = 2**53 // 4096
"""The wire has the time of a delayed job as a number of 53 bits, of which twelve are no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """When a job comes again: at the times of a `cron` pattern, or `every` so many seconds.

    `cron`: five fields, or six with seconds first, or a nickname such as `@daily`; its times are those of the zone
    `tz` (UTC if not given). `every` and `offset`: seconds or `timedelta`; the first run is at once, without an
    `offset` that shifts the runs from full multiples of `every`. `limit`: how many runs from the last upsert on.
    `start`, `end`: aware datetimes between which runs are. `immediately`: the first run of a `cron` is now, at each
    upsert; those of `every` begin at once anyway.

    `overlap="skip"`: a run is skipped while the one before it is not finished. `missed`: when nobody worked for a
    while, one run makes up for all that were missed (`once`), none does (`skip`: neither does one that is more than a
    minute late), or each is made up for (`all`). `jitter`: each run comes later by a random time up to this (seconds
    or `timedelta`); with a `cron`, runs that are less apart than that fall out. Skipped runs count for the limit.
    These three hold where Oxcart's workers take the runs; BullMQ's know nothing of them.

    Raises `OptionsError` for what can't be right. Example: `Repeat(cron="0 8 * * mon-fri", tz="Europe/Berlin")`
    """

    cron: str | None = None
    every: Duration | None = None
    tz: str | None = None
    limit: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    immediately: bool = False
    offset: Duration | None = None
    overlap: Overlap = "allow"
    missed: Missed = "once"
    jitter: Duration = 0

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.every is None):
            raise OptionsError(
                "a repeated job needs either cron, such as '0 8 * * *', or every, in seconds: one of them"
            )
        if self.cron is not None:
            self._check_cron(self.cron)
        else:
            self._check_every()
        if self.limit is not None:
            whole("limit", self.limit, 1)
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment is not None and aware_ms(name, moment) > LATEST_MS:
                raise OptionsError(f"{name}={moment!r}: later than 2039, which a queue can't tell apart")
        times = [None if at is None else aware_ms(name, at) for name, at in (("start", self.start), ("end", self.end))]
        if times[0] is not None and times[1] is not None and times[1] <= times[0]:
            raise OptionsError(f"end={self.end!r}: later than start, which is {self.start!r}")
        if flag("immediately", self.immediately) and self.start is not None:
            raise OptionsError("immediately and start: the first run is either now or not before start")
        for name, words in (("overlap", Overlap), ("missed", Missed)):
            if (value := getattr(self, name)) not in get_args(words):
                raise OptionsError(f"{name}={value!r}: one of {', '.join(get_args(words))}")
        milliseconds("jitter", self.jitter)

    def _check_cron(self, cron: str) -> None:
        Cron.parse(cron)
        if self.tz is not None and not isinstance(cast(object, self.tz), str):
            raise OptionsError(f"tz={self.tz!r}: the name of a time zone, such as Europe/Berlin")
        if self.tz is not None and self.tz.lower() in ("", "local", "system", "default"):
            raise OptionsError(
                f"tz={self.tz!r}: each program has a local zone of its own: name one, like Europe/Berlin"
            )
        clock_of(self.zone)
        if self.offset is not None:
            raise OptionsError("offset: it shifts the runs of every; write the time of a cron into its pattern")

    def _check_every(self) -> None:
        every_ms = milliseconds("every", self.every)
        if every_ms < 1:
            raise OptionsError(f"every={self.every!r}: at least a millisecond")
        if self.tz is not None:
            raise OptionsError("tz: it is for cron; an interval is the same in every zone")
        if self.offset is not None:
            if milliseconds("offset", self.offset) >= every_ms:
                raise OptionsError(f"offset={self.offset!r}: less than every, which is {self.every!r}")
            if self.immediately:
                raise OptionsError("immediately and offset: the first run is either now or at the offset")
        if milliseconds("jitter", self.jitter) > every_ms:
            raise OptionsError(f"jitter={self.jitter!r}: not more than every, which is {self.every!r}")

    @property
    def zone(self) -> str:
        """The time zone that the times of `cron` are in."""
        return "UTC" if self.tz is None else self.tz
