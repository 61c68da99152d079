"""The dashboard below WSGI: in Flask, with its users, and alone with a plain server."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.simple_server import make_server as make_plain_server

import flask
import httpx
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler as FlaskHandler
from werkzeug.serving import make_server

from oxcart import JobSpec
from oxcart.dashboard import Access, Dashboard
from oxcart.dashboard.web.guard import MAX_BODY
from oxcart.dashboard.web.wsgi import Wsgi, scope_of
from oxcart.sync import Queue
from tests.conftest import RedisServer
from tests.dashboard.conftest import WRITES

MOUNT = "/admin/queues"


class Quiet(FlaskHandler):
    """Says nothing of each request."""

    def log(self, type: str, message: str, *args: Any) -> None: ...


class PlainQuiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def serving(server: Any) -> Iterator[httpx.Client]:
    """A client of a server that runs in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    host = f"http://localhost:{server.server_port}"
    headers = {**WRITES, "origin": host}
    try:
        with httpx.Client(base_url=host, headers=headers, timeout=20) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Serve = Callable[..., httpx.Client]


@pytest.fixture
def serve(redis_server: RedisServer) -> Iterator[Serve]:
    """Serve a dashboard in a Flask application, by a server with a thread for each request."""
    with ExitStack() as stack:

        def begin(app: flask.Flask | None = None, **options: Any) -> httpx.Client:
            app = app or flask.Flask("shop")
            bridge = Dashboard(connection=redis_server.url, **options).wsgi()
            stack.callback(bridge.close)
            app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {MOUNT: bridge})  # type: ignore[method-assign]
            server = make_server("localhost", 0, app, threaded=True, request_handler=Quiet)
            return stack.enter_context(serving(server))

        yield begin


@pytest.fixture
def jobs(redis_server: RedisServer, queue_name: str) -> Iterator[Queue]:
    with Queue(queue_name, connection=redis_server.url) as queue:
        yield queue
        queue.pause()
        queue.obliterate(force=True)


def test_in_flask_the_page_finds_its_files_and_its_api_below_the_mount(serve: Serve, jobs: Queue) -> None:
    jobs.add("welcome", {"userId": "u1"})
    client = serve()
    page = client.get(f"{MOUNT}/queues/{jobs.name}")
    assert page.status_code == 200 and f'"base": "{MOUNT}"' in page.text
    assert client.get(f"{MOUNT}/static/plain.css").headers["content-type"].startswith("text/css")
    answer = client.get(f"{MOUNT}/api/v1/queues/{jobs.name}/jobs", params={"state": "waiting"})
    assert [job["name"] for job in answer.json()["jobs"]] == ["welcome"]
    assert client.get("/elsewhere").status_code == 404
    assert client.get(f"{MOUNT}/api/v1/openapi.json").json()["servers"] == [{"url": f"{MOUNT}/api/v1"}]


def test_there_is_no_live_stream_and_the_page_knows_it(serve: Serve) -> None:
    client = serve()
    assert client.get(f"{MOUNT}/api/v1/live").status_code == 204
    assert '"live": false' in client.get(MOUNT).text


def test_actions_bodies_and_heads_work(serve: Serve, jobs: Queue) -> None:
    client = serve()
    jobs.add("first")
    path = f"{MOUNT}/api/v1/queues/{jobs.name}/add"
    done = client.post(path, json={"name": "letter", "data": {"body": "é" * 200_000}})
    assert done.status_code == 200, done.text
    job = jobs.job(done.json()["id"])
    assert job is not None and job.data == {"body": "é" * 200_000}
    too_large = client.post(path, content=b" " * (MAX_BODY + 100), headers={"content-type": "application/json"})
    assert too_large.status_code == 413
    chunked = client.post(
        path, content=iter([b'{"name": "x",', b'"data": 1}']), headers={"content-type": "application/json"}
    )
    assert chunked.status_code == 200, chunked.text
    got, head = client.get(f"{MOUNT}/static/plain.css"), client.head(f"{MOUNT}/static/plain.css")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert client.get(f"{MOUNT}/static/plain.css", headers={"if-none-match": got.headers["etag"]}).status_code == 304
    elsewhere = client.post(path, json={"name": "x"}, headers={"sec-fetch-site": "cross-site", "origin": "http://x.io"})
    assert elsewhere.status_code == 403


def test_a_file_is_sent_while_it_is_made_and_who_stops_reading_does_no_harm(serve: Serve, jobs: Queue) -> None:
    jobs.add_bulk([JobSpec("letter", {"n": n, "body": "x" * 2000}) for n in range(2000)])
    client = serve()
    path = f"{MOUNT}/api/v1/queues/{jobs.name}/export"
    whole = client.get(path, params={"format": "ndjson", "state": "waiting"})
    assert whole.status_code == 200 and whole.text.count("\n") >= 2000
    assert "attachment" in whole.headers["content-disposition"]
    for _ in range(5):
        with client.stream("GET", path, params={"format": "csv", "state": "waiting"}) as answer:
            next(answer.iter_bytes(100))
    assert client.get(f"{MOUNT}/api/v1/board").status_code == 200


def test_a_slash_in_the_name_of_a_queue_is_none_of_the_path(serve: Serve, redis_server: RedisServer) -> None:
    with Queue("größe/a b%", connection=redis_server.url) as queue:
        queue.add("x")
        client = serve()
        answer = client.get(f"{MOUNT}/api/v1/queues/gr%C3%B6%C3%9Fe%2Fa%20b%25")
        assert answer.json()["name"] == queue.name, answer.text
        queue.pause()
        queue.obliterate()


def test_the_users_of_the_flask_application_are_those_of_the_dashboard(serve: Serve) -> None:
    app = flask.Flask("shop")
    app.secret_key = "engine-1843"

    @app.post("/log-in/<name>")
    def log_in(name: str) -> str:  # pyright: ignore[reportUnusedFunction]
        flask.session["user"] = name
        return "hello"

    def who(request: Any) -> Access | None:
        with app.request_context(request.scope["wsgi_environ"]):
            name = flask.session.get("user")
        return None if name is None else Access(name, role="admin" if name == "ada" else "view")

    client = serve(app, auth=who)
    assert client.get(f"{MOUNT}/api/v1/board").status_code == 401
    client.post("/log-in/bob")
    assert client.get(f"{MOUNT}/api/v1/board").json()["user"] == "bob"
    assert client.get(f"{MOUNT}/api/v1/audit").status_code == 403
    client.post("/log-in/ada")
    assert client.get(f"{MOUNT}/api/v1/audit").status_code == 200


def test_a_plain_auth_function_that_waits_holds_nobody_else_up(serve: Serve) -> None:
    all_there = threading.Barrier(4, timeout=10)

    def who(request: Any) -> Access:
        all_there.wait()
        return Access("ada")

    client = serve(auth=who)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.get(f"{MOUNT}/api/v1/board").status_code, range(4)))
    assert answers == [200] * 4


def test_many_threads_are_answered_at_once(serve: Serve, jobs: Queue) -> None:
    for n in range(20):
        jobs.add("x", {"n": n})
    client = serve()

    def ask(n: int) -> int:
        answer = client.get(f"{MOUNT}/api/v1/queues/{jobs.name}/job", params={"id": str(n % 20 + 1)})
        return answer.json()["data"]["n"]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(200))) == [n % 20 for n in range(200)]


def test_other_machines_are_turned_away_without_auth(redis_server: RedisServer) -> None:
    with closing(Dashboard(connection=redis_server.url).wsgi()) as bridge:
        assert ask(bridge, REMOTE_ADDR="10.0.0.7")[0].startswith("403")
        assert ask(bridge, REMOTE_ADDR="")[0].startswith("403")
        assert ask(bridge, HTTP_X_FORWARDED_FOR="10.0.0.7")[0].startswith("403")
        assert ask(bridge)[0] == "200 OK"


def test_alone_a_plain_wsgi_server_serves_it(redis_server: RedisServer, jobs: Queue) -> None:
    jobs.add("welcome")
    with closing(Dashboard(connection=redis_server.url).wsgi()) as bridge:
        server = make_plain_server("localhost", 0, bridge, WSGIServer, PlainQuiet)  # type: ignore[arg-type]
        with serving(server) as client:
            assert '"base": ""' in client.get("/").text
            done = client.post(f"/api/v1/queues/{jobs.name}/add", json={"name": "x"})
            assert done.json()["done"] == 1


def test_closed_it_begins_anew_with_the_next_request(redis_server: RedisServer) -> None:
    before = set(threading.enumerate())  # of which some may end meanwhile
    bridge = Dashboard(connection=redis_server.url).wsgi()
    bridge.close()  # nothing was begun
    for _ in range(2):
        assert ask(bridge, PATH_INFO="/api/v1/board")[0] == "200 OK"
        bridge.close()
    assert set(threading.enumerate()) <= before


def test_who_reads_no_further_ends_what_is_made(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    dashboard = Dashboard(connection=redis_server.url)
    ended = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        finally:
            ended.set()

    monkeypatch.setattr(Dashboard, "__call__", lambda _, *args: endless(*args))
    with closing(dashboard.wsgi()) as bridge:
        answer: Any = bridge(environ(), lambda status, headers: None)
        assert next(answer) == b"x" * 1000
        assert not ended.wait(0.1)  # it waits to be read
        answer.close()
        assert ended.wait(10)


def test_an_error_on_the_way_is_the_hosts_to_see(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise OSError("boom")

    monkeypatch.setattr(Dashboard, "__call__", lambda _, *args: broken(*args))
    with closing(Dashboard(connection=redis_server.url).wsgi()) as bridge:
        with pytest.raises(OSError, match="boom"):
            ask(bridge)
        with pytest.raises(OSError, match="boom"):
            ask(bridge, PATH_INFO="/late")


def test_after_a_fork_each_process_has_its_own_loop(redis_server: RedisServer) -> None:
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
from tests.dashboard.test_wsgi import ask
from oxcart.dashboard import Dashboard
bridge = Dashboard(connection=sys.argv[1]).wsgi()
print(ask(bridge, PATH_INFO="/api/v1/board")[0], flush=True)
if os.fork() == 0:
    print(ask(bridge, PATH_INFO="/api/v1/board")[0], flush=True)
    os._exit(0)
os.wait()
print(ask(bridge, PATH_INFO="/api/v1/board")[0], flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, redis_server.url], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split("\n") == ["200 OK"] * 3 + [""]


def test_a_request_of_wsgi_becomes_one_of_asgi() -> None:
    scope = scope_of(
        environ(
            SCRIPT_NAME="/admin", PATH_INFO="/gr\u00c3\u00b6\u00c3\u009fe/a", RAW_URI="/admin/gr%C3%B6%C3%9Fe%2Fa?x=1"
        )
    )
    assert (scope["path"], scope["root_path"]) == ("/admin/größe/a", "/admin")
    assert scope["raw_path"] == b"/admin/gr%C3%B6%C3%9Fe%2Fa"
    assert scope["client"] == ("127.0.0.1", 0) and (b"host", b"localhost") in scope["headers"]
    # A host that has changed the path has made the one that was sent worthless.
    assert "raw_path" not in scope_of(environ(PATH_INFO="/b", RAW_URI="/a/b"))
    assert scope_of(environ(REMOTE_PORT="99"))["client"] == ("127.0.0.1", 99)


def environ(**words: Any) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "wsgi.input": io.BytesIO(),
        **words,
    }


def ask(bridge: Wsgi, **words: Any) -> tuple[str, bytes]:
    """The status and the body of an answer."""
    told: list[str] = []
    answer: Any = bridge(environ(**words), lambda status, headers: told.append(status))
    with closing(answer):
        body = b"".join(answer)
    return told[0], body
