"""The stage: all parts of the demo, in the hands of those who show it or look at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..db import Database
from ..queues import Queues
from ..settings import Settings
from .children import Child
from .inbox import Inbox
from .outside import Outside
from .screen import Screen
from .visitor import Visitor
from .watch import Watch, until


class MailServer:
    """The demo's mail server, which can also be away."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self._open = AsyncExitStack()

    async def start(self) -> None:
        await self._open.enter_async_context(self.inbox.open(self.inbox.port))

    async def stop(self) -> None:
        await self._open.aclose()

    @asynccontextmanager
    async def slow(self, seconds: float) -> AsyncGenerator[None, None]:
        """Let everybody wait for an answer who delivers a mail while the block runs."""
        usual, self.inbox.before_answer = self.inbox.before_answer, lambda: asyncio.sleep(seconds)
        try:
            yield
        finally:
            self.inbox.before_answer = usual

    def mails_to(self, address: str, subject: str = "") -> list[EmailMessage]:
        """What somebody got. A mail that came twice has the same id both times, and counts once."""
        found = {
            mail["Message-ID"]: mail
            for mail in self.inbox.mails
            if address in str(mail["To"]) and subject in mail["Subject"]
        }
        return list(found.values())


@dataclass
class Stage:
    """What runs."""

    screen: Screen
    url: str
    folder: Path
    settings: Settings
    """Those of the web application and the workers."""
    own_redis: bool
    """Whether the server is ours, so that it may be killed."""
    mail: MailServer
    outside: Outside
    database: Database
    queues: Queues
    watch: Watch
    children: list[Child]
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    """What an earlier rule has left for a later one."""

    @asynccontextmanager
    async def visitor(self, name: str = "", email: str = "") -> AsyncGenerator[Visitor, None]:
        """Somebody with a browser, who has registered if a name is given."""
        found = Visitor(self.url)
        async with found.http:
            if name:
                await found.register(name, email)
            yield found

    async def ready(self, processes: int) -> None:
        """Wait until the web application answers and all workers work."""
        await until(lambda: len(self.watch.worker_pids()) >= processes, "the workers start", 90)
        await until(self._answers, "the web application starts", 90)

    async def _answers(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            async with self.visitor() as nobody:
                return (await nobody.http.get("/auth/login")).status_code == 200
        return False

    # ---------------------------------------------------------------------------------------- what breaks

    def living_workers(self) -> list[int]:
        """The worker processes that live now."""
        return [pid for pid in self.watch.worker_pids() if is_alive(pid)]

    async def kill_workers(self, number: int | None = None) -> list[int]:
        """Kill so many worker processes, or all, without a chance to finish anything."""
        pids = self.living_workers()[:number]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await until(lambda: not any(map(is_alive, pids)), "the workers die")
        return pids

    async def wait_for_new_workers(self, than: int, processes: int) -> float:
        """Wait until so many new worker processes work; how many seconds that took."""
        started = time.monotonic()
        await until(lambda: len(self.watch.worker_pids()) >= than + processes, "the workers are started again", 60)
        return time.monotonic() - started

    async def redis_pid(self) -> int:
        """The process of the Redis server; 0 if it doesn't answer."""
        client = cast(Any, Redis).from_url(self.settings.redis_url)
        try:
            return (await client.info("server"))["process_id"]
        except (RedisError, OSError):
            return 0
        finally:
            await client.aclose()


def is_alive(pid: int) -> bool:
    """Whether a process lives. One that has ended and that nobody has asked for yet does not matter."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
