"""What a search looks for: text in a job's id, name, data or failure, or at a path of its data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..errors import OptionsError
from .record import JobRecord
from .wire import Unreadable

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_NOTHING: Any = object()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Text in whatever case; with steps only what stands there in the data counts, without text that something does."""

    text: str | None
    steps: Sequence[str] | None

    @classmethod
    def parse(cls, text: object, path: object) -> Wanted:
        """What was asked for; an `OptionsError` if that can't be right."""
        if text is not None and not isinstance(text, str):
            raise OptionsError(f"search({text!r}): the text is a string")
        return cls(None if text is None else text.casefold(), None if path is None else _parse_path(path))

    def in_job(self, record: JobRecord) -> bool:
        """Whether a job has it."""
        if self.steps is not None:
            value = _at(_data(record), self.steps)
            return value is not _NOTHING and (self.text is None or self.text in _as_text(value).casefold())
        if self.text is None:
            return True
        fields = record.fields
        data = fields.get("data", "")
        places = [record.id, record.name, data, fields.get("failedReason", "")]
        if "\\" in data:  # what was escaped for JSON is looked for as it was meant, too
            places.append(_as_text(_data(record)))
        return any(self.text in place.casefold() for place in places)


def _parse_path(path: object) -> list[str]:
    """The steps of a path such as `user.email`, `items[0].sku` or `$.items.0.sku`."""
    if not isinstance(path, str):
        raise OptionsError(f"path={path!r}: a string such as 'user.email'")
    rest = path.removeprefix("$")
    steps: list[str] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise OptionsError(f"path={path!r}: names and numbers, such as 'user.email' or 'items[0].sku'")
        steps.append(match.group(1) or match.group(2))
        at = match.end()
    if not steps:
        raise OptionsError(f"path={path!r}: at least one name, such as 'userId'")
    return steps


def _data(record: JobRecord) -> Any:
    try:
        return record.data
    except Unreadable:
        return _NOTHING


def _at(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get(step, _NOTHING)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(cast(list[Any], value)):
            value = cast(list[Any], value)[int(step)]
        else:
            return _NOTHING
    return value


def _as_text(value: Any) -> str:
    """All texts and numbers in a value, a line each, as they were meant: without what JSON does to them."""
    return "\n".join(_leaves(value))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in cast(Mapping[str, Any], value).items():
            yield name
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in cast(list[Any], value):
            yield from _leaves(item)
    elif value is not _NOTHING:
        yield json.dumps(value)
