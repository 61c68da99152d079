"""A job's states, and the key that holds the jobs of each."""

from __future__ import annotations

from enum import StrEnum

from ..errors import OptionsError


class JobState(StrEnum):
    """Where a job is. `paused` counts waiting jobs of a paused queue; `unknown` is a job that is nowhere."""

    WAITING = "waiting"
    ACTIVE = "active"
    DELAYED = "delayed"
    PRIORITIZED = "prioritized"
    COMPLETED = "completed"
    FAILED = "failed"
    WAITING_CHILDREN = "waiting-children"
    PAUSED = "paused"
    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return repr(self.value)  # as it is printed in the dictionaries that counts are


# The key (as scripts name it) of each state, in the order in which counts are reported.
HOLDERS: dict[JobState, str] = {
    JobState.WAITING: "wait",
    JobState.ACTIVE: "active",
    JobState.DELAYED: "delayed",
    JobState.PRIORITIZED: "prioritized",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.WAITING_CHILDREN: "waiting_children",
}

# In these, people look for what happened last; in the others, for what happens next.
NEWEST_FIRST = frozenset({JobState.COMPLETED, JobState.FAILED})

ALIASES = {"wait": JobState.WAITING}


def state(name: str) -> JobState:
    """The state with this name."""
    try:
        return ALIASES.get(name) or JobState(name)
    except (ValueError, TypeError):
        raise OptionsError(f"unknown state {name!r}: one of {', '.join(JobState)}") from None
