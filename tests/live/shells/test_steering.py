"""Pause and resume, concurrency and rate limits of a whole queue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from redis.asyncio import Redis

from oxcart import OptionsError, RateLimit
from tests.hands import Hands
from tests.live.shells.shell import Queue


async def test_a_paused_queue_gives_nothing_away_until_it_is_resumed(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")
    await queue.pause()
    assert await queue.is_paused()
    assert (await queue.counts("waiting", "paused")) == {"waiting": 1, "paused": 1}
    assert hands.take() == []
    await queue.resume()
    assert not await queue.is_paused()
    assert [record.id for record in hands.take()] == [job.id]
    hands.complete(job.id)


async def test_any_value_of_the_paused_field_pauses(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    """Trap 15 of part 1: it counts by its existence."""
    allowed_breaks.add("I33")
    await redis.hset(f"bull:{queue.name}:meta", "paused", "0")
    assert await queue.is_paused()


async def test_what_version_5_put_aside_comes_back_first_and_nothing_is_lost(
    queue: Queue, redis: Redis, hands: Hands
) -> None:
    """Traps 48–51 of part 1: both lists filled; a rename would lose one of them."""
    jobs = [await queue.add("x", n) for n in range(4)]
    ids = [job.id for job in jobs]
    await queue.pause()
    await redis.rename(f"bull:{queue.name}:wait", f"bull:{queue.name}:paused")  # as version 5 does
    late = await queue.add("late")
    assert (await queue.counts())["paused"] == 5
    assert await queue.state(ids[0]) == "waiting"
    await queue.resume()
    assert not await redis.exists(f"bull:{queue.name}:paused")
    assert [record.id for record in hands.take(9)] == [*ids, late.id]
    for job_id in (*ids, late.id):
        hands.complete(job_id)


async def test_thousands_put_aside_come_back_in_order_some_at_a_time(queue: Queue, redis: Redis) -> None:
    ids = [str(n) for n in range(2500)]
    await queue.pause()
    await redis.lpush(f"bull:{queue.name}:paused", *ids)
    await queue.resume()
    assert await redis.lrange(f"bull:{queue.name}:wait", 0, -1) == ids[::-1]
    await redis.delete(f"bull:{queue.name}:wait")


async def test_a_resume_wakes_workers(queue: Queue, redis: Redis) -> None:
    """Also for a delayed job alone."""
    await queue.add("x", delay=60)
    await queue.pause()
    assert not await redis.exists(f"bull:{queue.name}:marker")
    await queue.resume()
    assert await redis.zscore(f"bull:{queue.name}:marker", "1") is not None
    await queue.pause()
    await queue.add("x")
    await queue.resume()
    assert await redis.zscore(f"bull:{queue.name}:marker", "0") == 0


async def test_pause_and_resume_are_told_once(queue: Queue, redis: Redis) -> None:
    await queue.pause()
    await queue.resume()
    events = [fields["event"] for _, fields in await redis.xrange(f"bull:{queue.name}:events")]
    assert events == ["paused", "resumed"]


async def test_no_more_jobs_are_active_than_the_queue_may_have(queue: Queue, hands: Hands) -> None:
    for n in range(3):
        await queue.add("x", n)
    await queue.set_global_concurrency(2)
    assert await queue.global_concurrency() == 2
    taken = hands.take(9)
    assert len(taken) == 2
    assert hands.take(9) == []
    await queue.set_global_concurrency(None)
    assert await queue.global_concurrency() is None
    for record in [*taken, *hands.take(9)]:
        hands.complete(record.id)


async def test_no_more_jobs_are_taken_than_the_queue_may_give(queue: Queue, hands: Hands) -> None:
    for n in range(3):
        await queue.add("x", n)
    await queue.set_global_rate_limit(2, timedelta(minutes=1))
    assert await queue.global_rate_limit() == RateLimit(2, 60)
    assert await queue.rate_limit_ttl() == 0
    assert len(hands.work()) == 2
    assert 50 < await queue.rate_limit_ttl() <= 60
    trip = hands.trip([], 9)
    assert trip.jobs == []
    assert 50_000 < trip.limited_ms <= 60_000
    await queue.remove_rate_limit()
    assert len(hands.work()) == 1
    await queue.remove_global_rate_limit()
    assert await queue.global_rate_limit() is None


async def test_a_limit_set_by_hand_holds_without_any_other(queue: Queue, hands: Hands) -> None:
    """Trap 36 of part 1: in Node it is heeded by workers with a limit only; ours heed it always."""
    await queue.add("x")
    await queue.rate_limit(60)
    assert 50 < await queue.rate_limit_ttl() <= 60
    assert hands.take() == []
    await queue.remove_rate_limit()
    assert await queue.rate_limit_ttl() == 0
    assert len(hands.work()) == 1


async def test_a_count_without_an_end_limits_nobody_once_and_no_longer(
    queue: Queue, redis: Redis, hands: Hands
) -> None:
    """As a client leaves it that is gone between counting a job and giving the count its end."""
    for n in range(9):
        await queue.add("x", n)
    await queue.set_global_rate_limit(2, timedelta(minutes=1))
    await redis.set(f"bull:{queue.name}:limiter", 1)
    assert [len(hands.work()) for _ in range(3)] == [1, 2, 0]
    assert 50 < await queue.rate_limit_ttl() <= 60


async def test_the_ttl_can_be_asked_for_a_limit_of_the_workers(queue: Queue, redis: Redis) -> None:
    await redis.set(f"bull:{queue.name}:limiter", 5, px=60_000)
    assert await queue.rate_limit_ttl(6) == 0
    assert await queue.rate_limit_ttl(5) > 50
    await redis.delete(f"bull:{queue.name}:limiter")


async def test_limits_that_cannot_be_right_are_refused(queue: Queue) -> None:
    with pytest.raises(OptionsError, match="set_global_concurrency=0: a whole number, 1 or more"):
        await queue.set_global_concurrency(0)
    with pytest.raises(OptionsError, match=r"RateLimit\(max=0\)"):
        await queue.set_global_rate_limit(0, 1)
    with pytest.raises(OptionsError, match=r"rate_limit\(0\): at least a millisecond"):
        await queue.rate_limit(0)
