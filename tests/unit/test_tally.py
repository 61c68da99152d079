"""Tallies: buckets, percentiles, and numbers that add up."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oxcart.tally import LAST_BUCKET, Tally, bucket_of, lower_bound, percentile, total

PATIENTLY = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@PATIENTLY
@given(st.integers(0, 2**40))
def test_every_time_is_in_a_bucket_that_is_at_most_a_quarter_wider_than_its_start(ms: int) -> None:
    bucket = bucket_of(ms)
    start, end = lower_bound(bucket), lower_bound(bucket + 1)
    assert start <= ms and (ms < end or bucket == LAST_BUCKET)
    assert end - start <= max(1, start / 4)


def test_buckets_follow_each_other_without_a_gap() -> None:
    assert [bucket_of(lower_bound(bucket)) for bucket in range(LAST_BUCKET + 1)] == list(range(LAST_BUCKET + 1))
    assert all(bucket_of(lower_bound(bucket) - 1) == bucket - 1 for bucket in range(1, LAST_BUCKET + 1))


def test_powers_of_two_are_where_buckets_begin() -> None:
    assert all(bucket_of(2**power) == 4 * (power - 1) for power in range(2, 33))


def test_a_time_below_zero_counts_as_none() -> None:
    assert bucket_of(-5) == 0


@PATIENTLY
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=200), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_within_a_quarter_of_the_true_one(values: list[int], share: int) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    found = percentile(counts, share)
    true = sorted(values)[max(-(-len(values) * share // 100) - 1, 0)]
    assert found is not None
    assert abs(found - true) <= max(1, true * 0.25 + 1)


def test_nothing_has_no_percentile() -> None:
    assert percentile({}, 50) is None


def test_what_is_written_is_read_again_and_adds_up() -> None:
    one = Tally(3, 1, 2, {4: 5, 90: 1}, {0: 6}, 1234, 0)
    assert Tally.from_text(one.as_text()) == one
    both = total([one, one, Tally()])
    assert (both.completed, both.run[4], both.run_ms) == (6, 10, 2468)


@pytest.mark.parametrize(
    "text", ["", "null", "[1]", "{", '{"c":"x","r":1,"r٣":1,"w9999":2,"f":-1,"a":true,"zz":3}', '{"r1000000000000":1}']
)
def test_what_somebody_else_wrote_does_no_harm(text: str) -> None:
    tally = Tally.from_text(text)
    assert tally.completed == tally.failed == 0
    assert all(0 <= bucket <= LAST_BUCKET for bucket in (*tally.run, *tally.wait))


def test_numbers_that_lua_wrote_as_floats_are_whole() -> None:
    assert Tally.from_text(json.dumps({"R": 1e15, "c": 2.0})).run_ms == 10**15
