"""The report: medians, ranges and ratios of the runs, as a table, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .figures import FIGURES, Figure, Run

BUSY = 0.1
"""If others use more of the machine than this, the report says that its figures say little."""

HEADINGS = ("measure", "Oxcart", "Node BullMQ", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with what came out, run by run. Without Node, `node` and `ratios` are empty."""

    figure: Figure
    ours: list[float]
    node: list[float]

    @property
    def ratios(self) -> list[float]:
        """Ours to Node's, pair by pair: only runs side by side can be compared."""
        return [a / b for a, b in zip(self.ours, self.node, strict=False) if b]

    @property
    def ratio(self) -> float | None:
        return median(self.ratios) if self.ratios else None

    @property
    def verdict(self) -> str:
        """`ok` or `below` the goal; empty if there is nothing to judge."""
        holds = None if self.ratio is None else self.figure.holds(self.ratio)
        return "" if holds is None else "ok" if holds else "below"

    def cells(self) -> tuple[str, ...]:
        figure = self.figure
        sign = "≥" if figure.more_is_better else "≤"
        goal = "" if figure.goal is None else f"{sign} {figure.goal:g} ×"
        unit, tell = ("k/s", _thousands) if figure.unit == "jobs/s" else (figure.unit, _plain)
        ours, node = _spread(self.ours, unit, tell), _spread(self.node, unit, tell)
        return figure.label, ours, node, _spread(self.ratios, "×", _plain), goal, self.verdict

    def as_json(self) -> dict[str, Any]:
        return {
            "label": self.figure.label,
            "unit": self.figure.unit,
            "ours": median(self.ours),
            "node": median(self.node) if self.node else None,
            "ratio": self.ratio,
            "goal": self.figure.goal,
            "verdict": self.verdict or None,
            "runs": {"ours": self.ours, "node": self.node, "ratios": self.ratios},
        }


@dataclass(slots=True)
class Report:
    """All runs of both sides by measure, and the facts that they depend on."""

    facts: dict[str, Any]
    ours: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])
    node: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])

    def rows(self) -> list[Row]:
        """A row for each figure that was measured."""
        return [
            Row(
                figure,
                [figure.read(run) for run in self.ours[figure.measure]],
                [figure.read(run) for run in self.node[figure.measure]],
            )
            for figure in FIGURES
            if figure.measure in self.ours
        ]

    def others_share(self) -> float:
        """Which part of the machine was busy with something else while it was measured."""
        runs = [run for side in (self.ours, self.node) for found in side.values() for run in found]
        seconds = sum(run.seconds for run in runs) * self.facts["cpus"]
        return sum(run.others_cpu_s for run in runs) / seconds if seconds else 0

    def headline(self) -> str:
        """The machine and the versions, in a line."""
        facts = self.facts
        uvloop = f"uvloop {facts['uvloop']}" if facts["uvloop"] else "no uvloop"
        peer = f"Node {facts['node']} with BullMQ {facts['bullmq']}" if facts["node"] else "no BullMQ for Node found"
        log = "append-only file" if facts["append_only_file"] else "no append-only file"
        runs = f"{facts['pairs']} {'pair' if facts['node'] else 'run'}{'s' if facts['pairs'] > 1 else ''}"
        return (
            f"Oxcart {facts['oxcart']} on Python {facts['python']} ({uvloop}) · {peer} · "
            f"{facts['server']} ({log}) · {facts['cpus']} CPUs · {runs}{', quick' if facts['quick'] else ''}"
        )

    def _legend(self) -> str:
        share = self.others_share()
        busy = _BUSY.format(share) if share > BUSY else ""
        return (_QUICK if self.facts["quick"] else _LEGEND) + busy

    def as_table(self) -> str:
        """For a terminal."""
        lines = [HEADINGS, *(row.cells() for row in self.rows())]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([self.headline(), "", *(text.rstrip() for text in texts), "", self._legend()])

    def as_markdown(self) -> str:
        """For `benchmarks/README.md`."""
        lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in self.rows())]
        return "\n".join(
            [f"{self.headline()}.", "", *(f"| {' | '.join(line)} |" for line in lines), "", self._legend()]
        )

    def as_json(self) -> str:
        """For programs."""
        figures = {row.figure.name: row.as_json() for row in self.rows()}
        facts = {**self.facts, "others_share": self.others_share()}
        return json.dumps({"facts": facts, "figures": figures}, indent=2, ensure_ascii=False)


_LEGEND = "Medians, ranges in brackets. A ratio is ours to Node's in runs side by side; its median is held to the goal."
_QUICK = "A quick run shows that all works, not how fast: Node is not warm yet, and starting counts."
_BUSY = "\nThe machine was busy with something else meanwhile ({:.0%} of it): these figures say little."


def _spread(values: list[float], unit: str, tell: Callable[[float], str]) -> str:
    """The median, and from where to where if there are several."""
    if not values:
        return ""
    middle = f"{tell(median(values))} {unit}"
    return f"{middle} ({tell(min(values))}–{tell(max(values))})" if len(values) > 1 else middle


def _thousands(value: float) -> str:
    return f"{value / 1000:.1f}"


def _plain(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"
