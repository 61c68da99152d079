"""Alerts: each job that fails for good is made a job of its own, of which there is one however many watch."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from oxcart import Backoff, Connection, FailedEvent, JobOptions, Keep, Queue, QueueEvents

from .contract import ALERT, ALERTS, QUEUES, AlertData

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(minutes=15)
"""How far back a watch begins: what failed at the moment at which the last watcher stopped is found by the next one."""

REMEMBERED = timedelta(hours=1)
"""How long an alert keeps a second one of the same failure out; longer than the look back."""

ALERT_OPTIONS = JobOptions(
    attempts=8,
    backoff=Backoff.exponential(2, jitter=0.2),  # some four minutes, for a webhook that is down
    remove_on_complete=Keep(age=REMEMBERED),
    remove_on_fail=Keep(age=timedelta(days=7), count=500),
    size_limit=1_000,
)


class AlertWatch:
    """Listens to all queues, and adds an alert for each job that fails for good.

    To the queue's events and not to the worker's: what only the worker knows is lost if that dies, and a queue's events
    are still there for whoever listens next. Each worker process listens. An alert's id is that of its event, so that
    of the same alert from several of them one is kept.
    """

    def __init__(self, redis_url: str) -> None:
        self._connection = Connection(redis_url)
        self._alerts = Queue(ALERTS, connection=self._connection, default_job_options=ALERT_OPTIONS, timeout=60)
        since = f"{int((datetime.now(UTC) - LOOK_BACK).timestamp() * 1000)}-0"
        self._events = [QueueEvents(name, connection=self._connection, since=since) for name in QUEUES]
        for events in self._events:
            events.on("failed", self._add)

    async def open(self) -> None:
        """Begin to listen."""
        for events in self._events:
            await events.open()

    async def close(self) -> None:
        """Listen no more."""
        for events in self._events:
            await events.close()
        await self._alerts.close()
        await self._connection.close()

    async def _add(self, event: FailedEvent) -> None:
        assert event.job_id is not None
        data = AlertData(queue=event.queue_name, jobId=event.job_id)
        await self._alerts.add(ALERT, data, job_id=f"{event.queue_name}-{event.id}")
