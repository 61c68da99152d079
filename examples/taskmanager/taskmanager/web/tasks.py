"""Tasks: creating and assigning."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import AliasChoices, Field

from .. import work
from ..models import GENERAL, Project, Task, TaskState, User
from .needs import NeedsQueues, NeedsSession, NeedsUser
from .shapes import JobLink, OneLine, Shape

router = APIRouter(tags=["tasks"])


class NewTask(Shape):
    """A task to be created."""

    title: Annotated[OneLine, Field(max_length=200)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    due_on: date | None = None
    project_id: Annotated[str, Field(max_length=36)] = GENERAL


class Assignment(Shape):
    """Who shall do a task."""

    assignee_id: Annotated[str, Field(max_length=36, validation_alias=AliasChoices("assigneeId", "userId"))]


class ShownTask(Shape):
    """A task as it is now."""

    id: str
    title: str
    description: str
    state: TaskState
    done: bool
    due_on: date | None
    project_id: str
    assignee_id: str | None


class AssignedTask(ShownTask):
    """A task, and the job that tells its new owner; none if they have had it before."""

    job: JobLink | None


@router.post("/tasks", status_code=201)
async def create_task(new: NewTask, user: NeedsUser, session: NeedsSession) -> ShownTask:
    """Create a task that nobody has yet."""
    if await session.get(Project, new.project_id) is None:
        raise HTTPException(404, f"there is no project {new.project_id!r}")
    task = Task(title=new.title, description=new.description, due_on=new.due_on, project_id=new.project_id)
    session.add(task)
    await session.commit()
    return ShownTask.model_validate(task, from_attributes=True)


@router.post("/tasks/{task_id}/assign")
async def assign_task(
    task_id: str, to: Assignment, user: NeedsUser, session: NeedsSession, queues: NeedsQueues
) -> AssignedTask:
    """Assign a task. The answer doesn't wait for the mail to its new owner."""
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(404, f"there is no task {task_id!r}")
    assignee = await session.get(User, to.assignee_id)
    if assignee is None:
        raise HTTPException(404, f"there is no user {to.assignee_id!r}")
    job = await work.assign(session, queues, task, assignee)
    shown = ShownTask.model_validate(task, from_attributes=True)
    return AssignedTask(**shown.model_dump(), job=JobLink.to(job))
