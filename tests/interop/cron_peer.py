"""The Node process with cron-parser, which our own cron engine is compared with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parent / "node" / "cron.mjs"

Case = tuple[str, str, int, int]
"""A pattern, a zone, an instant in milliseconds, and how many matches are wanted after it."""
Answer = list[int] | str
"""The matches, fewer if it finds no more; or why the pattern or the zone is refused."""


class CronPeer:
    """cron-parser as BullMQ has it. Give many cases at once: a request takes its time, a case next to none."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["node", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.versions: dict[str, str] = self._read()
        """Of cron-parser, and of Node's time zone data."""

    def __enter__(self) -> CronPeer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def __call__(self, cases: Sequence[Case]) -> list[Answer]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(cases).encode() + b"\n")
        self._process.stdin.flush()
        return [answer["error"] if isinstance(answer, dict) else answer for answer in self._read()]

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("Node has ended: what it said is on stderr")
        return json.loads(line)
