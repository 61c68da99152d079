"""What tests of the commands share: `oxcart worker` as a process, with workers to run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oxcart import Job
from oxcart.cli.supervisor import SAME_SIGNAL_S
from tests.conftest import RedisServer, wait_until

MODULE = """
import asyncio, os
from oxcart import Worker

async def work(job):
    await asyncio.sleep(job.data.get("s", 0))
    told = False
    while "until" in job.data and not os.path.exists(job.data["until"]):
        if worker.phase.name != "RUNNING" and not told:
            told = True
            print("asked to stop", flush=True)
        await asyncio.sleep(0.01)
    return os.getpid()

worker = Worker({queue!r}, work, connection={url!r}, concurrency=2)
other = Worker("other", work, connection={url!r})

def both():
    return [worker, other]

twice = [worker, worker]
text = "no worker"
"""


# -P: as the program `oxcart`, it is not disturbed by what is in the folder.
WORKER = [sys.executable, "-P", "-m", "oxcart.cli.main", "worker"]


class Command:
    """`oxcart worker` under test, with what it said."""

    def __init__(self, folder: Path, arguments: list[str], *, shell: str = 'exec "$@"') -> None:
        self.log = folder.with_suffix(".log")
        command = ["sh", "-c", shell, "sh", *WORKER, *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)

    def said(self) -> str:
        return self.log.read_text()

    def pids(self) -> list[int]:
        """The worker processes that were started, oldest first."""
        words = [line.split("(pid ")[1] for line in self.said().splitlines() if "(pid " in line]
        return [int(word.rstrip(")")) for word in words]

    async def interrupt(self, heard: str) -> None:
        """Send a signal that can't be taken for the one before, and wait until it is heard."""
        await asyncio.sleep(SAME_SIGNAL_S)
        self.process.send_signal(signal.SIGINT)
        await wait_until(lambda: heard in self.said())

    async def ends(self) -> int:
        await wait_until(lambda: self.process.poll() is not None)
        return self.process.returncode


async def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`oxcart worker` with something that ends it at once."""
    return await asyncio.to_thread(
        subprocess.run, [*WORKER, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )


@pytest.fixture(autouse=True)
def signals_put_back() -> Iterator[None]:
    """A supervisor ignores signals once all is done, as its process ends then: that of the tests does not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def folder(tmp_path: Path, queue_name: str, redis_server: RedisServer) -> Path:
    (tmp_path / "jobs.py").write_text(MODULE.format(queue=queue_name, url=redis_server.url))
    return tmp_path


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    started: list[Command] = []
    yield started
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        command.process.wait()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if not Path("/proc").exists():
        return True
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may go between two looks
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


def write(file: Path, text: str) -> None:
    """Put a file in the place of another at once: a worker that starts must not read half of it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


async def active(job: Job) -> bool:
    return await job.state() == "active"


async def completed(job: Job) -> bool:
    return await job.state() == "completed"
