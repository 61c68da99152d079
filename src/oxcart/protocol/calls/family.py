"""Parents and children: who a job waits for, and how they ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .. import wire
from ..call import Call, call, unless_refused
from ..keys import Keys
from ..record import JobRecord
from ..states import JobState
from .change import LARGEST_REMOVAL
from .read import record_of


class Place(NamedTuple):
    """Where a job is kept: its queue, and its id."""

    keys: Keys
    id: str


def place_of(reference: str) -> Place:
    """The job that a reference names: prefix, queue and id, of which only the prefix may have colons."""
    queue_key, _, job_id = reference.rpartition(":")
    prefix, _, queue = queue_key.rpartition(":")
    return Place(Keys(queue, prefix), job_id)


@dataclass(frozen=True, slots=True)
class StoredNode:
    """A job of a flow as it was read."""

    record: JobRecord
    state: JobState
    children: list[Place]


def node(keys: Keys, job_id: str, most: int) -> Call[StoredNode | None]:
    """A job with where it is, and references to about `most` children of each kind; None if it isn't there."""

    def read(reply: Any) -> StoredNode | None:
        if not reply:
            return None
        found, state, references = reply
        record = record_of(job_id, found)
        assert record is not None
        return StoredNode(record, JobState(state), [place_of(reference) for reference in references])

    return call("read_node", keys, read, prefix=keys.prefix, id=job_id, count=most)


KINDS = {"processed": "processed", "unprocessed": "dependencies", "ignored": "failed", "failed": "unsuccessful"}
"""The kinds of children, and where a parent has them on the wire (trap 1 of part 2: `failed` has the ignored ones)."""


@dataclass(slots=True)
class Dependencies:
    """The children of a job, by their keys (`prefix:queue:id`)."""

    processed: dict[str, Any] = field(default_factory=dict[str, Any])
    """The completed ones, each with what it returned."""
    unprocessed: list[str] = field(default_factory=list[str])
    """Those that it still waits for."""
    ignored: dict[str, str] = field(default_factory=dict[str, str])
    """Those that failed without harm to it, each with the reason."""
    failed: list[str] = field(default_factory=list[str])
    """Those whose failure fails it."""
    cursor: str | None = None
    """To be given to the next call, to go on from here; None when all were read."""

    def take_in(self, kind: str, found: Sequence[str]) -> None:
        """Add what was read of one kind."""
        if kind == "processed":
            self.processed |= {reference: _value(text) for reference, text in _pairs(found)}
        elif kind == "ignored":
            self.ignored |= dict(_pairs(found))
        elif kind == "unprocessed":
            self.unprocessed += found
        else:
            self.failed += found

    @property
    def all(self) -> list[str]:
        """The keys of all of them."""
        return [*self.processed, *self.unprocessed, *self.failed, *self.ignored]


def dependencies(keys: Keys, job_id: str, kind: str, cursor: str, count: int) -> Call[tuple[str, list[str]]]:
    """Some of a parent's children of one kind, and where to go on; "0" when that was the end."""

    def read(reply: Any) -> tuple[str, list[str]]:
        return str(reply[0]), list(reply[1])

    return call(
        "read_dependencies", keys, read, prefix=keys.prefix, id=job_id, kind=KINDS[kind], cursor=cursor, count=count
    )


def count_dependencies(keys: Keys, job_id: str) -> Call[dict[str, int]]:
    """How many children of each kind a parent has."""

    def read(reply: Any) -> dict[str, int]:
        return dict(zip(KINDS, reply, strict=True))

    return call("count_dependencies", keys, read, prefix=keys.prefix, id=job_id)


def remove_unprocessed_children(keys: Keys, job_id: str) -> Call[tuple[int, bool]]:
    """Remove some of the children that a parent still waits for; answers how many, and whether to call again."""

    def read(reply: Any) -> tuple[int, bool]:
        return reply[0], bool(reply[1])

    return call(
        "remove_unprocessed_children",
        keys,
        unless_refused(keys, job_id, read),
        prefix=keys.prefix,
        id=job_id,
        budget=LARGEST_REMOVAL,
    )


def leave_parent(keys: Keys, job_id: str, parent_key: str) -> Call[bool]:
    """Take a job from its parent; answers whether the parent waited for it."""

    def read(reply: Any) -> bool:
        # A missing parent is told of the parent, not of the child.
        return unless_refused(keys, parent_key if reply == -5 else job_id, bool)(reply)

    return call("leave_parent", keys, read, prefix=keys.prefix, id=job_id)


def keep_step(keys: Keys, job_id: str, name: str, value: str) -> Call[str]:
    """Store the result of a step, given as JSON, unless there is one; answers the one that counts."""
    read = unless_refused(keys, job_id, str)
    return call("keep_step", keys, read, prefix=keys.prefix, id=job_id, field=step_field(name), value=value)


def step_field(name: str) -> str:
    """The field of a job's hash that has the result of a step."""
    return f"ox:step:{name}"


def _pairs(flat: Sequence[str]) -> Iterator[tuple[str, str]]:
    parts = iter(flat)
    return zip(parts, parts, strict=True)


def _value(text: str) -> Any:
    """What a child returned; None if what somebody stored there can't be read."""
    try:
        return wire.decode(text)
    except wire.Unreadable:
        return None
