"""What routes need from the application, as dependencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from ..db import Database
from ..queues import Queues


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.sessions() as session:
        yield session


def _queues(request: Request) -> Queues:
    return request.app.state.queues


NeedsSession = Annotated[AsyncSession, Depends(_session)]
NeedsQueues = Annotated[Queues, Depends(_queues)]
