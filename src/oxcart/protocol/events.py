"""What happened to a queue, as its stream of events tells it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .wire import Unreadable, decode, moment, read_int


class Event:
    """Something that happened to a queue. `kind` says what, `fields` has all that was written of it, as text.

    Kinds of Oxcart and BullMQ have a class of their own, whose attributes have types; those that programs publish
    themselves are plain `Event`s. `id` is where it is in the stream: a reader can go on from it later.
    """

    __slots__ = ("fields", "id", "kind", "queue_name")

    def __init__(self, kind: str, id: str, queue_name: str, fields: Mapping[str, str]) -> None:
        self.kind = kind
        self.id = id
        self.queue_name = queue_name
        self.fields = fields

    def __repr__(self) -> str:
        about = f", job_id={self.job_id!r}" if self.job_id is not None else ""
        return f"{type(self).__name__}({self.kind!r}, queue={self.queue_name!r}{about}, id={self.id!r})"

    @property
    def job_id(self) -> str | None:
        """The job it is about; None if it is about the whole queue."""
        return self.fields.get("jobId")

    @property
    def at(self) -> datetime:
        """When Redis wrote it."""
        return moment(read_int(self.id)) or datetime.fromtimestamp(0, UTC)

    def _value(self, field: str) -> Any:
        """A JSON value; None if what somebody wrote there can't be read (it is still in `fields`)."""
        try:
            return decode(self.fields.get(field, "null"))
        except Unreadable:
            return None


class AddedEvent(Event):
    """A job was added."""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.fields.get("name", "")


class MovedEvent(Event):
    """A job came to another state. `prev` is the one it came from, as far as that was told."""

    @property
    def prev(self) -> str | None:
        return self.fields.get("prev")


class WaitingEvent(MovedEvent):
    """A job waits to be taken."""


class ActiveEvent(MovedEvent):
    """A worker took a job. `prev` is always `waiting`."""


class WaitingChildrenEvent(MovedEvent):
    """A job waits for its children."""


class RemovedEvent(MovedEvent):
    """A job was removed."""


class DelayedEvent(Event):
    """A job waits until it is due."""

    @property
    def due_at(self) -> datetime | None:
        return moment(read_int(self.fields.get("delay")))


class ProgressEvent(Event):
    """A job told how far it is."""

    @property
    def progress(self) -> Any:
        return self._value("data")


class CompletedEvent(MovedEvent):
    """A job is completed."""

    @property
    def return_value(self) -> Any:
        return self._value("returnvalue")


class FailedEvent(MovedEvent):
    """A job has failed for good. Attempts that will be repeated are told as `waiting` or `delayed`."""

    @property
    def failed_reason(self) -> str:
        return self.fields.get("failedReason", "")


class RetriesExhaustedEvent(Event):
    """A job has failed in all its attempts."""

    @property
    def attempts_made(self) -> int:
        return read_int(self.fields.get("attemptsMade"))


class DeduplicatedEvent(Event):
    """A job was dropped, since another stands for it: `job_id` is the one that stays."""

    @property
    def deduplication_id(self) -> str:
        return self.fields.get("deduplicationId", "")

    @property
    def deduplicated_job_id(self) -> str:
        """The one that was dropped."""
        return self.fields.get("deduplicatedJobId", "")


class DuplicatedEvent(Event):
    """A job was not added, since one with its id exists."""


class StalledEvent(Event):
    """A job lost its worker, and waits again."""


class DrainedEvent(Event):
    """Nothing is left to be taken. Not told in every such moment (see the docs)."""


class PausedEvent(Event):
    """The queue was paused."""


class ResumedEvent(Event):
    """The queue was resumed."""


class CleanedEvent(Event):
    """Old jobs were erased."""

    @property
    def count(self) -> int:
        return read_int(self.fields.get("count"))


KINDS: dict[str, type[Event]] = {
    "added": AddedEvent,
    "waiting": WaitingEvent,
    "active": ActiveEvent,
    "delayed": DelayedEvent,
    "progress": ProgressEvent,
    "completed": CompletedEvent,
    "failed": FailedEvent,
    "retries-exhausted": RetriesExhaustedEvent,
    "stalled": StalledEvent,
    "drained": DrainedEvent,
    "paused": PausedEvent,
    "resumed": ResumedEvent,
    "duplicated": DuplicatedEvent,
    "deduplicated": DeduplicatedEvent,
    "waiting-children": WaitingChildrenEvent,
    "removed": RemovedEvent,
    "cleaned": CleanedEvent,
}


def read_event(entry_id: str, fields: Mapping[str, str], queue_name: str) -> Event:
    """An entry of the stream as an event, whoever wrote it."""
    kind = fields.get("event", "")
    return KINDS.get(kind, Event)(kind, entry_id, queue_name, fields)
