"""Looking: jobs, pages of them, counts, states, logs, metrics, who works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..call import Call, Command, call
from ..keys import Keys, glob_literal
from ..record import JobRecord
from ..states import HOLDERS, JobState
from ..wire import moment, read_int


def record_of(job_id: str, found: Any) -> JobRecord | None:
    """A record from what is stored: a hash, nothing, or the type of something else."""
    if isinstance(found, str):
        return JobRecord(job_id, {}, f"the job's key is of type {found}, not a hash")
    return JobRecord.from_flat(job_id, found) if found else None


def jobs(keys: Keys, ids: Sequence[str]) -> Call[list[JobRecord | None]]:
    """The jobs with these ids; None for those that don't exist."""

    def read(reply: Any) -> list[JobRecord | None]:
        return [record_of(job_id, found) for job_id, found in zip(ids, reply, strict=True)]

    return call("read_jobs", keys, read, *ids, prefix=keys.prefix)


def page(
    keys: Keys, state: JobState, start: int, stop: int, ascending: bool
) -> Call[list[tuple[str, JobRecord | None]]]:
    """The ids and jobs of a range of one state; None for an id whose job doesn't exist."""
    # In a list, next to run is at the right end: `ascending` means next to run first, as in the sorted sets.
    descending = not ascending

    def read(reply: Any) -> list[tuple[str, JobRecord | None]]:
        parts = iter(reply)
        return [(job_id, record_of(job_id, found)) for job_id, found in zip(parts, parts, strict=True)]

    return call(
        "read_page",
        keys,
        read,
        extra_keys=_holders(keys, state),
        prefix=keys.prefix,
        start=start,
        stop=stop,
        descending=int(descending),
    )


def ids(keys: Keys, state: JobState, start: int, stop: int) -> Call[list[str]]:
    """Ids of a range of one state, next to run or oldest first."""
    return call("read_ids", keys, list, extra_keys=_holders(keys, state), start=start, stop=stop)


def members(keys: Keys, state: JobState, wanted: Sequence[str]) -> Call[list[JobRecord]]:
    """Those of these jobs that are still there, and as far as that can be told quickly, in this state."""

    def read(reply: Any) -> list[JobRecord]:
        parts = iter(reply)
        records = (record_of(job_id, found) for job_id, found in zip(parts, parts, strict=True))
        return [record for record in records if record is not None]

    extra = {"holder": keys.one(HOLDERS[state])}
    return call("read_members", keys, read, *wanted, extra_keys=extra, prefix=keys.prefix)


def _holders(keys: Keys, state: JobState) -> dict[str, str]:
    """Where the jobs of a state are; those that version 5 put aside count as waiting."""
    holder = keys.one(HOLDERS[state])
    return {"holder": holder, "aside": keys.one("paused") if state is JobState.WAITING else holder}


def counts(keys: Keys) -> Call[dict[str, int]]:
    """How many jobs are in each state. `paused` is the number of waiting ones while the queue is paused."""

    def read(reply: Any) -> dict[str, int]:
        *numbers, paused = reply
        found: dict[str, int] = dict(zip(HOLDERS, numbers, strict=True))
        found[JobState.PAUSED] = found[JobState.WAITING] if paused else 0
        return found

    return call("read_counts", keys, read)


def state(keys: Keys, job_id: str) -> Call[JobState]:
    """Where a job is."""
    return call("read_state", keys, JobState, id=job_id)


def log_page(keys: Keys, job_id: str, start: int, stop: int) -> Call[tuple[list[str], int]]:
    """Log lines of a job, oldest first, and how many there are in all."""

    def read(reply: Any) -> tuple[list[str], int]:
        return list(reply[0]), reply[1]

    return call("read_logs", keys, read, prefix=keys.prefix, id=job_id, start=start, stop=stop)


def counts_per_priority(keys: Keys, priorities: Sequence[int]) -> Call[dict[int, int]]:
    """How many jobs wait with each of these priorities; 0 stands for none."""

    def read(reply: Any) -> dict[int, int]:
        return dict(zip(priorities, reply, strict=True))

    return call("read_priorities", keys, read, *priorities)


@dataclass(frozen=True, slots=True)
class Metrics:
    """How many jobs ended so since workers count them, and in each minute that is over, the newest first."""

    count: int
    points: list[int]
    """One for each minute; the last that is over comes first. It is written by the first job of a later minute."""
    total_points: int
    """How many minutes there are in all."""
    last_point_at: datetime | None
    """When the newest point was written."""


def metrics(keys: Keys, kind: str, start: int, stop: int) -> Call[Metrics]:
    """What the workers counted of completed or failed jobs."""

    def read(reply: Any) -> Metrics:
        count, time, _, points, total = reply
        return Metrics(read_int(count), [read_int(point) for point in points], total, moment(read_int(time)))

    return call("read_metrics", keys, read, prefix=keys.prefix, kind=kind, start=start, stop=stop)


def dedup_owner(keys: Keys, dedup_id: str) -> Command[str | None]:
    """The id of the job that holds a deduplication id."""
    return Command(("GET", f"{keys.prefix}de:{dedup_id}"), lambda reply: reply)


def meta(keys: Keys) -> Command[dict[str, str]]:
    """The queue's settings as they are stored."""

    def read(reply: Any) -> dict[str, str]:
        pairs = iter(reply)
        return dict(zip(pairs, pairs, strict=True))

    return Command(("HGETALL", keys.one("meta")), read)


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker that is connected, of whatever language, as Redis lists its blocking connection."""

    name: str | None
    """The worker's own name, if it has one."""
    address: str
    age_s: int
    """For how long it has been connected, in seconds."""
    idle_s: int
    details: dict[str, str]
    """All that Redis tells of the connection."""


def workers(keys: Keys) -> Command[list[WorkerInfo]]:
    """Who works this queue."""
    unnamed = keys.client_name(None)
    return Command(("CLIENT", "LIST"), lambda reply: _clients(reply, unnamed, f"{unnamed}:w:"))


def event_readers(keys: Keys) -> Command[list[WorkerInfo]]:
    """Who reads this queue's events."""
    return Command(("CLIENT", "LIST"), lambda reply: _clients(reply, keys.reader_name, ""))


def _clients(reply: Any, exact: str, named: str) -> list[WorkerInfo]:
    found: list[WorkerInfo] = []
    for client in _each_client(reply):
        name = client.get("name", "")
        if name == exact or (named and name.startswith(named)):
            found.append(
                WorkerInfo(
                    name.removeprefix(named) if named and name != exact else None,
                    client.get("addr", ""),
                    read_int(client.get("age")),
                    read_int(client.get("idle")),
                    client,
                )
            )
    return found


def _each_client(reply: Any) -> Iterator[dict[str, str]]:
    for line in str(reply).splitlines():
        words = (word.partition("=") for word in line.split(" "))
        yield {name: value for name, separator, value in words if separator}


def find_queues(prefix: str, cursor: str) -> Command[tuple[str, list[str]]]:
    """Some names of queues with this prefix, and where to go on; "0" when that was the end."""
    start = f"{prefix}:"

    def read(reply: Any) -> tuple[str, list[str]]:
        names = [key.removeprefix(start).removesuffix(":meta") for key in reply[1]]
        return str(reply[0]), [name for name in names if name and ":" not in name]

    return Command(("SCAN", cursor, "MATCH", f"{glob_literal(start)}*:meta", "COUNT", 1000), read)
