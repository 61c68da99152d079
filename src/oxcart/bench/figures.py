"""Which figures are told of the runs, how each is worked out, and what the goal beside Node is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import quantiles
from typing import Literal

Unit = Literal["jobs/s", "µs", "ms"]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a measure has taken.

    `waits_ms` are the times from adding to starting, if it measures those. `others_cpu_s` is the CPU time that this
    machine has meanwhile spent on anything else, where it can tell.
    """

    jobs: int
    seconds: float
    client_cpu_s: float
    redis_cpu_s: float
    waits_ms: tuple[float, ...] = ()
    others_cpu_s: float = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the report. The goal is a ratio, ours to Node's: at least that for jobs/s, at most that otherwise."""

    name: str
    label: str
    measure: str
    unit: Unit
    read: Callable[[Run], float]
    goal: float | None = None

    @property
    def more_is_better(self) -> bool:
        return self.unit == "jobs/s"

    def holds(self, ratio: float) -> bool | None:
        """Whether the goal is reached; None if there is none."""
        if self.goal is None:
            return None
        return ratio >= self.goal if self.more_is_better else ratio <= self.goal


def rate(run: Run) -> float:
    """Jobs a second."""
    return run.jobs / run.seconds


def redis_us(run: Run) -> float:
    """Microseconds of Redis's CPU time for a job."""
    return run.redis_cpu_s / run.jobs * 1e6


def client_us(run: Run) -> float:
    """Microseconds of the client's CPU time for a job."""
    return run.client_cpu_s / run.jobs * 1e6


def wait_p50(run: Run) -> float:
    """The time that half of the jobs waited at most."""
    return quantiles(run.waits_ms, n=100, method="inclusive")[49]


def wait_p99(run: Run) -> float:
    """The time that all but one in a hundred waited at most."""
    return quantiles(run.waits_ms, n=100, method="inclusive")[98]


def _processing(concurrency: int, *goals: float | None) -> list[Figure]:
    name, label = f"process-{concurrency}", f"process, concurrency {concurrency}"
    return [
        Figure(name, label, name, "jobs/s", rate, goals[0]),
        Figure(f"{name}-redis-cpu", "– Redis CPU a job", name, "µs", redis_us, goals[1]),
        Figure(f"{name}-client-cpu", "– client CPU a job", name, "µs", client_us, goals[2]),
    ]


FIGURES = (
    Figure("add-one", "add, one after another", "add-one", "jobs/s", rate),
    Figure("add-100", "add, 100 at once", "add-100", "jobs/s", rate, 2),
    Figure("add-bulk", "add in bulk of 1,000", "add-bulk", "jobs/s", rate, 4),
    Figure("add-flow", "add flows of 1 + 10, one after another", "add-flow", "jobs/s", rate, 4),
    Figure("add-flow-100", "add flows of 1 + 10, 100 at once", "add-flow-100", "jobs/s", rate, 4),
    *_processing(1, 1.5, None, None),
    *_processing(10, 2, None, None),
    *_processing(100, 3, 0.4, 0.35),
    Figure("latency-p50", "add to start, idle worker, p50", "latency", "ms", wait_p50, 0.7),
    Figure("latency-p99", "add to start, idle worker, p99", "latency", "ms", wait_p99, 0.3),
)
