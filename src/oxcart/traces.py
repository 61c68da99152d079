"""Traces: what the stack traces of Python and V8 say, and which failures are the same.

Workers that record failures and the dashboard that shows them have to agree on it, so it stands below both.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TypedDict

LARGEST = 100_000
"""How many characters of a trace are looked at."""

MOST_FRAMES = 200


class Frame(TypedDict):
    """A line of a stack trace."""

    file: str
    line: int | None
    function: str
    code: str
    library: bool
    """Whether it is in somebody else's code: site-packages, node_modules, the standard library."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A stack trace: the class of the error as far as it is told, its message, and its frames, innermost first."""

    kind: str
    message: str
    frames: list[Frame]


def parse(raw: str) -> Trace:
    """Read a stack trace of Python or V8, as workers store it; of anything else, its first line is the message."""
    raw = raw[:LARGEST].replace("\r\n", "\n")
    begin = raw.find(_PYTHON)
    if begin >= 0:
        frames = _python_frames(raw)
        head = raw[:begin].strip() or raw.strip().splitlines()[-1]
    else:
        lines = raw.split("\n")
        first = next((at for at, line in enumerate(lines) if _is_v8_frame(line)), len(lines))
        frames = [frame for line in lines[first:] if (frame := _v8_frame(line)) is not None][:MOST_FRAMES]
        head = "\n".join(lines[:first] if frames else lines[:1]).strip()
    kind, message = _split(head)
    return Trace(kind, message, frames)


_KIND = re.compile(r"(?:Uncaught )?((?:[A-Za-z_$][\w$]*\.){0,8}[A-Za-z_$][\w$]*)(?: \[[\w ]{1,60}\])?(?::(?: |$)|$)")


def _split(head: str) -> tuple[str, str]:
    """The class and the message of "Kind: message"."""
    match = _KIND.match(head)
    if match is None:
        return "", head
    return match[1].rpartition(".")[2], head[match.end() :].strip()


# ----------------------------------------------------------------------------------------------------- Python

_PYTHON = "Traceback (most recent call last):"
_PYTHON_FRAME = re.compile(r'[ |]*File "([^"\n]{0,1000})", line (\d{1,9})(?:, in (.{0,300}))?')
_MARKS = re.compile(r"[\s|~^]*$")


def _python_frames(raw: str) -> list[Frame]:
    """Those of the error itself: the last of a chain of errors. What it came from is in the raw text."""
    frames: list[Frame] = []
    lines = raw[raw.rindex(_PYTHON) :].split("\n")[1:]
    for at, line in enumerate(lines):
        match = _PYTHON_FRAME.match(line)
        if match is None:
            if line and not line[0].isspace() and frames:
                break  # "Kind: reason": the end
            continue
        following = lines[at + 1].strip() if at + 1 < len(lines) else ""
        code = "" if _PYTHON_FRAME.match(lines[at + 1] if following else "") or _MARKS.match(following) else following
        frames.append(
            {
                "file": match[1],
                "line": int(match[2]),
                "function": (match[3] or "").strip(),
                "code": code[:300] if line.startswith(" ") and at + 1 < len(lines) and lines[at + 1][:1] == " " else "",
                "library": in_python_library(match[1]),
            }
        )
    return frames[::-1][:MOST_FRAMES]


_PYTHON_LIBRARY = re.compile(
    r"/(?:site|dist)-packages/|/lib(?:64)?/python\d[^/]*/|/Python\d+/Lib/|/oxcart/(?:worker|aio|sync|protocol)/|^<",
    re.IGNORECASE,
)


def in_python_library(file: str) -> bool:
    """Whether a file belongs to the standard library, to an installed package, or to the worker itself."""
    return _PYTHON_LIBRARY.search(file.replace("\\", "/")) is not None


# --------------------------------------------------------------------------------------------------------- V8

_V8_PLACE = re.compile(r"(.{0,1000}?)(?::(\d{1,9}))?(?::\d{1,9})?$")


def _is_v8_frame(line: str) -> bool:
    return line.lstrip(" \t").startswith("at ") and line[:1] in " \t"


def _v8_frame(line: str) -> Frame | None:
    """`at async Class.method (file:line:column)`, or without a name `at file:line:column`."""
    if not _is_v8_frame(line):
        return None
    text = line.strip()[3:1500]
    function, place = "", text
    if text.endswith(")") and " (" in text:
        function, _, place = text[:-1].partition(" (")
    elif text.startswith("async "):
        place = text[6:]
    match = _V8_PLACE.match(place)
    file, number = (match[1], match[2]) if match else (place, None)
    file = file.removeprefix("file://")
    return {
        "file": file,
        "line": int(number) if number else None,
        "function": function.removeprefix("async "),
        "code": "",
        "library": in_v8_library(file),
    }


_V8_LIBRARY = re.compile(r"/node_modules/|^node:|^internal/|^native$|^<anonymous>$|^index \d+$|^eval at ")


def in_v8_library(file: str) -> bool:
    """Whether a file belongs to a package or to Node itself."""
    return not file or _V8_LIBRARY.search(file.replace("\\", "/")) is not None


# ---------------------------------------------------------------------------------------------------- the same

# What differs from one occurrence to the next, in the order in which it has to be looked for.
_VARYING = (
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b"), "<email>"),
    (re.compile(r"\b[a-z][a-z0-9+]{1,20}://[^\s\"'<>)]{1,2000}", re.IGNORECASE), "<url>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d:\d\d:\d\d\b"
        ),
        "<time>",
    ),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "<ip>"),
    (re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:])", re.IGNORECASE), "<ip>"),
    (re.compile(r"\b0x[0-9a-f]{1,64}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\b(?=[a-f]{0,64}\d)[0-9a-f]{8,128}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"(['\"`])(?=[^'\"`\n]{0,200}[\d\s])[^'\"`\n]{1,200}\1"), "<text>"),
    (re.compile(r"\b(?=[A-Za-z_-]{0,64}\d)(?=[\d_-]{0,64}[A-Za-z])[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)+\b"), "<id>"),
)
# Numbers vary too, but those that say what kind of failure it is: a status, a port behind an address, a library's code.
_NUMBER = re.compile(
    r"((?:\b(?:https?|status|code|errno|error|line|column|port)\b[\s:=#(]{0,3}(?:code\b[\s:=]{0,3})?|^(?=[1-5]\d\d\b)"
    r"|<ip>:|\blocalhost:|\[Errno )\d{1,5}\b(?:[ -]\d\.\d{1,3}\.\d{1,3})?)|(?<![\w.<])-?\d+(?:[.,]\d+)*",
    re.IGNORECASE,
)

LONGEST_MESSAGE = 300


def normalised(message: str) -> str:
    """A message without what differs from one occurrence to the next. Example: `no user <n>` for `no user 17`."""
    text = message.strip()[: 4 * LONGEST_MESSAGE].partition("\n")[0].rstrip()
    for pattern, placeholder in _VARYING:
        text = pattern.sub(placeholder, text)
    text = _NUMBER.sub(lambda match: match[1] or "<n>", text)
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def place_of(frames: list[Frame]) -> str:
    """Where it happened: the innermost frame of one's own code, by file and function; empty if there is no frame."""
    own = next((frame for frame in frames if not frame["library"]), frames[0] if frames else None)
    return f"{own['file']}\n{own['function']}" if own else ""


def fingerprint(kind: str, message: str, place: str) -> str:
    """What failures of the same kind have in common; `message` is a normalised one."""
    text = f"{kind}\n{message}\n{place}".encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text, digest_size=8).hexdigest()
