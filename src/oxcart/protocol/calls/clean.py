"""Cleaning a queue. A queue may have millions of jobs: each call handles some, so that Redis is never held for long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import OptionsError
from ..call import Call, Command, call, nothing, unless_refused
from ..keys import JOB_KEYS, SUFFIXES, Keys, glob_literal
from ..states import HOLDERS, JobState
from ..wire import read_int

LARGEST_SWEEP = 250
"""How many jobs one call looks at or handles."""

_AGED_BY = {
    JobState.COMPLETED: "score",
    JobState.FAILED: "score",
    JobState.WAITING_CHILDREN: "score",
    JobState.DELAYED: "processedOn timestamp",
    JobState.PRIORITIZED: "timestamp",
}
_LISTS = {JobState.WAITING: "wait", JobState.ACTIVE: "active", JobState.PAUSED: "paused"}


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did: how many jobs it looked at, and which it erased."""

    looked_at: int
    erased: Sequence[str]
    newer: int
    """How many it left, since they came after it had begun."""


@dataclass(frozen=True, slots=True)
class Since:
    """When a sweep began: what is newer stays. By the queue's counter of ids, and in milliseconds since 1970."""

    newest: int
    begun_ms: int


def size(keys: Keys, state: JobState) -> Command[int]:
    """How many jobs a state has."""
    if state in _LISTS:
        return Command(("LLEN", keys.one(_LISTS[state])), int)
    return Command(("ZCARD", keys.one(HOLDERS[state])), int)


def counter(keys: Keys) -> Command[int]:
    """The counter of ids: no job has a higher number yet."""
    return Command(("GET", keys.one("id")), lambda reply: read_int(reply))


def sweep(
    keys: Keys, state: JobState, cutoff_ms: int, skip: int, count: int, since: Since | None = None
) -> Call[Swept]:
    """Erase those of the next `count` jobs of a state that are not younger than `cutoff_ms`; `skip`: what stays."""

    def read(reply: Any) -> Swept:
        return Swept(*reply)

    count = min(count, LARGEST_SWEEP)
    newest, begun = ("", "") if since is None else (since.newest, since.begun_ms)
    if state in _LISTS:
        return call(
            "sweep_list",
            keys,
            read,
            extra_keys={"holder": keys.one(_LISTS[state])},
            prefix=keys.prefix,
            skip=skip,
            count=count,
            cutoff=cutoff_ms,
            unlocked=int(state is JobState.ACTIVE),
            newest=newest,
            begun=begun,
        )
    if state not in _AGED_BY:
        raise OptionsError(f"state={str(state)!r}: jobs of this state can't be cleaned")
    return call(
        "sweep_set",
        keys,
        read,
        extra_keys={"holder": keys.one(HOLDERS[state])},
        prefix=keys.prefix,
        skip=skip,
        count=count,
        cutoff=cutoff_ms,
        aged_by=_AGED_BY[state],
        newest=newest,
        begun=begun,
    )


def sweeps_by_age_alone(state: JobState) -> bool:
    """Whether a sweep finds what is old by its score, so that nothing it looks at stays."""
    return _AGED_BY.get(state) == "score"


def tell_cleaned(keys: Keys, count: int) -> Command[None]:
    """The event that says how many jobs were cleaned."""
    return Command(("XADD", keys.one("events"), "*", "event", "cleaned", "count", count), nothing)


def obliterate(keys: Keys, force: bool) -> Call[int]:
    """Erase some of a paused queue; answers how many, 0 when nothing is left of it."""
    read = unless_refused(keys, "", int)
    own = {"policies": keys.policies, "running": keys.running, "paused_schedulers": keys.paused_schedulers}
    return call("obliterate", keys, read, extra_keys=own, prefix=keys.prefix, count=LARGEST_SWEEP, force=int(force))


@dataclass(frozen=True, slots=True)
class Moved:
    """What one move to `wait` did: how many jobs went, how many ids were none, and how many are damaged and stay."""

    moved: int
    dropped: int
    stayed: int


def move_to_wait(keys: Keys, state: JobState, latest: int | None, skip: int, count: int) -> Call[Moved]:
    """Move the next `count` jobs of a set whose score is not above `latest` to `wait`; `skip`: what stays."""

    def read(reply: Any) -> Moved:
        return Moved(*reply)

    return call(
        "move_to_wait",
        keys,
        read,
        extra_keys={"holder": keys.one(HOLDERS[state])},
        prefix=keys.prefix,
        state=state,
        skip=skip,
        count=min(count, LARGEST_SWEEP),
        latest="+inf" if latest is None else latest,
    )


def trim_events(keys: Keys, length: int) -> Command[int]:
    """Trim the event stream to about `length`; answers how many events went. One call removes at most 10,000."""
    return Command(("XTRIM", keys.one("events"), "MAXLEN", "~", length, "LIMIT", 10_000), int)


# ------------------------------------------------------------------------------------------------- orphans

_OWN = frozenset(SUFFIXES.values()) | {"priority", "delay"}
_OWN_BELOW = ("de:", "dn:", "repeat:", "metrics:")
_BESIDE = (*JOB_KEYS, "lock")


def scan_keys(keys: Keys, cursor: str) -> Command[tuple[str, list[str]]]:
    """Some of all keys of the queue, and where to go on; "0" when that was the end."""

    def read(reply: Any) -> tuple[str, list[str]]:
        return str(reply[0]), list(reply[1])

    return Command(("SCAN", cursor, "MATCH", f"{glob_literal(keys.prefix)}*", "COUNT", 1000), read)


def job_of(keys: Keys, key: str) -> str | None:
    """The id of the job that a key belongs to; None for a key of the queue itself, or perhaps of another one.

    Prefixes may have colons: below `bull:a:` there are the keys of queue `b` of prefix `bull:a` too. So only ids
    without one count, as in Node.
    """
    name = key.removeprefix(keys.prefix)
    if name in _OWN or name.startswith(_OWN_BELOW):
        return None
    owner, colon, beside = name.partition(":")
    if colon and beside not in _BESIDE:
        return None
    return owner


def waiting_ids(keys: Keys, name: str, start: int) -> Command[list[str]]:
    """Some ids of a list."""
    return Command(("LRANGE", keys.one(name), start, start + 4999), list)


def which_are_nowhere(keys: Keys, ids: Sequence[str]) -> Call[list[str]]:
    """Which of these ids are of something left of a job that no sorted set holds."""
    return call("which_are_nowhere", keys, list, *ids, prefix=keys.prefix)


def remove_orphans(keys: Keys, ids: Sequence[str]) -> Call[int]:
    """Erase those of these ids that are in no state at all; answers how many."""
    return call("remove_orphans", keys, int, *ids, prefix=keys.prefix)
