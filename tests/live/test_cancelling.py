"""Cancelling a running job from elsewhere: its worker hears of it when it renews the lock."""

from __future__ import annotations

import asyncio
import time

import pytest
from click.testing import CliRunner
from redis.asyncio import Redis

from oxcart import InvalidState, Job, JobLocked, JobNotFound, Queue
from oxcart.cli.main import cli
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.hands import Hands


async def test_a_running_job_is_cancelled_from_elsewhere(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def hang(job: Job) -> None:
        await asyncio.sleep(60)

    job = await queue.add("x", attempts=5)
    await run_worker(hang, lock_duration=2)
    await wait_until(lambda: _is(queue, job.id, "active"))
    seconds = await queue.cancel_job(job.id, "the customer has called")
    assert 0 < seconds <= 0.5
    await wait_until(lambda: _is(queue, job.id, "failed"))
    found = await queue.job(job.id)
    assert found is not None and found.failed_reason == "cancelled: the customer has called"
    assert await redis.pttl(f"{queue.keys.own}cancel:{job.id}") > 0
    assert await redis.pttl(queue.keys.cancels) > 0


async def _is(queue: Queue, job_id: str, state: str) -> bool:
    return await queue.state(job_id) == state


async def test_a_plain_function_is_told_once_and_may_tidy(queue: Queue, run_worker: RunWorker) -> None:
    tidied: list[str] = []

    async def tidy(job: Job) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1.2)  # longer than it takes to renew: a second cancellation would end it
            tidied.append(job.id)

    job = await queue.add("x")
    await run_worker(tidy, lock_duration=2)
    await wait_until(lambda: _is(queue, job.id, "active"))
    await queue.cancel_job(job.id)
    await wait_until(lambda: _is(queue, job.id, "failed"))
    assert tidied == [job.id]


async def test_a_function_in_a_thread_can_look_whether_it_is_cancelled(queue: Queue, run_worker: RunWorker) -> None:
    def work(job: Job) -> None:
        while not job.cancelled:
            time.sleep(0.01)

    job = await queue.add("x")
    await run_worker(work, lock_duration=2)
    await wait_until(lambda: _is(queue, job.id, "active"))
    await queue.cancel_job(job.id)
    await wait_until(lambda: _is(queue, job.id, "failed"))


async def test_a_request_holds_for_the_attempt_that_runs_and_for_no_later_one(
    queue: Queue, run_worker: RunWorker
) -> None:
    async def process(job: Job) -> None:
        await asyncio.sleep(1.2 if job.attempts_started > 1 else 60)

    job = await queue.add("x")
    await run_worker(process, lock_duration=2)
    await wait_until(lambda: _is(queue, job.id, "active"))
    await queue.cancel_job(job.id)
    await wait_until(lambda: _is(queue, job.id, "failed"))
    found = await queue.job(job.id)
    assert found is not None
    await found.retry()
    await wait_until(lambda: _is(queue, job.id, "completed"))


async def test_what_nobody_runs_can_t_be_cancelled(queue: Queue, hands: Hands) -> None:
    with pytest.raises(JobNotFound):
        await queue.cancel_job("nobody")
    job = await queue.add("x")
    with pytest.raises(InvalidState):
        await queue.cancel_job(job.id)
    hands.take()
    with pytest.raises(JobLocked, match="not one of Oxcart's"):
        await queue.cancel_job(job.id)
    hands.complete(job.id)


async def test_a_worker_whose_rights_end_at_its_queue_keeps_its_locks(
    queue: Queue, run_worker: RunWorker, redis: Redis, redis_server: RedisServer
) -> None:
    async def slow(job: Job) -> None:
        await asyncio.sleep(3)

    rights = ["~bull:*", "+@all"]
    await redis.execute_command("ACL", "SETUSER", "narrow", "reset", "on", ">pw", *rights)  # pyright: ignore
    try:
        job = await queue.add("x")
        await run_worker(
            slow, lock_duration=2, connection=f"unix://narrow:pw@{redis_server.socket}", recorder=True, version="1"
        )
        await wait_until(lambda: _is(queue, job.id, "active"))
        await queue.cancel_job(job.id)
        await wait_until(lambda: _is(queue, job.id, "completed"))
    finally:
        await redis.execute_command("ACL", "DELUSER", "narrow")  # pyright: ignore


async def test_the_command_line_cancels_too(queue: Queue, run_worker: RunWorker, redis_server: RedisServer) -> None:
    async def hang(job: Job) -> None:
        await asyncio.sleep(60)

    job = await queue.add("x")
    await run_worker(hang, lock_duration=2)
    await wait_until(lambda: _is(queue, job.id, "active"))
    words = ["cancel", queue.name, job.id, "--reason", "no need", "--redis", redis_server.url]
    result = await asyncio.to_thread(CliRunner().invoke, cli, words)
    assert result.exit_code == 0 and "within" in result.output
    await wait_until(lambda: _is(queue, job.id, "failed"))
