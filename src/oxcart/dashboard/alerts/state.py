"""State: for which queues a rule holds, and who knows of it; kept in Redis, so that all processes know the same."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Firing:
    """A queue that a rule holds for."""

    since: int
    value: int
    told: list[str] = field(default_factory=list[str])
    """The destinations that know of it."""
    over: int = 0
    """For how many rounds it has been over, while that could not be told."""


@dataclass(slots=True)
class State:
    """What all processes know of a rule."""

    firing: dict[str, Firing] = field(default_factory=dict[str, Firing])
    last: int | None = None
    problem: str | None = None

    def as_text(self) -> str:
        firing = {name: [one.since, one.value, one.told, one.over] for name, one in self.firing.items()}
        return json.dumps({"firing": firing, "last": self.last, "problem": self.problem})

    @classmethod
    def from_text(cls, text: object) -> State:
        """What was kept; nothing if it can't be read."""
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            kept: Any = json.loads(str(text))
            firing = {
                str(name): Firing(int(since), int(value), [str(one) for one in told], int(over))
                for name, (since, value, told, over) in kept["firing"].items()
            }
            last, problem = kept["last"], kept["problem"]
            return cls(firing, None if last is None else int(last), None if problem is None else str(problem))
        return cls()
