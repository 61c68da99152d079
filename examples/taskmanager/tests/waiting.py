"""Waiting for conditions, with deadlines."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def wait_until(condition: Callable[[], Any], timeout: float = 40) -> Any:
    """Wait until the condition, plain or async, is true; its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"still not so after {timeout} s"
        await asyncio.sleep(0.01)
