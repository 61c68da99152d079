"""Looking at jobs, healthy and damaged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from oxcart import DamagedJob, JobNotFound, JobSpec, JobState, OptionsError, Queue

DAMAGED = {
    "opts that are no JSON": {"opts": "{"},
    "opts null": {"opts": "null"},
    "data that is no JSON": {"data": "NaN"},
    "data that is no UTF-8": {"data": b'"\xff"'},
    "data nested too deeply": {"data": "[" * 50_000},
    "progress that is no JSON": {"progress": "half"},
    "a parent that is no JSON": {"parent": "{"},
}


async def test_a_job_shows_what_it_is(queue: Queue) -> None:
    job = await queue.add("x", {"a": 1}, priority=3, delay=5, attempts=4, timestamp=datetime(2026, 1, 2, tzinfo=UTC))
    read = await queue.job(job.id)
    assert read is not None
    assert (read.id, read.name, read.queue_name, read.data) == (job.id, "x", queue.name, {"a": 1})
    assert (read.priority, read.delay, read.attempts_left, read.attempts_made) == (3, 5, 4, 0)
    assert read.created_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert (read.processed_at, read.finished_at, read.return_value, read.failed_reason) == (None, None, None, None)
    assert read.progress == 0
    assert read.options["attempts"] == 4
    assert read.options["delay"] == 5
    assert "a" not in repr(read).replace(queue.name, "").replace("Job", "").replace("queue", "")


async def test_a_job_that_is_not_there_is_none(queue: Queue) -> None:
    assert await queue.job("nobody") is None
    assert await queue.state("nobody") is JobState.UNKNOWN


async def test_logs_and_progress_are_kept(queue: Queue) -> None:
    job = await queue.add("x", keep_logs=2)
    await job.update_progress({"pct": 40})
    assert [await job.log(line) for line in ("a", "b", "c")] == [1, 2, 2]
    await job.refresh()
    assert job.progress == {"pct": 40}
    assert await queue.logs(job.id) == ["b", "c"]
    assert await queue.logs(job.id, 1, 1) == ["c"]


async def test_a_job_that_is_gone_says_so(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    job = await queue.add("x")
    await redis.delete(f"bull:{queue.name}:{job.id}")
    await redis.delete(f"bull:{queue.name}:wait")
    for doing in (job.update_progress(1), job.log("x"), job.refresh()):
        with pytest.raises(JobNotFound, match=rf"job {job.id} of {queue.name} does not exist"):
            await doing


@pytest.mark.parametrize("kind", DAMAGED)
async def test_a_damaged_job_is_shown_with_the_reason_and_spoils_no_page(
    queue: Queue, redis: Redis, kind: str, allowed_breaks: set[str]
) -> None:
    await queue.add_bulk([JobSpec("good"), JobSpec("bad"), JobSpec("good")])
    await redis.hset(f"bull:{queue.name}:2", mapping=DAMAGED[kind])  # pyright: ignore

    jobs = await queue.jobs("waiting")
    assert [job.id for job in jobs] == ["1", "2", "3"]
    bad = jobs[1]
    assert isinstance(bad, DamagedJob)
    [field] = DAMAGED[kind]
    assert f"field {field!r} can't be read" in bad.reason
    assert isinstance(await queue.job("2"), DamagedJob)
    assert [job.id async for job in queue.iter_jobs("waiting")] == ["1", "2", "3"]


async def test_a_key_of_another_type_is_a_damaged_job(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.update({"I3", "I34"})
    await queue.add("x")
    await redis.delete(f"bull:{queue.name}:1")
    await redis.set(f"bull:{queue.name}:1", "text")
    job = await queue.job("1")
    assert isinstance(job, DamagedJob)
    assert "of type string" in job.reason


async def test_an_id_without_a_job_is_left_out(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.add("I3")
    await queue.add_bulk([JobSpec("a"), JobSpec("b")])
    await redis.delete(f"bull:{queue.name}:1")
    assert [job.id for job in await queue.jobs("waiting")] == ["2"]


async def test_ranges_count_from_the_next_to_run(queue: Queue) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(10)])
    assert [job.id for job in await queue.jobs("waiting", start=2, end=4)] == ["3", "4", "5"]
    assert [job.id for job in await queue.jobs("waiting", end=1, ascending=False)] == ["10", "9"]


async def test_iterating_goes_through_any_number(queue: Queue) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(250)])
    await queue.add_bulk([JobSpec("x", delay=9) for _ in range(120)])
    seen = [job.id async for job in queue.iter_jobs()]
    assert sorted(map(int, seen)) == list(range(1, 371))


async def test_counts_tell_of_a_paused_queue(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.add("I22")
    await queue.add("x")
    await redis.hset(f"bull:{queue.name}:meta", "paused", "1")  # pyright: ignore
    counts = await queue.counts()
    assert (counts["waiting"], counts["paused"]) == (1, 1)
    assert await queue.counts("wait") == {"waiting": 1}


async def test_an_unknown_state_is_refused_by_name(queue: Queue) -> None:
    with pytest.raises(OptionsError, match="'done'"):
        await queue.jobs("done")
