"""FlowProducer: add trees of jobs, and look at them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from ..clock import Clock, system_clock
from ..errors import ConnectionFailed, OptionsError, said_again
from ..flow import Flow
from ..lanes import Lanes
from ..options import JobOptions, whole
from ..protocol.calls import add, family, flow
from ..protocol.keys import Keys, check_prefix
from ..protocol.states import JobState
from .connection import Connection, connect
from .insist import insist
from .job import Job, show


class FlowNode:
    """A job of a flow, and its children. `print(node)` draws the tree.

    `state` and `children` are what they were when it was read with `FlowProducer.get`; `state` is None after an add.
    """

    __slots__ = ("children", "job", "state")

    def __init__(self, job: Job, children: list[FlowNode], state: JobState | None = None) -> None:
        self.job = job
        self.children = children
        self.state = state

    def __repr__(self) -> str:
        return f"FlowNode({self.job!r}, {len(self.children)} children)"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __iter__(self) -> Iterator[FlowNode]:
        """Itself and all below it, parents before their children."""
        yield self
        for child in self.children:
            yield from child

    def __rich__(self) -> str:
        """For `rich.print`."""
        return str(self)

    def _lines(self) -> list[str]:
        lines = [self._title()]
        for child in self.children:
            last = child is self.children[-1]
            first, *rest = child._lines()
            lines.append(f"{'└── ' if last else '├── '}{first}")
            lines += [f"{'    ' if last else '│   '}{line}" for line in rest]
        return lines

    def _title(self) -> str:
        state = "" if self.state is None else f" {self.state}"
        return f"{self.job.name} ({self.job.queue_name}:{self.job.id}){state}"


class FlowProducer:
    """Adds flows: trees of jobs over any queues, in which each job runs when its children are done.

    `connection`, `prefix`, `timeout` as for `Queue`. `queue_options`: default options for the jobs of each queue, by
    the queue's name; the defaults of `Queue` objects are not known here.

    Raises `OptionsError` for what can't be right. Example:

    ```python
    async with FlowProducer() as flows:
        node = await flows.add(
            Flow("reports", "monthly", children=[Flow("reports", "chapter", {"n": n}) for n in range(3)])
        )
        print(await node.job.result())
    ```
    """

    def __init__(
        self,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        queue_options: Mapping[str, JobOptions] | None = None,
        timeout: float | None = 5,
        clock: Clock = system_clock,
    ) -> None:
        self.prefix = check_prefix(prefix)
        if timeout is not None and not timeout > 0:
            raise OptionsError(f"timeout={timeout!r}: a number of seconds above 0, or None to wait")
        self._connection, self._own_connection = connect(connection)
        self._preparer = flow.FlowPreparer(prefix, queue_options or {}, clock)
        self._timeout = timeout
        self._lanes = Lanes()
        self._clock = clock

    def __repr__(self) -> str:
        return f"FlowProducer(prefix={self.prefix!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, unless it is shared."""
        if self._own_connection:
            await self._connection.close()

    async def add(self, flow: Flow) -> FlowNode:
        """Add a flow: all of it or, if a node is refused, nothing. Answers its jobs as a tree.

        Nodes whose `job_id` exists already are not added again; their parents wait for them. Raises `OptionsError` or
        `PayloadError` before anything is sent; `ParentNotFound` if the root's `parent` is not there, `HasOtherParent`
        if a node is a child of another job already; `ConnectionFailed` if Redis stays away. Flows of more than 250
        nodes travel in several calls: if these are cut off, parents may wait for children that never came; remove the
        root, and what was added is removed.
        """
        [node] = await self.add_bulk([flow])
        return node

    async def add_bulk(self, flows: Sequence[Flow]) -> list[FlowNode]:
        """Add several flows at once, as `add` does."""
        nodes = self._preparer.prepare(flows)
        if not nodes:
            return []
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        lane = self._lanes.take()
        jobs: dict[int, Job] = {}
        for call, placed in flow.plan(nodes, lane.next):
            try:
                done = await insist(self._connection, call, deadline)
            except ConnectionFailed as error:
                text = f"the flow could not be added: {error}; {len(jobs)} of its {len(nodes)} jobs were"
                raise said_again(error, text) from error
            for position, node in enumerate(placed):
                jobs[id(node)] = self._job(node, position, done)
            if deadline is not None:  # what is done half is worse than what comes late: the next call gets a whole try
                deadline = max(deadline, time.monotonic() + self._connection.transport.timeout)
        self._lanes.give(lane)
        return [self._tree(node, jobs) for node in nodes if node.parent is None]

    async def get(
        self, queue: str, job_id: str, *, depth: int = 10, max_children: int = 20, prefix: str | None = None
    ) -> FlowNode | None:
        """A job with its children, `depth` levels deep and about `max_children` of each job; None if it isn't there.

        Children that were removed are left out.
        """
        whole("depth", depth, 1)
        whole("max_children", max_children, 1)
        return await self._get(Keys(queue, prefix or self.prefix), job_id, depth, max_children)

    async def _get(self, keys: Keys, job_id: str, depth: int, most: int) -> FlowNode | None:
        found = await self._connection.run(family.node(keys, job_id, most if depth > 1 else 0))
        if found is None:
            return None
        children: list[FlowNode] = []
        for place in found.children:
            child = await self._get(place.keys, place.id, depth - 1, most)
            if child is not None:
                children.append(child)
        return FlowNode(show(found.record, keys, self._connection, self._clock), children, found.state)

    def _job(self, node: flow.NewNode, position: int, done: flow.Placed) -> Job:
        job_id, duplicate = node.id, position in done.existing
        if done.instead is not None and done.instead[0] == position:
            job_id, duplicate = done.instead[1], True
        record = add.stored(node.job, job_id)
        return Job(record, node.keys, self._connection, was_duplicate=duplicate, clock=self._clock)

    def _tree(self, node: flow.NewNode, jobs: dict[int, Job]) -> FlowNode:
        return FlowNode(jobs[id(node)], [self._tree(child, jobs) for child in node.children])
