"""The dashboard of the queues: for admins, and in production only if it is asked for."""

from __future__ import annotations

from fastapi import FastAPI
from oxcart.dashboard import Access, Dashboard
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from . import logins
from .contract import ALERTS, QUEUES
from .db import Database
from .settings import Settings


def queue_dashboard(settings: Settings, app: FastAPI) -> Dashboard:
    """The page to see and steer the queues, for the admins among the users of this application."""

    async def who(request: HTTPConnection) -> Access | None:
        database: Database = app.state.database
        async with database.sessions() as session:
            user = await logins.user_of(session, request.cookies.get(logins.COOKIE))
        if user is None and "text/html" in request.headers.get("accept", ""):
            raise HTTPException(303, headers={"location": "/auth/login?next=/admin/queues/"})
        if user is not None and not user.is_admin:
            raise HTTPException(403, "The dashboard is for admins.")
        return Access(user.name, role="admin") if user is not None else None

    return Dashboard(
        [*QUEUES, ALERTS],
        connection=settings.redis_url,
        auth=who,
        enabled=settings.shows_dashboard,
        title="Task Manager",
        environment=settings.environment,
    )
