"""What is stored of a job: `JobRecord`, read from its hash, damaged ones too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import wire


class JobRecord:
    """A job as it was read: its id and its hash. Plain data; values are decoded when they are looked at."""

    __slots__ = ("_data", "fields", "id", "note")

    def __init__(self, job_id: str, fields: dict[str, str], note: str = "") -> None:
        self.id = job_id
        self.fields = fields
        self.note = note
        """What was wrong with the key itself, if it could not be read as a hash."""
        self._data: Any = _UNREAD

    @classmethod
    def from_flat(cls, job_id: str, flat: Iterable[str]) -> JobRecord:
        """From the reply of `HGETALL`: field, value, field, value, …"""
        pairs = iter(flat)
        return cls(job_id, dict(zip(pairs, pairs, strict=True)))

    def __repr__(self) -> str:
        return f"JobRecord({self.id!r}, {self.name!r})"  # never the data: it may be secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobRecord) and (self.id, self.fields) == (other.id, other.fields)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def integer(self, field: str) -> int:
        """A field with a number; 0 if there is none."""
        return wire.read_int(self.fields.get(field))

    @property
    def name(self) -> str:
        return self.fields.get("name", "")

    @property
    def data(self) -> Any:
        """What the producer sent; raises `wire.Unreadable` if it is damaged."""
        if self._data is _UNREAD:
            text = self.fields.get("data")
            self._data = wire.decode(text) if text else {}
        return self._data

    @data.setter
    def data(self, value: Any) -> None:
        self._data = value

    @property
    def options(self) -> wire.StoredOptions:
        return wire.stored_options(self.fields.get("opts", ""))

    @property
    def progress(self) -> Any:
        return self._json("progress", 0)

    @property
    def return_value(self) -> Any:
        return self._json("returnvalue", None)

    @property
    def parent(self) -> Any:
        return self._json("parent", None)

    @property
    def stacktrace(self) -> list[str]:
        """One text for each failed attempt, oldest first; empty if the field can't be read."""
        return wire.stacktrace(self.fields.get("stacktrace"))

    @property
    def attempts_made(self) -> int:
        return self.integer("attemptsMade" if "attemptsMade" in self.fields else "atm")

    def damage(self) -> str:
        """Why this job can't be run or shown whole: the field and what is wrong with it; empty if it can."""
        if self.note:
            return self.note
        field = "data"
        try:
            # A damaged return value or stack trace harms nobody; what a processor is given has to be whole.
            _ = self.data
            field = "opts"
            _ = self.options
            if "progress" in self.fields:
                field = "progress"
                _ = self.progress
            if "parent" in self.fields:
                field = "parent"
                _ = self.parent
        except wire.Unreadable as error:
            return f"the job's field {field!r} can't be read: {error}"
        return ""

    def _json(self, field: str, default: Any) -> Any:
        text = self.fields.get(field)
        return wire.decode(text) if text else default


_UNREAD: Any = object()
