"""Work: what both the API and the pages do. Each function commits first and hands jobs over then."""

from __future__ import annotations

from collections.abc import Sequence

from oxcart import Job
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from . import logins, passwords, tries
from .models import Attachment, Comment, Project, Report, Task, User
from .pictures import Look
from .queues import Queues


class Taken(Exception):
    """Somebody has registered with this address already."""


async def register(
    session: AsyncSession, queues: Queues, *, name: str, email: str, password: str, wants_digest: bool = True
) -> tuple[User, str, Job | None]:
    """Register a user and log them in: the user, the token for their cookie, and the job that greets them."""
    user = User(name=name, email=email, password_hash=await passwords.hashed(password), wants_digest=wants_digest)
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise Taken from None
    token = await logins.log_in(session, user)
    await session.commit()
    # After the commit: a job that is added before may run before the user can be read.
    return user, token, await queues.add_welcome(user.id)


async def log_in(session: AsyncSession, email: str, password: str) -> str | None:
    """Log a user in: the token for their cookie, or None if the address or the password is wrong.

    After too many wrong ones, or with too many at once, it raises `tries.TooMany`, whatever the password.
    """
    email = email.strip().lower()
    user = await session.scalar(select(User).where(User.email == email))
    await tries.begin(session, email)
    if not await passwords.fits(password, user.password_hash if user else None) or user is None:
        return None
    await tries.forget(session, email)
    token = await logins.log_in(session, user)
    await session.commit()
    return token


async def assign(session: AsyncSession, queues: Queues, task: Task, user: User | None) -> Job | None:
    """Assign a task, or take it from whoever has it; the job that mails its new owner, if it is a new one."""
    new = user.id if user else None
    # In one step: of two requests at once that say the same, one makes the change, and its mail goes out once.
    change = update(Task).where(Task.id == task.id, Task.assignee_id.is_distinct_from(new)).values(assignee_id=new)
    changed = (await session.execute(change.returning(Task.id), execution_options={"synchronize_session": False})).all()
    await session.commit()
    set_committed_value(task, "assignee_id", new)
    if user is None or not changed:
        return None
    await queues.add_notification("task-assigned", user.id, task.id)
    return await queues.add_task_assigned(user.id, task.id)


async def comment(session: AsyncSession, queues: Queues, task: Task, author: User, text: str) -> None:
    """Say something about a task; who has it is notified."""
    session.add(Comment(task_id=task.id, author_id=author.id, text=text))
    await session.commit()
    if task.assignee_id and task.assignee_id != author.id:
        await queues.add_notification("task-commented", task.assignee_id, task.id)


async def attach(
    session: AsyncSession, queues: Queues, attachment_id: str, task: Task, author: User, name: str, look: Look
) -> None:
    """Add a picture, whose file is in its place already; a small one is made of it later."""
    session.add(
        Attachment(
            id=attachment_id,
            task_id=task.id,
            author_id=author.id,
            name=name,
            media_type=look.media_type,
            width=look.width,
            height=look.height,
        )
    )
    await session.commit()
    await queues.add_thumbnail(attachment_id)


async def ask_for_report(session: AsyncSession, queues: Queues, owner: User) -> Report | None:
    """Have a report made. None if that can't be done now: there is nothing of it to be kept then."""
    report = Report(owner_id=owner.id)
    session.add(report)
    project_ids: Sequence[str] = list(await session.scalars(select(Project.id)))
    await session.commit()
    if await queues.add_report(report.id, owner.id, project_ids) is None:
        await session.delete(report)
        await session.commit()
        return None
    return report
