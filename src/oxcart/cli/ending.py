"""Lets a process end although a thread of the user's does not."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from ..worker.streams import flush

log = logging.getLogger("oxcart.worker")

GRACE_S = 3
"""How long what still runs may take to end by itself."""


@contextmanager
def ending() -> Iterator[None]:
    """After the block the process has `GRACE_S` to end, and is ended then: Python waits for threads without limit."""
    code = 1
    try:
        yield
        code = 0
    finally:
        flush()
        main = threading.main_thread()
        waited_for = [thread for thread in threading.enumerate() if not (thread.daemon or thread is main)]
        threading.Thread(target=_end_hard, args=(code, waited_for), name="oxcart-end", daemon=True).start()


def _end_hard(code: int, waited_for: list[threading.Thread]) -> None:
    time.sleep(GRACE_S)
    stacks = {
        thread.name: stack for thread in waited_for if thread.is_alive() and (stack := _stack(thread)) is not None
    }
    # One of an executor that is idle there does not hang.
    busy = {name: stack for name, stack in stacks.items() if not stack or stack[-1].name != "_worker"}
    main = threading.main_thread()
    for name, stack in (busy or {main.name: _stack(main) or []}).items():
        where = "".join(traceback.format_list(stack)).rstrip()
        log.warning("thread %s does not end; the process ends without it:\n%s", name, where)
    flush()
    os._exit(code)


def _stack(thread: threading.Thread) -> list[traceback.FrameSummary] | None:
    """Where a thread is; None if it has ended just now."""
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    if frame is None:
        return None
    return [step for step in traceback.extract_stack(frame) if step.filename != threading.__file__]
