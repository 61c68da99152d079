"""`python -m taskmanager.demo`: starts an inbox, the web application and a worker, and takes them on a tour."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from oxcart import OxcartError, embedded

from ..queues import EMAIL
from . import Unexpected
from .screen import Screen

try:
    from .children import Child
    from .parts import USUAL_PORT, Parts, all_parts
    from .tour import Tour
except ModuleNotFoundError as error:
    sys.exit(f"demo: {error.name} is missing: pip install 'oxcart-taskmanager[demo]'")

DEADLINE_S = 60

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as in a shell."""


def main() -> int:
    """Run the demo; 0 if all went well, 1 with one line on stderr if not."""
    parser = argparse.ArgumentParser(prog="python -m taskmanager.demo", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end when all mails have arrived and all jobs are completed"
    )
    once: bool = parser.parse_args().once
    try:
        return asyncio.run(demo(Screen(sys.stdout), once))
    except BrokenPipeError:
        # Whoever read our output has had enough of it; Python must not try again at its end.
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
        # Where nobody looks, any port will do, and two demos at once don't want the same one.
        async with all_parts(screen, wished_port=0 if once else USUAL_PORT) as parts:
            await within_deadline(parts.tour, parts.children)
            toured = True
            screen.say()
            screen.say(parts.tour.summary(), "green")
            if not once:
                invite(screen, parts)
                await first_to_end(parts.children)
                raise Unexpected(told_end(parts.children))
    except asyncio.CancelledError:
        screen.say()
        screen.say("Stopped.")
        return 0 if toured else INTERRUPTED
    return 0


async def within_deadline(tour: Tour, children: list[Child]) -> None:
    """The tour, unless it takes too long or a part of it dies."""
    touring, dying = asyncio.ensure_future(tour.run()), asyncio.ensure_future(first_to_end(children))
    try:
        done, _ = await asyncio.wait([touring, dying], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if touring in done:
            return touring.result()
        raise Unexpected(told_end(children) if done else f"not finished after {DEADLINE_S} s: {tour.unfinished()}")
    finally:
        touring.cancel()
        dying.cancel()


async def first_to_end(children: list[Child]) -> None:
    """Wait until one of them has ended."""
    await asyncio.wait([child.ended for child in children], return_when=asyncio.FIRST_COMPLETED)


def told_end(children: list[Child]) -> str:
    """Which one has ended by itself, and what it said last."""
    one = next(child for child in children if child.ended.done())
    return f"{one.name} has ended with exit code {one.ended.result()}: {one.last_line or 'it said nothing'}"


def invite(screen: Screen, parts: Parts) -> None:
    """Say what one can try now."""
    body = '{"name": "Alan Turing", "email": "alan@example.com", "password": "enigma-1942"}'
    screen.say()
    screen.say("Everything still runs, until Ctrl-C. Try this in another terminal:", "bold")
    screen.say(f"  curl {parts.url}/auth/register -H 'content-type: application/json' -d '{body}'")
    screen.say(f"  curl {parts.url}/jobs/{EMAIL}/{parts.tour.last_job_id}")
    screen.say(f"  or, in a browser: {parts.url}/docs")
    screen.say()


if __name__ == "__main__":
    sys.exit(main())
