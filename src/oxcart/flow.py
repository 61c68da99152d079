"""Flow: a tree of jobs, each of which waits for its children."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Unpack, cast

from .errors import OptionsError
from .options import MISSING, JobOptions


class Flow:
    """A job and its children, to be added with `FlowProducer.add`; each runs when its children are done.

    `queue` is where the job itself goes, `prefix` that of its queue if it isn't the producer's. Options are those of
    `Queue.add`; `on_child_failure` of a child says what its failure does to this job.
    Example: `Flow("reports", "monthly", {"month": 11}, children=[Flow("reports", "chapter", n) for n in range(3)])`
    """

    __slots__ = ("children", "data", "name", "options", "prefix", "queue")

    def __init__(
        self,
        queue: str,
        name: str,
        data: Any = MISSING,
        *,
        children: Iterable[Flow] = (),
        prefix: str | None = None,
        **options: Unpack[JobOptions],
    ) -> None:
        self.queue = queue
        self.name = name
        self.data = data
        self.children = tuple(children)
        self.prefix = prefix
        self.options = options

    def __repr__(self) -> str:
        inner = f", {len(self.children)} children" if self.children else ""
        return f"Flow({self.queue!r}, {self.name!r}{inner})"


def by_levels(roots: Iterable[Flow]) -> Iterator[tuple[Flow, Flow | None]]:
    """Every node with its parent: the roots, then all their children, then theirs. A node may be there once only."""
    level: list[tuple[Flow, Flow | None]] = [(root, None) for root in roots]
    seen: set[int] = set()
    while level:
        for node, _ in level:
            if not isinstance(cast(object, node), Flow):
                raise OptionsError(
                    f"a flow consists of Flow(queue, name, data, children=[…]), not {type(node).__name__}"
                )
            if id(node) in seen:
                raise OptionsError(f"{node!r} is in the flow more than once, or within itself: make one for each place")
            seen.add(id(node))
        yield from level
        level = [(child, node) for node, _ in level for child in node.children]
