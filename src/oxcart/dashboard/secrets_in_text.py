"""Secrets in texts, such as an error's: what is called by the name of a secret, passwords of URLs, private keys.

A name stands before `=`, `:` or `=>`, or is an option such as `--password`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MASK = "•••"
"""What stands for a secret wherever one was."""

IsSecret = Callable[[str], bool]
"""Whether a name is that of a secret."""

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


def without_secrets(text: str, is_secret: IsSecret) -> str:
    """The text with what is secret in it masked."""
    if ":" in text or "=" in text:
        text = _masked(_NAME, text, is_secret)
    if "--" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}", _masked(_OPTION, text, is_secret))
    return _IN_URL.sub(rf"\1{MASK}\3", text) if "://" in text else text


def _masked(names: re.Pattern[str], text: str, is_secret: IsSecret) -> str:
    parts: list[str] = []
    kept = at = 0
    while (match := names.search(text, at)) is not None:
        at = match.end("name")
        if not is_secret(match["name"]) or _is_error(match["name"], match["between"]):
            continue
        at = match.end()
        start, end = _value_at(text, at, any(word in match["name"].lower() for word in _HEADERS))
        if text[start:end].lower() in _NO_SECRETS:
            continue
        parts += (text[kept:start], MASK)
        kept = at = end
    return "".join((*parts, text[kept:])) if parts else text


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
