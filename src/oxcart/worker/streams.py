"""Standard output and error: written out before a process ends, or says that a job has."""

from __future__ import annotations

import contextlib
import sys


def flush() -> None:
    """Write out what is buffered; streams that are closed or full harm nobody."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
