"""Alerts: one for each job that has failed for good, whoever failed it and however many workers there are."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from conftest import Alerts, Register, RunWorkers
from endpoint import Endpoint, Request
from oxcart import Queue, Worker
from programs import hold_and_die
from waiting import wait_until

from taskmanager import worker
from taskmanager.queues import Queues
from taskmanager.settings import Settings
from taskmanager.worker import alert_worker, email_worker

NOBODY = "00000000-0000-0000-0000-000000000000"


async def add_failing(queue: Queue, **options: Any) -> str:
    """A welcome for nobody, which fails for good at once; its id."""
    return (await queue.add("welcome", {"userId": NOBODY}, **options)).id


async def nothing_to_tell(settings: Settings) -> None:
    """Wait until all alerts are told."""
    async with Queue("alerts", connection=settings.redis_url) as queue:

        async def told() -> bool:
            return await queue.count() + (await queue.counts("active"))["active"] == 0

        await wait_until(told)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a log watcher wakes somebody for."""
    return [line for line in caplog.messages if line.startswith("ALERT")]


async def test_of_many_workers_one_alerts(
    queue: Queue, run_workers: RunWorkers, hook: Endpoint, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await run_workers(*[email_worker, alert_worker] * 3)
    ids = [await add_failing(queue) for _ in range(5)]

    await wait_until(lambda: len(hook.requests) >= 5)
    # A sixth failure is told after all that the first five could still cause.
    ids.append(await add_failing(queue))
    await wait_until(lambda: len(hook.requests) >= 6)
    await nothing_to_tell(settings)
    assert sorted(alert.json()["jobId"] for alert in hook.requests) == sorted(ids)
    assert len(lines(caplog)) == 6
    told = hook.requests[0].json()
    assert (told["queue"], told["name"], told["attempts"]) == ("email", "welcome", 1)
    assert told["reason"] == f"user {NOBODY} does not exist any more"
    assert f"id={told['jobId']}" in caplog.text
    assert len({alert.headers["idempotency-key"] for alert in hook.requests}) == 6


async def test_a_webhook_that_is_down_is_called_again_and_the_line_is_not_repeated(
    queue: Queue, run_workers: RunWorkers, hook: Endpoint, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def busy_at_first(request: Request) -> str:
        return "503 Busy" if len(hook.requests) < 2 else "204 No Content"

    hook.answer = busy_at_first
    await run_workers(email_worker, alert_worker)
    await add_failing(queue)

    await wait_until(lambda: len(hook.requests) >= 2)
    await nothing_to_tell(settings)
    assert len(hook.requests) == 2 and len(lines(caplog)) == 1
    assert hook.requests[0].headers["idempotency-key"] == hook.requests[1].headers["idempotency-key"]


async def test_nothing_says_where_alerts_are_posted_to(
    queue: Queue, run_workers: RunWorkers, hook: Endpoint, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def lost_at_first(request: Request) -> str:
        return "404 Not Found" if len(hook.requests) < 2 else "204 No Content"

    hook.answer = lost_at_first
    await run_workers(email_worker, alert_worker)
    await add_failing(queue)

    await wait_until(lambda: len(hook.requests) >= 2)
    await nothing_to_tell(settings)
    assert "the webhook answered 404" in caplog.text
    assert "/alerts" not in caplog.text and "/alerts" not in repr(settings)


async def test_what_is_tried_again_alerts_nobody(
    queue: Queue, register: Register, run_workers: RunWorkers, hook: Endpoint, settings: Settings
) -> None:
    settings.smtp_port = 1  # nobody is there
    job_id = (await register())["job"]["id"]
    await run_workers(email_worker, alert_worker)
    await wait_until(lambda: is_in(queue, job_id, "delayed"))
    failing = await add_failing(queue)

    await wait_until(lambda: hook.requests)
    assert [alert.json()["jobId"] for alert in hook.requests] == [failing]


async def test_what_failed_while_nobody_watched_is_told_later_and_once(
    queue: Queue, run_workers: RunWorkers, hook: Endpoint, settings: Settings
) -> None:
    [mails] = await run_workers(email_worker)
    first = await add_failing(queue)
    await wait_until(lambda: is_in(queue, first, "failed"))
    await mails.close()
    assert hook.requests == []

    [watching] = await run_workers(alert_worker)
    await wait_until(lambda: hook.requests)
    await watching.close()
    await run_workers(alert_worker, email_worker)  # it begins before that failure, too
    second = await add_failing(queue)
    await wait_until(lambda: len(hook.requests) >= 2)
    await nothing_to_tell(settings)
    assert [alert.json()["jobId"] for alert in hook.requests] == [first, second]


async def test_a_job_that_fails_again_after_it_was_retried_by_hand_is_told_again(
    queue: Queue, run_workers: RunWorkers, hook: Endpoint
) -> None:
    await run_workers(email_worker, alert_worker)
    job_id = await add_failing(queue)
    await wait_until(lambda: len(hook.requests) == 1)
    job = await queue.job(job_id)
    assert job is not None
    await job.retry()
    await wait_until(lambda: len(hook.requests) == 2)
    assert {alert.json()["jobId"] for alert in hook.requests} == {job_id}


async def is_in(queue: Queue, job_id: str, state: str) -> bool:
    return await queue.state(job_id) == state


async def test_a_job_that_no_worker_runs_any_more_is_told_too(
    queue: Queue,
    queues: Queues,
    run_workers: RunWorkers,
    alerts: Alerts,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = await queue.add("welcome", {"userId": NOBODY})
    await hold_and_die(settings.redis_url)

    # Its worker is gone. The next one finds it lost too often, and fails it without running it.
    impatient = partial(Worker, stalled_interval=0.3, max_stalled_count=0)
    monkeypatch.setattr(worker, "Worker", impatient)
    await run_workers(email_worker, alert_worker)
    [(job_id, reason)] = await wait_until(alerts)
    assert job_id == job.id and "stalled" in reason
