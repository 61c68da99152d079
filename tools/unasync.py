"""Writes the blocking shell (`src/oxcart/sync/`) from the async one (`src/oxcart/aio/`), and its tests likewise.

python tools/unasync.py            write the files
python tools/unasync.py --check    exit 1 if one is not current
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHELL = ROOT / "src/oxcart/aio"
FILES = (
    "connection.py",
    "gently.py",
    "insist.py",
    "demand.py",
    "removal.py",
    "flows.py",
    "job.py",
    "schedulers.py",
    "view.py",
    "queue.py",
    "events.py",
)
TESTS = ROOT / "tests/live/shells"
HEADER = "# Generated from {source} by tools/unasync.py: change that file instead.\n\n"

PAIRS = (
    (r"async def ", "def "),
    (r"await ", ""),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"async (for|with) ", r"\1 "),
    (r"__aiter__", "__iter__"),
    (r"__anext__", "__next__"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"import asyncio\n((?:import \w+\n)*import time\n)", r"\1"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"AsyncIterator", "Iterator"),
    (r"from redis\.asyncio import", "from redis import"),
    (r"tests\.live\.shells\.shell", "tests.sync.shell"),
)


def convert(text: str, used: set[str]) -> str:
    """The blocking twin of a source text; adds the patterns that were needed to `used`."""
    for pattern, replacement in PAIRS:
        text, count = re.subn(pattern, replacement, text)
        if count:
            used.add(pattern)
    # What has become shorter may fit on one line now.
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(ROOT / "twin.py"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def twins() -> Iterator[tuple[Path, Path]]:
    """Each file and the one made from it."""
    for name in FILES:
        yield SHELL / name, ROOT / "src/oxcart/sync" / name
    for file in sorted(TESTS.glob("test_*.py")):
        yield file, ROOT / "tests/sync" / file.name


def main(arguments: list[str]) -> int:
    used: set[str] = set()
    stale: list[str] = []
    for source, target in twins():
        place = source.relative_to(ROOT).as_posix().removeprefix("src/oxcart/")
        twin = convert(HEADER.format(source=place) + source.read_text(), used)
        if not target.exists() or target.read_text() != twin:
            stale.append(target.relative_to(ROOT).as_posix())
            if "--check" not in arguments:
                target.write_text(twin)
    unused = {pattern for pattern, _ in PAIRS} - used
    if unused:
        print(f"unasync: nothing needs {sorted(unused)} any more: remove it")
        return 1
    if stale and "--check" in arguments:
        print(f"unasync: not current: {', '.join(stale)}: run python tools/unasync.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
