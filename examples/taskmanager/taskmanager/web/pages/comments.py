"""Comments on a task."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field, StringConstraints

from ... import work
from ..needs import NeedsQueues, NeedsSession
from .frame import FormUser, go_to
from .tasks import task_or_404

router = APIRouter(include_in_schema=False)

CommentText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), Field(max_length=5_000)]


@router.post("/tasks/{task_id}/comments")
async def add(
    task_id: str, user: FormUser, session: NeedsSession, queues: NeedsQueues, text: Annotated[CommentText, Form()]
) -> Response:
    """Say something about a task."""
    await work.comment(session, queues, await task_or_404(session, task_id), user, text)
    return go_to(f"/tasks/{task_id}#comments")
