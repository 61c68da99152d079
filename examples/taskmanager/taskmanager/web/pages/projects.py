"""Projects: what tasks belong to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Response
from pydantic import Field
from sqlalchemy.exc import IntegrityError

from ...models import Project
from ..needs import NeedsSession
from ..shapes import OneLine
from .frame import FormUser, go_to

router = APIRouter(include_in_schema=False)


@router.post("/projects/new")
async def create(
    user: FormUser, session: NeedsSession, name: Annotated[OneLine, Field(max_length=100), Form()]
) -> Response:
    """Begin a project."""
    project = Project(name=name)
    session.add(project)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "There is a project of this name already.") from None
    return go_to(f"/tasks?project={project.id}")
