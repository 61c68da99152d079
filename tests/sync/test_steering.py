# Generated from tests/live/shells/test_steering.py by tools/unasync.py: change that file instead.

"""Pause and resume, concurrency and rate limits of a whole queue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis import Redis

from oxcart import OptionsError, RateLimit
from tests.hands import Hands
from tests.sync.shell import Queue


def test_a_paused_queue_gives_nothing_away_until_it_is_resumed(queue: Queue, hands: Hands) -> None:
    job = queue.add("x")
    queue.pause()
    assert queue.is_paused()
    assert (queue.counts("waiting", "paused")) == {"waiting": 1, "paused": 1}
    assert hands.take() == []
    queue.resume()
    assert not queue.is_paused()
    assert [record.id for record in hands.take()] == [job.id]
    hands.complete(job.id)


def test_any_value_of_the_paused_field_pauses(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    """Trap 15 of part 1: it counts by its existence."""
    allowed_breaks.add("I33")
    redis.hset(f"bull:{queue.name}:meta", "paused", "0")
    assert queue.is_paused()


def test_what_version_5_put_aside_comes_back_first_and_nothing_is_lost(
    queue: Queue, redis: Redis, hands: Hands
) -> None:
    """Traps 48–51 of part 1: both lists filled; a rename would lose one of them."""
    jobs = [queue.add("x", n) for n in range(4)]
    ids = [job.id for job in jobs]
    queue.pause()
    redis.rename(f"bull:{queue.name}:wait", f"bull:{queue.name}:paused")  # as version 5 does
    late = queue.add("late")
    assert (queue.counts())["paused"] == 5
    assert queue.state(ids[0]) == "waiting"
    queue.resume()
    assert not redis.exists(f"bull:{queue.name}:paused")
    assert [record.id for record in hands.take(9)] == [*ids, late.id]
    for job_id in (*ids, late.id):
        hands.complete(job_id)


def test_thousands_put_aside_come_back_in_order_some_at_a_time(queue: Queue, redis: Redis) -> None:
    ids = [str(n) for n in range(2500)]
    queue.pause()
    redis.lpush(f"bull:{queue.name}:paused", *ids)
    queue.resume()
    assert redis.lrange(f"bull:{queue.name}:wait", 0, -1) == ids[::-1]
    redis.delete(f"bull:{queue.name}:wait")


def test_a_resume_wakes_workers(queue: Queue, redis: Redis) -> None:
    """Also for a delayed job alone."""
    queue.add("x", delay=60)
    queue.pause()
    assert not redis.exists(f"bull:{queue.name}:marker")
    queue.resume()
    assert redis.zscore(f"bull:{queue.name}:marker", "1") is not None
    queue.pause()
    queue.add("x")
    queue.resume()
    assert redis.zscore(f"bull:{queue.name}:marker", "0") == 0


def test_pause_and_resume_are_told_once(queue: Queue, redis: Redis) -> None:
    queue.pause()
    queue.resume()
    events = [fields["event"] for _, fields in redis.xrange(f"bull:{queue.name}:events")]
    assert events == ["paused", "resumed"]


def test_no_more_jobs_are_active_than_the_queue_may_have(queue: Queue, hands: Hands) -> None:
    for n in range(3):
        queue.add("x", n)
    queue.set_global_concurrency(2)
    assert queue.global_concurrency() == 2
    taken = hands.take(9)
    assert len(taken) == 2
    assert hands.take(9) == []
    queue.set_global_concurrency(None)
    assert queue.global_concurrency() is None
    for record in [*taken, *hands.take(9)]:
        hands.complete(record.id)


def test_no_more_jobs_are_taken_than_the_queue_may_give(queue: Queue, hands: Hands) -> None:
    for n in range(3):
        queue.add("x", n)
    queue.set_global_rate_limit(2, timedelta(minutes=1))
    assert queue.global_rate_limit() == RateLimit(2, 60)
    assert queue.rate_limit_ttl() == 0
    assert len(hands.work()) == 2
    assert 50 < queue.rate_limit_ttl() <= 60
    trip = hands.trip([], 9)
    assert trip.jobs == []
    assert 50_000 < trip.limited_ms <= 60_000
    queue.remove_rate_limit()
    assert len(hands.work()) == 1
    queue.remove_global_rate_limit()
    assert queue.global_rate_limit() is None


def test_a_limit_set_by_hand_holds_without_any_other(queue: Queue, hands: Hands) -> None:
    """Trap 36 of part 1: in Node it is heeded by workers with a limit only; ours heed it always."""
    queue.add("x")
    queue.rate_limit(60)
    assert 50 < queue.rate_limit_ttl() <= 60
    assert hands.take() == []
    queue.remove_rate_limit()
    assert queue.rate_limit_ttl() == 0
    assert len(hands.work()) == 1


def test_a_count_without_an_end_limits_nobody_once_and_no_longer(queue: Queue, redis: Redis, hands: Hands) -> None:
    """As a client leaves it that is gone between counting a job and giving the count its end."""
    for n in range(9):
        queue.add("x", n)
    queue.set_global_rate_limit(2, timedelta(minutes=1))
    redis.set(f"bull:{queue.name}:limiter", 1)
    assert [len(hands.work()) for _ in range(3)] == [1, 2, 0]
    assert 50 < queue.rate_limit_ttl() <= 60


def test_the_ttl_can_be_asked_for_a_limit_of_the_workers(queue: Queue, redis: Redis) -> None:
    redis.set(f"bull:{queue.name}:limiter", 5, px=60_000)
    assert queue.rate_limit_ttl(6) == 0
    assert queue.rate_limit_ttl(5) > 50
    redis.delete(f"bull:{queue.name}:limiter")


def test_limits_that_cannot_be_right_are_refused(queue: Queue) -> None:
    with pytest.raises(OptionsError, match="set_global_concurrency=0: a whole number, 1 or more"):
        queue.set_global_concurrency(0)
    with pytest.raises(OptionsError, match=r"RateLimit\(max=0\)"):
        queue.set_global_rate_limit(0, 1)
    with pytest.raises(OptionsError, match=r"rate_limit\(0\): at least a millisecond"):
        queue.rate_limit(0)
