"""Signals: the first one asks to stop, the second one insists."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

SIGNALS = (signal.SIGINT, signal.SIGTERM)

supervised = False
"""Whether somebody else sees to the signals of this process, as in those of `oxcart worker`: workers take none then."""


@dataclass(slots=True)
class _Shared:
    """The handlers of one loop, which its workers share: they are put in place with the first and go with the last."""

    previous: dict[signal.Signals, Any]
    """What was there before; None where only C knows."""
    stops: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@contextmanager
def on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGINT or SIGTERM while the block runs. Elsewhere than in the main thread it does nothing."""
    if supervised or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    shared = _shared.get(loop) or _take_over(loop)
    shared.stops.append(stop)
    try:
        yield
    finally:
        shared.stops.remove(stop)
        if not shared.stops:
            _put_back(loop)


def _take_over(loop: asyncio.AbstractEventLoop) -> _Shared:
    shared = _Shared({number: signal.getsignal(number) for number in SIGNALS})
    for number in SIGNALS:
        loop.add_signal_handler(number, _stop_all, shared)
    _shared[loop] = shared
    return shared


def _put_back(loop: asyncio.AbstractEventLoop) -> None:
    for number, handler in _shared.pop(loop).previous.items():
        loop.remove_signal_handler(number)
        if handler is not None:
            signal.signal(number, handler)


def _stop_all(shared: _Shared) -> None:
    for stop in list(shared.stops):
        stop()


def spare_forks() -> None:
    """Let SIGTERM end what a job forks, whatever it does here: so `multiprocessing` ends its own, and waits for it."""
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def name_of(number: int) -> str:
    """A signal's name; most of the real-time ones have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
