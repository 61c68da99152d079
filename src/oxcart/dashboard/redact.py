"""Redactor: masks what looks like a secret, in everything that leaves the server.

One list of words says which names are those of secrets: of members in JSON, and in texts of what stands before `=`, `:`
or `=>`, or is an option such as `--password`.
"""

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

# Each begins at the start of a word, and gives back nothing of what it has taken (`++`): so however a text was made, it
# takes a time of its length.
_NAME = re.compile(
    r"""(?<![\w-])(?P<name>[\w-]++)(?P<between>(?:\[[^\s\]]{0,20}\])?[\\"'\])]{0,9}\s*+(?:=>|:=|=++|:(?![:=]))\s*+)"""
)
_OPTION = re.compile(r"""(?<![\w-])(?P<name>--[\w-]++)(?P<between>\s++(?!-)|\\{0,7}["'],\s*+(?!-))""")
_QUOTE = re.compile(r"""(?P<call>[\w.]{1,60}\(\s{0,9})?[bBfFrRuU]{0,2}(?P<quote>\\{0,7}["'])""")
"""A quote, maybe behind the letter of a literal or in the call of a class, as in `SecretStr('…')`."""
_IN_BRACKETS = re.compile(r"""\\.|"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[\[{(\]})]""")
_HEADER = re.compile(r"""(?:[^\n"'=]|=(?:"[^"\n]*+"|'[^'\n]*+')?+)++""")
_WORD = re.compile(r"""(?:(?i:bearer|basic|token|digest|negotiate|apikey)[^\S\n]++)?+[^\s,;&"']++""")

_NO_SECRETS = frozenset({"", "none", "null", "nil", "undefined"})
_ERRORS = ("error", "exception", "warning", "expired")
"""How classes are called behind whose names a message stands."""
_HEADERS = ("authorization", "cookie")
"""What they say has blanks and semicolons in it."""

# It begins at "://": a name before it could begin anywhere in a long text, which would take for ever.
_IN_URL = re.compile(r'(://[^\s:/@"]*+:)([^\s/"]+)(@)')
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----)[^-]++")

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
        if ":" in text or "=" in text:
            text = self._masked(_NAME, text)
        if "--" in text:
            text = _PRIVATE_KEY.sub(rf"\1{MASK}", self._masked(_OPTION, text))
        return _IN_URL.sub(rf"\1{MASK}\3", text) if "://" in text else text

    def _masked(self, names: re.Pattern[str], text: str) -> str:
        parts: list[str] = []
        kept = at = 0
        while (match := names.search(text, at)) is not None:
            at = match.end("name")
            if not self._is_secret(match["name"]) or _is_error(match["name"], match["between"]):
                continue
            at = match.end()
            start, end = _value_at(text, at, any(word in match["name"].lower() for word in _HEADERS))
            if text[start:end].lower() in _NO_SECRETS:
                continue
            parts += (text[kept:start], MASK)
            kept = at = end
        return "".join((*parts, text[kept:])) if parts else text

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


def _is_error(name: str, between: str) -> bool:
    """Whether it is a class and its message, such as `TokenError: it is too old`."""
    return between.strip() == ":" and name.lower().endswith(_ERRORS)


def _value_at(text: str, at: int, header: bool) -> tuple[int, int]:
    """From where to where a value goes that begins there. What is quoted or in brackets has its end in its line."""
    newline = text.find("\n", at)
    end = len(text) if newline < 0 else newline
    if (match := _QUOTE.match(text, at)) is not None:
        closing = re.compile(rf"(?<!\\){re.escape(match['quote'])}").search(text, match.end(), end)
        return at if match["call"] else match.end(), end if closing is None else closing.start()
    if text[at : at + 1] in ("[", "{", "("):
        return at, _end_of_brackets(text, at, end)
    found = (_HEADER if header else _WORD).match(text, at)
    if found is None:
        return at, at
    end = found.end()
    # A bracket that closes what was opened before is not part of the value.
    for _ in range(9):
        if end - at < 2 or text[end - 1] not in ")}]" or any(text.find(one, at, end) >= 0 for one in "({["):
            break
        end -= 1
    return at, end


def _end_of_brackets(text: str, at: int, end: int) -> int:
    depth = 0
    for match in _IN_BRACKETS.finditer(text, at, end):
        depth += 1 if match[0] in ("[", "{", "(") else -1 if match[0] in ("]", "}", ")") else 0
        if not depth:
            return match.end()
    return end


@lru_cache(maxsize=10_000)
def _flat_of_short(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _flat(name: str) -> str:
    """The same names come again and again."""
    if len(name) < 100:
        return _flat_of_short(name)
    return re.sub("[^a-z0-9]", "", name.lower())
