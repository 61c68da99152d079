"""What goes wrong in a test of faults is told by that test, not by a later one."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def leftovers() -> Iterator[None]:
    """Collect what a test left open, so that its warning comes here."""
    yield
    gc.collect()
