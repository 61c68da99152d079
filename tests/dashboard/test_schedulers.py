"""Schedulers are listed, changed without losing what was hidden, run at once, and removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Connection, Job, JobOptions, JobState, Keep, OptionsError, Queue
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import schedulers
from oxcart.dashboard.redact import MASK
from oxcart.repeat import Missed
from tests.clocks import Clock
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.dashboard.seed import BLIND, Crew, asked, seeded

OPTIONS = JobOptions(attempts=3, backoff=Backoff.fixed(30, jitter=0.5), remove_on_complete=Keep(count=30, age=60))
DATA = {"account": "main", "api_key": "sk-live-123"}


@pytest.fixture
def board(connection: Connection, queue: Queue) -> Board:
    return Board(connection, queues=[queue.name])


async def only(board: Board, queue: Queue) -> Any:
    [row] = (await schedulers.listed(board, asked(queue=queue.name)))["schedulers"]
    return row


async def test_schedulers_are_listed_with_their_times_in_words(
    connection: Connection, redis_server: RedisServer
) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await schedulers.listed(board, asked())
    rows = {row["id"]: row for row in found["schedulers"]}
    assert rows["weekdays"]["words"] == "At 07:30, Monday through Friday (America/New_York)"
    assert rows["digest"]["words"] == "Every 15 minutes"
    assert rows["digest"]["every"] == 900_000
    assert rows["digest"]["jitter"] == 30_000
    assert len(rows["weekdays"]["upcoming"]) == 10
    assert rows["weekdays"]["upcoming"][0] == rows["weekdays"]["next"]
    assert (rows["campaign"]["limit"], len(rows["campaign"]["upcoming"])) == (5, 5)
    assert rows["monthly-report"]["data"] == {"account": "main", "api_key": MASK}
    assert rows["monthly-report"]["options"]["backoff"] == {"type": "fixed", "delay": 30_000}
    assert (rows["weekdays"]["overlap"], rows["weekdays"]["missed"]) == ("skip", "skip")
    times = [row["next"] for row in found["schedulers"]]
    assert times == sorted(times, key=lambda at: at or 0)
    assert [row["data"] for row in (await schedulers.listed(board, asked(None, BLIND)))["schedulers"]] == [None] * 5


async def test_no_half_of_a_secret_shows_where_data_are_cut(board: Board, queue: Queue) -> None:
    text = "x" * 19_970 + " redis://user:hunter2secret@host"
    await queue.upsert_scheduler("s", every=60, data={"url": text})
    [row] = (await schedulers.listed(board, asked(None, queue=queue.name)))["schedulers"]
    assert "xxx" in str(row["data"]) and "hunter2" not in str(row["data"])
    await queue.remove_scheduler("s")


async def test_a_pattern_that_can_t_be_read_spoils_nothing(
    board: Board, redis: Redis, queue: Queue, allowed_breaks: set[str]
) -> None:
    for scheduler_id in ("bad-pattern", "bad-zone", "neither"):
        await queue.upsert_scheduler(scheduler_id, cron="0 8 * * *")
    await redis.hset(
        f"{queue.keys.prefix}repeat:bad-pattern", "pattern", "every \udc80 now".encode("utf-8", "surrogateescape")
    )
    await redis.hset(f"{queue.keys.prefix}repeat:bad-zone", "tz", "Mars/Olympus")
    await redis.hdel(f"{queue.keys.prefix}repeat:neither", "pattern")
    found = await schedulers.listed(board, asked())
    rows = {row["id"]: row for row in found["schedulers"]}
    assert all(row["problem"] for row in rows.values())
    assert rows["neither"]["words"] == "Never"
    json.dumps(found, ensure_ascii=False).encode()
    for scheduler_id in rows:
        await queue.remove_scheduler(scheduler_id)


async def test_a_scheduler_whose_run_is_overdue_is_late(queue: Queue, connection: Connection) -> None:
    await queue.upsert_scheduler("s", every=60)
    later = Board(connection, queues=[queue.name], clock=lambda: 2_000_000_000_000)
    assert (await only(later, queue))["late"]
    assert not (await only(Board(connection, queues=[queue.name]), queue))["late"]


async def test_a_scheduler_is_made(board: Board, queue: Queue) -> None:
    body = {
        "id": "new",
        "cron": "0 9 * * 1",
        "tz": "Europe/Berlin",
        "limit": 3,
        "end": 2_000_000_000_000,
        "overlap": "skip",
        "jitter": 1500,
        "name": "weekly",
        "data": {"a": 1},
        "options": {"attempts": 2, "removeOnComplete": {"count": 5}},
    }
    done = await schedulers.save(board, asked(queue.name, body=body))
    assert done["text"] == "The scheduler new is made."
    made = await queue.scheduler("new")
    assert made is not None
    assert (made.cron, made.tz, made.limit, made.overlap, made.jitter) == ("0 9 * * 1", "Europe/Berlin", 3, "skip", 1.5)
    assert (made.name, made.data, made.end) == ("weekly", {"a": 1}, datetime.fromtimestamp(2_000_000_000, UTC))
    assert made.options is not None and made.options.get("attempts") == 2
    assert done.get("id") == made.next_job_id
    await queue.remove_scheduler("new")


async def test_who_edits_the_times_keeps_all_the_rest(board: Board, queue: Queue) -> None:
    end = datetime.fromtimestamp(2_000_000_000, UTC)
    await queue.upsert_scheduler(
        "s", cron="0 8 * * *", tz="Europe/Berlin", end=end, limit=9, overlap="skip", missed="all", jitter=2,
        name="digest", data=DATA, options=OPTIONS,
    )  # fmt: skip
    before = await queue.scheduler("s")
    await schedulers.save(board, asked(queue.name, body={"id": "s", "cron": "0 9 * * *"}))
    after = await queue.scheduler("s")
    assert before is not None and after is not None
    assert after.cron == "0 9 * * *"
    for name in "name data options tz end limit overlap missed jitter runs_left".split():
        assert (name, getattr(after, name)) == (name, getattr(before, name))
    await schedulers.save(board, asked(queue.name, body={"id": "s", "every": 60_000, "end": None, "limit": None}))
    after = await queue.scheduler("s")
    assert after is not None
    assert (after.cron, after.tz, after.every, after.end, after.limit) == (None, None, 60, None, None)
    assert (after.data, after.overlap) == (DATA, "skip")
    await queue.remove_scheduler("s")


async def test_a_limit_that_is_not_changed_leaves_as_many_runs_as_were_left(
    board: Board, queue: Queue, hands: Any
) -> None:
    await queue.upsert_scheduler("s", every=60, limit=3, immediately=True)
    [record] = hands.take()
    hands.advance(record)
    hands.complete(record.id)
    for body in ({"id": "s", "every": 30_000}, {"id": "s", "every": 20_000, "limit": 2}):
        await schedulers.save(board, asked(queue.name, body=body))
        after = await queue.scheduler("s")
        assert after is not None
        assert after.runs_left == 2
    await queue.remove_scheduler("s")


async def test_what_is_hidden_is_never_stored(board: Board, queue: Queue) -> None:
    await queue.upsert_scheduler("s", every=60, data=DATA)
    row = await only(board, queue)
    for body in ({"data": row["data"]}, {"options": {"x": MASK}}, {"name": MASK}, {"data": [MASK]}):
        with pytest.raises(Refusal) as told:
            await schedulers.save(board, asked(queue.name, body={"id": "s", **body}))
        assert told.value.status == 400
    kept = await queue.scheduler("s")
    assert kept is not None and kept.data == DATA
    await queue.remove_scheduler("s")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": 7, "every": 1000},
        {"id": "s"},
        {"id": "", "every": 1000},
        {"id": "s", "cron": "0 8 * * *", "every": 1000},
        {"id": "s", "cron": "never"},
        {"id": "s", "cron": "0 8 * * *", "tz": "Mars/Olympus"},
        {"id": "s", "every": 0},
        {"id": "s", "every": "5m"},
        {"id": "s", "every": 1000, "overlap": "maybe"},
        {"id": "s", "every": 1000, "end": 1},
        {"id": "s", "every": 1000, "end": 10**20},
        {"id": "s", "every": 1000, "options": {"delay": 5}},
        {"id": "s", "every": 1000, "options": 5},
        {"id": "s", "every": 1000, "limit": 0},
    ],
)
async def test_what_can_t_be_right_changes_nothing(board: Board, queue: Queue, body: dict[str, Any]) -> None:
    with pytest.raises((Refusal, OptionsError)):
        await schedulers.save(board, asked(queue.name, body=body))
    assert await queue.scheduler_count() == 0


async def test_the_next_run_can_run_now(board: Board, queue: Queue) -> None:
    job = await queue.upsert_scheduler("s", cron="0 8 1 1 *")
    done = await schedulers.run(board, asked(queue.name, body={"id": "s"}))
    assert (done["done"], done.get("id")) == (1, job.id)
    assert await job.state() == JobState.WAITING
    with pytest.raises(Refusal) as told:
        await schedulers.run(board, asked(queue.name, body={"id": "s"}))
    assert told.value.status == 409
    await queue.remove_scheduler("s")
    await queue.drain()


async def test_a_scheduler_is_removed(board: Board, queue: Queue) -> None:
    await queue.upsert_scheduler("s", every=60)
    await schedulers.remove(board, asked(queue.name, body={"id": "s"}))
    assert await queue.scheduler_count() == 0
    for handler in (schedulers.remove, schedulers.run):
        for scheduler_id in ("s", ""):
            with pytest.raises(Refusal) as told:
                await handler(board, asked(queue.name, body={"id": scheduler_id}))
            assert told.value.status == 404


async def test_a_scheduler_is_paused_and_goes_on(board: Board, queue: Queue) -> None:
    await queue.upsert_scheduler("s", cron="0 8 1 1 *", data=DATA, options=OPTIONS, overlap="skip")
    before = await only(board, queue)
    assert (before["paused"], before["problem"]) == (None, None)
    done = await schedulers.pause(board, asked(queue.name, body={"id": "s"}))
    assert done == {"done": 1, "text": "The scheduler s is paused."}
    row = await only(board, queue)
    assert row["paused"] is not None and (row["next"], row["next_job"], row["upcoming"]) == (None, "", [])
    same = set(before) - {"paused", "next", "next_job", "upcoming"}
    assert {name: row[name] for name in same} == {name: before[name] for name in same}
    assert (await schedulers.pause(board, asked(queue.name, body={"id": "s"})))["done"] == 0
    for handler, body in ((schedulers.run, {"id": "s"}), (schedulers.save, {"id": "s", "every": 5000})):
        with pytest.raises(Refusal) as told:
            await handler(board, asked(queue.name, body=body))
        assert told.value.status == 409 and "paused" in told.value.message
    done = await schedulers.resume(board, asked(queue.name, body={"id": "s"}))
    assert (done["done"], done.get("id")) == (1, before["next_job"])
    assert await only(board, queue) == before
    assert (await schedulers.resume(board, asked(queue.name, body={"id": "s"})))["done"] == 0
    await schedulers.pause(board, asked(queue.name, body={"id": "s"}))
    await schedulers.remove(board, asked(queue.name, body={"id": "s"}))
    for handler in (schedulers.pause, schedulers.resume):
        with pytest.raises(Refusal) as told:
            await handler(board, asked(queue.name, body={"id": "s"}))
        assert told.value.status == 404


async def test_paused_ones_come_after_those_that_run(board: Board, queue: Queue) -> None:
    for name in ("a", "b", "c"):
        await queue.upsert_scheduler(name, cron="0 8 * * *")
    await queue.pause_scheduler("a")
    rows = (await schedulers.listed(board, asked(queue=queue.name)))["schedulers"]
    assert [row["id"] for row in rows][-1] == "a"
    await queue.obliterate()


async def test_the_latest_runs_are_told(board: Board, queue: Queue, connection: Connection, redis: Redis) -> None:
    """Also those that failed, run, or wait; not those that are gone."""
    await queue.upsert_scheduler("s", every=3600, offset=60)
    live = await queue.scheduler("s")
    assert live is not None and live.next is not None
    following = round(live.next.timestamp() * 1000)
    times = [following - 3_600_000 * back for back in range(5, 0, -1)]
    crew = Crew(connection, queue, "w")
    for at in times:
        await queue.add("s", job_id="x")
        await redis.rename(queue.keys.job("x"), queue.keys.job(f"repeat:s:{at}"))
        await redis.lrem(queue.keys.one("wait"), 1, "x")
        await redis.lpush(queue.keys.one("wait"), f"repeat:s:{at}")
    await crew.take(4, times[0])
    await crew.finish(f"repeat:s:{times[0]}", None, times[0] + 250)
    await crew.fail(f"repeat:s:{times[1]}", "boom", [], times[1] + 5)
    await crew.finish(f"repeat:s:{times[2]}", None, times[2])
    await queue.remove_job(f"repeat:s:{times[2]}")
    history = (await only(board, queue))["history"]
    assert [(run["at"], run["state"]) for run in history] == [
        (times[0], "completed"),
        (times[1], "failed"),
        (times[3], "active"),
        (times[4], "waiting"),
    ]
    first = {"id": f"repeat:s:{times[0]}", "at": times[0], "state": "completed", "took": 250, "skipped": None}
    assert history[0] == first
    assert history[2]["took"] is None
    await queue.pause_scheduler("s")
    assert [run["at"] for run in (await only(board, queue))["history"]] == [run["at"] for run in history]
    await queue.obliterate(force=True)


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        ("once", [("completed", None)] + [("missed", None)] * 4),
        ("skip", [("completed", "missed")] + [("missed", None)] * 4),
        ("all", [("completed", None)] * 5),
    ],
)
async def test_times_at_which_nobody_worked_are_marked_as_missed(
    board: Board, queue: Queue, timed: Queue, run_worker: RunWorker, clock: Clock, missed: Missed, told: list[Any]
) -> None:
    await timed.upsert_scheduler("s", cron="0 * * * *", missed=missed)
    clock.now += timedelta(hours=5)
    await run_worker(_nothing, clock=clock)

    async def caught_up() -> bool:
        return (await queue.counts("completed", "delayed")) == {"completed": 5 if missed == "all" else 1, "delayed": 1}

    await wait_until(caught_up)
    history = (await only(board, queue))["history"]
    assert [(run["state"], run["skipped"]) for run in history] == told
    assert [run["at"] for run in history] == list(range(history[0]["at"], clock(), 3_600_000))


async def test_a_time_is_not_called_missed_where_that_is_not_known(
    board: Board, queue: Queue, connection: Connection, redis: Redis
) -> None:
    """The one before was taken twice, the second time after it: its own run may have been there, and be gone."""
    await queue.upsert_scheduler("s", every=3600, offset=60)
    live = await queue.scheduler("s")
    assert live is not None and live.next is not None
    early = round(live.next.timestamp() * 1000) - 3 * 3_600_000
    for starts, states in (("1", ["active", "missed"]), ("2", ["active"])):
        key = queue.keys.job(f"repeat:s:{early}")
        taken = str(early + 3_600_000)
        await redis.hset(key, mapping={"timestamp": "1", "processedOn": taken, "name": "s", "ats": starts})
        history = (await only(board, queue))["history"]
        assert [run["state"] for run in history] == states
        await redis.delete(key)
    await queue.remove_scheduler("s")


async def _nothing(_: Job) -> None:
    """Done at once."""


async def test_history_is_bounded_and_survives_damage(board: Board, queue: Queue, redis: Redis) -> None:
    await queue.upsert_scheduler("s", every=60, offset=5)
    live = await queue.scheduler("s")
    assert live is not None and live.next is not None
    following = round(live.next.timestamp() * 1000)
    for back in range(1, 40):
        key = queue.keys.job(f"repeat:s:{following - 60_000 * back}")
        await redis.hset(key, mapping={"timestamp": "1", "processedOn": "x", "finishedOn": "9" * 30, "name": "s"})
    history = (await only(board, queue))["history"]
    assert len(history) == 20 and history[-1]["at"] == following - 60_000
    assert all(run["took"] is None for run in history)
    for back in range(1, 40):
        key = queue.keys.job(f"repeat:s:{following - 60_000 * back}")
        await redis.delete(key)
        if back == 1:
            await redis.set(key, "x")
    assert (await only(board, queue))["history"] == []
    await redis.delete(queue.keys.job(f"repeat:s:{following - 60_000}"))
    await queue.remove_scheduler("s")
