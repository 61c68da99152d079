"""What the dashboard asks of Redis does not grow with the number of jobs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard import failures, machines, overview, queues, schedulers
from oxcart.dashboard.ask import Ask
from oxcart.dashboard.board import Board
from tests.conftest import RedisServer
from tests.dashboard.seed import Crew, asked

Handler = Callable[[Board, Ask], Awaitable[Any]]

FEW, MANY = 100, 20_000
FINISHED = 20
"""So many jobs of each queue are finished one by one, which takes long; the rest is moved there."""


async def fill(connection: Connection, redis: Redis, queue: Queue, count: int) -> None:
    """A third of the jobs wait, a third is delayed, the rest has failed or is completed."""
    third = count // 3
    now = time.time_ns() // 1_000_000
    for at in range(0, count, 5000):
        specs = [
            JobSpec("x", {"n": n}, delay=600) if n < third else JobSpec("x", {"n": n})
            for n in range(at, min(at + 5000, count))
        ]
        await queue.add_bulk(specs)
    crew = Crew(connection, queue, "w")
    for number, job_id in enumerate(await crew.take(FINISHED, now)):
        if number % 2:
            await crew.finish(job_id, None, now)
        else:
            await crew.fail(job_id, "boom", ["Error: boom"], now)
    # By hand, as it were: the state of a job is where its id is.
    waiting = cast(list[str], await redis.lpop(queue.keys.one("wait"), count - 2 * third - FINISHED))
    half = len(waiting) // 2
    await redis.zadd(queue.keys.one("completed"), {job_id: now - 60_000 - n for n, job_id in enumerate(waiting[:half])})
    await redis.zadd(queue.keys.one("failed"), {job_id: now - 60_000 - n for n, job_id in enumerate(waiting[half:])})


async def calls(redis: Redis, board: Board, handler: Handler, ask: Ask) -> dict[str, int]:
    """How often each command was run for an answer, also within scripts."""
    await redis.config_resetstat()
    await handler(board, ask)
    stats: Any = await redis.info("commandstats")
    numbers = {name.removeprefix("cmdstat_"): found["calls"] for name, found in stats.items()}
    return {name: count for name, count in numbers.items() if name != "config|resetstat"}


ASKS: list[tuple[str, Handler, dict[str, Any]]] = [
    ("overview", overview.overview, {}),
    ("detail", queues.detail, {}),
    ("first page", queues.page, {"state": "failed", "count": 10}),
    ("last page", queues.page, {"state": "completed", "count": 10, "start": 5, "order": "oldest"}),
    ("waiting", queues.page, {"state": "waiting", "count": 20}),
    ("delayed", queues.page, {"state": "delayed", "count": 20}),
    ("metrics", queues.metrics, {}),
    ("workers", machines.workers, {}),
    ("schedulers", schedulers.listed, {}),
]


@pytest.mark.parametrize(("name", "handler", "query"), ASKS, ids=[ask[0] for ask in ASKS])
async def test_an_answer_costs_the_same_for_few_and_many_jobs(
    filled: dict[int, str], connection: Connection, redis: Redis, name: str, handler: Handler, query: dict[str, Any]
) -> None:
    costs: dict[int, dict[str, int]] = {}
    for count, queue in filled.items():
        board = Board(connection, queues=[queue])
        await handler(board, asked(queue, **query))  # scripts are loaded
        board = Board(connection, queues=[queue])  # nothing is kept
        costs[count] = await calls(redis, board, handler, asked(queue, **query))
    assert costs[FEW] == costs[MANY]


async def test_an_overview_of_many_jobs_is_quick(filled: dict[int, str], connection: Connection) -> None:
    board = Board(connection, queues=[filled[MANY]])
    for handler, ask in ((overview.overview, asked()), (queues.page, asked(filled[MANY], state="waiting"))):
        await handler(board, ask)
        begin = time.perf_counter()
        await handler(board, ask)
        assert time.perf_counter() - begin < 0.5  # some ms here; slow machines have their time


async def test_failures_and_searches_are_bounded(filled: dict[int, str], connection: Connection) -> None:
    board = Board(connection, queues=[filled[MANY]])
    found = await failures.groups(board, asked())
    assert found["looked_at"] == failures.MOST < found["total"]
    page = await queues.search(board, asked(filled[MANY], q="nowhere"))
    assert page["looked_at"] <= 2000 < page["total"]
    assert page["cursor"] is not None


_FILLED: dict[str, dict[int, str]] = {}


@pytest.fixture
async def filled(connection: Connection, redis: Redis, redis_server: RedisServer) -> dict[int, str]:
    """The names of a queue with few and of one with many jobs, filled once."""
    if redis_server.url not in _FILLED:
        names = {count: f"cost{count}" for count in (FEW, MANY)}
        for count, name in names.items():
            await fill(connection, redis, Queue(name, connection=connection), count)
        _FILLED[redis_server.url] = names
    return _FILLED[redis_server.url]
