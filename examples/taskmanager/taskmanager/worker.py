"""The worker of the queue `email`; `oxcart worker taskmanager.worker:worker` runs it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from oxcart import ConnectionFailed, Job, Worker

from .db import Database
from .jobs import digests
from .jobs.emails import send_email
from .mailer import Mailer
from .queues import DIGEST_BATCH, DIGEST_SUMMARY, EMAIL, Queues
from .settings import Settings

log = logging.getLogger(__name__)

CONCURRENCY = 5
"""Mails at once. Sending is waiting, so this may be far more than there are processors."""

SCHEDULE_AGAIN_S = 0.5
"""How long to wait for a Redis that is away at the start before the digests are scheduled."""

Alert = Callable[[Job, BaseException], None]
"""Tells somebody that a job has failed for good."""


def worker() -> Worker:
    """The worker, with the settings of the environment."""
    return email_worker(Settings())


def log_alert(job: Job, error: BaseException) -> None:
    """The alert of this first form: a line that a log watcher can't miss."""
    log.critical(
        "ALERT email job failed for good id=%s name=%r attempts=%d error=%r",
        job.id,
        job.name,
        job.attempts_made,
        str(error),
    )


def email_worker(settings: Settings, alert: Alert = log_alert) -> Worker:
    """A worker that sends mails, and calls `alert` once for each job that has failed for good."""
    database, queues, mailer = Database(settings.database_url), Queues(settings.redis_url), Mailer(settings)
    closing = asyncio.Event()

    async def process(job: Job) -> Any:
        log.info("Processing email job id=%s name=%r", job.id, job.name)
        if job.name == DIGEST_BATCH:
            return await digests.fan_out(job, database=database, flows=queues.flows)
        if job.name == DIGEST_SUMMARY:
            return await digests.sum_up(job)
        return await send_email(job, database=database, mailer=mailer, frontend_url=settings.frontend_url)

    worker = Worker(EMAIL, process, connection=settings.redis_url, concurrency=CONCURRENCY)

    @worker.on("ready")
    def ready() -> None:
        log.info("Email worker ready pid=%d concurrency=%d", os.getpid(), worker.concurrency)

    @worker.on("ready")
    async def schedule() -> None:
        # Here and not in the web application: that one starts without Redis, a worker can wait until it is there.
        while not closing.is_set():
            try:
                return await queues.schedule_digests()
            except ConnectionFailed:
                await asyncio.sleep(SCHEDULE_AGAIN_S)

    @worker.on("failed")
    def failed(job: Job, error: BaseException) -> None:
        # Comes after every failed attempt; only the last one is worth waking somebody.
        log.warning(
            "Email job failed id=%s name=%r attempts=%d/%d error=%r",
            job.id,
            job.name,
            job.attempts_made,
            job.options.get("attempts", 1),
            str(error),
        )
        if job.attempts_left == 0:
            alert(job, error)

    @worker.on("closed")
    async def closed() -> None:
        closing.set()
        await queues.close()
        await database.close()

    return worker
