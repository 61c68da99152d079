"""A Redis that can't be used: users register all the same, within a time that one can wait."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from oxcart import Queue
from redis.asyncio import Redis
from sqlalchemy import func, select

from taskmanager import queues
from taskmanager.app import create_app
from taskmanager.db import Database
from taskmanager.models import User
from taskmanager.settings import Settings

WITHIN_S = 0.5
IN_TIME_S = 4.5
"""For a busy machine, and for hashing passwords; without a limit of our own, it would take five seconds."""


@asynccontextmanager
async def application(redis_url: str, folder: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The application on a Redis with this URL, and a client for it."""
    app = create_app(Settings(redis_url=redis_url, database_url=f"sqlite:///{folder / 'test.db'}"))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as api:
        yield app, api


async def register(api: httpx.AsyncClient, number: int = 0) -> httpx.Response:
    body = {"name": "Ada", "email": f"user{number}@example.com", "password": "engine-1843"}
    return await api.post("/auth/register", json=body)


async def stored_users(app: FastAPI) -> int | None:
    database: Database = app.state.database
    async with database.sessions() as session:
        return await session.scalar(select(func.count()).select_from(User))


@pytest.fixture
async def silent_redis() -> AsyncIterator[str]:
    """The URL of a server that takes connections and never answers, as one that is frozen."""
    writers: list[asyncio.StreamWriter] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.close()


async def test_registering_is_answered_in_time_while_redis_is_silent(
    silent_redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "ANSWER_WITHIN_S", WITHIN_S)
    async with application(silent_redis, tmp_path) as (app, api):
        started = time.monotonic()
        answers = await asyncio.gather(*(register(api, number) for number in range(5)))

        assert time.monotonic() - started < IN_TIME_S
        assert [(answer.status_code, answer.json()["job"]) for answer in answers] == [(201, None)] * 5
        assert await stored_users(app) == 5
        started = time.monotonic()
        assert (await api.get("/jobs/email/1")).status_code == 503
        assert time.monotonic() - started < IN_TIME_S


async def test_the_log_says_which_job_was_not_added(
    silent_redis: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with application(silent_redis, tmp_path) as (_, api):
        user: dict[str, Any] = (await register(api)).json()

    [line] = [line for line in caplog.messages if line.startswith("Job not added")]
    assert "name='welcome'" in line and user["id"] in line


async def test_registering_is_answered_while_redis_is_full(redis_url: str, tmp_path: Path) -> None:
    redis = Redis.from_url(redis_url)
    async with application(redis_url, tmp_path) as (app, api):
        assert (await register(api, 1)).json()["job"] is not None
        await redis.config_set("maxmemory", 1)
        answer = await register(api, 2)
        await redis.config_set("maxmemory", 0)

        assert (answer.status_code, answer.json()["job"]) == (201, None)
        assert await stored_users(app) == 2
        async with Queue("email", connection=redis_url) as queue:
            assert [job.name for job in await queue.jobs()] == ["welcome"]
        # Once it has room again, jobs are added as before.
        assert (await register(api, 3)).json()["job"] is not None
    await redis.aclose()
