"""Redactor: masks what looks like a secret, in everything that leaves the server."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

MASK = "•••"

SECRET_WORDS = (
    "password passwd passphrase secret token authorization cookie credential session api_key apikey access_key "
    "private_key card_number cardnumber cvv cvc iban ssn"
).split()

_IN_TEXT = re.compile(
    r"(?i)\b(password|passwd|secret|token|api[_-]?key|authorization)(\s*[=:]\s*)(?:(bearer|basic)\s+)?([^\s,;&\"']+)"
)
# It begins at "://": a name before it could begin anywhere in a long text, which would take for ever.
_IN_URL = re.compile(r"(://[^\s:/@]*:)([^\s@/]+)(@)")

Mask = Callable[[str, Any], Any]
"""(queue, value) → the value as it may be seen: a function of the user's, before the rules."""


class Redactor:
    """Masks values by the names of their keys, and secrets in plain text. `words` are parts of such names."""

    def __init__(self, words: Sequence[str] = SECRET_WORDS, mask: Mask | None = None) -> None:
        self._names = re.compile("|".join(re.escape(_flat(word)) for word in words)) if words else None
        self._mask = mask

    def value(self, value: Any, queue: str = "") -> tuple[Any, bool]:
        """A JSON value with its secrets masked, and whether there were any."""
        seen: list[bool] = []
        if self._mask is not None:
            changed = self._mask(queue, value)
            if changed != value:
                seen.append(True)
            value = changed
        return self._walk(value, seen), bool(seen)

    def text(self, text: str) -> str:
        """A text, such as an error's, with passwords and tokens in it masked."""
        if self._names is None:
            return text
        text = _IN_TEXT.sub(lambda match: f"{match[1]}{match[2]}{MASK}", text)
        return _IN_URL.sub(rf"\1{MASK}\3", text)

    def _walk(self, value: Any, seen: list[bool]) -> Any:
        if isinstance(value, dict):
            return {key: self._member(str(key), item, seen) for key, item in cast(dict[Any, Any], value).items()}
        if isinstance(value, list):
            return [self._walk(item, seen) for item in cast(list[Any], value)]
        if isinstance(value, str):
            masked = self.text(value)
            if masked != value:
                seen.append(True)
            return masked
        return value

    def _member(self, key: str, item: Any, seen: list[bool]) -> Any:
        if self._names is not None and item not in (None, "") and self._names.search(_flat(key)):
            seen.append(True)
            return MASK
        return self._walk(item, seen)


@lru_cache(maxsize=10_000)
def _flat_of_short(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _flat(name: str) -> str:
    """The same names come again and again."""
    if len(name) < 100:
        return _flat_of_short(name)
    return re.sub("[^a-z0-9]", "", name.lower())
