"""Processes: the web application in one, the workers in others, which are started again when they die."""

from __future__ import annotations

import os
import signal

import httpx
from oxcart import Queue
from programs import Program
from waiting import wait_until

from taskmanager.demo.inbox import Inbox
from taskmanager.settings import Settings

WORKER = "-m", "oxcart.cli.main", "worker", "taskmanager.worker:workers"
WEB = "-m", "uvicorn", "taskmanager.app:app", "--host", "127.0.0.1", "--port", "0"


async def address_of(web: Program) -> str:
    """Where the web application is, once it answers: at a port that nobody else had."""
    return (await web.says(r"running on (http://\S+)"))[1]


async def register(url: str, email: str) -> str:
    """Register; the id of the job that greets."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as api:
        answer = await api.post("/auth/register", json={"name": "Ada", "email": email, "password": "engine-1843"})
        assert answer.status_code == 201
        return answer.json()["job"]["id"]


async def test_a_worker_that_dies_is_started_again_and_the_web_application_notices_nothing(
    settings: Settings, inbox: Inbox
) -> None:
    async with Program(*WEB).running() as web, Program(*WORKER).running() as workers:
        url = await address_of(web)
        first = int((await workers.says(r"Worker ready queue=email pid=(\d+)"))[1])
        await register(url, "first@example.com")
        await wait_until(lambda: len(inbox.mails) == 1)

        os.kill(first, signal.SIGKILL)
        await register(url, "second@example.com")  # nobody is there to send it, and that is answered all the same
        second = int((await workers.says(r"Worker ready queue=email pid=(\d+)"))[1])
        assert second != first
        await wait_until(lambda: len(inbox.mails) == 2)


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_has_begun(settings: Settings, inbox: Inbox) -> None:
    async with Program(*WEB).running() as web, Queue("email", connection=settings.redis_url) as queue:
        job_id = await register(await address_of(web), "first@example.com")
        async with Program(*WORKER).running() as workers:
            await workers.says("Job active queue=email")
        # It was asked to stop as soon as it had begun, and has ended by now.
        assert await queue.state(job_id) == "completed"
        assert len(inbox.mails) == 1
