"""Connections that are refused, misspelt or forked: told by the right error, in both shells, and nobody hangs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from oxcart import ConnectionFailed, OptionsError, OxcartError, Queue, ServerRefused, Worker
from oxcart.sync import Queue as BlockingQueue
from tests.conftest import wait_until
from tests.live.connections.test_connections import (
    BOTH,
    READER,
    WORKER,
    Server,
    ask,
    make_user,
    name_of,
    quick,
    runs,
    serving,
    serving_cluster,
)


def test_a_fork_beside_threads_that_talk_hangs_nothing(server: Server) -> None:
    runs(
        server,
        """
import signal
stop = threading.Event()
def busy(who):
    while not stop.is_set():
        talk(who, 20)
threads = [threading.Thread(target=busy, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
def brief():
    signal.alarm(10)
    talk("child", 3)
fine = all([all_fine([in_child(brief) for _ in range(4)]) for _ in range(15)])
stop.set()
for thread in threads: thread.join()
assert fine, "a child hung until its alarm"
print("fine")
""",
        f"unix://{server.socket}",
    )


def test_a_fork_while_the_first_call_opens_hangs_nothing(server: Server) -> None:
    runs(
        server,
        """
import signal
def brief():
    signal.alarm(10)
    talk("child", 3)
held, forked = threading.Event(), threading.Event()
def hold():
    with connection.transport._lock:
        held.set(); forked.wait()
thread = threading.Thread(target=hold); thread.start(); held.wait()
child = in_child(brief)
forked.set(); thread.join()
assert all_fine([child])
print("fine")
""",
        f"unix://{server.socket}",
    )


@pytest.mark.parametrize("rules", ["~other:* +@all", "-@all +evalsha +eval"])
async def test_a_worker_whose_rights_are_taken_away_waits_for_them_and_tells_once(
    server: Server, admin: Redis, queue_name: str, rules: str
) -> None:
    name, user = await make_user(admin, rules)
    errors: list[str] = []
    worker = Worker(queue_name, quick, connection=server.url(user), stalled_interval=0.1)
    worker.on("error")(lambda error: errors.append(str(error)))
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(3)
    assert not running.done(), running.exception()
    await admin.execute_command("ACL", "SETUSER", name, *WORKER.split())
    async with Queue(queue_name, connection=server.url()) as queue:
        job = await queue.add("x")

        async def done() -> bool:
            return await job.state() == "completed"

        await wait_until(done)
    await worker.close()
    await running
    assert len(errors) <= 2


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:1?password=xyzzy",
        "unix:///nowhere?username=a&password=xyzzy",
        "rediss://localhost:1?ssl_password=xyzzy",
        "redis://:xyzzy/with-a-slash@localhost:1",
        "redis://:xyzzy#@localhost:1",
    ],
)
async def test_no_text_shows_a_password_wherever_it_stands(kind: str, url: str) -> None:
    with pytest.raises(OxcartError) as caught:
        await ask(kind, url)
    assert "xyzzy" not in str(caught.value)
    with contextlib.suppress(OptionsError):
        assert "xyzzy" not in repr(name_of(kind)(url))


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost?nonsense=1",
        "rediss://localhost?ssl_ca_cert=/x",
        "redis://localhost?db=abc",
        "unix:///x?db=abc",
        "redis://localhost?socket_timeout=abc",
        "rediss://localhost?ssl_cert_reqs=nonsense",
        "embedded",
        "unix://x",
    ],
)
def test_a_url_that_cannot_be_right_is_told_at_once(kind: str, url: str) -> None:
    with pytest.raises(OptionsError):
        name_of(kind)(url)


@BOTH
@pytest.mark.parametrize(
    "reply",
    [
        "NOPERM no right",
        "CLUSTERDOWN x",
        "TRYAGAIN x",
        "MASTERDOWN x",
        "LOADING x",
        "ERR max number of clients reached",
    ],
)
async def test_both_shells_raise_the_same(kind: str, reply: str) -> None:
    def serve() -> None:
        with listening:
            link, _ = listening.accept()
            with link:
                while data := link.recv(65536):
                    link.sendall(b"+OK\r\n" * data.count(b"SETINFO") or f"-{reply}\r\n".encode())

    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(ServerRefused) as caught:
        await ask(kind, f"redis://127.0.0.1:{listening.getsockname()[1]}")
    assert caught.value.code in reply.replace("ERR max number of clients reached", "MAXCLIENTS")


@BOTH
async def test_a_missing_password_is_a_refused_login(kind: str) -> None:
    with serving("--port", "PORT") as server, BlockingRedis(port=server.port) as admin:
        admin.config_set("requirepass", "xyzzy")
        with pytest.raises(ServerRefused) as caught:
            await ask(kind, server.url())
        assert caught.value.code == "NOAUTH"


async def add(kind: str, url: str, timeout: float) -> None:
    if kind == "async":
        async with Queue("x", connection=url, timeout=timeout) as queue:
            await queue.add("a")
            return

    def block() -> None:
        with BlockingQueue("x", connection=url, timeout=timeout) as queue:
            queue.add("a")

    await asyncio.to_thread(block)


@BOTH
@pytest.mark.parametrize("password", ["", ":wrong"])
async def test_an_add_whose_log_in_is_refused_says_so_at_once(kind: str, password: str) -> None:
    with serving("--port", "PORT") as server, BlockingRedis(port=server.port) as admin:
        admin.config_set("requirepass", "xyzzy")
        with pytest.raises(ServerRefused, match=r"the job could not be added: Redis at redis://.* log-in") as caught:
            async with asyncio.timeout(20):
                await add(kind, server.url(password), timeout=600)
        assert caught.value.code == "NOAUTH"
        assert isinstance(caught.value.__cause__, ServerRefused)
        assert (":password@" in str(caught.value)) == (password == "")


@BOTH
async def test_where_tls_finds_a_server_without_it_the_url_and_what_may_be_wrong_are_named(
    kind: str, server: Server
) -> None:
    url = server.url(":xyzzy", scheme="rediss").replace("localhost", "127.0.0.1")
    text = r"rediss://:\*\*\*@127.0.0.1:\d+.*; if the server has no TLS, its URL begins with redis://"
    with pytest.raises(ConnectionFailed, match=text):
        await add(kind, url, timeout=1)
    with pytest.raises(ConnectionFailed, match=text):
        await ask(kind, url, connect_timeout=0.5)


@BOTH
async def test_a_refused_add_has_the_code_of_the_server(kind: str) -> None:
    with serving("--port", "PORT") as server, BlockingRedis(port=server.port) as admin:
        admin.config_set("maxmemory", "1")
        with pytest.raises(ServerRefused, match=r"the job could not be added: Redis at redis://.* OOM") as caught:
            await add(kind, server.url(), timeout=1.5)
        assert caught.value.code == "OOM"


@BOTH
async def test_a_database_that_is_not_there_is_the_same_error_in_both(kind: str, server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="out of range"):
        await ask(kind, server.url(after="/99"))


async def test_blocking_events_need_no_right_to_name_their_connection(
    server: Server, admin: Redis, queue_name: str
) -> None:
    from oxcart.sync import QueueEvents

    _, user = await make_user(admin, READER)
    async with Queue(queue_name, connection=server.url()) as queue:

        def listen() -> str:
            with QueueEvents(queue_name, connection=server.url(user), since="0") as events:
                return next(iter(events)).kind

        await queue.add("x")
        assert await asyncio.wait_for(asyncio.to_thread(listen), 20) == "added"


async def test_the_error_of_a_cluster_says_what_to_do() -> None:
    with serving_cluster(*range(16384)) as server, pytest.raises(OxcartError, match="braces"):
        await ask("async", server.url())
