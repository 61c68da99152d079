"""E-mail jobs: each one reads fresh data, renders a mail and sends it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, select_autoescape
from oxcart import Job, Unrecoverable
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ..db import Database
from ..mailer import Letter, Mailer, message_id_of
from ..models import Report, Task, User
from .ids import id_in
from .moot import Moot, still_theirs

log = logging.getLogger(__name__)

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates" / "emails"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class EmailResult(TypedDict):
    """What an e-mail job returns: the mail's Message-ID, or why there was no mail to be sent any more."""

    messageId: str | None
    skipped: NotRequired[str]


Facts = dict[str, Any]
"""What a template may use."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of mail: its subject, its template, and what it has to know besides its receiver."""

    subject: str
    template: str
    facts: Callable[[AsyncSession, Job, User], Awaitable[Facts]]


async def send_email(job: Job, *, database: Database, mailer: Mailer, frontend_url: str) -> EmailResult:
    """Send the mail that a job stands for.

    Raises `Unrecoverable` where trying again can't help; other errors are retried by the queue.
    """
    try:
        letter = await compose(job, database, frontend_url.rstrip("/"))
    except Moot as moot:
        log.info("Email skipped id=%s reason=%r", job.id, str(moot))
        return {"messageId": None, "skipped": str(moot)}
    message_id = message_id_of(job)
    await mailer.send(letter, message_id)
    # The mail is out: from here on nothing may fail, or it would be sent again.
    log.info("Email sent id=%s messageId=%s", job.id, message_id)
    return {"messageId": message_id}


async def compose(job: Job, database: Database, frontend_url: str) -> Letter:
    """The letter for a job, from what the database says now."""
    # A look-up and nothing else: names come from outside and never become a path.
    kind = KINDS.get(job.name, OTHER)
    async with database.sessions() as session:
        user = await session.get(User, id_in(job, "userId"))
        if user is None:
            raise Unrecoverable(f"user {id_in(job, 'userId')} does not exist any more")
        found = await kind.facts(session, job, user)
    facts: Facts = {"subject": kind.subject, **found, "user": user, "frontend_url": frontend_url}
    try:
        text, html = (templates.get_template(f"{kind.template}.{form}").render(facts) for form in ("txt", "html"))
    except TemplateNotFound as error:
        raise Unrecoverable(f"the mail for {job.name!r} has no template {error.name!r}") from error
    return Letter(user.name, user.email, facts["subject"], text, html)


# ------------------------------------------------------------------------------------------- kinds of mails


async def nothing_more(session: AsyncSession, job: Job, user: User) -> Facts:
    """For mails that need their receiver only."""
    return {}


async def assigned_task(session: AsyncSession, job: Job, user: User) -> Facts:
    """The task that was assigned, if it still is."""
    task = await session.get(Task, id_in(job, "taskId"))
    if task is None:
        raise Unrecoverable(f"task {id_in(job, 'taskId')} does not exist any more")
    still_theirs(task, user.id)
    return {"task": task}


async def open_tasks(session: AsyncSession, job: Job, user: User) -> Facts:
    """What the user has still to do: first what is overdue, then what is due soonest, then the oldest."""
    if not user.wants_digest:
        raise Moot(f"user {user.id} wants no digests any more")
    mine = select(Task).where(Task.assignee_id == user.id, Task.state != "done")
    tasks = list(await session.scalars(mine.order_by(Task.due_on.is_(None), Task.due_on, Task.created_at)))
    if not tasks:
        raise Moot(f"user {user.id} has nothing to do")
    today = datetime.now(UTC).date()
    overdue = [task for task in tasks if task.due_on and task.due_on < today]
    return {"overdue": overdue, "others": tasks[len(overdue) :]}


async def report(session: AsyncSession, job: Job, user: User) -> Facts:
    """A report, which the job that this one has waited for has made, or not."""
    found = await session.get(Report, id_in(job, "reportId"))
    if found is None:
        raise Unrecoverable(f"report {id_in(job, 'reportId')} does not exist any more")
    failures = list((await job.ignored_failures()).values())
    if failures:
        return {"report": found, "failed": True, "subject": "Your report could not be made"}
    return {"report": found, "failed": False}


KINDS = {
    "welcome": Kind("Welcome to Task Manager!", "welcome", nothing_more),
    "task-assigned": Kind("A task has been assigned to you", "task-assigned", assigned_task),
    "report-ready": Kind("Your report is ready", "report-ready", report),
    "daily-digest": Kind("Your daily task summary", "daily-digest", open_tasks),
}

OTHER = Kind("Notification from Task Manager", "notification", nothing_more)
"""For jobs of another name, such as those of a newer web application."""
