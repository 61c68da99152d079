"""Reports: the numbers of each project are one job, and the PDF that waits for them is another one.

Both run in a child process. It reads the settings by itself: nothing but the job is handed to it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TypedDict

from oxcart import Job, Unrecoverable, sync
from sqlalchemy import func, select

from ..db import Database
from ..files import Files, put
from ..models import Project, Task
from ..settings import Settings
from .ids import id_in

MOST_TITLES = 10
"""A result is no document either: of what is overdue, it has the first few."""


class Numbers(TypedDict):
    """What there is in one project."""

    project: str
    open: int
    doing: int
    done: int
    overdue: int
    late: list[str]
    """The titles of the tasks that have been overdue for longest."""


class Made(TypedDict):
    """What a report has become."""

    reportId: str
    projects: int
    pages: int
    bytes: int


async def collect(job: Job) -> Numbers:
    """Count what there is in a project."""
    project_id, today = id_in(job, "projectId"), datetime.now(UTC).date()
    async with database().sessions() as session:
        project = await session.get(Project, project_id)
        if project is None:
            raise Unrecoverable(f"project {project_id} does not exist any more")
        mine = Task.project_id == project_id
        counts = await session.execute(select(Task.state, func.count()).where(mine).group_by(Task.state))
        by_state = {row.state: row[1] for row in counts}
        late = select(Task).where(mine, Task.state != "done", Task.due_on < today).order_by(Task.due_on)
        overdue = await session.scalar(select(func.count()).select_from(late.subquery())) or 0
        titles = [task.title for task in await session.scalars(late.limit(MOST_TITLES))]
    states = {state: by_state.get(state, 0) for state in ("open", "doing", "done")}
    return Numbers(project=project.name, **states, overdue=overdue, late=titles)


def render(job: sync.Job) -> Made:
    """Make the PDF of what the jobs before have counted."""
    from .. import pdf  # heavy, and only this process needs it

    report_id = id_in(job, "reportId")
    projects = sorted(job.children_values().values(), key=lambda numbers: numbers["project"].casefold())

    def tell(done: int) -> None:
        job.update_progress({"done": done, "of": len(projects)})

    content, pages = pdf.report(projects, datetime.now(UTC), tell)
    put(files().report(report_id), content)
    return {"reportId": report_id, "projects": len(projects), "pages": pages, "bytes": len(content)}


@cache
def database() -> Database:
    return Database(Settings().database_url)


@cache
def files() -> Files:
    return Files(Settings().data_dir)
