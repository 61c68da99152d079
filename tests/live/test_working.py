"""Workers against a real server: what becomes of jobs, one fact each."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import (
    Backoff,
    Job,
    JobOptions,
    JobSpec,
    JobState,
    Keep,
    OptionsError,
    Queue,
    RateLimit,
    Requeue,
    Reschedule,
    Unrecoverable,
    Worker,
)
from oxcart.clock import system_clock
from oxcart.worker import supply
from oxcart.worker.execution import Ending
from tests.conftest import RunWorker, wait_until
from tests.hands import Hands
from tests.seen import idle, taken_at


async def ends(job: Job, state: JobState | str, timeout: float = 30) -> Job:
    """Wait until the job is in this state, and read it."""

    async def there() -> bool:
        return await job.state() == state

    await wait_until(there, timeout)
    await job.refresh()
    return job


async def events(redis: Redis, queue: Queue) -> list[dict[str, str]]:
    return [fields for _, fields in await redis.xrange(f"bull:{queue.name}:events")]  # pyright: ignore


async def test_a_job_is_run_and_its_value_kept(queue: Queue, run_worker: RunWorker) -> None:
    async def double(job: Job) -> Any:
        return {"twice": job.data["n"] * 2}

    await run_worker(double, name="w1")
    job = await ends(await queue.add("x", {"n": 21}), "completed")
    assert job.return_value == {"twice": 42}
    assert (job.attempts_made, job.attempts_started, job.processed_by) == (1, 1, "w1")
    assert job.created_at and job.processed_at and job.finished_at
    assert job.created_at <= job.processed_at <= job.finished_at


async def test_a_plain_function_runs_in_a_thread_and_its_job_has_blocking_methods(
    queue: Queue, run_worker: RunWorker
) -> None:
    def work(job: Any) -> str:
        job.update_progress({"half": True})
        job.log("a line")
        return threading.current_thread().name

    await run_worker(work, concurrency=3)
    job = await ends(await queue.add("x"), "completed")
    assert job.return_value.startswith(f"oxcart-{queue.name}")
    assert job.progress == {"half": True}
    assert await queue.logs(job.id) == ["a line"]


async def test_plain_functions_run_side_by_side(queue: Queue, run_worker: RunWorker) -> None:
    meeting = threading.Barrier(3, timeout=5)
    await run_worker(lambda job: meeting.wait(), concurrency=3)
    for job in await queue.add_bulk([JobSpec("x") for _ in range(3)]):
        await ends(job, "completed")


async def test_a_mapping_chooses_by_the_jobs_name(queue: Queue, run_worker: RunWorker) -> None:
    async def one(job: Job) -> str:
        return "one"

    await run_worker({"one": one, "two": lambda job: "two"})
    jobs = await queue.add_bulk([JobSpec("one"), JobSpec("two"), JobSpec("../three")])
    assert (await ends(jobs[0], "completed")).return_value == "one"
    assert (await ends(jobs[1], "completed")).return_value == "two"
    failed = await ends(jobs[2], "failed")
    assert failed.failed_reason == "no processor for jobs named '../three'; known: one, two"


async def test_a_failing_job_is_tried_again_with_growing_waits_and_then_fails(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    heard: list[tuple[str, int]] = []

    async def fail(job: Job) -> None:
        raise ValueError(f"boom {job.attempts_started}")

    worker = await run_worker(fail)

    @worker.on("failed")
    def _(job: Job, error: BaseException) -> None:
        heard.append((str(error), job.attempts_left))

    job = await ends(await queue.add("x", attempts=3, backoff=Backoff.exponential(0.1)), "failed")
    assert (job.attempts_made, job.failed_reason) == (3, "boom 3")
    first, second, third = await taken_at(redis, queue)
    assert second - first >= 100
    assert third - second >= 200
    assert [text.splitlines()[0] for text in job.stacktrace] == [f"ValueError: boom {n}" for n in (1, 2, 3)]
    assert 'raise ValueError(f"boom' in job.stacktrace[0]
    await wait_until(lambda: len(heard) == 3)
    assert heard == [("boom 1", 2), ("boom 2", 1), ("boom 3", 0)]
    kinds = [event["event"] for event in await events(redis, queue)]
    assert kinds.count("failed") == 1
    assert kinds.count("delayed") == 2
    assert "retries-exhausted" in kinds


async def test_without_a_backoff_the_next_attempt_comes_at_once(queue: Queue, run_worker: RunWorker) -> None:
    async def at_the_third(job: Job) -> int:
        if job.attempts_made < 2:
            raise ValueError
        return job.attempts_started

    await run_worker(at_the_third)
    job = await ends(await queue.add("x", attempts=5), "completed")
    assert job.return_value == 3
    assert job.failed_reason == "ValueError", "the reason of the last failure stays, as in Node"


async def test_an_unrecoverable_error_ends_it_at_once(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def give_up(job: Job) -> None:
        raise Unrecoverable("no such user")

    await run_worker(give_up)
    job = await ends(await queue.add("x", attempts=5), "failed")
    assert (job.attempts_made, job.failed_reason, job.attempts_left) == (1, "no such user", 0)
    assert "retries-exhausted" not in [event["event"] for event in await events(redis, queue)]


async def test_a_custom_backoff_asks_the_workers_strategy(queue: Queue, run_worker: RunWorker) -> None:
    asked: list[tuple[int, str]] = []

    def strategy(made: int, error: BaseException, job: Job) -> float:
        asked.append((made, str(error)))
        return 0.01 if made < 3 else -1

    async def fail(job: Job) -> None:
        raise ValueError("x")

    await run_worker(fail, backoff_strategies={"mine": strategy})
    job = await ends(await queue.add("x", attempts=9, backoff=Backoff.custom("mine")), "failed")
    assert asked == [(1, "x"), (2, "x"), (3, "x")]
    assert job.attempts_made == 3


async def test_an_unknown_backoff_strategy_fails_the_job_with_that_reason(queue: Queue, run_worker: RunWorker) -> None:
    async def fail(job: Job) -> None:
        raise ValueError("x")

    await run_worker(fail)
    job = await ends(await queue.add("x", attempts=9, backoff=Backoff.custom("theirs")), "failed")
    assert "unknown backoff strategy 'theirs'" in (job.failed_reason or "")


async def test_stack_traces_are_limited(queue: Queue, run_worker: RunWorker) -> None:
    async def fail(job: Job) -> None:
        raise ValueError(job.attempts_made)

    await run_worker(fail)
    some = await ends(await queue.add("x", attempts=4, stack_trace_limit=2), "failed")
    none = await ends(await queue.add("x", attempts=2, stack_trace_limit=0), "failed")
    assert [text.splitlines()[0] for text in some.stacktrace] == ["ValueError: 2", "ValueError: 3"]
    assert none.stacktrace == []


@pytest.mark.parametrize(
    ("keep", "left"),
    [(True, []), (0, []), (False, [1, 2, 3, 4, 5]), (2, [4, 5]), (Keep(count=3), [3, 4, 5]), (Keep(age=0), [])],
    ids=repr,
)
async def test_retention_keeps_the_newest(
    queue: Queue, run_worker: RunWorker, redis: Redis, keep: Any, left: list[int]
) -> None:
    async def work(job: Job) -> None: ...

    await queue.add_bulk([JobSpec("x", remove_on_complete=keep) for _ in range(5)])
    await run_worker(work)
    await wait_until(lambda: _seen(redis, queue, "completed", 5))
    assert [int(job.id) for job in await queue.jobs("completed", ascending=True)] == left


async def test_retention_of_a_batch_leaves_what_single_jobs_would_leave(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def work(job: Job) -> None: ...

    await queue.add_bulk([JobSpec("x", remove_on_complete=5) for _ in range(300)])
    await run_worker(work, concurrency=100)
    await wait_until(lambda: _seen(redis, queue, "completed", 300))
    assert (await queue.counts())["completed"] == 5


async def test_the_workers_retention_holds_where_a_job_says_nothing(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def fail(job: Job) -> None:
        raise ValueError

    await queue.add_bulk([JobSpec("x"), JobSpec("kept", remove_on_fail=False), JobSpec("x")])
    await run_worker(fail, remove_on_fail=True)
    await wait_until(lambda: _seen(redis, queue, "failed", 3))
    assert [job.name for job in await queue.jobs("failed")] == ["kept"]


async def _seen(redis: Redis, queue: Queue, kind: str, count: int) -> bool:
    return [event["event"] for event in await events(redis, queue)].count(kind) >= count


async def test_delayed_jobs_run_when_they_are_due(queue: Queue, run_worker: RunWorker) -> None:
    async def when(job: Job) -> float:
        return time.time()

    await run_worker(when, drain_delay=60)  # it does not find the job by looking again
    job = await ends(await queue.add("x", delay=0.3), "completed")
    assert job.created_at is not None
    assert job.return_value - job.created_at.timestamp() >= 0.3


async def test_a_delayed_job_that_was_due_before_1970_runs(queue: Queue, redis: Redis, hands: Hands) -> None:
    """As a client of another kind may add it; it would keep every idle worker busy."""
    job = await queue.add("x", delay=60)
    await redis.zadd(f"bull:{queue.name}:delayed", {job.id: -1000 * 4096})
    assert hands.work() == [job.id]


async def test_jobs_run_in_the_order_of_bullmq(queue: Queue, run_worker: RunWorker) -> None:
    order: list[str] = []

    async def note(job: Job) -> None:
        order.append(job.name)

    await queue.add("p2", priority=2)
    await queue.add("p1", priority=1)
    await queue.add("first")
    await queue.add("second")
    await queue.add("lifo", lifo=True)
    await run_worker(note)
    await wait_until(lambda: len(order) == 5)
    assert order == ["lifo", "first", "second", "p1", "p2"]


async def test_never_more_run_at_once_than_there_are_slots(queue: Queue, run_worker: RunWorker) -> None:
    running, most = 0, 0

    async def work(job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1

    await queue.add_bulk([JobSpec("x") for _ in range(200)])
    await run_worker(work, concurrency=7)
    await wait_until(lambda: _count(queue, "completed", 200))
    assert most == 7


async def _count(queue: Queue, state: str, count: int) -> bool:
    return (await queue.counts(state))[JobState(state)] == count


class Odd(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (asyncio.CancelledError(), "CancelledError"),
        (GeneratorExit("x"), "x"),
        (SystemExit(3), "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(5), None),
        (Odd(), "Odd (its text can't be shown: RuntimeError)"),
        (ValueError("lone \ud800 surrogate"), "lone \\ud800 surrogate"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("threaded", [False, True], ids=["async", "thread"])
async def test_whatever_a_processor_raises_ends_its_attempt_only(
    queue: Queue, run_worker: RunWorker, error: BaseException, reason: str | None, threaded: bool
) -> None:
    def raise_it(job: Any) -> str:
        if job.name == "bad":
            raise error
        return "ok"

    async def raise_async(job: Job) -> str:
        return raise_it(job)

    await run_worker(raise_it if threaded else raise_async)
    bad = await ends(await queue.add("bad"), "failed")
    assert reason is None or bad.failed_reason == reason
    assert (await ends(await queue.add("good"), "completed")).return_value == "ok"


@pytest.mark.parametrize(
    "result", [object(), {1, 2}, float("nan"), {"a": float("inf")}, 2**80], ids=lambda v: type(v).__name__
)
async def test_a_result_that_json_cannot_carry_fails_the_job_and_says_why(
    queue: Queue, run_worker: RunWorker, result: Any
) -> None:
    async def work(job: Job) -> Any:
        return result

    await run_worker(work)
    job = await ends(await queue.add("x"), "failed")
    assert (job.failed_reason or "").startswith(f"the result of job {job.id} can't be sent as JSON")


async def test_an_attempt_that_takes_too_long_fails(queue: Queue, run_worker: RunWorker) -> None:
    async def hang(job: Job) -> None:
        await asyncio.sleep(60)

    await run_worker(hang, timeout=0.05)
    job = await ends(await queue.add("x"), "failed")
    assert job.failed_reason == "timed out after 0.05 s"


async def test_a_thread_that_takes_too_long_is_told_and_its_slot_is_free(queue: Queue, run_worker: RunWorker) -> None:
    stopped = threading.Event()

    def hang(job: Any) -> None:
        while job.name == "slow" and not job.cancelled:
            time.sleep(0.005)
        stopped.set()

    await run_worker(hang, timeout=0.05)
    slow = await ends(await queue.add("slow"), "failed")
    assert slow.failed_reason == "timed out after 0.05 s"
    await ends(await queue.add("quick"), "completed")
    await wait_until(stopped.is_set)


async def test_a_timeout_of_the_processors_own_keeps_its_text(queue: Queue, run_worker: RunWorker) -> None:
    async def own(job: Job) -> None:
        raise TimeoutError("smtp is slow")

    await run_worker(own, timeout=5)
    assert (await ends(await queue.add("x"), "failed")).failed_reason == "smtp is slow"


async def test_a_running_job_can_be_cancelled_and_fails_for_good(queue: Queue, run_worker: RunWorker) -> None:
    started = asyncio.Event()

    async def hang(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    worker = await run_worker(hang)
    job = await queue.add("x", attempts=5)
    await started.wait()
    assert worker.cancel_job(job.id, "not needed any more")
    assert (await ends(job, "failed")).failed_reason == "cancelled: not needed any more"
    assert not worker.cancel_job(job.id)
    assert not worker.cancel_job("nobody")


async def test_a_processor_can_reschedule_its_job_without_losing_an_attempt(
    queue: Queue, run_worker: RunWorker
) -> None:
    async def later(job: Job) -> int:
        if job.attempts_started < 3:
            raise Reschedule(delay=0.02)
        return job.attempts_started

    await run_worker(later)
    job = await ends(await queue.add("x"), "completed")
    assert (job.return_value, job.attempts_made) == (3, 1)


async def test_a_processor_can_put_its_job_back_to_the_front(queue: Queue, run_worker: RunWorker) -> None:
    order: list[str] = []

    async def back(job: Job) -> None:
        order.append(job.name)
        if job.name == "a" and job.attempts_started == 1:
            raise Requeue

    jobs = await queue.add_bulk([JobSpec("a"), JobSpec("b")])
    await run_worker(back)
    await ends(jobs[1], "completed")
    assert order == ["a", "a", "b"]


async def test_a_job_with_deferred_failure_fails_without_being_run(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    async def never(job: Job) -> None:
        raise AssertionError("it was run")

    job = await queue.add("x", attempts=3)
    await redis.hset(f"bull:{queue.name}:{job.id}", "defa", "child bull:q:1 failed")  # pyright: ignore
    await run_worker(never)
    await ends(job, "failed")
    assert job.failed_reason == "child bull:q:1 failed"
    assert "defa" not in job.record.fields


@pytest.mark.parametrize(
    "field", [{"data": "{"}, {"opts": "null"}, {"opts": "{"}, {"progress": "x"}, {"parent": "?"}, {"data": b'"\xff"'}]
)
async def test_a_damaged_job_fails_at_once_and_holds_up_nobody(
    queue: Queue, run_worker: RunWorker, redis: Redis, field: Any
) -> None:
    runs: list[str] = []

    async def note(job: Job) -> None:
        runs.append(job.id)

    jobs = await queue.add_bulk([JobSpec("x"), JobSpec("bad"), JobSpec("x")])
    await redis.hset(f"bull:{queue.name}:2", mapping=field)  # pyright: ignore
    await run_worker(note, concurrency=2)
    bad = await ends(jobs[1], "failed")
    assert next(iter(field)) in (bad.failed_reason or "")
    await ends(jobs[2], "completed")
    assert sorted(runs) == ["1", "3"]


@pytest.mark.parametrize(
    "field",
    [
        {"opts": "[]"},
        {"opts": '{"attempts":"abc","backoff":7}'},
        {"timestamp": "NaN"},
        {"stacktrace": "x"},
        {"ats": "?"},
    ],
)
async def test_odd_but_harmless_fields_do_not_keep_a_job_from_running(
    queue: Queue, run_worker: RunWorker, redis: Redis, field: Any, allowed_breaks: set[str]
) -> None:
    allowed_breaks.update({"I12"})

    async def work(job: Job) -> str:
        return "ran"

    job = await queue.add("x")
    await redis.hset(f"bull:{queue.name}:1", mapping=field)  # pyright: ignore
    await run_worker(work)
    assert (await ends(job, "completed")).return_value == "ran"


async def test_an_id_without_a_job_is_never_run_and_shows_up_among_the_failed(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    runs: list[str] = []

    async def note(job: Job) -> None:
        runs.append(job.id)

    jobs = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await redis.delete(f"bull:{queue.name}:1")
    await run_worker(note)
    await ends(jobs[1], "completed")
    phantom = await queue.job("1")
    assert phantom is not None
    assert "hash is missing" in (phantom.failed_reason or "")
    assert await queue.state("1") is JobState.FAILED
    assert runs == ["2"]


async def test_a_key_of_another_type_is_put_aside_and_told(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None: ...

    jobs = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await redis.delete(f"bull:{queue.name}:1")
    await redis.set(f"bull:{queue.name}:1", "precious")
    await run_worker(work)
    await ends(jobs[1], "completed")
    assert await queue.state("1") is JobState.FAILED
    assert await redis.get(f"oxcart:bull:{queue.name}:quarantine:1") == "precious"


async def test_drained_is_told_when_nothing_is_left(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    told = asyncio.Event()

    async def work(job: Job) -> None: ...

    await queue.add_bulk([JobSpec("x") for _ in range(5)])
    worker = await run_worker(work)
    worker.on("drained")(told.set)
    await asyncio.wait_for(told.wait(), 10)
    kinds = [event["event"] for event in await events(redis, queue)]
    assert kinds.count("drained") >= 1
    assert kinds.index("drained") > kinds.index("completed")


async def test_listeners_hear_of_everything_and_can_do_no_harm(queue: Queue, run_worker: RunWorker) -> None:
    heard: list[Any] = []

    async def work(job: Job) -> str:
        await job.update_progress(7)
        return "value"

    worker = await run_worker(work)
    for event in ("ready", "active", "progress", "completed", "drained"):
        worker.on(event)(lambda *args, event=event: heard.append((event, *args[1:])))  # pyright: ignore

        @worker.on(event)
        def _(*args: Any) -> None:
            raise SystemExit("a bad listener")

        @worker.on(event)
        async def _(*args: Any) -> None:
            raise asyncio.CancelledError

    await ends(await queue.add("x"), "completed")
    await wait_until(lambda: ("drained",) in heard)
    assert [item for item in heard if item[0] in ("active", "progress", "completed")] == [
        ("active",),
        ("progress", 7),
        ("completed", "value"),
    ]


async def test_progress_from_a_thread_reaches_the_listeners(queue: Queue, run_worker: RunWorker) -> None:
    heard: list[Any] = []
    worker = await run_worker(lambda job: job.update_progress(3))
    worker.on("progress")(lambda job, value: heard.append(value))
    await ends(await queue.add("x"), "completed")
    await wait_until(lambda: heard == [3])


def test_an_unknown_event_is_refused_with_the_known_ones() -> None:
    with pytest.raises(OptionsError, match="unknown worker event 'done': one of ready"):
        Worker("q", print).on("done")  # pyright: ignore[reportArgumentType]


async def test_a_paused_worker_takes_nothing_until_it_is_resumed(queue: Queue, run_worker: RunWorker) -> None:
    runs: list[str] = []
    go_on = asyncio.Event()

    async def work(job: Job) -> None:
        runs.append(job.id)
        await go_on.wait()

    worker = await run_worker(work)
    first = await queue.add("x")
    await wait_until(lambda: runs)
    pausing = asyncio.ensure_future(worker.pause())
    second = await queue.add("x")
    await asyncio.sleep(0.05)
    assert not pausing.done()
    go_on.set()
    await pausing
    assert await first.state() == "completed"
    assert await second.state() == "waiting"
    worker.resume()
    await ends(second, "completed")


async def test_closing_lets_running_jobs_finish(queue: Queue, run_worker: RunWorker) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def work(job: Job) -> str:
        started.set()
        await release.wait()
        return "finished"

    worker = await run_worker(work)
    jobs = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await started.wait()
    closing = asyncio.ensure_future(worker.close())
    await asyncio.sleep(0.02)
    release.set()
    await closing
    assert (await ends(jobs[0], "completed")).return_value == "finished"
    assert await jobs[1].state() == "waiting"


async def test_closing_gives_back_what_takes_too_long(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    started = asyncio.Event()

    async def hang(job: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    worker = await run_worker(hang)
    first, _ = await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await started.wait()
    before = time.monotonic()
    await worker.close(timeout=0.05)
    assert time.monotonic() - before < 20
    assert [job.id for job in await queue.jobs("waiting")] == ["1", "2"], "at the front again"
    await first.refresh()
    assert (first.attempts_made, first.attempts_started) == (0, 1)
    assert await redis.zscore(f"bull:{queue.name}:marker", "0") == 0


async def test_closing_gives_back_a_thread_that_does_not_end(queue: Queue, run_worker: RunWorker) -> None:
    started, release = threading.Event(), threading.Event()

    def hang(job: Any) -> None:
        started.set()
        release.wait(10)

    worker = await run_worker(hang)
    await queue.add("x")
    await wait_until(started.is_set)
    await worker.close(timeout=0.05)
    assert (await queue.counts())["waiting"] == 1
    release.set()


async def test_a_worker_may_be_closed_before_it_ran_and_runs_once_only(queue: Queue) -> None:
    worker = Worker(queue.name, print, connection="redis://localhost:1")
    await worker.close()
    with pytest.raises(OptionsError, match="closed"):
        await worker.run()


async def test_a_cancelled_run_gives_its_jobs_back_and_waits_for_no_more(
    queue: Queue, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxcart.worker.worker.FLUSH_S", 120)
    started = asyncio.Event()

    async def hang(job: Job) -> None:
        started.set()
        await asyncio.sleep(600)

    worker = Worker(queue.name, hang, connection=redis_server.url)
    running = asyncio.create_task(worker.run())
    job = await queue.add("x")
    await started.wait()
    running.cancel()
    await asyncio.wait([running], timeout=60)
    assert running.done()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await queue.counts())["waiting"] == 1
    assert await job.state() == JobState.WAITING


async def test_a_worker_is_listed_by_its_connections_name(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None: ...

    await run_worker(work, name="w-1")
    await run_worker(work)
    import base64

    encoded = base64.b64encode(queue.name.encode()).decode()

    async def names() -> bool:
        found = [client["name"] for client in await redis.client_list() if encoded in client["name"]]  # pyright: ignore
        return sorted(found) == [f"bull:{encoded}", f"bull:{encoded}:w:w-1"]

    await wait_until(names)


async def test_a_name_that_redis_refuses_does_not_keep_a_worker_from_working(
    queue: Queue, run_worker: RunWorker
) -> None:
    async def work(job: Job) -> None: ...

    await run_worker(work, name="wörker x")
    assert (await ends(await queue.add("x"), "completed")).processed_by == "wörker x"


async def test_two_idle_workers_share_a_burst(
    queue: Queue, run_worker: RunWorker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply, "SHARE_PAUSE_S", 3)  # enough for the other one, however slow it is
    runs: list[str] = []
    all_run = asyncio.Event()

    def make(name: str) -> Any:
        async def work(job: Job) -> None:
            runs.append(name)
            await all_run.wait()

        return work

    for name in "ab":
        await run_worker(make(name), concurrency=10)

    await idle(redis, queue, workers=2)
    await queue.add_bulk([JobSpec("x") for _ in range(10)])
    await wait_until(lambda: len(runs) == 10)
    all_run.set()
    assert 1 <= runs.count("a") <= 9


async def test_a_paused_queue_gives_nothing_away(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None: ...

    await redis.hset(f"bull:{queue.name}:meta", "paused", "1")  # pyright: ignore
    await run_worker(work, drain_delay=0.05)
    job = await queue.add("x")
    later = await queue.add("y", delay=0.01)
    await ends(later, "waiting")  # promoted, though paused
    assert await job.state() == "waiting"
    await redis.hdel(f"bull:{queue.name}:meta", "paused")  # pyright: ignore
    await ends(job, "completed")


async def test_global_concurrency_is_kept(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    running, most = 0, 0

    async def work(job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    await redis.hset(f"bull:{queue.name}:meta", "concurrency", "2")  # pyright: ignore
    for _ in range(2):
        await run_worker(work, concurrency=5, drain_delay=0.1)
    await queue.add_bulk([JobSpec("x") for _ in range(20)])
    await wait_until(lambda: _count(queue, "completed", 20))
    assert most == 2


async def test_a_rate_limit_is_kept_by_all_workers_together(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def work(job: Job) -> None: ...

    await queue.add_bulk([JobSpec("x") for _ in range(9)])
    for _ in range(2):
        await run_worker(work, concurrency=5, limiter=RateLimit(3, 0.3))
    await wait_until(lambda: _count(queue, "completed", 9))
    starts = await taken_at(redis, queue)
    assert len(starts) == 9
    assert starts[3] - starts[0] >= 290
    assert starts[6] - starts[0] >= 590  # a window begins with its first job: from the first one on, that much is sure


async def test_a_job_started_too_often_fails_without_being_run(queue: Queue, run_worker: RunWorker) -> None:
    async def again(job: Job) -> None:
        raise Requeue

    await run_worker(again, max_started_attempts=3)
    job = await ends(await queue.add("x"), "failed")
    assert job.failed_reason == "job started more than allowable limit"
    assert job.attempts_started == 4


async def test_options_of_the_queue_reach_the_worker(redis_server: Any, queue: Queue, run_worker: RunWorker) -> None:
    async def fail(job: Job) -> None:
        raise ValueError

    options = JobOptions(attempts=2, backoff=0.01)
    async with Queue(queue.name, connection=redis_server.url, default_job_options=options) as strict:
        await run_worker(fail)
        job = await ends(await strict.add("x"), "failed")
    assert job.attempts_made == 2
    assert json.loads(job.record.fields["opts"])["backoff"] == {"type": "fixed", "delay": 10}


async def test_a_job_that_is_given_back_before_its_first_step_is_not_lost(queue: Queue, run_worker: RunWorker) -> None:
    runs: list[str] = []

    async def work(job: Job) -> None:
        runs.append(job.id)
        await asyncio.sleep(60)

    worker = await run_worker(work, concurrency=5)
    taken = worker._taken

    def take_and_stop(*args: Any) -> None:
        taken(*args)
        worker._attempts[args[0].id].end(Ending.GIVEN_BACK)  # before the task has had a turn
        worker.paused = True
        if worker._shuttle is not None:
            worker._shuttle.stop_taking()

    await wait_until(lambda: worker._shuttle is not None and worker._shuttle.supply.idle)
    assert worker._shuttle is not None
    object.__setattr__(worker._shuttle._ear, "on_taken", take_and_stop)
    job = await queue.add("x")

    async def back() -> bool:
        await job.refresh()
        return await job.state() == "waiting" and job.attempts_started > 0

    await wait_until(back)
    assert runs == []


async def test_a_clock_that_is_wrong_is_told(queue: Queue, redis_server: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def work(job: Job) -> None: ...

    worker = Worker(queue.name, work, connection=redis_server.url, clock=lambda: system_clock() + 90_000)
    running = asyncio.create_task(worker.run())
    # As exactly as half a round trip, which may take its time.
    await wait_until(lambda: re.search(r"clock is (8[5-9]|9[0-5])\.\d s ahead of the Redis server's", caplog.text))
    await worker.close()
    await running
