"""The traps of the wire specification without a test here: by number, each with the reason."""

from __future__ import annotations

PART_1: dict[int, str] = {}
"""Traps of part 1 that Oxcart can't step into."""

PART_2: dict[int, str] = {}
"""The same of part 2."""
