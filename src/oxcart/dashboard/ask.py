"""Ask: what a request asks for, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from .access import Access


class Refusal(Exception):
    """Why a request is not answered: an HTTP status, a word for programs and a sentence for people."""

    def __init__(self, status: int, error: str, message: str, after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.after_s = after_s
        """In how many seconds it may be tried again, if that is known."""


def invalid(message: str) -> Refusal:
    return Refusal(400, "invalid", message)


def not_found(message: str) -> Refusal:
    return Refusal(404, "not_found", message)


def too_many(message: str, wait_s: float) -> Refusal:
    after_s = max(1, ceil(wait_s))
    return Refusal(429, "too_many", f"{message} Try again in {after_s} s.", after_s)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request without its transport: who asks, and the values from its path, its query and its JSON body."""

    access: Access
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def text(self, name: str, default: str | None = None, most: int = 500) -> str | None:
        """A text of the query; None (or `default`) if it isn't there or is empty."""
        found = self.query.get(name) or default
        if found is not None and len(found) > most:
            raise invalid(f"{name}: at most {most} characters")
        return found

    def whole(self, name: str, default: int, least: int = 0, most: int = 2**53 - 1) -> int:
        """A whole number of the query, within bounds."""
        text = self.query.get(name, "")
        if not text:
            return default
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 16 or not least <= int(text) <= most:
            raise invalid(f"{name}={text[:40]!r}: a whole number between {least} and {most}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether the query says `name=1`."""
        return self.one_of(name, ("0", "1", "false", "true"), "0") in ("1", "true")

    def one_of(self, name: str, words: tuple[str, ...], default: str | None = None) -> str:
        """One of these words from the query."""
        found = self.query.get(name) or default
        if found not in words:
            raise invalid(f"{name}={(found or '')[:40]!r}: one of {', '.join(words)}")
        return found

    def given(self, name: str, kind: type, default: Any = ...) -> Any:
        """A value of the body of this type; `default` if it isn't there, an error without one."""
        if name not in self.body:
            if default is ...:
                raise invalid(f"{name}: missing")
            return default
        value = self.body[name]
        if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
            raise invalid(f"{name}: {_NAMES.get(kind, kind.__name__)} is wanted")
        return value


_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
