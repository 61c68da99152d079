"""Watch: tells what happens to each job, from what the web application and the worker log, and from the API."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from ..queues import EMAIL
from .screen import Screen, short

LOOK_EVERY_S = 0.1

LOGGED = re.compile(r"^\S+ \S+ (?P<level>[A-Z]+) (?P<logger>[\w.]+): (?P<text>.*)$")
FACT = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\"|\S+)")

FOR_WHOM = re.compile(r"-(\w{8}…)$")
"""The user in the id of a digest, as it is shown."""

FINAL = ("completed", "failed")


class Watch:
    """What is known of each job, by id, as the API tells it; and the worker process that runs now."""

    def __init__(self, screen: Screen, api: httpx.AsyncClient) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.worker_pid = 0
        self.worker_starts = 0
        self._screen = screen
        self._api = api
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    async def until_ready(self) -> None:
        """Wait until the worker works, and the web application answers and has reached Redis."""
        while not self.worker_starts or not await self._answers():
            await self._pause()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition, looked at whenever something has happened, is true."""
        while not condition():
            await self._pause()

    def state(self, job_id: str) -> str:
        """Where a job was when it was looked at last."""
        return self.jobs.get(job_id, {}).get("state", "unknown")

    def all_finished(self) -> bool:
        """Whether nothing is left to be done."""
        return all(job.get("state") in FINAL for job in self.jobs.values())

    def close(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()

    # --------------------------------------------------------------------------------- what processes log

    def hear(self, who: str, line: str) -> None:
        """A line of the web application or of the worker."""
        logged = LOGGED.match(line)
        if logged is None:
            return
        text = logged["text"]
        facts = {name: value.strip("'\"") for name, value in FACT.findall(text)}
        if text.startswith("Job added"):
            self._meet(facts)
        elif text.startswith("Email worker ready"):
            self.worker_pid, self.worker_starts = int(facts["pid"]), self.worker_starts + 1
            self._screen.event("worker", f"ready (pid {facts['pid']}, {facts['concurrency']} jobs at once)")
        elif text.startswith("Processing email job"):
            self._meet(facts)  # its worker may be heard before the web application that has added it
            attempt = self.jobs[facts["id"]].get("attemptsMade", 0) + 1
            self._screen.event(self._named(facts), f"active, attempt {attempt}")
        elif text.startswith("Email job failed"):
            self._start(self._explain_failure(facts))
        elif text.startswith("Email skipped"):
            self._screen.event(self._named(facts), f"no mail: {short(facts['reason'])}")
        elif logged["level"] in ("WARNING", "ERROR", "CRITICAL"):
            self._screen.event(who, short(text), "red")
        self._changed.set()

    def _meet(self, facts: dict[str, str]) -> None:
        if facts["id"] not in self.jobs:
            self.jobs[facts["id"]] = {}
            self._screen.event(self._named(facts), "added to the queue")
            self._start(self._follow(facts["id"]))

    async def _explain_failure(self, facts: dict[str, str]) -> None:
        job = await self._look(facts["id"])
        what = f"attempt {facts['attempts'].replace('/', ' of ')} failed: {facts['error']}"
        if job.get("state") == "failed":
            self._screen.event(self._named(facts), f"{what}; failed for good", "red")
        else:
            self._screen.event(self._named(facts), f"{what}; tries again {job.get('delay', 0):g} s later", "yellow")

    # ------------------------------------------------------------------------------------ what the API says

    async def _follow(self, job_id: str) -> None:
        """Look at a job until it is finished."""
        while True:
            job = await self._look(job_id)
            if job.get("state") in FINAL:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        if job["state"] == "completed":
            returned = job["returnValue"].get("messageId", job["returnValue"])
            self._screen.event(
                self._named(job), f"completed, attempts: {job['attemptsMade']}, returned: {returned}", "green"
            )

    async def _look(self, job_id: str) -> dict[str, Any]:
        with contextlib.suppress(httpx.HTTPError):
            answer = await self._api.get(f"/jobs/{EMAIL}/{job_id}")
            if answer.status_code == 200:
                self.jobs[job_id] = answer.json()
                self._changed.set()
        return self.jobs.get(job_id, {})

    async def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return (await self._api.get(f"/jobs/{EMAIL}/none")).status_code == 404
        return False

    async def _pause(self) -> None:
        """Until something happens, but not for long."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), LOOK_EVERY_S)

    def _named(self, facts: dict[str, Any]) -> str:
        name = facts.get("name") or self.jobs.get(facts["id"], {}).get("name", "")
        if facts["id"].isdigit():
            return f"job {facts['id']} {name}"
        # Other ids repeat the name and the day; what they tell is for whom it is.
        return " ".join([name, *FOR_WHOM.findall(short(facts["id"]))])

    def _start(self, looking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(looking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
