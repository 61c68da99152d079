"""The rule of events: the log tells what becomes of jobs."""

from __future__ import annotations

from ..stage import Stage
from .look import ensure


async def are_logged(stage: Stage) -> str:
    """The log of this tour has all three kinds, with queue and id."""
    found = {kind: stage.watch.lines(f"Job {kind}") for kind in ("completed", "failed", "stalled")}
    for kind, lines in found.items():
        ensure(len(lines) > 0, f"the log tells of no job that has {kind}")
        ensure(all({"queue", "id"} <= line.facts.keys() for line in lines), f"the log doesn't say which job has {kind}")
        ensure(all(line.who == "worker" for line in lines), "the web application has run a job")
    return ", ".join(f"{kind} {len(lines)} ×" for kind, lines in found.items())
