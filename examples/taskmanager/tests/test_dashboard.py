"""The dashboard of the queues: where it is, and who may see it."""

from __future__ import annotations

import httpx
import pytest
from conftest import BASE, Register
from fastapi import FastAPI
from oxcart import Queue
from programs import run

from taskmanager.app import create_app
from taskmanager.db import Database
from taskmanager.make_admin import make_admin
from taskmanager.settings import Settings

PAGE = {"accept": "text/html"}


async def test_admins_see_and_steer_the_queues(
    api: httpx.AsyncClient, register: Register, queue: Queue, database: Database
) -> None:
    user = await register()
    assert await make_admin(database, "Ada@example.com")

    assert "Task Manager" in (await api.get("/admin/queues/", headers=PAGE)).text
    board = (await api.get("/admin/queues/api/v1/board")).json()
    assert board["user"] == "Ada Lovelace"
    page = (await api.get("/admin/queues/api/v1/queues/email/jobs", params={"state": "prioritized"})).json()
    assert [(job["id"], job["name"]) for job in page["jobs"]] == [(user["job"]["id"], "welcome")]
    for name in ("email", "notifications", "reports", "images", "alerts"):
        assert (
            await api.get(f"/admin/queues/api/v1/queues/{name}/jobs", params={"state": "failed"})
        ).status_code == 200
    await api.post("/admin/queues/api/v1/queues/email/pause", json={}, headers={"x-oxcart": "1", "origin": BASE})
    assert await queue.is_paused()
    assert 'href="/admin/queues/"' in (await api.get("/me", headers=PAGE)).text


async def test_other_users_see_nothing(api: httpx.AsyncClient, register: Register, queue: Queue) -> None:
    await register()
    assert (await api.get("/admin/queues/", headers=PAGE)).status_code == 403
    assert (await api.get("/admin/queues/api/v1/board")).status_code == 403
    pause = "/admin/queues/api/v1/queues/email/pause"
    assert (await api.post(pause, json={}, headers={"x-oxcart": "1", "origin": BASE})).status_code == 403
    assert not await queue.is_paused()
    assert 'href="/admin/queues/"' not in (await api.get("/me", headers=PAGE)).text


async def test_who_has_not_logged_in_is_asked_to(api: httpx.AsyncClient) -> None:
    answer = await api.get("/admin/queues/", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login?next=/admin/queues/")
    assert (await api.get("/admin/queues/api/v1/board")).status_code == 401


@pytest.mark.parametrize(
    ("environment", "dashboard", "status"),
    [
        ("development", None, 200),
        ("development", False, 404),
        ("production", None, 404),
        ("production", True, 200),
    ],
)
async def test_in_production_it_is_there_only_if_it_is_asked_for(
    settings: Settings, environment: str, dashboard: bool | None, status: int
) -> None:
    app: FastAPI = create_app(settings.model_copy(update={"environment": environment, "dashboard": dashboard}))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=BASE) as api:
        body = {"name": "Ada", "email": "ada@example.com", "password": "engine-1843"}
        await api.post("/auth/register", json=body)
        await make_admin(app.state.database, "ada@example.com")
        assert (await api.get("/admin/queues/api/v1/board")).status_code == status


async def test_a_command_makes_somebody_an_admin(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    command = "-m", "taskmanager.make_admin"
    assert await run(*command, "nobody@example.com") == (1, "nobody has registered as nobody@example.com\n")
    assert await run(*command) == (2, "usage: python -m taskmanager.make_admin EMAIL\n")
    assert await run(*command, "ada@example.com") == (0, "")

    assert (await api.get("/admin/queues/api/v1/board")).status_code == 200
