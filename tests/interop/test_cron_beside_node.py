"""Our cron engine beside cron-parser: the same next time for any pattern, in any zone, at any instant."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oxcart.cron import Cron
from oxcart.errors import OptionsError
from tests.conftest import in_ci
from tests.interop.cron_peer import Answer, Case, CronPeer
from tests.interop.peer import missing
from tests.unit.cron_corpus import DIFFERENCES
from tests.unit.cron_corpus.patterns import changes, random_field

pytestmark = pytest.mark.interop

# None where clocks go back by half an hour: there cron-parser is caught, and takes long to give up.
ZONES = """
UTC Europe/Berlin America/New_York America/Sao_Paulo Africa/Casablanca Asia/Tehran Pacific/Apia America/Havana
Atlantic/Azores Africa/Cairo America/Nuuk Antarctica/Troll Pacific/Chatham Asia/Kolkata America/Santiago
""".split()
YEARS = (2007, 2026)
EXAMPLES, CASES = 60, 40
DIFFERENT: dict[str, Any] = json.loads(DIFFERENCES.read_text())


@pytest.fixture(scope="module")
def node() -> Iterator[CronPeer]:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"cron-parser for Node: {lack}")
    with CronPeer() as peer:
        yield peer


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def ours(case: Case) -> Answer:
    pattern, zone, start, count = case
    found: list[int] = []
    try:
        cron = Cron.parse(pattern)
        while len(found) < count and (match := cron.next_after(start, zone)) is not None:
            found.append(match)
            start = match
    except OptionsError as error:
        return str(error)
    return found


def same(mine: Answer, theirs: Answer) -> bool:
    return mine == theirs or (isinstance(mine, str) and isinstance(theirs, str))


def pool(place: int, *first: str) -> st.SearchStrategy[str]:
    """Fields for a place in a pattern, simple ones first: a drawn one costs less than a built one."""
    rand = random.Random(place)
    return st.sampled_from(["*", *first, *sorted((random_field(rand, place) for _ in range(400)), key=len)])


SECONDS, MINUTES = st.sampled_from(["", "", "", "* ", "0,30 ", "59 "]), pool(1, "0", "30", "*/15", "15,45")
HOURS, DAYS, MONTHS = pool(2), pool(3, *"*****"), pool(4, *"*" * 200)
WEEKDAYS = pool(5, *"*" * 300, "5L", "1#2", "sun#5", "0L,3")
HOURS_NEAR = st.sampled_from([(0,), (-1,), (1,), (-1, 0), (-1, 1), (0, 1), (-2, 2), (-1, 0, 1)])
ANYWHERE = st.integers(1_167_609_600, 1_798_761_600)
AWAY = st.integers(-200_000, 20_000) | st.integers(-100, 12).map(lambda quarters: quarters * 900)
PART = st.sampled_from([0, 0, 0, 1, 999])


@st.composite
def a_case(draw: st.DrawFn) -> Case:
    """A pattern, and an instant: mostly near a change of clocks, with hours around it."""
    zone = draw(st.sampled_from(ZONES))
    start, hours = draw(ANYWHERE), draw(HOURS)
    if near := [change for change in changes(zone, *YEARS) if change > start]:
        hour = datetime.fromtimestamp(near[0], ZoneInfo(zone)).hour
        start = near[0] + draw(AWAY)
        if draw(st.booleans()):
            hours = ",".join(sorted(str((hour + more) % 24) for more in draw(HOURS_NEAR)))
    days, months = draw(DAYS), draw(MONTHS)
    if months != "*":
        days = days.split(",")[0]  # of several, one may come twice: one of the differences that are listed
    pattern = f"{draw(SECONDS)}{draw(MINUTES)} {hours} {days} {months} {draw(WEEKDAYS)}"
    return pattern, zone, start * 1000 + draw(PART), 2


def test_any_pattern_has_the_same_next_times(node: CronPeer) -> None:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=in_ci(),
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(a_case(), min_size=CASES, max_size=CASES))
    def compare(cases: list[Case]) -> None:
        nonlocal asked
        asked += len(cases)
        for case, theirs in zip(cases, node(cases), strict=True):
            mine = ours(case)
            assert same(mine, theirs), f"{case}: {mine} and not {theirs}"

    compare()
    assert asked >= 2000


def test_the_listed_differences_are_still_there(node: CronPeer) -> None:
    listed = DIFFERENT["found"]["cases"][:2]  # not more: it takes a second for each until it gives up
    found = node([(case["pattern"], case["zone"], at(case["after"]), 1) for case in listed])
    assert found == [[at(case["cron_parser"])] if case["cron_parser"] else [] for case in listed]
    patterns = [pattern for group in DIFFERENT["refused"] for pattern in group["patterns"]]
    taken = node([(pattern, "UTC", 0, 1) for pattern in patterns])
    assert all(isinstance(answer, list) for answer in taken), list(zip(patterns, taken, strict=True))


def test_numbers_at_random_are_from_the_same_range(node: CronPeer) -> None:
    """An `H` is another number at each reading, so what is compared is all that many readings give."""
    for pattern in ("0 0 * * H", "0 0 H(3-9) * *", "0 H/6 * * *", "0 0 1 H(2-11)/4 *", "0 H(20-99) * * *"):
        cases: list[Case] = [(pattern, "UTC", 0, 1)] * 300
        assert {str(ours(case)) for case in cases} == {str(answer) for answer in node(cases)}, pattern
