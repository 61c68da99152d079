"""LockKeeper: renews the locks of running jobs from a thread of its own, so that a blocked event loop loses none."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from ..errors import OxcartError
from ..protocol.calls import work
from ..protocol.keys import Keys
from ..sync.connection import Connection

LARGEST_CALL = 500


class LockKeeper:
    """Renews, four times in a lock's life, the locks in `held` (job id → token), which the loop changes meanwhile.

    `on_lost`, `on_cancelled` (with id, token and why of jobs that somebody has asked to cancel) and `on_error` are
    called in the thread.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        lock_ms: int,
        held: dict[str, str],
        on_lost: Callable[[list[tuple[str, str]]], None],
        on_cancelled: Callable[[list[tuple[str, str, str]]], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._lock_ms = lock_ms
        self._held = held
        self._on_lost = on_lost
        self._on_cancelled = on_cancelled
        self._on_error = on_error
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> LockKeeper:
        self._thread = threading.Thread(target=self._serve, name=f"oxcart-locks-{self._keys.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Not joined: a renewal that waits for Redis must not hold up the stop.
        self._stop.set()

    def _serve(self) -> None:
        pause_s = self._lock_ms / 4000
        while not self._stop.wait(pause_s):
            try:
                self._renew()
                pause_s = self._lock_ms / 4000
            except OxcartError as error:
                # Redis is away: the next try comes sooner, before the locks run out.
                pause_s = min(self._lock_ms / 16000, 1)
                self._on_error(error)
            except BaseException as error:  # this thread must not end while jobs run
                self._on_error(error)
        self._connection.close()

    def _renew(self) -> None:
        held = self._snapshot()
        for start in range(0, len(held), LARGEST_CALL):
            part = held[start : start + LARGEST_CALL]
            renewed = self._connection.run(work.renew_locks(self._keys, self._lock_ms, part))
            lost = set(renewed.lost)
            # Settled meanwhile is not lost, nor settled and taken again, with another token.
            still = [(job_id, token) for job_id, token in part if job_id in lost and self._held.get(job_id) == token]
            if still:
                self._on_lost(still)
            if renewed.cancelled:
                self._on_cancelled(renewed.cancelled)

    def _snapshot(self) -> list[tuple[str, str]]:
        while True:
            try:
                return list(self._held.items())
            except RuntimeError:  # it changed while it was copied
                continue


def tell_loop(loop: Any, function: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same function, to be called from another thread; after the loop's end it does nothing."""

    def told(value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(function, value)

    return told
