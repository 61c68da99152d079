"""The contract between the web application and the workers: which queues there are, and what their jobs carry.

Jobs carry ids only. A job may wait for minutes: what a mail says is read when it is sent, not when it is ordered.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from oxcart import Backoff, JobOptions, Keep

EMAIL, NOTIFICATIONS, REPORTS, IMAGES = QUEUES = ("email", "notifications", "reports", "images")
"""The queues with the application's work in them."""

ALERTS = "alerts"
"""The queue of those who look after the application: each job tells of one that has failed for good."""

DEFAULTS = JobOptions(
    attempts=3,
    backoff=Backoff.exponential(2),  # 2 s, then 4 s
    remove_on_complete=Keep(count=100),
    remove_on_fail=Keep(count=500),
    size_limit=1_000,  # ids have room in that; who puts a document into a job is told so at once
)


# ---------------------------------------------------------------------------------------------------- email

EmailJob = Literal["welcome", "task-assigned", "daily-digest", "report-ready"]
"""The jobs that stand for one mail each."""

DIGEST_BATCH = "digest-batch"
"""The job that has the digests of a day sent, and the scheduler that it comes from."""

DIGEST_SUMMARY = "digest-summary"
"""The parent of a day's digests: it runs when all of them are done, one way or the other."""


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


class ReportReadyData(TypedDict):
    """Who is to be told, and of which report."""

    userId: str
    reportId: str


# -------------------------------------------------------------------------------------------- notifications

NotificationJob = Literal["task-assigned", "task-commented"]


class NotificationData(TypedDict):
    """Who is to be notified, and of which task."""

    userId: str
    taskId: str


# -------------------------------------------------------------------------------------------------- reports

COLLECT = "collect"
"""The job that counts what there is in one project."""

RENDER = "render"
"""The parent of these: it runs when all of them are done, and makes the PDF."""


class CollectData(TypedDict):
    """Which project is to be counted, and from whose report."""

    reportId: str
    projectId: str


class RenderData(TypedDict):
    """Which report is to be made."""

    reportId: str


# --------------------------------------------------------------------------------------------------- images

THUMBNAIL = "thumbnail"


class ThumbnailData(TypedDict):
    """Of which picture a small one is to be made."""

    attachmentId: str


# --------------------------------------------------------------------------------------------------- alerts

ALERT = "alert"


class AlertData(TypedDict):
    """Which job has failed for good."""

    queue: str
    jobId: str
