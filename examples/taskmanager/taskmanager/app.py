"""The web application: opens the database and the queues, and puts the routes together."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from .admin import queue_dashboard
from .db import Database
from .files import Files
from .push import Push
from .queues import Queues
from .settings import Settings
from .web import errors, jobs, tasks, users
from .web.guard import Guard
from .web.pages import accounts, attachments, comments, notifications, projects, reports
from .web.pages import tasks as task_pages

STATIC = Path(__file__).parent / "static"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application with these settings, or with those of the environment."""
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        app.state.settings, app.state.files, app.state.push = chosen, Files(chosen.data_dir), Push(chosen)
        app.state.database = database = Database(chosen.database_url)
        app.state.queues = queues = Queues(chosen.redis_url)
        try:
            await database.create_tables()
            yield
        finally:
            await dashboard.close()
            await queues.close()
            await database.close()

    # The pages that describe the API load scripts from elsewhere, which is for developers.
    docs_url = None if chosen.production else "/docs"
    app = FastAPI(title="Task Manager", lifespan=lifespan, docs_url=docs_url, redoc_url=None)
    app.add_middleware(Guard, own_origin=chosen.frontend_url.rstrip("/"), max_upload_bytes=chosen.max_upload_bytes)
    for page in (accounts, task_pages, comments, attachments, projects, reports, notifications):
        app.include_router(page.router)
    for api in (users, tasks, jobs):
        app.include_router(api.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    dashboard = queue_dashboard(chosen, app)
    app.mount("/admin/queues", dashboard)
    errors.handle(app)
    return app


app = create_app()
