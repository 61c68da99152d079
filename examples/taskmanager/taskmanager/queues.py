"""Queues: how the web application hands work over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Unpack

from oxcart import Connection, ConnectionFailed, Deduplication, Flow, FlowProducer, Job, JobOptions, Queue, QueueEvents

from . import contract
from .contract import DEFAULTS, EMAIL, IMAGES, NOTIFICATIONS, QUEUES, REPORTS

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 2
"""A request waits no longer than this for a Redis that is away."""

DIGEST_DELAY = timedelta(minutes=10)
"""Digests are nobody's hurry: they let the mails of the hour go first."""

NOTIFIED_ONCE_IN = timedelta(minutes=1)
"""How often one user may be notified of one task."""


class Queues:
    """The queues of the application, over one connection. Nothing is opened before the first use.

    The `add_…` methods answer None if Redis can't be reached: what the user asked for is in the database already, and
    that stands without the mail. Call them after the commit: a worker may be quicker than a transaction.
    """

    def __init__(self, redis_url: str) -> None:
        self._connection = Connection(redis_url, timeout=ANSWER_WITHIN_S, connect_timeout=ANSWER_WITHIN_S)
        self._by_name = {
            name: Queue(name, connection=self._connection, default_job_options=DEFAULTS, timeout=ANSWER_WITHIN_S)
            for name in QUEUES
        }
        self.flows = FlowProducer(
            connection=self._connection, queue_options=dict.fromkeys(QUEUES, DEFAULTS), timeout=ANSWER_WITHIN_S
        )

    @property
    def email(self) -> Queue:
        return self._by_name[EMAIL]

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self._by_name)

    def named(self, name: str) -> Queue | None:
        """The queue with this name, if it is one of ours."""
        return self._by_name.get(name)

    def events(self, name: str) -> QueueEvents:
        """What happens in a queue, from when it is opened; all who listen share one more connection."""
        return QueueEvents(name, connection=self._connection)

    async def close(self) -> None:
        """Finish adds under way, then close the connection."""
        for queue in self._by_name.values():
            await queue.close()
        await self._connection.close()

    # ------------------------------------------------------------------------------------------------- mails

    async def add_welcome(self, user_id: str) -> Job | None:
        """Greet a new user, before all other mails: somebody sits there and waits for it."""
        return await self._add(EMAIL, "welcome", contract.WelcomeData(userId=user_id), priority=1)

    async def add_task_assigned(self, user_id: str, task_id: str) -> Job | None:
        """Tell a user of a task that is theirs now.

        It needs a priority, or it would overtake the welcome mails: jobs without one run before all that have one.
        """
        data = contract.TaskAssignedData(userId=user_id, taskId=task_id)
        return await self._add(EMAIL, "task-assigned", data, priority=2)

    async def schedule_digests(self) -> None:
        """Have the digests sent every morning. Called again, it changes nothing."""
        await self.email.upsert_scheduler(contract.DIGEST_BATCH, cron="0 8 * * *", tz="UTC")

    # ----------------------------------------------------------------------------------------- notifications

    async def add_notification(self, name: contract.NotificationJob, user_id: str, task_id: str) -> Job | None:
        """Notify a user in the browser, but not twice in a minute of the same task."""
        return await self._add(
            NOTIFICATIONS,
            name,
            contract.NotificationData(userId=user_id, taskId=task_id),
            deduplication=Deduplication(f"{task_id}-{user_id}", ttl=NOTIFIED_ONCE_IN),
        )

    # ---------------------------------------------------------------------------------------------- pictures

    async def add_thumbnail(self, attachment_id: str) -> Job | None:
        """Have a small form of a picture made. The job has the picture's id: there is one for each."""
        data = contract.ThumbnailData(attachmentId=attachment_id)
        return await self._add(IMAGES, contract.THUMBNAIL, data, job_id=attachment_id)

    # ----------------------------------------------------------------------------------------------- reports

    async def add_report(self, report_id: str, user_id: str, project_ids: Sequence[str]) -> Job | None:
        """Have a report made and its link mailed; the job that makes it, which has the report's id."""
        flow = report_flow(report_id, user_id, project_ids)
        try:
            mail = await self.flows.add(flow)
        except ConnectionFailed as error:
            log.error("Job not added queue=%s name=%r data=%r error=%r", REPORTS, "render", report_id, str(error))
            return None
        [render] = mail.children
        log.info("Job added queue=%s id=%s name=%r", REPORTS, render.job.id, render.job.name)
        return render.job

    async def _add(self, queue: str, name: str, data: Any, **options: Unpack[JobOptions]) -> Job | None:
        try:
            job = await self._by_name[queue].add(name, data, **options)
        except ConnectionFailed as error:
            log.error("Job not added queue=%s name=%r data=%r error=%r", queue, name, data, str(error))
            return None
        log.info("Job added queue=%s id=%s name=%r", queue, job.id, name)
        return job


def report_flow(report_id: str, user_id: str, project_ids: Sequence[str]) -> Flow:
    """A mail that waits for a PDF that waits for the numbers of all projects; each runs when its children are done."""
    collects = [
        Flow(
            REPORTS,
            contract.COLLECT,
            contract.CollectData(reportId=report_id, projectId=project_id),
            job_id=f"{report_id}.{number}",
            attempts=1,
            on_child_failure="fail_parent",  # half a report is none
        )
        for number, project_id in enumerate(project_ids)
    ]
    render = Flow(
        REPORTS,
        contract.RENDER,
        contract.RenderData(reportId=report_id),
        job_id=report_id,
        # Somebody waits for it and can ask again: one attempt, and then they are told.
        attempts=1,
        on_child_failure="ignore",  # the mail goes out all the same, and says that it went wrong
        children=collects,
    )
    data = contract.ReportReadyData(userId=user_id, reportId=report_id)
    return Flow(EMAIL, "report-ready", data, job_id=report_id, priority=1, children=[render])


def digest_flow(day: str, user_ids: Sequence[str]) -> Flow:
    """A summary that waits for a digest to each of these users."""
    digests = [
        Flow(
            EMAIL,
            "daily-digest",
            contract.DailyDigestData(userId=user_id),
            job_id=f"digest-{day}-{user_id}",
            delay=DIGEST_DELAY,
            priority=5,
            on_child_failure="ignore",  # one mailbox that is gone is no reason to know nothing of the others
        )
        for user_id in user_ids
    ]
    return Flow(EMAIL, contract.DIGEST_SUMMARY, job_id=f"digest-{day}", children=digests)
