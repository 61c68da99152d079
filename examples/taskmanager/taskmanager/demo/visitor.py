"""A visitor: somebody with a browser who uses the application, over HTTP and by its forms, as people do."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from .. import logins
from . import Unexpected
from .outside import Browser

Told = Callable[[str, float, int], None]
"""Gets what was asked, how many seconds it took, and the status of the answer."""


class Visitor:
    """Somebody who is logged in, once they have registered.

    Example: `ada = await Visitor(url).register("Ada Lovelace", "ada@example.com")`
    """

    def __init__(self, url: str, told: Told | None = None) -> None:
        # One at a time: the cookie of one visitor must not be another one's.
        self.http = httpx.AsyncClient(base_url=url, timeout=15)
        self.id = ""
        self.email = ""
        self.password = secrets.token_urlsafe(12)
        self.welcome_id = ""
        """The job that greets them."""
        self.last_s = 0.0
        """How long the last answer took."""
        self._told = told

    async def register(self, name: str, email: str) -> Visitor:
        body = {"name": name, "email": email, "password": self.password}
        found = (await self.ask("POST", "/auth/register", json=body, note=name)).json()
        self.id, self.email = found["id"], email
        self.welcome_id = found["job"]["id"] if found["job"] else ""
        return self

    async def create_task(self, title: str, **more: Any) -> str:
        return (await self.ask("POST", "/tasks", json={"title": title, **more}, note=title)).json()["id"]

    async def assign(self, task_id: str, to: Visitor) -> str:
        """Assign a task; the id of the job that tells its new owner by mail."""
        answer = await self.ask("POST", f"/tasks/{task_id}/assign", json={"assigneeId": to.id})
        if (job := answer.json()["job"]) is None:
            raise Unexpected("a job could not be added: Redis did not answer")
        return job["id"]

    async def switch_notifications_on(self, browser: Browser) -> None:
        await self.ask("POST", "/push/subscriptions", json=browser.subscription)

    async def send_form(self, path: str, data: dict[str, str] | None = None, **more: Any) -> str:
        """Send one of the pages' forms; where it leads to."""
        token = logins.form_token(self.http.cookies[logins.COOKIE])
        answer = await self.ask("POST", path, data={"csrf": token, **(data or {})}, **more)
        return answer.headers["location"]

    async def comment(self, task_id: str, text: str) -> None:
        await self.send_form(f"/tasks/{task_id}/comments", {"text": text})

    async def attach(self, task_id: str, name: str, picture: bytes) -> None:
        await self.send_form(f"/tasks/{task_id}/attachments", files={"picture": (name, picture, "image/png")})

    async def ask_for_report(self) -> str:
        """Ask for a report; its id, which is also its job's."""
        return (await self.send_form("/reports/new")).rpartition("/")[2]

    async def ask(self, method: str, path: str, *, note: str = "", **more: Any) -> httpx.Response:
        """A request that must succeed."""
        started = time.perf_counter()
        answer = await self.http.request(method, path, **more)
        self.last_s = time.perf_counter() - started
        if self._told:
            self._told(f"{method} {path}" + (f" ({note})" if note else ""), self.last_s, answer.status_code)
        if answer.is_error:
            raise Unexpected(f"{method} {path} was answered with {answer.status_code}: {answer.text[:200]}")
        return answer


@asynccontextmanager
async def visitor(url: str, told: Told | None = None) -> AsyncGenerator[Visitor, None]:
    """Somebody who leaves again."""
    found = Visitor(url, told)
    async with found.http:
        yield found
