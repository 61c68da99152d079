"""Notices when Python files below a folder change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

LOOK_EVERY_S = 0.5

_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


async def changes(folder: str) -> AsyncIterator[list[str]]:
    """The files of each change, for ever. The folder itself may go and come back."""
    seen = await asyncio.to_thread(_snapshot, folder)
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = await asyncio.to_thread(_snapshot, folder)
        if now != seen:
            yield sorted({path for path, _ in now ^ seen})
            seen = now


def _snapshot(folder: str) -> set[tuple[str, int]]:
    """The Python files below a folder with their times; hidden folders and installed packages are left out."""
    found: set[tuple[str, int]] = set()
    entered: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        # In order, so that a folder with two names has the same one at each look.
        folders[:] = sorted(name for name in folders if _looked_into(root, name))
        try:
            place = os.stat(root)
            if (place.st_dev, place.st_ino) in entered:
                folders.clear()  # a link has led here before, maybe in a circle
                continue
            entered.add((place.st_dev, place.st_ino))
        except OSError:
            continue
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(root, name)
                try:
                    found.add((os.path.relpath(path, folder), os.stat(path).st_mtime_ns))
                except OSError:
                    continue  # gone between the two looks
    return found


def _looked_into(root: str, name: str) -> bool:
    """Whether there may be code to run. A link is followed to a package that lies elsewhere, not to heaps of data."""
    if name.startswith(".") or name in _SKIPPED:
        return False
    path = os.path.join(root, name)
    return not os.path.islink(path) or os.path.exists(os.path.join(path, "__init__.py"))
