"""What the dashboard asks of Redis does not grow with the number of jobs."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard.ask import Ask
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import bulk, failures, jobs, overview, queues, schedulers, workers
from oxcart.dashboard.reading import rows
from tests.conftest import RedisServer
from tests.dashboard.seed import BLIND, Crew, asked

Handler = Callable[[Board, Ask], Awaitable[Any]]

FEW, MANY = 2_000, 20_000
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
    ("workers", workers.workers, {}),
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
        took: list[float] = []
        for _ in range(10):
            begin = time.perf_counter()
            await handler(board, ask)
            took.append(time.perf_counter() - begin)
        assert min(took) < 0.5  # some ms here; slow machines have their time, and busy ones ten tries


async def test_failures_and_searches_are_bounded(filled: dict[int, str], connection: Connection) -> None:
    board = Board(connection, queues=[filled[MANY]])
    found = await failures.groups(board, asked())
    assert found["looked_at"] == failures.MOST < found["total"]
    page = await queues.search(board, asked(filled[MANY], q="nowhere"))
    assert page["looked_at"] <= 2000 < page["total"]
    assert page["cursor"] is not None


_FILLED: dict[str, dict[int, str]] = {}


@pytest.fixture(scope="module", autouse=True)
def leave_nothing(redis_server: RedisServer) -> Iterator[None]:
    """Other tests look through all keys of the server: so many would slow them down."""
    yield
    for name in _FILLED.pop(redis_server.url, {}).values():
        with SyncRedis.from_url(redis_server.url) as redis:  # pyright: ignore[reportUnknownMemberType]
            for keys in batched(redis.scan_iter(f"*bull:{name}:*", count=1000)):  # pyright: ignore
                redis.unlink(*keys)


def batched(keys: Iterable[Any], size: int = 1000) -> Iterator[list[Any]]:
    keys = iter(keys)
    while part := list(islice(keys, size)):
        yield part


@pytest.fixture
async def filled(connection: Connection, redis: Redis, redis_server: RedisServer) -> dict[int, str]:
    """The names of a queue with few and of one with many jobs, filled once."""
    if redis_server.url not in _FILLED:
        names = {count: f"cost{count}" for count in (FEW, MANY)}
        for count, name in names.items():
            await fill(connection, redis, Queue(name, connection=connection), count)
        _FILLED[redis_server.url] = names
    return _FILLED[redis_server.url]


# ------------------------------------------------------------------------------------------------------ large jobs

MB = 2**20


@pytest.fixture
async def large(connection: Connection, redis: Redis) -> AsyncIterator[Queue]:
    """A queue of 50 jobs whose data have 1 MB each, and whose failures and progress are long."""
    queue = Queue(f"large{secrets.token_hex(4)}", connection=connection)
    text = json.dumps({"to": "ada@example.com", "body": "x" * MB, "password": "hunter2"})
    for number in range(50):
        job = await queue.add("letter", json.loads(text))
        fields: Any = {"failedReason": "boom " * 100_000, "progress": json.dumps(["p" * 100_000]), "stacktrace": "[]"}
        await redis.hset(queue.keys.job(job.id), mapping=fields)
        if number % 2:
            await redis.lrem(queue.keys.one("wait"), 1, job.id)
            await redis.zadd(queue.keys.one("failed"), {job.id: number})
    yield queue
    await redis.delete(*[key async for key in redis.scan_iter(f"{queue.keys.prefix}*")])


async def moved(redis: Redis, board: Board, handler: Handler, ask: Ask) -> tuple[Any, int]:
    """An answer, and how many bytes came from Redis for it."""
    await handler(board, ask)  # scripts are loaded
    before = (await redis.info("stats"))["total_net_output_bytes"]
    answer = await handler(board, ask)
    return answer, (await redis.info("stats"))["total_net_output_bytes"] - before


@pytest.mark.parametrize("state", ["waiting", "failed"])
async def test_a_list_of_large_jobs_moves_little_and_says_how_large_they_are(
    large: Queue, connection: Connection, redis: Redis, state: str
) -> None:
    board = Board(connection, queues=[large.name])
    page, size = await moved(redis, board, queues.page, asked(large.name, state=state, count=50))
    assert len(page["jobs"]) == 25 and size < MB
    job = page["jobs"][0]
    assert job["preview"] == "(1 MB)" and job["progress"] == "(97.7 KB)"
    assert job["failed_reason"].startswith("boom boom") and len(job["failed_reason"]) == rows.PREVIEW
    assert job["name"] == "letter" and job["damaged"] is None
    one = await jobs.detail(board, asked(large.name, id=job["id"], whole=1))
    assert one["preview"] == "(1 MB)" and len(one["data"]["body"]) == MB


async def test_a_search_reads_only_what_is_searched(large: Queue, connection: Connection, redis: Redis) -> None:
    board = Board(connection, queues=[large.name])
    found, size = await moved(redis, board, queues.search, asked(large.name, name="LETTER"))
    assert len(found["jobs"]) == 50 and size < 2 * MB
    assert found["jobs"][0]["preview"] == "(1 MB)"
    found, size = await moved(redis, board, queues.search, asked(large.name, state="waiting", q="ada@example"))
    assert found["jobs"] and size > MB  # here the data have to be looked at
    found, _ = await moved(redis, board, queues.search, asked(large.name, BLIND, q="ada@example"))
    assert found["jobs"] == [] and found["looked_at"] == 50


async def test_previews_failures_and_the_age_of_a_queue_of_large_jobs_move_little(
    large: Queue, connection: Connection, redis: Redis
) -> None:
    board = Board(connection, queues=[large.name])
    target = {"action": "retry", "state": "failed"}
    preview, size = await moved(redis, board, bulk.preview, asked(large.name, body=target))
    assert preview["count"] == 25 and preview["samples"][0]["preview"] == "(1 MB)" and size < MB
    for handler, ask in (
        (bulk.preview, asked(large.name, body={**target, "name": "letter"})),
        (queues.detail, asked(large.name)),
        (overview.overview, asked()),
    ):
        _, size = await moved(redis, Board(connection, queues=[large.name]), handler, ask)
        assert size < MB
    found = await failures.groups(Board(connection, queues=[large.name]), asked())
    assert found["looked_at"] == 25
