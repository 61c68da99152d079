"""Runs a call for which a job has to be in some state; a refusal says in which it is instead."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from ..errors import InvalidState, OxcartError, wrong_state
from ..protocol.call import Call
from ..protocol.calls import read
from ..protocol.keys import Keys
from ..protocol.states import JobState
from .connection import Connection

Reply = TypeVar("Reply")


async def demand(connection: Connection, keys: Keys, job_id: str, call: Call[Reply], *needed: JobState) -> Reply:
    """The answer to a call; an `InvalidState` that names the job's state and those that the call needs."""
    try:
        return await connection.run(call)
    except InvalidState as error:
        refused = error
    state: JobState | None = None
    with contextlib.suppress(OxcartError):  # what it can't be asked now isn't said
        state = await connection.run(read.state(keys, job_id))
    if state is None or state in needed:  # it has changed meanwhile
        raise refused
    raise wrong_state(refused, keys.name, state, needed)
