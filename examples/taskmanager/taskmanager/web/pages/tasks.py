"""Tasks: the board, the list, and the page of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Form, HTTPException, Request, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from ... import work
from ...models import GENERAL, Attachment, Comment, Project, Task, TaskState, User
from ..needs import NeedsFiles, NeedsQueues, NeedsSession, NeedsUser
from ..shapes import OneLine, Shape
from .forms import MaybeEmpty, OptionalId
from .frame import FormUser, go_to, show

router = APIRouter(include_in_schema=False)


class TaskForm(Shape):
    """What can be said of a task."""

    title: Annotated[OneLine, Field(max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    due_on: Annotated[date | None, MaybeEmpty] = None
    project_id: str = GENERAL
    assignee_id: OptionalId = None
    state: TaskState = "open"


@router.get("/")
async def home() -> Response:
    return go_to("/tasks")


@router.get("/tasks")
async def all_tasks(
    request: Request,
    user: NeedsUser,
    session: NeedsSession,
    view: Literal["board", "list"] = "board",
    project: str = "",
    mine: bool = False,
) -> Response:
    """All tasks, or those of a project, or one's own."""
    wanted = select(Task).options(selectinload(Task.project), selectinload(Task.assignee))
    if project:
        wanted = wanted.where(Task.project_id == project)
    if mine:
        wanted = wanted.where(Task.assignee_id == user.id)
    tasks = list(await session.scalars(wanted.order_by(Task.due_on.is_(None), Task.due_on, Task.created_at)))
    return show(
        request,
        f"{view}.html",
        user=user,
        view=view,
        project=project,
        mine=mine,
        tasks=tasks,
        projects=await all_projects(session),
        people=await everybody(session),
    )


@router.post("/tasks/new")
async def create(
    form: Annotated[TaskForm, Form()], user: FormUser, session: NeedsSession, queues: NeedsQueues
) -> Response:
    """Create a task, which may be somebody's from the start."""
    task = Task(title=form.title, description=form.description, due_on=form.due_on, state=form.state)
    task.project_id = (await project_or_404(session, form.project_id)).id
    assignee = await user_or_404(session, form.assignee_id) if form.assignee_id else None
    session.add(task)
    await session.commit()
    if assignee:
        await work.assign(session, queues, task, assignee)
    return go_to(f"/tasks/{task.id}")


@router.get("/tasks/{task_id}")
async def one_task(
    request: Request, task_id: str, user: NeedsUser, session: NeedsSession, files: NeedsFiles
) -> Response:
    """A task with all that belongs to it."""
    task = await task_or_404(session, task_id)
    comments = select(Comment).where(Comment.task_id == task.id).options(selectinload(Comment.author))
    pictures = select(Attachment).where(Attachment.task_id == task.id)
    found = list(await session.scalars(pictures.order_by(Attachment.created_at)))
    return show(
        request,
        "task.html",
        user=user,
        task=task,
        comments=list(await session.scalars(comments.order_by(Comment.created_at))),
        pictures=found,
        small={picture.id for picture in found if files.thumbnail(picture.id).exists()},
        projects=await all_projects(session),
        people=await everybody(session),
    )


@router.post("/tasks/{task_id}/edit")
async def edit(task_id: str, form: Annotated[TaskForm, Form()], user: FormUser, session: NeedsSession) -> Response:
    """Change what is said of a task; who has it is another form's matter."""
    task = await task_or_404(session, task_id)
    task.title, task.description, task.due_on, task.state = form.title, form.description, form.due_on, form.state
    task.project_id = (await project_or_404(session, form.project_id)).id
    await session.commit()
    return go_to(f"/tasks/{task_id}")


@router.post("/tasks/{task_id}/assignee")
async def assign(
    task_id: str,
    user: FormUser,
    session: NeedsSession,
    queues: NeedsQueues,
    assignee: Annotated[OptionalId, Form()] = None,
) -> Response:
    """Give a task to somebody, or to nobody."""
    task = await task_or_404(session, task_id)
    await work.assign(session, queues, task, await user_or_404(session, assignee) if assignee else None)
    return go_to(f"/tasks/{task_id}")


@router.post("/tasks/{task_id}/state")
async def move(task_id: str, user: FormUser, session: NeedsSession, state: Annotated[TaskState, Form()]) -> Response:
    """Move a task to another column of the board."""
    (await task_or_404(session, task_id)).state = state
    await session.commit()
    return go_to("/tasks")


# -------------------------------------------------------------------------------------- what there may be


async def task_or_404(session: AsyncSession, task_id: str) -> Task:
    task = await session.get(Task, task_id, options=[selectinload(Task.project), selectinload(Task.assignee)])
    if task is None:
        raise HTTPException(404, "There is no such task (any more).")
    return task


async def project_or_404(session: AsyncSession, project_id: str) -> Project:
    if (project := await session.get(Project, project_id)) is None:
        raise HTTPException(404, "There is no such project (any more).")
    return project


async def user_or_404(session: AsyncSession, user_id: str) -> User:
    if (user := await session.get(User, user_id)) is None:
        raise HTTPException(404, "There is no such user (any more).")
    return user


async def everybody(session: AsyncSession) -> Sequence[User]:
    return list(await session.scalars(select(User).order_by(User.name)))


async def all_projects(session: AsyncSession) -> Sequence[Project]:
    return list(await session.scalars(select(Project).order_by(Project.name)))
