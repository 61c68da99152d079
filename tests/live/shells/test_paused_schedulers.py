"""Paused schedulers: put aside as they are, listed, and let go on as if nothing had been."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, JobOptions, OptionsError, SchedulerError
from tests.clocks import NOW, Clock
from tests.hands import Hands
from tests.live.shells.shell import Queue

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


async def _left(redis: Redis, queue: Queue) -> list[str]:
    """The keys that schedulers have."""
    names = [str(key) for key in await redis.keys(f"*{queue.name}*")]
    return sorted(name.partition(queue.name)[2] for name in names if "repeat" in name or "oxcart" in name)


async def test_a_paused_scheduler_is_not_in_its_queue_and_resumed_it_is_as_it_was(
    timed: Queue, redis: Redis, clock: Clock
) -> None:
    await timed.upsert_scheduler(
        "a",
        cron="0 8 * * *",
        tz="Europe/Berlin",
        limit=9,
        start=NOW - HOUR,
        end=NOW + 99 * DAY,
        overlap="skip",
        missed="all",
        jitter=2,
        name="digest",
        data={"a": [1, {}, []], "ä": 2**60},
        options=JobOptions(attempts=3, backoff=Backoff.fixed(30, jitter=0.5), priority=7),
    )
    hash_before = await redis.hgetall(f"{timed.keys.prefix}repeat:a")
    before = await timed.scheduler("a")
    assert before is not None
    run = await timed.job(before.next_job_id)
    assert await timed.pause_scheduler("a") is True
    assert await timed.schedulers() == []
    assert await timed.job(before.next_job_id) is None
    assert await _left(redis, timed) == [":paused-schedulers"]
    [paused] = await timed.paused_schedulers()
    assert paused == await timed.scheduler("a")
    assert (paused.paused_at, paused.next, paused.upcoming()) == (NOW, None, [])
    assert (paused.cron, paused.data, paused.overlap, paused.runs_left) == ("0 8 * * *", before.data, "skip", 9)
    clock.now += HOUR
    resumed = await timed.resume_scheduler("a")
    assert resumed is not None and run is not None
    assert (resumed.id, resumed.name, resumed.data) == (run.id, "digest", before.data)
    assert await timed.scheduler("a") == before
    assert await redis.hgetall(f"{timed.keys.prefix}repeat:a") == hash_before
    stored = await timed.job(resumed.id)
    assert stored is not None and stored.record.fields == resumed.record.fields
    assert json.loads(stored.record.fields["opts"])["repeat"] == json.loads(run.record.fields["opts"])["repeat"]
    assert await timed.paused_schedulers() == []
    assert ":paused-schedulers" not in await _left(redis, timed)


async def test_none_of_the_times_that_have_passed_is_made_up_for(timed: Queue, clock: Clock) -> None:
    await timed.upsert_scheduler("cron", cron="0 8 * * *")
    await timed.upsert_scheduler("every", every=3600, offset=300)
    for name in ("cron", "every"):
        await timed.pause_scheduler(name)
    clock.now += 10 * DAY
    cron, every = await timed.resume_scheduler("cron"), await timed.resume_scheduler("every")
    assert cron is not None and cron.scheduled_for == datetime(2026, 12, 7, 8, tzinfo=UTC)
    assert every is not None and every.scheduled_for == datetime(2026, 12, 6, 10, 5, tzinfo=UTC)
    assert await cron.state() == await every.state() == "delayed"


async def test_an_interval_keeps_its_grid(timed: Queue, clock: Clock, hands: Hands) -> None:
    clock.now += timedelta(seconds=7)
    await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(1, clock())
    hands.advance(record, clock())
    hands.complete(record.id, now_ms=clock())
    await timed.pause_scheduler("a")
    soon = await timed.resume_scheduler("a")
    assert soon is not None and soon.scheduled_for == NOW + timedelta(seconds=67)
    await timed.pause_scheduler("a")
    clock.now += timedelta(seconds=1000)
    later = await timed.resume_scheduler("a")
    assert later is not None and later.scheduled_for == NOW + timedelta(seconds=1027)
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.iterations == 2


async def test_a_limit_has_as_many_runs_left_as_before(timed: Queue, clock: Clock, hands: Hands) -> None:
    await timed.upsert_scheduler("a", every=60, limit=3)
    for _ in range(3):  # the first finds a run whose time has come: it is done, and counts
        await timed.pause_scheduler("a")
        await timed.resume_scheduler("a")
    ran = 0
    while records := hands.take(1, clock()):
        for record in records:
            hands.advance(record, clock())
            hands.complete(record.id, now_ms=clock())
            ran += 1
        clock.now += timedelta(seconds=30)
        if ran < 3:
            await timed.pause_scheduler("a")
            await timed.resume_scheduler("a")
        clock.now += timedelta(seconds=30)
    assert ran == 3
    with pytest.raises(SchedulerError, match="come to its end"):
        await timed.pause_scheduler("a")


async def test_a_run_whose_time_has_come_is_still_done_and_counts(timed: Queue, clock: Clock, hands: Hands) -> None:
    run = await timed.upsert_scheduler("a", every=60, limit=2)
    assert await run.state() == "waiting"
    await timed.pause_scheduler("a")
    assert await run.state() == "waiting"
    [paused] = await timed.paused_schedulers()
    assert (paused.runs_left, paused.iterations) == (1, 2)
    [record] = hands.take(1, clock())
    assert hands.advance(record, clock()) is not None
    hands.complete(record.id)
    assert await timed.schedulers() == []
    following = await timed.resume_scheduler("a")
    assert following is not None and following.scheduled_for == NOW + timedelta(seconds=60)
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.runs_left == 1


async def test_a_run_that_goes_on_is_still_not_overlapped_after_a_pause(
    timed: Queue, clock: Clock, hands: Hands
) -> None:
    await timed.upsert_scheduler("a", every=60, overlap="skip")
    [first] = hands.take(1, clock())
    hands.advance(first, clock())
    await timed.pause_scheduler("a")
    clock.now += timedelta(seconds=600)
    await timed.resume_scheduler("a")
    clock.now += timedelta(seconds=60)
    [second] = hands.take(1, clock())
    advanced = hands.advance(second, clock())
    assert advanced is not None and advanced.skipped == "overlap"
    for record in (first, second):
        hands.complete(record.id, now_ms=clock())
    await timed.remove_scheduler("a")


async def test_the_last_run_may_be_done_while_it_is_paused(timed: Queue, hands: Hands) -> None:
    await timed.upsert_scheduler("a", every=60, limit=1)
    await timed.pause_scheduler("a")
    hands.work()
    [paused] = await timed.paused_schedulers()
    assert paused.ended and paused.runs_left == 0
    with pytest.raises(SchedulerError, match="come to its end"):
        await timed.resume_scheduler("a")
    assert await timed.remove_scheduler("a") is True
    assert await timed.paused_schedulers() == []


async def test_who_upserts_a_paused_one_makes_it_anew(timed: Queue, redis: Redis) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", data={"v": 1})
    await timed.pause_scheduler("a")
    await timed.upsert_scheduler("a", cron="0 9 * * *", data={"v": 2})
    assert await timed.paused_schedulers() == []
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and (scheduler.data, scheduler.paused_at) == ({"v": 2}, None)
    assert await timed.resume_scheduler("a") is None
    assert await redis.hlen(timed.keys.paused_schedulers) == 0  # pyright: ignore


async def test_of_one_that_is_there_again_the_live_one_counts(timed: Queue, redis: Redis) -> None:
    """As Node's upsert leaves it, which knows nothing of pauses."""
    await timed.upsert_scheduler("a", cron="0 8 * * *")
    await timed.pause_scheduler("a")
    kept = await redis.hgetall(timed.keys.paused_schedulers)  # pyright: ignore
    await timed.upsert_scheduler("a", cron="0 9 * * *")
    await redis.hset(timed.keys.paused_schedulers, mapping=kept)  # pyright: ignore
    assert await timed.paused_schedulers() == []
    assert await timed.resume_scheduler("a") is None
    assert await timed.pause_scheduler("a") is True
    [paused] = await timed.paused_schedulers()
    assert paused.cron == "0 9 * * *"


async def test_it_is_paused_once_and_resumed_once(timed: Queue) -> None:
    for name in ("a", ""):
        assert await timed.pause_scheduler(name) is False
        assert await timed.resume_scheduler(name) is None
    await timed.upsert_scheduler("a", cron="0 8 * * *")
    assert [await timed.pause_scheduler("a") for _ in range(2)] == [True, False]
    assert await timed.resume_scheduler("a") is not None
    assert await timed.resume_scheduler("a") is None
    assert await timed.scheduler_count() == 1


async def test_removing_a_paused_one_removes_what_is_kept(timed: Queue, redis: Redis) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", overlap="skip")
    await timed.pause_scheduler("a")
    assert await timed.remove_scheduler("a") is True
    assert await timed.remove_scheduler("a") is False
    assert await _left(redis, timed) == []


async def test_obliterate_erases_paused_ones(timed: Queue, redis: Redis) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", overlap="skip")
    await timed.pause_scheduler("a")
    await timed.obliterate()
    assert await _left(redis, timed) == []


async def test_one_whose_end_has_come_meanwhile_stays_paused(timed: Queue, clock: Clock) -> None:
    await timed.upsert_scheduler("cron", cron="0 8 * * *", end=NOW + 2 * DAY)
    await timed.upsert_scheduler("every", every=3600, offset=300, end=NOW + 2 * DAY)
    for name in ("cron", "every"):
        await timed.pause_scheduler(name)
    clock.now += 3 * DAY
    for name in ("cron", "every"):
        with pytest.raises(SchedulerError, match="come to its end"):
            await timed.resume_scheduler(name)
    assert [one.id for one in await timed.paused_schedulers()] == ["cron", "every"]


async def test_one_that_starts_later_does_so_when_it_is_resumed(timed: Queue, clock: Clock) -> None:
    await timed.upsert_scheduler("cron", cron="0 8 * * *", start=NOW + 3 * DAY)
    await timed.upsert_scheduler("every", every=60, start=NOW + 3 * DAY)
    for name in ("cron", "every"):
        await timed.pause_scheduler(name)
    clock.now += DAY
    cron, every = await timed.resume_scheduler("cron"), await timed.resume_scheduler("every")
    assert cron is not None and cron.scheduled_for == datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert every is not None and every.scheduled_for == NOW + 3 * DAY


async def test_a_job_that_has_the_id_of_the_next_run_is_passed_over(timed: Queue, redis: Redis) -> None:
    for name, times in (("cron", {"cron": "0 8 * * *"}), ("every", {"every": 86400, "offset": 8 * 3600})):
        await timed.upsert_scheduler(name, **times)  # type: ignore[arg-type]
        scheduler = await timed.scheduler(name)
        assert scheduler is not None
        await timed.pause_scheduler(name)
        await timed.add("x", job_id="other")
        await redis.rename(timed.keys.job("other"), timed.keys.job(scheduler.next_job_id))
        resumed = await timed.resume_scheduler(name)
        assert resumed is not None and resumed.scheduled_for == datetime(2026, 11, 28, 8, tzinfo=UTC)
        await redis.lrem(timed.keys.one("wait"), 1, "other")  # pyright: ignore
        await redis.delete(timed.keys.job(scheduler.next_job_id))


async def test_what_can_t_be_read_here_is_not_paused(timed: Queue, redis: Redis) -> None:
    key = f"{timed.keys.prefix}repeat:a"
    for broken in ({"pattern": "every now and then"}, {"tz": "Mars/Olympus"}):
        await timed.upsert_scheduler("a", cron="0 8 * * *")
        await redis.hset(key, mapping=broken)  # pyright: ignore
        with pytest.raises(OptionsError):
            await timed.pause_scheduler("a")
        assert await timed.scheduler_count() == 1
    await redis.hdel(key, "pattern")  # pyright: ignore
    with pytest.raises(OptionsError, match="neither"):
        await timed.pause_scheduler("a")
    await timed.remove_scheduler("a")


async def test_data_come_back_byte_by_byte_whatever_they_are(timed: Queue, redis: Redis) -> None:
    """What JSON in Redis can hold and Python can't send: a pause must not lose or change it."""
    texts = (
        '"caf\udce9"',
        '{"n":1e400,"big":123456789012345678901234567890}',
        '"\\ud800 \\u0000/"',
        "{broken",
        '{ "a" : [ ] }',
    )
    for text in texts:
        await timed.upsert_scheduler("a", cron="0 8 * * *")
        await redis.hset(f"{timed.keys.prefix}repeat:a", "data", text.encode("utf-8", "surrogateescape"))  # pyright: ignore
        await timed.pause_scheduler("a")
        resumed = await timed.resume_scheduler("a")
        assert resumed is not None
        assert await redis.hget(timed.keys.job(resumed.id), "data") == text  # pyright: ignore
        assert await redis.hget(f"{timed.keys.prefix}repeat:a", "data") == text  # pyright: ignore
    await timed.remove_scheduler("a")


async def test_a_name_that_is_no_unicode_is_kept_and_options_that_can_t_be_read_are_told(
    timed: Queue, redis: Redis
) -> None:
    key = f"{timed.keys.prefix}repeat:a"
    await timed.upsert_scheduler("a", cron="0 8 * * *")
    await redis.hset(key, "name", b"caf\xe9")  # pyright: ignore
    await timed.pause_scheduler("a")
    assert [one.name for one in await timed.paused_schedulers()] == ["caf\udce9"]
    resumed = await timed.resume_scheduler("a")
    assert resumed is not None and resumed.name == "caf\udce9"
    await redis.hset(key, "opts", "{broken")  # pyright: ignore
    await timed.pause_scheduler("a")
    with pytest.raises(OptionsError, match="options of the scheduler 'a' can't be read"):
        await timed.resume_scheduler("a")
    await timed.remove_scheduler("a")


@pytest.mark.parametrize(
    "kept",
    ["", "{", "[]", "{}", '{"hash":{}}', '{"hash":["ic"]}', '{"at":"x","hash":[1,2]}', '{"at":"5","hash":["a","b"]}'],
)
async def test_what_is_kept_but_can_t_be_read_breaks_nothing(timed: Queue, redis: Redis, kept: str) -> None:
    await redis.hset(timed.keys.paused_schedulers, "a", kept)  # pyright: ignore
    await timed.upsert_scheduler("b", cron="0 8 * * *")
    await timed.paused_schedulers()
    await timed.scheduler("a")
    with contextlib.suppress(SchedulerError, OptionsError):
        await timed.resume_scheduler("a")
    await timed.remove_scheduler("a")
    assert await redis.exists(timed.keys.paused_schedulers) == 0


async def test_the_times_before_the_next_run_are_told(timed: Queue, clock: Clock) -> None:
    await timed.upsert_scheduler("cron", cron="0 8 * * mon-fri", tz="Europe/Berlin")
    await timed.upsert_scheduler("every", every=3600, offset=300)

    async def previous(name: str, count: int) -> list[Any]:
        scheduler = await timed.scheduler(name)
        assert scheduler is not None
        return scheduler.previous(count)

    weekdays = [datetime(2026, 11, day, 7, tzinfo=UTC) for day in (19, 20, 23, 24, 25, 26)]
    hours = [datetime(2026, 11, 26, hour, 5, tzinfo=UTC) for hour in (7, 8, 9)]
    assert await previous("cron", 6) == weekdays and await previous("every", 3) == hours
    for name in ("cron", "every"):
        await timed.pause_scheduler(name)
    assert await previous("cron", 6) == weekdays and await previous("every", 3) == hours
    await timed.upsert_scheduler("late", cron="* * * * *", start=NOW - timedelta(minutes=1))
    assert await previous("late", 5) == [NOW - timedelta(minutes=1), NOW]
    await timed.upsert_scheduler("rare", cron="0 0 29 2 *")
    assert [at.year for at in await previous("rare", 4)] == [2012, 2016, 2020, 2024]
    await timed.upsert_scheduler("bursts", cron="* * 3 1 * *")
    assert (await previous("bursts", 1000))[-1] == datetime(2026, 11, 1, 3, 59, 59, tzinfo=UTC)
