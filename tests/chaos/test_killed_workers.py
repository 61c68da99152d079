"""Worker processes killed with -9 again and again: every job is done, none lost, none failed, none in two states."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from oxcart import JobSpec, Queue
from tests.conftest import RedisServer
from tests.invariants import broken_invariants

pytestmark = pytest.mark.chaos

JOBS = 10_000
PROCESSES = 3


async def test_ten_thousand_jobs_survive_a_kill_every_second(
    redis_server: RedisServer, redis: Redis, queue_name: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    command = [sys.executable, "-m", "tests.chaos.worker_process", redis_server.url, queue_name, str(ledger), "20"]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, start_new_session=True)

    async with Queue(queue_name, connection=redis_server.url) as queue:
        added = await queue.add_bulk([JobSpec("x", {"n": n, "s": 0.05}) for n in range(JOBS)])
        workers = [start() for _ in range(PROCESSES)]
        kills = 0
        chance = random.Random(1)
        deadline = time.monotonic() + 120
        try:
            while (await queue.counts())["completed"] < JOBS:
                assert time.monotonic() < deadline, await queue.counts()
                await asyncio.sleep(1)
                at = chance.randrange(PROCESSES)
                workers[at].kill()
                workers[at].wait()
                workers[at] = start()
                kills += 1
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()

        counts = await queue.counts()
        assert counts["failed"] == 0
        assert {state: count for state, count in counts.items() if count} == {"completed": JOBS}
        started, ended = Counter[str](), Counter[str]()
        for line in ledger.read_text().splitlines():
            word, job_id, _ = line.split()
            (started if word == "start" else ended)[job_id] += 1
        ids = {job.id for job in added}
        assert set(ended) == ids, "each was done at least once, and nothing else was"
        again = sum(count - 1 for count in started.values())
        print(f"{kills} kills, {again} of {JOBS} jobs were started again")
        assert kills >= 3
        # Only what ran in a killed process may run again, and what it had finished without saying so yet.
        assert again <= kills * 20 * 2
        assert not await broken_invariants(redis, "bull", queue_name)
