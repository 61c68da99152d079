"""Presence: what a connected worker says of itself for a minute at a time, under the number of its connection.

Redis tells who is connected, but only by name and address. A worker of Node says nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from .call import Command, nothing
from .keys import Keys
from .wire import sendable

KEEP_MS = 60_000
"""How long it is believed after it was said last."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What a worker is."""

    token: str
    """How the locks of its jobs begin."""
    slots: int
    paused: bool
    version: str | None
    """That of the user's program."""
    oxcart: str
    python: str
    host: str
    pid: int

    def to_text(self) -> str:
        return sendable(json.dumps(asdict(self), ensure_ascii=False))

    @classmethod
    def from_text(cls, text: object) -> Presence | None:
        """None for what no worker of ours has written."""
        try:
            found: Any = json.loads(cast(str, text))
        except (TypeError, ValueError):
            return None
        if not isinstance(found, dict):
            return None
        parts = cast(Mapping[str, Any], found)
        kinds = {
            "token": str, "slots": int, "paused": bool, "version": str | None,
            "oxcart": str, "python": str, "host": str, "pid": int,
        }  # fmt: skip
        right = {name: parts.get(name) for name, kind in kinds.items() if isinstance(parts.get(name), kind)}
        return cls(**cast(Any, right)) if len(right) == len(kinds) else None


def say(keys: Keys, connection: int, presence: Presence) -> Command[None]:
    """Say it for the next minute."""
    return Command(("SET", keys.presence(connection), presence.to_text(), "PX", KEEP_MS), nothing)


def leave(keys: Keys, connection: int) -> Command[None]:
    """Take it back."""
    return Command(("DEL", keys.presence(connection)), nothing)
