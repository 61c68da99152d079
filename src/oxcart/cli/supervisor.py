"""Supervisor: keeps worker processes alive, passes signals on, and starts them anew when code changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..worker.signals import SIGNALS, name_of
from .changes import changes
from .child import INSIST, UNLOADABLE, USAGE

log = logging.getLogger("oxcart.supervisor")

SHORT_LIFE_S = 5
MOST_SHORT_LIVES = 10
"""So many deaths in a row, each after a short life, mean that a worker can't be kept alive."""

LONGEST_PAUSE_S = 15
KILL_AFTER_S = 5
"""How long a process may take after it was insisted that it stops."""

HARMLESS = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -INSIST})
"""How a process may end that was asked to stop. One that ends otherwise has not handed all back."""


class Supervisor:
    """Runs `processes` worker processes until a signal.

    The first SIGTERM or SIGINT is passed on and waited for, the second insists, and what then still runs is killed.
    """

    def __init__(self, arguments: list[str], processes: int, reload: bool = False) -> None:
        self._arguments = arguments
        self._processes = processes
        self._reload = reload
        self._folder = os.getcwd()  # its name is what counts: it may be removed and made again
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stops = 0
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._generation = 0  # of the code: goes up with each change
        self._loaded = asyncio.Event()  # some process once was: then what can't be loaded now may pass
        self._exit_code = 0
        # Our end closes with this process, however it ends: the children notice and stop. There they say what we hear.
        self._ours, self._lifeline = socket.socketpair()

    async def run(self) -> int:
        """Keep the workers alive; the exit code."""
        async with self._ears():
            watcher = asyncio.ensure_future(self._watch()) if self._reload else None
            await asyncio.gather(*(self._keep(slot) for slot in range(self._processes)))
            if watcher is not None:
                watcher.cancel()
        self._ours.close()
        self._lifeline.close()
        return self._exit_code

    async def _keep(self, slot: int) -> None:
        """Keep one process alive."""
        short_lives = 0
        while not self._stopping.is_set():
            born, generation = time.monotonic(), self._generation
            ending = await self._live(slot)
            if self._stopping.is_set():
                if isinstance(ending, int) and ending not in HARMLESS:
                    self._exit_code = self._exit_code or 1
                return
            if self._generation != generation:
                continue
            if self._reload and ending != 0:
                log.error("worker process %d %s; waiting for a change in the code", slot, _told(ending))
                self._changed.clear()
                await self._first_of(self._changed, self._stopping)
                continue
            unloadable = ending in (USAGE, UNLOADABLE) and not self._loaded.is_set()
            if unloadable and await self._first_decides(slot, 2 if ending == USAGE else 1):
                return
            short_lives = short_lives + 1 if time.monotonic() - born < SHORT_LIFE_S else 0
            if short_lives > MOST_SHORT_LIVES:
                log.error("worker process %d %s, %d times right after its start", slot, _told(ending), short_lives)
                self._give_up(1)
                return
            pause_s = min(0.1 * 2**short_lives, LONGEST_PAUSE_S)
            log.warning("worker process %d %s; a new one starts in %.1f s", slot, _told(ending), pause_s)
            await self._first_of(self._stopping, timeout=pause_s)

    async def _live(self, slot: int) -> int | OSError:
        """One life of a process: its exit code, or why it could not begin."""
        try:
            child = self._children[slot] = await self._spawn(slot)
        except OSError as error:
            return error
        log.info("worker process %d started (pid %d)", slot, child.pid)
        if self._stopping.is_set():
            self._send(signal.SIGTERM)
        code = await child.wait()
        del self._children[slot]
        return code

    async def _spawn(self, slot: int) -> asyncio.subprocess.Process:
        lifeline = self._lifeline.fileno()
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, whose second insists.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "oxcart.cli.child", *self._arguments),
            *("--lifeline", str(lifeline), "--slot", str(slot)),
            cwd=self._folder,
            pass_fds=[lifeline],
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def _first_decides(self, slot: int, code: int) -> bool:
        """Whether what can't be loaded at the first start ends all: process 0 decides, which says the whole of it.

        Stopped by the end of another that was quicker, it would have said nothing. If it can load, that ends nothing.
        """
        if slot == 0:
            log.info("worker process 0 could not be loaded, which ends the command")
            self._give_up(code)
        else:
            await self._first_of(self._stopping, self._loaded)
        return self._stopping.is_set()

    def _give_up(self, code: int) -> None:
        self._exit_code = code
        self._stopping.set()
        self._send(signal.SIGTERM)

    def _send(self, number: int) -> None:
        for child in self._children.values():
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)  # `send_signal` may take the exit code from who waits for it

    # ------------------------------------------------------------------------------------------------ hearing

    @asynccontextmanager
    async def _ears(self) -> AsyncIterator[None]:
        """Hear signals, and what the children say."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if our parent ignores it, so do we: exit codes would be lost
        loop = asyncio.get_running_loop()
        self._ours.setblocking(False)
        loop.add_reader(self._ours, self._hear)
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            loop.remove_reader(self._ours)
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _hear(self) -> None:
        self._ours.recv(1024)
        self._loaded.set()

    def _stop(self) -> None:
        self._stops += 1
        self._stopping.set()
        match self._stops:
            case 1:
                self._send(signal.SIGTERM)
            case 2:
                self._send(INSIST)
                asyncio.get_running_loop().call_later(KILL_AFTER_S, self._send, signal.SIGKILL)
            case _:
                self._send(signal.SIGKILL)

    # ----------------------------------------------------------------------------------------------- reloading

    async def _watch(self) -> None:
        """Start the workers anew whenever a Python file below the folder changes."""
        try:
            async for changed in changes(self._folder):
                log.info("%s changed: the workers start anew", ", ".join(changed[:3]))
                self._generation += 1
                self._changed.set()
                self._send(signal.SIGTERM)
        except Exception:
            log.exception("changes in the code are not noticed any more")

    @staticmethod
    async def _first_of(*events: asyncio.Event, timeout: float | None = None) -> None:
        tasks = [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def _told(ending: int | OSError) -> str:
    if isinstance(ending, OSError):
        return f"could not be started: {ending}"
    return f"was ended by {name_of(-ending)}" if ending < 0 else f"ended with exit code {ending}"
