"""What the dashboard asks Redis itself: server facts, and a few fields of many jobs without their data.

All of it is reading. Where the server does not let us (rights, or a provider that blocks the command) the answer is
None, and whoever asked shows less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import Queue
from ..errors import FORBIDDEN, ConnectionFailed, ScriptError, ServerRefused
from .board import Board

SCORE_STEP = 4096
"""The score of a delayed job is the time that it is due, times this."""

HOLDERS = {"active": "active", "completed": "completed", "failed": "failed"}
"""The keys of the states whose jobs can be looked at by field."""


async def _ask(board: Board, *command: str | int) -> Any:
    """What Redis answers; None if it doesn't let us."""
    try:
        return await board.connection.transport.execute(*command)
    except ServerRefused as error:
        if error.code != FORBIDDEN:
            raise
    except ConnectionFailed:
        raise
    except ScriptError:
        pass  # a command that this server, or its provider, doesn't have
    return None


async def info(board: Board) -> dict[str, str] | None:
    """What the server tells of itself."""
    text = await _ask(board, "INFO")
    if text is None:
        return None
    pairs = (line.partition(":") for line in str(text).splitlines() if not line.startswith("#"))
    return {name: value for name, separator, value in pairs if separator}


async def setting(board: Board, name: str) -> str | None:
    """A setting of the server."""
    found = await _ask(board, "CONFIG", "GET", name)
    return str(found[1]) if found and len(found) > 1 else None


async def clients(board: Board) -> list[dict[str, str]] | None:
    """Who is connected to the server."""
    text = await _ask(board, "CLIENT", "LIST")
    if text is None:
        return None
    rows: list[dict[str, str]] = []
    for line in str(text).splitlines():
        words = (word.partition("=") for word in line.split(" "))
        rows.append({name: value for name, separator, value in words if separator})
    return rows


async def columns(
    board: Board, queue: Queue, state: str, names: Sequence[str], start: int, count: int
) -> list[tuple[str, ...]]:
    """(id, fields …) of a range of active jobs, or of finished ones, the newest first. What isn't there is empty.

    Empty if Redis doesn't let us.
    """
    command: list[str | int] = ["SORT", queue.keys.one(HOLDERS[state]), "BY", "nosort"]
    command += ["LIMIT", start, count, "GET", "#"]
    for name in names:
        command += ["GET", f"{queue.keys.prefix}*->{name}"]
    if state != "active":
        command.append("DESC")
    flat: list[object] = await _ask(board, *command) or []
    width = 1 + len(names)
    return [
        tuple("" if value is None else str(value) for value in flat[at : at + width])
        for at in range(0, len(flat), width)
    ]


async def finished_between(board: Board, queue: Queue, state: str, since: str, until: str) -> int:
    """How many finished jobs of a state ended in a range of time; the bounds are those of `ZCOUNT`."""
    return int(await _ask(board, "ZCOUNT", queue.keys.one(HOLDERS[state]), since, until) or 0)


async def due_times(board: Board, queue: Queue, ids: Sequence[str]) -> dict[str, int]:
    """When delayed jobs are due."""
    if not ids:
        return {}
    scores: list[str | None] = await _ask(board, "ZMSCORE", queue.keys.one("delayed"), *ids) or []
    return {
        job_id: int(float(score) // SCORE_STEP) for job_id, score in zip(ids, scores, strict=False) if score is not None
    }


async def log_count(board: Board, queue: Queue, job_id: str) -> int:
    """How many log lines a job has."""
    return int(await _ask(board, "LLEN", f"{queue.keys.job(job_id)}:logs") or 0)


async def counted_before(board: Board, queue: Queue, kind: str) -> int | None:
    """How many jobs had ended so when the present minute began, for workers that count."""
    text = await _ask(board, "HGET", f"{queue.keys.prefix}metrics:{kind}", "prevCount")
    return int(text) if text and str(text).isdigit() else None
