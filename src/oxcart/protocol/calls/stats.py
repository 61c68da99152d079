"""What workers with a recorder leave: what they counted, what failed, and which version they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...tally import DAY_MS, HOUR_MS, KEEP_FAILURES_MS, KEEP_TOTAL_MS, LEVELS, MOST_NAMES, OTHER, Tally
from ..call import Argument, Call, Command, call, nothing
from ..keys import Keys

LARGEST_CALL = 50
"""How many names, or kinds of failures, one call adds."""

MOST_FAILURES = 100
"""So many kinds of failures are told apart in a queue and an hour."""

MOST_MARKS = 500
MARK_AGAIN_MS = HOUR_MS
_KEEP_RECEIPT_MS = DAY_MS


def add(keys: Keys, worker: str, number: int, minute_ms: int, counted: Mapping[str, Tally]) -> Call[int]:
    """Add what a worker counted in a minute, by the names of jobs. `number`: above those of its earlier calls."""
    rest: list[Argument] = []
    for name, tally in counted.items():
        rest += (name, tally.as_text())
    extra = {f"step_{one.letter}": keys.step(one.letter, minute_ms - minute_ms % one.step_ms) for one in LEVELS}
    extra |= {"step_total": keys.step_total, "receipt": keys.counted(worker)}
    minute, hour, day = LEVELS
    return call(
        "count_ended",
        keys,
        int,
        *rest,
        extra_keys=extra,
        number=number,
        keep_m=minute.keep_ms + minute.step_ms,
        keep_h=hour.keep_ms + hour.step_ms,
        keep_d=day.keep_ms + day.step_ms,
        keep_total=KEEP_TOTAL_MS,
        keep_receipt=_KEEP_RECEIPT_MS,
        most=MOST_NAMES,
        other=OTHER,
    )


def add_failures(
    keys: Keys, worker: str, number: int, hour_ms: int, seen: Sequence[tuple[str, int, int, str]]
) -> Call[int]:
    """Add failures of an hour: of each what it is, how often, when last, and an example as JSON."""
    return call(
        "count_failures",
        keys,
        int,
        *(part for one in seen for part in one),
        extra_keys={"failures": keys.failures(hour_ms), "receipt": keys.counted(worker)},
        number=number,
        keep=KEEP_FAILURES_MS,
        keep_receipt=_KEEP_RECEIPT_MS,
        most=MOST_FAILURES,
        other=OTHER,
    )


def mark_version(keys: Keys, version: str, now: int) -> Call[int]:
    """Mark that a version has come, unless that is known."""
    return call(
        "mark_version",
        keys,
        int,
        extra_keys={"marks": keys.marks, "versions": keys.versions},
        now=now,
        queue=keys.name,
        version=version,
        text=f"version {version}",
        again_ms=MARK_AGAIN_MS,
        most=MOST_MARKS,
        keep=KEEP_TOTAL_MS,
    )


def forget(keys: Keys, now: int) -> Iterator[Command[None]]:
    """Erase all that was counted of a queue: by the names that its keys can have."""
    names = [keys.step_total, keys.cancels]
    for level in LEVELS:
        last = now - now % level.step_ms
        names += [
            keys.step(level.letter, last - at * level.step_ms) for at in range(-1, level.keep_ms // level.step_ms + 2)
        ]
    hour = now - now % HOUR_MS
    names += [keys.failures(hour - at * HOUR_MS) for at in range(-1, KEEP_FAILURES_MS // HOUR_MS + 2)]
    for start in range(0, len(names), 500):
        yield Command(("UNLINK", *names[start : start + 500]), nothing)
