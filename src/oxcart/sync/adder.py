"""Sends new jobs, blocking: each call again until it is answered, without adding twice."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Sequence

from ..backoff import growing_pauses
from ..errors import ConnectionFailed
from ..protocol.call import Call
from ..protocol.calls.add import LARGEST_CALL, Added, NewJob, add_jobs
from ..protocol.keys import Keys
from .connection import Connection


class _Lane(threading.local):
    """What numbers the calls of one thread. Its receipt in Redis names the last one."""

    def __init__(self) -> None:
        self.process = 0
        self.producer = ""
        self.number = 0

    def next(self) -> tuple[str, int]:
        """The producer's name and the number of the next call; another name after a fork."""
        if self.process != os.getpid():
            self.process, self.producer = os.getpid(), uuid.uuid4().hex
        self.number += 1
        return self.producer, self.number


class Adder:
    """Adds jobs from any thread. `timeout` is how long to insist when Redis is away, in seconds; None: for ever."""

    def __init__(self, connection: Connection, keys: Keys, timeout: float | None) -> None:
        self._connection = connection
        self._keys = keys
        self._timeout = timeout
        self._lane = _Lane()

    def add(self, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Send jobs; the id of each, and whether it was there already."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        added: list[tuple[str, bool]] = []
        for start in range(0, len(jobs), LARGEST_CALL):
            some = jobs[start : start + LARGEST_CALL]
            call = add_jobs(self._keys, some, *self._lane.next())
            try:
                done = self._insist(call, deadline)
            except ConnectionFailed as error:
                what = "the job" if len(jobs) == 1 else f"{len(jobs) - len(added)} jobs"
                more = f"; {len(added)} of the {len(jobs)} jobs were added" if added else ""
                raise ConnectionFailed(f"{what} could not be added: {error}{more}") from error
            added += [(job_id, at in done.duplicates) for at, job_id in enumerate(done.ids)]
        return added

    def close(self) -> None:
        """Nothing is under way between two calls."""

    def _insist(self, call: Call[Added], deadline: float | None) -> Added:
        """Send a call until it is answered; its receipt makes sure that it adds once."""
        pauses = growing_pauses()
        while True:
            try:
                return self._connection.run(call)
            except ConnectionFailed:
                pause = next(pauses)
                if deadline is not None and time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
