"""The application: where it is mounted, whom it lets in, and how it says that something went wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import Mount

from oxcart import Connection, ConnectionFailed, InvalidState, JobNotFound, OptionsError, PayloadError, Queue
from oxcart.dashboard import Access, Dashboard, Redactor, app, basic
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.paths import Table
from oxcart.dashboard.routes import Route
from oxcart.dashboard.web.assets import Assets
from tests.conftest import RedisServer, wait_until
from tests.dashboard.conftest import WRITES, Open

Reply = dict[str, Any]


def who(access: Access | None) -> Any:
    """An auth function that always answers this."""
    return lambda request: access


def answer_with(monkeypatch: pytest.MonkeyPatch, error: Exception, path: str = "/board") -> None:
    """Let the route for a path raise this."""

    async def broken(board: Board, ask: Ask) -> Reply:
        raise error

    monkeypatch.setattr(app, "_TABLE", Table([Route("GET", path, broken, "view")]))


# ------------------------------------------------------------------------------------------------- where it is


async def test_alone_it_shows_its_page_at_every_path_but_those_of_the_api_and_files(api: httpx.AsyncClient) -> None:
    for path in ("/", "/queue/email", "/queue/email/job/1", "/nowhere/at/all"):
        answer = await api.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert 'id="oxcart-config"' in answer.text
    assert (await api.get("/api/v1/nothing")).status_code == 404
    assert (await api.get("/api/v2/board")).json()["error"] == {"key": "ERRORS.NOT_FOUND"}
    assert (await api.get("/static/nothing.js")).status_code == 404


@pytest.mark.parametrize("root", ["", "/proxied"])
async def test_mounted_it_finds_its_files_and_its_api_below_the_mount(redis_server: RedisServer, root: str) -> None:
    dashboard = Dashboard(connection=redis_server.url)
    host = Starlette(routes=[Mount("/admin/queues", dashboard)])
    transport = httpx.ASGITransport(host, root_path=root)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", follow_redirects=True) as client:
        page = await client.get(f"{root}/admin/queues")
        assert f'"base": "{root}/admin/queues"' in page.text
        assert f'href="{root}/admin/queues/static/icon.svg"' in page.text
        assert (await client.get(f"{root}/admin/queues/static/icon.svg")).status_code == 200
        assert (await client.get(f"{root}/admin/queues/api/v1/board")).json()["title"] == "Oxcart"
        assert (await client.get(f"{root}/admin/queues/queue/email")).status_code == 200
    await dashboard.close()


async def test_a_server_that_takes_its_root_path_off_the_path_is_understood(redis_server: RedisServer) -> None:
    dashboard = Dashboard(connection=redis_server.url)
    transport = httpx.ASGITransport(dashboard, root_path="/behind")
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert '"base": "/behind"' in (await client.get("/queue/email")).text
        assert (await client.get("/api/v1/board")).status_code == 200
    await dashboard.close()


async def test_a_queue_whose_name_has_a_slash_has_its_own_path(
    open_dashboard: Open, redis_server: RedisServer, queue_name: str
) -> None:
    async with Queue(f"{queue_name}/a b", connection=redis_server.url) as queue:
        await queue.add("x")
        client = open_dashboard()
        answer = await client.post(f"/api/v1/queues/{queue_name}%2Fa%20b/pause", json={})
        assert answer.status_code == 200 and await queue.is_paused()
        await queue.obliterate()


async def test_what_the_host_reads_as_another_path_is_not_there(redis_server: RedisServer) -> None:
    dashboard = Dashboard(connection=redis_server.url)
    host = Starlette(routes=[Mount("/admin/queues", dashboard)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://localhost") as client:
        assert (await client.get("/admin/queues/api/v1/board")).status_code == 200
        assert (await client.get("/%61dmin/queues/api/v1/board")).status_code == 200
        # For the host it is the page at x/api/v1/board, which its rules by path may let through.
        assert (await client.get("/admin%2Fqueues/x/api/v1/board")).status_code == 404
        assert (await client.get("/admin%2Fqueues/x/x")).status_code == 404
    await dashboard.close()


async def test_what_stands_in_the_page_can_not_end_its_element(open_dashboard: Open) -> None:
    client = open_dashboard(title="</script><script>alert(1)</script>", environment="<b>&")
    text = (await client.get("/")).text
    assert "<script>alert" not in text and "<b>" not in text
    config = text.split('type="application/json">')[1].split("</script>")[0]
    assert json.loads(config)["title"] == "</script><script>alert(1)</script>"


async def test_a_dashboard_that_is_not_enabled_is_a_plain_404(open_dashboard: Open) -> None:
    client = open_dashboard(enabled=False)
    for path in ("/", "/api/v1/board", "/static/icon.svg"):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (404, "Not Found")


async def test_options_that_can_not_be_right_are_told_when_it_is_made() -> None:
    for wrong in (
        {"queues": "email"},
        {"queues": [1]},
        {"connection": "http://x"},
        {"redact": "salary"},
        {"auth": "ada:secret"},
        {"allowed_hosts": "example.com"},
        {"allowed_hosts": ["*"]},
        {"allowed_hosts": ["a*.example.com"]},
        {"allowed_origins": ["example.com"]},
        {"allowed_origins": ["https://example.com/path"]},
        {"frame_ancestors": ["https://example.com; script-src *"]},
    ):
        with pytest.raises(OptionsError):
            Dashboard(**wrong)  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------------------------------------- who may come in


async def test_without_a_log_in_this_machine_only_is_answered(open_dashboard: Open) -> None:
    assert (await open_dashboard().get("/api/v1/board")).json()["can"].count("obliterate") == 1
    for client in (("10.0.0.7", 1), ("2001:db8::1", 1), ("", 0)):
        answer = await open_dashboard(client).get("/api/v1/board")
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")


async def test_who_is_not_let_in_is_told_how_to_change_that(open_dashboard: Open) -> None:
    answer = await open_dashboard(("10.0.0.7", 1)).get("/", headers={"host": "jobs.example.com"})
    assert answer.status_code == 403
    assert "auth=basic(" in answer.text and "jobs.example.com" in answer.text


async def test_an_auth_function_may_be_plain_or_async_and_says_who_it_is(open_dashboard: Open) -> None:
    async def later(request: HTTPConnection) -> Access | None:
        return Access(request.headers.get("x-user"), role="operate") if "x-user" in request.headers else None

    for auth in (later, who(Access("ada", role="operate"))):
        client = open_dashboard(("10.0.0.7", 1), auth=auth)
        board = (await client.get("/api/v1/board", headers={"x-user": "ada"})).json()
        assert board["user"] == "ada" and "retry" in board["can"] and "drain" not in board["can"]
    client = open_dashboard(auth=later)
    assert (await client.get("/api/v1/board")).json()["error"] == "unauthorized"
    assert (await client.get("/")).status_code == 401


async def test_an_auth_function_that_answers_anything_else_lets_nobody_in(
    open_dashboard: Open, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_dashboard(auth=lambda request: True)  # pyright: ignore[reportUnknownLambdaType]
    with caplog.at_level(logging.CRITICAL, "oxcart.dashboard"):
        answer = await client.get("/api/v1/board")
    assert answer.status_code == 500 and answer.json()["error"] == "broken"


async def test_an_error_of_the_host_application_keeps_its_status_and_headers(open_dashboard: Open) -> None:
    def log_in(request: HTTPConnection) -> Access:
        raise HTTPException(303, headers={"location": "/login"})

    answer = await open_dashboard(auth=log_in).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


async def test_the_action_of_a_route_has_to_be_allowed(open_dashboard: Open, queue: Queue) -> None:
    job = await queue.add("x", delay=600)
    client = open_dashboard(auth=who(Access("eve", role="view")))
    answer = await client.post(f"/api/v1/queues/{queue.name}/job/promote", json={"id": job.id})
    assert answer.status_code == 403 and "'promote'" in answer.json()["message"]
    assert await job.state() == "delayed"
    assert (await client.get("/api/v1/audit")).status_code == 403
    assert (await client.get("/api/v1/overview")).status_code == 200


async def test_queues_that_a_user_does_not_see_are_not_there(open_dashboard: Open, queue: Queue) -> None:
    await queue.add("x")
    client = open_dashboard(auth=who(Access("eve", role="admin", queues=("other-*",))))
    assert queue.name not in (await client.get("/api/v1/board")).json()["queues"]
    answer = await client.post(f"/api/v1/queues/{queue.name}/pause", json={})
    assert answer.status_code == 404 and not await queue.is_paused()


async def test_a_dashboard_that_is_read_only_lets_even_admins_only_look(open_dashboard: Open, queue: Queue) -> None:
    await queue.add("x")
    client = open_dashboard(read_only=True, auth=who(Access("ada", role="admin")))
    board = (await client.get("/api/v1/board")).json()
    assert board["read_only"] and set(board["can"]) == {"view", "view_data", "export", "reveal", "audit", "redis"}
    assert (await client.post(f"/api/v1/queues/{queue.name}/pause", json={})).status_code == 403
    assert not await queue.is_paused()


async def test_a_queue_that_has_just_come_is_there_at_once_and_one_that_is_not_named_never(
    open_dashboard: Open, queue: Queue
) -> None:
    everything, named = open_dashboard(), open_dashboard(queues=["other"])
    await everything.get("/api/v1/board")
    await queue.add("x")
    assert (await everything.post(f"/api/v1/queues/{queue.name}/pause", json={})).status_code == 200
    assert (await named.post(f"/api/v1/queues/{queue.name}/pause", json={})).status_code == 404
    assert (await named.get("/api/v1/board")).json()["queues"] == ["other"]
    assert (await everything.post("/api/v1/queues/not:a:name/pause", json={})).status_code == 404


# -------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (Refusal(418, "teapot", "no"), 418, "teapot"),
        (OptionsError("priority=-1: no"), 400, "invalid"),
        (PayloadError("too large"), 400, "invalid"),
        (JobNotFound("job 1 does not exist"), 404, "not_found"),
        (InvalidState("job 1 is not in the state"), 409, "refused"),
        (ConnectionFailed("no answer"), 503, "redis_away"),
    ],
)
async def test_each_kind_of_error_has_its_status_and_its_word(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, word: str
) -> None:
    answer_with(monkeypatch, error)
    answer = await api.get("/api/v1/board")
    assert (answer.status_code, answer.json()["error"]) == (status, word)
    assert answer.json()["message"][0].isupper() or answer.json()["message"] == "No."
    assert answer.headers["cache-control"] == "no-store"


async def test_a_bug_is_told_by_an_id_that_the_log_has_and_without_a_trace(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answer_with(monkeypatch, ZeroDivisionError("secret-of-ours"))
    problem = (await api.get("/api/v1/board")).json()
    assert problem["error"] == "broken" and "secret-of-ours" not in json.dumps(problem)
    assert f"id={problem['id']}" in caplog.text and "secret-of-ours" in caplog.text


async def test_secrets_in_the_text_of_an_error_do_not_leave(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, ConnectionFailed("redis://ada:hunter2@db:6379 does not answer"))
    assert "hunter2" not in (await api.get("/api/v1/board")).text


async def test_a_redis_that_is_away_is_told_and_the_page_is_there_all_the_same() -> None:
    dashboard = Dashboard(connection=Connection("redis://127.0.0.1:1", timeout=0.2, connect_timeout=0.2))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(dashboard), base_url="http://localhost") as client:
        assert (await client.get("/")).status_code == 200
        answer = await client.get("/api/v1/overview")
        assert (answer.status_code, answer.json()["error"]) == (503, "redis_away")
    await dashboard.close()


async def test_methods_that_a_path_does_not_have_are_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/overview", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert (await api.post("/", json={})).status_code == 405
    assert (await api.delete("/api/v1/board")).status_code == 405
    assert (await api.head("/")).status_code == 200


async def test_numbers_and_texts_that_only_node_writes_go_out_as_they_are(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def strange(board: Board, ask: Ask) -> Reply:
        return {"huge": 2**80, "half": "\ud800"}

    monkeypatch.setattr(app, "_TABLE", Table([Route("GET", "/strange", strange, "view")]))
    assert json.loads((await api.get("/api/v1/strange")).content) == {"huge": 2**80, "half": "\ud800"}


async def test_large_answers_are_packed_for_who_can_unpack_them(api: httpx.AsyncClient) -> None:
    packed = await api.get("/api/v1/openapi.json")
    plain = await api.get("/api/v1/openapi.json", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3


# ----------------------------------------------------------------------------------------------------- its life


async def test_its_own_connection_is_closed_at_its_end_and_opened_again_by_the_next_request(
    redis_server: RedisServer,
) -> None:
    dashboard = Dashboard(connection=redis_server.url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(dashboard), base_url="http://localhost") as client:
        for _ in range(2):
            assert (await client.get("/api/v1/board")).status_code == 200
            sent: list[Any] = []
            said = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

            async def receive(said: Any = said) -> Any:
                return next(said)

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message["type"])

            await dashboard({"type": "lifespan"}, receive, send)
            assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_connection_that_is_shared_stays_open(connection: Connection, redis_server: RedisServer) -> None:
    dashboard = Dashboard(connection=connection)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(dashboard), base_url="http://localhost") as client:
        await client.get("/api/v1/board")
    await dashboard.close()
    await Queue("any", connection=connection).counts()


def test_one_dashboard_may_live_in_one_event_loop_after_another(redis_server: RedisServer) -> None:
    dashboard = Dashboard(connection=redis_server.url)

    async def look() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(dashboard), base_url="http://localhost") as client:
            status = (await client.get("/api/v1/board")).status_code
        await dashboard.close()
        return status

    assert [asyncio.run(look()) for _ in range(2)] == [200, 200]


async def test_web_sockets_are_turned_away(redis_server: RedisServer) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await Dashboard(connection=redis_server.url)({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


# ---------------------------------------------------------------------------------------------------------- live


class Stream:
    """A live stream over bare ASGI: the test client of httpx waits for the end of an answer."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.headers: dict[str, str] = {}
        self.status = 0
        self.text = ""
        self.gone = asyncio.Event()
        headers = [(b"host", b"localhost")]
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/api/v1/live", "headers": headers}
        scope |= {"query_string": b"", "client": ("127.0.0.1", 1), "server": ("localhost", 80), "scheme": "http"}
        self.task = asyncio.create_task(dashboard(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()


async def test_a_live_stream_tells_what_happens_until_its_tab_is_gone(redis_server: RedisServer, queue: Queue) -> None:
    await queue.add("x")
    dashboard = Dashboard(queues=[queue.name], connection=redis_server.url)
    stream = Stream(dashboard)
    await wait_until(lambda: "event: hello" in stream.text)
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "no-transform" in stream.headers["cache-control"] and "content-security-policy" in stream.headers

    async def told() -> bool:
        await queue.pause()  # again: it listens a moment after it has said hello
        return '"paused":true' in stream.text

    await wait_until(told)
    stream.gone.set()
    await asyncio.wait_for(stream.task, 10)
    await dashboard.close()


async def test_a_live_stream_ends_when_the_dashboard_is_closed(redis_server: RedisServer, queue: Queue) -> None:
    dashboard = Dashboard(queues=[queue.name], connection=redis_server.url)
    stream = Stream(dashboard)
    await wait_until(lambda: "event: hello" in stream.text)
    await dashboard.close()
    await asyncio.wait_for(stream.task, 10)


async def test_a_live_stream_ends_when_its_server_wants_to(
    redis_server: RedisServer, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = False
    monkeypatch.setattr(app, "_server_is_leaving", lambda: leaving)
    dashboard = Dashboard(queues=[queue.name], connection=redis_server.url)
    stream = Stream(dashboard)
    await wait_until(lambda: "event: hello" in stream.text)
    leaving = True
    await asyncio.wait_for(stream.task, 10)
    await dashboard.close()


# ------------------------------------------------------------------------------------------------------- redaction


async def test_words_for_secrets_are_added_to_the_usual_ones(open_dashboard: Open, queue: Queue) -> None:
    job = await queue.add("x", {"salary": 5, "password": "p", "name": "Ada"})
    for redact, masked in ((["salary"], 2), (None, 1), (Redactor(()), 0)):
        shown = await open_dashboard(redact=redact).get(f"/api/v1/queues/{queue.name}/job?id={job.id}")
        assert shown.text.split('"data":')[1].split("}")[0].count("•••") == masked


async def test_users_and_passwords_work_end_to_end(open_dashboard: Open, queue: Queue) -> None:
    await queue.add("x")
    client = open_dashboard(("10.0.0.7", 1), auth=basic({"ada": "engine-1843"}))
    assert "www-authenticate" not in (await client.get("/api/v1/board")).headers  # the page's own requests ask nobody
    client.headers.pop("x-oxcart")
    asked = await client.get("/")
    assert asked.status_code == 401 and asked.headers["www-authenticate"].startswith("Basic ")
    answer = await client.post(
        f"/api/v1/queues/{queue.name}/pause", json={}, auth=("ada", "engine-1843"), headers=WRITES
    )
    assert answer.status_code == 200
    [entry] = (await client.get("/api/v1/audit", auth=("ada", "engine-1843"))).json()["entries"]
    assert (entry["user"], entry["action"], entry["queue"]) == ("ada", "pause", queue.name)


# ----------------------------------------------------------------------------------------------------------- files


async def test_files_are_kept_by_browsers_and_sent_packed(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/main-AbCd1234.js").write_text("let a = 1;\n" * 200)
    (tmp_path / "assets/style-AbCd1234.css").write_text("a {}\n" * 200)
    rows = {"main": {"file": "assets/main-AbCd1234.js", "isEntry": True, "imports": ["_core"]}}
    rows |= {"_core": {"file": "assets/core-AbCd1234.js"}, "css": {"file": "assets/style-AbCd1234.css"}}
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    files = Assets(tmp_path)
    page = files.page({"base": '/a "b"', "title": "T & Co"}).body.decode()
    assert '<script type="module" src="/a%20%22b%22/static/assets/main-AbCd1234.js">' in page
    assert 'rel="modulepreload"' in page and 'rel="stylesheet"' in page
    assert "<span>T &amp; Co</span>" in page  # seen before any script has run
    script = files.file("assets/main-AbCd1234.js")
    assert script is not None and script.immutable and script.packed is not None and script.kind == "text/javascript"
    assert gzip.decompress(script.packed) == script.body
    for name in ("../secret", "assets", "", "assets/../manifest.json", "/etc/passwd"):
        assert files.file(name) is None


async def test_what_a_browser_has_already_is_not_sent_again(api: httpx.AsyncClient) -> None:
    for path in ("/", "/static/icon.svg"):
        first = await api.get(path)
        assert first.headers["cache-control"] == "no-cache"
        again = await api.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_a_file_that_has_vanished_under_a_running_server_is_not_found(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "a-12345678.js").write_text("x")
    dashboard = Dashboard(connection=redis_server.url)
    dashboard._assets = Assets(tmp_path)
    (tmp_path / "a-12345678.js").unlink()
    transport = httpx.ASGITransport(dashboard)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/static/a-12345678.js")).status_code == 404


@pytest.mark.parametrize("levels", [201, 900, 100_000])
async def test_a_body_that_is_nested_too_deeply_is_refused(api: httpx.AsyncClient, queue: Queue, levels: int) -> None:
    await queue.add("x")
    body = '{"name": "x", "data": ' + "[" * levels + "]" * levels + "}"
    headers = {"content-type": "application/json"}
    answer = await api.post(f"/api/v1/queues/{queue.name}/add", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid")


async def test_a_query_that_says_a_thing_twice_or_a_flag_that_is_none_is_refused(
    api: httpx.AsyncClient, queue: Queue
) -> None:
    job = await queue.add("x")
    for query in ("count=1&count=2", "id=1&id=1"):
        assert (await api.get(f"/api/v1/failures?{query}")).status_code == 400
    path = f"/api/v1/queues/{queue.name}/job?id={job.id}"
    statuses = [(await api.get(f"{path}&whole={word}")).status_code for word in ("1", "0", "true", "", "yes")]
    assert statuses == [200, 200, 200, 200, 400]
