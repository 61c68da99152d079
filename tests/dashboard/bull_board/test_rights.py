"""The routes of Bull Board have the rights, the masks, the guard and the audit of our own API, told in its shape."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue, Unrecoverable
from oxcart.dashboard import Access, Dashboard, Redactor
from oxcart.dashboard.access import ACTIONS, VIEW
from oxcart.dashboard.bull_board.routes import ROUTES
from oxcart.dashboard.web.guard import WRITES
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.dashboard.conftest import Open

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def plain(open_dashboard: Open) -> Open:
    """A client that sends nothing but what is asked: `client = plain(read_only=True)`."""

    def open(**options: Any) -> httpx.AsyncClient:
        client = open_dashboard(**options)
        client.headers.clear()
        client.base_url = httpx.URL("http://localhost/api")
        return client

    return open


def _key(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["key"]


def _with(**access: Any) -> Any:
    async def auth(request: object) -> Access:
        return Access("ada", **access)

    return auth


async def _call(client: httpx.AsyncClient, route: Any, queue: str) -> httpx.Response:
    path = route.path.format(queue=queue, id="1", scheduler="s", status="failed")
    body = {"concurrency": 1, "max": 5, "duration": 5, "jobData": {}, "runAt": 1, "priority": 1, "every": 5000}
    if route.method == "GET":
        metric = {"metric": "runtime"} if path.endswith("/latency") else {}
        return await client.get(path, params={"from": 1, "to": 2, "granularity": "hour", **metric})
    return await client.request(route.method, path, json=body)


# ------------------------------------------------------------------------------------------------------------- rights


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_every_route_is_refused_without_its_right(plain: Open, queue: Queue, route: Any) -> None:
    await queue.add("job", {"n": 1})
    client = plain(queues=[queue.name], auth=_with(actions=ACTIONS - {route.action}))
    assert _key(await _call(client, route, queue.name)) == (403, "ERRORS.FORBIDDEN")
    assert await queue.counts() == {**dict.fromkeys(await queue.counts(), 0), "waiting": 1}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_a_dashboard_that_is_read_only_answers_what_can_be_read(plain: Open, queue: Queue, route: Any) -> None:
    await queue.add("job", {"n": 1})
    client = plain(queues=[queue.name], read_only=True)
    answer = await _call(client, route, queue.name)
    if route.method == "GET":
        assert answer.status_code == 200, answer.text
    elif "{queue}" in route.path:
        assert _key(answer) == (405, "ERRORS.QUEUE_READ_ONLY")
    else:
        assert _key(answer) == (403, "ERRORS.FORBIDDEN")
    assert not await queue.is_paused()


@pytest.mark.parametrize("right", ["retry", "promote", "remove"])
async def test_to_do_it_to_many_needs_the_right_to_do_it_to_one(plain: Open, queue: Queue, right: str) -> None:
    path = {"retry": "retry/failed", "promote": "promote", "remove": "clean/failed"}[right]
    client = plain(queues=[queue.name], auth=_with(actions=ACTIONS - {right}))
    assert _key(await client.put(f"/queues/{queue.name}/{path}")) == (403, "ERRORS.FORBIDDEN")


async def test_queues_tell_the_page_what_may_be_done(plain: Open, queue: Queue) -> None:
    await queue.add("job", {})
    seen: list[tuple[bool, bool, bool]] = []
    for options in ({}, {"read_only": True}, {"auth": _with(actions=VIEW | {"add"})}):
        [found] = (await plain(queues=[queue.name], **options).get("/queues")).json()["queues"]
        seen.append((found["readOnlyMode"], found["allowRetries"], found["allowCompletedRetries"]))
    assert seen == [(False, True, True), (True, False, False), (False, False, False)]


async def test_queues_that_a_user_does_not_see_do_not_exist(
    plain: Open, queue: Queue, redis_server: RedisServer
) -> None:
    await queue.add("job", {})
    client = plain(queues=[queue.name, "other"], auth=_with(role="admin", queues=("other",)))
    assert [one["name"] for one in (await client.get("/queues")).json()["queues"]] == ["other"]
    assert _key(await client.get(f"/queues/{queue.name}/1")) == (404, "ERRORS.QUEUE_NOT_FOUND")
    assert _key(await client.put(f"/queues/{queue.name}/pause")) == (404, "ERRORS.QUEUE_NOT_FOUND")
    assert (await client.put("/queues/pause")).json() == {}
    assert not await queue.is_paused()


async def test_who_is_not_known_is_asked_to_log_in(plain: Open) -> None:
    async def nobody(request: object) -> None:
        return None

    assert _key(await plain(auth=nobody).get("/queues")) == (401, "ERRORS.UNAUTHORIZED")


# -------------------------------------------------------------------------------------------------------------- masks


async def test_secrets_are_masked_everywhere(plain: Open, queue: Queue) -> None:
    job = await queue.add("password=abc-1", {"api_key": "abc-2", "text": "token=abc-3"}, job_id="secret")
    await job.log("password=abc-4")
    await queue.upsert_scheduler("s", every=5000, data={"secret": "abc-5"})
    client = plain(queues=[queue.name])
    for path in ("/queues?activeQueue={}", "/queues/{}/secret", "/queues/{}/secret/logs", "/queues/{}/secret/flow"):
        answer = await client.get(path.format(queue.name))
        assert answer.status_code == 200
        assert "abc-" not in answer.text
    assert "abc-" not in (await client.get("/job-schedulers")).text


async def test_who_may_not_see_data_gets_none(plain: Open, queue: Queue) -> None:
    job = await queue.add("job", {"plain": "abc"}, job_id="it")
    await job.update_progress({"at": "abc"})
    await queue.upsert_scheduler("s", every=5000, data={"plain": "abc"})
    client = plain(queues=[queue.name], auth=_with(actions=frozenset({"view"})))
    found = await client.get(f"/queues/{queue.name}/it")
    assert found.json()["job"]["data"] is None
    for path in (f"/queues/{queue.name}/it", f"/queues?activeQueue={queue.name}", "/job-schedulers"):
        assert "abc" not in (await client.get(path)).text
    assert _key(await client.get(f"/queues/{queue.name}/it/logs")) == (403, "ERRORS.FORBIDDEN")


async def test_a_mask_is_never_stored(plain: Open, queue: Queue) -> None:
    await queue.add("job", {"api_key": "abc", "n": 1}, job_id="it")
    client = plain(queues=[queue.name])
    shown = (await client.get(f"/queues/{queue.name}/it")).json()["job"]["data"]
    answers = [
        await client.patch(f"/queues/{queue.name}/it/update-data", json={"jobData": shown}),
        await client.post(f"/queues/{queue.name}/add", json={"name": "again", "data": shown}),
    ]
    for answer in answers:
        assert _key(answer) == (400, "ERRORS.INVALID_REQUEST_BODY")
        assert answer.json()["code"] == "INVALID_REQUEST"
    job = await queue.job("it")
    assert job is not None and job.data == {"api_key": "abc", "n": 1}
    assert await queue.count() == 1


async def test_data_with_hidden_parts_are_replaced_only_by_who_may_see_them(plain: Open, queue: Queue) -> None:
    await queue.add("job", {"api_key": "abc"}, job_id="it")
    client = plain(queues=[queue.name], auth=_with(role="operate"))
    answer = await client.patch(f"/queues/{queue.name}/it/update-data", json={"jobData": {"n": 2}})
    assert answer.status_code == 409
    assert "hidden" in answer.json()["message"]
    job = await queue.job("it")
    assert job is not None and job.data == {"api_key": "abc"}


async def test_a_schedulers_template_keeps_what_is_hidden_when_its_times_change(plain: Open, queue: Queue) -> None:
    await queue.upsert_scheduler("s", every=5000, data={"secret": "abc"})
    client = plain(queues=[queue.name])
    answer = await client.patch(f"/queues/{queue.name}/job-schedulers/s", json={"every": 60_000})
    assert answer.status_code == 204
    scheduler = await queue.scheduler("s")
    assert scheduler is not None and (scheduler.every, scheduler.data) == (60, {"secret": "abc"})


# -------------------------------------------------------------------------------------------------------- other sites


CROSS: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "http://other.localhost"},
    {"sec-fetch-site": "none"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
]


@pytest.mark.parametrize("headers", CROSS, ids=str)
@pytest.mark.parametrize("kind", [FORM, JSON, {"content-type": "text/plain"}], ids=str)
async def test_a_page_of_another_site_adds_no_job(
    plain: Open, queue: Queue, headers: dict[str, str], kind: dict[str, str]
) -> None:
    client = plain(queues=[queue.name])
    content = "name=x&data=1" if kind is FORM else '{"name": "x"}'
    answer = await client.post(f"/queues/{queue.name}/add", content=content, headers=headers | kind)
    assert _key(answer) == (403, "ERRORS.FORBIDDEN")
    assert await queue.count() == 0


@pytest.mark.parametrize(
    ("content", "headers"), [("name=x", FORM), ("", FORM), ("{}", {}), ("{}", {"content-type": "text/plain"})]
)
async def test_a_body_that_is_not_json_is_refused_wherever_it_comes_from(
    plain: Open, queue: Queue, content: str, headers: dict[str, str]
) -> None:
    client = plain(queues=[queue.name])
    answer = await client.post(f"/queues/{queue.name}/add", content=content.encode(), headers=headers)
    assert _key(answer) == (415, "ERRORS.UNSUPPORTED_MEDIA_TYPE")
    assert await queue.count() == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"origin": "http://localhost"}, {"origin": "https://admin.example.com"}],
    ids=str,
)
async def test_programs_its_own_page_and_pages_that_were_named_may_act(
    plain: Open, queue: Queue, headers: dict[str, str]
) -> None:
    client = plain(queues=[queue.name], allowed_origins=["https://admin.example.com"])
    answer = await client.post(f"/queues/{queue.name}/add", json={"name": "x"}, headers=headers)
    assert answer.status_code == 200
    assert (await client.put(f"/queues/{queue.name}/pause", headers=headers)).status_code == 200


async def test_a_page_of_another_site_may_not_ask_either(plain: Open, queue: Queue) -> None:
    answer = await plain(queues=[queue.name]).get("/queues", headers={"sec-fetch-site": "cross-site"})
    assert _key(answer) == (403, "ERRORS.FORBIDDEN")


async def test_a_user_acts_only_so_often(plain: Open, queue: Queue) -> None:
    client = plain(queues=[queue.name])
    answer = await client.put(f"/queues/{queue.name}/resume")
    for _ in range(2 * WRITES[0]):
        if answer.status_code != 200:
            break
        answer = await client.put(f"/queues/{queue.name}/resume")
    assert _key(answer) == (429, "ERRORS.TOO_MANY_REQUESTS")


@pytest.mark.parametrize("content", ["nojson", "[1]", "NaN"])
async def test_a_body_that_is_no_object_is_refused(plain: Open, queue: Queue, content: str) -> None:
    answer = await plain(queues=[queue.name]).post(f"/queues/{queue.name}/add", content=content, headers=JSON)
    assert _key(answer) == (400, "ERRORS.INVALID_REQUEST_BODY")


# -------------------------------------------------------------------------------------------------------------- audit


async def test_what_is_done_and_what_is_refused_is_noted(plain: Open, queue: Queue) -> None:
    await queue.add("job", {}, job_id="it")
    client = plain(queues=[queue.name])
    await client.put(f"/queues/{queue.name}/pause")
    await client.put(f"/queues/{queue.name}/it/retry")
    await client.patch(f"/queues/{queue.name}/it/update-data", json={"jobData": {"private": 1}})
    await client.put(f"/queues/{queue.name}/job-schedulers/nope/remove")
    await client.put("/queues/resume")
    entries = (await client.get("http://localhost/api/v1/audit")).json()["entries"][::-1]
    assert [(one["action"], one["target"], one["result"].partition(" ")[0]) for one in entries] == [
        ("pause", "", queue.name),
        ("retry", "it", "refused:"),
        ("update data", "it", "Job"),
        ("scheduler remove", "nope", "refused:"),
        ("resume", "", "1"),
    ]
    assert "private" not in str(entries)
    assert {one["queue"] for one in entries} == {queue.name, None}


# ------------------------------------------------------------------------------------------------------ other matters


async def test_all_failed_jobs_run_again_as_a_task_that_can_be_seen(
    plain: Open, queue: Queue, run_worker: RunWorker
) -> None:
    async def fail(job: object) -> None:
        raise Unrecoverable("no")

    await queue.add_bulk([JobSpec("job", {}) for _ in range(60)])
    worker = await run_worker(fail, concurrency=20)
    await wait_until(lambda: _failed(queue, 60))
    await worker.close()
    client = plain(queues=[queue.name])
    answer = await client.put(f"/queues/{queue.name}/retry/failed")
    assert answer.json() == {"retried": 60, "skipped": 0}
    [task] = (await client.get("http://localhost/api/v1/tasks")).json()
    assert (task["action"], task["ended"] is not None) == ("retry", True)


async def _failed(queue: Queue, count: int) -> bool:
    return (await queue.counts())["failed"] == count


async def test_a_list_has_so_much_data_and_no_more(plain: Open, queue: Queue) -> None:
    for number in range(16):
        text = "x" * (4_000_000 if number == 15 else 900_000)
        await queue.add("job", {"n": number, "text": text}, job_id=f"j{number}")
    client = plain(queues=[queue.name])
    query = {"activeQueue": queue.name, "status": "waiting", "jobsPerPage": 20}
    jobs = (await client.get("/queues", params=query)).json()["queues"][0]["jobs"]
    assert [job["id"] for job in jobs] == [f"j{number}" for number in reversed(range(16))]
    data = [job["data"] for job in jobs]
    # One is too large, then all that are left of the list once it has enough.
    assert [isinstance(one, dict) for one in data] == [False, *[True] * 12, *[False] * 3]
    whole = (await client.get(f"/queues/{queue.name}/j15")).json()["job"]["data"]
    assert len(whole["text"]) == 4_000_000
    answer = await client.patch(f"/queues/{queue.name}/j15/update-data", json={"jobData": data[0]})
    assert _key(answer) == (400, "ERRORS.INVALID_REQUEST_BODY")


async def test_a_long_log_says_how_much_of_it_is_left_out(plain: Open, queue: Queue, redis: Redis) -> None:
    job = await queue.add("job", {}, job_id="it")
    await job.log("the first")
    await redis.rpush(f"bull:{queue.name}:it:logs", *map(str, range(5001)))  # pyright: ignore
    lines = (await plain(queues=[queue.name]).get(f"/queues/{queue.name}/it/logs")).json()
    assert (lines[0], lines[1], lines[-1], len(lines)) == ("… (2 earlier lines)", "1", "5000", 5001)


async def test_names_and_ids_may_have_any_characters(plain: Open, redis_server: RedisServer, queue_name: str) -> None:
    name = f"{queue_name}/ä b"
    async with Connection(redis_server.url) as connection:
        queue = Queue(name, connection=connection)
        await queue.add("job", {"n": 1}, job_id="a/b c%?#ü")
        client = plain(queues=[name])
        answer = await client.get(f"/queues/{quote(name, safe='')}/{quote('a/b c%?#ü', safe='')}")
        assert answer.json()["job"]["data"] == {"n": 1}
        await queue.obliterate(force=True)


async def test_it_is_not_there_if_the_dashboard_is_off(queue: Queue, redis_server: RedisServer) -> None:
    dashboard = Dashboard([queue.name], connection=redis_server.url, enabled=False)
    transport = httpx.ASGITransport(dashboard, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/api/queues")).status_code == 404


async def test_a_function_that_masks_is_asked_too(plain: Open, queue: Queue) -> None:
    await queue.add("job", {"letter": "dear"}, job_id="it")
    client = plain(queues=[queue.name], redact=Redactor([], lambda _, value: "(a letter)"))
    assert (await client.get(f"/queues/{queue.name}/it")).json()["job"]["data"] == "(a letter)"


async def test_the_schema_of_a_queues_data_is_any_of_those_of_its_jobs(plain: Open, queue: Queue) -> None:
    await queue.add("x")
    welcome, farewell = {"type": "object", "required": ["to"]}, {"type": "object", "required": ["from"]}
    for schemas, expected in (
        ({}, {}),
        ({queue.name: {"welcome": welcome}}, welcome),
        ({queue.name: {"welcome": welcome, "bye": farewell}}, {"anyOf": [welcome, farewell]}),
    ):
        client = plain(schemas=schemas)
        answer = await client.get(f"/queues/{queue.name}/job-data-schema")
        assert answer.json() == expected
