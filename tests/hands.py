"""A worker by hand: takes and settles jobs one by one, so that tests decide what happens when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from oxcart.protocol import series, wire
from oxcart.protocol.calls import schedule
from oxcart.protocol.calls.change import remove_job
from oxcart.protocol.calls.read import WorkerInfo, event_readers
from oxcart.protocol.calls.work import Limits, Order, Renewed, Settlement, Taken, renew_locks, settle_and_take
from oxcart.protocol.keys import Keys
from oxcart.protocol.record import JobRecord
from oxcart.sync import Connection, Queue

TOKEN = "by hand"
LOCK_MS = 60_000


class Hands:
    """Blocking, for tests of both shells."""

    def __init__(self, url: str, queue: str, prefix: str = "bull", limits: Limits | None = None) -> None:
        self.keys = Keys(queue, prefix)
        self._connection = Connection(url)
        self._limits = limits or Limits(LOCK_MS)
        self._threads: list[threading.Thread] = []

    def add(self, **options: Any) -> str:
        """Add a job; its id."""
        with Queue(self.keys.name, connection=self._connection) as queue:
            return queue.add("x", **options).id

    def take(self, count: int = 1, now_ms: int | None = None) -> list[JobRecord]:
        """Take up to `count` jobs."""
        return self.trip([], count, now_ms).jobs

    def complete(self, job_id: str, value: Any = None, keep: str = "", now_ms: int | None = None) -> None:
        self._settle(Settlement(job_id, TOKEN, "completed", wire.encode(value), keep=keep), now_ms)

    def fail(self, job_id: str, reason: str = "boom", attempts: int = 1) -> None:
        self._settle(Settlement(job_id, TOKEN, "failed", reason, wire.encode([f"Error: {reason}"]), number=attempts))

    def retry_later(self, job_id: str, delay_ms: int = 60_000, now_ms: int | None = None) -> None:
        self._settle(Settlement(job_id, TOKEN, "delayed", "boom", number=delay_ms), now_ms)

    def work(self, fails: bool = False) -> list[str]:
        """Take whatever can be taken and finish it; the ids."""
        ids = [record.id for record in self.take(100)]
        for job_id in ids:
            if fails:
                self.fail(job_id)
            else:
                self.complete(job_id)
        return ids

    def advance(self, record: JobRecord, now_ms: int | None = None, *, first: bool = True) -> schedule.Advanced | None:
        """What a worker does first with a run of a scheduler that it has taken."""
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        repeat = wire.repeat_from_wire(record.options.raw["repeat"])
        slot_ms = series.slot_of(record.id)
        step = series.step_of(repeat, slot_ms, now)
        return self._connection.run(
            schedule.advance(self.keys, record, step, now, 0.5, due_ms=slot_ms if first else None)
        )

    def trip(self, settlements: list[Settlement], count: int, now_ms: int | None = None) -> Taken:
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        both = [(settlement, False) for settlement in settlements]
        return self._connection.run(
            settle_and_take(self.keys, now, self._limits, Order(TOKEN, count, suspects=100), both)
        )

    def renew(self, job_id: str, token: str = TOKEN) -> Renewed:
        """Renew a lock."""
        return self._connection.run(renew_locks(self.keys, LOCK_MS, [(job_id, token)]))

    def _settle(self, settlement: Settlement, now_ms: int | None = None) -> None:
        taken = self.trip([settlement], 0, now_ms)
        assert taken.codes is None, taken.codes

    def remove(self, job_id: str) -> bool:
        return self._connection.run(remove_job(self.keys, job_id, True, False)) is True

    def once_listened_to(self, doing: Callable[[], Any]) -> None:
        """Do something as soon as somebody waits for the queue's events, in a thread, since the test waits too."""
        thread = threading.Thread(target=self._wait_and_do, args=(doing,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wait_and_do(self, doing: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 10
        while not any(reader.details["cmd"] == "xread" for reader in self._readers()) and time.monotonic() < deadline:
            time.sleep(0.002)
        doing()

    def _readers(self) -> list[WorkerInfo]:
        return self._connection.run(event_readers(self.keys))

    def close(self) -> None:
        for thread in self._threads:
            thread.join(15)
        self._connection.close()
