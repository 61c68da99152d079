"""A worker process to be killed: it notes every start and end of a job in a ledger outside Redis."""

from __future__ import annotations

import asyncio
import os
import sys

from oxcart import Job, Worker


async def main(url: str, queue: str, ledger: str, concurrency: int) -> None:
    book = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def work(job: Job) -> int:
        # One small write a line: a kill can't tear it.
        os.write(book, f"start {job.id} {os.getpid()}\n".encode())
        await asyncio.sleep(job.data["s"])
        os.write(book, f"end {job.id} {os.getpid()}\n".encode())
        return job.data["n"]

    await Worker(
        queue, work, connection=url, concurrency=concurrency, lock_duration=3, stalled_interval=2, drain_delay=1
    ).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
