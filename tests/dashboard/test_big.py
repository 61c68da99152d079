"""A queue with a million jobs costs what one with a thousand does: the same calls, and hardly more time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Redis

from oxcart import Connection
from oxcart.dashboard.ask import Ask
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import bulk, failures, overview, queues, schedulers, workers
from tests.conftest import RedisServer, make_server, wait_until
from tests.dashboard.seed import asked
from tests.dashboard.test_cost import Handler, calls

MANY, FEW = 1_000_000, 1_000
SHARES = {"wait": 0.35, "delayed": 0.15, "prioritized": 0.1, "completed": 0.2, "failed": 0.2}
NOW = 1_764_000_000_000

FAST_MS = 50
"""What an overview or a list may take at its best of ten, however many jobs there are."""

SEED = """
local prefix, kind, first, last, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
for n = first, last do
  local id = tostring(n)
  local job = { "name", "welcome", "data", '{"userId":"u' .. id .. '"}', "opts", '{"attempts":3}', "timestamp",
    string.format("%.0f", now + n), "delay", "0", "priority", "0" }
  local ended = { "processedOn", string.format("%.0f", now + n + 5), "finishedOn", string.format("%.0f", now + n + 9),
    "atm", "1" }
  if kind == "failed" then
    ended[#ended + 1], ended[#ended + 2] = "failedReason", "timeout"
  end
  if kind == "completed" or kind == "failed" then
    for _, word in ipairs(ended) do job[#job + 1] = word end
  end
  redis.call("HSET", prefix .. id, unpack(job))
  if kind == "wait" then
    redis.call("LPUSH", prefix .. kind, id)
  else
    redis.call("ZADD", prefix .. kind, string.format("%.0f", kind == "delayed" and (now + n) * 4096 or now + n), id)
  end
end
"""


def fill(redis: SyncRedis, queue: str, count: int) -> None:
    """So many jobs in all states, in their minimal form, and a day of metrics."""
    prefix = f"bull:{queue}:"
    seed = redis.register_script(SEED)
    first = 1
    for kind, share in SHARES.items():
        end = first + int(count * share)
        for at in range(first, end, 20_000):
            seed(args=[prefix, kind, at, min(at + 20_000, end) - 1, NOW])
        first = end
    redis.set(f"{prefix}id", count)
    redis.hset(f"{prefix}meta", "version", "oxcart:1")
    for kind in ("completed", "failed"):
        redis.hset(f"{prefix}metrics:{kind}", mapping={"count": count, "prevTS": NOW, "prevCount": count})
        redis.rpush(f"{prefix}metrics:{kind}:data", *range(1440))


@pytest.fixture(scope="module")
def big_server() -> Iterator[RedisServer]:
    """A server of its own, filled once; nothing of it goes to the disk."""
    for server in make_server():
        with SyncRedis.from_url(server.url) as redis:  # pyright: ignore[reportUnknownMemberType]
            redis.config_set("appendonly", "no")
            fill(redis, "few", FEW)
            fill(redis, "many", MANY)
            used = redis.info("memory")["used_memory"]
            print(f"\n{used / 2**20:.0f} MB for {MANY:,} jobs")
            assert used < 2**30
        yield server


def _places(state: str) -> list[tuple[str, dict[str, Any]]]:
    """The first page, one in the middle and the last one, in both orders. The small queue has the same pages."""
    return [
        (f"{state}, {place}, {order} first", {"state": state, "order": order, "count": 50, "place": place})
        for place in ("first page", "middle", "last page")
        for order in ("newest", "oldest")
    ]


async def _newest_failures(board: Board, ask: Ask) -> Any:
    """The failures of so many jobs as there are in the small queue, too."""
    with patch.object(failures, "MOST", 200):
        return await failures.groups(board, ask)


ASKS: list[tuple[str, Handler, dict[str, Any]]] = [
    ("overview", overview.overview, {}),
    ("queue", queues.detail, {}),
    *((name, queues.page, query) for state in ("waiting", "delayed", "failed") for name, query in _places(state)),
    ("prioritized", queues.page, {"state": "prioritized"}),
    ("completed", queues.page, {"state": "completed"}),
    ("failures", _newest_failures, {}),
    ("metrics of a day", queues.metrics, {"minutes": 1440}),
    ("search for a name", queues.search, {"name": "welcome", "count": 50}),
    ("search for data", queues.search, {"q": "userId", "state": "failed", "count": 50}),
    ("search for an id", queues.search, {"q": "7", "count": 1}),
    ("search at a time", queues.search, {"state": "failed", "from_": NOW, "count": 50}),
    ("workers", workers.workers, {}),
    ("schedulers", schedulers.listed, {}),
]
KEPT_UNDER = {"overview", *(name for name, handler, _ in ASKS if handler is queues.page)}


def _asked(queue: str, count: int, query: dict[str, Any]) -> Ask:
    """The same request for a queue of so many jobs."""
    query = dict(query)
    place = query.pop("place", "first page")
    if place != "first page":
        kind = "wait" if query["state"] == "waiting" else query["state"]
        held = int(count * SHARES[kind])
        query["start"] = held // 2 if place == "middle" else held - 50
    return asked(queue, **query)


@pytest.mark.parametrize(("name", "handler", "query"), ASKS, ids=[name for name, _, _ in ASKS])
async def test_a_million_jobs_cost_what_a_thousand_do(
    big_server: RedisServer, name: str, handler: Handler, query: dict[str, Any]
) -> None:
    costs: dict[str, dict[str, int]] = {}
    times: dict[str, list[float]] = {}
    async with Connection(big_server.url) as connection, _client(big_server) as redis:
        for queue, count in (("few", FEW), ("many", MANY)):
            ask = _asked(queue, count, query)
            answer = await handler(Board(connection, queues=[queue]), ask)  # scripts are loaded
            if handler is queues.page:
                assert len(answer["jobs"]) == 50
            costs[queue] = await calls(redis, Board(connection, queues=[queue]), handler, ask)
            times[queue] = [await _timed(Board(connection, queues=[queue]), handler, ask) for _ in range(10)]
    assert costs["few"] == costs["many"]
    few, many = (statistics.median(times[queue]) for queue in ("few", "many"))
    print(f"{name}: {sum(costs['many'].values())} commands; {few:.1f} ms with {FEW:,}, {many:.1f} ms with {MANY:,}")
    if name in KEPT_UNDER:
        assert min(times["many"]) <= FAST_MS


async def test_what_looks_at_many_jobs_is_bounded_and_goes_on(big_server: RedisServer) -> None:
    async with Connection(big_server.url) as connection:
        board = Board(connection, queues=["many"])
        page = await queues.search(board, asked("many", q="nowhere"))
        assert page["looked_at"] <= 2000 and page["total"] == MANY
        further = await queues.search(board, asked("many", q="nowhere", cursor=page["cursor"]))
        assert further["looked_at"] and further["cursor"] != page["cursor"]
        found = await failures.groups(board, asked())
        assert (found["looked_at"], found["total"]) == (failures.MOST, int(MANY * SHARES["failed"]))
        preview = await bulk.preview(board, asked("many", body={"action": "retry", "state": "failed"}))
        assert preview["exact"] and preview["count"] == int(MANY * SHARES["failed"])


async def test_a_bulk_action_over_a_million_jobs_begins_at_once_and_can_be_stopped(big_server: RedisServer) -> None:
    async with Connection(big_server.url) as connection, _client(big_server) as redis:
        board = Board(connection, queues=["many"])
        await redis.config_resetstat()
        begun = time.perf_counter()
        task = await bulk.start(board, asked("many", body={"action": "remove", "state": "waiting", "name": "x"}))
        assert time.perf_counter() - begun < 5
        run = bulk.runs_of(board).get(task["id"])
        assert run is not None
        await wait_until(lambda: run.shape["looked_at"] > 2000)
        run.cancel()
        await wait_until(lambda: run.shape["ended"])
        stats = await redis.info("commandstats")
        assert run.shape["looked_at"] < MANY * SHARES["wait"]
        largest = stats["cmdstat_lrange"]["calls"] * 1000
        assert largest >= run.shape["looked_at"]  # in steps, and not all ids at once
        await bulk.close(board)


def _client(server: RedisServer) -> Redis:
    return Redis.from_url(server.url, decode_responses=True)  # pyright: ignore[reportUnknownMemberType]


async def _timed(board: Board, handler: Handler, ask: Ask) -> float:
    begun = time.perf_counter()
    await handler(board, ask)
    await asyncio.sleep(0)
    return (time.perf_counter() - begun) * 1000
