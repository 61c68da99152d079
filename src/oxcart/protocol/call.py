"""A call: one operation as a value. Which script, with which keys and arguments, and how to read the reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import refusal
from .keys import Keys
from .scripts import Script, load

Reply = TypeVar("Reply")
Argument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Call(Generic[Reply]):
    """What to run and how to read the answer; nothing happens until a connection runs it."""

    script: Script
    keys: tuple[str, ...]
    args: Sequence[Argument]
    read: Callable[[Any], Reply]

    def command(self) -> tuple[Argument, ...]:
        """As Redis takes it, by the script's hash."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def command_with_source(self) -> tuple[Argument, ...]:
        """The same with the script's whole text, for a server that doesn't know it yet."""
        return ("EVAL", self.script.source, len(self.keys), *self.keys, *self.args)


@dataclass(frozen=True, slots=True)
class Command(Generic[Reply]):
    """The same for what one command of Redis does: a call that needs no script."""

    words: tuple[Argument, ...]
    read: Callable[[Any], Reply]

    def command(self) -> tuple[Argument, ...]:
        return self.words


def call(
    script: str,
    keys: Keys,
    read: Callable[[Any], Reply],
    *rest: Argument,
    extra_keys: dict[str, str] | None = None,
    **named: Argument,
) -> Call[Reply]:
    """Build a call by the names in the script's header; a name too few or too many is a bug, told at once."""
    contract = load(script)
    if set(named) != set(contract.args) or (rest and not contract.rest):
        raise TypeError(f"{script} takes {contract.args} and *{contract.rest or 'nothing'}, not {tuple(named)}")
    extra = extra_keys or {}
    names = tuple(name for name in contract.keys if name not in extra)
    found = keys.named(names)
    if extra:
        by_name = dict(zip(names, found, strict=True)) | extra
        found = tuple(by_name[name] for name in contract.keys)
    return Call(contract, found, (*[named[name] for name in contract.args], *rest), read)


def nothing(_: Any) -> None:
    """Read a reply that says nothing."""


def unless_refused(keys: Keys, job_id: str, read: Callable[[Any], Reply]) -> Callable[[Any], Reply]:
    """Read a reply about one job: a negative number is a refusal and raised as its error class."""

    def checked(reply: Any) -> Reply:
        if isinstance(reply, int) and reply < 0:
            raise refusal(reply, job_id, keys.name)
        return read(reply)

    return checked
