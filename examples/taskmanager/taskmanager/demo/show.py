"""The show: two people use the application, with a mail that is refused once and a worker that is killed once."""

from __future__ import annotations

import os
import secrets
import signal
from email.message import EmailMessage

from oxcart import JobState

from ..contract import EMAIL
from ..make_admin import make_admin
from .digest import draw, run_next_batch
from .parts import PROCESSES
from .screen import Screen, short
from .stage import Stage
from .tour.pictures import usual_picture
from .visitor import Visitor, visitor
from .watch import until

REFUSED_SUBJECT = "A task has been assigned to you"

ADMIN = "ada@example.com"


class Refusals:
    """Refuses the first mail about an assigned task once, as a busy mail server would."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._done = False

    def __call__(self, mail: EmailMessage) -> str | None:
        if self._done or mail["Subject"] != REFUSED_SUBJECT:
            return None
        self._done = True
        self._screen.event("inbox", f'refuses "{mail["Subject"]}" this once, with 451', "yellow")
        return "451 4.3.0 too busy, try again later"


def announce(screen: Screen, mail: EmailMessage) -> None:
    """Say that a mail has arrived."""
    screen.event("inbox", f'"{mail["Subject"]}" for {mail["To"]}', "green")


class Show:
    """What the demo does by itself before it is the visitor's turn."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._screen = stage.screen
        self._password = secrets.token_urlsafe(6)

    async def run(self) -> None:
        """Wait for all parts, then use each queue once."""
        stage = self._stage
        await stage.ready(PROCESSES)
        async with visitor(stage.url, self._tell) as ada, visitor(stage.url, self._tell) as grace:
            ada.password = self._password
            await ada.register("Ada Lovelace", ADMIN)
            await make_admin(stage.database, ADMIN)
            await grace.register("Grace Hopper", "grace@example.com")
            await grace.switch_notifications_on(stage.outside.browser("Grace"))
            await self._refused_mail(ada, grace)
            await self._report_and_picture(ada)
            await self._digest(ada)

    def invite(self) -> None:
        """Say where everything is."""
        say, stage = self._screen.say, self._stage
        say()
        say("Everything still runs, until Ctrl-C, and what you do is shown here. In a browser:", "bold")
        say(f"  the application  {stage.url}   (log in as {ADMIN}, password {self._password}, or register)")
        say(f"  the dashboard    {stage.url}/admin/queues/   (Ada is an admin)")
        say(f"  the inbox        {stage.outside.url}")
        say(f"  the API          {stage.url}/docs")
        say()

    async def _refused_mail(self, ada: Visitor, grace: Visitor) -> None:
        """A mail is refused once, and all workers are killed while it waits for its second attempt."""
        stage = self._stage
        self._head("A mail that the mail server refuses for now:")
        job_id = await ada.assign(await ada.create_task("Write the compiler"), grace)
        await until(lambda: stage.watch.lines("Job failed", queue=EMAIL, id=job_id), "the mail is refused", 40)
        # Who dies takes what it does with it: that would come only when its lock has run out.
        await until(lambda: stage.outside.browser("Grace").shown, "the notification comes", 40)
        await until(lambda: stage.mail.mails_to(grace.email), "the welcome mail comes", 40)
        self._head("One of the worker processes is killed while that mail waits for its second attempt:")
        pid = stage.living_workers()[0]
        os.kill(pid, signal.SIGKILL)
        self._screen.event("demo", f"kill -9 {pid}", "red")
        # If it was just being sent, it comes when its lock has run out.
        await until(lambda: self._is(job_id, JobState.COMPLETED), "the mail is sent", 120)

    async def _report_and_picture(self, ada: Visitor) -> None:
        """Work for child processes."""
        self._head("A report, made step by step, and a picture that is made small, in child processes:")
        await ada.send_form("/projects/new", {"name": "Engine"})
        task = await ada.create_task("Describe the engine", dueOn="1843-09-01")
        await ada.assign(task, ada)
        await ada.attach(task, "engine.png", usual_picture())
        await ada.ask_for_report()
        mails = self._stage.mail
        await until(lambda: mails.mails_to(ADMIN, "Your report is ready"), "the report comes", 60)

    async def _digest(self, ada: Visitor) -> None:
        """The mail of tomorrow morning, now."""
        self._head("The daily digest of tomorrow morning, now:")
        summary = await run_next_batch(self._stage.queues, self._screen)
        await draw(self._stage.queues, self._screen, summary)

    async def _is(self, job_id: str, state: JobState) -> bool:
        return await self._stage.queues.email.state(job_id) is state

    def _head(self, text: str) -> None:
        self._screen.say(f"          {text}", "bold")

    def _tell(self, asked: str, seconds: float, status: int) -> None:
        self._screen.event("web", f"{short(asked)} → {status} in {seconds * 1000:.0f} ms", "blue")
