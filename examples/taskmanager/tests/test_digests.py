"""The daily digest: when it comes, who gets it, and what becomes of the rest if one can't be sent."""

from __future__ import annotations

from datetime import date, timedelta
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from conftest import Alerts, Register, RunWorker
from oxcart import Backoff, ConnectionFailed, Job, Queue, Scheduler
from waiting import wait_until

from taskmanager.contract import DIGEST_BATCH
from taskmanager.demo.inbox import Inbox
from taskmanager.jobs import digests
from taskmanager.queues import Queues

SUBJECT = "Your daily task summary"
LONG_AGO, SOON = (str(date.today() + timedelta(days=days)) for days in (-2, 2))


async def assign(api: httpx.AsyncClient, title: str, user: dict[str, Any], due_on: str | None = None) -> None:
    """Give a user a task."""
    task = (await api.post("/tasks", json={"title": title, "dueOn": due_on})).json()
    assert (await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": user["id"]})).status_code == 200


async def promoted(queue: Queue) -> Job:
    """The next batch, which is let go now."""
    scheduler = await wait_until(lambda: queue.scheduler(DIGEST_BATCH))
    batch = await queue.job(scheduler.next_job_id)
    assert batch is not None
    await batch.promote()
    return batch


async def summary_of(queue: Queue, batch: Job) -> dict[str, int]:
    """What the digests of a batch came to, when all of them are done."""
    summary = await queue.job((await batch.result(20))["summary"])
    assert summary is not None
    for digest in await summary.children():
        if await digest.state() == "delayed":  # it waits for ten minutes otherwise
            await digest.promote()
    return await summary.result(20)


async def all_done(queue: Queue) -> bool:
    """Whether nothing is left to be done today."""
    counts = await queue.counts("waiting", "prioritized", "active", "waiting-children")
    return not any(counts.values())


def receivers(inbox: Inbox) -> list[str]:
    """Who got a digest, once for each that they got."""
    return sorted(mail["To"].addresses[0].addr_spec for mail in inbox.mails if mail["Subject"] == SUBJECT)


@pytest.fixture
async def users(api: httpx.AsyncClient, register: Register) -> dict[str, dict[str, Any]]:
    """Ada and Grace have a task, Mary has none."""
    users = {name: await register(name=name, email=f"{name.lower()}@example.com") for name in ("Ada", "Grace", "Mary")}
    for name in ("Ada", "Grace"):
        await assign(api, f"Something for {name}", users[name])
    return users


async def test_there_is_one_scheduler_however_often_workers_start(
    queue: Queue, run_worker: RunWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    seen: list[list[Scheduler]] = []
    for start in (1, 2):
        worker = await run_worker()
        await wait_until(
            lambda start=start: sum("Worker ready queue=email" in line for line in caplog.messages) == start
        )
        await worker.close()  # it ends what it began first
        seen.append(await queue.schedulers())

    [scheduler] = seen[0]
    assert seen[1] == [scheduler]
    assert (scheduler.id, scheduler.name, scheduler.cron, scheduler.tz) == (
        DIGEST_BATCH,
        DIGEST_BATCH,
        "0 8 * * *",
        "UTC",
    )
    assert scheduler.next is not None and (scheduler.next.hour, scheduler.next.minute) == (8, 0)
    assert await queue.counts("delayed") == {"delayed": 1}


async def test_a_worker_that_starts_before_redis_makes_the_scheduler_later(
    queue: Queue, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule, times = Queues.schedule_digests, 0

    async def away_at_first(queues: Queues) -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise ConnectionFailed("not there yet")
        await schedule(queues)

    monkeypatch.setattr(Queues, "schedule_digests", away_at_first)
    await run_worker()

    assert await wait_until(lambda: queue.scheduler(DIGEST_BATCH))


async def test_digests_wait_for_ten_minutes_and_let_other_mails_go_first(
    queue: Queue, users: dict[str, Any], run_worker: RunWorker
) -> None:
    await run_worker()
    batch = await promoted(queue)
    summary = await queue.job((await batch.result(20))["summary"])
    assert summary is not None
    waiting = await summary.children()
    assert len(waiting) == 3
    assert {(job.name, job.delay, job.priority, str(await job.state())) for job in waiting} == {
        ("daily-digest", 600, 5, "delayed")
    }


async def test_everybody_with_something_to_do_gets_one_mail(
    queue: Queue, inbox: Inbox, users: dict[str, Any], run_worker: RunWorker
) -> None:
    await run_worker()
    batch = await promoted(queue)

    assert await summary_of(queue, batch) == {"sent": 2, "skipped": 1, "failed": 0}
    assert receivers(inbox) == ["ada@example.com", "grace@example.com"]
    # The next batch waits already, and is for the day after.
    scheduler = await queue.scheduler(DIGEST_BATCH)
    assert scheduler is not None and scheduler.next is not None
    assert (await batch.result())["summary"] == f"digest-{scheduler.next.date() - timedelta(days=1)}"


async def test_who_wants_no_digest_gets_none(
    api: httpx.AsyncClient, queue: Queue, inbox: Inbox, users: dict[str, Any], run_worker: RunWorker
) -> None:
    body = {"name": "Alan", "email": "alan@example.com", "password": "enigma-1942", "wantsDigest": False}
    alan = (await api.post("/auth/register", json=body)).json()
    await assign(api, "Something for Alan", alan)
    await run_worker()

    assert await summary_of(queue, await promoted(queue)) == {"sent": 2, "skipped": 1, "failed": 0}
    assert receivers(inbox) == ["ada@example.com", "grace@example.com"]


async def test_one_mailbox_that_is_gone_does_not_spoil_the_rest(
    queue: Queue, inbox: Inbox, users: dict[str, Any], run_worker: RunWorker, alerts: Alerts
) -> None:
    def refuse(mail: EmailMessage) -> str | None:
        return "550 5.1.1 no such mailbox" if mail["Subject"] == SUBJECT and "ada@" in mail["To"] else None

    inbox.refuse = refuse
    await run_worker()

    assert await summary_of(queue, await promoted(queue)) == {"sent": 1, "skipped": 1, "failed": 1}
    assert receivers(inbox) == ["grace@example.com"]
    [(job_id, reason)] = await wait_until(alerts)
    assert job_id.endswith(users["Ada"]["id"]) and "550" in reason


@pytest.mark.parametrize("dying", ["add_digests", "fan_out"])
async def test_a_batch_that_dies_sends_nothing_twice(
    queue: Queue,
    inbox: Inbox,
    users: dict[str, Any],
    run_worker: RunWorker,
    monkeypatch: pytest.MonkeyPatch,
    dying: str,
) -> None:
    function, times = getattr(digests, dying), 0

    async def do_and_die(*args: Any, **options: Any) -> digests.Batch:
        nonlocal times
        times += 1
        done = await function(*args, **options)
        if times == 1:
            raise ConnectionError("dies once, with everything done and nothing stored")
        return done

    monkeypatch.setattr(digests, dying, do_and_die)
    await run_worker()
    batch = await queue.add(DIGEST_BATCH, backoff=Backoff.fixed(0.01))

    assert await summary_of(queue, batch) == {"sent": 2, "skipped": 1, "failed": 0}
    await wait_until(lambda: all_done(queue))
    assert times == 2
    assert receivers(inbox) == ["ada@example.com", "grace@example.com"]


async def test_a_batch_that_is_run_again_by_hand_sends_nothing_twice(
    queue: Queue, inbox: Inbox, users: dict[str, Any], run_worker: RunWorker
) -> None:
    await run_worker()
    batch = await promoted(queue)
    await summary_of(queue, batch)

    await batch.refresh()
    await batch.retry()
    await wait_until(lambda: all_done(queue))

    await batch.refresh()
    assert batch.attempts_made == 2
    assert receivers(inbox) == ["ada@example.com", "grace@example.com"]


async def test_what_is_overdue_comes_first(
    api: httpx.AsyncClient, inbox: Inbox, queue: Queue, register: Register, run_worker: RunWorker
) -> None:
    user = await register()
    for title, due_on in (("Third", None), ("Second", SOON), ("<First>", LONG_AGO)):
        await assign(api, title, user, due_on)
    await run_worker()

    assert await summary_of(queue, await promoted(queue)) == {"sent": 1, "skipped": 0, "failed": 0}
    [mail] = [mail for mail in inbox.mails if mail["Subject"] == SUBJECT]
    for form, first in (("plain", "<First>"), ("html", "&lt;First&gt;")):
        body = mail.get_body((form,))
        assert body is not None
        text = body.get_content()
        places = [text.index(part) for part in ("Overdue:", first, LONG_AGO, "Second", SOON, "Third")]
        assert places == sorted(places), text
