"""The rule of Redis: what was handed over is there after a restart."""

from __future__ import annotations

import os
import signal
import time

from oxcart import Queue

from ...contract import DIGEST_BATCH
from ..stage import Stage, is_alive
from ..watch import until
from .look import NotHere, ensure

ADDRESSES = [f"waiting{number}@example.com" for number in range(5)]


async def nothing_is_active(queue: Queue) -> bool:
    return (await queue.counts("active"))["active"] == 0


async def jobs_survive(stage: Stage) -> str:
    """Jobs wait, Redis is killed and started again; all of them are there, and are done."""
    if not stage.own_redis:
        raise NotHere("not looked at: the Redis that REDIS_URL names isn't ours to kill")
    queue = stage.queues.email
    await queue.pause()
    for address in ADDRESSES:
        async with stage.visitor("Waiting User", address):
            pass
    await until(lambda: nothing_is_active(queue), "what was begun is done")
    before, scheduler = await queue.counts(), await queue.scheduler(DIGEST_BATCH)
    pid = await stage.redis_pid()
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not is_alive(pid), "Redis dies")
    await until(stage.redis_pid, "Redis is started again")
    seconds = time.monotonic() - killed
    after = await queue.counts()
    ensure(after == before, f"there were {before}, and there are {after}")
    again = await queue.scheduler(DIGEST_BATCH)
    ensure(bool(scheduler and again and again.next == scheduler.next), "the scheduler is gone")
    await queue.resume()
    await until(lambda: all(map(stage.mail.mails_to, ADDRESSES)), "the mails arrive that had waited", 45)
    waited = before["prioritized"] + before["waiting"]
    return (
        f"kill -9 {pid} (Redis): back after {seconds:.1f} s by its own watcher; {waited} waiting and "
        f"{before['delayed']} delayed jobs and the scheduler were there, and the {len(ADDRESSES)} mails that had "
        "waited came"
    )
