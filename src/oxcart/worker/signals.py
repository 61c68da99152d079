"""Signals: the first one asks to stop, the second one insists."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

supervised = False
"""Whether somebody else sees to the signals of this process, as in those of `oxcart worker`: workers take none then."""


@dataclass(slots=True)
class _Shared:
    """The handlers of one loop, which its workers share: they are put in place with the first and go with the last.

    They are handlers of the process, not of the loop, which would forget those that the program has given it.
    """

    loop: asyncio.AbstractEventLoop
    previous: dict[signal.Signals, Any] = field(default_factory=dict[signal.Signals, Any])
    """What was there before; None where only C knows."""
    stops: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    def take_over(self) -> None:
        for number in SIGNALS:
            self.previous[number] = signal.signal(number, self.hear)

    def put_back(self) -> None:
        for number, handler in self.previous.items():
            if signal.getsignal(number) == self.hear:  # else somebody has come after us
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def hear(self, number: int, frame: FrameType | None) -> None:
        if self.loop.is_closed():  # it went, and left its workers where they were
            self.put_back()
            signal.raise_signal(number)
        else:
            self.loop.call_soon_threadsafe(self.stop_all)

    def stop_all(self) -> None:
        for stop in list(self.stops):
            stop()


_shared: dict[asyncio.AbstractEventLoop, _Shared] = {}


@contextmanager
def on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGINT or SIGTERM while the block runs. Elsewhere than in the main thread it does nothing."""
    if supervised or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop) or _share(loop)
    shared.stops.append(stop)
    try:
        yield
    finally:
        shared.stops.remove(stop)
        if not shared.stops:
            _shared.pop(loop).put_back()


def _share(loop: asyncio.AbstractEventLoop) -> _Shared:
    spare_forks()
    _shared[loop] = shared = _Shared(loop)
    shared.take_over()
    return shared


def name_of(number: int) -> str:
    """A signal's name; most of the real-time ones have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# --------------------------------------------------------------------------------------------------- forks


_sparing = False
_masks = threading.local()


def spare_forks() -> None:
    """Let SIGTERM end what a job forks, whatever it does here: so `multiprocessing` ends its own, and waits for it.

    A terminal's Ctrl-C goes to all of its group: as the worker lets the job finish, so do the job's forks.
    """
    global _sparing
    if not _sparing and hasattr(os, "register_at_fork"):
        _sparing = True
        os.register_at_fork(before=_hold_back, after_in_parent=_let_through, after_in_child=_be_a_fork)


def _hold_back() -> None:
    """No signal while we fork: the new process would take it for ours, and write it into our loop's own pipe."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _let_through() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _be_a_fork() -> None:
    if supervised or _shared:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, ignore)
    _let_through()


def ignore(number: int, frame: FrameType | None) -> None:
    """A handler, as programs that are started inherit what is ignored."""
