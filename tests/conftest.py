"""Fixtures for every test: a server of its own for each test process, and a queue name of its own for each test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import FlowProducer, Queue, Worker, embedded
from tests.clocks import Clock
from tests.hands import Hands
from tests.invariants import broken_invariants


class RedisServer:
    """A throw-away server on a unix socket that tests may kill, freeze and start again."""

    def __init__(self, folder: Path, binary: str) -> None:
        self.folder = folder
        self.binary = binary
        self.socket = str(folder / "s")
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, with what it had stored, and wait until it answers."""
        options = ["--port", "0", "--unixsocket", self.socket, "--dir", str(self.folder), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "yes"]
        if not self._knows("enable-debug-command"):
            options = options[:-2]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.binary, *options], stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"no server: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def _knows(self, option: str) -> bool:
        version = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout
        return "v=6." not in version or option != "enable-debug-command"

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
            link.settimeout(1)
            link.connect(self.socket)
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
        return False


def make_server() -> Iterator[RedisServer]:
    """A running server in a folder of its own, both gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ox"))
    server = RedisServer(folder, embedded.find_binary())
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server of this test process. Not to be harmed: others use it too."""
    yield from make_server()


@pytest.fixture
def fragile_server() -> Iterator[RedisServer]:
    """A server for this test alone, to be killed and frozen."""
    yield from make_server()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_server.url, decode_responses=True, encoding_errors="surrogateescape", protocol=2)  # pyright: ignore[reportUnknownMemberType]
    yield client
    await client.aclose()


@pytest.fixture
def queue_name() -> str:
    return f"q{secrets.token_hex(6)}"


@pytest.fixture
def allowed_breaks() -> set[str]:
    """Invariants that a test breaks on purpose; a test adds their names."""
    return set()


@pytest.fixture
async def queue(
    redis_server: RedisServer, redis: Redis, queue_name: str, allowed_breaks: set[str]
) -> AsyncIterator[Queue]:
    """A queue of its own for the test; afterwards its keys must make sense."""
    async with Queue(queue_name, connection=redis_server.url) as queue:
        yield queue
    broken = await broken_invariants(redis, "bull", queue_name, allow=allowed_breaks)
    assert not broken, "\n".join(broken)


@pytest.fixture
async def flows(redis_server: RedisServer) -> AsyncIterator[FlowProducer]:
    async with FlowProducer(connection=redis_server.url) as flows:
        yield flows


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(queue: Queue, redis_server: RedisServer, clock: Clock) -> AsyncIterator[Queue]:
    """The test's queue once more, for which it is always the time of the clock."""
    async with Queue(queue.name, connection=redis_server.url, clock=clock) as timed:
        yield timed


@pytest.fixture
def hands(queue: Queue, redis_server: RedisServer) -> Iterator[Hands]:
    """A worker of the queue by hand."""
    hands = Hands(redis_server.url, queue.name)
    yield hands
    hands.close()


RunWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def run_worker(queue: Queue, redis_server: RedisServer) -> AsyncIterator[RunWorker]:
    """Start workers of the queue, closed after the test: `worker = await run_worker(process, concurrency=5)`."""
    started: list[tuple[Worker, asyncio.Task[None]]] = []

    async def run(process: Any, **options: Any) -> Worker:
        options.setdefault("connection", redis_server.url)
        worker = Worker(queue.name, process, **options)
        started.append((worker, asyncio.create_task(worker.run())))
        return worker

    yield run
    for worker, task in started:
        await worker.close(timeout=1)
        await task


async def wait_until(condition: Callable[[], Any], timeout: float = 30) -> Any:
    """Wait until the condition, plain or async, is true; its value. Fails with its source line after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout} s")
        await asyncio.sleep(0.005)


def in_ci() -> bool:
    return bool(os.environ.get("CI"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that was skipped has not been done: that is a failure."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return  # a process of several: the one that gathers their results decides
    skipped = len(reporter.stats.get("skipped", ()))
    if in_ci() and skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"{skipped} tests were skipped, which in CI is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
