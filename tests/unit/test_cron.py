"""Cron patterns: the next time is the one that cron-parser gives, with few exceptions, each with its reason."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oxcart.cron import Cron
from oxcart.errors import OptionsError

from .cron_corpus import DIFFERENCES, Chain, Corpus, read_corpus
from .cron_corpus.patterns import ZONES

NEW_YORK = "America/New_York"


def instant(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def shown(instant_ms: int | None, zone: str) -> str:
    return (
        "none" if instant_ms is None else f"{datetime.fromtimestamp(instant_ms / 1000, ZoneInfo(zone)):%m-%d %H:%M %Z}"
    )


def matches(pattern: str, after: str, zone: str = "UTC", count: int = 1) -> list[str]:
    cron, at, found = Cron.parse(pattern), instant(after, zone), list[str]()
    for _ in range(count):
        match = cron.next_after(at, zone)
        found.append(shown(match, zone))
        at = match or at
    return found


# ---------------------------------------------------------------------------------------------- beside cron-parser


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return read_corpus()


parse = cache(Cron.parse)


def differences_of(chain: Chain) -> Iterator[str]:
    cron, at = parse(chain.pattern), chain.start_ms
    for expected in chain.matches_ms:
        found = cron.next_after(at, chain.zone)
        if found != expected:
            zone = chain.zone
            yield f"{chain.pattern!r} {zone} after {at}: {shown(found, zone)} and not {shown(expected, zone)}"
        at = expected or at


@pytest.mark.parametrize("zone", [*ZONES, "UTC"])
def test_the_next_time_is_that_of_cron_parser(zone: str, corpus: Corpus) -> None:
    chains = [chain for chain in corpus.chains if chain.zone == zone]
    assert len(chains) > 1000
    different = [text for chain in chains for text in differences_of(chain)]
    versions = f"of {len(chains)}; the corpus was made with {corpus.versions}, and time zone data may differ:"
    assert not different, "\n".join([f"{len(different)} {versions}", *different[:20]])


def test_what_cron_parser_refuses_is_refused(corpus: Corpus) -> None:
    taken: list[tuple[str, str]] = []
    for pattern, zone in corpus.refused:
        try:
            Cron.parse(pattern).next_after(0, zone)
            taken.append((pattern, zone))
        except OptionsError:
            pass
    assert len(corpus.refused) > 200
    assert not taken


def test_the_corpus_is_large_and_of_many_zones(corpus: Corpus) -> None:
    assert len(corpus.chains) > 20_000
    assert len({chain.zone for chain in corpus.chains}) > 10


DIFFERENT: dict[str, Any] = json.loads(DIFFERENCES.read_text())


@pytest.mark.parametrize("case", DIFFERENT["found"]["cases"], ids=lambda case: f"{case['pattern']} {case['after']}")
def test_where_cron_parser_is_caught_our_search_goes_on(case: dict[str, str]) -> None:
    at = int(datetime.fromisoformat(case["after"]).timestamp() * 1000)
    found = Cron.parse(case["pattern"]).next_after(at, case["zone"])
    assert found == int(datetime.fromisoformat(case["ours"]).timestamp() * 1000)


@pytest.mark.parametrize("pattern", [pattern for group in DIFFERENT["refused"] for pattern in group["patterns"]])
def test_what_cron_parser_takes_by_chance_is_refused(pattern: str) -> None:
    with pytest.raises(OptionsError):
        Cron.parse(pattern)


# ------------------------------------------------------------------------------------------------------ by the book


def test_five_fields_are_classic_and_six_have_seconds_first() -> None:
    assert matches("30 8 * * *", "2026-01-15T08:30") == ["01-16 08:30 UTC"]
    assert Cron.parse("20 30 8 * * *").next_after(instant("2026-01-15"), "UTC") == instant("2026-01-15T08:30:20")


def test_of_four_fields_the_first_is_the_hour() -> None:
    assert matches("5 4 * *", "2026-01-01", count=2) == ["01-04 05:00 UTC", "01-04 05:01 UTC"]


def test_a_match_is_strictly_after_and_on_a_full_second() -> None:
    at = instant("2026-01-15T08:30")
    assert Cron.parse("30 8 * * *").next_after(at - 1, "UTC") == at
    assert Cron.parse("30 8 * * *").next_after(at, "UTC") == at + 86_400_000
    assert Cron.parse("* * * * * *").next_after(at + 1, "UTC") == at + 1000


def test_day_and_weekday_are_one_or_the_other() -> None:
    assert matches("0 0 13 * 5", "2026-02-01", count=3) == ["02-06 00:00 UTC", "02-13 00:00 UTC", "02-20 00:00 UTC"]
    assert matches("0 0 13 * 1", "2026-02-08", count=2) == ["02-09 00:00 UTC", "02-13 00:00 UTC"]


def test_l_is_the_last_day_or_the_last_weekday() -> None:
    assert matches("0 0 L * *", "2028-01-31", count=2) == ["02-29 00:00 UTC", "03-31 00:00 UTC"]
    assert matches("0 0 * * 5L", "2026-01-01", count=2) == ["01-30 00:00 UTC", "02-27 00:00 UTC"]


def test_the_hash_sign_counts_weekdays_in_the_month() -> None:
    assert matches("0 0 * * FRI#2", "2026-01-01", count=2) == ["01-09 00:00 UTC", "02-13 00:00 UTC"]
    assert Cron.parse("0 0 * 2 1#5").next_after(instant("2072-03-01"), "UTC") == instant("2112-02-29")


def test_a_day_that_no_month_has_is_refused_and_one_of_several_months_never_comes() -> None:
    with pytest.raises(OptionsError, match="month 2 never has a day 30"):
        Cron.parse("0 0 30 2 *")
    assert Cron.parse("0 0 31 2,4,6,9,11 *").next_after(0, "UTC") is None


@pytest.mark.parametrize("instant_ms", [-(10**17), 253_400_000_000_000, 8_640_000_000_000_000])
def test_beyond_the_calendar_is_nothing(instant_ms: int) -> None:
    assert Cron.parse("* * * * *").next_after(instant_ms, "UTC") is None


# In 2026, America/New_York has no 02:xx on March 8 and two 01:xx on November 1.
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("0 2 * * *", ["03-08 03:00 EDT", "03-09 02:00 EDT"]),
        ("30 2 * * *", ["03-08 03:30 EDT", "03-09 02:30 EDT"]),
        ("30 2,3 * * *", ["03-08 03:30 EDT", "03-09 02:30 EDT"]),
        ("0 * * * *", ["03-08 01:00 EST", "03-08 03:00 EDT", "03-08 04:00 EDT"]),
        ("0 1-4 * * *", ["03-08 01:00 EST", "03-08 03:00 EDT", "03-08 04:00 EDT", "03-09 01:00 EDT"]),
        ("0 */2 * * *", ["03-08 03:00 EDT", "03-08 04:00 EDT", "03-08 06:00 EDT"]),
    ],
)
def test_an_hour_left_out_is_made_up_by_the_next(pattern: str, expected: list[str]) -> None:
    assert matches(pattern, "2026-03-08T00:00", NEW_YORK, len(expected)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("30 1 * * *", ["11-01 01:30 EDT", "11-02 01:30 EST"]),
        ("15,45 1 * * *", ["11-01 01:15 EDT", "11-01 01:45 EDT", "11-02 01:15 EST"]),
        ("0 * * * *", ["11-01 01:00 EDT", "11-01 01:00 EST", "11-01 02:00 EST"]),
        ("0 0-3 * * *", ["11-01 01:00 EDT", "11-01 02:00 EST", "11-01 03:00 EST"]),
    ],
)
def test_an_hour_that_comes_twice_counts_once_unless_every_hour_does(pattern: str, expected: list[str]) -> None:
    assert matches(pattern, "2026-11-01T00:30", NEW_YORK, len(expected)) == expected


def test_a_search_from_within_the_second_hour_finds_it() -> None:
    second_pass = instant("2026-11-01T06:10")
    assert shown(Cron.parse("30 1 * * *").next_after(second_pass, NEW_YORK), NEW_YORK) == "11-01 01:30 EST"


def test_a_gap_at_midnight_skips_that_day() -> None:
    zone = "America/Sao_Paulo"
    assert matches("0 0 * * *", "2018-11-03T12:00", zone) == ["11-05 00:00 -02"]


# -------------------------------------------------------------------------------------------------------- H and zones


def test_h_is_a_number_at_random_within_the_field_or_its_range() -> None:
    readings = [Cron.parse("H H(3-5) H * H") for _ in range(3000)]
    assert {minute for cron in readings for minute in cron.minutes} > set(range(10, 50))
    assert {cron.hours for cron in readings} == {(3,), (4,), (5,)}
    assert all(len(cron.minutes) == 1 for cron in readings)


def test_h_with_a_step_starts_at_random() -> None:
    readings = {Cron.parse("H/20 * * * *").minutes for _ in range(2000)}
    assert readings == {(start, start + 20, start + 40) for start in range(20)}
    assert {Cron.parse("H(10-20)/8 * * * *").minutes for _ in range(300)} == {
        *((start, start + 8) for start in (10, 11, 12)),
        *((start,) for start in range(13, 18)),
    }


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process can't be set here")
@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize("zone", [None, "local", "system"])
def test_without_a_zone_it_is_that_of_the_process(zone: str | None) -> None:
    assert os.environ["TZ"] == "Asia/Tokyo"
    assert Cron.parse("0 12 * * *").next_after(instant("2026-01-15"), zone) == instant("2026-01-15T03:00")


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("utc", "12:00"),
        ("GMT", "12:00"),
        ("UTC+3", "09:00"),
        ("utc-03:30", "15:30"),
        ("Etc/GMT+3", "15:00"),
        ("europe/BERLIN", "11:00"),
        ("Asia/Calcutta", "06:30"),
    ],
)
def test_a_zone_is_a_name_in_any_case_or_hours_from_utc(zone: str, expected: str) -> None:
    found = Cron.parse("0 12 * * *").next_after(instant("2026-01-15"), zone)
    assert found == instant(f"2026-01-15T{expected}")


@pytest.mark.parametrize("zone", ["Nope/Nope", "+05:30", "", "../UTC", "right/UTC", "a" * 300, "a\0b"])
def test_an_unknown_zone_is_refused_by_its_name(zone: str) -> None:
    with pytest.raises(OptionsError) as error:
        Cron.parse("0 12 * * *").next_after(0, zone)
    assert f"time zone {zone!r} is not known here" in str(error.value)


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("61 * * * *", "cron pattern '61 * * * *': minute '61' goes too far; allowed are 0–59, *, lists 1,2"),
        ("0 22-2 * * *", "hour '22-2' runs backwards; allowed are 0–23"),
        ("0 0 1,1 * *", "day of the month '1,1' says something twice; allowed are 1–31"),
        ("0 0 * */0 *", "month '*/0' has a step of 0; allowed are 1–12, names like jan or mon"),
        ("0 0 * * monday", "day of the week 'monday' has an unknown name, 'day'; allowed are 0–7"),
        ("0 0 * * L", "day of the week 'L' can't be read; allowed are"),
        ("0 0 * * 1-5#2", "before # stands one weekday, behind it 1–5"),
        ("x 0 0 * * *", "second 'x' can't be read"),
        ("H(70-80) * * * *", "minute 'H(70-80)' leaves H nothing to choose from"),
        ("1 2 3 4 5 6 7", "it has 7 fields, 5 are allowed, or 6 with seconds"),
        ("every day", "it has 2 fields; 5 are wanted (minute, hour, day of the month, month, day of the week), or 6"),
        ("daily", "it has 1 field; 5 are wanted"),
        ("@midnight", "no such nickname; there are @yearly, @annually"),
        ("*" * 1025, "it has 1025 characters, 1024 are allowed"),
    ],
)
def test_an_error_names_the_field_and_what_is_allowed(pattern: str, words: str) -> None:
    with pytest.raises(OptionsError) as error:
        Cron.parse(pattern)
    assert words in str(error.value)


@pytest.mark.parametrize("pattern", [None, 5, ["* * * * *"]])
def test_a_pattern_is_a_text(pattern: Any) -> None:
    with pytest.raises(OptionsError, match="a text is wanted"):
        Cron.parse(pattern)
