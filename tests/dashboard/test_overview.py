"""The overview: all queues in rows, and what somebody should look at."""

from __future__ import annotations

from typing import Any, cast

import pytest

from oxcart import Connection
from oxcart.dashboard import shapes
from oxcart.dashboard.access import Access
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import failures, jobs, queues, redis, schedulers, workers
from oxcart.dashboard.handlers.overview import attention, length_in_words, overview, redis_attention
from oxcart.dashboard.reading import finding
from tests.conftest import RedisServer
from tests.dashboard.seed import asked, seeded
from tests.dashboard.test_openapi import SCHEMAS, misfits

NOW = 1_800_000_000_000
MINUTE = 60_000


def row(**changes: Any) -> shapes.QueueRow:
    """A queue in which all is well; names of states change their counts."""
    counts: Any = dict.fromkeys(shapes.Counts.__annotations__, 0)
    found: Any = {
        "name": "email",
        "counts": counts,
        "paused": False,
        "concurrency": None,
        "rate_limited_for": 0,
        "oldest_waiting": None,
        "workers": 1,
        "done_per_minute": [],
        "failed_per_minute": [],
        "schedulers": 0,
    }
    for name, value in changes.items():
        (counts if name in counts else found)[name] = value
    return found


def kinds(**changes: Any) -> list[tuple[str, str]]:
    return [(item["kind"], item["severity"]) for item in attention(row(**changes), NOW)]


async def test_every_queue_is_a_row(connection: Connection, redis_server: Any) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await overview(board, asked())
    await board.close()
    assert [one["name"] for one in found["queues"]] == ["email", "notifications", "reports"]
    email, notifications, reports = found["queues"]
    assert all(
        email["counts"][state] for state in ("waiting", "prioritized", "delayed", "active", "completed", "failed")
    )
    assert reports["counts"]["waiting_children"]
    assert (email["concurrency"], email["workers"], email["schedulers"]) == (20, 0, 2)
    assert notifications["paused"]
    assert len(email["done_per_minute"]) == len(email["failed_per_minute"]) == 60
    assert sum(email["done_per_minute"]) > 20
    assert email["oldest_waiting"] is not None and email["oldest_waiting"] < found["now"]
    severities = [item["severity"] for item in found["attention"]]
    assert severities == sorted(severities, key=["high", "medium", "low"].index)
    assert {item["kind"] for item in found["attention"]} >= {"no_workers", "failures", "paused", "stalled"}


async def test_answers_about_all_kinds_of_jobs_are_as_they_are_described(
    connection: Connection, redis_server: RedisServer
) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    answers: list[tuple[str, Any]] = [
        ("Overview", await overview(board, asked())),
        ("Failures", await failures.groups(board, asked())),
        ("Schedulers", await schedulers.listed(board, asked())),
        ("Workers", await workers.workers(board, asked())),
        ("Redis", await redis.redis(board, asked())),
    ]
    for name in await board.names(asked()):
        answers.append(("QueueDetail", await queues.detail(board, asked(name))))
        for state in finding.STATES:
            page = await queues.page(board, asked(name, state=state, count=10))
            answers.append(("JobPage", page))
            answers.append(("SearchPage", await queues.search(board, asked(name, state=state, q="a"))))
            for job in page["jobs"]:
                for shape, handler in (("JobDetail", jobs.detail), ("Logs", jobs.logs), ("Flow", jobs.flow)):
                    answers.append((shape, await handler(board, asked(name, id=job["id"], whole=1))))
    await board.close()
    for shape, answer in answers:
        assert misfits(answer, SCHEMAS[shape]) == []


async def test_a_user_sees_only_the_queues_that_are_allowed(connection: Connection, redis_server: Any) -> None:
    board = Board(connection, prefix=await seeded(redis_server.url))
    found = await overview(board, asked(None, Access("bob", queues=("rep*",))))
    await board.close()
    assert [one["name"] for one in found["queues"]] == ["reports"]
    assert {item["queue"] for item in found["attention"]} == {"reports"}


async def test_a_board_without_queues_is_empty(connection: Connection) -> None:
    found = await overview(Board(connection, prefix="nothing-here", queues=[]), asked())
    assert found["queues"] == []
    assert all(item["queue"] is None for item in found["attention"])


def test_all_well_is_said_by_silence() -> None:
    assert kinds() == []
    assert kinds(waiting=5, oldest_waiting=NOW - MINUTE, completed=9, active=2, delayed=3) == []
    assert kinds(workers=0, delayed=3) == []  # nothing to be done yet


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"waiting": 1, "workers": 0}, [("no_workers", "high")]),
        ({"prioritized": 1, "workers": 0}, [("no_workers", "high")]),
        ({"waiting": 1, "workers": None}, []),
        ({"active": 1, "workers": 0}, [("stalled", "high")]),
        ({"waiting": 1, "paused": True, "workers": 0}, [("paused", "medium")]),
        ({"paused": True}, []),
        ({"waiting": 1, "oldest_waiting": NOW - 6 * MINUTE}, [("old_waiting", "medium")]),
        ({"waiting": 1, "oldest_waiting": NOW - 61 * MINUTE, "workers": None}, [("old_waiting", "high")]),
        ({"failed": 2}, [("failures", "medium")]),
        ({"failed": 2, "failed_per_minute": [0] * 60}, [("failures", "low")]),
        ({"failed": 2, "failed_per_minute": [1, *[0] * 59]}, [("failures", "medium")]),
        ({"failed": 2, "failed_per_minute": [*[0] * 59, 2], "done_per_minute": [9] * 60}, [("failures", "medium")]),
        ({"failed": 2, "failed_per_minute": [*[0] * 59, 2], "done_per_minute": [0] * 60}, [("failures", "high")]),
        ({"waiting": 1, "rate_limited_for": 900}, [("rate_limited", "low")]),
        ({"rate_limited_for": 900}, []),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert kinds(**changes) == expected


def test_it_is_told_in_sentences() -> None:
    [item] = attention(row(waiting=1, workers=0), NOW)
    assert item["text"] == "1 job in email waits, but no worker is connected"
    assert (item["queue"], item["count"], item["state"]) == ("email", 1, "waiting")
    [item] = attention(row(failed=1200, failed_per_minute=[*[0] * 59, 3]), NOW)
    assert item["text"] == "1,200 failed jobs in email, 3 in the last 10 minutes"
    [item] = attention(row(waiting=3, oldest_waiting=NOW - 125 * MINUTE), NOW)
    assert item["text"] == "The next job in email has waited for 2 h 5 min"


def test_lengths_of_time_are_short() -> None:
    wanted = {0: "1 s", 59_000: "59 s", MINUTE: "1 min", 60 * MINUTE: "1 h", 50 * 60 * MINUTE: "2 days"}
    assert {ms: length_in_words(ms) for ms in wanted} == wanted


def test_a_redis_that_may_delete_jobs_is_told() -> None:
    health = cast(shapes.Redis, {"policy": "allkeys-lru", "used": 96, "maximum": 100})
    assert [(item["kind"], item["severity"]) for item in redis_attention(health)] == [
        ("redis_policy", "high"),
        ("redis_memory", "high"),
    ]
    health["maximum"] = 0
    assert [item["severity"] for item in redis_attention(health)] == ["medium"]
    health["policy"] = "noeviction"
    assert redis_attention(health) == []
