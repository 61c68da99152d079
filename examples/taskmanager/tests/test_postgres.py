"""PostgreSQL: the same application on it, in all of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import postgres
import pytest
from conftest import Register, RunWorkers, in_ci
from pages import Visitor, picture
from sqlalchemy import text
from test_accounts import guess_at_once
from test_notifications import Browser
from waiting import wait_until

from taskmanager.db import Database
from taskmanager.demo.inbox import Inbox
from taskmanager.models import Base
from taskmanager.settings import Settings
from taskmanager.tries import MOST
from taskmanager.worker import email_worker, image_worker, report_worker

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    if lack := postgres.missing():
        (pytest.fail if in_ci() else pytest.skip)(lack)
    with postgres.running() as url:
        yield url


@pytest.fixture
async def settings(postgres_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    database = Database(postgres_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await database.close()
    return Settings()


async def test_all_of_it_works_on_postgresql(
    api: httpx.AsyncClient, inbox: Inbox, register: Register, database: Database, run_workers: RunWorkers
) -> None:
    assert database.engine.dialect.name == "postgresql"
    await run_workers(email_worker, image_worker, report_worker)
    ada = await register()
    visitor = Visitor(api)
    task = await visitor.new_task("Late", assigneeId=ada["id"], dueOn="2020-01-01")
    await visitor.send(f"{task}/comments", text="Well")
    await visitor.upload(task, picture())
    report = await visitor.send("/reports/new")

    thumbnail = f"/attachments/{await visitor.picture_of(task)}/thumbnail"
    await wait_until(lambda: is_there(api, thumbnail), timeout=60)
    await wait_until(lambda: is_there(api, f"{report}/file"), timeout=60)
    subjects = {"Welcome to Task Manager!", "A task has been assigned to you", "Your report is ready"}
    await wait_until(lambda: {mail["Subject"] for mail in inbox.mails} == subjects)
    for path in ("/tasks", "/tasks?view=list", "/tasks?mine=true", "/reports", "/me"):
        await visitor.page(path)
    again = {"name": "Ada", "email": "ADA@example.com", "password": "engine-1843"}
    assert (await api.post("/auth/register", json=again)).status_code == 409


async def test_who_guesses_a_password_is_stopped_on_postgresql_too(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    guess = {"email": "ada@example.com", "password": "a guess"}
    answers = [(await api.post("/auth/session", json=guess)).status_code for _ in range(MOST + 1)]
    assert answers == [401] * MOST + [429]


async def test_of_guesses_at_once_as_many_are_tried_on_postgresql_too(
    api: httpx.AsyncClient, register: Register
) -> None:
    await register()
    assert sorted(await guess_at_once(api, 3 * MOST)) == [401] * MOST + [429] * 2 * MOST


async def test_a_server_that_was_started_again_is_noticed_by_nobody(
    api: httpx.AsyncClient, register: Register, postgres_url: str
) -> None:
    await register()
    postgres.restart(postgres_url)
    await Visitor(api).page("/me")


async def test_a_browser_that_is_told_several_times_at_once_is_there_once(
    api: httpx.AsyncClient, register: Register, database: Database
) -> None:
    await register()
    subscription = Browser("http://127.0.0.1/one").subscription
    answers = await asyncio.gather(*(api.post("/push/subscriptions", json=subscription) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {204}
    async with database.engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM push_subscriptions")) == 1


async def test_of_assignments_at_once_that_say_the_same_one_is_told(api: httpx.AsyncClient, register: Register) -> None:
    ada = await register()
    task = (await api.post("/tasks", json={"title": "Write it down"})).json()["id"]
    body = {"assigneeId": ada["id"]}
    answers = await asyncio.gather(*(api.post(f"/tasks/{task}/assign", json=body) for _ in range(6)))
    assert {answer.json()["assigneeId"] for answer in answers} == {ada["id"]}
    assert len([answer for answer in answers if answer.json()["job"]]) == 1


async def is_there(api: httpx.AsyncClient, path: str) -> bool:
    return (await api.get(path)).status_code == 200


async def test_several_processes_may_create_the_tables_at_once(settings: Settings) -> None:
    databases = [Database(settings.database_url) for _ in range(5)]

    await asyncio.gather(*(database.create_tables() for database in databases))

    async with databases[0].engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM projects")) == 1
    for database in databases:
        await database.close()
