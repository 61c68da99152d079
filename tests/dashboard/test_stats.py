"""Stats: what workers counted, as the page shows it; marks; Prometheus."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from oxcart import Connection, Job, JobSpec, Queue, Worker
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import failures, marks, prometheus, stats
from oxcart.tally import DAY_MS, HOUR_MS, LEVELS, MINUTE_MS, Tally
from tests.conftest import RedisServer, wait_until
from tests.dashboard.seed import asked

Work = Callable[..., Awaitable[str]]


@pytest.fixture
async def work(redis_server: RedisServer, redis: Redis, queue_name: str) -> AsyncIterator[Work]:
    """Run jobs of a queue of its own prefix with a recorder, and answer the prefix."""
    prefix = f"st{queue_name}"

    async def run(queue_name: str, jobs: list[JobSpec], **options: Any) -> str:
        async def process(job: Job) -> None:
            if job.name.startswith("bad"):
                raise ValueError(f"no user {job.id}, password=hunter2")

        async with Queue(queue_name, connection=redis_server.url, prefix=prefix) as queue:
            await queue.add_bulk(jobs)
            options.setdefault("recorder", True)
            worker = Worker(queue_name, process, connection=redis_server.url, prefix=prefix, **options)
            task = asyncio.create_task(worker.run())

            async def done() -> bool:
                return not await queue.count() and not (await queue.counts("active"))["active"]

            await wait_until(done)
            await worker.close()
            await task
        return prefix

    yield run
    async for key in redis.scan_iter(f"*{prefix}:*"):
        await redis.delete(key)


async def test_stats_tell_what_happened_over_time_and_by_name(connection: Connection, work: Work) -> None:
    await work("email", [JobSpec("good")] * 5 + [JobSpec("bad", attempts=2)] * 2)
    prefix = await work("push", [JobSpec("good")] * 3)
    board = Board(connection, prefix=prefix)
    found = await stats.stats(board, asked())
    assert found["recorded"] and found["step"] == HOUR_MS
    assert 24 <= len(found["points"]) <= 25
    assert sum(point["completed"] for point in found["points"]) == 8
    assert sum(point["failed"] for point in found["points"]) == 2
    assert sum(point["retried"] for point in found["points"]) == 2
    names = [(row["queue"], row["name"], row["completed"], row["failed"], row["retried"]) for row in found["names"]]
    assert names == [("email", "bad", 0, 2, 2), ("email", "good", 5, 0, 0), ("push", "good", 3, 0, 0)]
    run = found["names"][1]["run"]
    assert run["count"] == 5 and run["p50"] is not None and run["p99"] is not None and run["p50"] <= run["p99"]
    one = await stats.stats(board, asked(queue="email", name="good"))
    assert [row["name"] for row in one["names"]] == ["good"]
    assert sum(point["completed"] for point in one["points"]) == 5
    now = board.clock()
    minutes = await stats.stats(board, asked(from_=now - HOUR_MS))
    assert minutes["step"] == MINUTE_MS
    assert sum(point["completed"] for point in minutes["points"]) == 8
    days = await stats.stats(board, asked(from_=now - 100 * DAY_MS))
    assert days["step"] == DAY_MS
    assert sum(point["completed"] for point in days["points"]) == 8


async def test_without_a_recorder_it_says_so(connection: Connection, work: Work) -> None:
    prefix = await work("email", [JobSpec("good")], recorder=False)
    found = await stats.stats(Board(connection, prefix=prefix), asked())
    assert not found["recorded"] and found["names"] == []
    assert all(point["completed"] == 0 and point["run"]["p50"] is None for point in found["points"])
    assert (await failures.groups(Board(connection, prefix=prefix), asked()))["groups"] == []


async def test_stats_are_of_the_queues_that_the_user_sees(connection: Connection, work: Work) -> None:
    await work("email", [JobSpec("good")])
    prefix = await work("push", [JobSpec("good")])
    board = Board(connection, prefix=prefix)
    bob = Access("bob", queues=("push",))
    found = await stats.stats(board, asked(None, bob))
    assert {row["queue"] for row in found["names"]} == {"push"}
    assert "email" not in str((await prometheus.prometheus(board, asked(None, bob))).body)
    with pytest.raises(Refusal):
        await stats.stats(board, asked(None, bob, queue="email"))


@pytest.mark.parametrize("query", [{"from_": 2**52}, {"step": 5}, {"to": 0}, {"from_": "x"}])
async def test_a_range_that_can_t_be_right_is_refused(board: Board, query: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        await stats.stats(board, asked(None, **query))


NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("since", "step", "queues", "level", "chosen"),
    [
        (HOUR_MS, 0, 1, "m", MINUTE_MS),
        (DAY_MS, 0, 1, "h", HOUR_MS),
        (30 * DAY_MS, 0, 1, "d", DAY_MS),
        (DAY_MS, 5 * MINUTE_MS, 1, "h", HOUR_MS),
        (2 * HOUR_MS, 5 * MINUTE_MS, 1, "m", 5 * MINUTE_MS),
        (2 * HOUR_MS, 5 * MINUTE_MS, 200, "h", HOUR_MS),
        (DAY_MS, 7 * HOUR_MS, 1, "h", 7 * HOUR_MS),
        (400 * DAY_MS, 0, 1000, "d", DAY_MS),
        (0, 0, 0, "m", MINUTE_MS),
    ],
)
def test_steps_are_as_narrow_as_they_are_kept_and_not_too_many(
    since: int, step: int, queues: int, level: str, chosen: int
) -> None:
    plan = stats.plan(NOW, NOW - since, NOW, step, queues)
    assert (plan.level.letter, plan.step) == (level, chosen)
    assert plan.start <= NOW - since and plan.end >= NOW
    assert len(plan.points) <= stats.MOST_POINTS + 2


async def test_the_cost_of_stats_does_not_grow_with_jobs(connection: Connection, work: Work, redis: Redis) -> None:
    async def calls(count: int) -> int:
        prefix = await work("email", [JobSpec("good")] * count)
        first, board = (Board(connection, prefix=prefix, queues=["email"]) for _ in range(2))  # named: no search beside
        await stats.stats(first, asked())  # what is asked only once, such as for the connection, is asked
        before = int((await redis.info("stats"))["total_commands_processed"])
        await stats.stats(board, asked())
        return int((await redis.info("stats"))["total_commands_processed"]) - before

    assert await calls(3) == await calls(300)


async def test_marks_are_shown_once_made(connection: Connection, work: Work, redis: Redis) -> None:
    prefix = await work("email", [JobSpec("good")], version="1.4.2")
    board = Board(connection, prefix=prefix)
    now = board.clock()
    done = await marks.mark(board, asked(body={"text": "  moved the\nmail server ", "at": now - HOUR_MS}))
    assert done["done"] == 1
    found = await stats.stats(board, asked())
    assert [mark["text"] for mark in found["marks"]] == ["moved the mail server", "version 1.4.2"]
    assert found["marks"][0]["at"] == now - HOUR_MS
    assert await redis.pttl(f"oxcart:{prefix}:marks") > LEVELS[-1].keep_ms - HOUR_MS


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 201}, {"text": 3}, {"text": "x", "at": 2**60}])
async def test_a_mark_that_says_nothing_is_refused(board: Board, body: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        await marks.mark(board, asked(body=body))


async def test_prometheus_reads_the_numbers_of_all_queues(connection: Connection, work: Work) -> None:
    await work("email", [JobSpec('say "hi"\\\n')] * 3 + [JobSpec("bad")])
    prefix = await work("push", [JobSpec("good")] * 2)
    file = await prometheus.prometheus(Board(connection, prefix=prefix), asked())
    assert isinstance(file.body, str) and file.media_type.startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(file.body)}
    assert file.body.count("# TYPE bullmq_job_count ") == 1
    states = {tuple(one.labels.values()): one.value for one in families["bullmq_job_count"].samples}
    assert states["email", "completed"] == 3 and states["push", "completed"] == 2 and states["email", "failed"] == 1
    done = {tuple(one.labels.values()): one.value for one in families["oxcart_jobs_completed"].samples}
    assert done["email", 'say "hi"\\\n'] == 3 and done["push", "good"] == 2
    run = families["oxcart_job_run_seconds"]
    assert run.type == "histogram"
    good = [one for one in run.samples if one.labels["name"] == "good"]
    buckets = [(float(one.labels["le"]), one.value) for one in good if one.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and buckets[-1] == (math.inf, 2)
    assert [one.value for one in good if one.name.endswith("_count")] == [2]
    assert next(one.value for one in good if one.name.endswith("_sum")) >= 0


async def test_recorded_failures_stay_when_their_jobs_are_gone(connection: Connection, work: Work) -> None:
    prefix = await work("email", [JobSpec("bad", remove_on_fail=True)] * 3 + [JobSpec("bad")] * 2)
    prefix = await work("push", [JobSpec("bad-one", remove_on_fail=True)])
    found = await failures.groups(Board(connection, prefix=prefix), asked())
    [group] = found["groups"]
    assert (group["count"], group["recorded"], sum(group["per_hour"])) == (2, 6, 6)
    assert group["kind"] == "ValueError" and "hunter2" not in str(found)
    assert group["queues"] == ["email", "push"] and set(group["names"]) == {"bad", "bad-one"}
    assert len(group["ids"]) == 2
    [alone] = (await failures.groups(Board(connection, prefix=prefix), asked(queue="push")))["groups"]
    assert (alone["count"], alone["recorded"], alone["ids"]) == (0, 1, [])
    assert alone["first"] is not None and alone["last"] is not None


async def test_over_http(api: httpx.AsyncClient) -> None:
    found = await api.get("/api/v1/prometheus")
    assert found.status_code == 200 and found.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (await api.get("/api/v1/stats")).status_code == 200
    assert (await api.post("/api/v1/marks", json={"text": "x"})).json()["done"] == 1


def test_counts_that_are_nested_without_end_count_nothing() -> None:
    assert Tally.from_text("[" * 100_000) == Tally()
