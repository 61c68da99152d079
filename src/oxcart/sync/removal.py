# Generated from aio/removal.py by tools/unasync.py: change that file instead.

"""Removes a job with all below it, in as many calls as that takes."""

from __future__ import annotations

from ..protocol.calls import change
from ..protocol.keys import Keys
from .connection import Connection
from .gently import Gently


def remove(connection: Connection, keys: Keys, job_id: str, children: bool) -> bool:
    """Whether there was one. If this is cut off, what is left of the tree is whole: leaves go first."""
    gently = Gently(connection)
    done = gently.run(change.remove_job(keys, job_id, children, going_on=False))
    while done is None:
        done = gently.run(change.remove_job(keys, job_id, children, going_on=True))
    return done
