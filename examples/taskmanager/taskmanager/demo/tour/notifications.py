"""The rule of notifications: no faster than vendors like it, and not twice for the same."""

from __future__ import annotations

import asyncio
import time

from oxcart import Queue

from ...contract import NOTIFICATIONS
from ...worker import NOTIFICATIONS_A_SECOND
from ..stage import Stage
from ..watch import until
from .look import ensure

TASKS, TIMES = 25, 4

MOST = NOTIFICATIONS_A_SECOND.max

LEAST_S = (TASKS - 1) // MOST - 0.2
"""So many whole seconds have to pass, by the clock of Redis, and ours may be another one by a little."""


async def limited_and_once(stage: Stage) -> str:
    """25 tasks come at once, one of them four times: it is given to somebody else and back."""
    queue = stage.queues.named(NOTIFICATIONS)
    assert queue is not None
    async with (
        stage.visitor("Otto Other", "otto@example.com") as otto,
        stage.visitor("Nora Noted", "nora@example.com") as nora,
    ):
        browser = stage.outside.browser("nora")
        await nora.switch_notifications_on(browser)
        await queue.pause()  # so that all of them wait at the start
        tasks = [await nora.create_task(f"Task {number}") for number in range(TASKS)]
        for task in tasks:
            await nora.assign(task, nora)
        for owner in [otto, nora] * (TIMES - 1):
            await nora.assign(tasks[0], owner)
        began = time.monotonic()
        await queue.resume()
    seconds, held_back = await until_all_are_told(queue, began)
    same = sum(tasks[0] in str(one["url"]) for one in browser.shown)
    ensure(same == 1, f"the task that was assigned {TIMES} times was told {same} times")
    ensure(len(browser.shown) == TASKS, f"{len(browser.shown)} notifications for {TASKS} tasks")
    ensure(held_back and seconds >= LEAST_S, f"{TASKS} notifications in {seconds:.1f} s, and none was held back")
    return (
        f"{TASKS} tasks assigned at once: told in {seconds:.1f} s (at most {MOST} a second); one of them assigned "
        f"{TIMES} ×: told {same} ×"
    )


async def until_all_are_told(queue: Queue, began: float) -> tuple[float, bool]:
    """Wait until the queue is done with all; how many seconds that took, and whether its limit was reached."""
    held_back = False

    async def over() -> bool:
        nonlocal held_back
        counts, rest = await asyncio.gather(queue.counts("waiting", "active", "delayed"), queue.rate_limit_ttl(MOST))
        held_back = held_back or rest > 0
        return not any(counts.values())

    await until(over, "all notifications come", 45)
    return time.monotonic() - began, held_back
