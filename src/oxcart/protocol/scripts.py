"""Finds the server-side scripts, joins their includes, and maps error lines back to the files.

The head of each file is its contract:

```lua
-- Takes …                                       what it does, in a sentence
--
-- keys: wait active events                      → keys.wait, keys.active, keys.events
-- args: prefix now *jobs                        → prefix, now, and jobs_at: where in ARGV the rest begins
-- returns: …
-- include: emit, wake                           functions from includes/, each with its own includes
```
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "lua"


@dataclass(frozen=True)
class Script:
    """A script ready to run, and what its header promised."""

    name: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    rest: str
    """The name of the arguments that follow the named ones; empty if none may."""
    source: str
    sha: str
    origins: tuple[str, ...] = field(repr=False)
    """For each line of `source`, the file and line it came from."""

    def explain(self, message: str) -> str:
        """A message of Redis with its line of the joined script replaced by file and line."""

        def origin(match: re.Match[str]) -> str:
            line = int(match.group(1))
            return self.origins[line - 1] if 0 < line <= len(self.origins) else match.group(0)

        readable = re.sub(r"@?user_script:(\d+)", origin, message)
        return f"script {self.name}: {readable}"


@dataclass(frozen=True)
class Header:
    """The contract at the top of a file."""

    title: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    include: tuple[str, ...]


_LINE = re.compile(r"--\s*(keys|args|include):\s*(.*)")


def read_header(text: str) -> Header:
    """Read the comment block that a file starts with."""
    title = ""
    words: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        title = title or line.removeprefix("--").strip()
        if match := _LINE.match(line):
            words[match.group(1)] = tuple(match.group(2).replace(",", " ").split())
    return Header(title, words.get("keys", ()), words.get("args", ()), words.get("include", ()))


@cache
def load(name: str) -> Script:
    """The script `lua/{name}.lua` with all that it includes."""
    text = (FOLDER / f"{name}.lua").read_text()
    header = read_header(text)
    lines: list[tuple[str, str]] = [(_prelude(header), f"{name}.lua:0")]
    for include in _ordered(header.include, (name,)):
        lines += _lines(f"includes/{include}.lua")
    lines += _lines(f"{name}.lua")
    source = "\n".join(line for line, _ in lines)
    named = tuple(word for word in header.args if not word.startswith("*"))
    rest = "".join(word[1:] for word in header.args if word.startswith("*"))
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, header.keys, named, rest, source, sha, tuple(origin for _, origin in lines))


def _prelude(header: Header) -> str:
    """One line that turns positions into names, so that nobody counts them."""
    keys = ", ".join(f"{name} = KEYS[{at}]" for at, name in enumerate(header.keys, 1))
    named = [word for word in header.args if not word.startswith("*")]
    # `redis` as a local is found faster than as a global, which counts in scripts that run ten commands for a job.
    parts = [f"local redis, keys = redis, {{{keys}}}"]
    if named:
        values = ", ".join(f"ARGV[{at}]" for at in range(1, len(named) + 1))
        parts.append(f"local {', '.join(named)} = {values}")
    parts += [f"local {word[1:]}_at = {len(named) + 1}" for word in header.args if word.startswith("*")]
    return " ".join(parts)


def _lines(file: str) -> list[tuple[str, str]]:
    text = (FOLDER / file).read_text()
    return [(line, f"{file}:{at}") for at, line in enumerate(text.splitlines(), 1)]


def _ordered(names: tuple[str, ...], path: tuple[str, ...]) -> list[str]:
    """Includes, the deepest first, each once; a circle is refused by name."""
    found: list[str] = []
    for name in names:
        if name in path:
            raise ValueError(f"circle of includes: {' → '.join((*path, name))}")
        inner = read_header((FOLDER / "includes" / f"{name}.lua").read_text()).include
        found += [item for item in (*_ordered(inner, (*path, name)), name) if item not in found]
    return found
