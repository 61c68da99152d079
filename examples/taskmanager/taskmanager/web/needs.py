"""What routes need from the application, as dependencies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession

from .. import logins
from ..db import Database
from ..files import Files
from ..models import User
from ..push import Push
from ..queues import Queues
from ..settings import Settings


def _database(request: Request) -> Database:
    return request.app.state.database


def _settings(request: Request) -> Settings:
    return request.app.state.settings


def _queues(request: Request) -> Queues:
    return request.app.state.queues


def _files(request: Request) -> Files:
    return request.app.state.files


def _push(request: Request) -> Push:
    return request.app.state.push


NeedsDatabase = Annotated[Database, Depends(_database)]
NeedsSettings = Annotated[Settings, Depends(_settings)]
NeedsQueues = Annotated[Queues, Depends(_queues)]
NeedsFiles = Annotated[Files, Depends(_files)]
NeedsPush = Annotated[Push, Depends(_push)]


async def _session(database: NeedsDatabase) -> AsyncIterator[AsyncSession]:
    async with database.sessions() as session:
        yield session


async def visitor(request: Request) -> User | None:
    """Who asks; None if they haven't logged in.

    In a session of its own that is closed at once: a page that is watched for minutes must not keep a connection.
    """
    database: Database = request.app.state.database
    async with database.sessions() as session:
        return await logins.user_of(session, request.cookies.get(logins.COOKIE))


Visitor = Annotated[User | None, Depends(visitor)]


def _user(visitor: Visitor) -> User:
    if visitor is None:
        raise HTTPException(401, "log in first")
    return visitor


# To the end of the route and not of its answer: who reads slowly must not keep a connection.
NeedsSession = Annotated[AsyncSession, Depends(_session, scope="function")]
NeedsUser = Annotated[User, Depends(_user)]
