"""Redactor: masks what looks like a secret, in everything that leaves the server.

One list of words says which names are those of secrets, of members in JSON and in texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

from .secrets_in_text import MASK, without_secrets

SECRET_WORDS = (
    "password passwd passphrase secret token authorization cookie credential session api_key apikey access_key "
    "private_key card_number cardnumber cvv cvc iban ssn"
).split()

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

    @property
    def wants_all(self) -> bool:
        """Whether a function of the user's has to see a value as a whole, to know what it is."""
        return self._mask is not None

    def text(self, text: str) -> str:
        """A text, such as an error's, with the values of secret names in it masked, and passwords of URLs."""
        if self._names is None:
            return text
        return without_secrets(text, self._is_secret)

    def _is_secret(self, name: str) -> bool:
        return self._names is not None and self._names.search(_flat(name)) is not None

    def _walk(self, value: Any, seen: list[bool]) -> Any:
        # A job may have millions of values, so no type is made anew for each of them, as by `cast(list[Any], …)`.
        if not value:
            return value
        if isinstance(value, str):
            masked = self.text(value)
            if masked != value:
                seen.append(True)
            return masked
        if isinstance(value, dict):
            return {key: self._member(str(key), item, seen) for key, item in cast("dict[Any, Any]", value).items()}
        if isinstance(value, list):
            return [self._walk(item, seen) for item in cast("list[Any]", value)]
        return value

    def _member(self, key: str, item: Any, seen: list[bool]) -> Any:
        if item is not None and item != "" and self._is_secret(key):
            seen.append(True)
            return MASK
        return self._walk(item, seen)


def has_mask(value: Any) -> bool:
    """Whether it has the mask anywhere, however deep it is: then it was not meant to be stored."""
    left: list[Any] = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if MASK in one:
                return True
        elif isinstance(one, dict):
            left += cast("dict[str, Any]", one).values()
        elif isinstance(one, list):
            left += cast("list[Any]", one)
    return False


@lru_cache(maxsize=10_000)
def _flat_of_short(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _flat(name: str) -> str:
    """The same names come again and again."""
    if len(name) < 100:
        return _flat_of_short(name)
    return re.sub("[^a-z0-9]", "", name.lower())
