"""Connected: who is connected to Redis, by the queues that they work."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ... import Queue
from ..board import Board
from . import direct
from .kept import kept

FRESH_S = 10
"""Listing the clients costs the server more the more there are: once in so long, for all who look."""

Clients = Mapping[str, Sequence[dict[str, str]]]
"""Who is connected, by the names that workers of a queue have, each with its own as `worker` if it has one."""


async def clients(board: Board) -> Clients | None:
    """Who is connected to Redis, as of some seconds ago; None if it doesn't tell us."""
    return await kept(board).get("clients", FRESH_S, lambda: _clients(board))


async def _clients(board: Board) -> Clients | None:
    """Looked through once: there may be thousands, and as many queues."""
    connected = await direct.clients(board)
    if connected is None:
        return None
    found: dict[str, list[dict[str, str]]] = {}
    for client in connected:
        name = client.get("name", "")
        found.setdefault(name, []).append(client)
        for match in re.finditer(":w:", name):  # more than one if the worker's own name, or the prefix, is like that
            found.setdefault(name[: match.start()], []).append({**client, "worker": name[match.end() :]})
    return found


def workers_of(queue: Queue, connected: Clients) -> Sequence[dict[str, str]]:
    """Those of the clients that work a queue."""
    return connected.get(queue.keys.client_name(None), ())


async def worker_count(board: Board, queue: Queue) -> int | None:
    """How many workers a queue has; None if Redis doesn't tell us."""
    connected = await clients(board)
    return None if connected is None else len(workers_of(queue, connected))
