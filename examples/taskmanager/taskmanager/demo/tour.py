"""The tour: what the demo does with the application, and what must come of it."""

from __future__ import annotations

import os
import secrets
import signal
import time
from email.message import EmailMessage
from typing import Any

import httpx

from ..queues import EMAIL, Queues
from . import Unexpected
from .digest import draw, run_next_batch
from .inbox import Inbox
from .screen import Screen, short
from .watch import FINAL, Watch

REFUSED_SUBJECT = "A task has been assigned to you"
DIGEST_SUBJECT = "Your daily task summary"
CLOSED_MAILBOX = "charles@example.com"

FIRST_MAILS = 4
"""Two welcomes and two assigned tasks."""
NO_DIGESTS = FIRST_MAILS + 3
"""Two more welcomes, and one more assigned task."""
MAILS = NO_DIGESTS + 2


class Refusals:
    """Refuses the first mail about an assigned task once, as a busy mail server would, and one digest for good."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._done = False

    def __call__(self, mail: EmailMessage) -> str | None:
        if mail["Subject"] == DIGEST_SUBJECT and CLOSED_MAILBOX in mail["To"]:
            self._screen.event("inbox", f'refuses "{mail["Subject"]}" for {mail["To"]}, with 550', "yellow")
            return "550 5.1.1 no such mailbox"
        if self._done or mail["Subject"] != REFUSED_SUBJECT:
            return None
        self._done = True
        self._screen.event("inbox", f'refuses "{mail["Subject"]}" this once, with 451', "yellow")
        return "451 4.3.0 too busy, try again later"


class Tour:
    """Two users, two tasks, one refused mail, one killed worker; then a digest for everybody."""

    def __init__(self, screen: Screen, api: httpx.AsyncClient, watch: Watch, inbox: Inbox, queues: Queues) -> None:
        self._screen = screen
        self._api = api
        self._watch = watch
        self._inbox = inbox
        self._queues = queues

    async def run(self) -> None:
        """Wait for all parts, then go through it; raises `Unexpected` if something isn't what it should be."""
        await self._watch.until_ready()
        ada = await self._register("Ada Lovelace", "ada@example.com")
        grace = await self._register("Grace Hopper", "grace@example.com")
        await self._watch.until(lambda: len(self._inbox.mails) >= 2 and self._all_completed(2))

        self._screen.say("         A mail that the mail server refuses for now:", "bold")
        refused = await self._assign("Write the compiler", grace)
        await self._watch.until(lambda: self._watch.state(refused) == "delayed")

        self._screen.say("         The worker is killed while that job waits for its second attempt:", "bold")
        pid, starts = self._watch.worker_pid, self._watch.worker_starts
        os.kill(pid, signal.SIGKILL)
        self._screen.event("demo", f"kill -9 {pid}", "red")
        await self._ask("GET", f"/jobs/{EMAIL}/{refused}", note="no worker, but the API answers")
        await self._assign("Describe the engine", ada, due_on="1843-09-01")
        await self._watch.until(lambda: self._watch.worker_starts > starts)
        await self._watch.until(lambda: len(self._inbox.mails) >= FIRST_MAILS and self._all_completed(FIRST_MAILS))
        self._check(refused)
        await self._send_digests()

    def unfinished(self) -> str:
        """What is still missing, in a few words."""
        jobs = ", ".join(
            f"job {number} ({job.get('name', '?')}) is {job.get('state', 'unknown')}"
            for number, job in self._watch.jobs.items()
            if job.get("state") not in FINAL
        )
        return f"{len(self._inbox.mails)} of {MAILS} mails have arrived; {jobs or 'no job is unfinished'}"

    @property
    def last_job_id(self) -> str:
        """The newest job that it knows of."""
        return list(self._watch.jobs)[-1]

    def summary(self) -> str:
        """What came of it, in a line."""
        attempts = sum(job["attemptsMade"] for job in self._watch.jobs.values())
        states = [job["state"] for job in self._watch.jobs.values()]
        return (
            f"Done in {self._screen.seconds:.1f} s: {len(self._inbox.mails)} mails have arrived, "
            f"{states.count('completed')} jobs are completed and {states.count('failed')} has failed in {attempts} "
            "attempts, and the worker was killed once."
        )

    async def _send_digests(self) -> None:
        """Have a batch of digests sent before its time: one mailbox is closed by then, and one user has no task."""
        self._screen.say(
            "         The daily digest. Mary has nothing to do, and Charles' mailbox is closed by then:", "bold"
        )
        await self._register("Mary Somerville", "mary@example.com")
        charles = await self._register("Charles Babbage", CLOSED_MAILBOX)
        await self._assign("Build the engine", charles)
        await self._watch.until(lambda: self._all_completed(NO_DIGESTS))

        summary = await run_next_batch(self._queues, self._screen)
        await self._watch.until(lambda: summary.id in self._watch.jobs and self._watch.all_finished())
        await draw(self._queues, self._screen, summary)
        expected = {"sent": 2, "skipped": 1, "failed": 1}
        if summary.return_value != expected or len(self._inbox.mails) != MAILS:
            raise Unexpected(f"the digests came to {summary.return_value}, and {len(self._inbox.mails)} mails arrived")

    def _check(self, refused: str) -> None:
        made = self._watch.jobs[refused]["attemptsMade"]
        if made != 2 or self._inbox.refused != 1 or len(self._inbox.mails) != FIRST_MAILS:
            raise Unexpected(f"the refused mail took {made} attempts, and {len(self._inbox.mails)} mails arrived")

    def _all_completed(self, number: int) -> bool:
        states = [self._watch.state(job_id) for job_id in self._watch.jobs]
        if "failed" in states:
            raise Unexpected(f"a job has failed for good: {self.unfinished()}")
        return states.count("completed") >= number

    async def _register(self, name: str, email: str) -> str:
        user = {"name": name, "email": email, "password": secrets.token_urlsafe(12)}
        return (await self._ask("POST", "/auth/register", user, note=name))["id"]

    async def _assign(self, title: str, user_id: str, due_on: str | None = None) -> str:
        """A new task for a user; the id of the job that tells them."""
        task = await self._ask("POST", "/tasks", {"title": title, "dueOn": due_on}, note=title)
        assigned = await self._ask("POST", f"/tasks/{task['id']}/assign", {"assigneeId": user_id})
        if assigned["job"] is None:
            raise Unexpected("a job could not be added: Redis did not answer")
        return assigned["job"]["id"]

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, note: str = "") -> Any:
        started = time.perf_counter()
        answer = await self._api.request(method, path, json=body)
        took_ms = (time.perf_counter() - started) * 1000
        shown = short(path) + (f" ({note})" if note else "")
        self._screen.event("web", f"{method} {shown} → {answer.status_code} in {took_ms:.0f} ms", "blue")
        if answer.is_error:
            raise Unexpected(f"{method} {path} was answered with {answer.status_code}: {answer.text[:200]}")
        return answer.json()
