"""Schedules in words, for people."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from oxcart import Scheduler
from oxcart.words import in_words


def said(**times: Any) -> str:
    return in_words(Scheduler(id="a", name="a", next=None, **times))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("0 8 * * *", "At 08:00"),
        ("30 0 8 * * mon-fri", "At 08:00:30, Monday through Friday"),
        ("@daily", "At 00:00"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 8 * * 5L", "At 08:00, on the last Friday of the month"),
        ("0 8 1,15 * 1", "At 08:00, on day 1 and 15 of the month, or on Monday"),
        ("", "Every minute"),
        ("5 4 * *", "Every minute, between 05:00 and 05:59, on day 4 of the month"),
    ],
)
def test_a_pattern_is_said_in_words(pattern: str, words: str) -> None:
    assert said(cron=pattern) == words


@pytest.mark.parametrize("pattern", ["H 8 * * *", "0 0 0 * * 1,3L", "every day at eight", "1 2 3 4 5 6 7"])
def test_what_has_no_words_stays_a_pattern(pattern: str) -> None:
    assert said(cron=pattern) == f"cron {pattern}"


def test_the_zone_is_said_too() -> None:
    assert said(cron="0 8 * * *", tz="Europe/Berlin") == "At 08:00 (Europe/Berlin)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "Every second"),
        (30, "Every 30 seconds"),
        (0.25, "Every 0.25 seconds"),
        (60, "Every minute"),
        (5400, "Every 90 minutes"),
        (86_400, "Every day"),
    ],
)
def test_an_interval_is_said_in_its_largest_unit(seconds: float, words: str) -> None:
    assert said(every=seconds) == words


def test_without_the_extra_a_pattern_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cron_descriptor", None)
    assert said(cron="0 8 * * *", tz="UTC") == "cron 0 8 * * * (UTC)"
