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
from pathlib import Path

from ..worker.children import END_S
from ..worker.signals import SIGNALS, name_of
from ..worker.worker import FLUSH_S, LAST_COUNTS_S
from .changes import changes
from .child import INSIST, SLOT_BYTES, UNLOADABLE, USAGE
from .ending import GRACE_S

log = logging.getLogger("oxcart.supervisor")

SHORT_LIFE_S = 5
"""A life that is no longer is short, and so is one that ends before all is loaded, however long that takes."""

MOST_SHORT_LIVES = 10
"""So many deaths in a row, each after a short life, mean that a worker can't be kept alive."""

LONGEST_PAUSE_S = 15
KILL_AFTER_S = FLUSH_S + LAST_COUNTS_S + 1 + FLUSH_S + 2 * END_S + GRACE_S
"""How long a process may take after it was insisted that it stops. It is the sum of what an orderly end may take: jobs
are handed back, counts and a farewell written, listeners and children waited for, then threads. Killed before, it could
not say what held it up; who is impatient has a third signal."""

SAME_SIGNAL_S = 0.2
"""A signal so soon after another is the same one: Ctrl-C comes from the terminal, and again from what runs us there."""

_COMMAND = (
    "import sys, importlib.util; home = sys.argv.pop(1); importlib.util.find_spec('oxcart') or sys.path.append(home); "
    "from oxcart.cli.child import main; main()"
)
_HOME = str(Path(__file__).parents[2])
"""Where we were found, which a process that is started afresh may not know."""

HARMLESS = frozenset({0, -signal.SIGTERM, -signal.SIGINT, -INSIST})
"""How a process may end that was asked to stop. One that ends otherwise has not handed all back."""


class Supervisor:
    """Runs `processes` worker processes until a signal.

    The first SIGTERM or SIGINT is passed on and waited for, the second insists. What then still runs is killed: by the
    third, or some time later.
    """

    def __init__(self, arguments: list[str], processes: int, reload: bool = False) -> None:
        self._arguments = arguments
        self._processes = processes
        self._reload = reload
        self._folder = os.getcwd()  # its name is what counts: it may be removed and made again
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stops = 0
        self._stopped_at = -SAME_SIGNAL_S
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._generation = 0  # of the code: goes up with each change
        self._loaded = asyncio.Event()  # some process once was: then what can't be loaded now may pass
        self._working: set[int] = set()  # the slots whose present or last process was loaded
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
                if isinstance(ending, int) and ending not in HARMLESS and self._exit_code == 0:
                    self._exit_code = 1
                    log.error(
                        "worker process %d %s: jobs it still had come back when they have stalled", slot, _told(ending)
                    )
                return
            if self._generation != generation:
                continue
            if self._reload and ending != 0:
                # What could not be started may lack something else than a change.
                pause_s = LONGEST_PAUSE_S if isinstance(ending, OSError) else None
                till = "a change in the code" + (f", for {pause_s} s at most" if pause_s else "")
                log.error("worker process %d %s; waiting for %s", slot, _told(ending), till)
                self._changed.clear()
                await self._first_of(self._changed, self._stopping, timeout=pause_s)
                continue
            unloadable = ending in (USAGE, UNLOADABLE) and not self._loaded.is_set()
            if unloadable and await self._first_decides(slot, 2 if ending == USAGE else 1):
                return
            short = slot not in self._working or time.monotonic() - born < SHORT_LIFE_S
            short_lives = short_lives + 1 if short else 0
            if short_lives > MOST_SHORT_LIVES:
                log.error(
                    "worker process %d %s, %d times before it had worked for long", slot, _told(ending), short_lives
                )
                self._give_up(1)
                return
            pause_s = min(0.1 * 2**short_lives, LONGEST_PAUSE_S)
            log.warning("worker process %d %s; a new one starts in %.1f s", slot, _told(ending), pause_s)
            await self._first_of(self._stopping, timeout=pause_s)

    async def _live(self, slot: int) -> int | OSError:
        """One life of a process: its exit code, or why it could not begin."""
        self._working.discard(slot)
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
        # At the first start all have the same to say of a module that can't be loaded. Later it may be one alone.
        whole = slot == 0 or self._loaded.is_set()
        # -P: files of the user's must not take the place of the standard library's; `load` adds the folder later.
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, whose second insists.
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _COMMAND, _HOME, *self._arguments),
            *("--lifeline", str(lifeline), "--slot", str(slot), *(["--whole"] if whole else [])),
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
        for pid in self._alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)  # `send_signal` may take the exit code from who waits for it

    def _kill(self) -> None:
        """End what still runs, and whatever its jobs have started with it."""
        for pid in self._alive():
            with contextlib.suppress(ProcessLookupError):
                try:
                    os.killpg(pid, signal.SIGKILL)  # each leads a group of its own
                except PermissionError:
                    os.kill(pid, signal.SIGKILL)

    def _kill_late(self) -> None:
        if self._alive():
            log.warning("stopping: what has not ended within %d s is killed", KILL_AFTER_S)
            self._kill()

    def _alive(self) -> list[int]:
        return [child.pid for child in self._children.values() if child.returncode is None]

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
                signal.signal(number, signal.SIG_IGN)  # the end is clean, and near

    def _hear(self) -> None:
        self._working.add(int.from_bytes(self._ours.recv(SLOT_BYTES)))
        self._loaded.set()

    def _stop(self) -> None:
        now = time.monotonic()
        if now - self._stopped_at < SAME_SIGNAL_S:
            return
        self._stopped_at = now
        self._stops += 1
        self._stopping.set()
        match self._stops:
            case 1:
                log.info("stopping: running jobs may finish; a second signal gives them back")
                self._send(signal.SIGTERM)
            case 2:
                log.info("stopping: running jobs are given back; a third signal kills the processes")
                self._send(INSIST)
                asyncio.get_running_loop().call_later(KILL_AFTER_S, self._kill_late)
            case _:
                log.info("stopping: the processes are killed")
                self._kill()

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
