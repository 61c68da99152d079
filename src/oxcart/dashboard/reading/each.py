"""Each: the same question to many queues, some at a time; one that can't be read does not spoil the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ...errors import OxcartError, ScriptError, is_forbidden

AT_ONCE = 50
"""How many queues are asked at once: enough to keep Redis busy, few enough that each answer comes in its time."""

Asked = TypeVar("Asked")
Value = TypeVar("Value")


@dataclass(slots=True)
class Answers(Generic[Asked, Value]):
    """What was answered for which, in the order in which it was asked."""

    found: list[tuple[Asked, Value]] = field(default_factory=list[tuple[Asked, Value]])
    unreadable: list[tuple[Asked, OxcartError]] = field(default_factory=list[tuple[Asked, OxcartError]])

    def at_least_one(self) -> list[tuple[Asked, Value]]:
        """What was found; the first error if there is nothing but errors."""
        if self.unreadable and not self.found:
            raise self.unreadable[0][1]
        return self.found


async def of_each(asked: Sequence[Asked], ask: Callable[[Asked], Awaitable[Value]]) -> Answers[Asked, Value]:
    """The answer for each. That the server is away, or a bug of ours, is raised; what is about one queue is not."""
    answers = Answers[Asked, Value]()
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        told = await asyncio.gather(*(ask(one) for one in some), return_exceptions=True)
        for one, answer in zip(some, told, strict=True):
            if not isinstance(answer, BaseException):
                answers.found.append((one, answer))
            elif isinstance(answer, OxcartError) and (is_forbidden(answer) or isinstance(answer, ScriptError)):
                answers.unreadable.append((one, answer))
            else:
                raise answer
    return answers
