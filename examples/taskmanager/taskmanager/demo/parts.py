"""The parts of the demo: Redis, the inbox, the web application and the worker, started and stopped in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from oxcart import Queue, embedded

from ..queues import DIGEST_BATCH, EMAIL, Queues
from . import Unexpected
from .children import STOP_WITHIN_S, Child, running
from .inbox import HOST, Inbox
from .screen import Screen
from .tour import Refusals, Tour
from .watch import Watch

USUAL_PORT = 8000
PROJECT = Path(__file__).parents[2]

WEB = ["-m", "uvicorn", "taskmanager.app:app", "--no-access-log", "--host", HOST, "--port"]
WORKER = ["-m", "oxcart.cli.main", "worker", "taskmanager.worker:worker"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs, and the tour through it."""

    url: str
    children: list[Child]
    tour: Tour


@asynccontextmanager
async def all_parts(screen: Screen, wished_port: int) -> AsyncGenerator[Parts, None]:
    """All parts, while the block runs. They may not be ready yet: the tour begins by waiting for them."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(private_folder())
        redis_url = await stack.enter_async_context(redis(folder))
        inbox = Inbox(
            refuse=Refusals(screen),
            on_arrival=lambda mail: screen.event("inbox", f'"{mail["Subject"]}" for {mail["To"]}', "green"),
        )
        await stack.enter_async_context(inbox.open())
        port = free_port(wished_port)
        url = f"http://{HOST}:{port}"
        introduce(
            screen, "embedded, in " + str(folder) if str(folder) in redis_url else "as REDIS_URL says", url, inbox
        )
        api = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
        watch = Watch(screen, api)
        stack.callback(watch.close)
        queues = Queues(redis_url)
        stack.push_async_callback(queues.close)
        environment = environment_for(folder, redis_url, inbox.port, url)
        children = [
            await stack.enter_async_context(running(name, command, environment, folder, watch.hear))
            for name, command in (("web", [*WEB, str(port)]), ("worker", WORKER))
        ]
        yield Parts(url, children, Tour(screen, api, watch, inbox, queues))


def introduce(screen: Screen, redis_says: str, url: str, inbox: Inbox) -> None:
    """Say what is being started; from here on the seconds count."""
    screen.say("Task Manager: a web application, a worker and a mail server.", "bold")
    screen.say(f"  Redis   {redis_says}")
    screen.say(f"  web     {url}  (a process of its own)")
    screen.say("  worker  oxcart worker taskmanager.worker:worker  (a process of its own)")
    screen.say(f"  inbox   {HOST}:{inbox.port}  (refuses one mail once, and one for good)")
    screen.say()
    screen.restart_clock()


def environment_for(folder: Path, redis_url: str, smtp_port: int, web_url: str) -> dict[str, str]:
    """The settings of the web application and the worker, whatever else is set on this machine."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "REDIS_URL": redis_url,
        "DATABASE_URL": f"sqlite:///{folder / 'taskmanager.db'}",
        "SMTP_HOST": HOST,
        "SMTP_PORT": str(smtp_port),
        "SMTP_USER": "",
        "SMTP_PASS": "",
        "FRONTEND_URL": web_url,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def private_folder() -> Generator[Path, None, None]:
    """A folder for the database and for Redis, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="taskmanager-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def redis(folder: Path) -> AsyncGenerator[str, None]:
    """The URL of the Redis to use: the one that `REDIS_URL` names, or one of our own that is gone afterwards."""
    if named := os.environ.get("REDIS_URL"):
        await refuse_others_jobs(named)
        try:
            yield named
        finally:
            await take_back_scheduler(named)
        return
    # Neither its start nor its end is awaited: an impatient Ctrl-C must not remove its folder under its feet.
    server = embedded.acquire(folder / "redis")
    try:
        yield f"embedded:{folder / 'redis'}"
    finally:
        server.release()
        wait_until_gone(Path(server.socket))


def wait_until_gone(file: Path) -> None:
    """Wait until a file has been removed, but not for ever."""
    deadline = time.monotonic() + STOP_WITHIN_S
    while file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


async def refuse_others_jobs(url: str) -> None:
    """Refuse a Redis whose queue `email` has work to do: our worker would take it, and mail it into our inbox."""
    async with Queue(EMAIL, connection=url) as queue:
        to_do = await queue.count() + (await queue.counts("active"))["active"]
    if to_do:
        raise Unexpected(f"the queue {EMAIL!r} at REDIS_URL has jobs to do that are not the demo's ({to_do} of them)")


async def take_back_scheduler(url: str) -> None:
    """Remove our scheduler, or that Redis would have work to do for ever."""
    async with Queue(EMAIL, connection=url) as queue:
        await queue.remove_scheduler(DIGEST_BATCH)


def free_port(wished: int = 0) -> int:
    """The port that one wishes for if nobody has it, another one if somebody does."""
    for port in (wished, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise Unexpected("there is no free port on this machine")
