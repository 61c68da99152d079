"""One run of one measure in a process of its own: `python -m oxcart.bench.child`, told what to do on stdin.

A line of JSON says which; it answers `{"ready": true}`, waits for the line `go`, and tells time and CPU time.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable
from time import perf_counter

from .measures import KINDS, Task


class PipeWatch:
    """A watch that starts at the word of the process above, and tells it at once what it has taken."""

    def start(self) -> None:
        _say({"ready": True})
        sys.stdin.readline()
        self._cpu_s, self._start = _cpu_s(), perf_counter()

    def stop(self, waits_ms: list[float] | None = None) -> None:
        seconds, cpu_s = perf_counter() - self._start, _cpu_s() - self._cpu_s
        _say({"seconds": seconds, "client_cpu_s": cpu_s, "waits_ms": waits_ms or []})


def main() -> None:
    """Do what the first line of stdin says."""
    message = json.loads(sys.stdin.readline())
    message.pop("warm_up")
    task = Task(**message)
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(_run(task))


async def _run(task: Task) -> None:
    await KINDS[task.kind](task, PipeWatch())


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    return uvloop.new_event_loop


def _cpu_s() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
