"""The workers; `oxcart worker taskmanager.worker:workers` runs them, in a process apart from the web application."""

from __future__ import annotations

from typing import Any

from oxcart import Job, RateLimit, Worker

from .alerts import AlertWatch
from .contract import (
    ALERTS,
    COLLECT,
    DIGEST_BATCH,
    DIGEST_SUMMARY,
    EMAIL,
    IMAGES,
    NOTIFICATIONS,
    RENDER,
    REPORTS,
    THUMBNAIL,
)
from .db import Database
from .jobs import alerts, digests, images, notifications, reports
from .jobs.emails import send_email
from .lifecycle import at_end, at_start, logged
from .mailer import Mailer
from .push import Push
from .queues import Queues
from .settings import Settings

NOTIFICATIONS_A_SECOND = RateLimit(10, 1)
"""What we ask of the vendors of browsers, all workers together."""

MEMORY_FOR_A_PICTURE = 400_000_000
"""The largest picture that we take fits into it twice, unpacked, which is what is needed; Python needs a tenth."""


def workers(settings: Settings | None = None) -> list[Worker]:
    """All workers, with these settings or with those of the environment."""
    chosen = settings or Settings()
    return [
        email_worker(chosen),
        notification_worker(chosen),
        report_worker(chosen),
        image_worker(chosen),
        alert_worker(chosen),
    ]


def email_worker(settings: Settings) -> Worker:
    """Sends mails. Sending is waiting, so there may be far more of them at once than there are processors."""
    database, queues, mailer = Database(settings.database_url), Queues(settings.redis_url), Mailer(settings)

    async def process(job: Job) -> Any:
        if job.name == DIGEST_BATCH:
            return await digests.fan_out(job, database=database, flows=queues.flows)
        if job.name == DIGEST_SUMMARY:
            return await digests.sum_up(job)
        return await send_email(job, database=database, mailer=mailer, frontend_url=settings.frontend_url)

    worker = logged(Worker(EMAIL, process, connection=settings.redis_url, concurrency=5, timeout=120))
    # Here and not in the web application: that one starts without Redis, a worker can wait until it is there.
    at_start(worker, queues.schedule_digests)
    at_end(worker, queues, database)
    return worker


def notification_worker(settings: Settings) -> Worker:
    """Notifies browsers, no faster than their vendors like it."""
    database, push = Database(settings.database_url), Push(settings)

    async def process(job: Job) -> Any:
        return await notifications.notify(job, database=database, push=push, frontend_url=settings.frontend_url)

    worker = Worker(
        NOTIFICATIONS,
        process,
        connection=settings.redis_url,
        concurrency=5,
        limiter=NOTIFICATIONS_A_SECOND,
        max_started_attempts=20,  # waits that a vendor asks for are no failures, but they have to end, too
        timeout=120,
    )
    at_end(worker, database)
    return logged(worker)


def report_worker(settings: Settings) -> Worker:
    """Makes reports. That is work for a processor: as many at once as there are of them, each in a child process."""
    return logged(
        Worker(
            REPORTS,
            {COLLECT: reports.collect, RENDER: reports.render},
            connection=settings.redis_url,
            concurrency=2,
            isolation="process",
            timeout=120,
        )
    )


def image_worker(settings: Settings) -> Worker:
    """Makes pictures small, each in a child process that can't take more memory than this."""
    return logged(
        Worker(
            IMAGES,
            {THUMBNAIL: images.make_thumbnail},
            connection=settings.redis_url,
            concurrency=2,
            isolation="process",
            isolation_memory=MEMORY_FOR_A_PICTURE,
            timeout=30,
        )
    )


def alert_worker(settings: Settings) -> Worker:
    """Tells of jobs that have failed for good, and watches out for them."""
    queues, watch = Queues(settings.redis_url), AlertWatch(settings.redis_url)

    async def process(job: Job) -> Any:
        return await alerts.alert(job, queues=queues, webhook=settings.alert_webhook.get_secret_value())

    worker = logged(Worker(ALERTS, process, connection=settings.redis_url, timeout=60))
    at_start(worker, watch.open)
    at_end(worker, watch, queues)
    return worker
