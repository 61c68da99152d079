"""What a search looks for: text in a job's id, name, data or failure, or at a path of its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from ..errors import OptionsError
from .record import JobRecord
from .wire import Unreadable

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_NOTHING: Any = object()


def parse_path(path: str) -> list[str]:
    """The steps of a path such as `user.email`, `items[0].sku` or `$.items.0.sku`."""
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


def matches(record: JobRecord, text: str | None, steps: Sequence[str] | None) -> bool:
    """Whether a job has the text, in whatever case; with a path only what stands there counts."""
    if steps is not None:
        try:
            value = _at(record.data, steps)
        except Unreadable:
            return False
        return value is not _NOTHING and (text is None or text.casefold() in _as_text(value).casefold())
    if text is None:
        return True
    wanted = text.casefold()
    fields = record.fields
    places = (record.id, record.name, fields.get("data", ""), fields.get("failedReason", ""))
    return any(wanted in place.casefold() for place in places)


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
    return value if isinstance(value, str) else orjson.dumps(value).decode()
