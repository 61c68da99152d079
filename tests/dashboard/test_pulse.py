"""What is known of a queue is asked for again when something happens in it, and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Job, Queue
from oxcart.dashboard import pulse
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Ask
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import queues
from oxcart.dashboard.live import Live
from tests.conftest import RedisServer, RunWorker, wait_until


async def commands(redis: Redis) -> int:
    """How many commands Redis has done, those inside scripts too."""
    found = await redis.info("commandstats")
    return sum(one["calls"] for name, one in found.items() if name not in ("cmdstat_info", "cmdstat_xread"))


@pytest.fixture
async def board(redis_server: RedisServer, queue: Queue) -> AsyncIterator[Board]:
    async with Connection(redis_server.url) as connection:
        board = Board(connection, queues=[queue.name])
        yield board
        await board.close()


@pytest.fixture
async def live(board: Board) -> AsyncIterator[Live]:
    live = Live(board, probe_s=1000, discover_s=1000)
    stream = live.stream(Ask(Access(role="admin")))
    async for text in stream:
        if "hello" in text:
            break
    yield live
    await live.close()


async def row(board: Board, queue: Queue) -> int:
    return (await queues.row_of(board, board.open(queue.name)))["counts"]["waiting"]


async def test_without_a_listener_a_row_is_read_each_time(board: Board, queue: Queue, redis: Redis) -> None:
    assert await row(board, queue) == 0
    await queue.add("x")
    assert await row(board, queue) == 1
    await queue.drain()


async def test_a_quiet_queue_costs_nothing(board: Board, live: Live, queue: Queue, redis: Redis) -> None:
    async def costs_nothing() -> bool:
        before = await commands(redis)
        for _ in range(20):
            await row(board, queue)
        return await commands(redis) == before

    await wait_until(costs_nothing)  # the listener may still have something to ask when it greets


async def test_what_is_done_through_the_dashboard_is_seen_at_once(board: Board, live: Live, queue: Queue) -> None:
    assert await row(board, queue) == 0
    await queue.add("x")
    board.pulse.touch(queue.name)
    assert await row(board, queue) == 1
    await queue.drain()


async def test_what_others_do_is_seen_soon(
    board: Board, live: Live, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxcart.dashboard.pulse.BUSY_S", 0.05)
    assert await row(board, queue) == 0
    await queue.add("x")

    async def seen() -> bool:
        return await row(board, queue) == 1

    await wait_until(seen)
    await queue.drain()


async def test_after_the_last_tab_has_gone_a_row_is_read_each_time(board: Board, live: Live, queue: Queue) -> None:
    assert await row(board, queue) == 0
    await live.close()
    await queue.add("x")
    assert await row(board, queue) == 1
    await queue.drain()


async def test_how_long_jobs_took_is_not_read_again_while_nothing_happens(
    board: Board, live: Live, queue: Queue, redis: Redis, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "LATENCY_FRESH_S", 0)

    async def work(job: Job) -> None:
        pass

    worker = await run_worker(work)
    await (await queue.add("x")).result(timeout=10)
    await worker.close()
    opened = board.open(queue.name)

    async def at_rest() -> bool:
        await queues.latency(board, opened)
        before = await commands(redis)
        await queues.latency(board, opened)
        return await commands(redis) == before

    await wait_until(at_rest)  # the last event may come late
    assert (await queues.latency(board, opened))["p50"] is not None
    before = await commands(redis)
    board.pulse.beat(queue.name)
    await queues.latency(board, opened)
    assert await commands(redis) > before


def test_names_that_somebody_made_up_are_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now)
    known = pulse.Pulse()
    for number in range(20_000):
        now += 0.2  # 300 a minute are let through
        known.touch(f"nothing-{number}")
    assert len(known._touched) <= 2 * pulse.MANY


def test_an_event_that_comes_late_does_not_make_a_deaf_dashboard_hear() -> None:
    known = pulse.Pulse()
    known.listen("email")
    known.deafen("email")
    known.beat("email")
    assert known.good_since("email") is None
