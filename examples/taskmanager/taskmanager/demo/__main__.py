"""`python -m taskmanager.demo`: everything in one terminal; with `--once`, a tour that checks each rule and ends."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from oxcart import OxcartError, embedded

from . import Unexpected
from .screen import Screen

try:
    from .children import Child
    from .inbox import Inbox
    from .parts import PROCESSES, QUICK_WORKERS, USUAL_PORT, USUAL_WORKERS, all_parts
    from .show import Refusals, Show, announce
    from .tour import go
except ModuleNotFoundError as error:
    sys.exit(f"demo: {error.name} is missing: pip install 'oxcart-taskmanager[demo]'")

T = TypeVar("T")

DEADLINE_S = 480
"""The tour takes half a minute, and longer where the machine has other things to do."""

INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended, as in a shell."""


def main() -> int:
    """Run the demo; 0 if all went well, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m taskmanager.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="check each rule of the lesson, print a table, and end")
    once: bool = parser.parse_args().once
    # The tour has the application in this process, too; what it logs here is nothing to be shown.
    logging.basicConfig(handlers=[logging.NullHandler()])
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
    """Start everything, and go on the tour, or show something and stay until Ctrl-C; then stop everything."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    shown = False
    try:
        if once:
            return await tour(screen)
        inbox = Inbox(refuse=Refusals(screen), on_arrival=lambda mail: announce(screen, mail))
        async with all_parts(screen, inbox=inbox, wished_port=USUAL_PORT, workers=USUAL_WORKERS, shows=True) as stage:
            show = Show(stage)
            await unless_one_dies(show.run(), stage.children)
            show.invite()
            shown = True
            await first_to_end(stage.children)
            raise Unexpected(told_end(stage.children))
    except asyncio.CancelledError:
        screen.say()
        screen.say("Stopped.")
        return 0 if shown else INTERRUPTED


async def tour(screen: Screen) -> int:
    """Look at each rule; 0 if all of them hold. It listens on ports that nobody else wants."""
    async with all_parts(screen, inbox=Inbox(), wished_port=0, workers=QUICK_WORKERS, shows=False) as stage:

        async def whole() -> bool:
            await stage.ready(PROCESSES)
            return await go(stage)

        return 0 if await unless_one_dies(whole(), stage.children) else 1


async def unless_one_dies(doing: Coroutine[Any, Any, T], children: list[Child]) -> T:
    """What it answers, unless it takes too long or one of the processes ends meanwhile."""
    done_first, dying = asyncio.ensure_future(doing), asyncio.ensure_future(first_to_end(children))
    try:
        done, _ = await asyncio.wait([done_first, dying], timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
        if done_first in done:
            return done_first.result()
        raise Unexpected(told_end(children) if done else f"not finished after {DEADLINE_S} s")
    finally:
        done_first.cancel()
        dying.cancel()


async def first_to_end(children: list[Child]) -> None:
    """Wait until one of them has ended."""
    await asyncio.wait([child.ended for child in children], return_when=asyncio.FIRST_COMPLETED)


def told_end(children: list[Child]) -> str:
    """Which one has ended by itself, and what it said last."""
    one = next(child for child in children if child.ended.done())
    return f"{one.name} has ended with exit code {one.ended.result()}: {one.last_line or 'it said nothing'}"


if __name__ == "__main__":
    sys.exit(main())
