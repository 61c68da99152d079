"""The traps of part 1 of the wire specification (section 15), each with a test that is named after it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from oxcart import (
    Backoff,
    Deduplication,
    Job,
    JobSpec,
    Keep,
    OptionsError,
    PayloadError,
    Queue,
    QueueEventsProducer,
    RateLimited,
    Requeue,
    Reschedule,
    Unrecoverable,
)
from oxcart.protocol.calls import work
from oxcart.protocol.calls.work import Limits
from tests.clocks import Clock, ms
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.hands import LOCK_MS, TOKEN, Hands
from tests.traps.wire import MINUTE, Wire, check_stalled, idle, is_finished, lose, now, settle

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YEAR_MS = int(NEW_YEAR.timestamp() * 1000)
AFTER_2039 = datetime(2045, 6, 1, tzinfo=UTC)
LONG_S = 90
"""For an idle worker: longer than a test waits, so that only the marker can have woken it."""


async def done(job: Job) -> str:
    return "done"


async def never(job: Job) -> None:
    raise AssertionError("it was run")


async def fail(job: Job) -> None:
    raise ValueError("boom")


def noting() -> tuple[list[str], Callable[[Job], Awaitable[None]]]:
    """A list, and a processor that notes the names of its jobs there."""
    names: list[str] = []

    async def note(job: Job) -> None:
        names.append(job.name)

    return names, note


async def finished(queue: Queue, *jobs: Job) -> None:
    for job in jobs:
        await wait_until(lambda job=job: is_finished(queue, job.id))


# ------------------------------------------------------------------------------------------------ order and due times


async def test_trap_01_waiting_jobs_are_taken_from_the_right(queue: Queue, wire: Wire, hands: Hands) -> None:
    await queue.add("first")
    await queue.add("second")
    await queue.add("urgent", lifo=True)
    assert await wire.members("wait") == ["2", "1", "3"]
    assert hands.work() == ["3", "1", "2"]


async def test_trap_02_a_delayed_score_is_the_due_time_times_4096_and_an_exact_integer(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    due = NEW_YEAR_MS + MINUTE
    ids = [(await queue.add("x", timestamp=NEW_YEAR, delay=60)).id for _ in range(3)]
    assert [await wire.score("delayed", job_id) for job_id in ids] == [str(due * 4096 + n) for n in range(3)]
    job = await queue.add("x", lifo=True)
    hands.take(now_ms=NEW_YEAR_MS)
    settle(hands, job.id, "delayed", text="boom", number=MINUTE, now_ms=NEW_YEAR_MS)
    assert await wire.score("delayed", job.id) == str(due * 4096 + 3)
    await job.change_delay(1)
    score = await wire.score("delayed", job.id)
    assert score is not None
    assert score.isdecimal()
    assert abs(int(score) // 4096 - now()) < MINUTE


async def test_trap_02_beyond_2039_the_due_time_is_still_read_right(queue: Queue, wire: Wire) -> None:
    """There a double can't hold the lowest bits any more: jobs of one millisecond may share a score."""
    for _ in range(3):
        await queue.add("x", timestamp=AFTER_2039, delay=60)
    due = int(AFTER_2039.timestamp() * 1000) + MINUTE
    scores = [await wire.score("delayed", job_id) for job_id in await wire.members("delayed")]
    assert [int(score or 0) // 4096 for score in scores] == [due] * 3


async def test_trap_03_the_delayed_event_tells_a_moment_and_the_field_a_duration(queue: Queue, wire: Wire) -> None:
    job = await queue.add("x", timestamp=NEW_YEAR, delay=60)
    assert (await wire.fields(job.id))["delay"] == "60000"
    assert (await wire.events())[-1] == {"event": "delayed", "jobId": job.id, "delay": str(NEW_YEAR_MS + MINUTE)}


async def test_trap_04_a_delay_counts_from_the_jobs_timestamp(queue: Queue, wire: Wire, hands: Hands) -> None:
    old = await queue.add("old", timestamp=datetime.now(UTC) - timedelta(hours=1), delay=60)
    new = await queue.add("new", delay=60)
    assert await wire.members("delayed") == [old.id, new.id]
    assert hands.work() == [old.id]


async def test_trap_05_a_marker_between_two_milliseconds_is_cut_off(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    names, note = noting()
    await idle(await run_worker(note, drain_delay=LONG_S))
    due = now() + 300
    await wire.write("n", name="x", data="{}", opts="{}", timestamp=due - 300, delay=300, priority=0)
    async with wire.redis.pipeline(transaction=True) as both:
        both.zadd(wire.key("delayed"), {"n": due * 4096 + 1})
        both.zadd(wire.key("marker"), {"1": due + 1 / 4096})  # as Node computes it
        await both.execute()
    await wait_until(lambda: names == ["x"])


async def test_trap_05_a_marker_of_ours_is_a_whole_millisecond(queue: Queue, wire: Wire) -> None:
    first = await queue.add("x", timestamp=NEW_YEAR, delay=60)
    await queue.add("x", timestamp=NEW_YEAR, delay=60)
    await first.remove()
    await queue.add("x", timestamp=NEW_YEAR, delay=61)
    assert await wire.score("marker", "1") == str(NEW_YEAR_MS + MINUTE)


async def test_trap_06_a_job_without_a_marker_is_found_by_the_clock(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    names, note = noting()
    await idle(await run_worker(note, drain_delay=0.2))
    await wire.write("n", name="x", data="{}", opts="{}", timestamp=now(), delay=0, priority=0)
    await wire.redis.lpush(wire.key("wait"), "n")
    await wait_until(lambda: names == ["x"])


async def test_trap_06_a_marker_of_a_paused_queue_wakes_in_vain(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    names, note = noting()
    await queue.pause()
    await run_worker(note, drain_delay=LONG_S)
    await queue.add("x")
    await wire.redis.zadd(wire.key("marker"), {"0": 0})

    async def eaten() -> bool:
        return not await wire.redis.exists(wire.key("marker"))

    await wait_until(eaten)
    assert names == []
    await queue.resume()
    await wait_until(lambda: names == ["x"])


async def test_trap_07_after_a_take_the_marker_is_set_again(queue: Queue, wire: Wire, hands: Hands) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(3)])
    await wire.delete("marker")  # an idle worker has taken it
    [taken] = hands.take()
    assert await wire.scores("marker") == {"0": 0}
    hands.complete(taken.id)


async def test_trap_07_a_burst_wakes_every_idle_worker(queue: Queue, run_worker: RunWorker) -> None:
    together = asyncio.Barrier(3)

    async def meet(job: Job) -> None:
        await together.wait()

    for worker in [await run_worker(meet, drain_delay=LONG_S) for _ in range(3)]:
        await idle(worker)
    await finished(queue, *await queue.add_bulk([JobSpec("x") for _ in range(3)]))


@pytest.mark.parametrize("closed", ["paused", "limited", "full"])
async def test_trap_08_delayed_jobs_are_promoted_even_if_nothing_may_be_taken(
    queue: Queue, wire: Wire, hands: Hands, closed: str
) -> None:
    first = await queue.add("x")
    if closed == "limited":
        await queue.set_global_rate_limit(1, 60)
    elif closed == "full":
        await queue.set_global_concurrency(1)
    hands.take()
    if closed == "paused":
        await queue.pause()
    plain = await queue.add("plain", delay=60)
    urgent = await queue.add("urgent", delay=60, priority=2)
    assert hands.take(9, now_ms=now() + MINUTE + 1) == []
    assert (await wire.members("wait"), await wire.members("prioritized")) == ([plain.id], [urgent.id])
    assert (await wire.fields(plain.id))["delay"] == "0"
    assert await wire.told(plain.id) == ["added", "delayed", "waiting<delayed"]
    hands.complete(first.id)


async def test_trap_09_a_promoted_job_goes_to_the_back_even_with_lifo(queue: Queue, wire: Wire, hands: Hands) -> None:
    late = await queue.add("late", lifo=True, delay=60)
    waiting = await queue.add("waiting")
    [taken] = hands.take(now_ms=now() + MINUTE + 1)
    assert taken.id == waiting.id
    assert await wire.members("wait") == [late.id]
    hands.complete(waiting.id)
    assert hands.work() == [late.id]


async def test_trap_10_jobs_without_a_priority_win_over_all_that_have_one(queue: Queue, hands: Hands) -> None:
    ids = [(await queue.add("x", priority=priority)).id for priority in (2, 1, 0)]
    assert hands.work() == ids[::-1]


async def test_trap_11_the_counter_of_priorities_begins_anew_when_none_is_left(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    for _ in range(2):
        await queue.add("x", priority=1)
    assert await wire.text("pc") == "2"
    hands.work()
    hands.take()
    assert await wire.text("pc") is None
    job = await queue.add("x", priority=7)
    assert await wire.score("prioritized", job.id) == str(7 * 2**32 + 1)


# ------------------------------------------------------------------------------------------------------------- adding


async def test_trap_12_own_ids_and_duplicates_leave_gaps_in_the_numbers(queue: Queue, wire: Wire) -> None:
    jobs = [await queue.add("x"), await queue.add("x", job_id="own"), await queue.add("x", job_id="own")]
    jobs.append(await queue.add("x"))
    assert [job.id for job in jobs] == ["1", "own", "own", "4"]
    bulk = await queue.add_bulk([JobSpec("x", job_id="own"), JobSpec("x"), JobSpec("x", job_id="mine"), JobSpec("x")])
    assert [job.id for job in bulk] == ["own", "6", "mine", "8"]
    assert await wire.members("wait") == ["8", "mine", "6", "4", "own", "1"]
    assert await wire.text("id") == "8"


@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
async def test_trap_13_a_finished_job_that_is_kept_blocks_its_id_without_an_error(
    queue: Queue, wire: Wire, hands: Hands, fails: bool
) -> None:
    await queue.add("x", 1, job_id="own")
    hands.work(fails=fails)
    before = await wire.fields("own")
    again = await queue.add("other", 2, job_id="own")
    assert (again.id, again.was_duplicate) == ("own", True)
    assert await wire.fields("own") == before
    assert hands.take() == []
    assert (await wire.events())[-1] == {"event": "duplicated", "jobId": "own"}
    await again.remove()
    assert not (await queue.add("x", job_id="own")).was_duplicate


RESERVED = """id wait paused active prioritized pc delayed waiting-children completed failed stalled stalled-check
limiter marker meta events metrics:completed metrics:failed metrics:completed:data metrics:failed:data repeat
priority"""


@pytest.mark.parametrize("job_id", RESERVED.split())
async def test_trap_14_an_id_that_is_the_name_of_a_key_of_the_queue_is_refused(
    queue: Queue, wire: Wire, job_id: str
) -> None:
    with pytest.raises(OptionsError, match="job_id"):
        await queue.add("x", job_id=job_id)
    with pytest.raises(OptionsError, match="job_id"):
        await queue.add_bulk([JobSpec("x"), JobSpec("x", job_id=job_id)])
    assert await wire.names() == set()


async def test_trap_15_a_queue_is_paused_if_the_field_is_there_whatever_its_value(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    job = await queue.add("x")
    await wire.write("meta", paused=0)
    assert await queue.is_paused()
    assert hands.take() == []
    await queue.resume()
    assert "paused" not in await wire.fields("meta")
    assert hands.work() == [job.id]


async def test_trap_16_settings_that_somebody_wrote_are_left_alone(
    queue: Queue, wire: Wire, redis_server: RedisServer, hands: Hands
) -> None:
    await wire.write("meta", **{"opts.maxLenEvents": 77, "version": "bullmq:6.7.0"})
    async with Queue(queue.name, connection=redis_server.url) as another:
        await another.add("x")
        await another.pause()
        await another.resume()
        hands.work()
        assert await wire.fields("meta") == {"opts.maxLenEvents": "77", "version": "bullmq:6.7.0"}
        await wire.delete("meta")
        await another.add("x")
        assert await wire.fields("meta") == {"opts.maxLenEvents": "10000"}


async def test_trap_17_names_and_reasons_are_raw_text_and_all_else_is_json(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    text = 'he said "no"\nand left'

    async def behave(job: Job) -> str:
        await job.update_progress(text)
        if job.attempts_started == 1:
            raise ValueError(text)
        return text

    job = await queue.add(text, text, attempts=2, telemetry_metadata=text)
    await run_worker(behave)
    await finished(queue, job)
    fields = await wire.fields(job.id)
    assert (fields["name"], fields["failedReason"]) == (text, text)
    assert {json.loads(fields[name]) for name in ("data", "progress", "returnvalue")} == {text}
    assert json.loads(fields["opts"]) == {"attempts": 2, "tm": text}
    [trace] = json.loads(fields["stacktrace"])
    assert trace.startswith(f"ValueError: {text}\n")


NOT_JSON = (float("nan"), float("inf"), -float("inf"), {"deep": [{"er": float("nan")}]}, (None, float("inf")))


@pytest.mark.parametrize("value", NOT_JSON, ids=str)
async def test_trap_18_numbers_that_json_does_not_have_are_never_sent(
    queue: Queue, wire: Wire, run_worker: RunWorker, value: Any
) -> None:
    with pytest.raises(PayloadError):
        await queue.add("x", value)
    with pytest.raises(PayloadError):
        await queue.add_bulk([JobSpec("x"), JobSpec("x", value)])
    assert await wire.names() == set()
    told: list[bool] = []

    async def behave(job: Job) -> Any:
        for tell in (job.update_progress, job.update_data):
            with pytest.raises(PayloadError):
                await tell(value)
        told.append(True)
        return value

    job = await queue.add("x")
    await run_worker(behave)
    await finished(queue, job)
    fields = await wire.fields(job.id)
    assert told == [True]
    assert "the result of job 1 can't be sent as JSON" in fields["failedReason"]
    assert not fields.keys() & {"returnvalue", "progress"}
    assert not {"completed", "progress"} & {event["event"] for event in await wire.events()}


@pytest.mark.parametrize("value", NOT_JSON[:3], ids=str)
async def test_trap_18_nor_as_options(queue: Queue, wire: Wire, value: float) -> None:
    for options in ({"delay": value}, {"backoff": value}, {"priority": value}, {"remove_on_complete": value}):
        with pytest.raises(OptionsError):
            await queue.add("x", **cast(Any, options))
    assert await wire.names() == set()


async def test_trap_19_large_integers_are_sent_digit_by_digit_or_not_at_all(queue: Queue, wire: Wire) -> None:
    """What JavaScript makes of them is its affair: a program for both sends them as strings."""
    job = await queue.add("x", [2**53 + 1, 2**64 - 1, str(2**70)])
    assert (await wire.fields(job.id))["data"] == f'[{2**53 + 1},{2**64 - 1},"{2**70}"]'
    read = await queue.job(job.id)
    assert read is not None
    assert read.data == [2**53 + 1, 2**64 - 1, str(2**70)]
    with pytest.raises(PayloadError):
        await queue.add("x", 2**64)


async def test_trap_20_every_job_is_written_with_timestamp_delay_and_priority(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    last = Deduplication("d", keep_last_if_active=True)
    jobs = [await queue.add("x"), *await queue.add_bulk([JobSpec("x", delay=60), JobSpec("x", priority=3)])]
    await queue.add("x", deduplication=last)
    hands.take(9)
    await queue.add("kept back", deduplication=last)
    hands.complete("4")
    kept = await wire.members("wait")
    for job_id in [*(job.id for job in jobs), *kept]:
        fields = await wire.fields(job_id)
        assert all(fields[name].isdecimal() for name in ("timestamp", "delay", "priority")), fields
    assert (await wire.fields(kept[0]))["name"] == "kept back"
    for job_id in ("1", "3"):
        hands.complete(job_id)


# ------------------------------------------------------------------------------------------------ attempts and events


async def test_trap_21_the_field_attemptsmade_is_never_written(queue: Queue, wire: Wire, hands: Hands) -> None:
    job = await queue.add("x", attempts=3)
    seen: list[dict[str, str]] = []
    for outcome in ("retry", "delayed", "later", "back", "failed", "completed"):
        if outcome == "completed":
            await job.retry()
        hands.take(now_ms=now() + 3 * MINUTE)
        settle(hands, job.id, outcome, text="1", number=MINUTE)
        seen.append(await wire.fields(job.id))
    await job.retry(reset_attempts=True)
    seen.append(await wire.fields(job.id))
    assert not [fields for fields in seen if "attemptsMade" in fields]
    assert [fields.get("atm") for fields in seen] == ["1", "2", "2", "2", "3", "4", None]


async def test_trap_22_a_completed_job_may_tell_of_failures_and_is_completed(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    job = await queue.add("x", attempts=2)
    hands.take()
    settle(hands, job.id, "retry", text="boom", stacktrace='["Error: boom"]')
    hands.take()
    hands.complete(job.id, "well")
    fields = await wire.fields(job.id)
    assert (fields["failedReason"], fields["stacktrace"]) == ("boom", '["Error: boom"]')
    assert await queue.state(job.id) == "completed"
    assert (await queue.counts("completed", "failed")) == {"completed": 1, "failed": 0}
    assert await queue.jobs("failed") == []
    assert await job.result(timeout=5) == "well"


@pytest.mark.parametrize(("attempts", "runs"), [(0, 1), (1, 1), (2, 2), (3, 3)])
async def test_trap_23_attempts_counts_runs_and_0_is_the_same_as_1(
    queue: Queue, run_worker: RunWorker, attempts: int, runs: int
) -> None:
    names: list[str] = []

    async def note(job: Job) -> None:
        names.append(job.name)
        raise ValueError("boom")

    job = await queue.add("x", attempts=attempts)
    await run_worker(note)
    await finished(queue, job)
    await job.refresh()
    assert (len(names), job.attempts_made) == (runs, runs)


async def test_trap_24_exhausted_is_told_only_if_all_attempts_were_made(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    async def behave(job: Job) -> None:
        raise (Unrecoverable if job.name == "hopeless" else ValueError)("boom")

    jobs = [await queue.add(name, attempts=2) for name in ("hopeless", "tried")]
    await run_worker(behave)
    await finished(queue, *jobs)
    assert await wire.told("1") == ["added", "waiting", "active<waiting", "failed<active"]
    assert (await wire.told("2"))[-2:] == ["failed<active", "retries-exhausted"]
    exhausted = [event for event in await wire.events() if event["event"] == "retries-exhausted"]
    assert exhausted == [{"event": "retries-exhausted", "jobId": "2", "attemptsMade": "2"}]


async def test_trap_25_of_an_attempt_that_is_repeated_only_the_next_state_is_told(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    job = await queue.add("x", attempts=3)
    hands.take()
    settle(hands, job.id, "retry", text="boom")
    hands.take()
    settle(hands, job.id, "delayed", text="boom", number=MINUTE)
    hands.take(now_ms=now() + MINUTE + 1)
    hands.fail(job.id, attempts=3)
    assert await wire.told(job.id) == [
        "added",
        "waiting",
        "active<waiting",
        "waiting<active",
        "active<waiting",
        "delayed",
        "waiting<delayed",
        "active<waiting",
        "failed<active",
        "retries-exhausted",
    ]


async def test_trap_26_drained_is_not_told_while_anything_else_keeps_a_worker_from_taking(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    async def is_told(*, take: int = 1) -> bool:
        job = await queue.add("x")
        hands.take()
        if pausing:
            await queue.pause()
        before = await wire.events()
        settle(hands, job.id, "completed", text="1", take=take)
        return {"event": "drained"} in (await wire.events())[len(before) :]

    pausing = False
    assert await is_told()
    later = await queue.add("later", delay=60)
    assert not await is_told(take=1)
    assert await is_told(take=0)  # who asks for nothing does not hear of it
    await later.remove()
    await queue.set_global_rate_limit(1, 60)
    assert not await is_told()
    await queue.remove_global_rate_limit()
    await queue.remove_rate_limit()
    pausing = True
    assert not await is_told()


async def test_trap_27_a_prioritized_job_is_told_to_have_been_waiting(queue: Queue, wire: Wire, hands: Hands) -> None:
    job = await queue.add("x", priority=1)
    hands.work()
    assert {"event": "active", "jobId": job.id, "prev": "waiting"} in await wire.events()


async def test_trap_28_a_retried_job_goes_to_the_back_and_one_that_had_its_turn_to_the_front(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    first, second = await queue.add_bulk([JobSpec("x", attempts=2), JobSpec("x")])
    hands.take()
    settle(hands, first.id, "retry", text="boom")
    assert await wire.members("wait") == [first.id, second.id]
    hands.take()
    settle(hands, second.id, "back")
    assert await wire.members("wait") == [first.id, second.id]
    hands.take()
    settle(hands, second.id, "limited", number=1)
    assert await wire.members("wait") == [first.id, second.id]
    await wire.delete("limiter")
    hands.take()
    await lose(hands, wire, second.id)
    assert await wire.members("wait") == [first.id, second.id]
    assert hands.work() == [second.id, first.id]


async def test_trap_29_recovering_and_moving_all_ignore_the_priority_and_keep_it(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    lost, failed = await queue.add_bulk([JobSpec("x", priority=5, attempts=2), JobSpec("x", priority=6)])
    hands.take(2)
    await lose(hands, wire, lost.id)
    hands.fail(failed.id)
    await queue.retry_jobs()
    delayed = await queue.add("x", priority=7, delay=60)
    await queue.promote_jobs()
    ids = [lost.id, failed.id, delayed.id]
    assert sorted(await wire.members("wait")) == sorted(ids)
    assert [(await wire.fields(job_id))["priority"] for job_id in ids] == ["5", "6", "7"]
    # What is done to each alone goes by the field again.
    await delayed.change_priority(8)
    hands.take(2)
    settle(hands, lost.id, "retry", text="boom")
    hands.fail(failed.id)
    await failed.retry()
    places = {job_id: int(score) // 2**32 for job_id, score in (await wire.scores("prioritized")).items()}
    assert places == {lost.id: 5, failed.id: 6, delayed.id: 8}


# ------------------------------------------------------------------------------------------- lost workers and locks


async def test_trap_30_a_job_is_recovered_by_the_second_check_that_finds_it_unlocked(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    lost, held = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    hands.take(2)
    await wire.delete(f"{lost.id}:lock")
    await wire.redis.sadd(wire.key("stalled"), "long gone")
    assert check_stalled(hands) == []
    assert await wire.set("stalled") == {lost.id, held.id}
    assert check_stalled(hands) == []  # not yet: one check an interval, for all workers together
    await wire.delete("stalled-check")
    assert check_stalled(hands, interval_ms=7 * MINUTE) == [lost.id]
    assert await wire.set("stalled") == {held.id}
    assert 6 * MINUTE < await wire.redis.pttl(wire.key("stalled-check")) <= 7 * MINUTE
    assert await wire.told(lost.id) == ["added", "waiting", "active<waiting", "waiting<active", "stalled"]
    hands.complete(held.id)
    assert await wire.set("stalled") == set()


async def test_trap_31_a_job_that_stalled_too_often_is_failed_by_the_next_worker_unrun(
    queue: Queue, wire: Wire, hands: Hands, run_worker: RunWorker
) -> None:
    reason = "job stalled more than allowable limit"
    job = await queue.add("x", attempts=5)
    hands.take()
    await lose(hands, wire, job.id, most=0)
    assert await queue.state(job.id) == "waiting"
    fields = await wire.fields(job.id)
    assert (fields["defa"], fields["stc"]) == (reason, "1")
    assert "failedReason" not in fields
    await run_worker(never)
    await finished(queue, job)
    fields = await wire.fields(job.id)
    assert (fields["failedReason"], fields["atm"], fields["ats"]) == (reason, "1", "2")
    assert "defa" not in fields
    assert (await wire.told(job.id))[-2:] == ["active<waiting", "failed<active"]


def renew(hands: Hands, job_id: str, token: str = TOKEN) -> bool:
    return hands._connection.run(work.renew_locks(hands.keys, LOCK_MS, [(job_id, token)])).lost == []


async def test_trap_32_only_ones_own_lock_is_renewed(queue: Queue, wire: Wire, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    lock = f"{job.id}:lock"
    await wire.redis.pexpire(wire.key(lock), 1000)
    await wire.redis.sadd(wire.key("stalled"), job.id)
    assert renew(hands, job.id)
    assert await wire.redis.pttl(wire.key(lock)) > LOCK_MS / 2
    assert await wire.set("stalled") == set()
    await wire.redis.set(wire.key(lock), "somebody else", px=5000)
    assert not renew(hands, job.id)
    assert await wire.text(lock) == "somebody else"
    assert await wire.redis.pttl(wire.key(lock)) <= 5000
    await wire.redis.set(wire.key(lock), TOKEN, px=5000)
    hands.complete(job.id)


async def test_trap_32_a_lost_lock_of_a_job_that_was_given_back_is_not_made_anew(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    job = await queue.add("x")
    hands.take()
    await lose(hands, wire, job.id)
    assert not renew(hands, job.id)
    assert await wire.text(f"{job.id}:lock") is None


async def test_trap_32_of_a_job_that_nobody_took_meanwhile_it_is(queue: Queue, wire: Wire, hands: Hands) -> None:
    """Where Oxcart differs on purpose: its worker was cut off, and the job is better kept than run twice."""
    job = await queue.add("x")
    hands.take()
    await wire.delete(f"{job.id}:lock")
    assert renew(hands, job.id)
    assert await wire.text(f"{job.id}:lock") == TOKEN
    hands.complete(job.id)


async def test_trap_32_a_worker_renews_well_before_the_lock_runs_out(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    release = asyncio.Event()

    async def hold(job: Job) -> None:
        await release.wait()

    job = await queue.add("x")
    await run_worker(hold, lock_duration=4)
    lowest, renewals = 4001, 0

    async def renewed_twice() -> bool:
        nonlocal lowest, renewals
        left = await wire.redis.pttl(wire.key(f"{job.id}:lock"))
        if lowest > 0 and left > lowest + 100:
            renewals += 1
            assert lowest > 500
        lowest = left if left > 0 else lowest
        return renewals >= 2

    await wait_until(renewed_twice)
    release.set()
    await finished(queue, job)


@pytest.mark.parametrize("thief", ["somebody else", None], ids=["taken over", "gone"])
async def test_trap_33_a_worker_whose_lock_is_lost_leaves_the_job_alone(
    queue: Queue, wire: Wire, run_worker: RunWorker, hands: Hands, thief: str | None
) -> None:
    release = asyncio.Event()
    lost: list[str] = []

    async def hold(job: Job) -> str:
        await release.wait()
        if job.attempts_started > 1:
            raise AssertionError("it was run twice")
        return "mine"

    job = await queue.add("x", attempts=3)
    worker = await run_worker(hold)
    worker.on("lock_lost")(lost.append)

    async def runs() -> bool:
        return await queue.state(job.id) == "active"

    await wait_until(runs)
    lock = wire.key(f"{job.id}:lock")
    await (wire.redis.set(lock, thief, px=MINUTE) if thief else wire.redis.delete(lock))
    before, told = await wire.fields(job.id), await wire.told(job.id)
    release.set()
    await wait_until(lambda: lost == [job.id])
    assert await wire.fields(job.id) == before
    assert await wire.told(job.id) == told
    assert await wire.members("active") == [job.id]
    assert await wire.text(f"{job.id}:lock") == thief
    await worker.close()
    await wire.redis.set(lock, TOKEN, px=MINUTE)
    hands.complete(job.id)


async def test_trap_34_not_active_is_found_out_after_the_lock_is_gone(
    queue: Queue, wire: Wire, hands: Hands, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I32")  # the move by hand tells no event
    job = await queue.add("x")
    hands.take()
    await wire.redis.lmove(wire.key("active"), wire.key("wait"), "RIGHT", "RIGHT")
    before, told = await wire.fields(job.id), await wire.told(job.id)
    assert settle(hands, job.id, "completed", text="1").codes == [-3]
    assert await wire.text(f"{job.id}:lock") is None
    assert (await wire.fields(job.id), await wire.told(job.id)) == (before, told)
    await queue.resume()  # sets the marker that the move by hand did not
    hands.take()
    hands.complete(job.id)


async def test_trap_35_jobs_of_one_call_share_a_token_and_each_has_its_own_lock(
    queue: Queue, wire: Wire, hands: Hands, run_worker: RunWorker
) -> None:
    jobs = await queue.add_bulk([JobSpec("x") for _ in range(4)])
    hands.take()
    settle(hands, jobs[0].id, "completed", text="1", take=2)
    assert [await wire.text(f"{job.id}:lock") for job in jobs[1:3]] == [TOKEN, TOKEN]
    hands.complete(jobs[1].id)
    assert await wire.text(f"{jobs[2].id}:lock") == TOKEN
    hands.complete(jobs[2].id)
    tokens: list[str | None] = []

    async def look(job: Job) -> None:
        tokens.append(await wire.text(f"{job.id}:lock"))

    many = await queue.add_bulk([JobSpec("x") for _ in range(30)])
    await run_worker(look, concurrency=10)
    await finished(queue, jobs[3], *many)
    assert len(tokens) == 31
    assert None not in tokens
    assert max(Counter(tokens).values()) > 1


# ------------------------------------------------------------------------------------------------------------- limits


async def test_trap_36_a_limit_set_by_hand_is_heeded_by_workers_without_any(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    """Where Oxcart differs on purpose: in Node only workers with a limit heed it."""
    job = await queue.add("x")
    await queue.rate_limit(60)
    assert await wire.text("limiter") == str(2**53 - 1)
    assert hands.take() == []
    await queue.remove_rate_limit()
    assert hands.work() == [job.id]


async def test_trap_36_a_window_belongs_to_the_queue_and_its_first_take_decides(
    queue: Queue, wire: Wire, redis_server: RedisServer
) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(4)])
    slow = Hands(redis_server.url, queue.name, limits=Limits(LOCK_MS, limit_max=3, limit_ms=MINUTE))
    fast = Hands(redis_server.url, queue.name, limits=Limits(LOCK_MS, limit_max=3, limit_ms=100))
    taken = [*slow.take(2), *fast.take(2)]
    assert [record.id for record in taken] == ["1", "2", "3"]
    assert await wire.text("limiter") == "3"
    assert await wire.redis.pttl(wire.key("limiter")) > MINUTE / 2
    for record in taken:
        fast.complete(record.id)
    slow.close()
    fast.close()


async def test_trap_37_the_queues_limit_counts_in_the_workers_time(
    queue: Queue, wire: Wire, redis_server: RedisServer
) -> None:
    await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await queue.set_global_rate_limit(1, 3600)
    hands = Hands(redis_server.url, queue.name, limits=Limits(LOCK_MS, limit_max=50, limit_ms=MINUTE))
    assert len(hands.work()) == 1
    assert MINUTE / 2 < await wire.redis.pttl(wire.key("limiter")) <= MINUTE
    await queue.remove_rate_limit()
    without = Hands(redis_server.url, queue.name)
    assert len(without.work()) == 1
    assert await wire.redis.pttl(wire.key("limiter")) > 30 * MINUTE
    hands.close()
    without.close()


@pytest.mark.parametrize("outcome", ["back", "later", "limited"])
async def test_trap_38_a_job_that_is_put_back_has_started_but_made_no_attempt(
    queue: Queue, wire: Wire, hands: Hands, outcome: str
) -> None:
    job = await queue.add("x")
    hands.take()
    settle(hands, job.id, outcome, number=1)
    fields = await wire.fields(job.id)
    assert (fields["ats"], fields.get("atm")) == ("1", None)


@pytest.mark.parametrize(
    "steer", [Requeue(), Reschedule(delay=0.001), RateLimited(0.001)], ids=lambda one: type(one).__name__
)
async def test_trap_38_with_a_most_of_starts_it_can_fail_without_ever_failing(
    queue: Queue, wire: Wire, run_worker: RunWorker, steer: Exception
) -> None:
    async def put_back(job: Job) -> None:
        raise steer

    job = await queue.add("x", attempts=5)
    await run_worker(put_back, max_started_attempts=2)
    await finished(queue, job)
    fields = await wire.fields(job.id)
    assert (fields["ats"], fields["atm"]) == ("3", "1")
    assert fields["failedReason"] == "job started more than allowable limit"


# ---------------------------------------------------------------------------------------------------------- retention


async def test_trap_39_retention_trims_the_whole_set_and_tells_nobody(
    queue: Queue, wire: Wire, hands: Hands, run_worker: RunWorker
) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(3)])
    hands.work()
    job = await queue.add("x", remove_on_complete=2)
    await run_worker(done)
    await finished(queue, job)
    assert await wire.members("completed") == ["3", job.id]
    assert not {"1", "2"} & await wire.names()
    assert "removed" not in {event["event"] for event in await wire.events()}


async def test_trap_40_of_the_expired_the_newest_go_first(
    queue: Queue, wire: Wire, hands: Hands, run_worker: RunWorker
) -> None:
    for hours in (3, 2, 1):
        await queue.add("x")
        hands.take()
        hands.complete(str(4 - hours), now_ms=now() - hours * 60 * MINUTE)
    job = await queue.add("x", remove_on_complete=Keep(age=timedelta(minutes=30), limit=1))
    await run_worker(done)
    await finished(queue, job)
    assert await wire.members("completed") == ["1", "2", job.id]


async def test_trap_41_events_of_ones_own_do_not_shorten_the_stream(
    queue: Queue, wire: Wire, redis_server: RedisServer
) -> None:
    async with wire.redis.pipeline(transaction=False) as many:
        for n in range(3000):
            many.xadd(wire.key("events"), {"event": "added", "jobId": f"old{n}", "name": "x"})
        await many.execute()
    producer = QueueEventsProducer(queue.name, connection=redis_server.url)
    await producer.publish("hello", {})
    await producer.close()
    assert await wire.redis.xlen(wire.key("events")) == 3001


async def test_trap_42_a_minute_is_counted_when_a_later_one_has_its_first_job(
    queue: Queue, wire: Wire, redis_server: RedisServer
) -> None:
    hands = Hands(redis_server.url, queue.name, limits=Limits(LOCK_MS, metric_points=5))
    # Seconds after a full minute → the points of the minutes that are over by then, newest first.
    for after_s, points in [
        (30, []),
        (45, []),
        (60, ["2"]),
        (4 * 60, ["0", "0", "1", "2"]),
        (100 * 60, ["0", "0", "0", "0", "1"]),
    ]:
        [record] = await _one_taken(queue, hands)
        hands.complete(record.id, now_ms=NEW_YEAR_MS + after_s * 1000)
        assert await wire.members("metrics:completed:data") == points
    hands.close()
    assert (await queue.metrics("completed")).count == 5


async def _one_taken(queue: Queue, hands: Hands) -> list[Any]:
    await queue.add("x")
    return hands.take()


async def test_trap_43_a_worker_names_one_connection_and_no_other(queue: Queue, run_worker: RunWorker) -> None:
    release = asyncio.Event()

    async def hold(job: Job) -> None:
        await release.wait()

    jobs = await queue.add_bulk([JobSpec("x") for _ in range(3)])
    await run_worker(hold, name="python-1", concurrency=5)
    await wait_until(lambda: _are_active(queue, 3))
    await wait_until(queue.workers)
    assert [worker.name for worker in await queue.workers()] == ["python-1"]
    release.set()
    await finished(queue, *jobs)


async def _are_active(queue: Queue, count: int) -> bool:
    return (await queue.counts())["active"] == count


@pytest.mark.parametrize("name", ["a b", "wörker", "line\nbreak"])
async def test_trap_43_a_name_that_redis_refuses_hides_a_worker_that_works(
    queue: Queue, run_worker: RunWorker, name: str
) -> None:
    job = await queue.add("x")
    await run_worker(done, name=name)
    await finished(queue, job)
    await job.refresh()
    assert job.processed_by == name
    assert await queue.workers() == []


# ------------------------------------------------------------------------------------------------- what others write


@pytest.mark.parametrize(
    "opts",
    [
        '{"attempts":2,"backoff":{},"removeOnComplete":{},"removeOnFail":{},"parent":{},"de":{},"x":{}}',
        '{"attempts":2.0,"kl":1.2345678901235e+17,"sizeLimit":1e300,"delay":0.33333333333333,"timestamp":1.7955e+12}',
        '{"attempts":2,"removeOnComplete":{"age":1.2345678901235e+17},"stackTraceLimit":1.2345678901235e+17}',
    ],
)
async def test_trap_44_options_that_went_through_lua_are_understood(
    queue: Queue, wire: Wire, run_worker: RunWorker, opts: str
) -> None:
    async def behave(job: Job) -> str:
        await job.log("a line")
        if job.attempts_made == 0:
            raise ValueError("boom")
        return "done"

    job = await queue.add("x")
    await wire.write(job.id, opts=opts)
    await run_worker(behave)
    await finished(queue, job)
    await job.refresh()
    assert (job.return_value, job.attempts_made, job.options["attempts"]) == ("done", 2, 2)
    assert await job.logs() == ["a line", "a line"]


async def test_trap_45_a_backoff_that_this_worker_does_not_know_fails_the_job_instead_of_leaving_it_active(
    queue: Queue, run_worker: RunWorker
) -> None:
    """Node leaves it active until it stalls."""
    job = await queue.add("x", attempts=3, backoff=Backoff.custom("tidal"))
    await run_worker(fail)
    await finished(queue, job)
    await job.refresh()
    assert "backoff strategy 'tidal'" in (job.failed_reason or "")
    assert job.attempts_made == 1


async def test_trap_45_a_worker_that_knows_it_goes_by_it(queue: Queue, wire: Wire, run_worker: RunWorker) -> None:
    job = await queue.add("x", attempts=3, backoff=Backoff.custom("tidal"))
    await run_worker(fail, backoff_strategies={"tidal": lambda made, error, job: 3600 * made})

    async def is_delayed() -> bool:
        return await queue.state(job.id) == "delayed"

    await wait_until(is_delayed)
    assert (await wire.fields(job.id))["delay"] == "3600000"


async def test_trap_46_every_run_that_is_taken_brings_the_next_one(
    timed: Queue, wire: Wire, clock: Clock, run_worker: RunWorker
) -> None:
    """Whichever way it was waiting."""
    await timed.upsert_scheduler("waiting", every=60)
    await timed.upsert_scheduler("prioritized", every=60, options={"priority": 3})
    await timed.upsert_scheduler("delayed", every=60, offset=5)
    clock.now += timedelta(seconds=30)
    await run_worker(done, clock=clock)

    async def all_went_on() -> bool:
        return await timed.counts("completed", "delayed") == {"completed": 3, "delayed": 3}

    await wait_until(all_went_on)
    assert {job.scheduler_id for job in await timed.jobs("delayed")} == {"waiting", "prioritized", "delayed"}
    assert {slot > clock() for slot in (await wire.scores("repeat")).values()} == {True}


async def test_trap_46_what_a_client_without_schedulers_has_broken_off_goes_on(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock, run_worker: RunWorker
) -> None:
    await timed.upsert_scheduler("s", every=60, data={"v": 1})
    assert len(hands.take(now_ms=clock())) == 1
    hands.complete(f"repeat:s:{clock()}", now_ms=clock())
    assert "delayed" not in await wire.names()
    await run_worker(done, clock=clock)
    [job] = await wait_until(lambda: timed.jobs("delayed"))
    assert (job.id, job.data) == (f"repeat:s:{clock() + MINUTE}", {"v": 1})


async def test_trap_47_an_id_without_a_job_is_not_run(queue: Queue, wire: Wire, run_worker: RunWorker) -> None:
    names, note = noting()
    await queue.pause()
    await wire.redis.lpush(wire.key("wait"), "stray")
    job = await queue.add("x")
    await queue.resume()
    await run_worker(note)
    await finished(queue, job)
    assert names == ["x"]
    stray = await queue.job("stray")
    assert stray is not None
    assert await stray.state() == "failed"
    assert "hash is missing" in (stray.failed_reason or "")


async def test_trap_54_the_field_nrjid_of_version_5_harms_nobody(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    job = await queue.add("x")
    await wire.write(job.id, nrjid="repeat:s:1795503524600")
    await run_worker(done)
    await finished(queue, job)
    await job.refresh()
    assert job.return_value == "done"
    assert (await wire.fields(job.id))["nrjid"] == "repeat:s:1795503524600"


OF_VERSION_5: dict[str, tuple[str, dict[str, Any]]] = {
    "a hash": ("6ce08a058857d014552d7a74f70f6add", {"name": "cronjob", "pattern": "0 8 * * *", "tz": "UTC"}),
    "nothing but its key": ("cronjob:::UTC:0 8 * * *", {}),
}


@pytest.mark.parametrize("left", OF_VERSION_5)
async def test_trap_55_repeated_jobs_of_version_5_go_on_as_they_were(
    timed: Queue, wire: Wire, clock: Clock, run_worker: RunWorker, allowed_breaks: set[str], left: str
) -> None:
    """Version 6 ends those of which there is nothing but the key, and empties the data of the others."""
    allowed_breaks.add("I28")
    key, fields = OF_VERSION_5[left]
    repeat = {"pattern": "0 8 * * *", "tz": "UTC", "count": 7}
    run = {"name": "cronjob", "data": '{"d":1}', "opts": {"repeat": repeat, "prevMillis": clock()}}
    first = await wire.series(key, clock(), fields, run)
    await run_worker(done, clock=clock)
    await wait_until(lambda: is_finished(timed, first))
    [job] = await wait_until(lambda: timed.jobs("delayed"))
    assert job.id == f"repeat:{key}:{ms(datetime(2026, 11, 27, 8, tzinfo=UTC))}"
    assert (job.name, job.data, job.scheduler_id) == ("cronjob", {"d": 1}, key)
    opts = await wire.opts(job.id)
    assert opts["repeat"] == repeat | {"count": 8}
    assert "repeatJobKey" not in opts
    assert await wire.fields(f"repeat:{key}") == fields


async def test_trap_56_a_most_of_starts_stops_retries_too(queue: Queue, wire: Wire, run_worker: RunWorker) -> None:
    """As in version 6.7; version 5 retries and then fails the job unrun."""
    job = await queue.add("x", attempts=3)
    await run_worker(fail, max_started_attempts=1)
    await finished(queue, job)
    fields = await wire.fields(job.id)
    assert (fields["failedReason"], fields["ats"], fields["atm"]) == ("boom", "1", "1")
    assert (await wire.told(job.id))[-1] == "failed<active"


async def test_trap_56_a_job_that_is_only_to_be_failed_uses_up_no_rate_limit(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    """As in version 6.7; version 5 counts it."""
    doomed, job = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await wire.write(doomed.id, defa="job stalled more than allowable limit")
    await queue.set_global_rate_limit(1, 60)
    hands.take()
    assert await wire.text("limiter") is None
    hands.fail(doomed.id)
    assert hands.work() == [job.id]
    assert await wire.text("limiter") == "1"


async def test_trap_57_markers_of_version_4_among_the_waiting_are_dropped(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    jobs = [await queue.add("x"), await queue.add("x")]
    await wire.redis.rpush(wire.key("wait"), "0:1795503524600")
    [taken] = hands.take()
    assert taken.id == jobs[0].id
    await wire.redis.rpush(wire.key("wait"), "0:0", "0:1")
    assert hands.work() == [jobs[1].id]
    hands.complete(jobs[0].id)
    assert await wire.members("failed") == []
    assert not {"active", "wait", "0:0", "0:1", "0:1795503524600"} & await wire.names()
