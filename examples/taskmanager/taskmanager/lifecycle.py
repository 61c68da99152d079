"""What all workers have in common: what they open and close, and what they log."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from oxcart import ConnectionFailed, Job, Worker

log = logging.getLogger(__name__)

AGAIN_S = 0.5
"""How long to wait for a Redis that is away at the start."""


class Closable(Protocol):
    """What is closed at the end."""

    async def close(self) -> None: ...


def at_start(worker: Worker, do: Callable[[], Awaitable[object]]) -> None:
    """Do something when the worker starts, as soon as Redis is there."""
    closing = asyncio.Event()

    @worker.on("ready")
    async def ready() -> None:
        while not closing.is_set():
            try:
                await do()
                return
            except ConnectionFailed:
                await asyncio.sleep(AGAIN_S)

    @worker.on("closed")
    def closed() -> None:
        closing.set()


def at_end(worker: Worker, *open_things: Closable) -> None:
    """Close what belongs to a worker with it."""

    @worker.on("closed")
    async def closed() -> None:
        for thing in open_things:
            await thing.close()


def logged(worker: Worker) -> Worker:
    """The same worker, which tells in the log what becomes of its jobs."""
    queue = worker.queue_name

    @worker.on("ready")
    def ready() -> None:
        log.info("Worker ready queue=%s pid=%d concurrency=%d", queue, os.getpid(), worker.concurrency)

    @worker.on("active")
    def active(job: Job) -> None:
        log.info("Job active queue=%s id=%s name=%r", queue, job.id, job.name)

    @worker.on("completed")
    def completed(job: Job, value: Any) -> None:
        log.info("Job completed queue=%s id=%s name=%r attempts=%d", queue, job.id, job.name, job.attempts_made)

    @worker.on("failed")
    def failed(job: Job, error: BaseException) -> None:
        # Comes after every failed attempt; of the last one somebody is alerted (see alerts.py).
        attempts = f"{job.attempts_made}/{job.options.get('attempts', 1)}"
        left = job.attempts_left
        log.warning(
            "Job failed queue=%s id=%s name=%r attempts=%s left=%d error=%r",
            queue,
            job.id,
            job.name,
            attempts,
            left,
            str(error),
        )

    @worker.on("stalled")
    def stalled(job_id: str) -> None:
        log.warning("Job stalled queue=%s id=%s: its worker was lost, and it is run again", queue, job_id)

    return worker
