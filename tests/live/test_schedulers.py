"""Schedulers at work: whoever takes a run adds the next one, once, and the series goes on whatever happens."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, ConnectionFailed, Job, OxcartError, Queue, Worker
from oxcart.protocol.calls import schedule
from oxcart.worker.series import Series
from tests.clocks import NOW, ms
from tests.clocks import Clock as StandingClock
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.hands import Hands

EIGHT = datetime(2026, 11, 27, 8, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock(StandingClock):
    """When it is set, idle workers are woken, as they would be by the time."""

    def __init__(self, redis: Redis, queue: str) -> None:
        super().__init__()
        self._redis = redis
        self._marker = f"bull:{queue}:marker"

    async def set(self, now: datetime) -> None:
        self.now = now
        await self._redis.zadd(self._marker, {"0": 0})

    async def pass_by(self, **time: int) -> None:
        await self.set(self.now + timedelta(**time))


@pytest.fixture
def clock(redis: Redis, queue: Queue) -> Clock:
    return Clock(redis, queue.name)


class Runs:
    """A processor that remembers for what times it ran."""

    def __init__(self) -> None:
        self.slots: list[datetime] = []
        self.failures = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, job: Job) -> str:
        self.slots.append(datetime.fromtimestamp(int(job.id.rpartition(":")[2]) / 1000, UTC))
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("boom")
        return "done"


@pytest.fixture
def runs() -> Runs:
    return Runs()


async def test_a_series_goes_on_from_run_to_run(timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", name="x", data={"v": 1}, options={"attempts": 2, "priority": 4})
    await run_worker(runs, clock=clock)
    for day in range(3):
        await clock.set(EIGHT + day * DAY)
        await wait_until(lambda day=day: len(runs.slots) == day + 1)
    assert runs.slots == [EIGHT, EIGHT + DAY, EIGHT + 2 * DAY]
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and (scheduler.next, scheduler.iterations) == (EIGHT + 3 * DAY, 4)
    job = await timed.job(scheduler.next_job_id)
    assert job is not None
    assert (job.name, job.data, job.priority, job.scheduler_id) == ("x", {"v": 1}, 4, "a")
    opts = json.loads(job.record.fields["opts"])
    assert opts.pop("timestamp") == clock()
    assert opts == {
        "attempts": 2,
        "priority": 4,
        "repeat": {"pattern": "0 8 * * *", "tz": "UTC", "count": 4},
        "repeatJobKey": "a",
        "jobId": job.id,
        "delay": ms(EIGHT + 3 * DAY) - clock(),
        "prevMillis": ms(EIGHT + 3 * DAY),
    }


async def test_the_next_run_is_there_before_the_present_one_begins(
    timed: Queue, run_worker: RunWorker, clock: Clock
) -> None:
    seen: list[int] = []

    async def look(job: Job) -> None:
        seen.append((await timed.counts("delayed"))["delayed"])

    await timed.upsert_scheduler("a", every=60)
    await run_worker(look, clock=clock)
    await wait_until(lambda: seen == [1])


async def test_a_changed_template_holds_from_the_next_run_on(timed: Queue, run_worker: RunWorker, clock: Clock) -> None:
    seen: list[Any] = []

    async def note(job: Job) -> None:
        seen.append(job.data)

    await timed.upsert_scheduler("a", every=60, data=1)
    await run_worker(note, clock=clock)
    await wait_until(lambda: seen == [1])
    await timed.upsert_scheduler("a", every=60, data=2)
    await clock.pass_by(seconds=60)
    await wait_until(lambda: seen == [1, 2])


async def test_neither_failures_nor_retries_disturb_a_series(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, options={"attempts": 2})
    runs.failures = 3  # the first run for good, the second once
    await run_worker(runs, clock=clock)
    await wait_until(lambda: len(runs.slots) == 2)
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 4)
    assert runs.slots == [NOW, NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)]
    await wait_until(lambda: _counts_are(timed, completed=1, failed=1, delayed=1))


async def _counts_are(queue: Queue, **wanted: int) -> bool:
    counts = await queue.counts()
    return all(counts[name] == count for name, count in wanted.items())


async def test_a_limit_ends_a_series_which_stays_listed(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, limit=3)
    await run_worker(runs, clock=clock, stalled_interval=0.02)
    for count in range(1, 4):
        await wait_until(lambda count=count: len(runs.slots) == count)
        await clock.pass_by(seconds=60)
    await wait_until(lambda: _counts_are(timed, completed=3, delayed=0))
    await asyncio.sleep(0.1)  # in which the check of schedulers must find nothing to mend
    assert await _counts_are(timed, completed=3, delayed=0, waiting=0)
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.iterations == 3


async def test_an_end_ends_a_series(timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", end=EIGHT + DAY)
    await run_worker(runs, clock=clock, stalled_interval=0.02, remove_on_complete=True)
    for day in range(2):
        await clock.set(EIGHT + day * DAY)
        await wait_until(lambda day=day: len(runs.slots) == day + 1)
    await clock.pass_by(days=5)
    await wait_until(lambda: _counts_are(timed, completed=0, delayed=0, active=0))
    await asyncio.sleep(0.1)
    assert len(runs.slots) == 2


async def test_a_run_that_was_let_go_early_takes_the_place_of_its_time(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *")
    await run_worker(runs, clock=clock)
    await job.promote()
    await wait_until(lambda: runs.slots == [EIGHT])
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.next == EIGHT + DAY


async def test_a_removed_scheduler_is_not_brought_back_by_its_last_run(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60)
    await timed.remove_scheduler("a")
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=0))
    assert await timed.schedulers() == []


# -------------------------------------------------------------------------------------------------- missed runs


@pytest.mark.parametrize("times", [{"cron": "0 * * * *"}, {"every": 3600, "offset": 1}])
async def test_of_missed_runs_one_is_made_up_for(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, times: dict[str, Any]
) -> None:
    job = await timed.upsert_scheduler("a", **times)
    await clock.pass_by(hours=5)
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=1))
    assert len(runs.slots) == 1 and job.id.endswith(str(ms(runs.slots[0])))
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.next is not None
    assert clock.now < scheduler.next <= clock.now + timedelta(hours=1)


@pytest.mark.parametrize("times", [{"cron": "0 * * * *"}, {"every": 3600, "offset": 1}])
async def test_all_missed_runs_are_made_up_for_if_that_is_wanted(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, times: dict[str, Any]
) -> None:
    await timed.upsert_scheduler("a", missed="all", **times)
    await clock.pass_by(hours=5)
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=5, delayed=1))
    assert [after - before for before, after in zip(runs.slots, runs.slots[1:], strict=False)] == [
        timedelta(hours=1)
    ] * 4


@pytest.mark.parametrize("times", [{"cron": "0 * * * *"}, {"every": 3600, "offset": 1}])
async def test_missed_runs_are_skipped_if_that_is_wanted(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, times: dict[str, Any]
) -> None:
    job = await timed.upsert_scheduler("a", missed="skip", **times)
    await clock.pass_by(minutes=33)  # three minutes late
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=1))
    assert runs.slots == []
    await job.refresh()
    assert job.return_value == {"skipped": "missed"}
    await clock.pass_by(minutes=58)  # on time
    await wait_until(lambda: len(runs.slots) == 1)


async def test_an_upsert_does_not_make_a_missed_run_a_timely_one(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", cron="0 * * * *", missed="skip")
    await clock.pass_by(hours=5)
    await timed.upsert_scheduler("a", cron="0 * * * *", missed="skip")
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=1))
    assert runs.slots == []


async def test_an_interval_has_no_run_after_its_end(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, end=NOW + timedelta(seconds=90))
    await run_worker(runs, clock=clock, stalled_interval=0.02, remove_on_complete=True)
    for count in (1, 2):
        await wait_until(lambda count=count: len(runs.slots) == count)
        await clock.pass_by(seconds=60)
    await wait_until(lambda: _counts_are(timed, completed=0, delayed=0, waiting=0, active=0))
    scheduler = await timed.scheduler("a")
    assert len(runs.slots) == 2 and scheduler is not None and scheduler.ended


async def test_a_retry_is_never_a_missed_run(timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", missed="skip", options={"attempts": 2, "backoff": 3600})
    await run_worker(runs, clock=clock)
    runs.failures = 1
    await clock.set(EIGHT)
    await wait_until(lambda: len(runs.slots) == 1)
    await clock.pass_by(hours=2)
    await wait_until(lambda: len(runs.slots) == 2)


async def test_a_run_is_skipped_while_the_one_before_is_not_finished(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, overlap="skip")
    await timed.upsert_scheduler("b", every=60)
    runs.gate = asyncio.Event()
    await run_worker(runs, clock=clock, concurrency=5)
    await wait_until(lambda: len(runs.slots) == 2)
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 3)  # that of b
    await wait_until(lambda: _counts_are(timed, completed=1))
    [skipped] = await timed.jobs("completed")
    assert (skipped.scheduler_id, skipped.return_value) == ("a", {"skipped": "overlap"})
    runs.gate.set()
    await wait_until(lambda: _counts_are(timed, active=0))
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 5)


async def test_jitter_delays_runs_and_not_the_series(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, jitter=30)
    await run_worker(runs, clock=clock)
    await wait_until(lambda: len(runs.slots) == 1)
    [job] = await wait_until(lambda: timed.jobs("delayed"))
    assert job.id == f"repeat:a:{ms(NOW) + 60_000}"
    assert 60 <= job.delay <= 90
    await clock.pass_by(seconds=90)
    await wait_until(lambda: len(runs.slots) == 2)
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.next == NOW + timedelta(minutes=2)


# --------------------------------------------------------------------------------------------- what goes wrong


async def test_a_run_that_is_taken_again_brings_no_second_one(
    timed: Queue, hands: Hands, clock: Clock, redis: Redis
) -> None:
    await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(now_ms=clock())
    first = hands.advance(record, clock())
    again = hands.advance(record, clock(), first=False)
    assert first is not None and first.added == f"repeat:a:{ms(NOW) + 60_000}"
    assert again is not None and again.added == ""
    assert await _counts_are(timed, delayed=1)
    hands.complete(record.id, now_ms=clock())


async def test_a_run_that_has_vanished_is_added_again(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *", name="x", data=[1], options={"attempts": 3})
    await redis.delete(f"bull:{timed.name}:{job.id}")
    await redis.zrem(f"bull:{timed.name}:delayed", job.id)
    worker = await run_worker(runs, clock=clock)
    errors: list[str] = []
    worker.on("error")(lambda error: errors.append(str(error)))
    await wait_until(lambda: timed.jobs("delayed"))
    [back] = await timed.jobs("delayed")
    assert (back.id, back.name, back.data, back.options["attempts"]) == (job.id, "x", [1], 3)
    assert "had no next run" in (await wait_until(lambda: errors))[0]
    await clock.set(EIGHT)
    await wait_until(lambda: runs.slots == [EIGHT])
    assert await _counts_are(timed, delayed=1)


async def test_a_series_that_somebody_has_broken_off_goes_on(
    timed: Queue, hands: Hands, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    """A client that knows nothing of schedulers has run it."""
    await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(now_ms=clock())
    hands.complete(record.id, now_ms=clock())
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, delayed=1))
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 1)


@pytest.mark.parametrize("broken", ["pattern", "zone", "neither"])
async def test_a_scheduler_that_cannot_be_read_is_left_alone_and_told(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, broken: str
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *")
    opts = json.loads(job.record.fields["opts"])
    match broken:
        case "pattern":
            opts["repeat"]["pattern"] = "every day at eight"
        case "zone":
            opts["repeat"]["tz"] = "Mars/Olympus"
        case _:
            del opts["repeat"]
    await redis.hset(f"bull:{timed.name}:{job.id}", "opts", json.dumps(opts))
    worker = await run_worker(runs, clock=clock)
    errors: list[BaseException] = []
    worker.on("error")(errors.append)
    await clock.set(EIGHT)
    await wait_until(lambda: errors)
    assert isinstance(errors[0], OxcartError) and "can't be read here, and is left alone" in str(errors[0])
    await wait_until(lambda: _counts_are(timed, delayed=1, active=0))
    scheduler = await timed.scheduler("a")
    assert runs.slots == [] and scheduler is not None and scheduler.next == EIGHT
    # Somebody mends it: then it is run after all.
    await redis.hset(f"bull:{timed.name}:{job.id}", "opts", job.record.fields["opts"])
    await clock.pass_by(seconds=11)
    await wait_until(lambda: runs.slots == [EIGHT])
    assert await _counts_are(timed, delayed=1)


async def test_a_run_whose_worker_died_is_run_again_and_adds_the_next_once(
    timed: Queue, hands: Hands, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    """Between taking it and adding the next one, and after that."""
    await timed.upsert_scheduler("a", every=60)
    await timed.upsert_scheduler("b", every=60)
    for record in hands.take(2, now_ms=clock()):
        if record.fields["rjk"] == "b":
            hands.advance(record, clock())
        await redis.delete(f"bull:{timed.name}:{record.id}:lock")
    await run_worker(runs, clock=clock, stalled_interval=0.05)
    await wait_until(lambda: _counts_are(timed, completed=2, delayed=2))
    assert runs.slots == [NOW, NOW]


async def test_a_poisonous_run_is_failed_and_its_series_goes_on(
    timed: Queue, hands: Hands, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    """Node would run it for ever: it never fails the run of a scheduler for stalling."""
    await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(now_ms=clock())
    hands.advance(record, clock())
    await redis.hset(f"bull:{timed.name}:{record.id}", "stc", 3)
    await redis.delete(f"bull:{timed.name}:{record.id}:lock")
    await run_worker(runs, clock=clock, stalled_interval=0.05, max_stalled_count=3)
    await wait_until(lambda: _counts_are(timed, failed=1, delayed=1))
    assert runs.slots == []
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 1)


async def test_the_run_that_a_scheduler_is_at_never_fails_for_stalling(
    timed: Queue, hands: Hands, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    await timed.upsert_scheduler("a", every=60)
    [record] = hands.take(now_ms=clock())
    await redis.hset(f"bull:{timed.name}:{record.id}", "stc", 9)
    await redis.delete(f"bull:{timed.name}:{record.id}:lock")
    await run_worker(runs, clock=clock, stalled_interval=0.05, max_stalled_count=3)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=1))


async def test_a_series_whose_times_are_all_taken_is_told_and_its_run_is_done(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")
    await timed.upsert_scheduler("a", every=60)
    keys = [f"bull:{timed.name}:repeat:a:{ms(NOW) + at * 60_000}" for at in range(1, 40)]
    for key in keys:
        await redis.hset(key, mapping={"name": "x"})
    worker = await run_worker(runs, clock=clock)
    errors: list[BaseException] = []
    worker.on("error")(errors.append)
    await wait_until(lambda: _counts_are(timed, completed=1))
    assert any("could not add its next run" in str(error) for error in errors)
    await redis.delete(*keys)


@pytest.mark.parametrize("opts", ["nonsense", "[1]"])
async def test_a_run_with_damaged_options_fails_and_its_series_goes_on(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, opts: str
) -> None:
    job = await timed.upsert_scheduler("a", every=60, options={"attempts": 2})
    await redis.hset(f"bull:{timed.name}:{job.id}", "opts", opts)
    await run_worker(runs, clock=clock, stalled_interval=0.05)
    await wait_until(lambda: _counts_are(timed, failed=1, delayed=1))
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 1)
    [done] = await timed.jobs("completed")
    assert done.options["attempts"] == 2


@pytest.mark.parametrize("broken", ["a type", "text", "a template"])
async def test_a_scheduler_that_cannot_be_mended_harms_neither_the_worker_nor_others(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, broken: str, allowed_breaks: set[str]
) -> None:
    allowed_breaks.update({"I6", "I28", "I34"})
    start = f"bull:{timed.name}:"
    for name in ("a", "b"):
        job = await timed.upsert_scheduler(name, cron="0 8 * * *")
        await redis.delete(start + job.id)
        await redis.zrem(f"{start}delayed", job.id)
    match broken:
        case "a type":
            await redis.delete(f"{start}repeat:a")
            await redis.rpush(f"{start}repeat:a", "x")
        case "text":
            await redis.zadd(f"{start}repeat", {"a": "inf", "c": "-inf"})
        case _:
            await redis.hset(f"{start}repeat:a", "opts", '{"x":"\\ud800"}')
    worker = await run_worker(runs, clock=clock, stalled_interval=0.02)

    async def the_other_is_mended() -> bool:
        return [job.scheduler_id for job in await timed.jobs("delayed") if job.scheduler_id == "b"] == ["b"]

    await wait_until(the_other_is_mended)
    for _ in range(8):
        await asyncio.sleep(0.03)  # so often it looks again
    assert worker.phase.value == "running"
    assert await the_other_is_mended()
    assert len(await timed.schedulers()) >= 1


@pytest.mark.parametrize("state", ["wait", "delayed"])
async def test_a_run_whose_hash_was_evicted_is_in_one_place_when_it_is_back(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, state: str
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *")
    if state == "wait":
        await job.promote()
    await redis.delete(f"bull:{timed.name}:{job.id}")
    await timed.pause()
    await run_worker(runs, clock=clock, stalled_interval=0.02)
    await wait_until(lambda: timed.job(job.id))
    assert await _counts_are(timed, delayed=1, waiting=0)
    await timed.resume()
    await clock.set(EIGHT)
    await wait_until(lambda: runs.slots == [EIGHT])


async def test_a_series_goes_on_after_a_run_that_fell_due_without_its_hash(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    job = await timed.upsert_scheduler("a", every=60, offset=1)
    await redis.delete(f"bull:{timed.name}:{job.id}")
    clock.now += timedelta(minutes=1)
    await run_worker(runs, clock=clock, stalled_interval=0.2)
    await wait_until(lambda: _counts_are(timed, failed=1, delayed=1))
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and scheduler.next is not None
    await clock.set(scheduler.next)
    await wait_until(lambda: runs.slots == [scheduler.next])


async def test_jitter_does_not_make_a_run_late(timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs) -> None:
    await timed.upsert_scheduler("a", cron="0 8 * * *", jitter=3600, missed="skip")
    await run_worker(runs, clock=clock)
    await clock.set(EIGHT + timedelta(hours=1))
    await wait_until(lambda: runs.slots == [EIGHT])


async def test_a_run_that_was_put_off_by_hand_is_not_late(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *", missed="skip")
    await job.change_delay(EIGHT + timedelta(hours=2) - NOW)
    await run_worker(runs, clock=clock)
    await clock.set(EIGHT + timedelta(hours=2))
    await wait_until(lambda: runs.slots == [EIGHT])


async def test_a_run_on_time_is_not_skipped_since_its_answer_was_lost(timed: Queue, hands: Hands, clock: Clock) -> None:
    await timed.upsert_scheduler("a", cron="0 10 * * *", missed="skip")
    clock.now += timedelta(minutes=30, seconds=5)
    [record] = hands.take(now_ms=clock())
    for _ in range(2):
        done = hands.advance(record, clock())
        assert done is not None and done.skipped == ""
    hands.complete(record.id, now_ms=clock())


async def test_an_attempt_that_is_cancelled_while_redis_is_away_is_handed_back(
    fragile_server: RedisServer, runs: Runs
) -> None:
    """A stop does not wait for the next run to be added: whoever takes the present one next adds it."""
    gone = asyncio.Event()

    class Away(Series):
        async def add_next(self, record: Any, due_ms: int | None) -> Any:
            gone.set()
            raise ConnectionFailed("away")

    async with Queue("q", connection=fragile_server.url) as queue:
        worker = Worker("q", runs, connection=fragile_server.url)
        worker._series.__class__ = Away  # pyright: ignore[reportPrivateUsage]
        running = asyncio.create_task(worker.run())
        await queue.upsert_scheduler("a", every=60)
        await gone.wait()
        async with asyncio.timeout(20):
            await worker.close(timeout=0)
            await running
        assert await _counts_are(queue, waiting=1, active=0)
    assert runs.slots == []


@pytest.mark.parametrize("way", ["upsert", "removal"])
async def test_an_unreadable_run_is_run_when_its_scheduler_goes_on_without_it(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, way: str
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *")
    opts = json.loads(job.record.fields["opts"])
    opts["repeat"]["pattern"] = "every day at eight"
    await redis.hset(f"bull:{timed.name}:{job.id}", "opts", json.dumps(opts))
    await run_worker(runs, clock=clock)
    await clock.set(EIGHT)
    await wait_until(lambda: _has_begun(job))
    if way == "upsert":
        await timed.upsert_scheduler("a", cron="0 8 * * *")
    else:
        await timed.remove_scheduler("a")
    await clock.pass_by(seconds=11)
    await wait_until(lambda: runs.slots == [EIGHT])


async def _has_begun(job: Job) -> bool:
    await job.refresh()
    return job.attempts_started > 0 and await job.state() == "delayed"


async def test_missed_runs_before_the_end_are_made_up_for_after_it(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", cron="0 * * * *", missed="all", end=NOW + timedelta(hours=6))
    await timed.upsert_scheduler("b", every=3600, offset=1, missed="all", end=NOW + timedelta(hours=6))
    await clock.pass_by(hours=9)
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=12, delayed=0, waiting=0))


async def test_a_limited_series_is_mended_by_what_is_left_of_it(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis
) -> None:
    """Its limit counts from the last upsert, the number of its runs does not."""
    worker = await run_worker(runs, clock=clock)
    await timed.upsert_scheduler("a", every=60, limit=3)
    await wait_until(lambda: len(runs.slots) == 1)
    job = await timed.upsert_scheduler("a", every=60, limit=3)
    await redis.delete(f"bull:{timed.name}:{job.id}")
    await redis.zrem(f"bull:{timed.name}:delayed", job.id)
    await worker.close()
    await run_worker(runs, clock=clock, stalled_interval=0.02)
    for count in range(2, 5):
        await clock.pass_by(seconds=60)
        await wait_until(lambda count=count: len(runs.slots) == count)
    await wait_until(lambda: _counts_are(timed, completed=4, delayed=0, waiting=0))
    scheduler = await timed.scheduler("a")
    assert scheduler is not None and (scheduler.runs_left, scheduler.ended) == (0, True)


async def test_a_failed_run_that_is_retried_by_hand_is_not_skipped(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    await timed.upsert_scheduler("a", every=60, overlap="skip")
    runs.failures = 1
    await run_worker(runs, clock=clock, concurrency=3)
    await wait_until(lambda: _counts_are(timed, failed=1))
    [failed] = await timed.jobs("failed")
    runs.gate = asyncio.Event()
    await clock.pass_by(seconds=60)
    await wait_until(lambda: len(runs.slots) == 2)
    await failed.retry()
    await wait_until(lambda: len(runs.slots) == 3)
    runs.gate.set()
    await wait_until(lambda: _counts_are(timed, completed=2))


async def test_schedulers_that_have_ended_cost_nothing(
    timed: Queue, hands: Hands, clock: Clock, redis_server: RedisServer
) -> None:
    for number in range(5):
        await timed.upsert_scheduler(f"a{number}", every=60, limit=1)
    for record in hands.take(5, now_ms=clock()):
        hands.advance(record, clock())
        hands.complete(record.id, now_ms=clock())
    async with Connection(redis_server.url) as connection:
        looked = await connection.run(schedule.stopped(timed.keys, 0, clock(), 0))
        assert (looked.count, list(looked.stopped)) == (5, [])
        assert (await connection.run(schedule.stopped(timed.keys, 0, clock(), 60_000))).count == 5
        # Somebody has looked.
        assert (await connection.run(schedule.stopped(timed.keys, 0, clock(), 60_000))).count == 0


@pytest.mark.parametrize("every", ["-5", "0", "0.4", "nan", "inf", "1e300", "x"])
async def test_an_interval_that_cannot_be_is_left_alone(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, every: str, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")
    job = await timed.upsert_scheduler("a", every=60)
    opts = json.loads(job.record.fields["opts"])
    del opts["repeat"]["every"]
    await redis.hset(f"bull:{timed.name}:repeat:a", "every", every)
    await redis.hset(f"bull:{timed.name}:{job.id}", "opts", json.dumps(opts))
    worker = await run_worker(runs, clock=clock)
    errors: list[str] = []
    worker.on("error")(lambda error: errors.append(str(error)))
    await wait_until(lambda: errors)
    assert "left alone" in errors[0]
    assert [each.every for each in await timed.schedulers()] == [None]
    await wait_until(lambda: _counts_are(timed, active=0))


@pytest.mark.parametrize("policy", ["5", '{"jitter":"x","missed":7}', '{"jitter":null}', "{", '{"jitter":1e308}'])
async def test_damaged_policies_read_as_none(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs, redis: Redis, policy: str
) -> None:
    await timed.upsert_scheduler("a", every=60)
    await redis.hset(f"oxcart:bull:{timed.name}:policies", "a", policy)
    [scheduler] = await timed.schedulers()
    assert (scheduler.overlap, scheduler.missed) == ("allow", "once")
    await run_worker(runs, clock=clock)
    await wait_until(lambda: _counts_are(timed, completed=1, delayed=1))


async def test_an_upsert_keeps_what_jitter_has_put_off(
    timed: Queue, run_worker: RunWorker, clock: Clock, runs: Runs
) -> None:
    job = await timed.upsert_scheduler("a", cron="0 8 * * *", jitter=3600)
    due = NOW + timedelta(seconds=job.delay)
    clock.now = EIGHT  # within the jitter
    again = await timed.upsert_scheduler("a", cron="0 8 * * *", jitter=3600)
    assert again.id == job.id
    assert abs(clock.now + timedelta(seconds=again.delay) - due) < timedelta(milliseconds=2)
