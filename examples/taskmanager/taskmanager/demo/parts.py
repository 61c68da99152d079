"""The parts: Redis, the outside world, the web application and the workers, started and stopped in order."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from oxcart import Queue, embedded
from pydantic import SecretStr

from ..contract import ALERTS, DIGEST_BATCH, EMAIL, QUEUES
from ..db import Database
from ..queues import Queues
from ..settings import Settings
from ..vapid import new_private_key
from . import Unexpected
from .children import STOP_WITHIN_S, Child, running
from .inbox import HOST, Inbox
from .outside import OnPush, Outside
from .screen import Screen
from .stage import MailServer, Stage
from .watch import Watch

PROJECT = Path(__file__).parents[2]

USUAL_PORT = 8000

PROCESSES = 2
"""How many worker processes there are."""

USUAL_WORKERS, QUICK_WORKERS = "taskmanager.worker:workers", "taskmanager.demo.quick:workers"


@asynccontextmanager
async def all_parts(
    screen: Screen, *, inbox: Inbox, wished_port: int, workers: str, shows: bool
) -> AsyncGenerator[Stage, None]:
    """All parts, while the block runs. They may not be ready yet."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(private_folder())
        redis_url, own_redis = await stack.enter_async_context(redis(folder))
        mail = MailServer(inbox)
        await mail.start()
        stack.push_async_callback(mail.stop)
        outside = await stack.enter_async_context(Outside(inbox.mails, teller(screen) if shows else None).open())
        port = free_port(wished_port)
        settings = settings_for(folder, redis_url, inbox.port, f"http://{HOST}:{port}", outside.url)
        queues, database = Queues(redis_url), Database(settings.database_url)
        stack.push_async_callback(queues.close)
        stack.push_async_callback(database.close)
        watch = Watch(screen, queues, shows=shows)
        stack.push_async_callback(watch.close)
        stage = Stage(
            screen, settings.frontend_url, folder, settings, own_redis, mail, outside, database, queues, watch, []
        )
        introduce(stage, workers)
        await watch.open()
        for name, command in (("web", web_command(port)), ("worker", worker_command(workers))):
            child: Child = await stack.enter_async_context(
                running(name, command, environment_of(settings), folder, watch.hear)
            )
            stage.children.append(child)
        yield stage


def web_command(port: int) -> list[str]:
    options = ["--no-access-log", "--timeout-graceful-shutdown", "3", "--host", HOST, "--port", str(port)]
    return ["-m", "uvicorn", "taskmanager.app:app", *options]


def worker_command(target: str) -> list[str]:
    return ["-m", "oxcart.cli.main", "worker", target, "--processes", str(PROCESSES)]


def introduce(stage: Stage, workers: str) -> None:
    """Say what is being started; from here on the seconds count."""
    say = stage.screen.say
    say("Task Manager: a web application, its workers, and the world around them.", "bold")
    say(f"  Redis    {'embedded, in ' + str(stage.folder) if stage.own_redis else 'as REDIS_URL says'}")
    say(f"  web      {stage.url}  (a process of its own)")
    say(f"  workers  oxcart worker {workers} --processes {PROCESSES}  (a supervisor and {PROCESSES} more processes)")
    say(f"  inbox    {stage.outside.url}  (its mail server: {HOST}:{stage.mail.inbox.port})")
    say(f"  push     {stage.outside.url}/push  (instead of the vendors of browsers)")
    say()
    stage.screen.restart_clock()


def teller(screen: Screen) -> OnPush:
    """What shows notifications as a browser does."""
    return lambda who, what: screen.event("push", f'"{what["title"]}: {what["body"]}" for {who}', "green")


def settings_for(folder: Path, redis_url: str, smtp_port: int, web_url: str, outside_url: str) -> Settings:
    """The settings of the web application and the workers, whatever else is set on this machine."""
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        environment="development",
        redis_url=redis_url,
        database_url=f"sqlite:///{folder / 'taskmanager.db'}",
        data_dir=folder / "data",
        frontend_url=web_url,
        dashboard=None,
        smtp_host=HOST,
        smtp_port=smtp_port,
        smtp_user="",
        smtp_pass=SecretStr(""),
        vapid_private_key=SecretStr(new_private_key()),
        push_hosts=f"{HOST} {Settings.model_fields['push_hosts'].default}",
        alert_webhook=SecretStr(f"{outside_url}/alerts"),
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """The same settings, for other processes."""
    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    texts = {
        name.upper(): "" if value is None else value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }
    return os.environ | texts | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


@contextmanager
def private_folder() -> Generator[Path, None, None]:
    """A folder for the database and for Redis, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="taskmanager-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --------------------------------------------------------------------------------------------------------- Redis


@asynccontextmanager
async def redis(folder: Path) -> AsyncGenerator[tuple[str, bool], None]:
    """The URL of the Redis to use, and whether it is our own, gone afterwards; it is not if `REDIS_URL` names one."""
    if named := os.environ.get("REDIS_URL"):
        await refuse_others_jobs(named)
        try:
            yield named, False
        finally:
            await take_back_scheduler(named)
        return
    # Neither its start nor its end is awaited: an impatient Ctrl-C must not remove its folder under its feet.
    server = embedded.acquire(folder / "redis")
    try:
        yield server.url, True
    finally:
        server.release()
        wait_until_gone(Path(server.socket))


def wait_until_gone(file: Path) -> None:
    """Wait until a file has been removed, but not for ever."""
    deadline = time.monotonic() + STOP_WITHIN_S
    while file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


async def refuse_others_jobs(url: str) -> None:
    """Refuse a Redis whose queues have work to do: our workers would take it, and mail it into our inbox."""
    for name in (*QUEUES, ALERTS):
        async with Queue(name, connection=url) as queue:
            if to_do := await queue.count() + (await queue.counts("active"))["active"]:
                raise Unexpected(
                    f"the queue {name!r} at REDIS_URL has jobs to do that are not the demo's ({to_do} of them)"
                )


async def take_back_scheduler(url: str) -> None:
    """Remove our scheduler, and what it has added for later, or that Redis would have work to do for ever."""
    async with Queue(EMAIL, connection=url) as queue:
        await queue.remove_scheduler(DIGEST_BATCH)
        for job in await queue.jobs("delayed", "waiting-children"):
            if job.name in ("daily-digest", "digest-summary"):
                await queue.remove_job(job.id)


def free_port(wished: int = 0) -> int:
    """The port that one wishes for if nobody has it, another one if somebody does.

    The others are not those that the system gives away: it is some seconds until ours is taken.
    """
    for port in (*([wished] if wished else []), *random.sample(range(20_000, 30_000), 100), 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise Unexpected("there is no free port on this machine")
