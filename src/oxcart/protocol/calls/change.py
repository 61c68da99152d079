"""Changing one job: its data, progress and log, when it runs, whether it is there."""

from __future__ import annotations

from typing import Any

from ..call import Call, call, nothing, unless_refused
from ..keys import Keys
from .work import LISTENS


def update_progress(keys: Keys, job_id: str, progress: str) -> Call[None]:
    """Store a job's progress, given as JSON."""
    read = unless_refused(keys, job_id, nothing)
    return call("update_progress", keys, read, prefix=keys.prefix, id=job_id, progress=progress)


def update_data(keys: Keys, job_id: str, data: str, was: str = "") -> Call[bool]:
    """Replace a job's data, given as JSON; false if they are no longer `was`, and are left as they are."""
    read = unless_refused(keys, job_id, bool)
    return call("update_data", keys, read, prefix=keys.prefix, id=job_id, data=data, was=was)


def add_log(keys: Keys, job_id: str, line: str, keep: int) -> Call[int]:
    """Add a line to a job's log and keep the newest `keep` (0: all); answers how many there are."""
    return call("add_log", keys, unless_refused(keys, job_id, int), prefix=keys.prefix, id=job_id, line=line, keep=keep)


def clear_logs(keys: Keys, job_id: str, keep: int) -> Call[None]:
    """Delete a job's log, but for its newest `keep` lines."""
    return call("clear_logs", keys, nothing, prefix=keys.prefix, id=job_id, keep=keep)


def change_delay(keys: Keys, job_id: str, now: int, delay_ms: int) -> Call[None]:
    """Make a delayed job due `delay_ms` from now."""
    read = unless_refused(keys, job_id, nothing)
    return call("change_delay", keys, read, prefix=keys.prefix, id=job_id, now=now, delay_ms=delay_ms)


def change_priority(keys: Keys, job_id: str, priority: int, lifo: bool) -> Call[None]:
    """Give a job another priority; with `lifo` it comes before its equals."""
    read = unless_refused(keys, job_id, nothing)
    return call("change_priority", keys, read, prefix=keys.prefix, id=job_id, priority=priority, lifo=int(lifo))


def promote_job(keys: Keys, job_id: str) -> Call[None]:
    """Let a delayed job run now."""
    return call("promote_job", keys, unless_refused(keys, job_id, nothing), prefix=keys.prefix, id=job_id)


def retry_job(keys: Keys, job_id: str, lifo: bool, *, reset_attempts: bool, reset_starts: bool) -> Call[None]:
    """Let a finished job run again."""
    resets = [field for field, wanted in (("atm", reset_attempts), ("ats", reset_starts)) if wanted]
    if reset_attempts:
        resets.append("attemptsMade")  # of old data, where it counts instead
    read = unless_refused(keys, job_id, nothing)
    return call("retry_job", keys, read, *resets, prefix=keys.prefix, id=job_id, lifo=int(lifo))


CANCEL_KEEP_MS = 60_000
"""For how long at least a request to cancel a job is kept for its worker."""


def cancel_job(keys: Keys, job_id: str, why: str) -> Call[int]:
    """Ask the worker that runs a job to cancel it; answers for how many milliseconds the job's lock holds yet."""
    return call(
        "cancel_job",
        keys,
        unless_refused(keys, job_id, int),
        extra_keys={"cancels": keys.cancels},
        prefix=keys.prefix,
        own=keys.own,
        id=job_id,
        why=why,
        listens=LISTENS,
        keep_ms=CANCEL_KEEP_MS,
    )


LARGEST_REMOVAL = 250
"""How many jobs of a tree one call removes; fewer, where it has to look for them in long lists."""


def remove_job(keys: Keys, job_id: str, children: bool, going_on: bool) -> Call[bool | None]:
    """Remove a job, with `children` all below it; answers whether there was one, or None if there is more to do."""

    def read(reply: Any) -> bool | None:
        return None if reply == 2 else bool(reply)

    return call(
        "remove_job",
        keys,
        unless_refused(keys, job_id, read),
        prefix=keys.prefix,
        id=job_id,
        children=int(children),
        budget=LARGEST_REMOVAL,
        going_on=int(going_on),
    )


def remove_dedup(keys: Keys, dedup_id: str, owner: str = "") -> Call[bool]:
    """Free a deduplication id, with `owner` only if that job holds it; answers whether it was taken."""
    return call("remove_dedup", keys, bool, prefix=keys.prefix, dedup_id=dedup_id, owner=owner)
