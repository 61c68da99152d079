"""What to try: zones, patterns for each feature, what is refused, and any number of patterns at random."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

ZONES = {
    "Europe/Berlin": (1996, 2040),
    "America/New_York": (1990, 2040),
    "Australia/Lord_Howe": (1990, 2035),
    "America/Sao_Paulo": (1990, 2020),
    "Africa/Casablanca": (2010, 2026),
    "Asia/Tehran": (1992, 2023),
    "Pacific/Apia": (2011, 2014),
    "America/Havana": (1995, 2026),
    "Atlantic/Azores": (1994, 2026),
    "Africa/Cairo": (1995, 2026),
    "America/Nuuk": (2022, 2026),
    "Antarctica/Troll": (2006, 2026),
    "Antarctica/Casey": (2010, 2024),
    "Asia/Pyongyang": (2018, 2019),
}
"""With changes of half an hour to a day, by day, at midnight and just before it; from one year to another."""

RARE = (
    ("30 0 1 11 *", "America/Havana", "2026-10-10T12:00-04:00"),
    ("30 0 * 11 *", "America/Havana", "2026-10-10T12:00-04:00"),
    ("30 0 1 11,12 *", "America/Havana", "2026-10-31T00:00-04:00"),
    ("30 0 1 * *", "America/Havana", "2026-10-10T12:00-04:00"),
    ("0 23 * * *", "Antarctica/Casey", "2010-03-05T01:30+11:00"),
    ("30 22-23 * * *", "Antarctica/Casey", "2010-03-05T01:30+11:00"),
)
"""What chance doesn't bring: a month that begins while clocks go back, and an hour they go back to from tomorrow."""


def _listed(text: str) -> list[str]:
    return text.replace("\n", "|").removeprefix("|").removesuffix("|").split("|")


FEATURES = _listed("""
* * * * *|* * * * * *|*/7 * * * *|*/61 * * * *|5/15 * * * *|10-40/10 * * * *|*/15,7 * * * *|59 59 23 31 12 *
0 0 29 2 *|0 0 29 2 ?|0 0 29,30 2 *|0 0 29 2 1|0 0 * 2 1#5|0 0 31 * *|0 0 31 4,5 *|0 0 31 2,4 *|0 0 30 2 1
0 0 30 2 */1|0 0 L * *|0 0 L 2 *|0 0 L,15 * *|0 0 L * 5|0 0 31,L 4 *|0 0 1,L * 5L|0 0 * * 5L|0 0 * * 1,3L
0 0 * * 0L|0 0 * * 7L|0 0 * * FRIL,sat|0 0 * * 5#2|0 0 * * FRI#1|0 0 * * 0#5|0 0 * * 7#1|0 0 13 * 5#2
0 0 ? * 5#2|0 0 * * *#2|0 0 30 * ?#2|0 0 30 2 1#5|0 0 * jan *|0 0 * jan,Mar *|0 0 * JAN-MAR *|0 0 * */5 *
0 0 1 2/5 *|0 0 * * sun-tue|0 0 * * mon/2|0 0 * * mar|0 0 * jan/2 *|0 0 * * 7|0 0 * * 5-7|0 0 * * 0-7
0 0 * * 7/2|0 0 * * */3|0 0 * * 1-7/3|0 0 1-31 * 1|0 0 */1 * 1|0 0 1 * 0-6|0 0 1 * 1|0 0 13 * 5|0 0 ? * 1
? ? ? ? ? ?|@yearly|@annually|@monthly|@weekly|@daily|@hourly|@minutely|@secondly|@weekdays|@weekends|5 4 * *
4 * *|* *|*||30 8 1 * *|0 30 8 1 * *|15,45 0 0 * * *|*/13 */7 */5 */3 */2 */1|5* * * * *|1* * * *|00 007 * * *
\t5\t4 * * * |0 0 * * 5#01|0 0 * 1jan *|0 0 * * sat,0-1|0 12 1-7 * 1|0 12 8-14 6,12 *|0 9-17 * * 1-5
*/10 9-17 * * mon-fri|0 2 * * *|30 2 * * *|30 2,3 * * *|15 2,4 * * *|*/20 2 * * *|0 1-4 * * *|0 */2 * * *
0 0-23 * * *|0 * * * *|*/30 * * * *|0 1 * * *|30 1 * * *|15,45 1 * * *|*/20 1 * * *|0 0-3 * * *|30 1,3 * * *
0 0 * * *|30 0 * * *|0 0,1 * * *|0 23 * * *|30 23,0 * * *|*/15 23 * * *|45 22,23 * * *|0 12 * * *|0 3 * * *
0 0 1 * *|0 0 1 11 *|30 0 * 11 *|0 0 1-5 3,10 *|0 5 * * 0|* 2 * * *|* 0 * * *|* 1 * * * *|* * 0,2 * * *
30 59 1,2 * * *|0 59 0,23 * * *|59 59 1 * * *|*/7 * 1,3 * * *
""")

REFUSED = _listed("""
1 1 1 1 1 1 1|@midnight|@DAILY| @daily|@reboot|@every 5m|@daily 5|@|1,1 * * * *|*,5 * * * *|5,* * * * *
1-3,3-5 * * * *|, * * * *|1, * * * *|,1 * * * *|1,,2 * * * *|-1 * * * *|1- * * * *|60 * * * *|0 24 * * *
0 0 0 * *|0 0 32 * *|0 0 * 0 *|0 0 * 13 *|0 0 * * 8|0 0 * * 7-2|22-2 * * * *|0 0 * * 6-1|0 0 * * 0,7
0 0 * * 0,6-7|*/0 * * * *|5/0 * * * *|*/ * * * *|/5 * * * *|*/5/5 * * * *|*/-5 * * * *|*/a * * * *|*/1.5 * * * *
1.5 * * * *|a * * * *|1a * * * *|0x1 * * * *|+1 * * * *|** * * * *|5-* * * * *|*5 * * * *|?? * * * *
*/5,*/7 * * * *|0 0 * JANUARY *|0 0 * * MONDAY|0 0 * * dec|0 0 * sun *|jan * * * *|0 0 jan * *|0 0 * ja *
0 0 * * xyz|0 0 LL * *|0 0 L-2 * *|0 0 LW * *|0 0 15W * *|0 0 l * *|0 0 L/2 * *|0 0 1-L * *|0 0 L,L * *
0 0 * * L|0 0 * * 1,L|0 0 * * 5l|0 0 * * L5|0 0 * * 5L,5L|0 0 * * 1LL|0 L * * *|L * * * *|0 0 * L *|0 0 * * 5#0
0 0 * * 5#6|0 0 * * 5#|0 0 * * #2|0 0 * * 5##2|0 0 * * 5#2#3|0 0 * * 5#1,3#2|0 0 * * 1-5#2|0 0 * * */2#2
0 0 5#2 * *|0 0 30 2 *|0 0 30 2 ?|0 0 31 4 *|0 0 30-31 2 *|0 0 31 feb *|0 0 31/1 2 *|0 0 * * 1W|0 0 C * *
0 0 * * !|H/0 * * * *|H(5-1) * * * *|H(1-5 * * * *|H() * * * *|h * * * *|H(70-99) * * * *|H(1-5)/0 * * * *
0 0 * * H/1|5 4 * * * # at night|0 0 1 1 * 2027 *|\u0663 * * * *|0 0 * * \u017fun|99999999999999999999 * * * *
1-99999999999 * * * *
""")
TOO_LONG = ["*" + " " * 1020 + "* * * *", "x" * 1025]

REFUSED_ZONES = _listed("""
Nope/Nope|Berlin|+05:30|-0800|GMT+3|UTC+|UTC0|UTC+0530|UTC+3:5|Z|Europe|Europe/|../UTC|posix/Europe/Berlin
right/Europe/Berlin|posixrules|Factory|localtime|180| UTC|UTC +3|Europe/Berlin |
""")


@cache
def changes(zone: str, first: int, last: int) -> list[int]:
    """When clocks change there, in seconds, to the second."""
    found: list[int] = []
    at, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, last))
    while at < end:
        if _ahead(zone, at) != _ahead(zone, at + 86400):
            low, high = at, at + 86400
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _ahead(zone, middle) == _ahead(zone, low) else (low, middle)
            found.append(high)
        at += 86400
    return found


def _ahead(zone: str, at: int) -> timedelta | None:
    return datetime.fromtimestamp(at, ZoneInfo(zone)).utcoffset()


_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_STEPS = (2, 3, 4, 5, 7, 10, 15, 20, 30)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WEEKDAYS = "sun mon tue wed thu fri sat sun".split()


def random_pattern(rand: random.Random, near_hour: int | None = None, near_day: int | None = None) -> str:
    """A pattern that makes sense, more or less; often for the hours and the day where something happens."""
    minute = rand.choice(("0", "30", "*/15", "*/30", "15,45", "*", random_field(rand, 1), random_field(rand, 1)))
    hour = rand.choice(("*", "*", random_field(rand, 2)))
    if near_hour is not None and rand.random() < 0.7:
        hours = {(near_hour + rand.choice((-2, -1, -1, 0, 0, 1, 2))) % 24 for _ in range(rand.choice((1, 1, 2, 3)))}
        hour = ",".join(map(str, sorted(hours)))
    day, month, weekday = "*", "*", "*"
    if rand.random() < 0.3:
        day = random_field(rand, 3) if near_day is None or rand.random() < 0.5 else str(near_day)
    if rand.random() < 0.2:
        # Without a list of days: cron-parser takes a day twice if the month is too short for it.
        day, month = day.split(",")[0], random_field(rand, 4)
    if rand.random() < 0.25:
        weekday = rand.choice(
            (random_field(rand, 5), f"{rand.randint(0, 7)}L", f"{rand.randint(0, 7)}#{rand.randint(1, 5)}")
        )
    fields = [minute, hour, day, month, weekday]
    if rand.random() < 0.2:
        fields.insert(0, rand.choice(("*", "0,30", random_field(rand, 0))))
    return " ".join(fields)


def random_field(rand: random.Random, place: int) -> str:
    """A field of a pattern: `place` is 0 for seconds to 5 for days of the week."""
    parts = [_part(rand, place) for _ in range(rand.choice((1, 1, 1, 2, 3)))]
    if place == 3 and rand.random() < 0.1:
        parts.append("L")
    return ",".join(parts)


def _part(rand: random.Random, place: int) -> str:
    low, high = _RANGES[place]
    first = rand.randint(low, high)
    last = rand.randint(first, high)
    kind = rand.random()
    if kind < 0.5:
        return _named(rand, place, first)
    if kind < 0.7:
        return f"{_named(rand, place, first)}-{_named(rand, place, last)}"
    if kind < 0.8:
        return f"{first}-{last}/{rand.choice(_STEPS)}"
    if kind < 0.9:
        return f"{first}/{rand.choice(_STEPS)}"
    return f"{rand.choice('*?')}/{rand.choice(_STEPS)}"


def _named(rand: random.Random, place: int, number: int) -> str:
    if place < 4 or rand.random() < 0.6:
        return str(number)
    name = _MONTHS[number - 1] if place == 4 else _WEEKDAYS[number]
    return rand.choice((name, name.upper(), name.title()))
