"""Live: what open tabs are told, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, ConnectionFailed, JobSpec, Queue
from oxcart.dashboard import board as boards
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.live import MOST_JOBS, Live, Tab
from tests.conftest import RedisServer, wait_until

ADMIN = Access("ada", role="admin")


class Reading:
    """A tab: reads a stream in the background and keeps its messages."""

    def __init__(self, chunks: AsyncIterator[str]) -> None:
        self.chunks = chunks
        self.events: list[tuple[str, Any]] = []
        self.raw: list[str] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self.chunks:
            self.raw.append(text)
            for message in text.split("\n\n"):
                fields: dict[str, str] = {}
                for line in message.splitlines():
                    name, _, value = line.partition(": ")
                    fields[name] = value
                if "event" in fields:
                    self.events.append((fields["event"], json.loads(fields["data"])))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def queues(self) -> dict[str, Any]:
        """The newest numbers of each queue."""
        return {queue["name"]: queue for kind, data in self.events if kind == "tick" for queue in data["queues"]}

    def waiting(self, queue: str) -> int | None:
        told = self.queues().get(queue)
        return None if told is None else told["counts"]["waiting"]

    def jobs(self, queue: str) -> dict[str, Any]:
        told = [one for kind, data in self.events if kind == "tick" for one in data["queues"] if one["name"] == queue]
        return {job["id"]: job for one in told for job in one["jobs"]}

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.chunks.aclose()  # type: ignore[attr-defined]


class Desk:
    """A board whose live part is made for a test, with its tabs."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.lives: list[Live] = []
        self.tabs: list[Reading] = []

    def live(self, **options: Any) -> Live:
        options = {"tick_s": 0.02, "discover_s": 0.05, "linger_s": 0.1, "probe_s": 0.05} | options
        self.lives.append(Live(self.board, **options))
        return self.lives[-1]

    async def tab(self, live: Live, access: Access = ADMIN, **query: str) -> Reading:
        tab = Reading(live.stream(Ask(access, query=query)))
        self.tabs.append(tab)
        await wait_until(tab.kinds)
        return tab

    async def listening(self, live: Live, *names: str) -> None:
        await wait_until(lambda: set(names) <= set(live._listeners))

    async def aclose(self) -> None:
        for tab in self.tabs:
            with contextlib.suppress(RuntimeError):
                await tab.close()
        for live in self.lives:
            await live.close()


@pytest.fixture
async def connection(redis_server: RedisServer) -> AsyncIterator[Connection]:
    async with Connection(redis_server.url) as connection:
        yield connection


@pytest.fixture
async def desk(connection: Connection, queue: Queue) -> AsyncIterator[Desk]:
    desk = Desk(Board(connection, queues=[queue.name]))
    yield desk
    await desk.aclose()


async def test_a_tab_is_told_of_a_job_and_of_the_new_numbers(desk: Desk, queue: Queue) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    job = await queue.add("a", {})
    # Its two events may come with two ticks.
    await wait_until(lambda: tab.jobs(queue.name).get(job.id, {}).get("state"))
    told = tab.queues()[queue.name]
    assert told["counts"] == {
        "waiting": 1,
        "prioritized": 0,
        "delayed": 0,
        "waiting_children": 0,
        "active": 0,
        "completed": 0,
        "failed": 0,
    }
    assert told["paused"] is False
    assert tab.jobs(queue.name)[job.id] == {"id": job.id, "state": "waiting", "progress": None}
    assert tab.kinds()[0] == "hello"


async def test_pausing_is_told_though_it_is_about_no_job(desk: Desk, queue: Queue) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    await queue.pause()
    await wait_until(lambda: tab.queues().get(queue.name, {}).get("paused"))
    await queue.resume()
    await wait_until(lambda: not tab.queues()[queue.name]["paused"])


async def test_progress_is_masked_and_short(desk: Desk, queue: Queue) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    first, second, third = [await queue.add("a", {}) for _ in range(3)]
    await first.update_progress(40)
    await second.update_progress({"step": 1, "password": "hunter2"})
    await third.update_progress({"step": "x" * 5000})
    await wait_until(lambda: len([job for job in tab.jobs(queue.name).values() if job["progress"] is not None]) == 3)
    told = tab.jobs(queue.name)
    assert told[first.id]["progress"] == 40
    assert told[second.id]["progress"] == {"step": 1, "password": "•••"}
    assert len(told[third.id]["progress"]) < 400
    assert "hunter2" not in "".join(tab.raw)


async def test_who_may_not_see_data_gets_only_numbers_as_progress(desk: Desk, queue: Queue) -> None:
    live = desk.live()
    tab = await desk.tab(live, Access("eve", actions=frozenset({"view"})))
    await desk.listening(live, queue.name)
    first, second = [await queue.add("a", {}) for _ in range(2)]
    await first.update_progress(40)
    await second.update_progress({"step": "private"})
    await wait_until(lambda: second.id in tab.jobs(queue.name) and first.id in tab.jobs(queue.name))
    await wait_until(lambda: tab.jobs(queue.name)[first.id]["progress"] == 40)
    assert "private" not in "".join(tab.raw)


async def test_a_tab_hears_only_of_queues_that_its_user_sees(
    desk: Desk, connection: Connection, queue: Queue, redis: Redis
) -> None:
    hidden = Queue(f"{queue.name}-hidden", connection=connection)
    desk.board = Board(connection, queues=[queue.name, hidden.name])
    live = desk.live()
    own = await desk.tab(live, Access("eve", queues=(queue.name,)))
    every = await desk.tab(live)
    await desk.listening(live, queue.name, hidden.name)
    await hidden.add("a", {})
    await queue.add("a", {})
    await wait_until(lambda: {queue.name, hidden.name} <= set(every.queues()))
    await wait_until(lambda: queue.name in own.queues())
    assert hidden.name not in "".join(own.raw)
    await hidden.obliterate(force=True)


async def test_a_tab_that_shows_one_queue_gets_the_jobs_of_that_one_only(
    desk: Desk, connection: Connection, queue: Queue
) -> None:
    other = Queue(f"{queue.name}-other", connection=connection)
    desk.board = Board(connection, queues=[queue.name, other.name])
    live = desk.live()
    tab = await desk.tab(live, queue=queue.name)
    await desk.listening(live, queue.name, other.name)
    await other.add("a", {})
    job = await queue.add("a", {})
    await wait_until(lambda: {queue.name, other.name} <= set(tab.queues()))
    assert tab.queues()[other.name]["counts"]["waiting"] == 1
    assert tab.jobs(other.name) == {}
    assert set(tab.jobs(queue.name)) == {job.id}
    await other.obliterate(force=True)


async def test_a_queue_that_is_new_joins(
    desk: Desk, connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oxcart.dashboard.board.FRESH_S", 0)
    prefix = f"p{queue.name}"
    board = Board(connection, prefix=prefix)
    desk.board = board
    live = desk.live()
    tab = await desk.tab(live)
    new = Queue("new", connection=connection, prefix=prefix)
    await new.add("a", {})
    await desk.listening(live, "new")
    await new.add("b", {})
    await wait_until(lambda: "new" in tab.queues())
    await new.obliterate(force=True)


async def test_many_events_make_few_messages_and_few_jobs(desk: Desk, queue: Queue) -> None:
    live = desk.live(tick_s=0.3)
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    begun = asyncio.get_running_loop().time()
    for _ in range(10):
        await queue.add_bulk([JobSpec("a")] * 100)
    await wait_until(lambda: tab.waiting(queue.name) == 1000)
    took = asyncio.get_running_loop().time() - begun
    ticks = [data for kind, data in tab.events if kind == "tick"]
    assert len(ticks) <= took / 0.3 + 1
    assert all(len(one["jobs"]) <= MOST_JOBS for tick in ticks for one in tick["queues"])


async def test_a_hundred_tabs_cost_redis_what_one_does(
    desk: Desk, queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    live = desk.live(streams_per_user=100)
    await desk.tab(live)
    await desk.listening(live, queue.name)

    async def commands_for_a_job() -> int:
        tabs = [tab for tab in desk.tabs if not tab.task.done()]
        before = await _commands(redis)
        heard = [len(tab.events) for tab in tabs]
        await queue.add("a", {})
        await wait_until(lambda: all(len(tab.events) > n for tab, n in zip(tabs, heard, strict=True)))
        return await _commands(redis) - before

    await commands_for_a_job()  # scripts are loaded
    live._probe_s = live._discover_s = 60
    one = min([await commands_for_a_job() for _ in range(5)])
    for _ in range(99):
        await desk.tab(live)
    hundred = min([await commands_for_a_job() for _ in range(5)])
    assert hundred <= one + 3
    assert live.tabs == 100


async def _commands(redis: Redis) -> int:
    return int((await redis.info("stats"))["total_commands_processed"])


async def test_reading_starts_with_the_first_tab_and_stops_after_the_last(
    desk: Desk, queue: Queue, redis: Redis
) -> None:
    live = desk.live(linger_s=0.2)
    assert not live.is_listening
    first = await desk.tab(live)
    await desk.listening(live, queue.name)
    await first.close()
    second = await desk.tab(live)  # in time: it goes on
    assert live.is_listening
    await second.close()
    await wait_until(lambda: not live.is_listening and not live._listeners)
    third = await desk.tab(live)
    await desk.listening(live, queue.name)
    await queue.add("a", {})
    await wait_until(lambda: queue.name in third.queues())


async def test_a_quiet_stream_says_that_it_is_alive(desk: Desk) -> None:
    tab = await desk.tab(desk.live(heartbeat_s=0.05))
    await wait_until(lambda: sum(text.startswith(":") for text in tab.raw) >= 2)


async def test_who_has_too_many_tabs_is_told_at_once(desk: Desk) -> None:
    live = desk.live(streams_per_user=2)
    first = await desk.tab(live)
    await desk.tab(live)
    with pytest.raises(Refusal) as refused:
        live.stream(Ask(ADMIN))
    assert refused.value.status == 429
    await desk.tab(live, Access("bob", role="admin"))
    await first.close()
    await desk.tab(live)


async def test_a_tab_that_takes_nothing_is_dropped_and_holds_little(desk: Desk, queue: Queue) -> None:
    live = desk.live(patience_s=3)
    stuck = live.stream(Ask(ADMIN))
    await anext(stuck)
    await desk.listening(live, queue.name)
    [tab] = live._tabs
    for _ in range(3):
        await queue.add_bulk([JobSpec("a")] * 100)
        await wait_until(lambda: tab._changes)
        assert len(tab._changes) == 1
        assert len(tab._changes[queue.name].jobs) <= MOST_JOBS
    await wait_until(lambda: live.tabs == 0)
    assert [text async for text in stuck] == []


async def test_the_stream_stays_while_redis_is_away_and_says_so(fragile_server: RedisServer) -> None:
    async with Connection(fragile_server.url) as connection, aclosing(Desk(Board(connection, queues=["some"]))) as desk:
        some = Queue("some", connection=connection)
        await some.add("a", {})
        live = desk.live()
        tab = await desk.tab(live)
        await desk.listening(live, "some")
        fragile_server.kill()
        await wait_until(lambda: "away" in tab.kinds())
        late = await desk.tab(live)
        await wait_until(lambda: "away" in late.kinds())
        fragile_server.start()
        await wait_until(lambda: "back" in tab.kinds() and "back" in late.kinds())
        await wait_until(lambda: tab.waiting("some") == 1)
        await some.add("b", {})
        await wait_until(lambda: tab.waiting("some") == 2)
        assert tab.kinds().count("away") == 1


async def test_closing_ends_the_streams(desk: Desk) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    await live.close()
    await wait_until(tab.task.done)
    assert not live.is_listening


async def test_a_queue_whose_events_cannot_be_read_does_not_disturb_the_others(
    desk: Desk, connection: Connection, queue: Queue, redis: Redis
) -> None:
    bad = f"{queue.name}-bad"
    await redis.set(f"bull:{bad}:events", "no stream")
    desk.board = Board(connection, queues=[queue.name, bad])
    live = desk.live()
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    await queue.add("a", {})
    await wait_until(lambda: queue.name in tab.queues())
    await redis.delete(f"bull:{bad}:events")


async def test_strange_names_and_values_stay_within_their_message(
    desk: Desk, connection: Connection, queue: Queue, redis: Redis
) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    await desk.listening(live, queue.name)
    job = await queue.add("a", {}, job_id="a\n\ndata x\u2028<script>")
    await redis.xadd(f"bull:{queue.name}:events", {"event": "progress", "jobId": job.id, "data": "[1e999, NaN]"})
    await redis.xadd(f"bull:{queue.name}:events", {"event": "\n\nevent: tick", "jobId": "z"})
    await wait_until(lambda: job.id in tab.jobs(queue.name))
    assert all(text.isascii() for text in tab.raw)
    assert set(tab.kinds()) <= {"hello", "tick"}


async def test_what_happens_right_after_the_greeting_is_told(desk: Desk, queue: Queue) -> None:
    for _ in range(10):
        live = desk.live()
        tab = await desk.tab(live)
        assert tab.kinds()[0] == "hello"
        job = await queue.add("x")
        await wait_until(lambda tab=tab, job=job: job.id in tab.jobs(queue.name))


async def test_a_tab_that_comes_while_queues_are_looked_for_is_greeted_too(
    desk: Desk, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = desk.live(discover_s=1000)
    names, asked, go = desk.board.names, asyncio.Event(), asyncio.Event()

    async def slowly(ask: Ask) -> list[str]:
        asked.set()
        await go.wait()
        return await names(ask)

    monkeypatch.setattr(desk.board, "names", slowly)
    first = asyncio.create_task(desk.tab(live))
    await asked.wait()
    second = asyncio.create_task(desk.tab(live))
    await wait_until(lambda: live.tabs == 2)
    go.set()
    for tab in (await first, await second):
        assert tab.kinds() == ["hello"]


async def test_a_queue_that_is_found_later_is_told_with_its_numbers(
    connection: Connection, redis_server: RedisServer
) -> None:
    prefix = f"p{secrets.token_hex(4)}"
    board = Board(connection, prefix=prefix)
    board._fresh_s = 0
    async with aclosing(Desk(board)) as desk:
        await Queue("first", connection=connection, prefix=prefix).add("x")
        tab = await desk.tab(desk.live())
        await Queue("later", connection=connection, prefix=prefix).add("x")
        monkey = boards.FRESH_S
        boards.FRESH_S = 0
        board._found_at = float("-inf")
        try:
            await wait_until(lambda: tab.waiting("later") == 1)
        finally:
            boards.FRESH_S = monkey
        await board.close()


async def test_progress_that_is_nested_deeply_is_told_in_short(desk: Desk, queue: Queue, redis: Redis) -> None:
    live = desk.live()
    tab = await desk.tab(live)
    deep = "[" * 900 + "]" * 900
    await redis.xadd(f"bull:{queue.name}:events", {"event": "progress", "jobId": "7", "data": deep})
    await wait_until(lambda: "7" in tab.jobs(queue.name))
    assert "too deeply" in str(tab.jobs(queue.name)["7"]["progress"])


async def test_a_stream_that_was_dropped_counts_as_long_as_its_connection_is_there(desk: Desk, queue: Queue) -> None:
    live = desk.live(streams_per_user=1, patience_s=0.05)
    stream = live.stream(Ask(ADMIN))
    await anext(stream)  # and then it takes nothing more
    await queue.add("x")
    await wait_until(lambda: live.tabs == 0)
    with pytest.raises(Refusal):
        live.stream(Ask(ADMIN))
    await stream.aclose()  # type: ignore[attr-defined]
    await desk.tab(live)
    await queue.drain()


async def test_a_queue_is_listened_to_once_though_the_first_try_failed_for_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = desk.board
    reader = board.connection.reader
    subscribe, tries = reader.subscribe, 0

    async def slow(keys: Any, *args: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionFailed("no answer in time")
        await asyncio.sleep(0.05)
        return await subscribe(keys, *args, **options)

    monkeypatch.setattr(reader, "subscribe", slow)
    monkeypatch.setattr(board, "named", ("one", "two"))
    live_tab = Tab(ADMIN, None)
    live = desk.live(discover_s=1000)
    live._tabs.add(live_tab)
    with pytest.raises(ConnectionFailed):
        await live._discover(news=False)
    await live._discover(news=False)  # while the second queue of the first try is still on its way
    await wait_until(lambda: tries == 4 and len(reader._subscriptions) == len(live._listeners) == 2)
    await live.close()
    assert not reader._subscriptions
