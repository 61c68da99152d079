"""Cleans a queue of a million jobs and erases another one, while a third queue is worked. `make big`.

Measures what nobody should notice: how long a call holds Redis (by its slow log), and how much of its speed the worked
queue keeps. Ends with 1 if a call took more than 10 ms or the other queue fell below 70 %.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis

from oxcart import Queue, Worker, embedded
from oxcart.options import JobSpec
from oxcart.sync import Queue as BlockingQueue

LONGEST_CALL_MS = 10
LEAST_SPEED = 0.7
BATCH = 2000


def fill_completed(redis: Redis, queue: str, count: int) -> None:
    """Completed jobs as a worker leaves them, written directly, since running a million takes minutes."""
    start, now = f"bull:{queue}:", int(time.time() * 1000) - 86_400_000
    for first in range(0, count, BATCH):
        with redis.pipeline(transaction=False) as pipe:
            for n in range(first, min(first + BATCH, count)):
                fields: dict[Any, Any] = {
                    "name": "x",
                    "data": f'{{"n":{n}}}',
                    "opts": '{"attempts":0}',
                    "timestamp": now,
                    "delay": 0,
                }
                fields |= {
                    "priority": 0,
                    "processedOn": now,
                    "finishedOn": now,
                    "ats": 1,
                    "atm": 1,
                    "returnvalue": "null",
                }
                pipe.hset(f"{start}{n}", mapping=fields)
                pipe.zadd(f"{start}completed", {str(n): now + n})
            pipe.execute()
    redis.set(f"{start}id", count)


def fill_waiting(url: str, queue: str, count: int) -> None:
    with BlockingQueue(queue, connection=url, timeout=None) as waiting:
        for first in range(0, count, BATCH):
            waiting.add_bulk([JobSpec("x", {"n": n}) for n in range(first, min(first + BATCH, count))])


def work(url: str, queue: str, done: Any, stop: Any) -> None:
    """Keep another queue busy, and count."""

    async def process(job: Any) -> None:
        done.value += 1

    async def feed(jobs: Queue) -> None:
        while not stop.is_set():
            if await jobs.count() < 5000:
                await jobs.add_bulk([JobSpec("x") for _ in range(5000)])
            await asyncio.sleep(0.02)

    async def main() -> None:
        async with Queue(queue, connection=url) as jobs:
            worker = Worker(queue, process, connection=url, concurrency=50, remove_on_complete=True)
            running = asyncio.create_task(worker.run())
            await feed(jobs)
            await worker.close()
            await running

    asyncio.run(main())


@contextmanager
def busy_queue(url: str) -> Iterator[Any]:
    """A queue that is worked in another process; gives the counter of jobs done."""
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("l", 0, lock=False), context.Event()
    process = context.Process(target=work, args=(url, "other", done, stop))
    process.start()
    try:
        yield done
    finally:
        stop.set()
        process.join()


def speed(done: Any, during: Callable[[], None]) -> tuple[float, float]:
    """Jobs a second of the other queue while something goes on, and how many seconds that took."""
    before, started = done.value, time.perf_counter()
    during()
    took = time.perf_counter() - started
    return (done.value - before) / took, took


def slowest_ms(redis: Redis) -> tuple[float, str]:
    """The slowest command since the log was emptied."""
    entries: Any = redis.slowlog_get(1000)
    worst = max(entries, key=lambda entry: entry["duration"], default=None)
    return (
        (0.0, "")
        if worst is None
        else (worst["duration"] / 1000, bytes(worst["command"])[:60].decode(errors="replace"))
    )


def measure(redis: Redis, done: Any, name: str, operation: Callable[[], None]) -> bool:
    """One operation beside the busy queue: what it cost others."""
    alone, _ = speed(done, lambda: time.sleep(5))
    redis.slowlog_reset()
    beside, took = speed(done, operation)
    again, _ = speed(done, lambda: time.sleep(5))
    slowest, command = slowest_ms(redis)
    usual = (alone + again) / 2
    print(
        f"{name}: {took:.1f} s; slowest call {slowest:.1f} ms {command!r}; "
        f"the other queue: {usual:,.0f} → {beside:,.0f} jobs/s, {beside / usual:.0%}",
        flush=True,
    )
    return slowest <= LONGEST_CALL_MS and beside / usual >= LEAST_SPEED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    jobs: int = parser.parse_args().jobs
    with tempfile.TemporaryDirectory(prefix="ox") as folder, embedded.running(Path(folder) / "redis") as url:
        redis = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
        redis.config_set("appendonly", "no")
        redis.config_set("slowlog-log-slower-than", 1000)
        redis.config_set("slowlog-max-len", 1000)
        print(f"writing {jobs:,} completed and {jobs:,} waiting jobs …", flush=True)
        fill_completed(redis, "done", jobs)
        fill_waiting(url, "waiting", jobs)
        with (
            BlockingQueue("done", connection=url) as finished,
            BlockingQueue("waiting", connection=url) as waiting,
            busy_queue(url) as done,
        ):
            while not done.value:
                time.sleep(0.1)
            fine = [
                measure(redis, done, f"clean {jobs:,} completed", lambda: cleaned(finished, jobs)),
                measure(redis, done, f"obliterate {jobs:,} waiting", waiting.obliterate),
            ]
        left = [key for name in ("done", "waiting") for key in redis.scan_iter(f"bull:{name}:*", count=10_000)]
        print(f"left: {sorted(key.decode() for key in left)[:8]}")
    return 0 if all(fine) else 1


def cleaned(queue: BlockingQueue, jobs: int) -> None:
    erased = len(queue.clean(3600, limit=0))
    assert erased == jobs, erased


if __name__ == "__main__":
    sys.exit(main())
