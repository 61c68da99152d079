"""The queues and what their jobs carry: the contract between the web application and the workers."""

from __future__ import annotations

import logging
from typing import Any, Literal, TypedDict, Unpack

from oxcart import Backoff, Connection, ConnectionFailed, FlowProducer, Job, JobOptions, Keep, Queue

log = logging.getLogger(__name__)

EMAIL = "email"

DEFAULTS = JobOptions(
    attempts=3,
    backoff=Backoff.exponential(2),  # 2 s, then 4 s
    remove_on_complete=Keep(count=100),
    remove_on_fail=Keep(count=500),
)

ANSWER_WITHIN_S = 2
"""A request waits no longer than this for a Redis that is away."""


# Jobs carry ids only. A job may wait for minutes: what a mail says is read when it is sent, not when it is ordered.
class WelcomeData(TypedDict):
    """Who is to be greeted."""

    userId: str


class TaskAssignedData(TypedDict):
    """Who is to be told, and of which task."""

    userId: str
    taskId: str


class DailyDigestData(TypedDict):
    """Whose tasks are to be summed up."""

    userId: str


EmailJob = Literal["welcome", "task-assigned", "daily-digest"]
"""The names of the jobs in the queue `email` that stand for one mail each."""

DIGEST_BATCH = "digest-batch"
"""The job that has the digests of a day sent, and the scheduler that it comes from."""

DIGEST_SUMMARY = "digest-summary"
"""The parent of a day's digests: it runs when all of them are done, one way or the other."""


class Queues:
    """The queues of the application, over one connection. Nothing is opened before the first use.

    The `add_…` methods answer None if Redis can't be reached: what the user asked for is in the database already, and
    that stands without the mail. Call them after the commit: a worker may be quicker than a transaction.
    """

    def __init__(self, redis_url: str) -> None:
        self._connection = Connection(redis_url, timeout=ANSWER_WITHIN_S, connect_timeout=ANSWER_WITHIN_S)
        self.email = Queue(EMAIL, connection=self._connection, default_job_options=DEFAULTS, timeout=ANSWER_WITHIN_S)
        self.flows = FlowProducer(connection=self._connection, queue_options={EMAIL: DEFAULTS}, timeout=ANSWER_WITHIN_S)
        self._by_name = {queue.name: queue for queue in (self.email,)}

    def named(self, name: str) -> Queue | None:
        """The queue with this name, if it is one of ours."""
        return self._by_name.get(name)

    async def add_welcome(self, user_id: str) -> Job | None:
        """Greet a new user."""
        return await self._add_email("welcome", WelcomeData(userId=user_id), priority=1)

    async def add_task_assigned(self, user_id: str, task_id: str) -> Job | None:
        """Tell a user of a task that is theirs now."""
        return await self._add_email("task-assigned", TaskAssignedData(userId=user_id, taskId=task_id))

    async def schedule_digests(self) -> None:
        """Have the digests sent every morning. Called again, it changes nothing."""
        await self.email.upsert_scheduler(DIGEST_BATCH, cron="0 8 * * *", tz="UTC")

    async def close(self) -> None:
        """Finish adds under way, then close the connection."""
        for queue in self._by_name.values():
            await queue.close()
        await self._connection.close()

    async def _add_email(self, name: EmailJob, data: Any, **options: Unpack[JobOptions]) -> Job | None:
        try:
            job = await self.email.add(name, data, **options)
        except ConnectionFailed as error:
            log.error("Job not added queue=%s name=%r data=%r error=%r", EMAIL, name, data, str(error))
            return None
        log.info("Job added queue=%s id=%s name=%r", EMAIL, job.id, name)
        return job
