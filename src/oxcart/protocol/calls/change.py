"""Changing one job: its progress, its log."""

from __future__ import annotations

from ..call import Call, call, nothing, unless_refused
from ..keys import Keys


def update_progress(keys: Keys, job_id: str, progress: str) -> Call[None]:
    """Store a job's progress, given as JSON."""
    read = unless_refused(keys, job_id, nothing)
    return call("update_progress", keys, read, prefix=keys.prefix, id=job_id, progress=progress)


def add_log(keys: Keys, job_id: str, line: str, keep: int) -> Call[int]:
    """Add a line to a job's log and keep the newest `keep` (0: all); answers how many there are."""
    return call("add_log", keys, unless_refused(keys, job_id, int), prefix=keys.prefix, id=job_id, line=line, keep=keep)
