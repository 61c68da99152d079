"""Prometheus: the numbers of all queues, and what was recorded by the names of jobs, in its text format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...tally import Tally
from ..ask import Ask
from ..board import Board
from ..reading import rows
from ..reading.each import of_each
from ..reading.kept import kept
from ..reading.recorded import LONGEST_NAME, tallies, with_recorder
from ..web.answers import File

FRESH_S = 5
PROMETHEUS = "text/plain; version=0.0.4"
BOUNDS = range(2, 23)
"""Histograms have a bucket for each power of two of milliseconds, from 4 ms to 70 minutes."""

_COUNTERS = (
    ("oxcart_jobs_completed_total", "Jobs that are completed, by their names", "completed"),
    ("oxcart_jobs_failed_total", "Jobs that failed for good, by their names", "failed"),
    ("oxcart_attempts_retried_total", "Failed attempts that are repeated, by the names of jobs", "retried"),
)
_HISTOGRAMS = (
    ("oxcart_job_run_seconds", "How long attempts ran, by the names of jobs", "run"),
    ("oxcart_job_wait_seconds", "How long jobs waited from being due to being taken, by their names", "wait"),
)


async def prometheus(board: Board, ask: Ask) -> File:
    """The numbers of all queues that the user sees, as text for Prometheus."""
    names = await board.names(ask)
    text = await kept(board).get(("prometheus", *names), FRESH_S, lambda: _prometheus(board, names))
    return File(text, PROMETHEUS)


async def _prometheus(board: Board, names: Sequence[str]) -> str:
    queues = [board.open(name) for name in names]
    answers = (await of_each(queues, lambda queue: queue.prometheus())).at_least_one()
    queues, texts = [queue for queue, _ in answers], [text for _, text in answers]
    counted: list[tuple[str, dict[str, Tally]]] = []
    for queue in await with_recorder(board, queues):
        shown: dict[str, Tally] = {}
        for name, tally in (await tallies(board, queue.keys.step_total)).items():
            shown.setdefault(rows.text_of(board, name, LONGEST_NAME), Tally()).add(tally)
        counted.append((queue.name, shown))
    return "\n".join([*_regrouped(texts), *_families(counted)]) + "\n"


def _regrouped(texts: Sequence[str]) -> Iterator[str]:
    """The lines of many queues, those of one metric together: Prometheus wants it so, and its head but once."""
    families: dict[str, tuple[list[str], list[str]]] = {}
    for text in texts:
        head, lines = list[str](), list[str]()
        for line in text.split("\n"):
            if line.startswith("# HELP "):
                head, lines = families.setdefault(line.split(" ")[2], ([], []))
            if not line.startswith("#"):
                lines.append(line)
            elif line not in head:
                head.append(line)
    for head, lines in families.values():
        yield from head
        yield from lines


def _families(counted: Sequence[tuple[str, dict[str, Tally]]]) -> Iterator[str]:
    labelled = [
        (f'queue="{_escaped(queue)}",name="{_escaped(name)}"', tally)
        for queue, names in counted
        for name, tally in names.items()
    ]
    if not labelled:
        return
    for metric, text, part in _COUNTERS:
        yield f"# HELP {metric} {text}"
        yield f"# TYPE {metric} counter"
        for labels, tally in labelled:
            yield f"{metric}{{{labels}}} {getattr(tally, part)}"
    for metric, text, part in _HISTOGRAMS:
        yield f"# HELP {metric} {text}"
        yield f"# TYPE {metric} histogram"
        for labels, tally in labelled:
            yield from _histogram(metric, labels, getattr(tally, part), getattr(tally, f"{part}_ms"))


def _histogram(metric: str, labels: str, counts: dict[int, int], sum_ms: int) -> Iterator[str]:
    for power in BOUNDS:
        # Buckets below this one end at or before 2**power milliseconds.
        below = sum(count for bucket, count in counts.items() if bucket < 4 * (power - 1))
        yield f'{metric}_bucket{{{labels},le="{2**power / 1000!r}"}} {below}'
    everything = sum(counts.values())
    yield f'{metric}_bucket{{{labels},le="+Inf"}} {everything}'
    yield f"{metric}_sum{{{labels}}} {sum_ms / 1000!r}"
    yield f"{metric}_count{{{labels}}} {everything}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
