"""The web application: opens the database and the queues, and puts the routes together."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from oxcart import ConnectionFailed
from oxcart.dashboard import Dashboard, basic

from .db import Database
from .queues import EMAIL, Queues
from .settings import Settings
from .web import jobs, tasks, users


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application with these settings, or with those of the environment."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        app.state.database = database = Database(chosen.database_url)
        app.state.queues = queues = Queues(chosen.redis_url)
        try:
            await database.create_tables()
            yield
        finally:
            await dashboard.close()
            await queues.close()
            await database.close()

    dashboard = queue_dashboard(chosen)
    app = FastAPI(title="Task Manager", lifespan=lifespan)
    for router in (users.router, tasks.router, jobs.router):
        app.include_router(router)
    app.mount("/admin/queues", dashboard)
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(ConnectionFailed, _redis_away)
    return app


def queue_dashboard(settings: Settings) -> Dashboard:
    """The page to see and steer the queues: on while one develops, in production for those with a password."""
    user, _, password = settings.dashboard_auth.get_secret_value().partition(":")
    return Dashboard(
        [EMAIL],
        connection=settings.redis_url,
        auth=basic({user: password}) if user else None,
        enabled=bool(user) or settings.environment == "development",
        title="Task Manager",
        environment=settings.environment,
    )


async def _unfit(request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, without repeating it: it may hold a password, or no proper text at all."""
    assert isinstance(error, RequestValidationError)
    problems = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)


async def _redis_away(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "the job queue can't be reached at the moment"}, status_code=503)


app = create_app()
