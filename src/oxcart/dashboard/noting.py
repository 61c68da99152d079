"""Noting: what a user asks for goes into the journal with what came of it, whether it went well or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import OxcartError
from .ask import Ask, Refusal
from .audit import REFUSED
from .board import Board


@dataclass(slots=True)
class Outcome:
    """What came of it: said by who does it."""

    result: str | None = "broken"
    """None if that is noted elsewhere."""
    queue: str | None = None
    """Which queue it was about, if the path doesn't say it."""


@contextmanager
def noting(board: Board, ask: Ask, action: str, target: str) -> Iterator[Outcome]:
    """Note an action when it is over; what is known of its queue is no longer good then."""
    outcome = Outcome()
    try:
        yield outcome
    except (Refusal, OxcartError) as error:
        outcome.result = f"{REFUSED}: {board.redactor.text(str(error))}"
        raise
    finally:
        queue = ask.path.get("queue", outcome.queue)
        board.pulse.touch(queue or "")
        if outcome.result is not None:
            board.journal.write(
                {
                    "at": board.clock(),
                    "user": ask.access.user,
                    "action": action,
                    "queue": queue,
                    "target": board.redactor.text(target),
                    "result": outcome.result,
                }
            )
