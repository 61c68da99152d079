"""The mails: what arrives, and what happens if it can't."""

from __future__ import annotations

import asyncio
import sys
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import httpx
import pytest
from conftest import Alerts, Register, RunWorker
from fastapi import FastAPI
from oxcart import Backoff, Queue
from pydantic import SecretStr
from waiting import wait_until

from taskmanager.demo.inbox import Inbox
from taskmanager.jobs.emails import KINDS, templates
from taskmanager.mailer import Letter, Mailer
from taskmanager.make_admin import make_admin
from taskmanager.models import User
from taskmanager.settings import Settings

BUSY = "451 4.3.0 try again later"
GONE = "550 5.1.1 no such mailbox"


def refuse_for_now(mail: EmailMessage) -> str:
    """As a busy mail server does."""
    return BUSY


def refuse_for_good(mail: EmailMessage) -> str:
    """As a mail server does that doesn't know the receiver."""
    return GONE


def part(mail: EmailMessage, kind: str) -> str:
    """A mail's text (`plain`) or its page (`html`)."""
    body = mail.get_body((kind,))
    assert body is not None
    return body.get_content()


async def state_of(queue: Queue, job_id: str, *states: str) -> str | None:
    """The job's state if it is one of these."""
    state = await queue.state(job_id)
    return state if state in states else None


async def test_a_new_user_is_welcomed(
    api: httpx.AsyncClient,
    inbox: Inbox,
    register: Register,
    run_worker: RunWorker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    await run_worker()
    link = (await register(name="Ada Lovelace"))["job"]

    async def finished() -> dict[str, Any] | None:
        job = (await api.get(f"/jobs/email/{link['id']}")).json()
        return job if job["state"] == "completed" else None

    job = await wait_until(finished)
    [mail] = inbox.mails
    assert mail["From"].addresses[0].display_name == "Task Manager"
    assert mail["From"].addresses[0].addr_spec == "noreply@taskmanager.io"
    assert str(mail["To"]) == "Ada Lovelace <ada@example.com>"
    assert mail["Subject"] == "Welcome to Task Manager!"
    for kind in ("plain", "html"):
        assert "https://tasks.example.com/auth/login" in part(mail, kind)
    assert job["returnValue"] == {"messageId": mail["Message-ID"]}
    assert (job["attemptsMade"], job["failedReason"]) == (1, None)
    assert f"Job active queue=email id={link['id']} name='welcome'" in caplog.text
    assert f"Email sent id={link['id']} messageId={mail['Message-ID']}" in caplog.text


async def test_the_sender_is_written_as_agreed(inbox: Inbox, register: Register, run_worker: RunWorker) -> None:
    await run_worker()
    await register()
    [mail] = await wait_until(lambda: inbox.mails)

    assert b'From: "Task Manager" <noreply@taskmanager.io>' in bytes(mail)


async def test_the_new_owner_of_a_task_is_told_what_it_says_now(
    api: httpx.AsyncClient, inbox: Inbox, register: Register, run_worker: RunWorker
) -> None:
    user = await register()
    task = (await api.post("/tasks", json={"title": "Write <it> down", "description": "All & more"})).json()
    await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": user["id"]})
    await run_worker()

    await wait_until(lambda: len(inbox.mails) == 2)
    [mail] = [mail for mail in inbox.mails if mail["Subject"] == "A task has been assigned to you"]
    assert "Write <it> down" in part(mail, "plain")
    assert "Write &lt;it&gt; down" in part(mail, "html") and "All &amp; more" in part(mail, "html")


async def test_a_task_that_went_to_somebody_else_meanwhile_needs_no_mail(
    api: httpx.AsyncClient, queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, alerts: Alerts
) -> None:
    ada, grace = await register(email="ada@example.com"), await register(email="grace@example.com")
    task = (await api.post("/tasks", json={"title": "Write it down"})).json()
    first = (await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": ada["id"]})).json()["job"]["id"]
    await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": grace["id"]})
    await run_worker()

    await wait_until(lambda: len(inbox.mails) == 3)
    await wait_until(lambda: state_of(queue, first, "completed"))
    job = await queue.job(first)
    assert job is not None and job.return_value["messageId"] is None
    assert "somebody else" in job.return_value["skipped"]
    assert alerts() == []


async def test_a_digest_lists_what_is_to_be_done(
    api: httpx.AsyncClient, queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker
) -> None:
    user = await register()
    task = (await api.post("/tasks", json={"title": "Water the plants"})).json()
    await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": user["id"]})
    await queue.add("daily-digest", {"userId": user["id"]})
    await run_worker()

    await wait_until(lambda: len(inbox.mails) == 3)
    [mail] = [mail for mail in inbox.mails if mail["Subject"] == "Your daily task summary"]
    assert "- Water the plants" in part(mail, "plain") and "<li>Water the plants</li>" in part(mail, "html")


async def test_names_are_escaped_in_pages(inbox: Inbox, register: Register, run_worker: RunWorker) -> None:
    await register(name='<img src=x onerror=alert(1)> & "Co" {{ 7 * 7 }}')
    await run_worker()

    [mail] = await wait_until(lambda: inbox.mails)
    page = part(mail, "html")
    assert "<img" not in page and "&lt;img src=x onerror=alert(1)&gt; &amp;" in page
    assert "{{ 7 * 7 }}" in page


# -------------------------------------------------------------------------------------------------- retries


async def test_a_mail_that_is_refused_for_now_is_sent_again_two_seconds_later(
    queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, alerts: Alerts
) -> None:
    attempts: list[tuple[float, str]] = []

    def refuse_first(mail: EmailMessage) -> str | None:
        attempts.append((asyncio.get_running_loop().time(), mail["Message-ID"]))
        return BUSY if len(attempts) == 1 else None

    inbox.refuse = refuse_first
    await run_worker()
    job_id = (await register())["job"]["id"]

    await wait_until(lambda: state_of(queue, job_id, "delayed"))
    waiting = await queue.job(job_id)
    assert waiting is not None and waiting.delay == 2
    assert waiting.failed_reason == "the mail server refused it for now: 451 4.3.0 try again later"
    await wait_until(lambda: state_of(queue, job_id, "completed"))
    (first, one_id), (second, other_id) = attempts
    assert 1.9 < second - first < 15
    # The same mail, so that its receiver can tell if both have got through after all.
    assert one_id == other_id == inbox.mails[0]["Message-ID"]
    assert alerts() == []


async def test_one_alert_is_given_when_the_attempts_are_exhausted(
    queue: Queue,
    inbox: Inbox,
    register: Register,
    run_worker: RunWorker,
    alerts: Alerts,
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox.refuse = refuse_for_now
    user = await register()
    job = await queue.add("welcome", {"userId": user["id"]}, backoff=Backoff.fixed(0.01))
    await run_worker()

    await wait_until(lambda: state_of(queue, job.id, "failed"))
    await wait_until(alerts)
    assert alerts() == [(job.id, "the mail server refused it for now: 451 4.3.0 try again later")]

    def logged() -> list[str]:
        begin = f"Job failed queue=email id={job.id} name='welcome'"
        return [line.split("attempts=")[1].split()[0] for line in caplog.messages if line.startswith(begin)]

    await wait_until(lambda: len(logged()) >= 3)
    assert logged() == ["1/3", "2/3", "3/3"]


async def test_a_mail_server_that_is_away_is_tried_again(
    queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, settings: Settings
) -> None:
    job_id = (await register())["job"]["id"]
    port, settings.smtp_port = settings.smtp_port, 1
    await run_worker()

    await wait_until(lambda: state_of(queue, job_id, "delayed"))
    settings.smtp_port = port
    await wait_until(lambda: state_of(queue, job_id, "completed"))
    assert len(inbox.mails) == 1


# ------------------------------------------------------------------------------------- what can't be helped


async def test_a_mail_that_is_refused_for_good_is_not_tried_again(
    queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, alerts: Alerts
) -> None:
    inbox.refuse = refuse_for_good
    await run_worker()
    job_id = (await register())["job"]["id"]

    await wait_until(lambda: state_of(queue, job_id, "failed"))
    await wait_until(alerts)
    assert inbox.refused == 1
    assert alerts() == [(job_id, "the mail server refused it for good: 550 5.1.1 no such mailbox")]


async def test_the_welcome_of_a_user_who_is_gone_fails_for_good(
    app: FastAPI, api: httpx.AsyncClient, queue: Queue, register: Register, run_worker: RunWorker, alerts: Alerts
) -> None:
    user = await register()
    async with app.state.database.sessions() as session:
        await session.delete(await session.get(User, user["id"]))
        await session.commit()
    await run_worker()

    await wait_until(lambda: state_of(queue, user["job"]["id"], "failed"))
    await register(email="grace@example.com")  # somebody who may look
    assert await make_admin(app.state.database, "grace@example.com")
    job = (await api.get(f"/jobs/email/{user['job']['id']}")).json()
    assert job["failedReason"] == f"user {user['id']} does not exist any more"
    assert job["attemptsMade"] == 1
    assert len(await wait_until(alerts)) == 1


@pytest.mark.parametrize("data", [None, [], "text", {}, {"userId": 7}, {"userId": {"$ne": 0}}, {"userId": ""}])
async def test_a_job_that_names_no_user_fails_for_good(queue: Queue, run_worker: RunWorker, data: Any) -> None:
    job = await queue.add("welcome", data)
    await run_worker()

    await wait_until(lambda: state_of(queue, job.id, "failed"))
    await job.refresh()
    assert job.failed_reason == f"job {job.id} ('welcome') carries no userId"
    assert job.attempts_made == 1


async def test_a_kind_without_a_template_fails_for_good(
    queue: Queue, register: Register, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "welcome", KINDS["welcome"].__class__("Hi", "lost", KINDS["welcome"].facts))
    job_id = (await register())["job"]["id"]
    await run_worker()

    await wait_until(lambda: state_of(queue, job_id, "failed"))
    job = await queue.job(job_id)
    assert job is not None and job.failed_reason == "the mail for 'welcome' has no template 'lost.txt'"
    assert job.attempts_made == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "newsletter", "welcome.html", "layout"])
async def test_the_name_of_a_job_never_becomes_a_path(
    queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, name: str
) -> None:
    opened: list[str] = []
    listening = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event == "open":
            opened.append(str(arguments[0]))

    user = await register()
    sys.addaudithook(hear)  # can't be taken back, so it stops listening
    await queue.add(name, {"userId": user["id"]})
    await run_worker()
    await wait_until(lambda: len(inbox.mails) == 2)
    listening = False

    assert not [path for path in opened if "passwd" in path]
    assert {mail["Subject"] for mail in inbox.mails} == {"Welcome to Task Manager!", "Notification from Task Manager"}


# ------------------------------------------------------------------------------------------------- the rest


async def test_the_worker_sends_five_mails_at_once(
    queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker
) -> None:
    let_go = asyncio.Event()
    at_once = 0

    async def hold() -> None:
        nonlocal at_once
        at_once += 1
        await let_go.wait()

    inbox.before_answer = hold
    for number in range(6):
        await register(email=f"user{number}@example.com")
    await run_worker()

    await wait_until(lambda: at_once >= 5)
    assert await queue.counts("active", "prioritized") == {"active": 5, "prioritized": 1}
    let_go.set()
    await wait_until(lambda: len(inbox.mails) == 6)


@pytest.mark.parametrize(
    ("host", "port", "user", "expected"),
    [
        ("mail.example.com", 587, "", {"username": None, "password": None, "use_tls": False, "start_tls": None}),
        ("mail.example.com", 587, "me", {"username": "me", "password": "pw", "use_tls": False, "start_tls": True}),
        ("localhost", 1025, "me", {"username": "me", "password": "pw", "use_tls": False, "start_tls": None}),
        ("mail.example.com", 465, "me", {"username": "me", "password": "pw", "use_tls": True, "start_tls": False}),
    ],
)
async def test_it_logs_in_only_with_a_user_and_never_in_clear_over_a_network(
    monkeypatch: pytest.MonkeyPatch, host: str, port: int, user: str, expected: dict[str, Any]
) -> None:
    seen: dict[str, Any] = {}

    async def send(message: EmailMessage, **options: Any) -> None:
        seen.update(options)

    monkeypatch.setattr(aiosmtplib, "send", send)
    settings = Settings(smtp_host=host, smtp_port=port, smtp_user=user, smtp_pass=SecretStr("pw"))
    await Mailer(settings).send(Letter("Ada", "ada@example.com", "Hi", "Hi", "<p>Hi</p>"), "<1@taskmanager.io>")

    assert {name: seen[name] for name in expected} == expected


def test_every_kind_of_mail_has_both_templates() -> None:
    for kind in KINDS.values():
        for form in ("txt", "html"):
            assert templates.get_template(f"{kind.template}.{form}")
