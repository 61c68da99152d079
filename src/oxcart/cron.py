"""When a cron pattern matches next, in the dialect of cron-parser, which BullMQ uses.

Workers of both languages advance the same scheduler, so the next time has to be the same here and there, also where
clocks change. There the order of steps decides what is found: hence the search goes by the same steps.
"""

from __future__ import annotations

import random
import re
import time
import zoneinfo
from bisect import bisect_left
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import cast

from .errors import OptionsError

# ---------------------------------------------------------------------------------------------------- what a user says

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
    "@minutely": "* * * * *",
    "@secondly": "* * * * * *",
    "@weekdays": "0 0 * * 1-5",
    "@weekends": "0 0 * * 0,6",
}
_LEFT_OUT = ("0", "*", "*", "*", "*", "*")
_ANY = ("*", "?")
_LONGEST = 1024
# What JavaScript takes for a blank.
_BLANKS = re.compile("[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")
# One table for both, as in cron-parser: `mar` as a weekday is 3 too, Wednesday.
_NAMES = {name: number for number, name in enumerate("sun mon tue wed thu fri sat".split())} | {
    name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_NAME = re.compile(r"[A-Za-z]{3}")
_HASH = re.compile(r"H(?:\(([0-9]+)-([0-9]+)\))?(?:/([0-9]+))?")
_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class _Field:
    """A place in a pattern: its name, its numbers, whether they have names, and what may have an L."""

    name: str
    low: int
    high: int
    names: bool = False
    last: str = "(?!)"
    hint: str = ""

    @property
    def allowed(self) -> str:
        names = ", names like jan or mon" if self.names else ""
        return f"{self.low}–{self.high}{names}, *, lists 1,2, ranges 1-5, steps */2 or 1-5/2, H{self.hint}"


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, last="L", hint=", L (the last)"),
    _Field("month", 1, 12, names=True),
    _Field("day of the week", 0, 7, names=True, last="[0-7]L", hint=", 5L (the last Friday), 5#2 (the second)"),
)


class _Unreadable(Exception):
    """What is wrong with a field."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron pattern that has been read. Example: `Cron.parse("0 8 * * mon-fri").next_after(now_ms, "Europe/Berlin")`.

    Days are bits: of the month 1 to 31, of the week 0 (Sunday) to 6.
    """

    pattern: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    days: int
    last_day: bool
    any_day: bool
    weekdays: int
    nth: int
    last_weekdays: int
    any_weekday: bool

    @classmethod
    def parse(cls, pattern: str) -> Cron:
        """Read a pattern of 5 fields, of 6 with seconds first, or a nickname such as `@daily`; `OptionsError` if wrong.

        Where there are fewer, the first ones are missing. `H` is a number at random, another at each reading.
        """
        texts = pattern_fields(pattern)
        try:
            return cls._of_fields(pattern, texts)
        except OptionsError:
            if (count := len(pattern.split())) >= 5:
                raise
        # Most likely no pattern at all: what is wrong with a word of it would explain nothing.
        fields = "1 field" if count == 1 else f"{count} fields"
        wanted = "5 are wanted (minute, hour, day of the month, month, day of the week), or 6 with seconds first"
        raise OptionsError(f"cron pattern {pattern!r}: it has {fields}; {wanted}, such as '0 8 * * mon-fri'")

    @classmethod
    def _of_fields(cls, pattern: str, texts: list[str]) -> Cron:
        weekday, nth = _split_nth(pattern, texts[5])
        texts[5] = weekday
        read = [_read(pattern, field, text) for field, text in zip(_FIELDS, texts, strict=True)]
        (seconds, _), (minutes, _), (hours, _), (days, last_day), (months, _), (weekdays, last_weekdays) = read
        any_weekday = weekday in _ANY and not nth
        # Of several months, cron-parser doesn't see this before it searches.
        if any_weekday and not last_day and len(months) == 1 and days[0] > monthrange(2024, months[0])[1]:
            raise OptionsError(f"cron pattern {pattern!r}: month {months[0]} never has a day {days[0]}")
        return cls(
            pattern=pattern,
            seconds=seconds,
            minutes=minutes,
            hours=hours,
            months=months,
            days=_bits(days),
            last_day=bool(last_day),
            any_day=texts[3] in _ANY,
            weekdays=_bits(weekdays),
            nth=nth,
            last_weekdays=_bits(last_weekdays),
            any_weekday=any_weekday,
        )

    def next_after(self, instant_ms: int, zone: str | None) -> int | None:
        """The first match after an instant, both in milliseconds since 1970; `None` if none is left.

        `zone` is a name such as `Europe/Berlin`, or `UTC` or `UTC+3`; `None` is the local zone of this process.
        """
        clock = clock_of(zone)
        return _Search(self, instant_ms, clock).run() if _FIRST_MS < instant_ms < _LAST_MS else None

    def fits(self, day: date) -> bool:
        """Whether it matches at any time of that day."""
        return day.month in self.months and self._days_of(day.year, day.month) >> day.day & 1 == 1

    def day_after(self, day: date) -> date | None:
        """The next day that fits. The longest wait, for a 29th of February on a certain weekday, is 40 years."""
        for year in range(day.year, min(day.year + 42, 9999)):
            for month in self.months:
                if (year, month) < (day.year, day.month):
                    continue
                days = self._days_of(year, month)
                if (year, month) == (day.year, day.month):
                    days &= -2 << day.day
                if days:
                    return date(year, month, (days & -days).bit_length() - 1)
        return None

    def _days_of(self, year: int, month: int) -> int:
        """The days of a month that fit, as bits. If days of the month and of the week are named, either will do."""
        length = monthrange(year, month)[1]
        every = (2 << length) - 2
        by_day = self.days | self.last_day << length
        if self.any_weekday:
            return by_day & every
        first = date(year, month, 1).toordinal() % 7
        by_weekday = _repeated(self.weekdays, first)
        if self.nth:
            by_weekday &= 0x7F << 7 * self.nth - 6
        by_weekday |= _repeated(self.last_weekdays, first) & 0x7F << length - 6
        return (by_weekday if self.any_day else by_day | by_weekday) & every


def _bits(numbers: tuple[int, ...]) -> int:
    return sum(1 << number for number in numbers)


def _repeated(weekdays: int, first: int) -> int:
    """Weekdays as days of a month that begins with the weekday `first`: that week, five times."""
    return ((weekdays >> first | weekdays << 7 - first) & 0x7F) * 0x10204081 << 1


# ------------------------------------------------------------------------------------------------- reading a pattern


def pattern_fields(pattern: str) -> list[str]:
    """The six fields of a pattern, seconds first; an `OptionsError` if it can't have so many."""
    if not isinstance(cast(object, pattern), str):
        raise OptionsError(f"cron pattern {pattern!r}: a text is wanted, such as '0 8 * * mon-fri'")
    if len(pattern) > _LONGEST:
        raise OptionsError(f"cron pattern {pattern[:40]!r}…: it has {len(pattern)} characters, {_LONGEST} are allowed")
    if pattern.lstrip().startswith("@") and pattern not in _NICKNAMES:
        raise OptionsError(f"cron pattern {pattern!r}: no such nickname; there are {', '.join(_NICKNAMES)}")
    texts = [text for text in _BLANKS.split(_NICKNAMES.get(pattern, pattern)) if text]
    if len(texts) > 6:
        raise OptionsError(f"cron pattern {pattern!r}: it has {len(texts)} fields, 5 are allowed, or 6 with seconds")
    return [*_LEFT_OUT[: 6 - len(texts)], *texts]


def _split_nth(pattern: str, text: str) -> tuple[str, int]:
    """`5#2` as 5 and 2; without a `#`, the number is 0."""
    weekday, sign, nth = text.partition("#")
    if sign and (not re.fullmatch("0*[1-5]", nth) or re.search("[,/L-]", weekday)):
        why = "before # stands one weekday, behind it 1–5, as in 5#2"
        raise OptionsError(f"cron pattern {pattern!r}: day of the week {text!r}: {why}")
    return weekday, int(nth or 0)


def _read(pattern: str, field: _Field, text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The numbers of a field in their order, and those that had an `L`."""
    try:
        numbers, last = _numbers(field, text)
    except _Unreadable as what:
        why = f"{field.name} {text!r} {what}; allowed are {field.allowed}"
        raise OptionsError(f"cron pattern {pattern!r}: {why}") from None
    return tuple(sorted(numbers)), tuple(sorted({number % 7 for number in last}))


def _numbers(field: _Field, text: str) -> tuple[list[int], list[int]]:
    # All by replacing text, since cron-parser does so: `5*` is 50-59 there.
    if field.names:
        text = _NAME.sub(_number_of, text)
    text = _HASH.sub(lambda match: _picked(field, match), text)
    text = re.sub("[*?]", f"{field.low}-{field.high}", text)
    numbers: list[int] = []
    last: list[int] = []
    for part in text.split(","):
        if re.fullmatch(field.last, part):
            last.append(int(part[:-1] or 0))
        else:
            numbers += _expanded(field, part)
    for found in (numbers, last):
        if len(set(found)) < len(found):
            raise _Unreadable("says something twice")
    return numbers, last


def _number_of(name: re.Match[str]) -> str:
    if (number := _NAMES.get(name[0].lower())) is None:
        raise _Unreadable(f"has an unknown name, {name[0]!r}")
    return str(number)


def _picked(field: _Field, match: re.Match[str]) -> str:
    """What an H comes to: a number at random, or steps from a random start."""
    low, high, step = (int(number) if number else None for number in match.groups())
    low, high = max(field.low, low or 0), min(field.high, field.high if high is None else high)
    if low > high or step == 0:
        raise _Unreadable("leaves H nothing to choose from")
    if step is None:
        return str(random.randint(low, high))
    return ",".join(map(str, range(random.randint(low, min(high, low + step - 1)), high + 1, step)))


def _expanded(field: _Field, part: str) -> set[int]:
    """The numbers of a part of a list: a number, a range, or steps."""
    match = _PART.fullmatch(part)
    if match is None:
        raise _Unreadable("can't be read")
    low, step = int(match[1]), int(match[3] or 1)
    high = int(match[2] or (field.high if match[3] else low))
    if not field.low <= low <= high <= field.high:
        raise _Unreadable("runs backwards" if low > high else "goes too far")
    if step == 0:
        raise _Unreadable("has a step of 0")
    numbers = range(low, high + 1, step)
    return {number % 7 for number in numbers} if field.high == 7 else set(numbers)


# --------------------------------------------------------------------------------------------------------- the zones

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
# In so short a time no zone changes its clocks and changes them back.
_WEEK = 7 * _DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()

Clock = Callable[[int], int]
"""Answers by how many seconds the clocks of a zone are ahead of UTC, at a time in seconds since 1970."""

_FIXED = re.compile("utc(?:([+-])([0-9]{1,2})(?::([0-9]{2}))?)?|gmt", re.IGNORECASE)
# These are files of the database, but no zones.
_NO_ZONE = re.compile("(?:posix|right)/.*|posixrules|factory|localtime", re.IGNORECASE)


def clock_of(zone: str | None) -> Clock:
    """The clock of a zone by its name, of this process by `None`; `OptionsError` if there is no such zone."""
    if zone is None or zone.lower() in ("local", "system", "default"):
        return lambda at: time.localtime(at).tm_gmtoff
    return _named_clock(zone)


@lru_cache
def _named_clock(zone: str) -> Clock:
    if fixed := _FIXED.fullmatch(zone):
        ahead = int(fixed[2] or 0) * _HOUR + int(fixed[3] or 0) * _MINUTE
        return lambda _: -ahead if fixed[1] == "-" else ahead
    found = _find(zone)

    def look_up(at: int) -> int:
        ahead = (_EPOCH + timedelta(0, at)).astimezone(found).utcoffset()
        assert ahead is not None
        return ahead.days * _DAY + ahead.seconds

    @lru_cache(512)
    def all_week(week: int) -> int | None:
        ahead = look_up(week * _WEEK)
        return ahead if ahead == look_up(week * _WEEK + _WEEK) else None

    def ahead_at(at: int) -> int:
        ahead = all_week(at // _WEEK)
        return look_up(at) if ahead is None else ahead

    return ahead_at


def _find(zone: str) -> zoneinfo.ZoneInfo:
    if not _NO_ZONE.fullmatch(zone):
        try:
            return zoneinfo.ZoneInfo(zone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            # Node takes names in any case.
            for name in zoneinfo.available_timezones():
                if name.lower() == zone.lower():
                    return zoneinfo.ZoneInfo(name)
    raise OptionsError(
        f"time zone {zone!r} is not known here: wanted is a name like Europe/Berlin, UTC or UTC+3"
        " (a machine without time zone data needs the package tzdata)"
    )


# -------------------------------------------------------------------------------------------------------- the search

_FIRST_MS, _LAST_MS = -62_000_000_000_000, 253_000_000_000_000
"""The years 5 to 9987: Python's dates go hardly further."""

# It takes a handful on an ordinary day, and some more where clocks change.
_MOST_STEPS = 100


class _Search:
    """Stands at a time and steps ahead until all matches.

    `at` is that time in seconds since 1970, `wall` what clocks on the wall show then, counted alike.
    """

    def __init__(self, cron: Cron, start_ms: int, clock: Clock) -> None:
        self._cron = cron
        self._start_ms = start_ms
        self._clock = clock
        self._stands_in: int | None = None
        """An hour that clocks went forward to, over one of the pattern's: it is taken instead."""
        self._had: int | None = None
        """An hour that clocks went back to: the pattern has had it."""
        self._stand_at(start_ms // 1000)
        if start_ms % 1000:
            self._pass(1)

    def run(self) -> int | None:
        for _ in range(_MOST_STEPS):
            today = date.fromordinal(self.wall // _DAY + _EPOCH_DAY)
            if not self._cron.fits(today):
                day = self._cron.day_after(today)
                if day is None:
                    return None
                self._go_to_day(today, day)
            elif self._hour_fits() and self._minute_fits() and self._second_fits():
                if self.at * 1000 > self._start_ms:
                    return self.at * 1000
                self._pass(1)
        return None

    def _stand_at(self, at: int) -> None:
        self.at = at
        self.ahead = self._clock(at)
        self.wall = at + self.ahead

    def _turn_to(self, wall: int) -> None:
        """Go to where clocks show this: if twice, to the one nearer by offset; if never, as much later as they skip."""
        self._stand_at(self._time_of(wall, self.ahead))

    def _time_of(self, wall: int, ahead: int) -> int:
        then = self._clock(wall - ahead)
        if then == ahead:
            return wall - ahead
        again = self._clock(wall - then)
        return wall - (then if again == then else min(then, again))

    def _go_to_day(self, today: date, day: date) -> None:
        """As if day by day, or month by month where they don't fit: to the same time on the next, back to midnight."""
        month_before = date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, 1)
        by_month = day.day == 1 and month_before.month not in self._cron.months
        before = month_before if by_month else day - timedelta(1)
        if before > today:
            self._turn_to(_midnight(before))
            today = before
        landing = day.replace(day=min(today.day, monthrange(day.year, day.month)[1])) if by_month else day
        self._turn_to(_midnight(landing) + self.wall % _DAY)
        self._turn_to(_midnight(day) if by_month else self.wall // _DAY * _DAY)

    # Each of these says whether its field fits. If not, it has stepped ahead, and all have to be tried again.

    def _hour_fits(self) -> bool:
        hours, hour = self._cron.hours, self.wall % _DAY // _HOUR
        place = bisect_left(hours, hour)
        if hours[place : place + 1] == (hour,):
            if hour != self._had:
                return True
            self._had = None
            self._next_hour()
        elif hour == self._stands_in:
            return True
        elif place < len(hours):
            self._stands_in = None
            self._go_to_hour(hours[place])
        else:
            self._stands_in = None
            self._turn_to(self.wall + _DAY)
            self._turn_to(self.wall // _DAY * _DAY)
        return False

    def _minute_fits(self) -> bool:
        minutes, minute = self._cron.minutes, self.wall % _HOUR // _MINUTE
        place = bisect_left(minutes, minute)
        if minutes[place : place + 1] == (minute,):
            return True
        if place == len(minutes):
            self._next_hour()
            place = 0
        self._go_to_minute(minutes[place])
        return False

    def _second_fits(self) -> bool:
        seconds, second = self._cron.seconds, self.wall % _MINUTE
        place = bisect_left(seconds, second)
        if seconds[place : place + 1] == (second,):
            return True
        if place == len(seconds):
            self._pass(_MINUTE)
            place = 0
        self._turn_to(self.wall // _MINUTE * _MINUTE + seconds[place])
        return False

    def _go_to_hour(self, hour: int) -> None:
        today = self.wall // _DAY * _DAY
        if self._clocks_change_today():
            for _ in range(hour - self.wall % _DAY // _HOUR):
                if today <= self.wall < today + hour * _HOUR:
                    self._next_hour()
        else:
            # The minutes are kept at first: so the hour can be missed, if clocks change as the day ends.
            self._turn_to(today + hour * _HOUR + self.wall % _HOUR)
        self._go_to_minute(self._cron.minutes[0])

    def _go_to_minute(self, minute: int) -> None:
        self._turn_to(self.wall // _HOUR * _HOUR + minute * _MINUTE + self._cron.seconds[0])

    def _clocks_change_today(self) -> bool:
        """Whether they do between midnight and the last second before the next."""
        midnight = self._time_of(self.wall // _DAY * _DAY, self.ahead)
        ahead = self._clock(midnight)
        tomorrow = self._time_of((midnight + ahead) // _DAY * _DAY + _DAY, ahead)
        return self._clock(tomorrow - 1) != ahead

    def _next_hour(self) -> None:
        """On by an hour of real time, back to the full hour on the wall."""
        at, wall = self.at, self.wall
        self._stand_at(at + _HOUR)
        self._turn_to(self.wall // _HOUR * _HOUR)
        if self.at <= at:
            # Clocks went back to within this hour. Here cron-parser walks in a circle until it gives up: we don't.
            self._stand_at(at + _HOUR)
            self._turn_to(wall // _HOUR * _HOUR + _HOUR)
        self._note_change(wall)

    def _pass(self, unit: int) -> None:
        """On by a second or a minute, back to its start."""
        wall = self.wall
        self._stand_at(self.at + unit)
        self._turn_to(self.wall // unit * unit)
        if self.wall // _HOUR != wall // _HOUR or self.wall % _HOUR == 0:
            self._note_change(wall)

    def _note_change(self, wall: int) -> None:
        """Remember an hour that was left out or comes again, unless the pattern has all hours."""
        hour, now = wall % _DAY // _HOUR, self.wall % _DAY // _HOUR
        on = (now - hour) % 24
        if on == 1 or len(self._cron.hours) == 24:
            return
        if on == 0:
            self._had = now
        elif on < 12 and any((hour + skipped) % 24 in self._cron.hours for skipped in range(1, on)):
            self._stands_in = now


def _midnight(day: date) -> int:
    return (day.toordinal() - _EPOCH_DAY) * _DAY
