"""Rules of failure: tried again with backoff, and an alert when that was in vain."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage

from oxcart import JobState

from ...contract import EMAIL
from ..stage import Stage
from ..watch import until
from .look import ensure

PATIENT, REFUSED = "patient@example.com", "refused@example.com"

ATTEMPTS = 3

CALM_S = 1.0
"""How long no second alert may come."""


async def retried_until_it_is_back(stage: Stage) -> str:
    """The mail server is away for two attempts, and back for the third."""
    await stage.mail.stop()
    try:
        async with stage.visitor("Patient User", PATIENT) as user:
            job_id = user.welcome_id
        await until(lambda: len(stage.watch.lines("Job failed", queue=EMAIL, id=job_id)) >= 2, "two attempts fail", 40)
    finally:
        await stage.mail.start()
    await until(lambda: stage.mail.mails_to(PATIENT), "the mail arrives when the mail server is back", 40)
    failed = [line.at for line in stage.watch.lines("Job failed", queue=EMAIL, id=job_id)]
    begun = await until(lambda: begins(stage, job_id), "the log tells of all attempts")
    waits = [again - end for end, again in zip(failed, begun[1:], strict=True)]
    # It is logged a little later than it happens, and on a busy machine nothing comes in time.
    ensure(
        1 < waits[0] < 12 and 3 < waits[1] < 15,
        f"it waited for {waits[0]:.1f} s and {waits[1]:.1f} s, not for 2 and 4",
    )
    return (
        f"no mail server at attempts 1 and 2, tried again after {waits[0]:.1f} s and {waits[1]:.1f} s; attempt "
        f"{len(begun)} got through"
    )


def begins(stage: Stage, job_id: str) -> list[float] | None:
    """When the attempts began, once there are all of them."""
    found = [line.at for line in stage.watch.lines("Job active", queue=EMAIL, id=job_id)]
    return found if len(found) == ATTEMPTS else None


async def alerts_once(stage: Stage) -> str:
    """A mail is refused at each attempt. After the last one, and not before, somebody is told, and only once."""
    stage.mail.inbox.refuse = refuse
    async with stage.visitor("Refused User", REFUSED) as user:
        job_id = user.welcome_id

    def posted() -> list[dict[str, object]]:
        return [alert for alert in stage.outside.alerts if (alert["queue"], alert["jobId"]) == (EMAIL, job_id)]

    await until(lambda: has_failed(stage, job_id), "it fails for good", 40)
    await until(posted, "the webhook is called")
    await until(lambda: stage.watch.lines("ALERT", queue=EMAIL, id=job_id), "the log tells of it")
    await asyncio.sleep(CALM_S)
    logged = stage.watch.lines("ALERT", queue=EMAIL, id=job_id)
    ensure(len(posted()) == 1, f"the webhook was called {len(posted())} times")
    ensure(len(logged) == 1, f"the log has {len(logged)} alerts")
    watchers = len(stage.living_workers())
    return (
        f"job {job_id} failed {posted()[0]['attempts']} times ({posted()[0]['reason']}); {watchers} processes watch, "
        f"the webhook was called {len(posted())} ×, the log has {len(logged)} line"
    )


def refuse(mail: EmailMessage) -> str | None:
    return "451 4.3.0 try again later" if REFUSED in mail["To"] else None


async def has_failed(stage: Stage, job_id: str) -> bool:
    return await stage.queues.email.state(job_id) is JobState.FAILED
