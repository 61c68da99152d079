"""A queue's numbers as text for Prometheus, under the names that BullMQ gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ..errors import OptionsError

# In the order in which Node writes them.
_STATES = ("active", "completed", "delayed", "failed", "prioritized", "waiting", "waiting-children")


def exposition(queue: str, counts: Mapping[str, int], completed: int, failed: int, labels: Mapping[str, str]) -> str:
    """The text, without a newline at its end."""
    more = "".join(f', {name}="{_escaped(value)}"' for name, value in labels.items())
    own = f'queue="{_escaped(queue)}"'
    lines = ["# HELP bullmq_job_count Number of jobs in the queue by state", "# TYPE bullmq_job_count gauge"]
    lines += [f'bullmq_job_count{{{own}, state="{state}"{more}}} {counts[state]}' for state in _STATES]
    for kind, number in (("completed", completed), ("failed", failed)):
        lines.append(f"# HELP bullmq_job_{kind}_total Total number of {kind} jobs")
        lines.append(f"# TYPE bullmq_job_{kind}_total counter")
        lines.append(f"bullmq_job_{kind}_total{{{own}{more}}} {number}")
    return "\n".join(lines)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raise an `OptionsError` for labels that Prometheus would refuse, with all that they come with."""
    for name, value in labels.items():
        if not isinstance(cast(object, name), str) or not name.isidentifier() or not name.isascii():
            raise OptionsError(f"label {name!r}: letters, digits and '_', not starting with a digit")
        if name in ("queue", "state"):
            raise OptionsError(f"label {name!r}: each line has one of its own")
        if not isinstance(cast(object, value), str):
            raise OptionsError(f"label {name}={value!r}: text")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
