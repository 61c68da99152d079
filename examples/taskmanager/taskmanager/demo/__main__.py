"""`python -m taskmanager.demo`: starts an inbox, the web application and a worker, and takes them on a tour."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from oxcart import OxcartError, Queue, embedded

from ..queues import EMAIL
from .screen import Screen

try:
    import httpx

    from .children import STOP_WITHIN_S, Child, running
    from .inbox import HOST, Inbox
    from .tour import RefuseOnce, Tour, Unexpected
    from .watch import Watch
except ModuleNotFoundError as error:
    sys.exit(f"demo: {error.name} is missing: pip install 'oxcart-taskmanager[demo]'")

DEADLINE_S = 60
USUAL_PORT = 8000
PROJECT = Path(__file__).parents[2]


def main() -> int:
    """Run the demo; 0 if all went well, 1 with one line on stderr if not."""
    arguments = argparse.ArgumentParser(prog="python -m taskmanager.demo", description=__doc__)
    arguments.add_argument("--once", action="store_true", help="end when all mails have arrived and all jobs are done")
    once = arguments.parse_args().once
    try:
        return asyncio.run(demo(Screen(sys.stdout), once))
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Unexpected, OxcartError, embedded.ServerNotFound, embedded.ServerFailed, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


async def demo(screen: Screen, once: bool) -> int:
    """Start everything, go on the tour, stay until Ctrl-C unless it is to be done once, stop everything."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    toured = False
    try:
        async with parts(screen, port=free_port() if once else free_port(USUAL_PORT)) as (tour, api, children):
            await within_deadline(tour, children)
            toured = True
            screen.say()
            screen.say(tour.summary(), "green")
            if not once:
                invite(screen, str(api.base_url).rstrip("/"))
                await first_to_end(children)
                raise Unexpected(ended(children))
    except asyncio.CancelledError:
        screen.say()
        screen.say("Stopped.")
        return 0 if toured else 130
    return 0


async def within_deadline(tour: Tour, children: list[Child]) -> None:
    """The tour, unless it takes too long or a part of it dies."""
    touring, dying = asyncio.ensure_future(tour.run()), asyncio.ensure_future(first_to_end(children))
    try:
        done, _ = await asyncio.wait([touring, dying], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if touring in done:
            return touring.result()
        raise Unexpected(ended(children) if done else f"not finished after {DEADLINE_S} s: {tour.unfinished()}")
    finally:
        for future in (touring, dying):
            future.cancel()


async def first_to_end(children: list[Child]) -> None:
    """Wait until one of them has ended."""
    await asyncio.wait([child.ended for child in children], return_when=asyncio.FIRST_COMPLETED)


def ended(children: list[Child]) -> str:
    """Which one has ended by itself, and what it said last."""
    one = next(child for child in children if child.ended.done())
    return f"{one.name} has ended with exit code {one.ended.result()}: {one.last_line or 'it said nothing'}"


def invite(screen: Screen, url: str) -> None:
    """Say what one can try now."""
    body = '{"name": "Alan Turing", "email": "alan@example.com", "password": "enigma-1942"}'
    screen.say()
    screen.say(f"Everything still runs, until Ctrl-C. The API's pages: {url}/docs. Try this in another terminal:")
    screen.say(f"  curl {url}/auth/register -H 'content-type: application/json' -d '{body}'")
    screen.say(f"  curl {url}/jobs/{EMAIL}/1")
    screen.say()


# ---------------------------------------------------------------------------------------------- the parts


@asynccontextmanager
async def parts(screen: Screen, port: int) -> AsyncGenerator[tuple[Tour, httpx.AsyncClient, list[Child]], None]:
    """The inbox, Redis, the web application and the worker, ready to be toured."""
    folder = Path(tempfile.mkdtemp(prefix="taskmanager-"))
    try:
        async with contextlib.AsyncExitStack() as stack:
            inbox = Inbox(
                refuse=RefuseOnce(screen),
                on_arrival=lambda mail: screen.event("inbox", f'"{mail["Subject"]}" for {mail["To"]}', "green"),
            )
            await stack.enter_async_context(inbox.open())
            redis_url = await stack.enter_async_context(redis(folder))
            api = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=10))
            watch = Watch(screen, api)
            stack.callback(watch.close)
            introduce(screen, redis_url, folder, str(api.base_url), inbox.port)
            environment = environment_for(folder, redis_url, inbox.port, f"http://{HOST}:{port}")
            commands = {
                "web": ["-m", "uvicorn", "taskmanager.app:app", "--host", HOST, "--port", str(port), "--no-access-log"],
                "worker": ["-m", "oxcart.cli.main", "worker", "taskmanager.worker:worker"],
            }
            children = [
                await stack.enter_async_context(
                    running(name, command, environment, folder, lambda line, name=name: watch.hear(name, line))
                )
                for name, command in commands.items()
            ]
            await until_ready(watch, api, children)
            yield Tour(screen, api, watch, inbox), api, children
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def introduce(screen: Screen, redis_url: str, folder: Path, web_url: str, inbox_port: int) -> None:
    """Say what is being started."""
    own = f"embedded, in {folder}" if str(folder) in redis_url else "the one that REDIS_URL names"
    screen.say("Task Manager: a web application, a worker and a mail server.", "bold")
    screen.say(f"  Redis   {own}")
    screen.say(f"  web     {web_url}  (a process of its own)")
    screen.say("  worker  oxcart worker taskmanager.worker:worker  (a process of its own)")
    screen.say(f"  inbox   {HOST}:{inbox_port}  (refuses one mail once, to show a retry)")
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


async def until_ready(watch: Watch, api: httpx.AsyncClient, children: list[Child]) -> None:
    """Wait until the web application answers and the worker works."""
    ending = asyncio.ensure_future(first_to_end(children))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not watch.worker_starts or not await answers(api):
                await asyncio.wait([ending], timeout=0.05)
                if ending.done():
                    raise Unexpected(ended(children))
    except TimeoutError:
        raise Unexpected(f"the web application or the worker is not ready after {DEADLINE_S} s") from None
    finally:
        ending.cancel()


async def answers(api: httpx.AsyncClient) -> bool:
    """Whether the web application answers, and Redis behind it."""
    with contextlib.suppress(httpx.HTTPError):
        return (await api.get(f"/jobs/{EMAIL}/none")).status_code == 404
    return False


@asynccontextmanager
async def redis(folder: Path) -> AsyncGenerator[str, None]:
    """The URL of the Redis to use: the one that `REDIS_URL` names, or one of our own that is gone afterwards."""
    if named := os.environ.get("REDIS_URL"):
        await refuse_others_jobs(named)
        yield named
        return
    directory = folder / "redis"
    server = await asyncio.to_thread(embedded.acquire, directory)
    try:
        yield f"embedded:{directory}"
    finally:
        # It stops by itself when its last user has gone; its folder must not be removed under its feet.
        server.release()
        await asyncio.to_thread(wait_until_gone, Path(server.socket))


def wait_until_gone(file: Path) -> None:
    """Wait until a file has been removed, but not for ever."""
    deadline = time.monotonic() + STOP_WITHIN_S
    while file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


async def refuse_others_jobs(url: str) -> None:
    """Refuse a Redis whose queue `email` has work to do: our worker would take it, and mail it into our inbox."""
    async with Queue(EMAIL, connection=url) as queue:
        waiting = await queue.count() + (await queue.counts("active"))["active"]
    if waiting:
        raise Unexpected(
            f"the queue {EMAIL!r} at REDIS_URL has {waiting} jobs that are not the demo's: unset REDIS_URL"
        )


def free_port(wished: int = 0) -> int:
    """The port that one wishes for if nobody has it, another one if somebody does."""
    for port in (wished, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return probe.getsockname()[1]
    raise Unexpected("there is no free port on this machine")


if __name__ == "__main__":
    sys.exit(main())
