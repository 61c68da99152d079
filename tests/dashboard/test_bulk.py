"""Bulk actions: what they would do, what they do, and how they end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard.access import ADMIN, Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import bulk
from oxcart.dashboard.reading import direct
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.dashboard.conftest import Open

ADA = Access("ada", role="admin")


class Office:
    """Asks a board as its API does."""

    def __init__(self, board: Board, queue: Queue) -> None:
        self.board = board
        self.queue = queue

    def ask(self, body: dict[str, Any], access: Access = ADA) -> Ask:
        return Ask(access, path={"queue": self.queue.name}, body=body)

    async def preview(self, access: Access = ADA, **body: Any) -> Any:
        return await bulk.preview(self.board, self.ask(body, access))

    async def start(self, access: Access = ADA, **body: Any) -> Any:
        return await bulk.start(self.board, self.ask(body, access))

    async def task(self, task_id: str, access: Access = ADA) -> Any:
        return await bulk.task(self.board, Ask(access, path={"task": task_id}))

    async def cancel(self, task_id: str, access: Access = ADA) -> Any:
        return await bulk.cancel(self.board, Ask(access, path={"task": task_id}))

    async def ended(self, begun: Any) -> Any:
        async def look() -> Any:
            task = await self.task(begun["id"])
            return task if task["ended"] is not None else None

        return await wait_until(look)


@pytest.fixture
async def office(redis_server: RedisServer, queue: Queue) -> AsyncIterator[Office]:
    async with Connection(redis_server.url) as connection:
        board = Board(connection, queues=[queue.name])
        yield Office(board, queue)
        await bulk.close(board)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer waits for the end of its task, also on a machine that does much else, unless a test says otherwise."""
    monkeypatch.setattr(bulk, "SOON_S", 20)


async def _failed(queue: Queue, run_worker: RunWorker, reasons: Sequence[str], **data: Any) -> list[str]:
    """Jobs that have failed for these reasons."""

    async def fail(job: Any) -> None:
        raise ValueError(job.data["why"])

    jobs = await queue.add_bulk([JobSpec(f"job-{at % 2}", {"why": why, **data}) for at, why in enumerate(reasons)])
    worker = await run_worker(fail, concurrency=10)
    await wait_until(lambda: _has_failed(queue, len(reasons)))
    await worker.close()
    return [job.id for job in jobs]


async def _has_failed(queue: Queue, number: int) -> bool:
    return (await queue.counts("failed"))["failed"] == number


async def test_a_preview_of_a_whole_state_counts_and_shows_its_ends(
    office: Office, queue: Queue, run_worker: RunWorker
) -> None:
    await _failed(queue, run_worker, ["boom"] * 12)
    found = await office.preview(action="retry", state="failed")
    assert (found["count"], found["exact"], len(found["samples"])) == (12, True, 3)
    assert found["oldest"] <= found["newest"]
    assert found["samples"][0]["state"] == "failed"
    assert (await office.preview(action="remove", state="waiting")) == {
        "count": 0,
        "exact": True,
        "oldest": None,
        "newest": None,
        "samples": [],
    }


async def test_a_preview_with_a_filter_counts_what_matches(office: Office, queue: Queue, run_worker: RunWorker) -> None:
    await _failed(queue, run_worker, ["timed out", "no such user", "Timed out", "other"])
    assert (await office.preview(action="retry", state="failed", error="timed OUT"))["count"] == 2
    assert (await office.preview(action="retry", state="failed", name="job-1"))["count"] == 2
    assert (await office.preview(action="retry", state="failed", q="no such"))["count"] == 1
    assert (await office.preview(action="retry", state="failed", q="other", path="why"))["count"] == 1


async def test_a_preview_that_takes_too_long_says_so(
    office: Office, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PREVIEW_S", 0)
    await queue.add_bulk([JobSpec("a", {"n": n}) for n in range(500)])
    found = await office.preview(action="remove", state="waiting", name="a")
    assert not found["exact"]
    assert 0 < found["count"] < 500


async def test_jobs_are_retried_by_their_ids(office: Office, queue: Queue, run_worker: RunWorker) -> None:
    ids = await _failed(queue, run_worker, ["boom"] * 4)
    assert (await office.preview(action="retry", ids=[*ids[:2], "gone"]))["count"] == 2
    task = await office.start(action="retry", ids=[*ids[:2], "gone", ids[0]])
    assert (task["done"], task["skipped"], task["failed"], task["total"]) == (2, 1, 0, 3)
    assert task["user"] == "ada"
    assert task["ended"] is not None
    assert (await queue.counts())["waiting"] == 2


async def test_only_the_jobs_that_match_are_removed(office: Office, queue: Queue, run_worker: RunWorker) -> None:
    await _failed(queue, run_worker, ["timed out", "no such user", "timed out", "other"])
    task = await office.ended(await office.start(action="remove", state="failed", error="timed out"))
    assert (task["done"], task["looked_at"], task["total"], task["problem"]) == (2, 4, 4, None)
    assert sorted(job.failed_reason or "" for job in await queue.jobs("failed")) == ["no such user", "other"]


async def test_the_failures_of_one_fingerprint_are_retried(office: Office, queue: Queue, run_worker: RunWorker) -> None:
    from oxcart.dashboard.reading import traces

    await _failed(queue, run_worker, ["no user 17", "no user 18", "other"])
    [one] = [job for job in await queue.jobs("failed") if job.failed_reason == "no user 17"]
    fingerprint = traces.failure_of(office.board, one).fingerprint
    task = await office.ended(await office.start(action="retry", state="failed", fingerprint=fingerprint))
    assert task["done"] == 2
    assert [job.failed_reason for job in await queue.jobs("failed")] == ["other"]


async def test_many_pages_are_done(office: Office, queue: Queue) -> None:
    await queue.add_bulk([JobSpec("a", {"n": n}, delay=3600) for n in range(450)])
    task = await office.ended(await office.start(action="promote", state="delayed"))
    assert (task["done"], task["looked_at"], task["total"]) == (450, 450, 450)
    assert (await queue.counts())["waiting"] == 450


async def test_a_task_is_cancelled_between_jobs(office: Office, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = asyncio.Event()

    async def slowly(job: Any) -> None:
        await may_go_on.wait()
        await job.remove()

    monkeypatch.setitem(bulk._DO, "remove", slowly)
    monkeypatch.setattr(bulk, "SOON_S", 0.05)
    await queue.add_bulk([JobSpec("a") for _ in range(200)])
    begun = await office.start(action="remove", state="waiting")
    assert begun["ended"] is None
    assert [one["id"] for one in await bulk.listed(office.board, Ask(ADA))] == [begun["id"]]
    await wait_until(lambda: begun["looked_at"] == bulk.AT_ONCE)  # the shape is that of the task itself
    assert (await office.cancel(begun["id"]))["cancelled"]
    may_go_on.set()
    task = await office.ended(begun)
    assert task["cancelled"]
    assert task["done"] == bulk.AT_ONCE
    assert (await queue.counts())["waiting"] == 200 - bulk.AT_ONCE


async def test_no_more_than_five_run_at_once(office: Office, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on = asyncio.Event()

    async def slowly(job: Any) -> None:
        await may_go_on.wait()

    monkeypatch.setitem(bulk._DO, "remove", slowly)
    monkeypatch.setattr(bulk, "SOON_S", 0.01)
    job = await queue.add("a")
    begun = [await office.start(action="remove", ids=[job.id]) for _ in range(5)]
    with pytest.raises(Refusal) as refused:
        await office.start(action="remove", ids=[job.id])
    assert refused.value.status == 429
    may_go_on.set()
    for one in begun:
        await office.ended(one)
    await office.start(action="remove", ids=[job.id])


async def test_what_a_worker_has_is_counted_as_failed_with_the_reason(
    office: Office, queue: Queue, run_worker: RunWorker
) -> None:
    may_end = asyncio.Event()

    async def wait(job: Any) -> None:
        await may_end.wait()

    job = await queue.add("a")
    await run_worker(wait)
    await wait_until(lambda: _is(queue, job.id, "active"))
    task = await office.start(action="remove", ids=[job.id])
    assert (task["done"], task["failed"]) == (0, 1)
    assert job.id in task["problem"]
    task = await office.start(action="retry", ids=[job.id])
    assert (task["done"], task["skipped"], task["failed"]) == (0, 1, 0)
    may_end.set()


async def _is(queue: Queue, job_id: str, state: str) -> bool:
    return await queue.state(job_id) == state


async def test_masked_text_is_not_found_by_who_may_not_reveal_it(office: Office, queue: Queue) -> None:
    operator = Access("bob", actions=ADMIN - {"reveal"})
    blind = Access("eve", actions=ADMIN - {"reveal", "view_data"})
    await queue.add("a", {"password": "hunter2", "city": "Oslo"})
    assert (await office.preview(operator, action="remove", state="waiting", q="hunter2"))["count"] == 0
    assert (await office.preview(operator, action="remove", state="waiting", q="oslo"))["count"] == 1
    assert (await office.preview(blind, action="remove", state="waiting", q="oslo"))["count"] == 0
    assert (await office.preview(action="remove", state="waiting", q="hunter2"))["count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "obliterate", "state": "failed"},
        {"action": "retry"},
        {"action": "retry", "state": "active"},
        {"action": "promote", "state": "failed"},
        {"action": "remove", "state": "active"},
        {"action": "retry", "ids": []},
        {"action": "retry", "ids": [1]},
        {"action": "retry", "ids": ["a"] * 3 + [str(n) for n in range(1001)]},
        {"action": "retry", "ids": "a"},
        {"action": "retry", "state": "failed", "q": 5},
        {"action": "retry", "state": "failed", "path": "a[["},
        {"action": "retry", "state": "failed", "q": "x" * 501},
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused(office: Office, body: dict[str, Any]) -> None:
    for ask in (office.preview, office.start):
        with pytest.raises(Refusal) as refused:
            await ask(**body)
        assert refused.value.status == 400


async def test_the_action_itself_has_to_be_allowed_too(office: Office) -> None:
    access = Access("eve", actions=frozenset({"view", "bulk", "retry"}))
    await office.preview(access, action="retry", state="failed")
    for ask in (office.preview, office.start):
        with pytest.raises(Refusal) as refused:
            await ask(access, action="remove", state="failed")
        assert refused.value.status == 403


async def test_tasks_of_queues_that_a_user_does_not_see_do_not_exist(office: Office) -> None:
    begun = await office.start(action="retry", state="failed")
    stranger = Access("eve", role="admin", queues=("other",))
    assert await bulk.listed(office.board, Ask(stranger)) == []
    for ask in (office.task, office.cancel):
        with pytest.raises(Refusal) as refused:
            await ask(begun["id"], stranger)
        assert refused.value.status == 404
    assert (await office.task(begun["id"]))["id"] == begun["id"]


async def test_finished_tasks_are_forgotten_in_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [await office.start(action="retry", state="failed") for _ in range(4)]
    monkeypatch.setattr(bulk, "MOST_REMEMBERED", 2)
    assert [one["id"] for one in await bulk.listed(office.board, Ask(ADA))] == [begun[3]["id"], begun[2]["id"]]
    monkeypatch.setattr(bulk, "REMEMBERED_S", -1)
    assert await bulk.listed(office.board, Ask(ADA)) == []


async def test_the_end_of_a_task_is_noted_for_who_asks_who_did_it(office: Office, queue: Queue) -> None:
    await queue.add_bulk([JobSpec("a", {"password": "hunter2"}) for _ in range(3)])
    await office.ended(await office.start(action="remove", state="waiting", name="a"))
    [entry] = office.board.journal.newest_first()
    assert (entry["user"], entry["action"], entry["queue"]) == ("ada", "bulk remove", queue.name)
    assert entry["target"] == f"waiting jobs of {queue.name} with name: a"
    assert entry["result"] == "3 done, 0 skipped, 0 failed"


async def test_a_task_stops_when_redis_goes_away_and_says_so(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Connection(fragile_server.url) as connection:
        queue = Queue("some", connection=connection)
        await queue.add_bulk([JobSpec("a") for _ in range(100)])
        office = Office(Board(connection, queues=["some"]), queue)

        async def cut(job: Any) -> None:
            fragile_server.kill()
            await job.remove()

        monkeypatch.setitem(bulk._DO, "remove", cut)
        task = await office.ended(await office.start(action="remove", state="waiting"))
        assert "Redis" in task["problem"]
        assert task["done"] < 100


async def test_closing_ends_what_runs(office: Office, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(job: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setitem(bulk._DO, "remove", never)
    monkeypatch.setattr(bulk, "SOON_S", 0.01)
    await queue.add("a")
    begun = await office.start(action="remove", state="waiting")
    await bulk.close(office.board)
    assert begun["cancelled"] and begun["ended"] is not None
    assert office.board not in bulk._RUNS  # which would hold it for ever


# ------------------------------------------------------------------------------------------------------------ many


async def test_a_walk_meets_each_job_once_whatever_goes_meanwhile(
    redis: Redis, connection: Connection, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "WALK", 7)
    queue = Queue(queue_name, connection=connection)
    ids = [f"job-{at % 10}-{at}é" for at in range(100)]
    await redis.zadd(queue.keys.one("failed"), {job_id: 1000 + at // 40 for at, job_id in enumerate(ids)})
    for job_id in ids:
        await redis.hset(queue.keys.job(job_id), mapping={"name": "x", "timestamp": 5})
    met: list[str] = []
    walk = direct.walk(Board(connection), queue, "failed", direct.Reading(), 100, lambda: 0)
    async for some in walk:
        met += [one.job.id for one in some if one is not None]
        # Those that were met go, all but every third, also the one that the walk stands at; two others as well.
        await redis.zrem(queue.keys.one("failed"), *[job_id for job_id in met if ids.index(job_id) % 3])
        await redis.zrem(queue.keys.one("failed"), "job-9-39é", "job-0-40é")
        await redis.zadd(queue.keys.one("failed"), {met[0]: 99_999})
    assert len(met) == len(set(met)) or met.count(met[0]) == 2
    assert {*met, "job-9-39é", "job-0-40é"} == set(ids)
    assert len(met) <= 100


async def test_a_walk_through_a_list_misses_none_that_stay_in_it(
    redis: Redis, connection: Connection, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "WALK", 10)
    monkeypatch.setattr(direct, "OVERLAP", 5)
    queue = Queue(queue_name, connection=connection)
    wait = queue.keys.one("wait")
    await redis.rpush(wait, *[str(at) for at in range(200)])
    taken: set[str] = set()
    met: list[str] = []
    removed: set[str] = set()
    async for some in direct.walk(
        Board(connection), queue, "waiting", direct.Reading((), ()), 200, lambda: len(removed)
    ):
        fresh = [one.job.id for one in some if one is not None]
        met += fresh
        for job_id in fresh[::2]:
            await redis.lrem(wait, 1, job_id)
            removed.add(job_id)
        await redis.lpush(wait, *[f"new{len(met)}-{at}" for at in range(8)])
        taken |= {str(job_id) for job_id in cast(list[str], await redis.rpop(wait, 13))}
    assert len(met) == len(set(met))
    old = {str(at) for at in range(200)}
    assert old - set(met) <= taken and set(met) <= old
    assert len(met) < 200 and await redis.llen(wait) > 0


async def test_a_bulk_action_reads_neither_all_ids_nor_data_that_it_does_not_need(
    office: Office, queue: Queue, redis: Redis
) -> None:
    await queue.add_bulk([JobSpec("x", {"large": "x" * 20_000}) for _ in range(1200)])
    await redis.config_resetstat()
    task = await office.ended(await office.start(action="remove", state="waiting"))
    assert (task["done"], task["looked_at"], task["total"]) == (1200, 1200, 1200)
    assert (await redis.info("stats"))["total_net_output_bytes"] < 1_000_000
    assert (await queue.counts())["waiting"] == 0


async def test_a_retried_job_that_fails_again_meanwhile_is_not_retried_for_ever(
    office: Office, queue: Queue, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "WALK", 3)
    monkeypatch.setattr(bulk, "AT_ONCE", 3)
    await _failed(queue, run_worker, ["boom"] * 20)

    async def fail(job: Any) -> None:
        raise ValueError("again")

    await run_worker(fail, concurrency=20)
    task = await office.ended(await office.start(action="retry", state="failed"))
    assert task["looked_at"] <= 20
    await wait_until(lambda: _has_failed(queue, 20))


async def test_a_bulk_action_is_noted_once_and_says_what_came_of_it(
    open_dashboard: Open, queue: Queue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.add_bulk([JobSpec("a") for _ in range(3)])
    client = open_dashboard()
    path = f"/api/v1/queues/{queue.name}/bulk"

    async def told() -> list[tuple[str, str, str]]:
        entries = (await client.get("/api/v1/audit")).json()["entries"]
        return [(entry["action"], entry["target"], entry["result"]) for entry in entries]

    await client.post(path, json={"action": "remove", "state": "waiting", "name": "a"})
    about = f"waiting jobs of {queue.name} with name: a"
    assert await told() == [("bulk remove", about, "3 done, 0 skipped, 0 failed")]
    await client.post(path, json={"action": "burn", "state": "waiting"})
    assert (await told())[0][:2] == ("bulk", f"waiting jobs of {queue.name}")

    monkeypatch.setattr(bulk, "SOON_S", 0)
    go = asyncio.Event()

    async def later(job: Any) -> None:
        await go.wait()

    monkeypatch.setitem(bulk._DO, "remove", later)
    await queue.add("a")
    with caplog.at_level(logging.INFO, "oxcart.dashboard.audit"):
        await client.post(path, json={"action": "remove", "state": "waiting"})
        assert (await told())[0] == ("bulk remove", f"waiting jobs of {queue.name}", "under way")
        go.set()

        async def is_noted() -> bool:
            return (await told())[0][2] == "1 done, 0 skipped, 0 failed"

        await wait_until(is_noted)
    assert len(await told()) == 3
    results = [json.loads(one.getMessage())["result"] for one in caplog.records if one.name.endswith("audit")]
    assert results == ["under way", "1 done, 0 skipped, 0 failed"]
