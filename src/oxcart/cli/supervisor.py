"""Supervisor: keeps worker processes alive, passes signals on, and starts them anew when code changes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .child import UNLOADABLE, USAGE

log = logging.getLogger("oxcart.supervisor")

SHORT_LIFE_S = 5
MOST_SHORT_LIVES = 10
"""So many deaths in a row, each after a short life, mean that a worker can't be kept alive."""

LONGEST_PAUSE_S = 15
KILL_AFTER_S = 5
"""How long a process may take after it was insisted that it stops."""

WATCH_EVERY_S = 0.5


class Supervisor:
    """Runs `processes` worker processes until a signal.

    The first SIGTERM or SIGINT is passed on and waited for, the second insists, and what then still runs is killed.
    """

    def __init__(self, arguments: list[str], processes: int, reload: bool = False) -> None:
        self._arguments = arguments
        self._processes = processes
        self._reload = reload
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stops = 0
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._generation = 0  # of the code: goes up with each change
        self._proven = False  # whether workers could be loaded: then what they can't now may pass
        self._exit_code = 0
        # Its other end closes with this process, however it ends: the children notice and stop.
        self._lifeline, self._held = os.pipe()

    async def run(self) -> int:
        """Keep the workers alive; the exit code."""
        async with self._signals():
            watcher = asyncio.ensure_future(self._watch()) if self._reload else None
            await asyncio.gather(*(self._keep(slot) for slot in range(self._processes)))
            if watcher is not None:
                watcher.cancel()
        os.close(self._held)
        os.close(self._lifeline)
        return self._exit_code

    async def _keep(self, slot: int) -> None:
        """Keep one process alive."""
        short_lives = 0
        while not self._stopping.is_set():
            born, generation = time.monotonic(), self._generation
            child = await self._spawn(slot)
            code = await child.wait()
            del self._children[slot]
            if self._stopping.is_set():
                # One that ends badly while it is stopped has not handed all back.
                self._exit_code = self._exit_code or int(code not in (0, -signal.SIGTERM, -signal.SIGINT))
                return
            if self._generation != generation:
                continue
            if self._reload and code != 0:
                log.error("worker process %d ended with %s; waiting for a change in the code", slot, _told(code))
                self._changed.clear()
                await self._first_of(self._changed, self._stopping)
                continue
            if code == USAGE:
                self._give_up(USAGE)
                return
            if code != UNLOADABLE:
                self._proven = True
            elif not self._proven and await self._first_decides(slot):
                return
            short_lives = short_lives + 1 if time.monotonic() - born < SHORT_LIFE_S else 0
            if short_lives > MOST_SHORT_LIVES:
                log.error("worker process %d ended %d times in a row right after its start", slot, short_lives)
                self._give_up(1)
                return
            pause_s = min(0.1 * 2**short_lives, LONGEST_PAUSE_S)
            log.warning("worker process %d ended with %s; a new one starts in %.1f s", slot, _told(code), pause_s)
            await self._first_of(self._stopping, timeout=pause_s)

    async def _spawn(self, slot: int) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "oxcart.cli.child", *self._arguments]
        command += ["--lifeline", str(self._lifeline), "--slot", str(slot)]
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which passes it on once.
        child = await asyncio.create_subprocess_exec(
            *command, pass_fds=[self._lifeline], stdin=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        self._children[slot] = child
        log.info("worker process %d started (pid %d)", slot, child.pid)
        if self._stopping.is_set():
            child.send_signal(signal.SIGTERM)  # it alone: a second signal would make the others insist
        return child

    async def _first_decides(self, slot: int) -> bool:
        """Whether what can't be loaded at the first start ends all: process 0 decides, which says the whole of it.

        Stopped by the end of another that was quicker, it would have said nothing.
        """
        if slot == 0:
            self._give_up(1)
        else:
            await self._first_of(self._stopping, timeout=SHORT_LIFE_S)
        return self._stopping.is_set()

    def _give_up(self, code: int) -> None:
        self._exit_code = code
        self._stopping.set()
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(number)

    # ------------------------------------------------------------------------------------------------ signals

    @asynccontextmanager
    async def _signals(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self._stops += 1
        self._stopping.set()
        self._send(signal.SIGTERM)
        if self._stops == 2:
            asyncio.get_running_loop().call_later(KILL_AFTER_S, self._send, signal.SIGKILL)
        elif self._stops > 2:
            self._send(signal.SIGKILL)

    # ----------------------------------------------------------------------------------------------- reloading

    async def _watch(self) -> None:
        """Start the workers anew whenever a Python file below the current folder changes."""
        seen = await asyncio.to_thread(_snapshot, Path.cwd())
        asked: set[int] = set()
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            now = await asyncio.to_thread(_snapshot, Path.cwd())
            if now != seen:
                changed = sorted({path for path, _ in now ^ seen})
                log.info("%s changed: the workers start anew", ", ".join(changed[:3]))
                seen = now
                self._generation += 1
                self._changed.set()
                for child in self._children.values():
                    if child.returncode is None and child.pid not in asked:  # twice would insist
                        asked.add(child.pid)
                        child.send_signal(signal.SIGTERM)

    @staticmethod
    async def _first_of(*events: asyncio.Event, timeout: float | None = None) -> None:
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def _snapshot(folder: Path) -> set[tuple[str, int]]:
    """The Python files below a folder with their times; hidden folders and installed packages are left out."""
    found: set[tuple[str, int]] = set()
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(root, name)
                try:
                    found.add((os.path.relpath(path, folder), os.stat(path).st_mtime_ns))
                except OSError:
                    continue  # gone between the two looks
    return found


_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


def _told(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
