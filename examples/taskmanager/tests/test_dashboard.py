"""The dashboard of the queues: where it is, and who may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from conftest import Register
from fastapi import FastAPI
from oxcart import Queue
from pydantic import SecretStr

from taskmanager.app import create_app
from taskmanager.settings import Settings


@asynccontextmanager
async def browser(app: FastAPI, client: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A client that comes from this address."""
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", follow_redirects=True) as found,
    ):
        yield found


async def test_while_one_develops_it_shows_the_queues_to_this_machine(
    app: FastAPI, register: Register, queue: Queue
) -> None:
    user = await register()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/admin/queues") as client:
        assert "Task Manager" in (await client.get("/")).text
        page = (await client.get("/api/v1/queues/email/jobs", params={"state": "prioritized"})).json()
        assert [(job["id"], job["name"]) for job in page["jobs"]] == [(user["job"]["id"], "welcome")]
        await client.post("/api/v1/queues/email/pause", json={}, headers={"x-oxcart": "1"})
    assert await queue.is_paused()


async def test_other_machines_are_told_that_it_is_closed(settings: Settings) -> None:
    async with browser(create_app(settings), client="10.0.0.7") as client:
        answer = await client.get("/admin/queues")
        assert answer.status_code == 403 and "This dashboard is closed" in answer.text


@pytest.mark.parametrize(("auth", "status"), [("", 404), ("ada:engine-1843", 401)])
async def test_in_production_it_is_not_there_unless_somebody_may_log_in(
    settings: Settings, auth: str, status: int
) -> None:
    chosen = settings.model_copy(update={"environment": "production", "dashboard_auth": SecretStr(auth)})
    async with browser(create_app(chosen)) as client:
        assert (await client.get("/admin/queues/")).status_code == status
        if auth:
            answer = await client.get("/admin/queues/api/v1/board", auth=("ada", "engine-1843"))
            assert (answer.status_code, answer.json()["user"]) == (200, "ada")
