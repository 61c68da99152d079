"""`oxcart schedulers`: the schedulers of a queue, for people and for programs."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from oxcart import Queue, Scheduler
from oxcart.cli.schedulers import table
from tests.conftest import RedisServer

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "oxcart.cli.main",
        "schedulers",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_schedulers_are_listed_with_words(queue: Queue, redis_server: RedisServer) -> None:
    hour = (datetime.now(UTC).hour + 12) % 24  # in some hours, whenever this runs
    await queue.upsert_scheduler("digest", cron=f"0 {hour} * * *", name="digest-batch")
    await queue.upsert_scheduler("ping", every=30, offset=3, limit=5)
    code, out, err = await run(queue.name, "--redis", redis_server.url)
    assert (code, err) == (0, "")
    head, first, second = out.splitlines()
    assert head.split() == ["ID", "JOB", "NEXT", "RUN", "(UTC)", "IN", "RUNS", "WHEN"]
    assert first.startswith("ping") and first.endswith("1 of 5  Every 30 seconds")
    assert second.startswith("digest  digest-batch") and second.endswith(f"At {hour:02}:00 (UTC)")


async def test_programs_get_json(queue: Queue, redis_server: RedisServer) -> None:
    job = await queue.upsert_scheduler("digest", cron="0 8 * * *", data={"a": 1}, overlap="skip")
    _, out, _ = await run(queue.name, "--redis", redis_server.url, "--json")
    [scheduler] = json.loads(out)["schedulers"]
    assert (scheduler["next_job_id"], scheduler["data"]) == (job.id, {"a": 1})
    assert (scheduler["cron"], scheduler["tz"], scheduler["overlap"]) == ("0 8 * * *", "UTC", "skip")


async def test_a_queue_without_schedulers_says_so(queue: Queue, redis_server: RedisServer) -> None:
    assert (await run(queue.name, "--redis", redis_server.url))[:2] == (0, f"no schedulers in {queue.name}\n")


async def test_repeated_jobs_of_version_5_are_converted_on_demand(
    queue: Queue, redis: Redis, redis_server: RedisServer, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")
    slot = round((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)
    start, run_id = f"bull:{queue.name}:", f"repeat:old-key:{slot}"
    await redis.zadd(start + "repeat", {"old-key": slot, "gone-key": slot})
    for key in ("old-key", "gone-key"):
        await redis.hset(f"{start}repeat:{key}", mapping={"name": key.split("-")[0], "every": "86400000"})
    opts = json.dumps({"repeat": {"every": 86_400_000, "count": 1}, "jobId": run_id})
    job = {"name": "old", "data": "[1]", "opts": opts, "timestamp": "1", "delay": "5", "priority": "0"}
    await redis.hset(start + run_id, mapping={**job, "rjk": "old-key"})
    await redis.zadd(start + "delayed", {run_id: slot * 4096})
    await redis.zadd(start + "marker", {"1": slot})
    code, out, _ = await run(queue.name, "--redis", redis_server.url, "--convert-legacy")
    assert code == 0
    assert out.startswith("converted old-key into old\n1 could not be converted now")
    assert "version 5" in out
    scheduler = await queue.scheduler("old")
    assert scheduler is not None and scheduler.data == [1]


def test_the_list_says_how_long_it_is_until_then_and_can_not_steer_a_terminal() -> None:
    def at(**span: float) -> Scheduler:
        return Scheduler(id="a\x1b[2J", name="x", next=NOW + timedelta(**span), every=1, iterations=3)

    spans = [at(days=2, hours=3, minutes=5), at(minutes=5), at(seconds=0), at(seconds=-9)]
    _, *rows = table(spans, NOW)
    assert [re.split(" {2,}", row)[3] for row in rows] == ["2d 3h", "5m", "0s", "due"]
    assert all("\x1b" not in row and "a�[2J" in row for row in rows)


async def test_a_name_that_cannot_be_is_told_in_a_line() -> None:
    code, out, err = await run("a:b")
    assert (code, out) == (2, "")
    assert err.startswith("oxcart: queue name 'a:b'")


async def test_one_is_paused_and_goes_on(queue: Queue, redis_server: RedisServer) -> None:
    await queue.upsert_scheduler("digest", cron="0 8 * * *")
    await queue.upsert_scheduler("ping", every=30, offset=3, limit=5)
    at = (queue.name, "--redis", redis_server.url)
    code, out, _ = await run(*at, "--pause", "ping")
    assert code == 0
    rows = [re.split(" {2,}", line) for line in out.splitlines()[1:]]
    assert [(row[0], row[-3]) for row in rows] == [("digest", rows[0][-3]), ("ping", "paused")]
    code, out, err = await run(*at, "--pause", "ping")
    assert (code, out) == (1, "") and "no scheduler ping that runs" in err
    _, out, _ = await run(*at, "--json")
    assert [one["paused_at"] is not None for one in json.loads(out)["schedulers"]] == [False, True]
    code, out, _ = await run(*at, "--resume", "ping")
    assert code == 0 and "paused" not in out
    code, out, err = await run(*at, "--resume", "ping")
    assert (code, out) == (1, "") and "no scheduler ping that is paused" in err
