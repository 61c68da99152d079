"""Alerts: somebody is told of each job that has failed for good, once."""

from __future__ import annotations

import logging
from typing import Any, TypedDict

import httpx
from oxcart import Job, Unrecoverable

from ..queues import Queues
from .ids import id_in

log = logging.getLogger(__name__)

TIMEOUT_S = 10

# It writes each URL that it asks into the log, and that of a webhook is as good as a password.
logging.getLogger("httpx").setLevel(logging.WARNING)


class Alerted(TypedDict):
    """Whether the webhook was called; if none is set, the log is all there is."""

    posted: bool


async def alert(job: Job, *, queues: Queues, webhook: str) -> Alerted:
    """Tell of a job that has failed for good: in the log, and to the webhook if one is set."""
    facts = await facts_of(job, queues)
    # The line is a step: if the webhook has to be called again, the log isn't written again.
    await job.step("log", write_line, facts)
    if not webhook:
        return {"posted": False}
    async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
        answer = await client.post(webhook, json=facts, headers={"idempotency-key": job.id})
    if not answer.is_success:
        raise ConnectionError(f"the webhook answered {answer.status_code}")  # httpx' own error says its URL
    return {"posted": True}


async def facts_of(job: Job, queues: Queues) -> dict[str, Any]:
    """What is known of the job that has failed."""
    name, job_id = id_in(job, "queue"), id_in(job, "jobId")
    queue = queues.named(name)
    if queue is None:
        raise Unrecoverable(f"there is no queue {name!r}")
    failed = await queue.job(job_id)
    facts: dict[str, Any] = {"alert": job.id, "queue": name, "jobId": job_id}
    if failed is None:  # it was removed meanwhile; that it failed is true all the same
        return facts | {"name": None, "attempts": None, "reason": None}
    return facts | {"name": failed.name, "attempts": failed.attempts_made, "reason": failed.failed_reason}


def write_line(facts: dict[str, Any]) -> None:
    """The line that a log watcher can't miss."""
    log.critical(
        "ALERT job failed for good queue=%s id=%s name=%r attempts=%s error=%r",
        *(facts[field] for field in ("queue", "jobId", "name", "attempts", "reason")),
    )
