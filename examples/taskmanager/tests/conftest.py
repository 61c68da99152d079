"""Fixtures: for each test a Redis, a database and an inbox of its own, the application on them, a worker on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from oxcart import Job, Queue, Worker, embedded

from taskmanager.app import create_app
from taskmanager.demo.inbox import Inbox
from taskmanager.settings import Settings
from taskmanager.worker import email_worker

Alerts = list[tuple[str, str]]
"""Job id and reason of each alert."""

RunWorker = Callable[[], Awaitable[Worker]]
Register = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def redis_url() -> AsyncIterator[str]:
    async with embedded.server() as url:
        yield url


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox().open() as inbox:
        yield inbox


@pytest.fixture
def settings(redis_url: str, inbox: Inbox, tmp_path: Path) -> Settings:
    return Settings(
        redis_url=redis_url,
        database_url=f"sqlite:///{tmp_path / 'test.db'}",
        smtp_host="127.0.0.1",
        smtp_port=inbox.port,
        smtp_user="",
        frontend_url="https://tasks.example.com/",
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as api:
        yield api


@pytest.fixture
def queue(app: FastAPI) -> Queue:
    return app.state.queues.email


@pytest.fixture
def register(api: httpx.AsyncClient) -> Register:
    """Register a user; what the application answers: `ada = await register(name="Ada")`."""

    async def register(name: str = "Ada Lovelace", email: str = "ada@example.com") -> dict[str, Any]:
        answer = await api.post("/auth/register", json={"name": name, "email": email, "password": "engine-1843"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return register


@pytest.fixture
def alerts() -> Alerts:
    return []


@pytest.fixture
async def run_worker(settings: Settings, alerts: Alerts) -> AsyncIterator[RunWorker]:
    """Start a worker, which is closed after the test."""
    started: list[tuple[Worker, asyncio.Task[None]]] = []

    async def run() -> Worker:
        def alert(job: Job, error: BaseException) -> None:
            alerts.append((job.id, str(error)))

        worker = email_worker(settings, alert)
        started.append((worker, asyncio.create_task(worker.run())))
        return worker

    yield run
    for worker, task in started:
        await worker.close(timeout=1)
        await task
