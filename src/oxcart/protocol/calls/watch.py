"""Watching: the stream of events, how a job ended, events of one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from ...errors import OptionsError
from .. import wire
from ..call import Argument, Call, Command, call, unless_refused
from ..events import KINDS
from ..keys import Keys

NEWEST = "$"
LARGEST_READ = 500
"""How many events of a stream one read brings."""
LARGEST_LOOK_BACK = 1000
MOST_FIELDS = 1000

_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")


class Entry(NamedTuple):
    """An entry of a stream."""

    id: str
    fields: dict[str, str]


def order(entry_id: str) -> tuple[int, int]:
    """An id of a stream as something that can be compared."""
    time, _, number = entry_id.partition("-")
    return int(time), int(number or 0)


def check_since(since: object) -> str:
    """Where to start to read: `$` for what is new, or an id of the stream."""
    match = _ID.fullmatch(since) if isinstance(since, str) else None
    fits = match is not None and all(int(part or 0) < 2**64 for part in match.groups())
    if not isinstance(since, str) or not (since == NEWEST or fits):
        raise OptionsError(
            f"since={since!r}: '$' for new events only, or the id of an event, such as '1700000000000-0'"
        )
    return since


def last_id(keys: Keys) -> Command[str]:
    """The id of the newest event; "0-0" if there is none."""
    return Command(
        ("XREVRANGE", keys.one("events"), "+", "-", "COUNT", 1), lambda reply: str(reply[0][0]) if reply else "0-0"
    )


def read_streams(cursors: Mapping[str, str], block_ms: int | None) -> Command[dict[str, list[Entry]]]:
    """Wait for events after these ids in several streams (by key), and read them; None doesn't wait."""

    def read(reply: Any) -> dict[str, list[Entry]]:
        return {str(key): _entries(entries) for key, entries in reply or ()}

    block: list[Argument] = [] if block_ms is None else ["BLOCK", block_ms]
    words: list[Argument] = ["XREAD", "COUNT", LARGEST_READ, *block, "STREAMS", *cursors, *cursors.values()]
    return Command(tuple(words), read)


def read_back(keys: Keys, before: str) -> Command[list[Entry]]:
    """Some events before an id (or "+"), the newest first."""
    start = before if before == "+" else f"({before}"
    return Command(("XREVRANGE", keys.one("events"), start, "-", "COUNT", LARGEST_LOOK_BACK), _entries)


def _entries(reply: Any) -> list[Entry]:
    found: list[Entry] = []
    for entry_id, fields in reply or ():
        if fields:
            pairs = iter(fields)
            found.append(Entry(str(entry_id), dict(zip(pairs, pairs, strict=False))))
    return found


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: its value as JSON, or the reason why it failed."""

    completed: bool
    text: str
    stacktrace: list[str]


def ending_in(entry: Entry) -> Ending | None:
    """How a job ended, if that is what this event tells."""
    fields = entry.fields
    if fields.get("event") == "completed":
        return Ending(True, fields.get("returnvalue", "null"), [])
    if fields.get("event") == "failed":
        return Ending(False, fields.get("failedReason", ""), [])
    return None


def value_of(ending: Ending) -> Any:
    """The value of a completed job; None if what somebody stored there can't be read."""
    try:
        return wire.decode(ending.text) if ending.text else None
    except wire.Unreadable:
        return None


def ending(keys: Keys, job_id: str) -> Call[Ending | None]:
    """How a job ended; None if it has not yet."""

    def read(reply: Any) -> Ending | None:
        state, text, stacktrace = reply
        if not state:
            return None
        return Ending(state == "completed", text or "", wire.stacktrace(stacktrace))

    return call("read_ending", keys, unless_refused(keys, job_id, read), prefix=keys.prefix, id=job_id)


def publish(keys: Keys, kind: str, fields: Mapping[str, Any]) -> Call[str]:
    """Write an event of one's own."""
    if not isinstance(cast(object, kind), str) or not kind:
        raise OptionsError(f"publish({kind!r}): the kind of an event is a non-empty string")
    kind = wire.sendable(kind)
    if kind == "error":
        raise OptionsError("publish('error'): Node's listeners end their program on it; take another word")
    if kind in KINDS:
        raise OptionsError(f"publish({kind!r}): the queue itself tells this; take another word")
    if not isinstance(cast(object, fields), Mapping) or len(fields) > MOST_FIELDS:
        raise OptionsError(f"publish({kind!r}): fields are a mapping with at most {MOST_FIELDS} names")
    words: list[str] = []
    for name, value in fields.items():
        if not isinstance(cast(object, name), str) or name == "event":
            raise OptionsError(f"publish({kind!r}): {name!r} can't be the name of a field")
        words += (
            wire.sendable(name),
            wire.sendable(value) if isinstance(value, str) else wire.encode(value, f"field {name!r} of event {kind!r}"),
        )
    return call("publish_event", keys, str, *words, kind=kind)
