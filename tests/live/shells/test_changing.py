"""Changing a job that is there: each operation with what it needs, and the error when that isn't so."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import InvalidState, JobLocked, JobNotFound, OptionsError, PayloadError, SchedulerError
from tests.hands import Hands
from tests.live.shells.shell import Job, Queue


async def seen(queue: Queue, job: Job) -> Job:
    """The job as it is stored now."""
    found = await queue.job(job.id)
    assert found is not None
    return found


async def events_of(redis: Redis, queue: Queue, job: Job) -> list[dict[str, Any]]:
    entries: Any = await redis.xrange(f"bull:{queue.name}:events")
    return [fields for _, fields in entries if fields.get("jobId") == job.id]


async def test_data_can_be_replaced_in_any_state(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x", {"a": 1})
    await job.update_data({"a": 2})
    hands.work()
    await job.update_data([None])
    assert job.data == [None]
    assert (await seen(queue, job)).data == [None]
    with pytest.raises(PayloadError, match=f"the data of job {job.id} can't be sent"):
        await job.update_data(float("nan"))


async def test_a_delay_can_be_changed_while_the_job_is_delayed(queue: Queue, redis: Redis, hands: Hands) -> None:
    job = await queue.add("x", delay=60)
    await job.change_delay(3600)
    assert job.delay == (await seen(queue, job)).delay == 3600
    due = await redis.zscore(f"bull:{queue.name}:delayed", job.id)
    marker = await redis.zscore(f"bull:{queue.name}:marker", "1")
    assert due is not None and due // 4096 == marker
    assert (await events_of(redis, queue, job))[-1] == {"event": "delayed", "jobId": job.id, "delay": f"{marker:.0f}"}
    await job.change_delay(0)
    assert hands.work() == [job.id]
    with pytest.raises(
        InvalidState, match=f"job {job.id} of {queue.name} is completed, and has to be delayed for this"
    ):
        await job.change_delay(1)


async def test_a_changed_priority_changes_the_order(queue: Queue, hands: Hands) -> None:
    low, high, plain = [await queue.add("x", priority=priority) for priority in (9, 5, 0)]
    await low.change_priority(1)
    await plain.change_priority(7)
    assert await queue.state(plain.id) == "prioritized"
    assert low.priority == (await seen(queue, low)).priority == 1
    first = await queue.add("x", priority=7)
    await first.change_priority(7, lifo=True)
    assert hands.work() == [low.id, high.id, first.id, plain.id]


async def test_a_job_without_priority_goes_to_the_back_or_with_lifo_to_the_front(queue: Queue, hands: Hands) -> None:
    one, two, three = [await queue.add("x") for _ in range(3)]
    await one.change_priority(0)
    await three.change_priority(0, lifo=True)
    assert hands.work() == [three.id, two.id, one.id]


async def test_a_priority_of_a_job_elsewhere_is_kept_for_later(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x", delay=60)
    await job.change_priority(4)
    assert await job.state() == "delayed"
    await job.promote()
    assert await job.state() == "prioritized"
    with pytest.raises(OptionsError, match="priority=-1"):
        await job.change_priority(-1)
    hands.work()


async def test_a_promoted_job_runs_now(queue: Queue, redis: Redis, hands: Hands) -> None:
    job = await queue.add("x", delay=60)
    await job.promote()
    assert job.delay == (await seen(queue, job)).delay == 0
    assert (await events_of(redis, queue, job))[-1] == {"event": "waiting", "jobId": job.id, "prev": "delayed"}
    assert hands.work() == [job.id]
    with pytest.raises(InvalidState, match=r"is completed, and has to be delayed for this"):
        await job.promote()


async def test_a_failed_job_runs_again(queue: Queue, redis: Redis, hands: Hands) -> None:
    job = await queue.add("x", attempts=2)
    hands.take()
    hands.fail(job.id, "first", attempts=2)
    await job.refresh()
    assert (job.failed_reason, job.attempts_made, job.attempts_left) == ("first", 1, 0)
    await job.retry()
    assert await job.state() == "waiting"
    assert (job.failed_reason, job.finished_at, job.processed_at, job.attempts_made) == (None, None, None, 1)
    assert len(job.stacktrace) == 1
    assert (await events_of(redis, queue, job))[-1] == {"event": "waiting", "jobId": job.id, "prev": "failed"}
    hands.work(fails=True)
    await job.retry(reset_attempts=True, reset_starts=True)
    assert (job.attempts_made, job.attempts_started) == (0, 0)
    hands.work()


async def test_a_completed_job_runs_again(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    hands.complete(job.id, {"done": True})
    await job.refresh()
    assert job.return_value == {"done": True}
    await job.retry()
    assert (job.return_value, await job.state()) == (None, "waiting")
    hands.work()


async def test_a_retried_job_keeps_its_place_by_priority_and_lifo(queue: Queue, hands: Hands) -> None:
    prioritized, lifo = await queue.add("x", priority=3), await queue.add("x", lifo=True)
    hands.work(fails=True)
    other = await queue.add("x")
    await prioritized.retry()
    await lifo.retry()
    assert await prioritized.state() == "prioritized"
    assert hands.work() == [lifo.id, other.id, prioritized.id]


async def test_only_finished_jobs_can_be_retried(queue: Queue) -> None:
    job = await queue.add("x")
    with pytest.raises(InvalidState, match=r"is waiting, and has to be failed or completed for this"):
        await job.retry()


async def test_a_job_is_removed_from_whatever_state_it_is_in(queue: Queue, redis: Redis, hands: Hands) -> None:
    finished, failed = await queue.add("x"), await queue.add("x")
    hands.take(2)
    hands.complete(finished.id)
    hands.fail(failed.id)
    jobs = {
        "completed": finished,
        "failed": failed,
        "wait": await queue.add("x"),
        "delayed": await queue.add("x", delay=60),
        "prioritized": await queue.add("x", priority=1),
    }
    for state, job in jobs.items():
        await job.log("a line")
        assert await job.remove()
        assert await queue.job(job.id) is None
        assert await queue.state(job.id) == "unknown"
        assert not await redis.exists(f"bull:{queue.name}:{job.id}:logs")
        assert (await events_of(redis, queue, job))[-1] == {"event": "removed", "jobId": job.id, "prev": state}
    assert not await queue.remove_job("nobody")


async def test_a_job_that_runs_is_not_removed(queue: Queue, redis: Redis, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    with pytest.raises(JobLocked, match="a worker is working on it") as caught:
        await job.remove()
    assert caught.value.job_id == job.id
    await redis.delete(f"bull:{queue.name}:{job.id}:lock")  # its worker is gone
    assert await job.remove()


async def test_what_a_scheduler_waits_for_is_not_removed(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    """Trap 25 of part 2."""
    allowed_breaks.add("I28")
    job = await queue.add("x", job_id="repeat:s:170", delay=60)
    await redis.hset(f"bull:{queue.name}:{job.id}", "rjk", "s")
    await redis.zadd(f"bull:{queue.name}:repeat", {"s": 170})
    with pytest.raises(SchedulerError, match="remove the scheduler instead"):
        await job.remove()
    assert await queue.drain(delayed=True) == 0
    assert await queue.clean(0, state="delayed") == []
    await redis.delete(f"bull:{queue.name}:repeat")
    assert await job.remove()


async def test_every_change_of_a_job_that_is_gone_says_so(queue: Queue, redis: Redis) -> None:
    job = await queue.add("x", delay=60)
    await job.remove()
    changes = [
        lambda: job.update_data(1),
        lambda: job.update_progress(1),
        lambda: job.log("x"),
        lambda: job.change_delay(1),
        lambda: job.change_priority(1),
        lambda: job.promote(),
        lambda: job.retry(),
        lambda: job.refresh(),
    ]
    for change in changes:
        with pytest.raises(JobNotFound, match=f"job {job.id} of {queue.name} does not exist") as caught:
            await change()
        assert caught.value.code == -1
    assert await redis.keys(f"bull:{queue.name}:{job.id}*") == []


async def test_a_log_can_be_cleared(queue: Queue) -> None:
    job = await queue.add("x")
    for line in "abcd":
        await job.log(line)
    await job.clear_logs(keep=2)
    assert await job.logs() == ["c", "d"]
    await queue.clear_logs(job.id)
    assert await job.logs() == []


async def test_a_job_that_runs_is_cancelled_by_asking_its_worker(queue: Queue, redis: Redis, hands: Hands) -> None:
    with pytest.raises(JobNotFound):
        await queue.cancel_job("nobody")
    job = await queue.add("x")
    with pytest.raises(InvalidState, match=r"is waiting, and has to be active for this"):
        await queue.cancel_job(job.id)
    hands.take()
    with pytest.raises(JobLocked, match="its worker is not one of Oxcart's"):
        await queue.cancel_job(job.id)
    await redis.set(f"bull:{queue.name}:{job.id}:lock", "ox-1", px=8000)
    assert 1.5 < await queue.cancel_job(job.id, "why\nnot") <= 2
    renewed = hands.renew(job.id, "ox-1")
    assert (renewed.lost, renewed.cancelled) == ([], [(job.id, "ox-1", "why\nnot")])
    await redis.set(f"bull:{queue.name}:{job.id}:lock", "ox-2", px=8000)
    assert hands.renew(job.id, "ox-2").cancelled == []  # another attempt, which nobody meant
    await redis.set(f"bull:{queue.name}:{job.id}:lock", "by hand", px=8000)
    hands.complete(job.id)
