"""Workers: who is connected, what each is, and what it runs."""

from __future__ import annotations

from ... import Queue
from ...protocol.presence import Presence
from .. import shapes
from ..access import Access
from ..ask import Ask
from ..board import Board
from ..reading import direct, present, rows
from ..reading.connected import Clients, clients, workers_of
from ..reading.each import of_each

MOST_RUNNING = 100
"""How many active jobs of a queue are looked at."""

RUNNING = ("name", "processedOn", "progress", "pb")


async def workers(board: Board, ask: Ask) -> shapes.Workers:
    """`GET /workers?queue=`: who is connected, what each says of itself, and what it runs."""
    queues = [board.open(name) for name in await board.chosen(ask)]
    connected = await clients(board)
    answers = await of_each(queues, lambda queue: _of_queue(board, ask.access, queue, connected or {}))
    there = [one for _, one in answers.at_least_one()]
    return {
        "now": board.clock(),
        "workers": [row for rows_here, _ in there for row in rows_here],
        "allowed": connected is not None,
        "unassigned": [job for _, jobs in there for job in jobs],
    }


async def _of_queue(
    board: Board, access: Access, queue: Queue, connected: Clients
) -> tuple[list[shapes.WorkerRow], list[shapes.RunningJob]]:
    """The workers of a queue, and its active jobs of which nobody says who runs them."""
    running = await _running(board, access, queue)
    here = workers_of(queue, connected)
    said = await present.said(board, queue, [_number(client) for client in here])
    owners = await present.owners(board, queue, [job_id for job_id, _, _ in running], said)
    listed = {_number(client): _worker(board, queue, client, said.get(_number(client))) for client in here}
    # Node's workers write their name into their jobs. They may share it: then the first of them shows the jobs of all.
    by_name = {row["name"]: row for row in reversed(listed.values()) if row["name"] is not None}
    unassigned: list[shapes.RunningJob] = []
    for (_, name, job), owner in zip(running, owners, strict=True):
        row = by_name.get(name) if owner is None else listed.get(owner)
        (unassigned if row is None else row["running"]).append(job)
    return list(listed.values()), unassigned


async def _running(board: Board, access: Access, queue: Queue) -> list[tuple[str, str, shapes.RunningJob]]:
    """The active jobs of a queue: id, the name of its worker if it says so, and what is shown."""
    found: list[tuple[str, str, shapes.RunningJob]] = []
    for job_id, name, started, progress, worker in await direct.columns(
        board, queue, "active", RUNNING, 0, MOST_RUNNING
    ):
        value = rows.decode(progress)
        job: shapes.RunningJob = {
            "queue": queue.name,
            "id": rows.sendable(job_id),
            "name": rows.text_of(board, name, rows.PREVIEW),
            "started": rows.whole(started),
            "progress": rows.progress_of(board, access, queue.name, 0 if value is None else value),
        }
        found.append((job_id, rows.text_of(board, worker, rows.PREVIEW), job))
    return found


def _number(client: dict[str, str]) -> int:
    """The number of a connection."""
    return rows.whole(client.get("id")) or 0


def _worker(board: Board, queue: Queue, client: dict[str, str], said: Presence | None) -> shapes.WorkerRow:
    name = client.get("worker")
    library = " ".join(word for word in (client.get("lib-name", ""), client.get("lib-ver", "")) if word)

    def text(value: str) -> str:
        return rows.text_of(board, value, rows.PREVIEW)

    return {
        "queue": queue.name,
        "name": None if name is None else text(name),
        "address": client.get("addr", ""),
        "age": 1000 * (rows.whole(client.get("age")) or 0),
        "idle": 1000 * (rows.whole(client.get("idle")) or 0),
        "running": [],
        "slots": None if said is None else said.slots,
        "paused": said is not None and said.paused,
        "version": None if said is None or said.version is None else text(said.version),
        "process": None if said is None else f"{text(said.host)}:{said.pid}",
        "library": (text(library) or None) if said is None else text(f"Oxcart {said.oxcart}, Python {said.python}"),
    }
