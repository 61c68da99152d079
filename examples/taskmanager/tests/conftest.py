"""Fixtures: for each test a Redis, a database and an inbox of its own, the application on them, workers on demand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from endpoint import Endpoint
from fastapi import FastAPI
from oxcart import Queue, Worker, embedded
from pages import Visitor
from redis.asyncio import Redis

from taskmanager.app import create_app
from taskmanager.db import Database
from taskmanager.demo.inbox import Inbox
from taskmanager.queues import Queues
from taskmanager.settings import Settings
from taskmanager.worker import alert_worker, email_worker

BASE = "https://tasks.example.com"

MakeWorker = Callable[[Settings], Worker]
RunWorker = Callable[[], Awaitable[Worker]]
RunWorkers = Callable[..., Awaitable[list[Worker]]]
Register = Callable[..., Awaitable[dict[str, Any]]]


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with embedded.running() as url:
        yield url


@pytest.fixture
async def redis_url(redis_server: str) -> AsyncIterator[str]:
    """An empty Redis: the same for all tests, one after the other."""
    yield redis_server
    async with Redis.from_url(redis_server) as redis:
        await redis.flushall()


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox().open() as inbox:
        yield inbox


@pytest.fixture
async def hook() -> AsyncIterator[Endpoint]:
    """Where alerts are posted to."""
    async with Endpoint().open() as hook:
        yield hook


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pictures and reports are: never in the folder in which the tests run."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def settings(
    redis_url: str, inbox: Inbox, hook: Endpoint, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The settings of a test. They are in the environment: child processes have nothing else."""
    environment = {
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(inbox.port),
        "SMTP_USER": "",
        "FRONTEND_URL": f"{BASE}/",
        "PUSH_HOSTS": "127.0.0.1",
        "ALERT_WEBHOOK": f"{hook.url}/alerts",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as api:
        yield api


@pytest.fixture
def queues(app: FastAPI) -> Queues:
    return app.state.queues


@pytest.fixture
def queue(queues: Queues) -> Queue:
    """The queue `email`."""
    return queues.email


@pytest.fixture
def database(app: FastAPI) -> Database:
    return app.state.database


@pytest.fixture
def register(api: httpx.AsyncClient) -> Register:
    """Register a user; what the application answers: `ada = await register(name="Ada")`. `api` is logged in then."""

    async def register(name: str = "Ada Lovelace", email: str = "ada@example.com") -> dict[str, Any]:
        answer = await api.post("/auth/register", json={"name": name, "email": email, "password": "engine-1843"})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return register


class Alerts(Protocol):
    """The job id and the reason of each alert so far."""

    def __call__(self) -> list[tuple[str, str]]: ...


@pytest.fixture
async def visitor(api: httpx.AsyncClient, register: Register) -> Visitor:
    """Somebody who is registered, and uses the pages."""
    await register()
    return Visitor(api)


@pytest.fixture
def alerts(hook: Endpoint) -> Alerts:
    def posted() -> list[tuple[str, str]]:
        return [(alert.json()["jobId"], alert.json()["reason"]) for alert in hook.requests]

    return posted


@pytest.fixture
async def run_workers(settings: Settings) -> AsyncIterator[RunWorkers]:
    """Start workers, which are closed after the test: `await run_workers(email_worker, image_worker)`."""
    started: list[tuple[Worker, asyncio.Task[None]]] = []

    async def run(*make: MakeWorker) -> list[Worker]:
        workers = [make_one(settings) for make_one in make]
        started.extend((worker, asyncio.create_task(worker.run())) for worker in workers)
        return workers

    yield run
    await asyncio.gather(*(worker.close(timeout=1) for worker, _ in started))
    await asyncio.gather(*(task for _, task in started))


@pytest.fixture
def run_worker(run_workers: RunWorkers) -> RunWorker:
    """Start a worker that sends mails, and one that alerts."""

    async def run() -> Worker:
        mails, _ = await run_workers(email_worker, alert_worker)
        return mails

    return run
