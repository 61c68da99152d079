"""The demo: ends well by itself, and leaves nothing behind, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from oxcart import Queue
from waiting import wait_until

from taskmanager.demo.parts import free_port

StartDemo = Callable[..., Awaitable[Process]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo puts its own folder; its name is short, so that Redis has its socket inside."""
    with tempfile.TemporaryDirectory(prefix="tm", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
async def start_demo(folder: Path) -> AsyncIterator[StartDemo]:
    """Start the demo; it is killed after the test if it still runs."""
    started: list[Process] = []

    async def start(*arguments: str, **environment: str) -> Process:
        inherited = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
        demo = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "taskmanager.demo", *arguments),
            stdout=PIPE,
            stderr=PIPE,
            cwd=Path(__file__).parents[1],
            env=inherited | {"TMPDIR": str(folder)} | environment,
        )
        started.append(demo)
        return demo

    yield start
    for demo in started:
        with contextlib.suppress(ProcessLookupError):
            demo.kill()
        await demo.communicate()


async def read_until(demo: Process, pattern: str, timeout: float = 60) -> str:
    """What the demo says up to a line with this pattern in it."""
    assert demo.stdout is not None
    said = ""
    async with asyncio.timeout(timeout):
        while not re.search(pattern, said):
            line = await demo.stdout.readline()
            assert line, f"it ended before it said {pattern!r}: {said}"
            said += line.decode()
    return said


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_open(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def folders_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def nothing_is_left(said: str) -> None:
    """Wait until the worker, the web application, the inbox and Redis are gone."""
    pids = [int(pid) for pid in re.findall(r"ready \(pid (\d+)", said)]
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", said)]
    found = re.search(r"embedded, in (\S+)", said)
    assert pids and len(ports) >= 2 and found
    await wait_until(lambda: not any(map(is_alive, pids)))
    await wait_until(lambda: not any(map(is_open, ports)))
    await wait_until(lambda: not (Path(found[1]) / "redis" / "redis.sock").exists())


async def test_it_ends_by_itself_when_all_mails_have_arrived(start_demo: StartDemo, folder: Path) -> None:
    demo = await start_demo("--once")
    out, errors = await demo.communicate()

    said = out.decode()
    assert (demo.returncode, errors) == (0, b""), said
    for expected in (
        r"POST /auth/register \(Ada Lovelace\) → 201 in \d+ ms",
        r"job \d+ welcome +added to the queue",
        r"job \d+ welcome +active, attempt 1",
        r'inbox +"Welcome to Task Manager!" for Ada Lovelace <ada@example.com>',
        r"job \d+ welcome +completed, attempts: 1, returned: <\w+@taskmanager.io>",
        r"job \d+ task-assigned +attempt 1 of 3 failed: .* 451 .*; tries again 2 s later",
        r"kill -9 \d+",
        r"GET /jobs/email/\d+ .* → 200 in \d+ ms",
        r"job \d+ task-assigned +completed, attempts: 2",
        r"the batch of \d\d \w+ 08:00 \(0 8 \* \* \* UTC\) runs now",
        r'refuses "Your daily task summary" for Charles Babbage <charles@example.com>, with 550',
        r"daily-digest \w+… +no mail: .* nothing to do",
        r"digest-summary +completed, .* {'sent': 2, 'skipped': 1, 'failed': 1}",
        r"digest-summary \(email:digest-[\d-]+\) completed\n(├── daily-digest .*\n){3}└── daily-digest ",
        r"the next batch comes by itself: \d\d \w+ 08:00 UTC",
        r"9 mails have arrived, 12 jobs are completed and 1 has failed in 14 attempts",
    ):
        assert re.search(expected, said), (expected, said)
    assert "\x1b" not in said  # no colours where there is no terminal
    await nothing_is_left(said)
    assert folders_in(folder) == []


async def test_it_stays_until_ctrl_c(start_demo: StartDemo, folder: Path) -> None:
    demo = await start_demo()
    said = await read_until(demo, r"curl \S+/jobs/email/\S+")

    demo.send_signal(signal.SIGINT)
    out, errors = await demo.communicate()

    assert (demo.returncode, errors) == (0, b""), out.decode()
    await nothing_is_left(said)
    assert folders_in(folder) == []


async def test_it_leaves_no_process_behind_when_it_is_killed(start_demo: StartDemo) -> None:
    demo = await start_demo()
    said = await read_until(demo, r"kill -9 \d+")

    demo.kill()
    await demo.communicate()

    await nothing_is_left(said)


async def test_it_takes_the_redis_that_redis_url_names(start_demo: StartDemo, redis_url: str) -> None:
    demo = await start_demo("--once", REDIS_URL=redis_url)
    out, _ = await demo.communicate()

    assert demo.returncode == 0, out.decode()
    async with Queue("email", connection=redis_url) as queue:
        assert await queue.counts("completed", "failed") == {"completed": 12, "failed": 1}
        # It comes again without asking, but not for the next one who uses this Redis.
        assert await queue.schedulers() == []
        assert await queue.count() == 0


async def test_it_keeps_off_a_queue_with_work_to_do(start_demo: StartDemo, redis_url: str) -> None:
    async with Queue("email", connection=redis_url) as queue:
        await queue.add("welcome", {"userId": "somebody"})
        demo = await start_demo("--once", REDIS_URL=redis_url)
        _, errors = await demo.communicate()

        assert demo.returncode == 1
        assert errors.decode().startswith("demo: the queue 'email' at REDIS_URL has jobs to do")
        assert await queue.counts("waiting") == {"waiting": 1}


@pytest.mark.parametrize("wrong", [{"REDIS_URL": "redis://127.0.0.1:1"}, {"OXCART_REDIS_SERVER": "/none"}])
async def test_what_is_wrong_is_one_line(start_demo: StartDemo, wrong: dict[str, str]) -> None:
    demo = await start_demo("--once", **wrong)
    _, errors = await demo.communicate()

    assert demo.returncode == 1
    assert errors.decode().startswith("demo: ") and errors.decode().count("\n") == 1


def test_a_busy_port_is_avoided() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert free_port(port) not in (0, port)
