"""One queue: its numbers, its pages, the search in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard import shapes
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import failures, queues
from oxcart.dashboard.reading import finding
from oxcart.dashboard.redact import MASK
from tests.conftest import RedisServer
from tests.dashboard.seed import ADMIN, BLIND, OPERATOR, Crew, asked, seeded

MINUTE = 60_000


@pytest.fixture
async def shop(connection: Connection, redis_server: RedisServer) -> AsyncIterator[Board]:
    """A board of the seeded queues: only to be looked at."""
    board = Board(connection, prefix=await seeded(redis_server.url))
    yield board
    await board.close()


def ids(page: shapes.SearchPage | shapes.JobPage) -> list[str]:
    return [row["id"] for row in page["jobs"]]


async def all_pages(board: Board, queue: str, **query: Any) -> tuple[list[str], int]:
    """All that a search finds, step by step, and how many jobs were looked at."""
    found, looked, cursor = list[str](), 0, ""
    while True:
        page = await queues.search(board, asked(queue, **query, cursor=cursor))
        found += ids(page)
        looked += page["looked_at"]
        if page["cursor"] is None:
            return found, looked
        cursor = page["cursor"]


# ------------------------------------------------------------------------------------------------- numbers


async def test_a_queue_tells_its_numbers(shop: Board) -> None:
    found = await queues.detail(shop, asked("email"))
    assert found["rate_limit"] == {"max": 600, "duration": 60_000}
    assert found["concurrency"] == 20
    assert found["p50"] is not None and found["p95"] is not None and 0 < found["p50"] <= found["p95"] < 60_000
    assert found["wait_p95"] is not None and found["wait_p95"] < 60_000


async def test_a_queue_that_is_not_there_is_not_found(shop: Board) -> None:
    for handler in (queues.detail, queues.page, queues.search, queues.metrics):
        with pytest.raises(Refusal) as told:
            await handler(shop, asked("nowhere", state="failed"))
        assert told.value.status == 404


async def test_minutes_are_aligned_with_now(connection: Connection, redis: Redis, queue: Queue) -> None:
    """Also those that no later job has pushed into the list."""
    start = 29_000_000 * MINUTE
    now = start
    board = Board(connection, queues=[queue.name], clock=lambda: now)
    crew = Crew(connection, queue, "w")
    for minute in (0, 0, 0, 2, 3, 3):
        await queue.add("x", timestamp=datetime.fromtimestamp(start / 1000, UTC))
        [job_id] = await crew.take(1, start + minute * MINUTE)
        await crew.finish(job_id, None, start + minute * MINUTE + 5)
    for minute, wanted in ((3, [3, 0, 1]), (4, [0, 1, 2]), (6, [2, 0, 0]), (9, [0, 0, 0])):
        now = start + minute * MINUTE + 10
        found = await queues.metrics(board, asked(queue.name, minutes=3))
        assert (minute, found["completed"], found["failed"]) == (minute, wanted, [0, 0, 0])
    assert (found["counted"], found["completed_total"], found["failed_total"]) == (True, 6, 0)


async def test_without_counting_workers_there_are_no_minutes(connection: Connection, queue: Queue) -> None:
    await queue.add("x")
    board = Board(connection, queues=[queue.name])
    found = await queues.detail(board, asked(queue.name))
    assert (found["done_per_minute"], found["p50"], found["wait_p95"]) == ([], None, None)
    assert (await queues.metrics(board, asked(queue.name)))["counted"] is False


def test_percentiles_are_values_that_were_there() -> None:
    assert queues.percentile([], 50) is None
    assert [queues.percentile([3, 1, 2, 4], share) for share in (1, 50, 95, 100)] == [1, 2, 4, 4]


def test_a_job_waits_from_when_it_was_due() -> None:
    opts = json.dumps({"delay": 500})
    assert queues.due_of(1000, opts, 2000) == 1500
    assert queues.due_of(1000, opts, 1200) == 1000  # promoted
    assert queues.due_of(1000, '{"delay":"x"}', 1200) == queues.due_of(1000, "{}", 1200) == 1000


# --------------------------------------------------------------------------------------------------- lists


async def test_every_state_has_pages(shop: Board) -> None:
    for state in finding.STATES:
        queue = "reports" if state == "waiting-children" else "email"
        page = await queues.page(shop, asked(queue, state=state, count=2))
        assert 0 < len(page["jobs"]) <= 2
        assert page["total"] >= len(page["jobs"])
        assert {row["state"] for row in page["jobs"]} == {state}


async def test_pages_follow_each_other(shop: Board) -> None:
    whole = ids(await queues.page(shop, asked("email", state="completed", count=200)))
    parts = [ids(await queues.page(shop, asked("email", state="completed", start=at, count=30))) for at in (0, 30, 60)]
    assert [one for part in parts for one in part] == whole[:90]
    oldest = await queues.page(shop, asked("email", state="completed", count=200, order="oldest"))
    assert ids(oldest) == whole[::-1]


async def test_the_next_to_run_comes_first(connection: Connection, queue: Queue) -> None:
    jobs = await queue.add_bulk([JobSpec("x", n) for n in range(3)])
    board = Board(connection, queues=[queue.name])
    assert ids(await queues.page(board, asked(queue.name, state="waiting"))) == [job.id for job in jobs]
    newest = await queues.page(board, asked(queue.name, state="wait", order="newest"))
    assert ids(newest) == [job.id for job in jobs][::-1]


async def test_a_delayed_job_says_when_it_is_due(connection: Connection, queue: Queue) -> None:
    job = await queue.add("x", delay=1000)
    board = Board(connection, queues=[queue.name])
    before = board.clock()
    await job.change_delay(5)
    after = board.clock()
    [row] = (await queues.page(board, asked(queue.name, state="delayed")))["jobs"]
    assert row["due"] is not None and before - 5 <= row["due"] - 5000 <= after + 5
    assert (await queues.search(board, asked(queue.name, q=job.id)))["jobs"] == [row]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"state": "gone"},
        {"state": "failed", "count": 201},
        {"state": "failed", "start": -1},
        {"state": "failed", "order": "up"},
    ],
)
async def test_odd_pages_are_refused(shop: Board, query: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as told:
        await queues.page(shop, asked("email", **query))
    assert told.value.status == 400


async def test_lists_are_light_whatever_is_in_the_jobs(shop: Board) -> None:
    page = await queues.page(shop, asked("email", state="completed", count=200))
    assert "one-megabyte" in ids(page)
    assert all(len(row["preview"]) <= 200 for row in page["jobs"])
    assert len(json.dumps(page)) < 200 * 1000


async def test_lists_show_no_secrets(shop: Board) -> None:
    for state in finding.STATES:
        text = json.dumps(await queues.page(shop, asked("email", state=state, count=200)), ensure_ascii=False)
        assert "tok_" not in text and "hunter2" not in text
    page = await queues.page(shop, asked("notifications", state="completed", count=1))
    assert f'"api_key":"{MASK}"' in page["jobs"][0]["preview"]


async def test_who_may_not_see_data_sees_none(shop: Board) -> None:
    for state in ("active", "failed"):
        page = await queues.page(shop, asked("email", BLIND, state=state, count=200))
        assert {row["preview"] for row in page["jobs"]} == {""}
        assert all(isinstance(row["progress"], int) for row in page["jobs"])


async def test_damaged_jobs_are_shown_as_such(
    connection: Connection, redis: Redis, queue: Queue, allowed_breaks: set[str]
) -> None:
    job = await queue.add("x", {"a": 1}, job_id="odd")
    await redis.hset(job.keys.job("odd"), mapping={"data": "{not json", "opts": "[]]", "progress": "\\ud800"})
    board = Board(connection, queues=[queue.name])
    [row] = (await queues.page(board, asked(queue.name, state="waiting")))["jobs"]
    assert row["damaged"] is not None and "data" in row["damaged"]
    assert ids(await queues.search(board, asked(queue.name, q="odd"))) == ["odd"]
    await queue.remove_job("odd")


async def test_strange_values_can_all_be_sent_as_json(connection: Connection, redis: Redis, queue: Queue) -> None:
    deep = "[" * 900 + "]" * 900
    for number, data in enumerate((deep, '{"a":"\\ud800"}', "123456789012345678901234567890", "1e999", '{"":{"":0}}')):
        await queue.add("\U0001f600", {}, job_id=f"j-{number}")
        await redis.hset(queue.keys.job(f"j-{number}"), "data", data)
    board = Board(connection, queues=[queue.name])
    page = await queues.page(board, asked(queue.name, state="waiting"))
    assert len(page["jobs"]) == 5
    json.dumps(page, ensure_ascii=False, allow_nan=False).encode()
    assert len(ids(await queues.search(board, asked(queue.name, q="j-")))) == 5
    await queues.search(board, asked(queue.name, q="nowhere"))
    for number in range(5):
        await queue.remove_job(f"j-{number}")


# ------------------------------------------------------------------------------------------------- searching


async def test_an_id_is_found_first(shop: Board) -> None:
    page = await queues.search(shop, asked("email", q="three-attempts"))
    assert ids(page)[0] == "three-attempts"
    assert ids(page).count("three-attempts") == 1
    assert page["jobs"][0]["state"] == "failed"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (
            {"q": "GRACE@EXAMPLE.com", "path": "to", "state": "failed", "name": "Receipt", "error": "10.0.0.3"},
            {"three-attempts"},
        ),
        ({"path": "order", "q": "4711"}, {"three-attempts", "next-attempt"}),
        ({"path": "order"}, {"three-attempts", "next-attempt"}),
        ({"path": "__proto__.polluted"}, {"hostile-data"}),
        ({"error": "client.py", "name": "receipt", "q": "attempt"}, {"three-attempts", "next-attempt"}),
        ({"q": "<SCRIPT>"}, {"hostile-data", "deep"}),
        ({"q": '"polluted":true'}, {"hostile-data"}),
        ({"q": "javascript:alert(1)", "state": "completed"}, set()),
        ({"name": "<img"}, {"hostile-data"}),
        ({"q": "bottom"}, {"deep"}),
    ],
)
async def test_jobs_are_found_by_what_they_have(shop: Board, query: dict[str, Any], wanted: set[str]) -> None:
    found, looked = await all_pages(shop, "email", **query)
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert looked


async def test_what_was_escaped_is_found_as_it_was_meant(connection: Connection, queue: Queue) -> None:
    await queue.add("x", {"text": 'say "hello"\nworld', "umlaut": "Grüße"}, job_id="one")
    board = Board(connection, queues=[queue.name])
    for text in ('say "hello"', "hello", "grüße", "GRÜSSE"):
        assert ids(await queues.search(board, asked(queue.name, q=text))) == ["one"]


async def test_all_is_found_in_steps(shop: Board) -> None:
    for states in ("failed", "completed", "waiting", "failed,completed", ""):
        found, looked = await all_pages(shop, "email", state=states, count=7)
        counted = await shop.open("email").counts(*(states.split(",") if states else finding.STATES))
        assert len(found) == len(set(found)) == looked == sum(counted.values())


async def test_a_step_looks_at_no_more_than_it_may(connection: Connection, queue: Queue, redis: Redis) -> None:
    await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(450)])
    board = Board(connection, queues=[queue.name])
    search = finding.Search(board, ADMIN, queue, finding.Wanted(text="no such thing"))
    first = await search.step(looks=150, seconds=60)
    assert (first.looked_at, first.jobs) == (150, [])
    second = await search.step(first.cursor, looks=10_000, seconds=60)
    assert (second.looked_at, second.cursor) == (300, None)
    in_no_time = await search.step(seconds=0)
    assert in_no_time.looked_at == 1
    assert in_no_time.cursor is not None


async def test_finished_jobs_that_come_meanwhile_don_t_shift_a_search(connection: Connection, queue: Queue) -> None:
    crew = Crew(connection, queue, "w")
    start = 1_800_000_000_000

    async def fail(count: int, at: int) -> list[str]:
        await queue.add_bulk([JobSpec("x") for _ in range(count)])
        taken = await crew.take(count, at)
        for job_id in taken:
            await crew.fail(job_id, "boom", [], at)
        return taken

    early = await fail(5, start)  # all in one millisecond
    late = await fail(5, start + 1)
    board = Board(connection, queues=[queue.name])
    first = await queues.search(board, asked(queue.name, state="failed", count=7))
    await fail(3, start + 2)
    second = await queues.search(board, asked(queue.name, state="failed", cursor=first["cursor"]))
    assert sorted(ids(first) + ids(second)) == sorted(early + late)


async def test_a_range_of_time_is_of_finished_jobs(connection: Connection, queue: Queue) -> None:
    crew = Crew(connection, queue, "w")
    start = 1_800_000_000_000
    finished: list[str] = []
    for number in range(6):
        await queue.add("x")
        [job_id] = await crew.take(1, start)
        await crew.finish(job_id, None, start + number * 1000)
        finished.append(job_id)
    await queue.add("x")
    board = Board(connection, queues=[queue.name])
    page = await queues.search(board, asked(queue.name, from_=start + 1000, to=start + 4000))
    assert ids(page) == finished[4:0:-1]
    assert (page["looked_at"], page["total"]) == (4, 4)
    found, looked = await all_pages(board, queue.name, from_=start + 1000, to=start + 4000, count=1)
    assert (found, looked) == (finished[4:0:-1], 4)
    assert ids(await queues.search(board, asked(queue.name, to=start))) == finished[:1]
    assert len(ids(await queues.search(board, asked(queue.name, from_=0, state="waiting")))) == 1


async def test_masked_text_can_t_be_found_out(connection: Connection, queue: Queue) -> None:
    await queue.add(
        "x", {"password": "hunter2", "url": "redis://u:hunter2@h", "card": {"cvv": "123 hunter2"}}, job_id="s"
    )
    board = Board(connection, queues=[queue.name])
    for query in (
        {"q": "hunter2"},
        {"q": "hunt"},
        {"path": "password", "q": "hunter2"},
        {"path": "card.cvv", "q": "h"},
    ):
        assert ids(await queues.search(board, asked(queue.name, OPERATOR, **query))) == []
        assert ids(await queues.search(board, asked(queue.name, **query))) == ["s"]  # an admin may reveal
    assert ids(await queues.search(board, asked(queue.name, OPERATOR, path="password"))) == ["s"]
    # Nor whether there is anything below what is hidden.
    await queue.add("x", {"credentials": {"4111": 1, "pins": [1, 2]}}, job_id="t")
    for path in ("credentials.4111", "credentials.pins[1]"):
        assert ids(await queues.search(board, asked(queue.name, OPERATOR, path=path))) == []
        assert ids(await queues.search(board, asked(queue.name, path=path))) == ["t"]


async def test_who_may_not_see_data_finds_nothing_by_it(shop: Board) -> None:
    assert ids(await queues.search(shop, asked("email", BLIND, q="4711"))) == []
    assert ids(await queues.search(shop, asked("email", BLIND, q="three-att"))) == ["three-attempts"]
    with pytest.raises(Refusal) as told:
        await queues.search(shop, asked("email", BLIND, path="order"))
    assert told.value.status == 403


async def test_a_group_of_failures_can_be_listed(shop: Board) -> None:
    found = await failures.groups(shop, asked(queue="email"))
    for group in found["groups"]:
        jobs, _ = await all_pages(shop, "email", state="failed", fingerprint=group["fingerprint"])
        assert len(jobs) == group["count"]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"},
        {"cursor": "failed:1", "state": "completed"},
        {"cursor": "failed@1.9999999999"},
        {"state": "failed,gone"},
        {"path": "["},
        {"path": "$"},
        {"from_": "yesterday"},
        {"from_": "-1"},
        {"q": "x" * 501},
        {"count": "0"},
    ],
)
async def test_odd_searches_are_refused(shop: Board, query: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as told:
        await queues.search(shop, asked("email", **query))
    assert told.value.status == 400


def test_paths_lead_into_data() -> None:
    data: Any = {"items": [{"sku": "A"}], "a b": {"c": 0}, "7": "seven"}
    for path, wanted in {"items[0].sku": "A", "$.items.0.sku": "A", "a b.c": 0, "7": "seven"}.items():
        assert finding.at_path(data, finding.parse_path(path)) == wanted
    assert finding.as_text(finding.at_path(data, ("items", "9"))) == ""
