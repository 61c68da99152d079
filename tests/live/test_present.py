"""What a worker says of itself, for those who look at dashboards."""

from __future__ import annotations

import os
import platform
from typing import Any

import pytest
from redis.asyncio import Redis

import oxcart
from oxcart import Job, Queue
from oxcart.protocol.presence import KEEP_MS, Presence
from oxcart.worker import present
from tests.conftest import RunWorker, wait_until


async def work(job: Job) -> None:
    pass


async def said(redis: Redis, queue: Queue) -> dict[int, Presence]:
    """What the workers of a queue say, by the numbers of their connections."""
    found: dict[int, Presence] = {}
    async for key in redis.scan_iter(queue.keys.presence(0)[:-1] + "*"):
        presence = Presence.from_text(await redis.get(key))
        assert presence is not None
        found[int(key.rpartition(":")[2])] = presence
    return found


async def test_a_worker_says_what_it_is_under_the_number_of_the_connection_that_carries_its_name(
    queue: Queue, run_worker: RunWorker, redis: Redis
) -> None:
    await run_worker(work, name="mailer", concurrency=7, version="1.4.2")
    await wait_until(lambda: said(redis, queue))
    [(number, presence)] = (await said(redis, queue)).items()
    assert (presence.slots, presence.version, presence.paused) == (7, "1.4.2", False)
    assert (presence.host, presence.pid) == (platform.node(), os.getpid())
    assert (presence.oxcart, presence.python) == (oxcart.__version__, platform.python_version())
    clients: list[dict[str, Any]] = await redis.client_list()
    assert [one["id"] for one in clients if one["name"] == queue.keys.client_name("mailer")] == [str(number)]
    assert 0 < await redis.pttl(queue.keys.presence(number)) <= KEEP_MS


async def test_the_locks_of_its_jobs_begin_with_what_it_says(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    async def look(job: Job) -> Any:
        return await redis.get(f"bull:{queue.name}:{job.id}:lock")

    await run_worker(look)
    await wait_until(lambda: said(redis, queue))
    job = await queue.add("look")
    lock = await job.result(timeout=10)
    [presence] = (await said(redis, queue)).values()
    assert lock.rpartition(":")[0] == presence.token


async def test_a_pause_is_said_at_once(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    worker = await run_worker(work)
    await wait_until(lambda: said(redis, queue))

    async def is_said(paused: bool) -> bool:
        return [one.paused for one in (await said(redis, queue)).values()] == [paused]

    await worker.pause()
    await wait_until(lambda: is_said(True))
    worker.resume()
    await wait_until(lambda: is_said(False))


async def test_a_worker_that_is_closed_says_nothing_more(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    worker = await run_worker(work)
    await wait_until(lambda: said(redis, queue))
    await worker.close()
    assert await said(redis, queue) == {}


async def test_it_is_said_again_before_it_is_forgotten(
    queue: Queue, run_worker: RunWorker, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "EVERY_S", 0.02)
    await run_worker(work)
    await wait_until(lambda: said(redis, queue))
    [number] = await said(redis, queue)
    await redis.delete(queue.keys.presence(number))
    await wait_until(lambda: said(redis, queue))


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", "{}", '{"slots": "many"}', '{"token": 1}'])
def test_what_no_worker_has_written_is_not_believed(text: str | None) -> None:
    assert Presence.from_text(text) is None
