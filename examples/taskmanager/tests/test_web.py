"""The routes: what they answer, what they store, which jobs they add."""

from __future__ import annotations

import asyncio
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import BASE, Register, RunWorker
from fastapi import FastAPI
from oxcart import Queue
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from waiting import wait_until

from taskmanager.app import create_app
from taskmanager.db import Database, with_async_driver
from taskmanager.demo.inbox import Inbox
from taskmanager.make_admin import make_admin
from taskmanager.models import User
from taskmanager.settings import Settings


async def test_registering_adds_one_welcome_job_that_carries_the_users_id_only(
    queue: Queue, register: Register
) -> None:
    user = await register()

    [job] = await queue.jobs()
    assert (job.id, job.name, job.priority) == (user["job"]["id"], "welcome", 1)
    assert job.data == {"userId": user["id"]}
    assert await job.state() == "prioritized"
    raw = job.record.options.raw
    assert (raw["attempts"], raw["backoff"]) == (3, {"type": "exponential", "delay": 2000})
    assert (raw["removeOnComplete"], raw["removeOnFail"]) == ({"count": 100}, {"count": 500})


async def test_jobs_are_added_after_the_commit(
    queue: Queue, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, waiting = AsyncSession.commit, list[int]()

    async def commit_and_count(session: AsyncSession) -> None:
        await commit(session)
        waiting.append(await queue.count())

    monkeypatch.setattr(AsyncSession, "commit", commit_and_count)
    await register()
    assert waiting == [0]  # a worker that is quicker than the commit would find no user
    assert await queue.count() == 1


async def test_registering_does_not_wait_for_the_mail(inbox: Inbox, register: Register, run_worker: RunWorker) -> None:
    await run_worker()
    await register(email="first@example.com")  # what is loaded and opened once is not measured
    await wait_until(lambda: inbox.mails)
    let_go = asyncio.Event()
    inbox.before_answer = let_go.wait

    # The mail server does not answer before this has been answered.
    await asyncio.wait_for(register(), 60)
    assert len(inbox.mails) == 1

    let_go.set()
    await wait_until(lambda: len(inbox.mails) == 2)


async def test_a_mailbox_registers_once(api: httpx.AsyncClient, queue: Queue, register: Register) -> None:
    await register(email="ada@example.com")

    again = {"name": "Ada", "email": "ADA@example.com", "password": "engine-1843"}
    answer = await api.post("/auth/register", json=again)

    assert answer.status_code == 409
    assert len(await queue.jobs()) == 1


async def test_passwords_are_kept_as_hashes_and_never_shown(
    app: FastAPI, api: httpx.AsyncClient, register: Register
) -> None:
    user = await register()

    database: Database = app.state.database
    async with database.sessions() as session:
        stored = await session.get(User, user["id"])
    assert stored is not None and stored.password_hash.startswith("$argon2id$")
    assert "password" not in json.dumps(user)
    refused = await api.post("/auth/register", json={"name": "", "email": "x", "password": "s3cret"})
    assert refused.status_code == 422 and "s3cret" not in refused.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Ada", "email": "ada@example.com"},
        {"name": "Ada", "email": "ada@example.com", "password": "short"},
        {"name": "Ada", "email": "no address", "password": "engine-1843"},
        {"name": "Ada", "email": "ada@example.com\nBcc: all@example.com", "password": "engine-1843"},
        {"name": "Ada\r\nBcc: all@example.com", "email": "ada@example.com", "password": "engine-1843"},
        {"name": "   ", "email": "ada@example.com", "password": "engine-1843"},
        {"name": "a" * 101, "email": "ada@example.com", "password": "engine-1843"},
        {"name": "Ada", "email": "ada@example.com", "password": ["engine-1843"]},
        [],
    ],
)
async def test_registrations_that_can_not_be_right_are_refused(api: httpx.AsyncClient, queue: Queue, body: Any) -> None:
    answer = await api.post("/auth/register", json=body)

    assert answer.status_code == 422
    assert await queue.jobs() == []


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b'{"name": "\\ud800", "email": "a@example.com"}'])
async def test_requests_that_are_no_json_are_refused(api: httpx.AsyncClient, body: bytes) -> None:
    answer = await api.post("/auth/register", content=body, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)


async def test_assigning_a_task_adds_a_job_with_ids_only(
    api: httpx.AsyncClient, queue: Queue, register: Register
) -> None:
    user = await register()
    task = (await api.post("/tasks", json={"title": "Write it down", "description": "All of it"})).json()
    assert task["assigneeId"] is None

    answer = await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": user["id"]})

    assigned = answer.json()
    assert (answer.status_code, assigned["assigneeId"], assigned["title"]) == (200, user["id"], "Write it down")
    job = await queue.job(assigned["job"]["id"])
    assert job is not None
    assert (job.name, job.data) == ("task-assigned", {"userId": user["id"], "taskId": task["id"]})


async def test_assigning_needs_a_task_and_a_user(api: httpx.AsyncClient, queue: Queue, register: Register) -> None:
    user = await register()
    task = (await api.post("/tasks", json={"title": "Write it down"})).json()

    assert (await api.post("/tasks/none/assign", json={"assigneeId": user["id"]})).status_code == 404
    assert (await api.post(f"/tasks/{task['id']}/assign", json={"assigneeId": "none"})).status_code == 404
    assert (await api.post(f"/tasks/{task['id']}/assign", json={})).status_code == 422
    assert (await api.post("/tasks", json={"title": ""})).status_code == 422
    assert [job.name for job in await queue.jobs()] == ["welcome"]


async def test_a_job_can_be_looked_up(api: httpx.AsyncClient, register: Register) -> None:
    link = (await register())["job"]

    shown = (await api.get(f"/jobs/{link['queue']}/{link['id']}")).json()

    assert (shown["id"], shown["name"], shown["state"]) == (link["id"], "welcome", "prioritized")
    assert (shown["attemptsMade"], shown["attempts"], shown["returnValue"], shown["failedReason"]) == (0, 3, None, None)
    assert "data" not in shown


async def test_why_a_mail_failed_is_told_to_whom_it_was_for_and_to_admins(
    api: httpx.AsyncClient, queue: Queue, inbox: Inbox, register: Register, run_worker: RunWorker, database: Database
) -> None:
    def refuse(mail: EmailMessage) -> str:
        return f"550 5.1.1 <{mail['To'].addresses[0].addr_spec}> no such mailbox"

    inbox.refuse = refuse
    await run_worker()
    job_id = (await register(email="ada@example.com"))["job"]["id"]

    async def reason() -> str | None:
        return (await api.get(f"/jobs/email/{job_id}")).json()["failedReason"]

    assert "ada@example.com" in await wait_until(reason)
    await register(email="grace@example.com")
    assert await reason() is None
    await make_admin(database, "grace@example.com")
    assert "ada@example.com" in (await reason() or "")


@pytest.mark.parametrize("path", ["email/999", "email/meta", "email/wait", "email/%2e%2e", "other/1", "email/a%00b"])
async def test_unknown_queues_and_jobs_are_not_found(api: httpx.AsyncClient, register: Register, path: str) -> None:
    await register()

    assert (await api.get(f"/jobs/{path}")).status_code == 404


async def test_without_redis_users_can_still_register(settings: Settings, tmp_path: Path) -> None:
    app = create_app(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"}))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=BASE) as api:
        user = {"name": "Ada", "email": "ada@example.com", "password": "engine-1843"}
        answer = await api.post("/auth/register", json=user)
        assert (answer.status_code, answer.json()["job"]) == (201, None)
        assert (await api.get("/jobs/email/1")).status_code == 503


async def test_many_register_at_once_while_a_worker_reads(
    app: FastAPI, inbox: Inbox, register: Register, run_worker: RunWorker
) -> None:
    await run_worker()
    await asyncio.gather(*(register(email=f"user{number}@example.com") for number in range(20)))

    await wait_until(lambda: len(inbox.mails) == 20)
    database: Database = app.state.database
    async with database.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 20


async def test_tables_may_be_created_by_several_processes_at_once(settings: Settings) -> None:
    databases = [Database(settings.database_url) for _ in range(5)]

    await asyncio.gather(*(database.create_tables() for database in databases))

    async with databases[0].engine.connect() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
    for database in databases:
        await database.close()


@pytest.mark.parametrize(
    ("url", "chosen"),
    [
        ("sqlite:///tasks.db", "sqlite+aiosqlite:///tasks.db"),
        ("postgresql://me:pw@db/tasks", "postgresql+asyncpg://me:pw@db/tasks"),
        ("postgresql+psycopg://db/tasks", "postgresql+psycopg://db/tasks"),
    ],
)
def test_a_database_url_without_a_driver_gets_an_async_one(url: str, chosen: str) -> None:
    assert with_async_driver(url).render_as_string(hide_password=False) == chosen
