"""The traps of the wire specification without a test here: by number, each with the reason."""

from __future__ import annotations

PART_1: dict[int, str] = {}
"""Traps of part 1 that Oxcart can't step into."""

PART_2: dict[int, str] = {}
"""The same of part 2."""

PART_1_LATER: dict[int, str] = {
    46: "comes with schedulers: the worker that takes a scheduler's job makes the next one",
    55: "comes with schedulers: the repeated jobs of version 5",
}
"""Traps of what is not built yet. Whoever builds it takes them out of here and writes their tests."""

PART_2_LATER: dict[int, str] = {
    15: "comes with schedulers: the next iteration is made when a job is taken",
    16: "comes with schedulers: which job asks for the next iteration",
    17: "comes with schedulers: what the options of an iteration have to say",
    18: "comes with schedulers: what an iteration inherits, and from whom",
    19: "comes with schedulers: the grid of an interval",
    20: "comes with schedulers: their limit",
    21: "comes with schedulers: removing one whose job waits",
    22: "comes with schedulers: time zones",
    23: "comes with schedulers: the dialect of patterns",
    24: "comes with schedulers: patterns when clocks are changed",
    26: "comes with schedulers: deduplication in a template",
}
"""The same of part 2."""
