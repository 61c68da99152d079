"""Sends new jobs, blocking: each call again until it is answered, without adding twice."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..errors import ConnectionFailed, said_again
from ..lanes import Lanes
from ..protocol.calls.add import LARGEST_CALL, NewJob, add_jobs, first_refusal
from ..protocol.keys import Keys
from .connection import Connection
from .insist import insist


class Adder:
    """Adds jobs from any thread. `timeout` is how long to insist when Redis is away, in seconds; None: for ever."""

    def __init__(self, connection: Connection, keys: Keys, timeout: float | None) -> None:
        self._connection = connection
        self._keys = keys
        self._timeout = timeout
        self._lanes = Lanes()

    def add(self, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Send jobs; the id of each, and whether it was there already."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        lane = self._lanes.take()
        added: list[tuple[str, bool]] = []
        for start in range(0, len(jobs), LARGEST_CALL):
            some = jobs[start : start + LARGEST_CALL]
            try:
                done = insist(self._connection, add_jobs(self._keys, some, *lane.next()), deadline)
            except ConnectionFailed as error:
                what = "the job" if len(jobs) == 1 else f"{len(jobs) - len(added)} jobs"
                more = f"; {len(added)} of the {len(jobs)} jobs were added" if added else ""
                raise said_again(error, f"{what} could not be added: {error}{more}") from error
            if (refusal := first_refusal(self._keys, some, done.refused)) is not None:
                raise refusal
            added += [(job_id, at in done.duplicates) for at, job_id in enumerate(done.ids)]
        self._lanes.give(lane)
        return added

    def close(self) -> None:
        """Nothing is under way between two calls."""
