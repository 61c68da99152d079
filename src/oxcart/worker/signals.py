"""Signals: the first one asks to stop, the second one insists."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

SIGNALS = (signal.SIGINT, signal.SIGTERM)

# Workers of one loop share its handlers, which are put back with the last of them.
_stops: WeakKeyDictionary[asyncio.AbstractEventLoop, list[Callable[[], None]]] = WeakKeyDictionary()


@contextmanager
def on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGINT or SIGTERM while the block runs. Elsewhere than in the main thread it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    stops = _stops.setdefault(loop, [])
    first = not stops
    stops.append(stop)
    previous = {number: signal.getsignal(number) for number in SIGNALS} if first else {}
    if first:
        for number in SIGNALS:
            loop.add_signal_handler(number, _stop_all, loop)
    try:
        yield
    finally:
        stops.remove(stop)
        if not stops:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
                # Only who put ours in place knows what was there before; the others leave the default.
                if previous.get(number) is not None:
                    signal.signal(number, previous[number])


def _stop_all(loop: asyncio.AbstractEventLoop) -> None:
    for stop in list(_stops.get(loop, ())):
        stop()
