"""Connections: TLS, users with few rights, URLs, clusters, how many there are, threads and forks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.connection import UnixDomainSocketConnection

from oxcart import (
    Connection,
    ConnectionFailed,
    Job,
    JobSpec,
    OptionsError,
    OxcartError,
    Queue,
    QueueEvents,
    Reschedule,
    ServerRefused,
    Worker,
    embedded,
)
from oxcart.protocol.calls import read
from oxcart.protocol.keys import Keys
from oxcart.protocol.scripts import FOLDER, load
from oxcart.sync import Connection as BlockingConnection
from oxcart.sync import Queue as BlockingQueue
from oxcart.sync import QueueEvents as BlockingQueueEvents
from tests.conftest import wait_until

TLS = Path(__file__).parent / "tls"
CA = f"ssl_ca_certs={TLS}/test-only-ca.crt"
OTHER_CA = f"ssl_ca_certs={TLS}/test-only-other-ca.crt"
CLIENT = f"ssl_certfile={TLS}/test-only-client.crt&ssl_keyfile={TLS}/test-only-client.key"

# What the documentation names as enough; `KEYS` and `RIGHTS` are of the prefix `bull`.
KEYS = "~bull:* ~oxcart:bull:*"
PRODUCER = f"{KEYS} +@read +@write -@dangerous +eval +evalsha"
WORKER = f"{PRODUCER} +time +info +client|setname +client|id +client|unblock"
READER = "~bull:* +@read -@dangerous +eval +evalsha"
LISTENER = f"{READER} +client|setname +client|id"


# ------------------------------------------------------------------------------------------------------ the servers


@dataclass
class Server:
    """A throw-away server that listens on a port of its own and, without TLS, on a unix socket."""

    folder: Path
    port: int

    @property
    def socket(self) -> str:
        return str(self.folder / "s")

    def url(self, user: str = "", after: str = "", host: str = "localhost", scheme: str = "redis") -> str:
        """`user` is `name:password`, `after` what follows the port."""
        return f"{scheme}://{user}{'@' if user else ''}{host}:{self.port}{after}"


@contextmanager
def serving(*options: str) -> Generator[Server]:
    """Run a server with these options, which may say `PORT`; stopped and gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ox"))
    try:
        process, server = _start(folder, options)
        try:
            yield server
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, options: Iterable[str]) -> tuple[subprocess.Popen[bytes], Server]:
    for _ in range(5):
        server = Server(folder, _free_port())
        command = [embedded.find_binary(), "--dir", str(folder), "--save", "", "--unixsocket", server.socket]
        command += ["--bind", "127.0.0.1", "-::1", *(str(server.port) if word == "PORT" else word for word in options)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            if _answers(server):
                return process, server
            time.sleep(0.01)
        # Somebody else took the port meanwhile, or an option is not known.
        process.kill()
        process.wait()
    raise RuntimeError(f"no server: {(folder / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    """One whose partner, 10,000 above, is free too: a server of a cluster takes both."""
    while True:
        port = random.randrange(20000, 45000)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10000))
            return port


def _answers(server: Server) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1)
        link.connect(server.socket)
        link.sendall(b"PING\r\n")
        return link.recv(16).startswith(b"+PONG")
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("--port", "PORT") as server:
        yield server


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Redis]:
    async with Redis(unix_socket_path=server.socket, decode_responses=True, protocol=2) as client:
        yield client


# ------------------------------------------------------------------------------------------------- asking, two ways

BOTH = pytest.mark.parametrize("kind", ["async", "blocking"])


async def ask(kind: str, url: str, **options: float) -> dict[str, str]:
    """Run a script and ask the server who it talks with, over a connection of this kind."""
    if kind == "async":
        async with Connection(url, **options) as connection:
            assert set((await connection.run(read.counts(Keys("nobodys")))).values()) == {0}
            answer = await connection.transport.execute("CLIENT", "INFO")
    else:
        answer = await asyncio.to_thread(_ask_blocking, url, options)
    return dict(word.split("=", 1) for word in answer.split())


def _ask_blocking(url: str, options: dict[str, float]) -> str:
    with BlockingConnection(url, **options) as connection:
        assert set(connection.run(read.counts(Keys("nobodys"))).values()) == {0}
        return connection.transport.execute("CLIENT", "INFO")


def name_of(kind: str) -> type[Connection] | type[BlockingConnection]:
    return Connection if kind == "async" else BlockingConnection


# --------------------------------------------------------------------------------------------------------------- TLS


@contextmanager
def serving_tls(clients: str) -> Generator[Server]:
    """A server that speaks TLS and wants certificates of its clients, or doesn't (`yes`, `no`)."""
    files = ["--tls-ca-cert-file", f"{TLS}/test-only-ca.crt", "--tls-cert-file", f"{TLS}/test-only-server.crt"]
    files += ["--tls-key-file", f"{TLS}/test-only-server.key", "--tls-auth-clients", clients]
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(serving("--port", "0", "--tls-port", "PORT", *files))
        except RuntimeError as error:
            if "tls" not in str(error).lower():
                raise
            # This server was built without TLS: something that has it stands before it.
            behind = stack.enter_context(serving("--port", "0"))
            yield stack.enter_context(_tls_before(behind, clients == "yes"))


@contextmanager
def _tls_before(behind: Server, wants_certificates: bool) -> Generator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=f"{TLS}/test-only-ca.crt")
    context.load_cert_chain(f"{TLS}/test-only-server.crt", f"{TLS}/test-only-server.key")
    context.verify_mode = ssl.CERT_REQUIRED if wants_certificates else ssl.CERT_NONE
    front = Server(behind.folder, _free_port())
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # refused handshakes are what some tests are about

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(behind.socket)
        await asyncio.wait(
            [asyncio.ensure_future(_pass(reader, up_writer)), asyncio.ensure_future(_pass(up_reader, writer))]
        )

    listening = loop.run_until_complete(
        asyncio.start_server(serve, ["127.0.0.1", "::1"] if IPV6 else ["127.0.0.1"], front.port, ssl=context)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield front
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


IPV6 = _has_ipv6()
HOSTS = ["localhost", "127.0.0.1", *(["[::1]"] if IPV6 else [])]


@pytest.fixture(scope="module")
def tls() -> Iterator[Server]:
    with serving_tls("no") as server:
        yield server


@pytest.fixture(scope="module")
def strict_tls() -> Iterator[Server]:
    with serving_tls("yes") as server:
        yield server


@BOTH
@pytest.mark.parametrize("host", HOSTS)
async def test_tls_with_the_authority_in_the_url(kind: str, host: str, tls: Server) -> None:
    assert (await ask(kind, tls.url(scheme="rediss", host=host, after=f"/2?{CA}")))["db"] == "2"


@BOTH
@pytest.mark.parametrize("query", [OTHER_CA, ""], ids=["another authority", "the system's authorities"])
async def test_a_certificate_of_another_authority_is_refused_with_a_clear_text(
    kind: str, query: str, tls: Server
) -> None:
    url = tls.url(scheme="rediss", after=f"/0?{query}")
    with pytest.raises(ConnectionFailed, match=r"certificate verify failed: self.signed") as caught:
        await ask(kind, url)
    assert f"rediss://localhost:{tls.port}" in str(caught.value)


@BOTH
async def test_the_check_of_certificates_can_be_switched_off(kind: str, tls: Server) -> None:
    assert await ask(kind, tls.url(scheme="rediss", after="/0?ssl_cert_reqs=none"))


@BOTH
async def test_a_server_that_wants_a_certificate_gets_the_clients(kind: str, strict_tls: Server) -> None:
    assert await ask(kind, strict_tls.url(scheme="rediss", after=f"/0?{CA}&{CLIENT}"))
    with pytest.raises(ConnectionFailed, match=f"rediss://localhost:{strict_tls.port}"):
        await ask(kind, strict_tls.url(scheme="rediss", after=f"/0?{CA}"))


@BOTH
async def test_tls_on_one_side_only_is_a_failed_connection(kind: str, tls: Server, server: Server) -> None:
    with pytest.raises(ConnectionFailed):
        await ask(kind, tls.url())
    with pytest.raises(ConnectionFailed):
        await ask(kind, server.url(scheme="rediss", after=f"/0?{CA}"), timeout=0.3, connect_timeout=0.3)


async def test_a_worker_works_over_tls(strict_tls: Server, queue_name: str) -> None:
    url = strict_tls.url(scheme="rediss", after=f"/0?{CA}&{CLIENT}")
    await works_end_to_end(url, queue_name, "bull")


# ------------------------------------------------------------------------------------------------ a worker, all of it


async def works_end_to_end(url: str, queue_name: str, prefix: str, *, seen_by: Redis | None = None) -> None:
    """Add jobs of every sort and see them done; nothing may go wrong beside. `seen_by`: who sees the worker's name."""
    errors: list[str] = []
    worker = Worker(
        queue_name,
        {"quick": quick, "thread": in_a_thread, "twice": fails_once, "later": comes_back, "long": until_renewed},
        connection=url,
        prefix=prefix,
        concurrency=4,
        lock_duration=2,
        stalled_interval=1,
        name="w",
    )
    worker.on("error")(lambda error: errors.append(f"{type(error).__name__}: {error}"))
    running = asyncio.create_task(worker.run())
    try:
        async with Queue(queue_name, connection=url, prefix=prefix) as queue:
            jobs = await queue.add_bulk(EVERY_SORT)
            jobs.append(await queue.add("quick", {"n": 2}, delay=0.1))

            async def all_done() -> bool:
                return errors != [] or (await queue.counts())["completed"] == len(jobs)

            await wait_until(all_done)
            assert errors == []
            assert [await job.state() for job in jobs] == ["completed"] * len(jobs)
            assert await queue.logs(jobs[1].id) == ["a line"]
            assert len(await queue.jobs()) == len(jobs)
            if seen_by is not None:
                await wait_until(lambda: _is_named(seen_by, queue.keys.client_name("w")))
    finally:
        await worker.close(timeout=1)
        await running
    assert errors == []


async def _is_named(admin: Redis, name: str) -> bool:
    return name in await names_of_clients(admin)


EVERY_SORT = [
    JobSpec("quick"),
    JobSpec("thread"),
    JobSpec("twice", attempts=2, backoff=0.05),
    JobSpec("later"),
    JobSpec("long"),
    JobSpec("quick", priority=3),
    JobSpec("quick", lifo=True),
    JobSpec("quick", job_id="my own"),
    JobSpec("quick", delay=0.05),
]


async def quick(job: Job) -> None:
    await job.update_progress(50)


def in_a_thread(job: Any) -> None:
    job.update_progress({"half": True})
    job.log("a line")


async def fails_once(job: Job) -> None:
    if job.attempts_made == 0:
        raise ValueError("the first time")


async def comes_back(job: Job) -> None:
    if job.attempts_started == 1:
        raise Reschedule(0.05)


async def until_renewed(job: Job) -> None:
    """Long enough for its lock to be renewed."""
    left_ms = 2**62

    async def renewed() -> bool:
        nonlocal left_ms
        before_ms, left_ms = left_ms, await job._connection.transport.execute("PTTL", f"{job.keys.job(job.id)}:lock")
        return left_ms > before_ms

    await wait_until(renewed)


# ---------------------------------------------------------------------------------------------------- users and rights


async def make_user(admin: Redis, rules: str, password: str = "") -> tuple[str, str]:
    """A user with these rights; its name and its part of a URL."""
    name, password = f"u{secrets.token_hex(4)}", password or secrets.token_hex(8)
    await admin.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules.split())
    return name, f"{name}:{quote(password, safe='')}"


async def acl_log(admin: Redis, name: str) -> list[dict[str, Any]]:
    """What the server noted of this user. Read by hand: redis-py stumbles over names of connections with `=`."""
    log = await admin.execute_command("ACL", "LOG")
    entries = [dict(zip(entry[::2], entry[1::2], strict=True)) for entry in log]
    return [entry for entry in entries if entry["username"] == name]


async def denied(admin: Redis, name: str) -> list[str]:
    """What the server refused this user, but for what redis-py tells of itself, which it may do without."""
    objects = {entry["object"] for entry in await acl_log(admin, name)}
    return sorted(objects - {"client|setinfo", "client"})  # the second is what Redis 6 calls it


async def test_the_documented_rights_are_enough_for_a_worker(server: Server, admin: Redis, queue_name: str) -> None:
    name, user = await make_user(admin, WORKER)
    await works_end_to_end(server.url(user), queue_name, "bull", seen_by=admin)
    assert await denied(admin, name) == []


async def test_the_documented_rights_are_enough_for_a_producer(server: Server, admin: Redis, queue_name: str) -> None:
    name, user = await make_user(admin, PRODUCER)
    async with Queue(queue_name, connection=server.url(user)) as queue:
        await queue.add_bulk(EVERY_SORT)
        assert await queue.count() == len(EVERY_SORT)
    await asyncio.to_thread(_add_blocking, queue_name, server.url(user))
    assert await denied(admin, name) == []


def _add_blocking(queue_name: str, url: str) -> None:
    with BlockingQueue(queue_name, connection=url) as queue:
        queue.add_bulk([JobSpec("x"), JobSpec("x", delay=60)])


async def test_the_documented_rights_are_enough_to_look_but_not_to_add(
    server: Server, admin: Redis, queue_name: str
) -> None:
    name, user = await make_user(admin, READER)
    async with Queue(queue_name, connection=server.url()) as queue:
        job = await queue.add("x")
    async with Connection(server.url(user)) as connection:
        queue = Queue(queue_name, connection=connection, timeout=1)
        assert (await queue.counts("waiting"))["waiting"] == 1
        assert [found.id for found in await queue.jobs()] == [job.id]
        assert (await queue.state(job.id), await queue.logs(job.id)) == ("waiting", [])
        assert await connection.transport.execute("XREAD", "STREAMS", f"bull:{queue_name}:events", "0")
        assert await denied(admin, name) == []
        with pytest.raises(OxcartError, match="permission"):
            await queue.add("y")
        with pytest.raises(OxcartError):
            await job_of(queue, job).update_progress(1)
        assert [found.id for found in await queue.jobs()] == [job.id]


async def test_the_documented_rights_are_enough_to_listen(server: Server, admin: Redis, queue_name: str) -> None:
    name, user = await make_user(admin, LISTENER)
    async with Queue(queue_name, connection=server.url()) as queue:
        heard = asyncio.create_task(asyncio.to_thread(_listen_blocking, queue_name, server.url(user)))

        async def two_listen() -> bool:
            return (await names_of_clients(admin)).count(queue.keys.reader_name) == 2

        async with QueueEvents(queue_name, connection=server.url(user)) as events:
            await wait_until(two_listen)
            await queue.add("x")
            assert (await anext(events)).kind == await heard == "added"
    assert await denied(admin, name) == []


def _listen_blocking(queue_name: str, url: str) -> str:
    with BlockingQueueEvents(queue_name, connection=url) as events:
        return next(iter(events)).kind


def job_of(queue: Queue, job: Job) -> Job:
    """The same job, seen through this queue's connection."""
    return Job(job.record, queue.keys, queue._connection)


async def test_another_database_needs_the_right_to_select_it(server: Server, admin: Redis, queue_name: str) -> None:
    _, user = await make_user(admin, f"{WORKER} +select")
    await works_end_to_end(server.url(user, "/3"), queue_name, "bull")
    _, user = await make_user(admin, WORKER)
    async with Queue(queue_name, connection=server.url(user, "/3"), timeout=1.5) as queue:
        with pytest.raises(ConnectionFailed, match="'select'"):
            await queue.add("x")


async def test_a_worker_without_the_right_to_name_itself_works_unseen(
    server: Server, admin: Redis, queue_name: str
) -> None:
    _, user = await make_user(admin, PRODUCER)
    await works_end_to_end(server.url(user), queue_name, "bull")


async def test_no_script_needs_more_than_the_documented_rights(admin: Redis) -> None:
    commands = set(await admin.command())  # pyright: ignore
    used: set[str] = set()
    for file in FOLDER.glob("*.lua"):
        used.update(word.lower() for word in re.findall(r'"([A-Z]{3,})"', load(file.stem).source))
    used &= commands
    assert used >= {"hset", "zadd", "xadd", "lpos"}
    reading, writing, dangerous = [set(await admin.acl_cat(name)) for name in ("read", "write", "dangerous")]
    assert used <= (reading | writing) - dangerous


@BOTH
async def test_without_rights_for_the_keys_an_error_says_so(kind: str, server: Server, admin: Redis) -> None:
    _, user = await make_user(admin, "~other:* +@all")
    with pytest.raises(OxcartError, match="permissions to access"):
        await ask(kind, server.url(user))


@BOTH
async def test_a_wrong_password_is_a_refused_login(kind: str, server: Server, admin: Redis) -> None:
    name, _ = await make_user(admin, WORKER)
    with pytest.raises(ServerRefused, match=f"Redis at redis://{name}:.* refuses the log-in") as caught:
        await ask(kind, server.url(f"{name}:wrong"))
    assert caught.value.code == "NOAUTH"


async def test_a_worker_waits_until_its_password_is_right_and_tells_of_it_once(
    server: Server, admin: Redis, queue_name: str
) -> None:
    name, user = await make_user(admin, WORKER)
    errors: list[BaseException] = []
    await admin.execute_command("ACL", "SETUSER", name, "resetpass", ">changed")
    async with Queue(queue_name, connection=server.url()) as queue:
        job = await queue.add("x")
        worker = Worker(queue_name, quick, connection=server.url(user), stalled_interval=0.1)
        worker.on("error")(errors.append)
        running = asyncio.create_task(worker.run())

        async def tried_often() -> bool:
            return sum(entry["count"] for entry in await acl_log(admin, name)) >= 10

        await wait_until(tried_often)
        assert [type(error) for error in errors] == [ServerRefused]
        await admin.execute_command("ACL", "SETUSER", name, f">{user.partition(':')[2]}")

        async def done() -> bool:
            return await job.state() == "completed"

        await wait_until(done)
        assert not running.done()
        await worker.close()
        await running
        assert len(errors) == 1


ODD = "p@ss:w/o?r#d &%+=é"


@BOTH
async def test_a_name_and_a_password_may_have_any_characters(kind: str, server: Server, admin: Redis) -> None:
    user = f"us@er/{secrets.token_hex(4)}"
    await admin.execute_command("ACL", "SETUSER", user, "reset", "on", f">{ODD}", "+@all", "~*")
    login = f"{quote(user, safe='')}:{quote(ODD, safe='')}"
    assert (await ask(kind, server.url(login)))["user"] == user
    assert (await ask(kind, f"unix://{login}@{server.socket}?db=1"))["user"] == user


@BOTH
async def test_no_error_shows_the_password(
    kind: str, server: Server, tls: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "xyzzy"
    nobody = Server(server.folder, _free_port())
    urls = [
        server.url(f"nobody:{secret}"),
        server.url(f":{secret}", "/99999"),
        nobody.url(f"nobody:{secret}"),
        tls.url(f":{secret}"),
        tls.url(f":{secret}", f"/0?{OTHER_CA}", scheme="rediss"),
        f"unix://nobody:{secret}@{server.socket}",
        f"unix://nobody:{secret}@{server.socket}-is-not-here",
        f"redis+sentinel://:{secret}@localhost/main/0",
        f"redis+cluster://nobody:{secret}@localhost",
        f"redis://nobody:{secret}@localhost/notadatabase",
        f"redis://nobody:{secret}@localhost:notaport",
        f"http://nobody:{secret}@localhost",
    ]
    for url in urls:
        with pytest.raises(OxcartError) as caught:
            await ask(kind, url, timeout=0.5, connect_timeout=0.5)
        assert secret not in "".join(traceback.format_exception(caught.value)), url
    for url in urls[:7]:
        assert secret not in repr(name_of(kind)(url))
        assert secret not in repr(Worker("x", quick, connection=url)) + repr(Queue("x", connection=url))
    async with Queue("x", connection=urls[0], timeout=0.1) as queue:
        with pytest.raises(ConnectionFailed) as refused:
            await queue.add("x")
    assert secret not in "".join(traceback.format_exception(refused.value))
    assert secret not in caplog.text


# -------------------------------------------------------------------------------------------------------------- URLs


@BOTH
async def test_unix_sockets_with_and_without_a_database(kind: str, server: Server) -> None:
    for after, database in [("", "0"), ("?db=1", "1")]:
        info = await ask(kind, f"unix://{server.socket}{after}")
        assert (info["db"], "U" in info["flags"]) == (database, True)


@BOTH
@pytest.mark.parametrize("host", HOSTS)
async def test_tcp_with_and_without_a_database(kind: str, host: str, server: Server) -> None:
    for after, database in [("", "0"), ("/", "0"), ("/0", "0"), ("/5", "5"), ("?db=4", "4")]:
        assert (await ask(kind, server.url(host=host, after=after)))["db"] == database


async def test_a_queue_in_another_database_is_another_queue(server: Server, queue_name: str) -> None:
    one, other = server.url(), f"unix://{server.socket}?db=1"
    async with Queue(queue_name, connection=one) as here, Queue(queue_name, connection=other) as there:
        await here.add("x")
        assert (await here.count(), await there.count()) == (1, 0)
    await works_end_to_end(other, queue_name, "bull")


@BOTH
@pytest.mark.parametrize("url", ["redis+sentinel://a:1,b:2/main/0", "redis+cluster://a:1"])
def test_what_is_not_supported_yet_says_so(kind: str, url: str) -> None:
    with pytest.raises(OptionsError, match=r"redis\+\w+ is not supported yet; name one server directly"):
        name_of(kind)(url)


@BOTH
async def test_where_nobody_listens_the_error_names_the_address(kind: str, server: Server) -> None:
    nobody = Server(server.folder, _free_port())
    for url in [nobody.url(), f"unix://{server.socket}-is-not-here"]:
        with pytest.raises(ConnectionFailed, match=f"Redis at {re.escape(url)}"):
            await ask(kind, url)


async def test_who_waits_for_a_connection_that_is_closed_is_told_so_and_not_cancelled() -> None:
    with socket.socket() as silent:  # who connects is never answered
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connection = Connection(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        asking = asyncio.create_task(Queue("q", connection=connection).counts())
        await wait_until(lambda: connection.transport._opening is not None)  # pyright: ignore[reportPrivateUsage]
        await connection.close()
        with pytest.raises(ConnectionFailed, match="was closed"):
            await asking


# ----------------------------------------------------------------------------------------------------------- clusters


@contextmanager
def serving_cluster(*slots: int) -> Generator[Server]:
    """A cluster of one server, which serves these slots only: a key of any other is an error, in scripts too."""
    options = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"]
    with serving("--port", "PORT", *options) as server, BlockingRedis(port=server.port, protocol=2) as admin:
        admin.execute_command("CLUSTER", "ADDSLOTS", *slots)
        deadline = time.monotonic() + 20
        while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO"):  # pyright: ignore
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield server


BULL, PAINT = 9263, 8492
"""The slots of the tags `bull` and `paint`, as `CLUSTER KEYSLOT` tells."""


@pytest.fixture(scope="module")
def two_slots() -> Iterator[Server]:
    with serving_cluster(BULL, PAINT) as server:
        yield server


async def test_the_cluster_refuses_keys_of_other_slots_in_scripts_too(two_slots: Server) -> None:
    touch = "return redis.call('SET', ARGV[1], 1)"
    async with Connection(two_slots.url()) as connection:
        for key, slot in [("{bull}:x", BULL), ("bull:{paint}:x", PAINT)]:
            assert await connection.transport.execute("CLUSTER", "KEYSLOT", key) == slot
            assert await connection.transport.execute("EVAL", touch, 1, key, key) == "OK"
        with pytest.raises(OxcartError):
            await connection.transport.execute("EVAL", touch, 1, "{bull}:x", "oxcart:x")
        with pytest.raises(OxcartError):
            await connection.transport.execute("EVAL", touch, 0, "bull:x")


@pytest.mark.parametrize(("queue", "prefix"), [("email", "{bull}"), ("{paint}", "bull"), ("{paint}", "{bull}")])
async def test_with_a_hash_tag_all_keys_of_a_queue_are_in_one_slot(queue: str, prefix: str, two_slots: Server) -> None:
    await works_end_to_end(two_slots.url(), queue, prefix)


async def test_with_a_hash_tag_a_lost_job_comes_back(two_slots: Server) -> None:
    async with (
        Redis(port=two_slots.port, protocol=2) as redis,
        Queue("lost", connection=two_slots.url(), prefix="{bull}") as queue,
    ):
        job = await queue.add("x")
        await redis.lmove("{bull}:lost:wait", "{bull}:lost:active")  # pyright: ignore
        await redis.lpush("{bull}:lost:wait", "no such job")  # pyright: ignore
        worker = Worker("lost", quick, connection=two_slots.url(), prefix="{bull}", stalled_interval=0.1)
        running = asyncio.create_task(worker.run())

        async def both_ended() -> bool:
            counts = await queue.counts()
            return (counts["completed"], counts["failed"]) == (1, 1)

        await wait_until(both_ended)
        assert await job.state() == "completed"
        await worker.close()
        await running


async def test_without_a_hash_tag_a_cluster_refuses_and_the_error_says_why() -> None:
    with serving_cluster(*range(16384)) as server:
        for kind in ["async", "blocking"]:
            with pytest.raises(OxcartError, match="Keys in request don't hash to the same slot"):
                await ask(kind, server.url())


# ------------------------------------------------------------------------------------------------ how many there are


async def names_of_clients(admin: Redis) -> list[str]:
    """The names of all connections but the asking one, those without a name too."""
    me = await admin.client_id()
    return sorted(client["name"] for client in await admin.client_list() if int(client["id"]) != me)


async def test_all_queues_and_workers_of_a_process_share_one_connection_for_commands() -> None:
    with serving("--port", "PORT") as server:
        async with Redis(unix_socket_path=server.socket, decode_responses=True, protocol=2) as admin:
            await _share_one(server, admin)


async def _share_one(server: Server, admin: Redis) -> None:
    number, let_go = 4, asyncio.Event()

    async def work(job: Job) -> None:
        await let_go.wait()

    async def open_now(unnamed: int, named: list[str]) -> bool:
        return await names_of_clients(admin) == [""] * unnamed + sorted(named)

    connection = Connection(server.url())
    assert await open_now(0, []), "nothing is opened before the first call"
    queues = [Queue(f"q{n}", connection=connection) for n in range(number)]
    for queue in queues:
        await queue.add("x", attempts=2)
    assert await open_now(1, [])
    workers = [Worker(queue.name, work, connection=connection, lock_duration=0.5) for queue in queues]
    named = [queue.keys.client_name(None) for queue in queues]
    workers[0].name, named[0] = "mine", queues[0].keys.client_name("mine")
    running = [asyncio.create_task(worker.run()) for worker in workers]
    # Each worker waits over a connection of its own; once it holds jobs, their locks are kept over another.
    await wait_until(lambda: open_now(1 + number, named))
    let_go.set()
    await wait_until(lambda: _all_idle(admin, number))
    assert await open_now(1 + number, named), "settling opens nothing more"
    async with QueueEvents("q0", connection=connection), QueueEvents("q1", connection=connection):
        # Who listens to whatever queue shares one more.
        await wait_until(lambda: open_now(1 + number, [*named, queues[0].keys.reader_name]))
    await wait_until(lambda: open_now(1 + number, named))
    for worker in workers:
        await worker.close()
    await asyncio.gather(*running)
    await wait_until(lambda: open_now(1, []))
    await connection.close()
    await wait_until(lambda: open_now(0, []))


async def _all_idle(admin: Redis, number: int) -> bool:
    return [client["cmd"] for client in await admin.client_list()].count("bzpopmin") == number


# --------------------------------------------------------------------------------------------------- threads and forks

# What every one of them does: calls whose answers are its own, and whose mixing up would show.
TALK = """
import asyncio, os, sys, threading
import oxcart, oxcart.sync
from oxcart.protocol.calls import read
from oxcart.protocol.keys import Keys

connection = oxcart.sync.Connection(sys.argv[1])

def talk(who, calls):
    for n in range(calls):
        assert connection.transport.execute("ECHO", f"{who} {n}") == f"{who} {n}"
        if n % 10 == 0:
            assert set(connection.run(read.counts(Keys("nobodys"))).values()) == {0}

def in_child(work):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)

def all_fine(children):
    return [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
"""


def runs(server: Server, program: str, url: str = "") -> None:
    """Run a program of its own process to its end, which is the word `fine`."""
    done = subprocess.run(
        [sys.executable, "-c", TALK + program, url or server.url()], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("fine\n", 0), done.stderr


def test_threads_share_a_blocking_connection_and_get_their_own_answers(server: Server) -> None:
    connection = BlockingConnection(server.url(after="/7"))
    meeting, wrong = threading.Barrier(8), list[str]()

    def talk(who: int) -> None:
        meeting.wait()
        for n in range(200):
            if connection.transport.execute("ECHO", f"{who} {n}") != f"{who} {n}":
                wrong.append(f"{who} {n}")

    threads = [threading.Thread(target=talk, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    opened = connection.transport.execute("CLIENT", "LIST").count(" db=7 ")
    assert opened <= 8, "one connection for each thread at most"
    connection.close()


def test_a_blocking_connection_that_is_closed_while_it_is_opened_leaves_nothing_open(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, closed, sockets = threading.Event(), threading.Event(), list[socket.socket]()
    connect = UnixDomainSocketConnection._connect  # pyright: ignore[reportPrivateUsage]

    def connect_late(self: UnixDomainSocketConnection) -> socket.socket:
        begun.set()
        closed.wait(30)
        sockets.append(opened := connect(self))
        return opened

    monkeypatch.setattr(UnixDomainSocketConnection, "_connect", connect_late)
    connection = BlockingConnection(f"unix://{server.socket}")
    asking = threading.Thread(target=connection.transport.execute, args=("PING",))
    asking.start()
    begun.wait(30)
    kept = connection.transport._client  # pyright: ignore[reportPrivateUsage]  # as the traceback of an error does
    connection.close()
    closed.set()
    asking.join()
    assert kept is not None and [opened.fileno() for opened in sockets] == [-1]


def test_a_fork_may_go_on_with_the_blocking_connection_of_its_parent(server: Server) -> None:
    runs(
        server,
        """
talk("before", 5)
child = in_child(lambda: talk("child", 300))
talk("parent", 300)
assert all_fine([child])
talk("after", 5)
print("fine")
""",
    )


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_server_may_use_a_connection_of_its_module_and_fork_its_workers_then(
    scheme: str, server: Server, tls: Server
) -> None:
    url = server.url() if scheme == "redis" else tls.url(scheme="rediss", after=f"/0?{CA}")
    runs(
        server,
        """
talk("preloaded", 5)
children = [in_child(lambda n=n: talk(f"worker {n}", 200)) for n in range(4)]
talk("master", 200)
assert all_fine(children)
# A worker that has died is replaced, by a fork of a master that has talked meanwhile.
assert all_fine([in_child(lambda: talk("replaced", 200))])
print("fine")
""",
        url,
    )


@pytest.mark.parametrize("shell", ["oxcart", "oxcart.sync"])
def test_forks_of_a_module_with_a_queue_lose_no_job(shell: str, server: Server) -> None:
    runs(
        server,
        f"""
import {shell}, uuid
emails = {shell}.Queue(f"q{{uuid.uuid4().hex}}", connection=sys.argv[1])

async def add(who, many):
    for n in range(many):
        added = emails.add("x", {{"who": who, "n": n}})
        await added if asyncio.iscoroutine(added) else None

asyncio.run(add("before", 5))
children = [in_child(lambda n=n: asyncio.run(add(n, 50))) for n in range(4)]
asyncio.run(add("parent", 50))
assert all_fine(children)
with oxcart.sync.Queue(emails.name, connection=sys.argv[1]) as queue:
    jobs = {{(job.data["who"], job.data["n"]) for job in queue.jobs("waiting")}}
assert len(jobs) == 255, len(jobs)
print("fine")
""",
    )


def test_a_fork_may_close_the_blocking_connection_of_its_parent(server: Server) -> None:
    runs(
        server,
        """
talk("before", 5)
assert all_fine([in_child(connection.close)])
talk("after", 5)
print("fine")
""",
    )


def test_a_fork_may_go_on_with_the_async_connection_of_its_parent_in_a_loop_of_its_own(server: Server) -> None:
    runs(
        server,
        """
connection = oxcart.Connection(sys.argv[1])

async def talk(who, calls):
    for n in range(calls):
        assert await connection.transport.execute("ECHO", f"{who} {n}") == f"{who} {n}"

asyncio.run(talk("before", 5))
children = [in_child(lambda n=n: asyncio.run(talk(f"child {n}", 200))) for n in range(3)]
asyncio.run(talk("parent", 200))
assert all_fine(children)
print("fine")
""",
    )
