"""Notifications: one job for one user and task, one request for each of the user's browsers."""

from __future__ import annotations

import json
import logging
from typing import NotRequired, TypedDict

from oxcart import Job, Unrecoverable
from sqlalchemy import delete, select

from ..db import Database
from ..models import PushSubscription, Task
from ..push import Gone, Push
from .ids import id_in
from .moot import Moot, still_theirs

log = logging.getLogger(__name__)

TITLES = {
    "task-assigned": "A task for you",
    "task-commented": "Somebody has commented",
}


class Notified(TypedDict):
    """In how many browsers a user was notified, and how many of them are no more; or why nobody is any more."""

    sent: int
    gone: int
    skipped: NotRequired[str]


async def notify(job: Job, *, database: Database, push: Push, frontend_url: str) -> Notified:
    """Notify a user of a task in all their browsers."""
    try:
        content = await written(job, database, frontend_url.rstrip("/"))
    except Moot as moot:
        log.info("Notification skipped id=%s reason=%r", job.id, str(moot))
        return {"sent": 0, "gone": 0, "skipped": str(moot)}
    results: list[str] = []
    errors: list[Exception] = []
    for subscription in await subscriptions_of(id_in(job, "userId"), database):
        try:
            # A step that is done is not done again: if one browser's vendor is down, the others get it once.
            results.append(await job.step(subscription.id, send, subscription, content, database, push))
        except Exception as error:
            errors.append(error)
    if errors:
        raise worth_another_attempt(errors)
    return {"sent": results.count("sent"), "gone": results.count("gone")}


async def written(job: Job, database: Database, frontend_url: str) -> str:
    """What a notification says, from what the database says now; our page's service worker shows it."""
    async with database.sessions() as session:
        task = await session.get(Task, id_in(job, "taskId"))
    if task is None:
        raise Unrecoverable(f"task {id_in(job, 'taskId')} does not exist any more")
    if job.name == "task-assigned":
        still_theirs(task, id_in(job, "userId"))
    title = TITLES.get(job.name, "Task Manager")
    return json.dumps({"title": title, "body": task.title, "url": f"{frontend_url}/tasks/{task.id}", "tag": task.id})


async def subscriptions_of(user_id: str, database: Database) -> list[PushSubscription]:
    """The browsers in which a user wants to be notified."""
    async with database.sessions() as session:
        mine = select(PushSubscription).where(PushSubscription.user_id == user_id)
        return list(await session.scalars(mine.order_by(PushSubscription.created_at)))


async def send(to: PushSubscription, content: str, database: Database, push: Push) -> str:
    """Notify one browser. One that is no more is forgotten, and that is no failure."""
    try:
        await push.send(to, content)
    except Gone:
        async with database.sessions() as session:
            await session.execute(delete(PushSubscription).where(PushSubscription.id == to.id))
            await session.commit()
        log.info("Push subscription deleted id=%s user=%s", to.id, to.user_id)
        return "gone"
    return "sent"


def worth_another_attempt(errors: list[Exception]) -> Exception:
    """Of several errors the one to fail with: rather one that may go away."""
    return min(errors, key=lambda error: isinstance(error, Unrecoverable))
