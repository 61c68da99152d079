"""What a worker says in the log: where it works, which attempts failed and why, and what follows."""

from __future__ import annotations

import asyncio
import logging

import pytest

from oxcart import Backoff, Connection, Job, JobSpec, Queue, Unrecoverable, Worker
from oxcart.worker.eviction import EvictionCheck
from tests.conftest import RedisServer, RunWorker, wait_until


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "oxcart.worker")
    return caplog


def lines(said: pytest.LogCaptureFixture, word: str) -> list[tuple[str, str]]:
    return [(record.levelname, text) for record in said.records if word in (text := record.getMessage())]


async def fail(job: Job) -> None:
    if job.name == "doomed":
        raise Unrecoverable("user u1 has been deleted")
    raise ValueError("no such\nuser \x1b[31m" + "x" * 500)


async def test_a_worker_names_its_queue_its_server_and_its_slots(
    queue: Queue, run_worker: RunWorker, said: pytest.LogCaptureFixture
) -> None:
    url = "redis://ada:engine-1843@127.0.0.1:1"
    await run_worker(fail, concurrency=5, connection=url)
    await wait_until(lambda: lines(said, "up to"))
    text = f"{queue.name}: working, up to 5 jobs at once, with Redis at redis://ada:***@127.0.0.1:1"
    assert lines(said, "up to") == [("INFO", text)]
    assert "engine-1843" not in said.text


async def test_a_server_that_would_throw_jobs_away_is_told_at_the_start(
    fragile_server: RedisServer, said: pytest.LogCaptureFixture
) -> None:
    async with Connection(fragile_server.url) as connection:
        await EvictionCheck(connection, "the worker").run()
        assert not lines(said, "maxmemory-policy")  # of a server that is as it should be, nothing
        await connection.transport.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        worker = Worker("q", fail, connection=connection)
        running = asyncio.create_task(worker.run())
        await wait_until(lambda: lines(said, "maxmemory-policy is allkeys-lru: when its memory is full"))
        await worker.close()
        await running
        assert len(lines(said, "maxmemory-policy")) == 1


async def test_a_server_that_does_not_tell_its_policy_is_not_complained_of(
    fragile_server: RedisServer, said: pytest.LogCaptureFixture
) -> None:
    async with Connection(fragile_server.url) as admin:
        await admin.transport.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        await admin.transport.execute("ACL", "SETUSER", "ada", "on", ">xyzzy", "+@all", "-info", "~*")
    async with Connection(fragile_server.url.replace("unix://", "unix://ada:xyzzy@")) as connection:
        await EvictionCheck(connection, "the worker").run()
    assert not said.records


async def test_each_failed_attempt_is_a_line_that_says_why_and_what_follows(
    queue: Queue, run_worker: RunWorker, said: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    worker = await run_worker(fail)
    worker.on("failed")(lambda job, error: told.append(f"{job.attempts_made} {error}"))
    job = await queue.add("welcome", attempts=3, backoff=Backoff.fixed(0.01))
    await wait_until(lambda: len(told) == len(lines(said, "welcome")) == 3)
    found = lines(said, "welcome")
    reason = f"ValueError: no such user [31m{'x' * 183}…"
    start = f"{queue.name}: job {job.id} (welcome), attempt"
    assert found == [
        ("INFO", f"{start} 1 of 3: {reason}; retried in 0.01 s"),
        ("INFO", f"{start} 2 of 3: {reason}; retried in 0.01 s"),
        ("WARNING", f"{start} 3 of 3: {reason}; failed for good"),
    ]


async def test_a_retry_at_once_and_an_end_before_the_last_attempt_are_told_as_such(
    queue: Queue, run_worker: RunWorker, said: pytest.LogCaptureFixture
) -> None:
    await run_worker(fail)
    await queue.add("at-once", attempts=2)
    await queue.add("doomed", attempts=5)
    await wait_until(lambda: len(lines(said, "failed for good")) == 2)
    [(_, first), _] = lines(said, "at-once")
    assert first.endswith("; retried at once")
    [(level, text)] = lines(said, "doomed")
    assert level == "WARNING"
    assert text.endswith(", attempt 1 of 5: Unrecoverable: user u1 has been deleted; failed for good")


async def test_a_completed_job_and_a_stack_trace_are_told_only_for_debugging(
    queue: Queue, run_worker: RunWorker, said: pytest.LogCaptureFixture
) -> None:
    async def work(job: Job) -> None:
        if job.name == "bad":
            raise KeyError("missing")

    worker = await run_worker(work)
    await queue.add_bulk([JobSpec("good"), JobSpec("bad")])
    await wait_until(lambda: lines(said, "failed for good"))
    await worker.close()
    assert not lines(said, "good)") and not lines(said, "Traceback")
    said.set_level(logging.DEBUG, "oxcart.worker")
    await run_worker(work)
    await queue.add_bulk([JobSpec("good"), JobSpec("bad")])
    await wait_until(lambda: len(lines(said, "failed for good")) == 2)
    await wait_until(lambda: lines(said, "Traceback"))
    await wait_until(lambda: lines(said, "completed after"))
