"""The workers that are connected, and the Redis that holds it all."""

from __future__ import annotations

import asyncio
import os
import platform
from typing import cast

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Job, JobSpec, Queue, __version__
from oxcart.dashboard import shapes
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import redis as redis_page
from oxcart.dashboard.handlers import workers
from oxcart.dashboard.reading import connected, direct
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.dashboard.seed import asked, seeded


async def test_workers_are_listed_with_what_they_run(
    connection: Connection, queue: Queue, run_worker: RunWorker
) -> None:
    go_on = asyncio.Event()

    async def process(job: Job) -> None:
        await job.update_progress(40)
        await go_on.wait()

    await run_worker(process, name="ada", concurrency=2)
    await run_worker(process)
    jobs = [await queue.add("x") for _ in range(3)]
    await wait_until(lambda: _active(queue, 3))
    board = Board(connection, queues=[queue.name])
    found = await workers.workers(board, asked())
    assert found["allowed"]
    by_name = {row["name"]: row for row in found["workers"]}
    assert set(by_name) == {"ada", None}
    assert {row["queue"] for row in found["workers"]} == {queue.name}
    running = [job for row in found["workers"] for job in row["running"]] + found["unassigned"]
    assert sorted(job["id"] for job in running) == sorted(job.id for job in jobs)
    assert by_name["ada"]["running"]
    assert all(job["started"] is not None for job in running)
    assert await connected.worker_count(board, queue) == 2
    go_on.set()
    await wait_until(lambda: _active(queue, 0))


async def test_a_worker_is_listed_with_its_slots_and_version_and_has_its_jobs_without_a_name(
    connection: Connection, queue: Queue, run_worker: RunWorker
) -> None:
    go_on = asyncio.Event()

    async def process(job: Job) -> None:
        await go_on.wait()

    worker = await run_worker(process, concurrency=3, version="1.4.2")
    job = await queue.add("x")
    await wait_until(lambda: _active(queue, 1))
    board = Board(connection, queues=[queue.name])

    async def listed() -> list[shapes.WorkerRow]:
        rows = (await workers.workers(board, asked()))["workers"]
        return rows if rows and rows[0]["slots"] is not None else []

    await wait_until(listed)
    [row] = await listed()
    assert (row["name"], row["slots"], row["version"], row["paused"]) == (None, 3, "1.4.2", False)
    assert row["process"] == f"{platform.node()}:{os.getpid()}"
    assert row["library"] == f"Oxcart {__version__}, Python {platform.python_version()}"
    assert [one["id"] for one in row["running"]] == [job.id]
    go_on.set()
    await worker.pause()
    await wait_until(lambda: _is_paused(board))


async def _is_paused(board: Board) -> bool:
    return [row["paused"] for row in (await workers.workers(board, asked()))["workers"]] == [True]


async def test_of_two_workers_with_one_name_each_has_its_own_jobs(
    connection: Connection, queue: Queue, run_worker: RunWorker
) -> None:
    go_on = asyncio.Event()

    async def process(job: Job) -> None:
        await go_on.wait()

    for _ in range(2):
        await run_worker(process, name="twin")
    await queue.add_bulk([JobSpec("x"), JobSpec("x")])
    await wait_until(lambda: _active(queue, 2))
    board = Board(connection, queues=[queue.name])

    async def shared_out() -> bool:
        found = await workers.workers(board, asked())
        return sorted(len(row["running"]) for row in found["workers"]) == [1, 1]

    await wait_until(shared_out)
    go_on.set()


async def _active(queue: Queue, count: int) -> bool:
    return (await queue.counts("active"))["active"] == count


async def test_clients_are_listed_once_for_all_who_look(
    connection: Connection, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    asks: list[Board] = []
    clients = direct.clients

    async def counted(board: Board) -> list[dict[str, str]] | None:
        asks.append(board)
        return await clients(board)

    monkeypatch.setattr(direct, "clients", counted)
    await asyncio.gather(*(workers.workers(board, asked()) for _ in range(20)))
    await workers.workers(board, asked())
    assert asks == [board]


async def test_active_jobs_without_a_connected_worker_are_told(
    connection: Connection, redis_server: RedisServer
) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await workers.workers(board, asked(queue="email"))
    assert found["workers"] == []
    assert sorted(str(job["progress"]) for job in found["unassigned"]) == sorted(
        ["35", "80", str({"sent": 1200, "of": 4000, "step": "sending"})]
    )
    with pytest.raises(Refusal):
        await workers.workers(board, asked(None, Access("bob", queues=("reports",)), queue="email"))


async def test_a_redis_that_does_not_list_its_clients_is_told(
    connection: Connection, redis: Redis, redis_server: RedisServer, queue: Queue
) -> None:
    await redis.execute_command(
        "ACL", "SETUSER", "shy", "on", ">pass", "~*", "&*", "+@all", "-client", "-info", "-config", "-sort"
    )
    await queue.add("x")
    url = redis_server.url.replace("unix://", "unix://shy:pass@")
    async with Connection(url) as shy:
        board = Board(shy, queues=[queue.name])
        found = await workers.workers(board, asked())
        assert (found["allowed"], found["workers"], found["unassigned"]) == (False, [], [])
        health = await redis_page.redis(board, asked())
        assert health["warnings"] == ["Redis does not let us look at its state."]
        assert "pass" not in health["address"]
        assert await connected.worker_count(board, queue) is None
    await redis.execute_command("ACL", "DELUSER", "shy")


async def test_redis_tells_of_itself(connection: Connection) -> None:
    found = await redis_page.redis(Board(connection, queues=[]), asked())
    assert found["version"] and found["kind"] in ("redis", "valkey")
    assert found["used"] > 0 and found["clients"] > 0
    assert found["policy"] == "noeviction"
    assert found["persistence"] == "append-only file, when the system likes"
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("info", "save", "fsync", "expected"),
    [
        ({"aof_enabled": "1"}, "", "everysec", ("append-only file, every second", True)),
        ({"aof_enabled": "1"}, "3600 1", "always", ("append-only file, after every write and snapshots", True)),
        ({"aof_enabled": "0"}, "3600 1", "", ("snapshots", True)),
        ({"aof_enabled": "0"}, "", "", ("none", False)),
        ({"aof_enabled": "0"}, None, None, ("not known (snapshots at most)", None)),
    ],
)
def test_persistence_is_said_in_words(
    info: dict[str, str], save: str | None, fsync: str | None, expected: tuple[str, bool | None]
) -> None:
    assert redis_page.persistence_in_words(info, save, fsync) == expected


def test_what_endangers_jobs_is_a_warning() -> None:
    found = cast(shapes.Redis, {"policy": "allkeys-lru", "used": 90, "maximum": 100})
    info = {"rdb_last_bgsave_status": "err", "role": "slave"}
    texts = redis_page.warnings(found, info, False)
    assert [text.split(" ")[0] for text in texts] == ["maxmemory-policy", "90%", "Nothing", "The", "This"]
    found["policy"], found["maximum"] = "noeviction", 0
    assert redis_page.warnings(found, {}, None) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pa/ss@host:6379/2", "redis://host:6379/2"),
        ("rediss://:pw@host", "rediss://host"),
        ("unix:///run/redis.sock?password=pw", "unix:///run/redis.sock"),
        ("unix://shy:pw@/run/redis.sock", "unix:///run/redis.sock"),
        ("embedded:", "embedded:"),
    ],
)
def test_an_address_has_no_password(url: str, shown: str) -> None:
    assert redis_page.address(url) == shown
