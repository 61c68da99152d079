"""The wait between attempts."""

from __future__ import annotations

from itertools import islice

from oxcart.backoff import exponential_ms, fixed_ms, growing_pauses


def test_a_fixed_wait_is_always_the_same() -> None:
    assert [fixed_ms(1000, 0) for _ in range(3)] == [1000] * 3


def test_an_exponential_wait_doubles() -> None:
    assert [exponential_ms(2000, 0, attempt) for attempt in (1, 2, 3)] == [2000, 4000, 8000]


def test_jitter_takes_off_at_most_its_part() -> None:
    assert fixed_ms(1000, 0.25, lambda: 0.0) == 750
    assert fixed_ms(1000, 0.25, lambda: 0.999999) == 999
    assert exponential_ms(1000, 1, 2, lambda: 0.5) == 1000


def test_a_very_late_attempt_has_a_wait_that_the_wire_can_carry() -> None:
    assert exponential_ms(2000, 0, 5000) < 2**41


def test_pauses_grow_but_stay_short() -> None:
    pauses = list(islice(growing_pauses(), 20))
    assert pauses[0] <= 0.05
    assert 0.5 < pauses[-1] <= 0.8
