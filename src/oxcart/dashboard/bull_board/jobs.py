"""Jobs: one with its state, its log, its flow."""

from __future__ import annotations

import asyncio

from ..ask import Ask
from ..board import Board
from ..handlers import jobs
from ..reading import direct, family, rows
from . import shapes
from .asked import clamped, job_of, queue_of
from .job_shape import app_job

_MOST_LINES = 5000
"""So many lines of a log are sent, the newest; fewer if they are long."""


async def detail(board: Board, ask: Ask) -> shapes.JobAndStatus:
    """`GET /queues/{queue}/{id}`."""
    _, job = await job_of(board, ask)
    size = sum(map(len, job.record.fields.values()))
    shown = await rows.aside(size, lambda: app_job(board, ask.access, job))
    return {"job": shown, "status": str(await job.state())}


async def logs(board: Board, ask: Ask) -> list[str]:
    """`GET /queues/{queue}/{id}/logs`: its lines, the oldest first; none of a job that isn't there."""
    queue = await queue_of(board, ask)
    lines, skipped, _ = await direct.log_lines(board, queue, ask.path["id"], -_MOST_LINES, _MOST_LINES, newest=True)
    shown = [rows.text_of(board, line, jobs.LONGEST_LINE) for line in lines]
    return [f"… ({skipped:,} earlier lines)", *shown] if skipped else shown


# ------------------------------------------------------------------------------------------------------------ flow


async def flow(board: Board, ask: Ask) -> shapes.Flow:
    """`GET /queues/{queue}/{id}/flow?root=node&depth=&maxChildren=`: from the root of its flow, or from the job."""
    _, job = await job_of(board, ask)
    depth, most = clamped(ask.query, "depth", 10, 20), clamped(ask.query, "maxChildren", 20, 1000)
    top = job if ask.query.get("root") == "node" else await jobs.root_of(board, ask, job)
    branch = await jobs.grow(board, ask, top, depth, most)
    root = await _node(board, ask, branch)
    return {"nodeId": rows.sendable(job.id), "isFlowNode": bool(root["children"]), "flowRoot": root}


async def _node(board: Board, ask: Ask, branch: jobs.Branch) -> shapes.FlowNode:
    job = branch.job
    children = await asyncio.gather(*(_node(board, ask, child) for child in branch.children))
    found: shapes.FlowNode = {
        "id": rows.sendable(job.id),
        "name": rows.text_of(board, job.name, rows.PREVIEW),
        "state": branch.member.state,
        "progress": rows.light_progress(board, ask.access, job, branch.member.light.sizes),
        "queueName": job.queue_name,
        "children": list(children),
    }
    counts = branch.member.counts
    if branch.total:
        found["dependencies"] = {
            "processed": counts.get("processed", 0),
            "unprocessed": counts.get("unprocessed", 0),
            "ignored": counts.get("ignored", 0),
            "failed": counts.get("failed", 0),
        }
    if branch.total > len(children):
        found["truncated"] = True
    if counts.get("ignored"):
        reasons = await job.ignored_failures()
        found["ignoredChildFailureReasons"] = {
            rows.sendable(key): rows.text_of(board, reason, rows.LARGEST_WHOLE)
            for key, reason in reasons.items()
            if (place := family.place_at(key)) is not None and family.shows(board, ask.access, place.keys)
        }
    return found
