"""One job: all there is to know of it, its log, its flow."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from ... import FlowNode as Node
from ... import (
    FlowProducer,
    Job,
    Keep,
    Queue,
)
from .. import shapes
from ..ask import Ask, not_found
from ..board import Board
from ..reading import direct, rows, traces

LARGEST = 256 * 1024
"""Data of more characters are cut, unless all of them are asked for."""

LONGEST_LINE = 20_000
MOST_LINES = 1000
MOST_ATTEMPTS = 50

HIGHEST = 10
"""How many parents are followed up to the root of a flow."""

MOST_NODES = 200
"""How many jobs of a flow are shown."""


async def detail(board: Board, ask: Ask) -> shapes.JobDetail:
    """`GET /queues/{queue}/job?id=&whole=`."""
    queue = await board.queue(ask)
    job = await _job(queue, ask)
    state, children, log_count = await asyncio.gather(
        job.state(), job.dependency_counts(), direct.log_count(board, queue, job.id)
    )
    due = (await direct.due_times(board, queue, [job.id])).get(job.id) if state == "delayed" else None
    row = rows.row(board, ask.access, job, str(state), due)
    fields = job.record.fields
    shown = _Shown(board, ask, queue.name)
    data, data_cut, masked = shown.value(job.data)
    options, _, _ = shown.value(rows.options_of(job), secret=False)
    result, _, _ = shown.value(job.return_value)
    stacktrace = job.stacktrace
    return {
        **row,
        "now": board.clock(),
        "data": data,
        "data_size": _size(fields.get("data", "")),
        "data_cut": data_cut,
        "masked": masked,
        "options": options,
        "return_value": result,
        "return_size": _size(fields.get("returnvalue", "")),
        "failed_reason_whole": None if job.failed_reason is None else shown.text(job.failed_reason),
        "attempts_started": job.attempts_started,
        "errors": traces.attempts(board, stacktrace, row["attempts_made"])[-MOST_ATTEMPTS:],
        "timeline": timeline(row, job),
        "log_count": log_count,
        "parent": parent_of(board, ask, job),
        "children": _child_counts(children),
        "deduplication": None if job.deduplication_id is None else rows.sendable(job.deduplication_id),
        "scheduled_for": None if job.scheduled_for is None else rows.ms_of(job.scheduled_for),
        "delay": rows.whole(fields.get("delay")) or 0,
        "will_fail": rows.first_line(board, fields.get("defa")),
        "retention": {
            "on_complete": retention_in_words(_option(job, "remove_on_complete")),
            "on_fail": retention_in_words(_option(job, "remove_on_fail")),
        },
    }


async def _job(queue: Queue, ask: Ask) -> Job:
    job_id = ask.text("id", most=2000)
    job = None if job_id is None else await queue.job(job_id)
    if job is None:
        raise not_found(f"There is no job {(job_id or '')[:100]} in {queue.name} (any more).")
    return job


@dataclass(frozen=True, slots=True)
class _Shown:
    """Shows values of a job to a user: redacted, and cut if they are large."""

    board: Board
    ask: Ask
    queue: str

    def value(self, value: Any, secret: bool = True) -> tuple[Any, bool, bool]:
        """The value, whether it was cut, and whether anything of it was masked."""
        if secret and not self.ask.access.may("view_data"):
            return None, False, True
        # First masked, then cut: half a secret is one too.
        safe, masked = rows.redacted(self.board, self.queue, value)
        if self.ask.flag("whole"):
            return rows.clean(safe), False, masked
        short, was_cut = rows.cut_down(safe, LARGEST)
        return rows.clean(short), was_cut, masked

    def text(self, text: str) -> str:
        most = 10 * LARGEST if self.ask.flag("whole") else LARGEST
        return rows.text_of(self.board, text, most)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _child_counts(counts: dict[str, int]) -> shapes.ChildCounts | None:
    if not any(counts.values()):
        return None
    return {
        "processed": counts.get("processed", 0),
        "unprocessed": counts.get("unprocessed", 0),
        "ignored": counts.get("ignored", 0),
        "failed": counts.get("failed", 0),
    }


def timeline(row: shapes.JobRow, job: Job) -> list[shapes.Moment]:
    """The steps of a job's life that are known, in their order."""
    found: list[shapes.Moment] = []
    created, started, finished = row["created"], row["started"], row["finished"]
    if created is not None:
        found.append(
            {"what": "added", "at": created, "text": "Added" + (" by a scheduler" if row["scheduler"] else "")}
        )
    delay = rows.options_of(job).get("delay")
    due = row["due"] or (created + int(delay) if created is not None and rows.is_number(delay) and delay else None)
    if due is not None and (row["state"] == "delayed" or started is None or due <= started):
        found.append({"what": "due", "at": due, "text": "Due"})
    if started is not None:
        by = f" by {row['worker']}" if row["worker"] else ""
        attempt = f", attempt {row['attempts_made'] or 1}" if finished is not None and row["attempts_made"] > 1 else ""
        found.append({"what": "started", "at": started, "text": f"Started{by}{attempt}"})
    if finished is not None:
        failed = row["state"] == "failed"
        found.append(
            {"what": "failed" if failed else "finished", "at": finished, "text": "Failed" if failed else "Done"}
        )
    return sorted(found, key=lambda moment: moment["at"])


def parent_of(board: Board, ask: Ask, job: Job) -> shapes.JobRef | None:
    """The parent of a job, if the user sees its queue."""
    found = _reference(job)
    if found is None:
        return None
    prefix, queue, job_id = found
    if prefix != board.prefix or not ask.access.sees(queue):
        return None
    return {"queue": queue, "id": rows.sendable(job_id)}


def _reference(job: Job) -> tuple[str, str, str] | None:
    """Prefix, queue and id of a job's parent."""
    parent = job.parent
    if isinstance(parent, dict):
        told = cast(dict[str, Any], parent)
        queue_key, job_id = str(told.get("queueKey", "")), str(told.get("id", ""))
    else:
        queue_key, _, job_id = (job.parent_key or "").rpartition(":")
    prefix, _, queue = queue_key.rpartition(":")
    return (prefix, queue, job_id) if prefix and queue and job_id else None


def _option(job: Job, name: str) -> object:
    return cast(dict[str, Any], job.options).get(name)


def retention_in_words(keep: object) -> str:
    """What is kept of finished jobs, such as "the newest 100"."""
    match keep:
        case True:
            return "none"
        case bool() | None:
            return "all"
        case int() if keep >= 0:
            return "none" if keep == 0 else f"the newest {keep:,}"
        case Keep():
            parts = [f"the newest {keep.count:,}"] if keep.count is not None and keep.count >= 0 else []
            age = rows.seconds_of(keep.age)
            if age is not None:
                parts.append(f"for {_age_in_words(age)}")
            return ", ".join(parts) or "all"
        case _:
            return "all"


def _age_in_words(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
    return f"{seconds:g} seconds"


# ------------------------------------------------------------------------------------------------------------ logs


async def logs(board: Board, ask: Ask) -> shapes.Logs:
    """`GET /queues/{queue}/job/logs?id=&start=&count=`: oldest first; a negative start counts from the end."""
    queue = await board.queue(ask)
    job_id = ask.text("id", most=2000)
    if job_id is None:
        raise not_found("id: the id of a job")
    start, count = ask.whole("start", 0, -(2**53) + 1), ask.whole("count", 200, 1, MOST_LINES)
    total = await direct.log_count(board, queue, job_id)
    if start < 0:
        start = max(total + start, 0)
    lines = await queue.logs(job_id, start, start + count - 1)
    return {"lines": [rows.text_of(board, line, LONGEST_LINE) for line in lines], "start": start, "total": total}


# ------------------------------------------------------------------------------------------------------------ flow


@dataclass(slots=True)
class Branch:
    """A job of a flow, and what was found below it."""

    node: Node
    children: list[Branch] = field(default_factory=list["Branch"])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """How many children it has, by what became of them."""

    @property
    def total(self) -> int:
        """How many children it has in all."""
        return sum(self.counts.values())

    @property
    def place(self) -> tuple[str, str]:
        return self.node.job.queue_name, self.node.job.id


async def flow(board: Board, ask: Ask) -> shapes.Flow:
    """`GET /queues/{queue}/job/flow?id=&depth=&children=&whole=`: below a job, with `whole=1` below its root."""
    queue = await board.queue(ask)
    job = await _job(queue, ask)
    depth, most = ask.whole("depth", 5, 1, 10), ask.whole("children", 20, 1, 100)
    top = await root_of(board, ask, job) if ask.flag("whole") else job
    flows = FlowProducer(connection=board.connection, prefix=board.prefix, clock=board.clock)
    branch = await grow(board, ask, flows, top, depth, most)
    root = _shown_node(board, ask, branch)
    return {"now": board.clock(), "root": root, "of": {"queue": queue.name, "id": rows.sendable(job.id)}}


async def root_of(board: Board, ask: Ask, job: Job) -> Job:
    """The highest job above it that is there and that the user may see."""
    seen = {(job.queue_name, job.id)}
    for _ in range(HIGHEST):
        found = _reference(job)
        if found is None or found[0] != board.prefix or not ask.access.sees(found[1]):
            break
        above = await board.open(found[1]).job(found[2])
        if above is None or (above.queue_name, above.id) in seen:
            break
        seen.add((above.queue_name, above.id))
        job = above
    return job


async def grow(board: Board, ask: Ask, flows: FlowProducer, top: Job, depth: int, most: int) -> Branch:
    """Read a tree level by level, so that its size can be bounded."""
    first = await flows.get(top.queue_name, top.id, depth=2, max_children=most)
    if first is None:
        raise not_found(f"There is no job {top.id} in {top.queue_name} (any more).")
    root = Branch(first)
    seen = {root.place}
    level = [root]
    for further in range(depth):
        await _count_children(level)
        parents = [branch for branch in level if branch.total]
        if further == depth - 1 or not parents:
            break
        if further:
            found = await asyncio.gather(*(flows.get(*one.place, depth=2, max_children=most) for one in parents))
            for branch, node in zip(parents, found, strict=True):
                branch.node = node or branch.node
        level = list(_children(board, ask, parents, seen, most))
    return root


async def _count_children(level: list[Branch]) -> None:
    counts = await asyncio.gather(*(branch.node.job.dependency_counts() for branch in level))
    for branch, count in zip(level, counts, strict=True):
        branch.counts = count


def _order(branch: Node) -> tuple[str, list[tuple[int, int | str]]]:
    """Children in the order in which they were added, those of one moment by their ids: 2 before 10."""
    parts = re.findall(r"\d{1,15}|\D+|\d+", branch.job.id)
    natural: list[tuple[int, int | str]] = [
        (0, int(part)) if part[0].isdecimal() and len(part) < 16 else (1, part) for part in parts
    ]
    return branch.job.record.fields.get("timestamp", ""), natural


def _children(board: Board, ask: Ask, parents: list[Branch], seen: set[tuple[str, str]], most: int) -> Iterator[Branch]:
    """The next level, as far as the user may see it and there is room."""
    for branch in parents:
        for child in sorted(branch.node.children, key=_order):
            below = Branch(child)
            hidden = child.job.keys.queue_prefix != board.prefix or not ask.access.sees(child.job.queue_name)
            if hidden or below.place in seen or len(branch.children) >= most or len(seen) >= MOST_NODES:
                continue
            seen.add(below.place)
            branch.children.append(below)
            yield below


def _shown_node(board: Board, ask: Ask, branch: Branch) -> shapes.FlowNode:
    job = branch.node.job
    return {
        "queue": job.queue_name,
        "id": rows.sendable(job.id),
        "name": rows.text_of(board, job.name, rows.PREVIEW),
        "state": str(branch.node.state or "unknown"),
        "progress": rows.progress(board, ask.access, job),
        "failed_reason": rows.first_line(board, job.failed_reason),
        "children": [_shown_node(board, ask, child) for child in branch.children],
        "more": max(branch.total - len(branch.children), 0),
    }
