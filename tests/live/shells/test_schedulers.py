"""Schedulers: made, changed, read and removed; what a worker does with their runs is told elsewhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Deduplication, JobOptions, JobSpec, OptionsError, Repeat, SchedulerError
from tests.clocks import NOW, Clock, ms
from tests.conftest import RedisServer
from tests.hands import Hands
from tests.live.shells.shell import Queue

DAY = timedelta(days=1)


async def test_a_pattern_runs_at_its_next_time_in_utc(timed: Queue, redis: Redis) -> None:
    job = await timed.upsert_scheduler("digest", cron="0 8 * * *", name="digest-batch", data={"a": 1})
    due = datetime(2026, 11, 27, 8, tzinfo=UTC)
    assert job.id == f"repeat:digest:{ms(due)}"
    assert (job.name, job.data, job.scheduler_id) == ("digest-batch", {"a": 1}, "digest")
    assert job.scheduled_for == due
    assert await job.state() == "delayed"
    stored = await timed.job(job.id)
    assert stored is not None
    assert stored.record.fields == job.record.fields
    scheduler = await timed.scheduler("digest")
    assert scheduler is not None
    assert (scheduler.name, scheduler.next, scheduler.cron, scheduler.tz) == ("digest-batch", due, "0 8 * * *", "UTC")
    assert (scheduler.data, scheduler.iterations, scheduler.legacy) == ({"a": 1}, 1, False)
    assert scheduler.next_job_id == job.id
    assert scheduler.upcoming(2) == [due, due + DAY]
    assert json.loads(stored.record.fields["opts"])["repeat"] == {"pattern": "0 8 * * *", "tz": "UTC", "count": 1}


async def test_an_interval_runs_at_once_and_then_on_its_grid(timed: Queue, clock: Clock) -> None:
    job = await timed.upsert_scheduler("ping", every=30, options=JobOptions(attempts=2, priority=3))
    assert await job.state() == "prioritized"
    scheduler = await timed.scheduler("ping")
    assert scheduler is not None
    assert (scheduler.every, scheduler.offset, scheduler.next, scheduler.cron) == (30, 0, NOW, None)
    assert scheduler.options == {"attempts": 2, "priority": 3}
    assert scheduler.upcoming(3) == [NOW, NOW + timedelta(seconds=30), NOW + timedelta(seconds=60)]


async def test_an_offset_shifts_an_interval_and_a_start_puts_it_off(timed: Queue) -> None:
    shifted = await timed.upsert_scheduler("a", every=60, offset=5)
    late = await timed.upsert_scheduler("b", every=60, start=NOW + DAY)
    assert shifted.id == f"repeat:a:{ms(NOW + timedelta(seconds=5))}"
    assert late.id == f"repeat:b:{ms(NOW + DAY)}"


async def test_a_time_zone_is_that_of_the_pattern(timed: Queue) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", tz="America/New_York")
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.next == datetime(2026, 11, 26, 13, tzinfo=UTC)


async def test_immediately_runs_now_and_then_at_the_times_of_the_pattern(timed: Queue) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *", immediately=True)
    assert await job.state() == "waiting"


async def test_an_upsert_replaces_the_next_run(timed: Queue, hands: Hands) -> None:
    first = await timed.upsert_scheduler("a", cron="0 8 * * *", data={"v": 1})
    second = await timed.upsert_scheduler("a", cron="0 9 * * *", data={"v": 2}, options={"attempts": 3})
    assert await timed.job(first.id) is None
    assert (await timed.counts("delayed"))["delayed"] == 1
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.iterations == 1
    assert (scheduler.data, scheduler.options, scheduler.next_job_id) == ({"v": 2}, {"attempts": 3}, second.id)


async def test_with_the_same_times_the_next_run_stays_when_it_was(timed: Queue, clock: Clock) -> None:
    """A program that is started again after the time, and before a worker came, must not lose the run."""
    cron = await timed.upsert_scheduler("cron", cron="0 8 * * *")
    every = await timed.upsert_scheduler("every", every=60, offset=5)
    clock.now = NOW + DAY
    assert (await timed.upsert_scheduler("cron", cron="0 8 * * *", data={"new": 1})).id == cron.id
    assert (await timed.upsert_scheduler("every", every=60, offset=5)).id == every.id
    assert await cron.state() == "waiting"
    other = await timed.upsert_scheduler("cron", cron="0 8 * * *", tz="Asia/Tokyo")
    assert other.id == f"repeat:cron:{ms(datetime(2026, 11, 27, 23, tzinfo=UTC))}"


async def test_immediately_says_nothing_of_an_interval(timed: Queue, hands: Hands, clock: Clock) -> None:
    """Else a program that is started again oftener than that would put the run off for ever."""
    await timed.upsert_scheduler("a", every=60, immediately=True)
    [record] = hands.take(now_ms=clock())
    hands.advance(record, clock())
    hands.complete(record.id, now_ms=clock())
    for _ in range(3):
        job = await timed.upsert_scheduler("a", every=60, immediately=True)
        assert job.id == f"repeat:a:{ms(NOW) + 60_000}"


async def test_another_offset_counts_at_once(timed: Queue) -> None:
    await timed.upsert_scheduler("a", every=3600, offset=60)
    job = await timed.upsert_scheduler("a", every=3600, offset=120)
    assert job.id == f"repeat:a:{ms(NOW + timedelta(minutes=32))}"


async def test_what_is_to_come_is_told_as_far_as_the_limit(timed: Queue, hands: Hands, clock: Clock) -> None:
    for _ in range(3):
        await timed.upsert_scheduler("a", every=60, limit=3)
    [record] = hands.take(now_ms=clock())
    hands.advance(record, clock())
    hands.complete(record.id, now_ms=clock())
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.runs_left == 2
    assert scheduler.upcoming() == [NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)]
    for _ in range(2):
        clock.now += timedelta(minutes=1)
        [record] = hands.take(now_ms=clock())
        hands.advance(record, clock())
        hands.complete(record.id, now_ms=clock())
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and (scheduler.ended, scheduler.runs_left, scheduler.upcoming()) == (True, 0, [])


async def test_an_upsert_while_the_queue_is_paused_leaves_one_run(timed: Queue) -> None:
    await timed.upsert_scheduler("a", every=60)
    await timed.pause()
    await timed.upsert_scheduler("a", every=60, data={"new": 1})
    counts = await timed.counts()
    assert counts["waiting"] + counts["delayed"] == 1
    await timed.resume()


async def test_an_upsert_leaves_the_run_that_is_active(timed: Queue, hands: Hands, clock: Clock) -> None:
    job = await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(now_ms=clock())
    hands.advance(record, now_ms=clock())
    await timed.upsert_scheduler("a", every=60, data={"new": 1})
    assert await job.state() == "active"
    assert (await timed.counts("delayed"))["delayed"] == 1
    hands.complete(job.id, now_ms=clock())


async def test_a_run_that_was_let_go_early_counts_as_done(timed: Queue, hands: Hands, clock: Clock) -> None:
    """It keeps its id, which says tomorrow: no second one may come for that time, and none may be overwritten."""
    job = await timed.upsert_scheduler("a", cron="0 8 * * *")
    await job.promote()
    [record] = hands.take(now_ms=clock())
    hands.advance(record, now_ms=clock())
    hands.complete(job.id, "done", now_ms=clock())
    for _ in range(2):
        again = await timed.upsert_scheduler("a", cron="0 8 * * *")
        assert again.id == f"repeat:a:{ms(datetime(2026, 11, 28, 8, tzinfo=UTC))}"
    await timed.remove_scheduler("a")
    await timed.upsert_scheduler("a", cron="0 8 * * *")
    assert await job.state() == "completed"


async def test_where_every_time_is_taken_an_upsert_is_refused(timed: Queue, redis: Redis) -> None:
    for at in range(1, 40):
        slot = ms(datetime(2026, 11, 26, 8, tzinfo=UTC) + at * DAY)
        await redis.hset(f"bull:{timed.name}:repeat:a:{slot}", mapping={"name": "x"})
    with pytest.raises(SchedulerError, match="a job with its id is there already"):
        await timed.upsert_scheduler("a", cron="0 8 * * *")
    assert await timed.scheduler("a") is None
    await redis.delete(*(await redis.keys(f"bull:{timed.name}:repeat:a:*")))


async def test_schedulers_are_listed_by_their_next_runs(timed: Queue) -> None:
    for name, hour in (("late", 23), ("soon", 10), ("noon", 12)):
        await timed.upsert_scheduler(name, cron=f"0 {hour} * * *")
    assert [each.id for each in await timed.schedulers()] == ["late", "noon", "soon"]
    assert [each.id for each in await timed.schedulers(0, 1, ascending=True)] == ["soon", "noon"]
    assert await timed.scheduler_count() == 3
    assert await timed.scheduler("other") is None


async def test_a_removed_scheduler_takes_its_next_run_along(timed: Queue, redis: Redis) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *", overlap="skip", jitter=1)
    with pytest.raises(SchedulerError):
        await job.remove()
    assert await timed.remove_scheduler("a") is True
    assert await timed.remove_scheduler("a") is False
    assert await timed.job(job.id) is None
    left = [str(key) for key in await redis.keys(f"*{timed.name}*")]
    assert not [key for key in left if "repeat" in key or "oxcart" in key]


async def test_the_short_form_is_an_upsert_under_the_name_of_the_job(timed: Queue) -> None:
    job = await timed.add("digest-batch", {"a": 1}, repeat=Repeat(cron="0 8 * * *"), attempts=3)
    assert job.scheduler_id == "digest-batch"
    scheduler = await timed.scheduler("digest-batch")
    assert scheduler is not None and scheduler.options == {"attempts": 3}
    assert (scheduler.name, scheduler.data) == ("digest-batch", {"a": 1})


async def test_the_policies_are_kept_beside_and_can_be_changed(timed: Queue) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", overlap="skip", missed="all", jitter=timedelta(minutes=5))
    scheduler = await timed.scheduler("a")
    assert scheduler is not None
    assert (scheduler.overlap, scheduler.missed, scheduler.jitter) == ("skip", "all", 300)
    await timed.upsert_scheduler("a", cron="0 8 * * *")
    scheduler = await timed.scheduler("a")
    assert scheduler is not None
    assert (scheduler.overlap, scheduler.missed, scheduler.jitter) == ("allow", "once", 0)


async def test_jitter_puts_a_run_off_by_less_than_it(timed: Queue) -> None:
    seen: set[Any] = set()
    for number in range(20):
        job = await timed.upsert_scheduler(f"a{number}", cron="0 8 * * *", jitter=60)
        extra = job.delay - timedelta(hours=22, minutes=30).total_seconds()
        assert 0 <= extra <= 60
        seen.add(extra)
    assert len(seen) > 10


async def test_default_options_hold_for_runs_as_far_as_they_can(redis_server: RedisServer, queue: Queue) -> None:
    defaults = JobOptions(attempts=4, backoff=Backoff.fixed(2), delay=60, deduplication=Deduplication("x"))
    async with Queue(queue.name, connection=redis_server.url, default_job_options=defaults) as other:
        job = await other.upsert_scheduler("a", every=60, options={"attempts": 2})
        scheduler = await other.scheduler("a")
        assert await job.state() == "waiting"
    assert scheduler is not None and scheduler.options == {"attempts": 2, "backoff": Backoff.fixed(2)}
    assert job.deduplication_id is None


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("cron, such as", {}),
        ("cron, such as", {"cron": "* * * * *", "every": 5}),
        ("hour '25'", {"cron": "0 25 * * *"}),
        ("Europe/Berlim", {"cron": "0 8 * * *", "tz": "Europe/Berlim"}),
        ("local zone", {"cron": "0 8 * * *", "tz": "local"}),
        ("tz: it is for cron", {"every": 5, "tz": "UTC"}),
        ("at least a millisecond", {"every": 0}),
        ("offset: it shifts", {"cron": "0 8 * * *", "offset": 5}),
        ("less than every", {"every": 5, "offset": 5}),
        ("immediately and offset", {"every": 5, "offset": 1, "immediately": True}),
        ("immediately and start", {"every": 5, "start": NOW, "immediately": True}),
        ("limit=0", {"every": 5, "limit": 0}),
        ("it has passed", {"every": 5, "end": NOW - DAY}),
        ("later than start", {"every": 5, "start": NOW + 2 * DAY, "end": NOW + DAY}),
        ("needs a timezone", {"every": 5, "end": datetime(2027, 1, 1)}),
        ("overlap='queue'", {"every": 5, "overlap": "queue"}),
        ("missed='twice'", {"every": 5, "missed": "twice"}),
        ("jitter=6", {"every": 5, "jitter": 6}),
        ("no time to come", {"cron": "0 0 31 2,4 *"}),
        ("between start and end", {"cron": "0 8 * * *", "end": NOW + timedelta(hours=1)}),
        ("delay: it can't be the same", {"every": 5, "options": {"delay": 3}}),
        ("unknown option 'atempts'", {"every": 5, "options": {"atempts": 3}}),
    ],
)
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    timed: Queue, redis: Redis, words: str, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionsError, match=words):
        await timed.upsert_scheduler("a", **options)
    assert not await redis.keys(f"bull:{timed.name}:repeat*")


@pytest.mark.parametrize("scheduler_id", ["", "x:1795503522760", "\ud800", 5])
async def test_an_id_that_no_scheduler_can_have_is_refused(timed: Queue, scheduler_id: Any) -> None:
    with pytest.raises(OptionsError, match="scheduler id"):
        await timed.upsert_scheduler(scheduler_id, every=5)


@pytest.mark.parametrize("scheduler_id", ['a:b"c', "a\x00b", "%s", "ü {x}"])
async def test_an_id_may_have_any_characters(timed: Queue, scheduler_id: str) -> None:
    job = await timed.upsert_scheduler(scheduler_id, every=60)
    assert job.id == f"repeat:{scheduler_id}:{ms(NOW)}"
    assert json.loads(job.record.fields["opts"])["jobId"] == job.id
    assert [each.id for each in await timed.schedulers()] == [scheduler_id]


async def test_a_run_that_waits_for_another_attempt_is_not_erased(timed: Queue, hands: Hands, clock: Clock) -> None:
    """The last run of a limit, whose scheduler stays at it."""
    job = await timed.upsert_scheduler("a", every=60, limit=1)
    [record] = hands.take(now_ms=clock())
    hands.advance(record, clock())
    hands.retry_later(record.id, now_ms=clock())
    await timed.upsert_scheduler("a", every=60, limit=1)
    await timed.remove_scheduler("a")
    assert await job.state() == "delayed"


async def test_another_start_counts_at_once(timed: Queue) -> None:
    await timed.upsert_scheduler("a", every=3600, offset=60)
    job = await timed.upsert_scheduler("a", every=3600, start=NOW + DAY)
    assert job.id == f"repeat:a:{ms(NOW + DAY)}"


async def test_an_interval_whose_next_run_would_be_after_its_end_is_refused(timed: Queue) -> None:
    await timed.upsert_scheduler("a", every=3600, offset=60)
    with pytest.raises(OptionsError, match="nothing would ever run"):
        await timed.upsert_scheduler("a", every=3600, offset=60, end=NOW + timedelta(minutes=1))
    assert (await timed.counts("delayed"))["delayed"] == 1


async def test_what_is_no_repeat_and_no_options_is_told(timed: Queue) -> None:
    with pytest.raises(OptionsError, match="Repeat"):
        await timed.add("a", repeat={"cron": "0 8 * * *"})  # type: ignore[arg-type]
    with pytest.raises(OptionsError, match="JobOptions"):
        await timed.upsert_scheduler("a", every=5, options=["attempts"])  # type: ignore[arg-type]
    with pytest.raises(OptionsError, match="only Queue\\.add takes it"):
        await timed.add_bulk([JobSpec("a", repeat=Repeat(every=5))])  # type: ignore[call-arg]


async def test_what_has_no_hash_is_not_listed(timed: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.add("I28")
    await redis.zadd(f"bull:{timed.name}:repeat", {"gone": 5})
    assert await timed.schedulers() == []


async def test_obliterate_erases_schedulers_and_what_only_we_know_of_them(timed: Queue, redis: Redis) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", overlap="skip")
    await timed.obliterate()
    assert not await redis.keys(f"*{timed.name}*policies")
    assert await timed.schedulers() == []


# ------------------------------------------------------------------------------------- repeated jobs of version 5

SLOT = ms(datetime(2026, 11, 27, 8, tzinfo=UTC))
MD5 = "6ce08a058857d014552d7a74f70f6add"


async def _add_legacy(redis: Redis, timed: Queue, key: str, fields: Any, repeat: dict[str, Any]) -> str:
    """As version 5 has left it: the series' key, its hash, and the run that is to come."""
    prefix, run = f"bull:{timed.name}:", f"repeat:{key}:{SLOT}"
    opts = {
        "repeat": {"count": 7, **repeat},
        "jobId": run,
        "prevMillis": SLOT,
        "delay": 5,
        "timestamp": 1,
        "attempts": 0,
    }
    job: dict[str, Any] = {
        "name": "cronjob",
        "data": '{"d":1}',
        "opts": json.dumps(opts),
        "timestamp": "1",
        "delay": "5",
    }
    await redis.zadd(prefix + "repeat", {key: SLOT})
    if fields:
        await redis.hset(f"{prefix}repeat:{key}", mapping=fields)
    await redis.hset(prefix + run, mapping={**job, "priority": "0", "rjk": key})
    await redis.zadd(prefix + "delayed", {run: SLOT * 4096})
    await redis.zadd(prefix + "marker", {"1": SLOT})
    return run


@pytest.mark.parametrize(
    ("key", "fields"),
    [(MD5, {"name": "cronjob", "pattern": "0 8 * * *", "tz": "UTC"}), ("cronjob:::UTC:0 8 * * *", {})],
)
async def test_a_repeated_job_of_version_5_is_shown_and_can_be_converted(
    timed: Queue, redis: Redis, allowed_breaks: set[str], key: str, fields: dict[str, str]
) -> None:
    allowed_breaks.add("I28")
    run = await _add_legacy(redis, timed, key, fields, {"pattern": "0 8 * * *", "tz": "UTC"})
    [shown] = await timed.schedulers()
    assert (shown.id, shown.name, shown.legacy, shown.iterations) == (key, "cronjob", True, None)
    assert (shown.cron, shown.tz, shown.next_job_id) == ("0 8 * * *", "UTC", run)
    assert await timed.convert_legacy_schedulers() == {key: "cronjob"}
    assert await timed.convert_legacy_schedulers() == {}
    [scheduler] = await timed.schedulers()
    assert (scheduler.id, scheduler.legacy, scheduler.data) == ("cronjob", False, {"d": 1})
    assert scheduler.next == shown.next
    assert await timed.job(run) is None
    job = await timed.job(scheduler.next_job_id)
    assert job is not None and job.data == {"d": 1} and await job.state() == "delayed"
    assert json.loads(job.record.fields["opts"])["repeat"]["count"] == 7


async def test_a_repeated_job_whose_run_was_let_go_early_is_converted_as_it_is(
    timed: Queue, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")
    run = await _add_legacy(redis, timed, MD5, {"name": "cronjob", "every": "60000"}, {"every": 60000})
    job = await timed.job(run)
    assert job is not None
    await job.promote()
    await timed.convert_legacy_schedulers()
    assert (await timed.counts("waiting", "delayed")) == {"waiting": 1, "delayed": 0}


async def test_two_repeated_jobs_of_one_name_get_two_ids(timed: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.add("I28")
    for key, every in ((MD5, "60000"), ("own-key", "90000")):
        await _add_legacy(redis, timed, key, {"name": "cronjob", "every": every}, {"every": int(every)})
    converted = await timed.convert_legacy_schedulers()
    assert converted.keys() == {MD5, "own-key"}
    assert len(set(converted.values())) == 2
    assert {each.every for each in await timed.schedulers()} == {60, 90}


async def test_a_repeated_job_whose_run_is_not_there_is_left_alone(
    timed: Queue, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")
    run = await _add_legacy(redis, timed, MD5, {"name": "x", "pattern": "0 8 * * *"}, {"pattern": "0 8 * * *"})
    await redis.delete(f"bull:{timed.name}:{run}")
    await redis.zrem(f"bull:{timed.name}:delayed", run)
    assert await timed.convert_legacy_schedulers() == {}
    assert len(await timed.schedulers()) == 1
