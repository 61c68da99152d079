"""About: what the page has to know before anything else."""

from __future__ import annotations

from ... import __version__
from .. import shapes
from ..ask import Ask
from ..board import Board


async def board(board: Board, ask: Ask) -> shapes.Board:
    """Who the user is and what that user may do, and the names of the queues."""
    return {
        "title": board.title,
        "version": __version__,
        "now": board.clock(),
        "user": ask.access.user,
        "can": sorted(ask.access.allowed),
        "read_only": board.read_only,
        "queues": await board.names(ask),
        "environment": board.environment,
    }


async def schemas(board: Board, ask: Ask) -> shapes.Schemas:
    """`GET /queues/{queue}/schemas`: what is said of the data of its jobs, by their names."""
    queue = await board.queue(ask)
    return {"schemas": {name: form.schema for name, form in board.forms.of(queue.name).items()}}
