"""Looking: jobs, pages of them, counts, states, logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..call import Call, call
from ..keys import Keys
from ..record import JobRecord
from ..states import HOLDERS, JobState


def _record(job_id: str, found: Any) -> JobRecord | None:
    """A record from what is stored: a hash, nothing, or the type of something else."""
    if isinstance(found, str):
        return JobRecord(job_id, {}, f"the job's key is of type {found}, not a hash")
    return JobRecord.from_flat(job_id, found) if found else None


def jobs(keys: Keys, ids: Sequence[str]) -> Call[list[JobRecord | None]]:
    """The jobs with these ids; None for those that don't exist."""

    def read(reply: Any) -> list[JobRecord | None]:
        return [_record(job_id, found) for job_id, found in zip(ids, reply, strict=True)]

    return call("read_jobs", keys, read, *ids, prefix=keys.prefix)


def page(
    keys: Keys, state: JobState, start: int, stop: int, ascending: bool
) -> Call[list[tuple[str, JobRecord | None]]]:
    """The ids and jobs of a range of one state; None for an id whose job doesn't exist."""
    # In a list, next to run is at the right end: `ascending` means next to run first, as in the sorted sets.
    descending = not ascending

    def read(reply: Any) -> list[tuple[str, JobRecord | None]]:
        parts = iter(reply)
        return [(job_id, _record(job_id, found)) for job_id, found in zip(parts, parts, strict=True)]

    return call(
        "read_page",
        keys,
        read,
        extra_keys={"holder": keys.one(HOLDERS[state])},
        prefix=keys.prefix,
        start=start,
        stop=stop,
        descending=int(descending),
    )


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


def logs(keys: Keys, job_id: str, start: int, stop: int) -> Call[list[str]]:
    """Log lines of a job, oldest first."""

    def read(reply: Any) -> list[str]:
        return list(reply[0])

    return call("read_logs", keys, read, prefix=keys.prefix, id=job_id, start=start, stop=stop)
