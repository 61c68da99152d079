"""The actions on one job and one queue, and what is kept of who did them."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from oxcart import InvalidState, JobLocked, JobSpec, OptionsError, Queue
from oxcart.dashboard import Access, shapes
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.audit import KEPT, KEPT_REFUSED, Journal, action_of, target_of
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import acting, bulk
from oxcart.dashboard.routes import ROUTES
from oxcart.sync import Queue as BlockingQueue
from tests.conftest import RedisServer
from tests.dashboard.conftest import Open, ask_for
from tests.hands import Hands


async def refusal(answer: Any) -> tuple[int, str]:
    """Status and word of what an action is refused with."""
    with pytest.raises(Refusal) as refused:
        await answer
    return refused.value.status, refused.value.error


# ------------------------------------------------------------------------------------------------------- adding


async def test_a_job_is_added_with_options_as_bullmq_writes_them(board: Board, queue: Queue) -> None:
    await queue.add("first")
    options = {
        "attempts": 3,
        "delay": 60_000,
        "priority": 5,
        "backoff": {"type": "exponential", "delay": 1500, "jitter": 0.5},
        "removeOnComplete": {"count": 10, "age": 60},
        "removeOnFail": True,
        "keepLogs": 7,
        "deduplication": {"id": "d", "ttl": 5000},
        "jobId": "mine",
        "lifo": None,
    }
    done = await acting.add(board, ask_for(queue.name, {"name": "x", "data": [1, None], "options": options}))
    assert done == {"done": 1, "text": "Added as job mine.", "id": "mine"}
    job = await queue.job("mine")
    assert job is not None and job.data == [1, None] and await job.state() == "delayed"
    raw = job.record.options.raw
    assert raw["backoff"] == {"type": "exponential", "delay": 1500, "jitter": 0.5}
    assert raw["removeOnComplete"] == {"count": 10, "age": 60} and raw["removeOnFail"] is True
    assert (raw["delay"], raw["attempts"], raw["kl"], raw["priority"]) == (60_000, 3, 7, 5)
    again = await acting.add(board, ask_for(queue.name, {"name": "x", "options": {"jobId": "mine"}}))
    assert again["done"] == 0 and again.get("id") == "mine"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": 1},
        {"name": "x", "options": []},
        {"name": "x", "options": {"nonsense": 1}},
        {"name": "x", "options": {"repeat": {"every": 1}}},
        {"name": "x", "options": {"parent": {"id": "1", "queue": "bull:other"}}},
        {"name": "x", "options": {"delay": "soon"}},
        {"name": "x", "options": {"delay": -1}},
        {"name": "x", "options": {"backoff": {"type": "fixed", "nonsense": 1}}},
        {"name": "x", "options": {"backoff": []}},
        {"name": "x", "options": {"backoff": {"type": "\ud800"}}},
        {"name": "x", "options": {"jobId": "\ud800"}},
        {"name": "x", "options": {"deduplication": {"ttl": 1}}},
        {"name": "x", "options": {"removeOnComplete": "all"}},
        {"name": "x", "options": {"attempts": "3"}},
        {"name": "x", "data": {"password": "•••"}},
        {"name": "x", "data": [["a ••• b"]]},
    ],
)
async def test_what_can_not_be_right_adds_nothing(board: Board, queue: Queue, body: dict[str, Any]) -> None:
    await queue.add("first")
    with pytest.raises((Refusal, OptionsError)):
        await acting.add(board, ask_for(queue.name, body))
    assert await queue.count() == 1


# ------------------------------------------------------------------------------------------------------- queues


async def test_a_queue_is_paused_and_goes_on(board: Board, queue: Queue) -> None:
    await queue.add("x")
    assert (await acting.pause(board, ask_for(queue.name)))["done"] == 1
    assert await queue.is_paused()
    await acting.resume(board, ask_for(queue.name))
    assert not await queue.is_paused()


async def test_draining_wants_the_queues_name_typed(board: Board, queue: Queue) -> None:
    for _ in range(3):
        await queue.add("x")
    await queue.add("later", delay=600)
    assert await refusal(acting.drain(board, ask_for(queue.name, {}))) == (400, "invalid")
    assert await refusal(acting.drain(board, ask_for(queue.name, {"confirm": "other"}))) == (400, "invalid")
    done = await acting.drain(board, ask_for(queue.name, {"confirm": queue.name}))
    assert done == {"done": 3, "text": f"3 jobs are removed from {queue.name}."}
    done = await acting.drain(board, ask_for(queue.name, {"confirm": queue.name, "delayed": True}))
    assert done["text"] == f"1 job is removed from {queue.name}."


async def test_obliterating_wants_a_paused_queue_and_its_name_typed(board: Board, queue: Queue, hands: Hands) -> None:
    await queue.add("x")
    confirmed = {"confirm": queue.name}
    assert await refusal(acting.obliterate(board, ask_for(queue.name, {}))) == (400, "invalid")
    assert await refusal(acting.obliterate(board, ask_for(queue.name, confirmed))) == (409, "refused")
    await queue.pause()
    assert (await acting.obliterate(board, ask_for(queue.name, confirmed)))["done"] == 1
    assert queue.name not in await board.names(ask_for())
    assert (await refusal(acting.pause(board, ask_for(queue.name))))[0] == 404


async def test_limits_are_set_and_taken_away(board: Board, queue: Queue) -> None:
    await queue.add("x")
    body = {"concurrency": 4, "rate_limit": {"max": 10, "duration": 1500}}
    assert (await acting.limits(board, ask_for(queue.name, body)))["text"] == (
        f"{queue.name}: at most 4 jobs at once, at most 10 jobs in 1.5 s."
    )
    limit = await queue.global_rate_limit()
    assert await queue.global_concurrency() == 4 and limit is not None and (limit.max, limit.duration) == (10, 1.5)
    await queue.rate_limit(60)
    await acting.limits(board, ask_for(queue.name, {"concurrency": None, "rate_limit": None, "release": True}))
    assert await queue.global_concurrency() is None and await queue.global_rate_limit() is None
    assert await queue.rate_limit_ttl() == 0
    for wrong in (
        {},
        {"concurrency": 0},
        {"concurrency": "4"},
        {"concurrency": True},
        {"concurrency": 2**60},
        {"rate_limit": {"max": 1}},
        {"rate_limit": 5},
        {"rate_limit": {"max": 0, "duration": 1}},
    ):
        assert await refusal(acting.limits(board, ask_for(queue.name, wrong))) == (400, "invalid")
    wrong = {"concurrency": 7, "release": "yes"}
    assert await refusal(acting.limits(board, ask_for(queue.name, wrong))) == (400, "invalid")
    assert await queue.global_concurrency() != 7


# --------------------------------------------------------------------------------------------------------- jobs


async def test_a_failed_job_runs_again_also_with_other_data(board: Board, queue: Queue, hands: Hands) -> None:
    job = await queue.add("x", {"to": "nobody"})
    assert await refusal(acting.retry(board, ask_for(queue.name, {"id": job.id, "data": 1}))) == (409, "refused")
    with pytest.raises(InvalidState):
        await acting.retry(board, ask_for(queue.name, {"id": job.id}))
    hands.take()
    hands.fail(job.id)
    done = await acting.retry(board, ask_for(queue.name, {"id": job.id, "data": {"to": "ada"}, "reset_attempts": True}))
    assert done["text"] == f"Job {job.id} runs again."
    await job.refresh()
    assert (await job.state(), job.data, job.attempts_made) == ("waiting", {"to": "ada"}, 0)


async def test_data_are_changed_by_a_retry_only_for_who_may_edit(board: Board, queue: Queue, hands: Hands) -> None:
    job = await queue.add("x", {"amount": 1})
    hands.take()
    hands.fail(job.id)
    access = Access("ada", actions=frozenset({"view", "view_data", "retry"}))
    path, body = {"queue": queue.name}, {"id": job.id, "data": {"amount": 999_999}}
    assert await refusal(acting.retry(board, Ask(access, path, {}, body))) == (403, "forbidden")
    await acting.retry(board, Ask(access, path, {}, {"id": job.id}))
    await job.refresh()
    assert job.data == {"amount": 1}


async def test_a_delayed_job_runs_now_or_at_another_time(board: Board, queue: Queue) -> None:
    job = await queue.add("x", delay=600)
    for ms, text in ((0, "now"), (5000, "in 5 s"), (7_200_000, "in 2 h"), (90 * 86_400_000, "in 90 days")):
        done = await acting.delay(board, ask_for(queue.name, {"id": job.id, "delay": ms}))
        assert done["text"] == f"Job {job.id} runs {text}."
    at = board.clock() + timedelta(days=1) // timedelta(milliseconds=1)
    await acting.delay(board, ask_for(queue.name, {"id": job.id, "at": at}))
    for wrong in ({}, {"delay": 1, "at": 1}, {"delay": -1}, {"delay": 1.5}, {"delay": True}, {"delay": 2**52}):
        assert await refusal(acting.delay(board, ask_for(queue.name, {"id": job.id, **wrong}))) == (400, "invalid")
    await acting.promote(board, ask_for(queue.name, {"id": job.id}))
    assert await job.state() == "waiting"
    with pytest.raises(InvalidState):
        await acting.promote(board, ask_for(queue.name, {"id": job.id}))


async def test_a_job_gets_another_priority(board: Board, queue: Queue) -> None:
    job = await queue.add("x")
    await acting.priority(board, ask_for(queue.name, {"id": job.id, "priority": 7}))
    await job.refresh()
    assert (job.priority, await job.state()) == (7, "prioritized")
    with pytest.raises(OptionsError):
        await acting.priority(board, ask_for(queue.name, {"id": job.id, "priority": 2**21}))


async def test_a_job_is_removed_unless_a_worker_has_it(board: Board, queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")
    hands.take()
    with pytest.raises(JobLocked):
        await acting.remove(board, ask_for(queue.name, {"id": job.id}))
    hands.fail(job.id)
    assert (await acting.remove(board, ask_for(queue.name, {"id": job.id})))["done"] == 1
    assert (await refusal(acting.remove(board, ask_for(queue.name, {"id": job.id}))))[0] == 404


async def test_jobs_that_are_not_there_are_not_found(board: Board, queue: Queue) -> None:
    await queue.add("x")
    for action in (acting.retry, acting.promote, acting.delay, acting.priority, acting.data, acting.remove):
        for job_id in ("99", "meta", "wait", ""):
            body = {"id": job_id, "delay": 1, "priority": 1, "data": 1}
            assert await refusal(action(board, ask_for(queue.name, body))) == (404, "not_found")
        assert await refusal(action(board, ask_for(queue.name, {}))) == (400, "invalid")


# --------------------------------------------------------------------------------------------------------- data


async def test_data_are_replaced_if_they_are_still_what_was_seen(board: Board, queue: Queue) -> None:
    job = await queue.add("x", {"n": 1})
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"n": 2}, "was": {"n": 1}}))
    late = acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"n": 3}, "was": {"n": 1}}))
    assert await refusal(late) == (409, "conflict")
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": None}))
    await job.refresh()
    assert job.data is None


async def test_data_that_change_at_the_last_moment_are_not_lost(
    board: Board, queue: Queue, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await queue.add("x", {"n": 1})

    def meanwhile(*_: Any) -> None:
        with BlockingQueue(queue.name, connection=redis_server.url) as other:
            found = other.job(job.id)
            assert found is not None
            found.update_data({"n": 5})

    monkeypatch.setattr(board.forms, "check", meanwhile)
    late = acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"n": 2}, "was": {"n": 1}}))
    assert await refusal(late) == (409, "conflict")
    await job.refresh()
    assert job.data == {"n": 5}


async def test_a_mask_is_never_stored_and_what_it_hides_never_lost(board: Board, queue: Queue) -> None:
    job = await queue.add("x", {"password": "hunter2", "n": 1})
    may = Access("ada", actions=frozenset({"view", "edit"}))
    hidden = Ask(may, {"queue": queue.name}, {}, {"id": job.id, "data": {"password": "other", "n": 2}})
    assert await refusal(acting.data(board, hidden)) == (409, "refused")
    masked = ask_for(queue.name, {"id": job.id, "data": {"password": "•••", "n": 2}})
    assert await refusal(acting.data(board, masked)) == (400, "invalid")
    await job.refresh()
    assert job.data == {"password": "hunter2", "n": 1}
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"password": "new", "n": 2}}))
    await job.refresh()
    assert job.data == {"password": "new", "n": 2}


async def test_the_data_of_a_job_that_can_not_be_read_are_left_alone(board: Board, queue: Queue, redis: Redis) -> None:
    job = await queue.add("x")
    await redis.hset(f"bull:{queue.name}:{job.id}", "data", "{broken")
    answer = acting.data(board, ask_for(queue.name, {"id": job.id, "data": 1}))
    assert await refusal(answer) == (409, "refused")


async def test_whole_numbers_that_are_too_large_are_refused_rather_than_rounded(
    api: httpx.AsyncClient, queue: Queue
) -> None:
    await queue.add("x")
    path = f"/api/v1/queues/{queue.name}/add"
    headers = {"content-type": "application/json"}
    answer = await api.post(path, content=b'{"name": "y", "data": 123456789012345678901234567890}', headers=headers)
    assert answer.status_code == 400
    answer = await api.post(path, content=b'{"name": "y", "data": 9007199254740993}', headers=headers)
    job = await queue.job(answer.json()["id"])
    assert job is not None and job.data == 9007199254740993


# -------------------------------------------------------------------------------------------------------- audit


async def test_each_action_is_noted_with_who_did_what_and_what_came_of_it(
    open_dashboard: Open, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    job = await queue.add("x", delay=600)
    users = {"a": Access("ada", role="admin"), "e": Access("eve", role="view")}
    client = open_dashboard(auth=lambda request: users.get(request.headers.get("x-user", "")))  # pyright: ignore
    path = f"/api/v1/queues/{queue.name}"
    with caplog.at_level(logging.INFO, "oxcart.dashboard.audit"):
        for user, action, body in (
            ("a", "job/promote", {"id": job.id}),
            ("a", "job/promote", {"id": job.id}),
            ("e", "pause", {}),
            ("a", "add", {"name": "mail\nfake line", "data": {"password": "hunter2"}}),
            ("a", "bulk/preview", {"action": "remove", "ids": [job.id]}),
        ):
            await client.post(f"{path}/{action}", json=body, headers={"x-user": user})
    entries: list[shapes.AuditEntry] = (await client.get("/api/v1/audit", headers={"x-user": "a"})).json()["entries"]
    assert [(e["user"], e["action"], e["target"], e["result"].split(":")[0]) for e in reversed(entries)] == [
        ("ada", "promote", job.id, f"Job {job.id} runs as soon as a worker is free."),
        ("ada", "promote", job.id, "refused"),
        ("eve", "pause", "", "refused"),
        ("ada", "add", "mail\nfake line", "Added as job 2."),
    ]
    lines = [record.getMessage() for record in caplog.records if record.name == "oxcart.dashboard.audit"]
    assert len(lines) == 4 and not any("\n" in line for line in lines) and "hunter2" not in "".join(lines)
    assert json.loads(lines[0])["user"] == "ada"


async def test_that_a_task_was_cancelled_is_noted_with_its_queue(
    api: httpx.AsyncClient, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "SOON_S", 20)  # its own end is noted before
    await queue.add_bulk([JobSpec("x") for _ in range(3)])
    task = (await api.post(f"/api/v1/queues/{queue.name}/bulk", json={"action": "remove", "state": "waiting"})).json()
    await api.post(f"/api/v1/tasks/{task['id']}/cancel", json={})
    newest = (await api.get("/api/v1/audit")).json()["entries"][0]
    assert (newest["action"], newest["queue"]) == ("tasks cancel", queue.name)


async def test_who_does_not_see_a_queue_does_not_see_what_was_done_to_it(board: Board) -> None:
    for name in ("email", "billing", None):
        board.journal.write({"at": 1, "user": "ada", "action": "pause", "queue": name, "target": "", "result": "ok"})
    seen = await acting.audit(board, Ask(Access("bob", role="admin", queues=("em*",))))
    # What was about all queues, or about none, is for those who see all.
    assert [entry["queue"] for entry in seen["entries"]] == ["email"]
    assert [entry["queue"] for entry in (await acting.audit(board, ask_for()))["entries"]] == [None, "billing", "email"]
    assert len((await acting.audit(board, ask_for(count=1)))["entries"]) == 1
    assert len((await acting.audit(board, Ask(Access(role="admin"), query={"queue": "billing"})))["entries"]) == 1


def test_the_journal_forgets_the_oldest_and_keeps_entries_short() -> None:
    journal = Journal()
    for number in range(KEPT + 5):
        journal.write({"at": number, "user": None, "action": "add", "queue": "q", "target": "x" * 5000, "result": "ok"})
    entries = list(journal.newest_first())
    assert len(entries) == KEPT and entries[0]["at"] == KEPT + 4 and len(entries[0]["target"]) == 300


def test_what_is_refused_drives_nothing_out_of_the_journal_that_was_done() -> None:
    journal = Journal()
    done: shapes.AuditEntry = {"at": 1, "user": "ada", "action": "pause", "queue": "q", "target": "", "result": "ok"}
    journal.write(done)
    for number in range(KEPT + 5):
        journal.write({**done, "at": number, "user": "eve", "result": "refused: You may not do this."})
    journal.write({**done, "at": 2})
    found = [(entry["user"], entry["at"]) for entry in journal.newest_first()]
    refused = [("eve", number) for number in reversed(range(KEPT + 5 - KEPT_REFUSED, KEPT + 5))]
    assert found == [("ada", 2), *refused, ("ada", 1)]


def test_an_entry_says_what_it_was_about() -> None:
    assert target_of({}, {"id": "7", "data": {"password": "x"}}) == "7"
    assert target_of({}, {"ids": ["1", "2"], "action": "retry"}) == "2 jobs: 1, 2"
    assert target_of({}, {"ids": list("123456")}).endswith(", …")
    assert target_of({"task": "t1"}, {}) == "task t1"
    email = {"queue": "email"}
    assert target_of(email, {"action": "remove", "state": "failed", "confirm": "q"}) == "failed jobs of email"
    assert target_of(email, {"action": "retry", "state": "failed", "error": "timeout"}) == (
        "failed jobs of email with error: timeout"
    )
    assert target_of(email, {"action": "retry", "state": "failed", "name": "a", "q": "b", "from": 86_400_000}) == (
        "failed jobs of email with name: a, with: b, since: 1970-01-02 00:00:00 UTC"
    )
    assert target_of({}, {}) == ""
    names = {action_of(route.path) for route in ROUTES if route.method == "POST"}
    assert {"add", "retry", "scheduler run", "tasks cancel", "bulk", "limits"} <= names


# ------------------------------------------------------------------------------------------------------ deep data


async def test_data_that_are_nested_deeply_are_looked_at_without_an_end_of_the_stack(
    board: Board, queue: Queue, redis: Redis
) -> None:
    job = await queue.add("x", {"deep": 1})
    await redis.hset(f"bull:{queue.name}:{job.id}", "data", '{"a":' * 900 + '"•••"' + "}" * 900)
    # What is too deep to be looked at counts as hidden.
    blind = Ask(Access("bob", role="operate"), {"queue": queue.name}, body={"id": job.id, "data": {}})
    assert await refusal(acting.data(board, blind)) == (409, "refused")
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"a": 1}}))
    value: Any = "•••"
    for _ in range(5000):
        value = [value]
    assert await refusal(acting.add(board, ask_for(queue.name, {"name": "x", "data": value}))) == (400, "invalid")
