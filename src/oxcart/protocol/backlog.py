"""What a listener has not had yet of a stream of events. How it waits is the shells' part."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from functools import cached_property

from ..errors import OxcartError
from .calls.watch import Entry, order

MANY = 1000
"""How many events may wait for who reads slowly; until then it gets no more, and loses none."""


class Batch:
    """The events that one read brought of one stream."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = [(order(entry.id), entry) for entry in entries]
        self.last_id = entries[-1].id

    @cached_property
    def _by_job(self) -> dict[str, list[tuple[tuple[int, int], Entry]]]:
        found: dict[str, list[tuple[tuple[int, int], Entry]]] = defaultdict(list)
        for place, entry in self.entries:
            # Clean-ups tell a number only: they may be about any job.
            found["*" if entry.fields.get("event") == "cleaned" else entry.fields.get("jobId", "")].append(
                (place, entry)
            )
        return found

    def about(self, job_id: str) -> list[tuple[tuple[int, int], Entry]]:
        """Those that may be about a job."""
        own, general = self._by_job.get(job_id), self._by_job.get("*")
        return sorted([*(own or ()), *(general or ())], key=lambda pair: pair[0]) if own or general else []


class Backlog:
    """The events of one queue after a position, in order; with `about` only those that may be about that job."""

    def __init__(self, key: str, position: str, about: str | None = None, pause_s: float = 0.0) -> None:
        self.key = key
        self.about = about
        self.pause_s = pause_s
        """How long it can wait between two reads that bring something."""
        self.position = position
        """The id of the last event that was handed out."""
        self.cursor = position
        """The id of the last event that was read for it."""
        self.entries: deque[Entry] = deque()
        self.reads = 0
        """How many reads there were since an event was taken of it."""
        self.closed = False
        self.error: OxcartError | None = None
        """Why its stream can't be read any more."""

    @property
    def hungry(self) -> bool:
        return len(self.entries) < MANY and self.error is None

    @property
    def has_news(self) -> bool:
        """Whether who waits need not wait any longer."""
        return bool(self.entries) or self.closed or self.error is not None

    def take_in(self, batch: Batch) -> bool:
        """Take in what is new to it; whether anything was."""
        known = order(self.cursor)
        several = batch.entries if self.about is None else batch.about(self.about)
        fresh = [entry for place, entry in several if place > known]
        self.entries += fresh
        if order(batch.last_id) > known:
            self.cursor = batch.last_id
        return bool(fresh)

    def pop(self) -> Entry | None:
        """The next event; None when it is closed. Raises its error after what was read before."""
        self.reads = 0
        if self.closed:
            return None
        if not self.entries and self.error is not None:
            raise self.error
        entry = self.entries.popleft()
        self.position = entry.id
        return entry


BLOCK_MS = 10_000
DOZE_MS = 1_000
"""How long a read waits at most beside somebody who has all he can hold."""
GLANCE_MS = 20
"""How long the first one does, as he may want more at any moment; each further one waits twice as long."""


def block_ms(backlogs: Iterable[Backlog]) -> int:
    """How long the next read can wait for events."""
    full = [backlog for backlog in backlogs if not backlog.hungry and backlog.error is None]
    if not full:
        return BLOCK_MS
    for backlog in full:
        backlog.reads += 1
    fewest = min(backlog.reads for backlog in full)
    return min(GLANCE_MS * 2 ** min(fewest - 1, 10), DOZE_MS)


def rest_s(backlogs: Iterable[Backlog]) -> float:
    """How long the next read can wait: as long as the one who can wait the least."""
    return min((backlog.pause_s for backlog in backlogs), default=0.0)


def cursors(backlogs: Iterable[Backlog]) -> dict[str, str]:
    """For each stream, how far all who want more of it have come."""
    found: dict[str, str] = {}
    for backlog in backlogs:
        if backlog.hungry:
            known = found.get(backlog.key)
            if known is None or order(backlog.cursor) < order(known):
                found[backlog.key] = backlog.cursor
    return found
