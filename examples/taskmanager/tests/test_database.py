"""A database that is slow, broken or away, and what must not be stored in it or told of it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from conftest import BASE, Register
from fastapi import FastAPI
from pages import Visitor, picture
from sqlalchemy import event, select
from sqlalchemy.pool import QueuePool

from taskmanager.app import create_app
from taskmanager.db import Database, Unstorable
from taskmanager.models import User
from taskmanager.settings import Settings

CREDENTIALS = {"email": "ada@example.com", "password": "engine-1843"}
PAGE = {"accept": "text/html"}


def connections_in_use(database: Database) -> int:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def test_who_reads_slowly_keeps_no_connection(
    app: FastAPI, api: httpx.AsyncClient, register: Register, database: Database
) -> None:
    await register()
    visitor = Visitor(api)
    task = await visitor.new_task()
    await visitor.upload(task, picture())
    path = f"/attachments/{await visitor.picture_of(task)}"
    in_use: list[int] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        in_use.append(connections_in_use(database))  # as it is for as long as the reader takes

    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> MutableMapping[str, Any]:
        return next(asked, None) or await asyncio.Future()

    [cookie] = api.cookies.items()
    headers = [(b"host", b"tasks.example.com"), (b"cookie", "=".join(cookie).encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    assert len(in_use) >= 2 and not any(in_use)


@pytest.mark.parametrize("text", ["a\0b", "\0"])
async def test_texts_that_not_each_database_can_store_are_refused(
    api: httpx.AsyncClient, register: Register, text: str
) -> None:
    assert (await api.post("/auth/session", json=CREDENTIALS | {"email": text})).status_code == 422
    await register()
    visitor = Visitor(api)
    task = await visitor.new_task()
    assert (await api.post("/tasks", json={"title": "One", "description": text})).status_code == 422
    assert "can't be right" in (await visitor.send(f"{task}/comments", text=text, status=422)).replace("&#39;", "'")
    for path in ("/tasks/a%00b", "/tasks?project=%00", "/attachments/%00", "/reports/%00"):
        assert (await api.get(path)).status_code == 422


def users(*names: str) -> list[User]:
    return [User(name=name, email=f"{name[:2]}@example.com", password_hash="none") for name in names]


async def test_rows_that_are_inserted_at_once_are_looked_through_for_such_texts_too(database: Database) -> None:
    async with database.sessions() as session:
        session.add_all(users("Ada", "Grace"))
        await session.commit()
        assert set(await session.scalars(select(User.name))) == {"Ada", "Grace"}
        session.add_all(users("Mary", "Ka\0y"))
        with pytest.raises(Unstorable):
            await session.flush()


def break_down(database: Database) -> None:
    """Let nothing be written from now on, as on a full disk."""

    def refuse(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(database.engine.sync_engine, "checkout", refuse)


async def test_a_database_that_fails_is_a_page_that_says_so_and_a_line_in_the_log(
    api: httpx.AsyncClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    break_down(database)
    form = CREDENTIALS | {"name": "Ada"}
    answer = await api.post("/auth/join", data=form, headers=PAGE)
    assert answer.status_code == 503 and "Not at the moment" in answer.text
    answer = await api.post("/auth/register", json=form)
    assert answer.status_code == 503 and "at the moment" in answer.json()["detail"]
    assert "Request failed method=POST path='/auth/register'" in caplog.messages


async def test_the_log_of_a_database_that_fails_says_nothing_of_what_was_to_be_stored(
    api: httpx.AsyncClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    break_down(database)
    await api.post("/auth/register", json=CREDENTIALS | {"name": "Ada"})
    assert "INSERT INTO users" in caplog.text
    assert "argon2" not in caplog.text and "ada@example.com" not in caplog.text


async def test_a_database_that_is_away_is_a_page_that_says_so(settings: Settings) -> None:
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=BASE) as api:
        app.state.database = away = Database("postgresql://nobody@127.0.0.1:1/none")
        answer = await api.post("/auth/login", data=CREDENTIALS, headers=PAGE)
        await away.close()
    assert answer.status_code == 503 and "Not at the moment" in answer.text
