"""Tallies: how often something happened and how long it took, in numbers that add up over workers and hours."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, cast

OTHER = "(other)"
"""The name that stands for those jobs whose names are too many to be told apart."""

MOST_NAMES = 200
"""So many names of jobs are told apart in a queue and a step of time."""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Level(NamedTuple):
    """A width of the steps in which tallies are kept."""

    letter: str
    """What the names of its keys have."""
    step_ms: int
    keep_ms: int
    """For how long steps of this width are kept."""


LEVELS = (
    Level("m", MINUTE_MS, 3 * HOUR_MS),
    Level("h", HOUR_MS, 15 * DAY_MS),
    Level("d", DAY_MS, 400 * DAY_MS),
)
KEEP_TOTAL_MS = 400 * DAY_MS
KEEP_FAILURES_MS = 26 * HOUR_MS


# ---------------------------------------------------------------------------------------------------------- buckets

LAST_BUCKET = 4 * 32 + 3
"""From 2**33 ms (99 days) on, all is in one bucket."""


def bucket_of(ms: int) -> int:
    """The bucket of a length of time: four for each power of two, so none is wider than a quarter of its start."""
    if ms < 4:
        return ms if ms > 0 else 0
    octave = ms.bit_length() - 1
    bucket = 4 * (octave - 1) + ((ms >> (octave - 2)) & 3)
    return bucket if bucket < LAST_BUCKET else LAST_BUCKET


def lower_bound(bucket: int) -> int:
    """The shortest time in a bucket, in milliseconds; it ends where the next one begins."""
    if bucket < 4:
        return bucket
    octave, quarter = divmod(bucket, 4)
    return (4 + quarter) << (octave - 1)


def percentile(counts: Mapping[int, int], share: float) -> int | None:
    """What so many percent don't exceed, by the place in its bucket as if all in it were spread evenly."""
    total = sum(counts.values())
    if total <= 0:
        return None
    wanted, below = total * share / 100, 0
    for bucket in sorted(counts):
        inside = counts[bucket]
        if inside > 0 and below + inside >= wanted:
            start, end = lower_bound(bucket), lower_bound(bucket + 1)
            return start if end - start <= 1 else round(start + (end - start) * (wanted - below) / inside)
        below += inside
    return None


# ---------------------------------------------------------------------------------------------------------- tallies

Ending = Literal["completed", "failed", "retried"]


@dataclass(slots=True)
class Tally:
    """What became of some jobs: how often they ended how, how long their attempts ran, and how long they waited."""

    completed: int = 0
    failed: int = 0
    """For good."""
    retried: int = 0
    """Attempts that failed, and are to be repeated."""
    run: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    wait: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    run_ms: int = 0
    wait_ms: int = 0

    def add(self, other: Tally) -> None:
        """Put another one's numbers on top."""
        self.completed += other.completed
        self.failed += other.failed
        self.retried += other.retried
        self.run_ms += other.run_ms
        self.wait_ms += other.wait_ms
        for mine, theirs in ((self.run, other.run), (self.wait, other.wait)):
            for bucket, count in theirs.items():
                mine[bucket] = mine.get(bucket, 0) + count

    def as_text(self) -> str:
        """As it is kept: JSON of what is not 0."""
        counts = {"c": self.completed, "f": self.failed, "a": self.retried, "R": self.run_ms, "W": self.wait_ms}
        counts |= {f"r{bucket}": count for bucket, count in self.run.items()}
        counts |= {f"w{bucket}": count for bucket, count in self.wait.items()}
        return json.dumps({name: count for name, count in counts.items() if count}, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Tally:
        """From what is kept; what can't be read of it counts nothing."""
        tally = cls()
        try:
            kept: object = json.loads(text)
        except (ValueError, RecursionError):
            return tally
        for name, value in cast(dict[str, Any], kept).items() if isinstance(kept, dict) else ():
            if isinstance(value, int | float) and 0 <= value < 2**63:
                tally._put(name, int(value))
        return tally

    def _put(self, name: str, count: int) -> None:
        if name in _WHOLE:
            setattr(self, _WHOLE[name], count)
        elif name[:1] in ("r", "w") and name[1:].isascii() and name[1:].isdigit() and int(name[1:4]) <= LAST_BUCKET:
            (self.run if name[0] == "r" else self.wait)[int(name[1:4])] = count


_WHOLE = {"c": "completed", "f": "failed", "a": "retried", "R": "run_ms", "W": "wait_ms"}


def total(tallies: Iterable[Tally]) -> Tally:
    """All of them together."""
    found = Tally()
    for tally in tallies:
        found.add(tally)
    return found
