"""Reports: asked for here, made by a worker, watched live."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from oxcart import JobState, Queue
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ... import work
from ...contract import REPORTS
from ...files import Files
from ...models import Report, User
from ...queues import Queues
from ..needs import NeedsDatabase, NeedsFiles, NeedsQueues, NeedsSession, NeedsUser
from .frame import FormUser, go_to, show
from .live import Now, stream

router = APIRouter(include_in_schema=False)

COUNTED = 60
"""How many per cent of a report are done when all is counted; the rest is drawing."""

READY, FAILED = "Ready", "It could not be made"


@router.get("/reports")
async def all_reports(request: Request, user: NeedsUser, session: NeedsSession, files: NeedsFiles) -> Response:
    """One's own reports, the newest first."""
    mine = select(Report).where(Report.owner_id == user.id).order_by(Report.created_at.desc()).limit(50)
    reports = list(await session.scalars(mine))
    ready = {report.id for report in reports if files.report(report.id).exists()}
    return show(request, "reports.html", user=user, reports=reports, ready=ready)


@router.post("/reports/new")
async def ask(user: FormUser, session: NeedsSession, queues: NeedsQueues) -> Response:
    """Ask for a report. The answer doesn't wait for it."""
    report = await work.ask_for_report(session, queues, user)
    if report is None:
        raise HTTPException(503, "Reports can't be made at the moment. Try it again in a minute, please.")
    return go_to(f"/reports/{report.id}")


@router.get("/reports/{report_id}")
async def one_report(
    request: Request, report_id: str, user: NeedsUser, session: NeedsSession, queues: NeedsQueues, files: NeedsFiles
) -> Response:
    """A report, or how far it is."""
    report = await own_or_404(session, report_id, user)
    return show(request, "report.html", user=user, report=report, now=await how_far(report.id, queues, files))


@router.get("/reports/{report_id}/card")
async def card(
    request: Request, report_id: str, user: NeedsUser, session: NeedsSession, queues: NeedsQueues, files: NeedsFiles
) -> Response:
    """The part of its page that changes."""
    report = await own_or_404(session, report_id, user)
    return show(request, "_report.html", user=user, report=report, now=await how_far(report.id, queues, files))


@router.get("/reports/{report_id}/file")
async def file(report_id: str, user: NeedsUser, session: NeedsSession, files: NeedsFiles) -> Response:
    """The PDF."""
    place = files.report((await own_or_404(session, report_id, user)).id)
    if not place.exists():
        raise HTTPException(404, "This report isn't made yet.")
    return FileResponse(
        place,
        media_type="application/pdf",
        filename="report.pdf",
        content_disposition_type="inline",
        # Of its own, or the browser's viewer would have to obey the rules for our pages.
        headers={"content-security-policy": "frame-ancestors 'none'", "cache-control": "private"},
    )


@router.get("/reports/{report_id}/live")
async def live(
    report_id: str, user: NeedsUser, database: NeedsDatabase, queues: NeedsQueues, files: NeedsFiles
) -> Response:
    """How far a report is, as it happens."""
    async with database.sessions() as session:  # not for as long as somebody watches
        await own_or_404(session, report_id, user)
    return stream(
        queues.events(REPORTS),
        lambda event: (event.job_id or "").startswith(report_id),  # the report's job, and those that it waits for
        lambda: how_far(report_id, queues, files),
    )


async def own_or_404(session: AsyncSession, report_id: str, user: User) -> Report:
    report = await session.get(Report, report_id)
    if report is None or report.owner_id != user.id:
        raise HTTPException(404, "There is no such report (any more).")
    return report


# ------------------------------------------------------------------------------------------------- how far


async def how_far(report_id: str, queues: Queues, files: Files) -> Now:
    """How far a report is. The file is what counts: jobs are kept for a while only."""
    if files.report(report_id).exists():
        return Now(100, READY, over=True)
    queue = queues.named(REPORTS)
    assert queue is not None
    state = await queue.state(report_id)
    if state is JobState.WAITING_CHILDREN:
        return await counted(queue, report_id)
    if state is JobState.ACTIVE:
        return await drawn(queue, report_id)
    if state in (JobState.FAILED, JobState.UNKNOWN, JobState.COMPLETED):
        # Once more: it may have been made between the two looks.
        return Now(100, READY, over=True) if files.report(report_id).exists() else Now(0, FAILED, over=True)
    return Now(COUNTED, "Waiting to be drawn")


async def counted(queue: Queue, report_id: str) -> Now:
    """How many of the jobs are done that the report waits for."""
    job = await queue.job(report_id)
    counts = await job.dependency_counts() if job else {"processed": 0, "unprocessed": 0}
    done, left = counts["processed"], counts["unprocessed"]
    return Now(COUNTED * done // max(done + left, 1), f"Counting: {done} of {done + left} projects")


async def drawn(queue: Queue, report_id: str) -> Now:
    """What the report's job has said of its progress."""
    job = await queue.job(report_id)
    progress: Any = job.progress if job else 0
    if progress == 0:  # as it is until the job says more
        return Now(COUNTED, "Drawing")
    done, of = progress["done"], progress["of"]
    return Now(COUNTED + (100 - COUNTED) * done // max(of, 1), f"Drawing: {done} of {of} projects")
