"""Writes the blocking shell (`src/oxcart/sync/`) from the async one (`src/oxcart/aio/`).

python tools/unasync.py            write the files
python tools/unasync.py --check    exit 1 if one is not current
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src/oxcart/aio"
TARGET = SOURCE.parent / "sync"
FILES = ("connection.py", "job.py")
HEADER = "# Generated from aio/{name} by tools/unasync.py: change that file instead.\n\n"

PAIRS = (
    (r"async def ", "def "),
    (r"await ", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
)


def convert(text: str, used: set[str]) -> str:
    """The blocking twin of a source text; adds the patterns that were needed to `used`."""
    for pattern, replacement in PAIRS:
        text, count = re.subn(pattern, replacement, text)
        if count:
            used.add(pattern)
    return text


def main(arguments: list[str]) -> int:
    used: set[str] = set()
    stale: list[str] = []
    for name in FILES:
        source = (SOURCE / name).read_text()
        twin = HEADER.format(name=name) + convert(source, used)
        target = TARGET / name
        if not target.exists() or target.read_text() != twin:
            stale.append(name)
            if "--check" not in arguments:
                target.write_text(twin)
    unused = {pattern for pattern, _ in PAIRS} - used
    if unused:
        print(f"unasync: nothing needs {sorted(unused)} any more: remove it")
        return 1
    if stale and "--check" in arguments:
        print(f"unasync: sync/{', sync/'.join(stale)} not current: run python tools/unasync.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
