"""What is hidden is revealed to those who may see it, and each time somebody does, it is noted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from oxcart import Connection, Queue
from oxcart.dashboard import Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import acting, jobs, revealing
from oxcart.dashboard.redact import MASK
from tests.dashboard.conftest import Open, ask_for
from tests.dashboard.seed import Crew

NOW = 1_790_000_000_000
DATA = {"to": "ada@example.com", "password": "p4ssw0rd"}


@pytest.fixture
def board(connection: Connection, queue: Queue) -> Board:
    return Board(connection, queues=[queue.name])


async def test_nothing_is_masked(board: Board, queue: Queue, connection: Connection, redis: Redis) -> None:
    job = await queue.add("x", DATA)
    crew = Crew(connection, queue, "w")
    await crew.take(1, NOW)
    await crew.fail(job.id, "login failed: password=p4ssw0rd", [], NOW)
    await redis.hset(queue.keys.job(job.id), mapping={"returnvalue": '{"token":"t1"}', "opts": '{"token":"t2"}'})
    page = await jobs.detail(board, ask_for(queue.name, id=job.id))
    assert page["masked"] and page["data"] == {**DATA, "password": MASK}
    assert await revealing.reveal(board, ask_for(queue.name, {"id": job.id})) == {
        "id": job.id,
        "data": DATA,
        "options": {"token": "t2"},
        "return_value": {"token": "t1"},
        "failed_reason": "login failed: password=p4ssw0rd",
        "cut": False,
    }
    await queue.obliterate()


async def test_what_is_large_is_cut_unless_all_is_wanted(board: Board, queue: Queue) -> None:
    job = await queue.add("x", {"text": "a" * 1_000_000})
    found = await revealing.reveal(board, ask_for(queue.name, {"id": job.id}))
    assert found["cut"] and len(found["data"]["text"]) < 300_000
    found = await revealing.reveal(board, ask_for(queue.name, {"id": job.id, "whole": True}))
    assert not found["cut"] and found["data"] == job.data
    await queue.drain()


@pytest.mark.parametrize("stored", ["{broken", '{"a": NaN}', '"\\ud800"', "[" * 5000 + "]" * 5000, str(2**80), ""])
@pytest.mark.parametrize("whole", [False, True])
async def test_whatever_is_stored_can_be_sent(
    open_dashboard: Open, queue: Queue, redis: Redis, stored: str, whole: bool
) -> None:
    job = await queue.add("x")
    await redis.hset(
        queue.keys.job(job.id), mapping={"data": stored, "returnvalue": stored, "failedReason": "\x00\x1b"}
    )
    api = open_dashboard(queues=[queue.name])
    answer = await api.post(f"/api/v1/queues/{queue.name}/job/reveal", json={"id": job.id, "whole": whole})
    assert answer.status_code == 200
    assert set(answer.json()) == {"id", "data", "options", "return_value", "failed_reason", "cut"}
    await queue.remove_job(job.id)


async def test_only_who_may_sees_it(open_dashboard: Open, queue: Queue) -> None:
    job = await queue.add("x", DATA)
    users = {
        "operator": Access("operator", role="operate"),
        "blind": Access("blind", actions=frozenset({"view", "reveal"})),
        "stranger": Access("stranger", role="admin", queues=("other-*",)),
        "ada": Access("ada", role="admin"),
    }

    def who(request: Any) -> Access | None:
        return users.get(request.headers.get("x-user", ""))

    api: httpx.AsyncClient = open_dashboard(queues=[queue.name], auth=who)
    told: dict[str, int] = {}
    for name in users:
        path = f"/api/v1/queues/{queue.name}/job/reveal"
        answer = await api.post(path, json={"id": job.id}, headers={"x-user": name})
        told[name] = answer.status_code
        assert ("p4ssw0rd" in answer.text) == (name == "ada")
    assert told == {"operator": 403, "blind": 403, "stranger": 404, "ada": 200}
    entries = (await api.get("/api/v1/audit", headers={"x-user": "ada"})).json()["entries"]
    assert [(one["user"], one["action"], one["target"]) for one in entries] == [
        (name, "reveal", job.id) for name in reversed(users)
    ]
    assert entries[0]["result"] == "ok" and entries[1]["result"].startswith("refused")
    await queue.drain()


async def test_it_is_there_in_a_dashboard_that_is_read_only(open_dashboard: Open, queue: Queue) -> None:
    job = await queue.add("x", DATA)
    api = open_dashboard(queues=[queue.name], read_only=True)
    path = f"/api/v1/queues/{queue.name}/job"
    assert (await api.post(f"{path}/reveal", json={"id": job.id})).json()["data"] == DATA
    assert (await api.post(f"{path}/data", json={"id": job.id, "data": {}})).status_code == 403
    bare = await api.post(f"{path}/reveal", json={"id": job.id}, headers={"sec-fetch-site": "cross-site"})
    assert bare.status_code == 403
    await queue.drain()


async def test_a_job_that_is_gone_is_not_found(board: Board, queue: Queue) -> None:
    for body, status in (({"id": "nowhere"}, 404), ({}, 400), ({"id": 7}, 400), ({"id": "1", "whole": "yes"}, 400)):
        with pytest.raises(Refusal) as told:
            await revealing.reveal(board, ask_for(queue.name, body))
        assert told.value.status == status


async def test_revealed_data_can_be_edited_and_masked_ones_not(board: Board, queue: Queue) -> None:
    job = await queue.add("x", DATA)
    shown = (await revealing.reveal(board, ask_for(queue.name, {"id": job.id, "whole": True})))["data"]
    changed = {**shown, "to": "bob@example.com"}
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": changed, "was": shown}))
    stored = await queue.job(job.id)
    assert stored is not None and stored.data == {"to": "bob@example.com", "password": "p4ssw0rd"}
    masked = (await jobs.detail(board, ask_for(queue.name, id=job.id)))["data"]
    with pytest.raises(Refusal) as told:
        await acting.data(board, ask_for(queue.name, {"id": job.id, "data": masked}))
    assert told.value.status == 400
    operator = Access("bob", role="operate")
    with pytest.raises(Refusal) as told:
        await acting.data(board, Ask(operator, {"queue": queue.name}, body={"id": job.id, "data": {"to": "x"}}))
    assert told.value.status == 409
    await queue.drain()
