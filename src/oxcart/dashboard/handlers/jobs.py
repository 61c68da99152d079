"""One job: all there is to know of it, its log, its flow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

from ... import Job, Keep, Queue
from ...protocol.calls.family import Place
from .. import shapes
from ..ask import Ask, not_found
from ..board import Board
from ..reading import direct, family, rows, traces

LARGEST = 256 * 1024
"""Data of more characters are cut, unless all of them are asked for."""

LONGEST_LINE = 20_000
MOST_LINES = 5000
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
    data, data_cut, masked = await shown.stored(job.data, fields.get("data", ""))
    options, _, _ = shown.value(family.options_of(board, ask.access, job), secret=False)
    result, _, _ = await shown.stored(job.return_value, fields.get("returnvalue", ""))
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
        # First masked, then cut: half a secret is one too, and who edits has to know of all that is hidden.
        safe, masked = rows.redacted(self.board, self.queue, value)
        if self.ask.flag("whole"):
            return rows.clean(safe), False, masked
        short, was_cut = rows.cut_down(safe, LARGEST)
        return rows.clean(short), was_cut, masked

    async def stored(self, value: Any, text: str) -> tuple[Any, bool, bool]:
        """The same of one that is stored as this text: if it is large, beside the event loop, as others wait for it."""
        return await rows.aside(len(text), lambda: self.value(value))

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
    place = _parent_place(board, ask, job)
    return None if place is None else {"queue": place.keys.name, "id": rows.sendable(place.id)}


def _parent_place(board: Board, ask: Ask, job: Job) -> Place | None:
    """Where the parent of a job is, if the user sees its queue."""
    parent = job.parent
    if isinstance(parent, dict):
        told = cast(dict[str, Any], parent)
        queue_key, job_id = str(told.get("queueKey", "")), str(told.get("id", ""))
    else:
        queue_key, _, job_id = (job.parent_key or "").rpartition(":")
    place = family.place_at(f"{queue_key}:{job_id}") if job_id else None
    return place if place is not None and family.shows(board, ask.access, place.keys) else None


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
    """`GET /queues/{queue}/job/logs?id=&start=&count=`: oldest first; a negative start counts from the end.

    If lines are long, there are fewer: those at the start, of a negative one those at the end.
    """
    queue = await board.queue(ask)
    job_id = ask.text("id", most=2000)
    if job_id is None:
        raise not_found("id: the id of a job")
    start, count = ask.whole("start", 0, -(2**53) + 1), ask.whole("count", 200, 1, MOST_LINES)
    # From the end, the newest of them are wanted; with fewer than up to the end, those are not the last ones.
    newest = start < 0 and count >= -start
    lines, first, total = await direct.log_lines(board, queue, job_id, start, count, newest)
    return {"lines": [rows.text_of(board, line, LONGEST_LINE) for line in lines], "start": first, "total": total}


# ------------------------------------------------------------------------------------------------------------ flow


@dataclass(slots=True)
class Branch:
    """A job of a flow, and what was found below it."""

    member: family.Member
    children: list[Branch] = field(default_factory=list["Branch"])

    @property
    def job(self) -> Job:
        return self.member.light.job

    @property
    def total(self) -> int:
        """How many children it has in all."""
        return sum(self.member.counts.values())

    @property
    def place(self) -> tuple[str, str]:
        return self.job.queue_name, self.job.id


async def flow(board: Board, ask: Ask) -> shapes.Flow:
    """`GET /queues/{queue}/job/flow?id=&depth=&children=&whole=`: below a job, with `whole=1` below its root."""
    queue = await board.queue(ask)
    job = await _job(queue, ask)
    depth, most = ask.whole("depth", 5, 1, 10), ask.whole("children", 20, 1, 100)
    top = await root_of(board, ask, job) if ask.flag("whole") else job
    branch = await grow(board, ask, top, depth, most)
    root = _shown_node(board, ask, branch)
    return {"now": board.clock(), "root": root, "of": {"queue": queue.name, "id": rows.sendable(job.id)}}


async def root_of(board: Board, ask: Ask, job: Job) -> Job:
    """The highest job above it that is there and that the user may see."""
    seen = {(job.queue_name, job.id)}
    for _ in range(HIGHEST):
        place = _parent_place(board, ask, job)
        above = None if place is None else await family.member(board, place, 0)
        if above is None or (above.light.job.queue_name, above.light.job.id) in seen:
            break
        job = above.light.job
        seen.add((job.queue_name, job.id))
    return job


async def grow(board: Board, ask: Ask, top: Job, depth: int, most: int) -> Branch:
    """Read a tree level by level, so that its size can be bounded."""
    first = await family.member(board, Place(top.keys, top.id), most)
    if first is None:
        raise not_found(f"There is no job {top.id} in {top.queue_name} (any more).")
    root = Branch(first)
    seen = {root.place}
    level = [root]
    for _ in range(depth - 1):
        for branch in level:
            await _grow_children(board, ask, branch, seen, most)
        level = [child for branch in level for child in branch.children]
    return root


async def _grow_children(board: Board, ask: Ask, branch: Branch, seen: set[tuple[str, str]], most: int) -> None:
    """Add its children, as far as the user may see them and there is room."""
    room = min(most, MOST_NODES - len(seen))
    wanted = [
        place
        for place in branch.member.children
        if (place.keys.name, place.id) not in seen and family.shows(board, ask.access, place.keys)
    ]
    while wanted and len(branch.children) < room:
        free = room - len(branch.children)
        # Some may be gone; then there is room for others.
        found = await asyncio.gather(*(family.member(board, place, most) for place in wanted[:free]))
        branch.children += [Branch(member) for member in found if member is not None]
        wanted = wanted[free:]
    branch.children.sort(key=_age)
    seen.update(child.place for child in branch.children)


def _age(branch: Branch) -> str:
    """Children show in the order in which they were added; those of one moment as they are sorted already."""
    return branch.job.record.fields.get("timestamp", "")


def _shown_node(board: Board, ask: Ask, branch: Branch) -> shapes.FlowNode:
    job = branch.job
    return {
        "queue": job.queue_name,
        "id": rows.sendable(job.id),
        "name": rows.text_of(board, job.name, rows.PREVIEW),
        "state": branch.member.state,
        "progress": rows.light_progress(board, ask.access, job, branch.member.light.sizes),
        "failed_reason": rows.first_line(board, job.failed_reason),
        "children": [_shown_node(board, ask, child) for child in branch.children],
        "more": max(branch.total - len(branch.children), 0),
    }
