"""The error codes and messages of the wire specification (part 1, section 12): each provoked by a real operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from oxcart import (
    Backoff,
    Deduplication,
    FailedChildren,
    HasOtherParent,
    InvalidState,
    Job,
    JobError,
    JobLocked,
    JobNotFound,
    JobSpec,
    LockLost,
    OptionsError,
    OxcartError,
    Parent,
    ParentNotFound,
    PayloadError,
    PendingChildren,
    Queue,
    QueueNotEmpty,
    QueueNotPaused,
    Refused,
    SchedulerError,
    Worker,
)
from oxcart.errors import known_refusals, refusal
from oxcart.protocol.calls import clean
from tests.clocks import Clock
from tests.conftest import RunWorker, wait_until
from tests.hands import TOKEN, Hands
from tests.traps.wire import MINUTE, Wire, is_finished, lose, settle

TESTED = set(range(-11, 0))
"""The codes that BullMQ has too."""

OURS = {-20, -21, -22, -23, -24, -31, -32}
"""Codes that only our scripts answer."""


def test_every_code_has_a_test() -> None:
    assert known_refusals() == TESTED | OURS


def says(error: Refused, code: int, job_id: str, queue: Queue) -> bool:
    """Whether an error carries this code, and names job and queue, also in its text."""
    assert (error.code, error.job_id) == (code, job_id)
    assert f"job {job_id} of {queue.name} " in str(error)
    return True


async def done(job: Job) -> str:
    return "done"


async def never(job: Job) -> None:
    raise AssertionError("it was run")


# ---------------------------------------------------------------------------------------------- codes that are raised

GONE: dict[str, Callable[[Job], Awaitable[Any]]] = {
    "update_data": lambda job: job.update_data(1),
    "update_progress": lambda job: job.update_progress(1),
    "log": lambda job: job.log("x"),
    "change_delay": lambda job: job.change_delay(1),
    "change_priority": lambda job: job.change_priority(1),
    "promote": lambda job: job.promote(),
    "retry": lambda job: job.retry(),
    "refresh": lambda job: job.refresh(),
    "result": lambda job: job.result(timeout=5),
}


@pytest.mark.parametrize("operation", GONE)
async def test_minus_1_the_job_does_not_exist(queue: Queue, wire: Wire, operation: str) -> None:
    job = await queue.add("x", delay=60)
    await job.remove()
    with pytest.raises(JobNotFound) as caught:
        await GONE[operation](job)
    assert says(caught.value, -1, job.id, queue)
    assert not {name for name in await wire.names() if name.startswith(job.id)}


async def test_minus_1_is_told_by_a_worker_whose_job_was_deleted(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    job = await queue.add("x")

    async def delete(job: Job) -> None:
        await wire.delete(job.id)

    worker = await run_worker(delete)
    [error] = await errors_of(worker, 1)
    assert isinstance(error, JobNotFound)
    assert says(error, -1, job.id, queue)
    await worker.close()
    await wire.delete("active", "stalled", f"{job.id}:lock")


async def errors_of(worker: Worker, count: int) -> list[BaseException]:
    """What a worker tells as errors, until there are so many."""
    errors: list[BaseException] = []
    worker.on("error")(errors.append)
    await wait_until(lambda: len(errors) >= count)
    return errors


@pytest.mark.parametrize(("code", "lock"), [(-2, None), (-6, "somebody else")], ids=["-2", "-6"])
async def test_minus_2_and_6_the_job_is_not_this_workers_any_more(
    queue: Queue, wire: Wire, run_worker: RunWorker, hands: Hands, code: int, lock: str | None
) -> None:
    job = await queue.add("x")
    key = wire.key(f"{job.id}:lock")
    lost: list[str] = []

    async def lose(job: Job) -> None:
        await (wire.redis.set(key, lock, px=MINUTE) if lock else wire.redis.delete(key))

    worker = await run_worker(lose)
    worker.on("lock_lost")(lost.append)
    [error] = await errors_of(worker, 1)
    assert isinstance(error, LockLost)
    assert says(error, code, job.id, queue)
    assert lost == [job.id]
    await worker.close()
    await wire.redis.set(key, TOKEN, px=MINUTE)
    hands.complete(job.id)


NOT_IN_STATE: dict[str, Callable[[Job], Awaitable[Any]]] = {
    "promote": lambda job: job.promote(),
    "change_delay": lambda job: job.change_delay(1),
    "retry": lambda job: job.retry(),
}


@pytest.mark.parametrize("operation", NOT_IN_STATE)
async def test_minus_3_the_job_is_not_in_the_state_for_it(queue: Queue, wire: Wire, operation: str) -> None:
    job = await queue.add("x")
    before = await wire.fields(job.id)
    with pytest.raises(InvalidState) as caught:
        await NOT_IN_STATE[operation](job)
    assert says(caught.value, -3, job.id, queue)
    assert await wire.fields(job.id) == before
    assert await wire.members("wait") == [job.id]


async def test_minus_3_is_told_by_a_worker_whose_job_is_not_active_any_more(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    job = await queue.add("x")

    async def take_away(job: Job) -> None:
        await wire.redis.lrem(wire.key("active"), 1, job.id)

    worker = await run_worker(take_away)
    [error] = await errors_of(worker, 1)
    assert isinstance(error, InvalidState)
    assert says(error, -3, job.id, queue)
    await worker.close()
    await wire.delete(job.id)


async def test_minus_8_a_scheduler_waits_for_the_job(queue: Queue, wire: Wire) -> None:
    job = await queue.add("s", job_id="repeat:s:1795503522760", delay=60)
    await wire.write(job.id, rjk="s")
    await wire.write("repeat:s", name="s", every=MINUTE, ic=1)
    await wire.redis.zadd(wire.key("repeat"), {"s": 1795503522760})
    for remove in (job.remove, lambda: queue.remove_job(job.id)):
        with pytest.raises(SchedulerError) as caught:
            await remove()
        assert says(caught.value, -8, job.id, queue)
    assert await job.state() == "delayed"


async def in_the_way(wire: Wire, clock: Clock, minutes: range) -> list[str]:
    """Jobs with the ids that runs of a scheduler `s` would have in so many minutes; their ids."""
    ids = [f"repeat:s:{clock() + number * MINUTE}" for number in minutes]
    for job_id in ids:
        await wire.write(job_id, name="in the way")
    return ids


@pytest.mark.parametrize(("code", "times"), [(-10, {"cron": "* * * * *"}), (-11, {"every": 60})], ids=["-10", "-11"])
async def test_minus_10_and_11_jobs_have_the_times_that_a_scheduler_needs(
    timed: Queue, wire: Wire, clock: Clock, code: int, times: Any
) -> None:
    """Node answers -10 for the first time that is taken; Oxcart goes on to the next ones."""
    ids = await in_the_way(wire, clock, range(40))
    with pytest.raises(SchedulerError) as caught:
        await timed.upsert_scheduler("s", **times)
    assert (caught.value.code, caught.value.job_id) == (code, "s")
    assert f"the scheduler s of {timed.name} can't add its next run" in str(caught.value)
    assert not {"repeat", "repeat:s", "wait", "delayed"} & await wire.names()
    await wire.delete(*ids)


@pytest.mark.parametrize(("code", "times"), [(-10, {"cron": "* * * * *"}), (-11, {"every": 60})], ids=["-10", "-11"])
async def test_minus_10_and_11_are_told_by_a_worker_that_does_the_run_all_the_same(
    timed: Queue, wire: Wire, clock: Clock, run_worker: RunWorker, code: int, times: Any, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")  # the series has come to a stop, until it is upserted
    job = await timed.upsert_scheduler("s", immediately=True, **times)
    ids = await in_the_way(wire, clock, range(1, 40))
    worker = await run_worker(done, clock=clock)
    error = (await errors_of(worker, 1))[0]
    assert isinstance(error, OxcartError)
    assert str(refusal(code, "s", timed.name)) in str(error)
    await wait_until(lambda: is_finished(timed, job.id))
    await wire.delete(*ids)


async def with_children(wire: Wire, job: Job, bad: bool) -> str:
    """Give a job a child that is not done, or one that has failed it; the key to delete to be free of it."""
    if bad:
        await wire.redis.zadd(wire.key(f"{job.id}:unsuccessful"), {"bull:elsewhere:1": 1})
        return f"{job.id}:unsuccessful"
    await wire.redis.sadd(wire.key(f"{job.id}:dependencies"), "bull:elsewhere:1")
    return f"{job.id}:dependencies"


@pytest.mark.parametrize(("code", "kind"), [(-4, PendingChildren), (-9, FailedChildren)], ids=["-4", "-9"])
async def test_minus_4_and_9_children_keep_a_job_from_being_completed(
    queue: Queue, wire: Wire, hands: Hands, code: int, kind: type[JobError]
) -> None:
    job = await queue.add("x")
    hands.take()
    key = await with_children(wire, job, bad=code == -9)
    assert settle(hands, job.id, "completed", text="1").codes == [code]
    error = refusal(code, job.id, queue.name)
    assert type(error) is kind
    assert says(error, code, job.id, queue)
    await wire.delete(key)
    hands.complete(job.id)


@pytest.mark.parametrize(("code", "kind"), [(-4, PendingChildren), (-9, FailedChildren)], ids=["-4", "-9"])
async def test_minus_4_and_9_are_what_a_worker_tells_of_the_failure(
    queue: Queue, wire: Wire, run_worker: RunWorker, code: int, kind: type[JobError]
) -> None:
    told: list[BaseException] = []

    async def have_children(job: Job) -> None:
        await with_children(wire, job, bad=code == -9)

    def note(job: Job, error: BaseException) -> None:
        told.append(error)

    job = await queue.add("x")
    worker = await run_worker(have_children)
    worker.on("failed")(note)
    await wait_until(lambda: told)
    await wire.delete(f"{job.id}:dependencies", f"{job.id}:unsuccessful")
    [error] = told
    assert isinstance(error, kind)
    assert (error.code, error.job_id) == (code, job.id)


# ---------------------------------------------------------------------------------- codes that only our scripts answer


async def test_minus_5_the_parent_does_not_exist(queue: Queue) -> None:
    with pytest.raises(ParentNotFound) as caught:
        await queue.add("x", parent=Parent("nobody", queue.name))
    key = f"bull:{queue.name}:nobody"
    assert (caught.value.code, caught.value.job_id) == (-5, key)
    assert f"no job of {queue.name} can be added under the parent {key}" in str(caught.value)


async def test_minus_7_the_job_has_another_parent(queue: Queue) -> None:
    first, second = await queue.add("x"), await queue.add("x")
    await queue.add("child", job_id="kid", parent=first)
    with pytest.raises(HasOtherParent) as caught:
        await queue.add("child", job_id="kid", parent=second)
    assert says(caught.value, -7, "kid", queue)


async def test_minus_21_a_locked_job_is_not_removed(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    with pytest.raises(JobLocked) as caught:
        await job.remove()
    assert says(caught.value, -21, job.id, queue)
    hands.complete(job.id)


async def test_minus_22_a_job_of_a_worker_that_can_t_be_asked_is_not_cancelled(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    with pytest.raises(JobLocked) as caught:
        await queue.cancel_job(job.id)
    assert says(caught.value, -22, job.id, queue)
    hands.complete(job.id)


async def test_minus_31_and_32_a_queue_is_erased_only_if_it_is_paused_and_nothing_is_active(
    queue: Queue, hands: Hands
) -> None:
    job = await queue.add("x")
    hands.take()
    with pytest.raises(QueueNotEmpty) as caught:
        await queue.obliterate()
    assert caught.value.code == -32
    assert queue.name in str(caught.value)
    with pytest.raises(QueueNotPaused) as refused:  # as if it had been resumed meanwhile
        await queue._connection.run(clean.obliterate(queue.keys, True))
    assert refused.value.code == -31
    assert queue.name in str(refused.value)
    hands.complete(job.id)


async def test_minus_20_a_damaged_key_is_told_with_the_job(queue: Queue, wire: Wire, run_worker: RunWorker) -> None:
    job = await queue.add("x")
    await wire.redis.set(wire.key("completed"), "not a set")
    worker = await run_worker(done, stalled_interval=0.2)
    found: list[JobError] = []

    def note(error: BaseException) -> None:
        if isinstance(error, JobError):
            found.append(error)

    worker.on("error")(note)
    await wait_until(lambda: found)
    assert says(found[0], -20, job.id, queue)
    await wire.delete("completed")
    await wait_until(lambda: is_finished(queue, job.id))


# ------------------------------------------------------------------------------- messages that are stored on the wire


async def test_the_stored_reason_of_a_job_with_pending_children(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    """An ordinary failure: all attempts are made."""

    async def have_children(job: Job) -> None:
        await with_children(wire, job, bad=False)

    job = await queue.add("x", attempts=2)
    await run_worker(have_children)
    await wait_until(lambda: is_finished(queue, job.id))
    await wire.delete(f"{job.id}:dependencies")
    fields = await wire.fields(job.id)
    assert fields["failedReason"] == f"Job {job.id} has pending dependencies. moveToFinished"
    assert (fields["atm"], fields["ats"]) == ("2", "2")
    assert (await wire.told(job.id))[-2:] == ["failed<active", "retries-exhausted"]
    await job.refresh()
    assert len(job.stacktrace) == 2


async def test_the_stored_reason_of_a_job_with_a_failed_child(queue: Queue, wire: Wire, run_worker: RunWorker) -> None:
    """It fails for good, whatever attempts are left."""

    async def have_children(job: Job) -> None:
        await with_children(wire, job, bad=True)

    job = await queue.add("x", attempts=2)
    await run_worker(have_children)
    await wait_until(lambda: is_finished(queue, job.id))
    await wire.delete(f"{job.id}:unsuccessful")
    fields = await wire.fields(job.id)
    reason = f"Cannot complete job {job.id} because it has at least one failed child. moveToFinished"
    assert (fields["failedReason"], fields["atm"]) == (reason, "1")
    assert (await wire.told(job.id))[-1] == "failed<active"


async def unrun(queue: Queue, wire: Wire, run_worker: RunWorker, job: Job, **options: Any) -> str:
    """The stored reason of a job that a worker fails without running it."""
    await run_worker(never, **options)
    await wait_until(lambda: is_finished(queue, job.id))
    fields = await wire.fields(job.id)
    assert "defa" not in fields
    failed = [event for event in await wire.events() if event["event"] == "failed"]
    assert [event["failedReason"] for event in failed if event["jobId"] == job.id] == [fields["failedReason"]]
    assert fields["failedReason"] in fields["stacktrace"]
    return fields["failedReason"]


async def test_the_stored_reason_of_a_job_that_stalled_too_often(
    queue: Queue, wire: Wire, run_worker: RunWorker, hands: Hands
) -> None:
    job = await queue.add("x")
    for _ in range(2):
        hands.take()
        await lose(hands, wire, job.id)
    assert await unrun(queue, wire, run_worker, job) == "job stalled more than allowable limit"
    await job.refresh()
    assert (job.stalled_count, job.attempts_started, job.attempts_made) == (2, 3, 1)


async def test_the_stored_reason_of_a_job_that_was_started_too_often(
    queue: Queue, wire: Wire, run_worker: RunWorker, hands: Hands
) -> None:
    job = await queue.add("x", attempts=5)
    hands.take()
    settle(hands, job.id, "back")
    reason = await unrun(queue, wire, run_worker, job, max_started_attempts=1)
    assert reason == "job started more than allowable limit"


async def test_the_stored_reason_of_a_parent_whose_child_failed(
    queue: Queue, wire: Wire, run_worker: RunWorker, hands: Hands, parents: Queue, above: Wire
) -> None:
    """Up to the grandparent, one worker after the other."""
    grandparent = await above.parent("G")
    parent = await wire.parent("P", opts='{"attempts":3}')
    middle = await queue.job("P")
    assert middle is not None
    await above.redis.sadd(f"{grandparent}:dependencies", parent)
    link = f'{{"id":"G","queueKey":"{above.queue_key}","fpof":true}}'
    await wire.write("P", parentKey=grandparent, parent=link)
    child = await queue.add("child")
    await wire.child(parent, child, fpof=True)
    hands.work(fails=True)
    assert await unrun(queue, wire, run_worker, middle) == f"child {wire.key(child.id)} failed"
    assert (await above.fields("G"))["defa"] == f"child {wire.key('P')} failed"


# ------------------------------------------------------------------------------------------ what is refused unsent

UNSENT: dict[str, tuple[str, dict[str, Any], type[Exception]]] = {
    "larger than size_limit": ("12345678", {"size_limit": 9}, PayloadError),
    "a fraction as priority": ("", {"priority": 1.5}, OptionsError),
    "too high a priority": ("", {"priority": 2097152}, OptionsError),
    "a negative priority": ("", {"priority": -1}, OptionsError),
    "a negative delay": ("", {"delay": -1}, OptionsError),
    "negative attempts": ("", {"attempts": -1}, OptionsError),
    "id 0": ("", {"job_id": "0"}, OptionsError),
    "an id that starts with 0:": ("", {"job_id": "0:a:b"}, OptionsError),
    "a number as id": ("", {"job_id": "123"}, OptionsError),
    "a negative number as id": ("", {"job_id": "-5"}, OptionsError),
    "a colon in an id": ("", {"job_id": "a:b"}, OptionsError),
    "three colons in an id": ("", {"job_id": "a:b:c:d"}, OptionsError),
    "an id that is no text": ("", {"job_id": 7}, OptionsError),
    "debounce": ("", {"debounce": {"id": "d"}}, OptionsError),
    "something unknown": ("", {"atempts": 3}, OptionsError),
}


@pytest.mark.parametrize("case", UNSENT)
async def test_what_cannot_be_right_is_refused_before_anything_is_sent(queue: Queue, wire: Wire, case: str) -> None:
    data, options, kind = UNSENT[case]
    with pytest.raises(kind, match=next(iter(options)) if kind is OptionsError else "size_limit is 9"):
        await queue.add("x", data, **cast(Any, options))
    with pytest.raises(kind):
        await queue.add_bulk([JobSpec("fine"), JobSpec("x", data, **cast(Any, options))])
    assert await wire.names() == set()


async def test_minus_23_a_scheduler_without_a_run_left_is_not_paused(
    timed: Queue, run_worker: RunWorker, clock: Clock
) -> None:
    job = await timed.upsert_scheduler("s", every=60, limit=1, immediately=True)
    await run_worker(done, clock=clock)
    await wait_until(lambda: is_finished(timed, job.id))
    with pytest.raises(SchedulerError) as caught:
        await timed.pause_scheduler("s")
    assert (caught.value.code, caught.value.job_id) == (-23, "s")
    assert f"the scheduler s of {timed.name} has come to its end" in str(caught.value)


async def test_minus_24_a_repeated_job_of_version_5_is_not_paused(timed: Queue, wire: Wire) -> None:
    await wire.write("repeat:md5", name="cronjob", pattern="0 8 * * *", tz="UTC")
    await wire.redis.zadd(wire.key("repeat"), {"md5": 1})
    with pytest.raises(SchedulerError) as caught:
        await timed.pause_scheduler("md5")
    assert (caught.value.code, caught.value.job_id) == (-24, "md5")
    assert "convert it before you pause it" in str(caught.value)
    await wire.delete("repeat:md5", "repeat")


@pytest.mark.parametrize("job_id", ["007", "1.5", "12a", "a:b:c"])
async def test_ids_that_only_look_odd_are_accepted(queue: Queue, job_id: str) -> None:
    assert (await queue.add("x", job_id=job_id)).id == job_id
    await queue.drain()


@pytest.mark.parametrize("jitter", [-0.1, 1.1])
def test_jitter_is_between_0_and_1(jitter: float) -> None:
    with pytest.raises(OptionsError, match="jitter"):
        Backoff.fixed(1, jitter=jitter)


def test_deduplication_needs_an_id() -> None:
    with pytest.raises(OptionsError, match="id=''"):
        Deduplication("")


@pytest.mark.parametrize("name", ["", "a:b", None])
def test_a_queue_needs_a_name_without_colons(name: Any) -> None:
    for make in (Queue, lambda name: Worker(name, done)):
        with pytest.raises(OptionsError, match="queue"):
            make(name)


@pytest.mark.parametrize(
    "option",
    [
        {"concurrency": 0},
        {"concurrency": float("inf")},
        {"drain_delay": 0},
        {"max_stalled_count": -1},
        {"stalled_interval": 0},
        {"max_started_attempts": -1},
    ],
    ids=str,
)
def test_options_of_a_worker_that_cannot_be_right_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match=next(iter(option))):
        Worker("q", done, **option)


async def test_a_result_that_does_not_come_in_time_names_the_job_and_the_queue(queue: Queue) -> None:
    job = await queue.add("x")
    with pytest.raises(TimeoutError, match=f"job {job.id} of {queue.name} was not finished within 0.01 s"):
        await job.result(timeout=0.01)
