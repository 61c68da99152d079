"""Flows: trees of jobs, checked as a whole, and added in as few calls as their size allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ...errors import OptionsError, refusal
from ...flow import Flow, by_levels
from ...options import MISSING, JobOptions, Parent
from ..call import Argument, Call, call, nothing
from ..keys import Keys
from .add import HAS_OTHER_PARENT, RECEIPT_MS, NewJob, Preparer

LARGEST_CALL = 250
"""How many nodes travel in one call; a flow that fits is added as one, a larger one in the order that `plan` tells."""
LARGEST_LIST = 2000

T = TypeVar("T")


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


@dataclass(slots=True, eq=False)
class NewNode:
    """A node that is checked and encoded, ready to be sent."""

    flow: Flow
    keys: Keys
    job: NewJob
    parent: NewNode | None
    children: list[NewNode]
    as_parent: Parent | None = None
    """What its children say of it."""

    @property
    def id(self) -> str:
        return self.job.own_id

    @property
    def key(self) -> str:
        return self.keys.job(self.id)


class FlowPreparer:
    """Checks and encodes flows. `queue_options`: the default options of the jobs of each queue."""

    def __init__(self, prefix: str, queue_options: Mapping[str, JobOptions], clock: Callable[[], int]) -> None:
        self._prefix = prefix
        self._queue_options = queue_options
        self._clock = clock
        self._queues: dict[tuple[str, str], tuple[Keys, Preparer]] = {}

    def prepare(self, roots: Sequence[Flow]) -> list[NewNode]:
        """All nodes, level by level; an `OptionsError` or `PayloadError` that names the first that can't be right."""
        nodes: dict[int, NewNode] = {}
        taken: set[str] = set()
        for flow, above in by_levels(roots):
            parent = None if above is None else nodes[id(above)]
            try:
                node = self._node(flow, parent)
            except (OptionsError, ValueError) as error:
                error.add_note(f"in the flow's node {flow!r}")
                raise
            if node.key in taken:
                raise OptionsError(f"job_id={node.id!r} is the id of two nodes of the flow in queue {flow.queue!r}")
            taken.add(node.key)
            nodes[id(flow)] = node
            if parent is not None:
                parent.children.append(node)
        return list(nodes.values())

    def _node(self, flow: Flow, parent: NewNode | None) -> NewNode:
        keys, preparer = self._queue(flow.queue, flow.prefix or self._prefix)
        data: Any = {} if flow.data is MISSING else flow.data
        elder = parent.children[-1] if parent is not None and parent.children else None
        if elder is not None and _as_elder(flow, elder.flow):
            job = preparer.like(elder.job, data)
        else:
            job = preparer.prepare(flow.name, data, self._options(flow, parent))
        job.own_id = job.own_id or _random_id()
        return NewNode(flow, keys, job, parent, [])

    @staticmethod
    def _options(flow: Flow, parent: NewNode | None) -> dict[str, Any]:
        options: dict[str, Any] = dict(flow.options)
        if parent is not None:
            if "parent" in options:
                raise OptionsError("parent: only the root of a flow can have a parent beside it")
            if parent.as_parent is None:
                parent.as_parent = Parent(parent.id, parent.keys.name, parent.keys.queue_prefix)
            options["parent"] = parent.as_parent
        if flow.children and "deduplication" in options:
            raise OptionsError("deduplication: a job with children can't be deduplicated")
        return options

    def _queue(self, name: str, prefix: str) -> tuple[Keys, Preparer]:
        found = self._queues.get((name, prefix))
        if found is None:
            preparer = Preparer(self._queue_options.get(name), self._clock)
            found = self._queues[name, prefix] = (Keys(name, prefix), preparer)
        return found


def _as_elder(flow: Flow, elder: Flow) -> bool:
    """Whether a node is like the sibling before it, but for its id and data."""
    return (
        flow.name == elder.name
        and flow.queue == elder.queue
        and flow.prefix == elder.prefix
        and flow.options == elder.options
        and "job_id" not in flow.options
        and not (flow.children and "deduplication" in flow.options)
    )


def _random_id() -> str:
    """A UUID of version 4, in a fraction of the time that the standard library takes.

    From the operating system: a program may seed `random`, and would make the ids of its last run again.
    """
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a call: which of its nodes existed already, and the job that stands for one instead."""

    existing: frozenset[int]
    instead: tuple[int, str] | None


def plan(
    nodes: Sequence[NewNode], producer: Callable[[], tuple[str, int]]
) -> Iterator[tuple[Call[Any], list[NewNode]]]:
    """The calls that add these nodes, each with the nodes that it places; the next is made when the last is answered.

    What fits into one call is there at once or not at all. Of a larger flow all parents come first, top down, then what
    they wait for, then the leaves: whatever breaks in between, nothing runs whose parent is not there, and no parent
    runs before its last child.
    """
    if len(nodes) <= LARGEST_CALL:
        yield _add(nodes, *producer(), release=True), list(nodes)
        return
    for some in slices(
        [node for node in nodes if "job_id" in node.flow.options and node.job.shape.parent], LARGEST_CALL
    ):
        yield _check(some), []
    parents = [node for node in nodes if node.children]
    leaves = [node for node in nodes if not node.children]
    for some in slices(parents, LARGEST_CALL):
        yield _add(some, *producer(), release=False), list(some)
    for parent in parents:
        for some in slices([child.key for child in parent.children if not child.children], LARGEST_LIST):
            yield call("expect_children", parent.keys, _reader(parent), *some, parent_key=parent.key), []
    for some in slices(leaves, LARGEST_CALL):
        yield _add(some, *producer(), release=True), list(some)
    for some in slices([node.key for node in parents], LARGEST_CALL):
        yield call("release_parents", parents[0].keys, nothing, *some, now=parents[0].job.timestamp_ms), []


def _add(nodes: Sequence[NewNode], producer: str, number: int, *, release: bool) -> Call[Placed]:
    here = {id(node) for node in nodes}
    sent = list(nodes)
    rest: list[Argument] = []
    start = 0
    while start < len(sent):
        end = start + 1
        while end < len(sent) and _alike(sent[start], sent[end]):
            end += 1
        parent = sent[start].parent
        rest += _group(sent[start:end], beside=parent is None or id(parent) not in here)
        start = end
    keys = nodes[0].keys

    def read(reply: Any) -> Placed:
        existing, suppressed, refused = reply
        if refused:
            raise _refused(sent[int(refused[0]) - 1], refused[1])
        instead = (suppressed[0] - 1, suppressed[1]) if suppressed else None
        return Placed(frozenset(position - 1 for position in existing), instead)

    return call(
        "add_flow",
        keys,
        read,
        *rest,
        extra_keys={"receipt": keys.receipt(producer)},
        number=number,
        receipt_ms=RECEIPT_MS,
        release=int(release),
    )


def _alike(one: NewNode, other: NewNode) -> bool:
    return (
        one.parent is other.parent
        and one.keys is other.keys
        and bool(one.children) == bool(other.children)
        and one.job.timestamp_ms == other.job.timestamp_ms
        and (one.job.shape is other.job.shape or one.job.shape == other.job.shape)
    )


def _group(nodes: Sequence[NewNode], *, beside: bool) -> list[Argument]:
    """Siblings that are alike: what they share, then the id and the data of each."""
    first, shape = nodes[0], nodes[0].job.shape
    arguments: list[Argument] = [
        len(nodes),
        first.keys.prefix,
        shape.name,
        shape.opts,
        first.job.timestamp_ms,
        shape.delay_ms,
        shape.priority,
        int(shape.lifo),
        shape.deduplication,
        shape.parent_key,
        shape.parent,
        ("root " if beside else "") + ("parent" if first.children else "leaf"),
    ]
    for node in nodes:
        arguments += (node.id, node.job.data)
    return arguments


def _check(nodes: Sequence[NewNode]) -> Call[None]:
    sent = list(nodes)

    def read(reply: Any) -> None:
        if reply:
            raise _refused(sent[int(reply) - 1], HAS_OTHER_PARENT)

    pairs = [text for node in nodes for text in (node.key, node.job.shape.parent_key)]
    return call("find_other_parent", nodes[0].keys, read, *pairs)


def _reader(node: NewNode) -> Callable[[Any], None]:
    def read(reply: Any) -> None:
        if reply < 0:
            raise _refused(node, reply)

    return read


def _refused(node: NewNode, code: int) -> Exception:
    about = node.id if code == HAS_OTHER_PARENT else node.job.shape.parent_key or node.key
    error = refusal(code, about, node.keys.name)
    error.add_note(f"in the flow's node {node.flow!r}")
    return error
