"""A leash for one process: runs a command, and ends it when whoever holds our standard input is gone.

A pipe closes with the process that holds it, however that ends, kill -9 included. So nothing is left behind.
Run as a program: `python leash.py COMMAND …`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

INSIST_AFTER_S = 8


def main(command: list[str]) -> int:
    """Run the command; its exit code, or 128 and the number of the signal that ended it, as in a shell."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: _send(child, signal.SIGTERM))
    threading.Thread(target=_end_when_let_go, args=(child,), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _end_when_let_go(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1024):
        pass
    _send(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(INSIST_AFTER_S)
        return
    _send(child, signal.SIGKILL)


def _send(child: subprocess.Popen[bytes], number: int) -> None:
    """To the whole group: the command may have children of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
