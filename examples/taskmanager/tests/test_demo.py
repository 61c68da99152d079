"""The demo: the tour is green and ends by itself, the show stays, and nothing is left behind however they end."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from oxcart import Queue
from waiting import wait_until

from taskmanager.contract import QUEUES
from taskmanager.demo import Unexpected, __main__
from taskmanager.demo.inbox import Inbox
from taskmanager.demo.parts import free_port
from taskmanager.demo.screen import Screen
from taskmanager.demo.stage import MailServer, Stage
from taskmanager.demo.tour import servers
from taskmanager.demo.tour.look import NotHere
from taskmanager.demo.tour.table import ROUNDS, Rule, go

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


async def read_until(demo: Process, pattern: str, timeout: float = 120) -> str:
    """What the demo says up to a line with this pattern in it."""
    assert demo.stdout is not None
    said = ""
    async with asyncio.timeout(timeout):
        while not re.search(pattern, said):
            line = await demo.stdout.readline()
            assert line, f"it ended before it said {pattern!r}: {said}"
            said += line.decode()
    return said


def processes_of(folder: Path) -> list[str]:
    """All processes that the demo has started, and their children: they have its folder in their environment."""
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def folders_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def is_open(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


async def nothing_is_left(said: str, folder: Path) -> None:
    """Wait until the workers, the web application, the outside world and Redis are gone."""
    ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", said)]
    found = re.search(r"embedded, in (\S+)", said)
    assert len(ports) >= 3 and found
    await wait_until(lambda: not processes_of(folder), 60)
    await wait_until(lambda: not any(map(is_open, ports)))
    assert not (Path(found[1]) / "redis" / "redis.sock").exists()


# -------------------------------------------------------------------------------------------------------- the tour


async def test_the_tour_is_green_and_ends_by_itself(start_demo: StartDemo, folder: Path) -> None:
    demo = await start_demo("--once")
    out, errors = await demo.communicate()

    said = out.decode()
    assert (demo.returncode, errors) == (0, b""), said
    rules = [rule for rules in ROUNDS for rule in rules]
    for rule in rules:
        assert f"✔ {rule.says}\n" in said, said
    assert f"{len(rules)} of {len(rules)} rules hold" in said and "✘" not in said
    assert "\x1b" not in said  # no colours where there is no terminal
    await nothing_is_left(said, folder)
    assert folders_in(folder) == []


async def holds(stage: Stage) -> str:
    return "measured: 7 ms"


async def broken(stage: Stage) -> str:
    raise Unexpected("the mail came twice")


async def full_of_bugs(stage: Stage) -> str:
    raise KeyError("mail")


async def not_here(stage: Stage) -> str:
    raise NotHere("that can't be looked at here")


def bare_stage() -> tuple[Stage, io.StringIO]:
    """Nothing but a screen, and what is written on it."""
    out = io.StringIO()
    return cast(Stage, SimpleNamespace(screen=Screen(out))), out


@pytest.mark.parametrize(
    ("look", "line"), [(broken, "the mail came twice"), (full_of_bugs, "KeyError: 'mail'")], ids=["broken", "a bug"]
)
async def test_a_rule_that_does_not_hold_is_a_red_cross_and_the_others_are_looked_at(
    look: Callable[[Stage], Awaitable[str]], line: str
) -> None:
    stage, out = bare_stage()
    rounds = [[Rule("First", look), Rule("Beside", holds)], [Rule("Later", holds)]]

    assert await go(stage, rounds) is False
    table = out.getvalue().partition("\n\n")[2]
    assert re.search(rf"^✘ First +{re.escape(line)}$", table, re.MULTILINE)
    assert len(re.findall(r"^✔ (?:Beside|Later) +measured: 7 ms$", table, re.MULTILINE)) == 2
    assert "2 of 3 rules hold" in table


async def test_what_cannot_be_looked_at_is_neither_green_nor_red() -> None:
    stage, out = bare_stage()
    assert await go(stage, [[Rule("First", not_here), Rule("Second", holds)]]) is True
    assert re.search(r"^– First +that can't be looked at here$", out.getvalue(), re.MULTILINE)
    assert "1 of 1 rules hold" in out.getvalue()


@pytest.mark.parametrize(("green", "code"), [(True, 0), (False, 1)])
async def test_the_exit_code_says_whether_all_is_green(monkeypatch: pytest.MonkeyPatch, green: bool, code: int) -> None:
    async def ready(processes: int) -> None: ...

    async def toured(stage: Any) -> bool:
        return green

    @asynccontextmanager
    async def no_parts(*args: Any, **options: Any) -> AsyncIterator[Any]:
        child = SimpleNamespace(ended=asyncio.get_running_loop().create_future())
        yield SimpleNamespace(ready=ready, children=[child])

    monkeypatch.setattr(__main__, "all_parts", no_parts)
    monkeypatch.setattr(__main__, "go", toured)
    assert await __main__.tour(Screen(io.StringIO())) == code


async def test_a_redis_that_is_not_ours_is_not_killed() -> None:
    with pytest.raises(NotHere):
        await servers.jobs_survive(cast(Stage, SimpleNamespace(own_redis=False)))


# -------------------------------------------------------------------------------------------------------- the show


async def test_it_stays_until_ctrl_c_and_its_links_lead_somewhere(start_demo: StartDemo, folder: Path) -> None:
    demo = await start_demo()
    said = await read_until(demo, r"the API +\S+")

    for expected in (
        r"POST /auth/register \(Ada Lovelace\) → 201 in \d+ ms",
        r"email welcome +completed, returned",
        r'inbox +"Welcome to Task Manager!" for Ada Lovelace <ada@example.com>',
        r'push +"A task for you: Write the compiler" for Grace',
        r"email task-assigned +attempt 1 of 3 failed: .* 451 .*; it is tried again",
        r"kill -9 \d+",
        r"reports render +says how far it is: 2 of 2",
        r"images thumbnail +completed",
        r"digest-summary \(email:digest-[\d-]+\) completed\n",
        r"the next batch comes by itself: \d\d \w+ 08:00 UTC",
    ):
        if not re.search(expected, said):  # what is told of the queues may come a little later
            said += await read_until(demo, expected)
    assert [name for name in QUEUES if f" {name} " not in said] == []
    await look_around(said)

    demo.send_signal(signal.SIGINT)
    out, errors = await demo.communicate()
    assert (demo.returncode, errors) == (0, b""), out.decode()
    await nothing_is_left(said, folder)
    assert folders_in(folder) == []


async def look_around(said: str) -> None:
    """Follow the links that it shows."""
    page, dashboard, inbox = re.findall(r"  the (?:application|dashboard|inbox) +(\S+)", said)
    found = re.search(r"log in as (\S+), password ([\w-]+)", said)
    assert found
    async with httpx.AsyncClient(follow_redirects=True, timeout=60) as browser:
        await browser.post(f"{page}/auth/login", data={"email": found[1], "password": found[2]})
        assert "Describe the engine" in (await browser.get(f"{page}/tasks")).text
        assert (await browser.get(f"{dashboard}api/v1/overview")).status_code == 200
        mails = (await browser.get(inbox)).text
        assert "Your report is ready" in mails and "Ada Lovelace &lt;ada@example.com&gt;" in mails
        mail = await browser.get(f"{inbox}/mails/0")
        assert "sandbox" in mail.headers["content-security-policy"] and "Welcome" in mail.text
        assert (await browser.get(f"{inbox}/mails/999")).status_code == 404


async def test_it_leaves_no_process_behind_when_it_is_killed(start_demo: StartDemo, folder: Path) -> None:
    demo = await start_demo()
    said = await read_until(demo, r"kill -9 \d+")

    demo.kill()
    await demo.communicate()

    await nothing_is_left(said, folder)


async def test_it_takes_the_redis_that_redis_url_names(start_demo: StartDemo, redis_url: str) -> None:
    demo = await start_demo(REDIS_URL=redis_url)
    await read_until(demo, r"the API +\S+")
    demo.send_signal(signal.SIGINT)
    out, _ = await demo.communicate()

    assert demo.returncode == 0, out.decode()
    async with Queue("email", connection=redis_url) as queue:
        assert (await queue.counts("completed"))["completed"] > 5
        # It comes again without asking, but not for the next one who uses this Redis.
        assert await queue.schedulers() == []
        assert await queue.count() == 0


async def test_it_keeps_off_a_queue_with_work_to_do(start_demo: StartDemo, redis_url: str) -> None:
    async with Queue("reports", connection=redis_url) as queue:
        await queue.add("render", {"reportId": "somebody's"})
        demo = await start_demo("--once", REDIS_URL=redis_url)
        _, errors = await demo.communicate()

        assert demo.returncode == 1
        assert errors.decode().startswith("demo: the queue 'reports' at REDIS_URL has jobs to do")
        assert await queue.counts("waiting") == {"waiting": 1}


@pytest.mark.parametrize("wrong", [{"REDIS_URL": "redis://127.0.0.1:1"}, {"OXCART_REDIS_SERVER": "/none"}])
async def test_what_is_wrong_is_one_line(start_demo: StartDemo, wrong: dict[str, str]) -> None:
    demo = await start_demo("--once", **wrong)
    _, errors = await demo.communicate()

    assert demo.returncode == 1
    assert errors.decode().startswith("demo: ") and errors.decode().count("\n") == 1


# ------------------------------------------------------------------------------------------------------- its parts


def test_a_busy_port_is_avoided() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert free_port(port) not in (0, port)


async def test_a_mail_server_that_was_away_is_back_at_its_port() -> None:
    mail = MailServer(Inbox())
    await mail.start()
    port = mail.inbox.port
    assert is_open(port)
    await mail.stop()
    assert not is_open(port)
    await mail.start()
    assert mail.inbox.port == port and is_open(port)
    await mail.stop()
