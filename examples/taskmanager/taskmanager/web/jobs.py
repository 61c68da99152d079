"""Jobs: how far the work is that was handed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from fastapi import APIRouter, HTTPException
from oxcart import JobState

from ..models import User
from .needs import NeedsQueues, NeedsUser
from .shapes import Shape

router = APIRouter(tags=["jobs"])


class ShownJob(Shape):
    """A job as it is now. What it carries is left out: that is between the application and its workers."""

    queue: str
    id: str
    name: str
    state: str
    progress: Any
    attempts: int
    """How often it may be tried."""
    attempts_made: int
    delay: float
    """How many seconds it waits, or waited last, before its next attempt."""
    return_value: Any
    failed_reason: str | None
    """Why the last failed attempt failed; it stays when a later one succeeds. None for those whom it is not about: a
    mail server may repeat the address that it refuses."""
    created_at: datetime | None
    processed_at: datetime | None
    finished_at: datetime | None


@router.get("/jobs/{queue}/{job_id}")
async def show_job(queue: str, job_id: str, user: NeedsUser, queues: NeedsQueues) -> ShownJob:
    """Show a job of one of the application's queues. Whoever has logged in is one of the team, and may see it."""
    chosen = queues.named(queue)
    if chosen is None:
        raise HTTPException(404, f"there is no queue {queue!r}")
    # In this order: a job that is seen as completed is then read with its result.
    state = await chosen.state(job_id)
    job = await chosen.job(job_id)
    if job is None or state is JobState.UNKNOWN:
        raise HTTPException(404, f"there is no job {job_id!r} in the queue {queue!r} (any more)")
    return ShownJob(
        queue=queue,
        id=job.id,
        name=job.name,
        state=state,
        progress=job.progress,
        attempts=max(job.options.get("attempts", 1), 1),
        attempts_made=job.attempts_made,
        delay=job.delay,
        return_value=job.return_value,
        failed_reason=job.failed_reason if user.is_admin or is_about(job.data, user) else None,
        created_at=job.created_at,
        processed_at=job.processed_at,
        finished_at=job.finished_at,
    )


def is_about(data: Any, user: User) -> bool:
    """Whether a job is to tell this user something."""
    return isinstance(data, dict) and cast(dict[str, Any], data).get("userId") == user.id
