"""Where "now" comes from: one function type, and the real one."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Answers the present as whole milliseconds since 1970 (UTC)."""


def system_clock() -> int:
    """The machine's clock in milliseconds."""
    return time.time_ns() // 1_000_000
