"""A Redis that is killed and comes back: no job is lost, and nobody has to be told to go on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import Register, RunWorkers
from oxcart import Queue, embedded
from redis import Redis
from redis.exceptions import ConnectionError
from waiting import wait_until

from taskmanager.demo.inbox import Inbox
from taskmanager.worker import email_worker


class Server:
    """A Redis as one has it in production: it writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{folder}/redis.sock"

    def start(self) -> None:
        settings = ["--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [embedded.find_binary(), *settings], stdout=subprocess.DEVNULL, cwd=self._folder
        )

    def answers(self) -> bool:
        with Redis.from_url(self.url) as redis:
            try:
                return bool(redis.ping())
            except ConnectionError:
                return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tm", dir="/tmp") as folder:  # a short name: sockets want one
        server = Server(Path(folder))
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def redis_url(server: Server) -> str:
    await wait_until(server.answers)
    return server.url


async def test_jobs_survive_a_redis_that_is_killed(
    server: Server, queue: Queue, inbox: Inbox, register: Register, run_workers: RunWorkers
) -> None:
    link = (await register())["job"]
    server.kill()
    server.start()
    await wait_until(server.answers)

    assert await queue.state(link["id"]) == "prioritized"
    await run_workers(email_worker)
    await wait_until(lambda: inbox.mails)


async def test_who_works_while_redis_is_killed_goes_on_when_it_is_back(
    server: Server, api: httpx.AsyncClient, inbox: Inbox, register: Register, run_workers: RunWorkers
) -> None:
    await run_workers(email_worker)
    await register(email="first@example.com")
    await wait_until(lambda: len(inbox.mails) == 1)
    server.kill()
    assert (await register(email="second@example.com"))["job"] is None  # registered all the same
    server.start()
    await wait_until(server.answers)

    assert (await register(email="third@example.com"))["job"] is not None
    await wait_until(lambda: len(inbox.mails) == 2)
    assert inbox.mails[1]["To"] == "Ada Lovelace <third@example.com>"
