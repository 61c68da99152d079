"""Rules of workers: apart from the web application, and allowed to crash."""

from __future__ import annotations

import os
import time

from oxcart import JobState, QueueView

from ...contract import ALERTS, EMAIL, QUEUES
from ..parts import PROCESSES
from ..quick import LOCK_S
from ..stage import Stage
from ..watch import until
from .look import ensure

LOST = "lost@example.com"


async def workers_are_apart(stage: Stage) -> str:
    """The web application runs no job: other processes do, each with a worker for each queue."""
    pids = stage.living_workers()
    ensure(len(pids) == PROCESSES, f"{len(pids)} worker processes, and not {PROCESSES}")
    ensure(stage.watch.web_pid not in (0, os.getpid(), *pids), "the web application is no process of its own")
    ensure(
        not [line for line in stage.watch.lines("Worker ready") if line.who == "web"],
        "a worker runs in the web process",
    )
    for name in (*QUEUES, ALERTS):
        async with QueueView(name, connection=stage.settings.redis_url) as view:
            found = len(await view.workers())
        ensure(found == PROCESSES, f"the queue {name!r} has {found} workers, and not {PROCESSES}")
    told = ", ".join(map(str, pids))
    return (
        f"web: process {stage.watch.web_pid}; workers: processes {told}, each with a worker for each of "
        f"{len(QUEUES) + 1} queues"
    )


async def crash_takes_nothing_down(stage: Stage) -> str:
    """All worker processes are killed while one delivers a mail. The web application goes on, and they come again."""
    before = stage.watch.worker_pids()
    async with stage.mail.slow(6), stage.visitor("Lost Mail", LOST) as somebody:
        stage.notes["lost"] = somebody.welcome_id
        await until(lambda: is_active(stage, somebody.welcome_id), "the welcome mail is on its way")
        killed = await stage.kill_workers()
        stage.notes["killed"] = time.monotonic()
        async with stage.visitor("Grace Hopper", "grace@example.com") as grace:
            took_ms = grace.last_s * 1000
        ensure(bool(grace.welcome_id), "without workers, no job can be added")
        await stage.wait_for_new_workers(len(before), PROCESSES)
        seconds = time.monotonic() - stage.notes["killed"]
    ensure(not any(child.ended.done() for child in stage.children), "the supervisor has ended with its workers")
    new = stage.watch.worker_pids()[len(before) :]
    await until(lambda: stage.mail.mails_to("grace@example.com"), "the mail comes that was ordered without workers")
    return (
        f"kill -9 {' '.join(map(str, killed))}: without any worker POST /auth/register took {took_ms:.0f} ms; after "
        f"{seconds:.1f} s the supervisor's new workers {', '.join(map(str, new))} were ready, and sent what had come "
        "meanwhile"
    )


async def lost_job_is_run_again(stage: Stage) -> str:
    """The mail that was on its way arrives all the same, and the log says that its worker was lost."""
    job_id = stage.notes["lost"]
    state = await until(lambda: ended(stage, job_id), "the lost mail's job ends", 45)
    ensure(state is JobState.COMPLETED, "the lost mail's job has failed")
    seconds = time.monotonic() - stage.notes["killed"]
    job = await stage.queues.email.job(job_id)
    assert job is not None
    ensure(job.stalled_count == 1, f"the job was lost {job.stalled_count} times, and not once")
    [mail] = stage.mail.mails_to(LOST)
    await until(lambda: stage.watch.lines("Job stalled", queue=EMAIL), "the log says so")
    return (
        f"job {job_id} completed {seconds:.1f} s after its worker was killed (locks last {LOCK_S} s in this tour, 30 s "
        f"otherwise); lost once, attempts counted: {job.attempts_made}; Message-ID {str(mail['Message-ID'])[:9]}… is "
        "the same at each attempt, so a mail that came twice can be told"
    )


async def is_active(stage: Stage, job_id: str) -> bool:
    return await stage.queues.email.state(job_id) is JobState.ACTIVE


async def ended(stage: Stage, job_id: str) -> JobState | None:
    state = await stage.queues.email.state(job_id)
    return state if state in (JobState.COMPLETED, JobState.FAILED) else None
