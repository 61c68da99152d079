"""Accounts: who is who, and what keeps others out."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from conftest import BASE, Register
from fastapi import FastAPI
from pages import Visitor
from sqlalchemy import func, select, update

from taskmanager.app import create_app
from taskmanager.db import Database
from taskmanager.models import Login, Try
from taskmanager.settings import Settings
from taskmanager.tries import CHECKED_WITHIN, MOST, WITHIN

CREDENTIALS = {"email": "ada@example.com", "password": "engine-1843"}


async def log_in(api: httpx.AsyncClient, **fields: str) -> httpx.Response:
    return await api.post("/auth/login", data=CREDENTIALS | fields, headers={"accept": "text/html"})


async def test_the_form_registers_and_logs_in(api: httpx.AsyncClient) -> None:
    answer = await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "ada@example.com" in await Visitor(api).page("/me")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "tell us your name"),
        ({"email": "nobody"}, "no e-mail address"),
        ({"password": "short"}, "at least 8"),
    ],
)
async def test_the_form_says_what_is_wrong(api: httpx.AsyncClient, wrong: dict[str, str], said: str) -> None:
    answer = await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"} | wrong)

    assert answer.status_code == 422 and said in answer.text
    assert "engine-1843" not in answer.text


async def test_the_form_says_that_an_address_is_taken(api: httpx.AsyncClient, register: Register) -> None:
    await register()

    answer = await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"})
    assert answer.status_code == 422 and "registered already" in answer.text


async def test_who_logs_in_goes_on_where_they_wanted_to_go(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    api.cookies.clear()
    answer = await api.get("/reports", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login?next=/reports")

    answer = await log_in(api, next="/reports")
    assert (answer.status_code, answer.headers["location"]) == (303, "/reports")


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_no_link_leads_through_the_log_in_to_somewhere_else(
    api: httpx.AsyncClient, register: Register, next: str
) -> None:
    await register()
    assert (await log_in(api, next=next)).headers["location"] == "/"


@pytest.mark.parametrize("wrong", [{"password": "engine-1844"}, {"email": "grace@example.com"}, {"email": ""}])
async def test_a_wrong_password_and_an_unknown_address_look_the_same(
    api: httpx.AsyncClient, register: Register, wrong: dict[str, str]
) -> None:
    await register()
    api.cookies.clear()

    answer = await log_in(api, **wrong)
    assert answer.status_code == 401 and "The e-mail address or the password is wrong" in answer.text
    assert not api.cookies


async def test_an_unknown_address_costs_a_hash_as_a_wrong_password_does(
    api: httpx.AsyncClient, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register()
    verify, kinds = PasswordHasher.verify, list[list[str]]()

    def note(hasher: PasswordHasher, stored: str, password: str) -> bool:
        kinds.append(stored.split("$")[1:4])  # what it costs: the kind, its version, its passes and memory
        return verify(hasher, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    await log_in(api, password="engine-1844")
    await log_in(api, email="grace@example.com")
    assert len(kinds) == 2 and kinds[0] == kinds[1]


async def test_hashing_holds_up_nobody_else(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set[int]()
    for name in ("hash", "verify"):
        done = getattr(PasswordHasher, name)

        def note(*arguments: Any, done: Any = done) -> Any:
            threads.add(threading.get_ident())
            return done(*arguments)

        monkeypatch.setattr(PasswordHasher, name, note)
    await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"})
    await log_in(api)
    assert threads and threading.get_ident() not in threads


async def guess(api: httpx.AsyncClient, times: int, email: str = "ada@example.com") -> list[int]:
    guesses = [{"email": email, "password": f"guess-{n}"} for n in range(times)]
    return [(await api.post("/auth/session", json=one)).status_code for one in guesses]


async def guess_at_once(api: httpx.AsyncClient, times: int) -> list[int]:
    return [status for [status] in await asyncio.gather(*(guess(api, 1) for _ in range(times)))]


async def let_pass(database: Database, time: timedelta) -> None:
    """Let all tries have been made that long ago."""
    async with database.sessions() as session:
        await session.execute(update(Try).values(made_at=datetime.now(UTC) - time))
        await session.commit()


@pytest.mark.parametrize("email", ["ada@example.com", "nobody@example.com"])
async def test_who_guesses_a_password_is_stopped(api: httpx.AsyncClient, register: Register, email: str) -> None:
    await register()

    assert await guess(api, MOST + 2, email) == [401] * MOST + [429] * 2


async def test_after_too_many_guesses_the_right_password_has_to_wait_too(
    api: httpx.AsyncClient, register: Register, database: Database
) -> None:
    await register()
    await guess(api, MOST)

    refused = await log_in(api)
    assert refused.status_code == 429 and "too many tries at once or wrong passwords" in refused.text

    await let_pass(database, WITHIN)
    assert (await log_in(api)).status_code == 303


@pytest.mark.parametrize(
    ("age", "wait"), [(timedelta(0), CHECKED_WITHIN), (timedelta(minutes=1), WITHIN - timedelta(minutes=1))]
)
async def test_who_is_refused_is_told_to_wait_for_seconds_while_tries_may_still_be_found_right(
    api: httpx.AsyncClient, register: Register, database: Database, age: timedelta, wait: timedelta
) -> None:
    await register()
    await guess(api, MOST)
    await let_pass(database, age)

    told = timedelta(seconds=int((await log_in(api)).headers["retry-after"]))
    assert wait - CHECKED_WITHIN < told <= wait


async def test_of_guesses_at_once_as_many_are_tried_as_of_guesses_one_after_the_other(
    api: httpx.AsyncClient, register: Register, database: Database
) -> None:
    await register()

    assert sorted(await guess_at_once(api, 3 * MOST)) == [401] * MOST + [429] * 2 * MOST
    async with database.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Try)) == MOST


async def test_guesses_at_one_address_do_not_keep_others_out(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    await guess(api, MOST, "grace@example.com")

    assert (await log_in(api)).status_code == 303


async def test_who_mistypes_now_and_then_is_never_stopped(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    for _ in range(2):
        assert await guess(api, MOST - 1) == [401] * (MOST - 1)
        assert (await log_in(api)).status_code == 303


async def test_programs_log_in_and_out(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    assert (await api.delete("/auth/session")).status_code == 204
    assert (await api.post("/tasks", json={"title": "Write it down"})).status_code == 401
    assert (await api.post("/auth/session", json=CREDENTIALS | {"password": "wrong"})).status_code == 401
    assert (await api.post("/auth/session", json=CREDENTIALS)).status_code == 204
    assert (await api.post("/tasks", json={"title": "Write it down"})).status_code == 201


async def test_a_log_out_counts_for_a_cookie_that_somebody_has_copied(
    api: httpx.AsyncClient, register: Register
) -> None:
    await register()
    copied = dict(api.cookies)
    await Visitor(api).send("/auth/logout")

    api.cookies.update(copied)
    assert (await api.get("/me", headers={"accept": "text/html"})).status_code == 303


async def test_a_log_in_ends_by_itself(api: httpx.AsyncClient, register: Register, database: Database) -> None:
    await register()
    async with database.sessions() as session:
        await session.execute(update(Login).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        await session.commit()
    assert (await api.get("/me", headers={"accept": "text/html"})).status_code == 303


async def test_the_database_does_not_know_the_cookie(
    api: httpx.AsyncClient, register: Register, database: Database
) -> None:
    await register()
    [token] = api.cookies.values()
    async with database.sessions() as session:
        [stored] = await session.scalars(select(Login.id))
    assert token not in stored and stored not in token


@pytest.mark.parametrize(
    ("frontend", "secure"), [("https://tasks.example.com", True), ("http://localhost:8000", False)]
)
async def test_the_cookie_is_for_us_alone(settings: Settings, frontend: str, secure: bool) -> None:
    app = create_app(settings.model_copy(update={"frontend_url": frontend}))
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=frontend) as api:
        answer = await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert ("secure" in cookie) is secure


# ------------------------------------------------------------------------------------------ others' pages


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": BASE}, 303),
        ({"origin": BASE}, 303),
        ({}, 303),
    ],
)
async def test_a_form_on_another_sites_page_does_nothing(
    api: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await api.post("/auth/join", data=CREDENTIALS | {"name": "Ada"}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
async def test_a_form_without_its_token_does_nothing(
    api: httpx.AsyncClient, register: Register, token: str | None
) -> None:
    await register()
    fields = {"title": "Write it down"} | ({} if token is None else {"csrf": token})
    answer = await api.post("/tasks/new", data=fields, headers={"accept": "text/html"})
    assert answer.status_code == 403 and "This form is not ours" in answer.text


async def test_the_token_of_another_log_in_does_not_fit(api: httpx.AsyncClient, register: Register) -> None:
    await register()
    found = re.search(r'name="csrf" value="(\w+)"', await Visitor(api).page("/me"))
    assert found
    await register(email="grace@example.com")
    answer = await api.post("/tasks/new", data={"title": "Write it down", "csrf": found[1]})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tasks"),
        ("GET", "/tasks/1"),
        ("GET", "/reports"),
        ("GET", "/reports/1/file"),
        ("GET", "/reports/1/live"),
        ("GET", "/attachments/1"),
        ("GET", "/attachments/1/thumbnail"),
        ("GET", "/attachments/1/live"),
        ("GET", "/me"),
        ("GET", "/jobs/email/1"),
        ("POST", "/tasks"),
        ("POST", "/tasks/1/assign"),
        ("POST", "/tasks/new"),
        ("POST", "/tasks/1/comments"),
        ("POST", "/tasks/1/attachments"),
        ("POST", "/reports/new"),
        ("POST", "/projects/new"),
        ("POST", "/push/subscriptions"),
        ("DELETE", "/push/subscriptions"),
    ],
)
async def test_who_has_not_logged_in_gets_nowhere(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path)
    assert answer.status_code in (401, 422), answer.text
    assert "detail" in answer.json()


# ---------------------------------------------------------------------------------------------- for browsers


async def test_pages_load_nothing_but_what_is_ours_and_have_no_script_within(
    api: httpx.AsyncClient, register: Register
) -> None:
    await register(name="<script>alert(1)</script>")
    answer = await api.get("/me", headers={"accept": "text/html"})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert "<script>alert" not in answer.text and "&lt;script&gt;alert" in answer.text
    for script in re.findall(r"<script[^>]*>[^<]*", answer.text):
        assert 'src="/static/' in script
    assert "style=" not in answer.text and "onclick" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_in_production_nothing_describes_the_api_with_scripts_from_elsewhere(settings: Settings) -> None:
    app: FastAPI = create_app(settings.model_copy(update={"environment": "production"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as api:
        assert (await api.get("/docs")).status_code == 404
