"""Asked: the parts of a request that Bull Board's routes have, checked; and its queue and its job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import Job, Queue
from ..access import LOOKING
from ..ask import Ask, Refusal
from ..board import Board
from .trouble import Trouble, bad_query, forbidden, no_job, no_queue

STATUSES = ("latest", "active", "waiting", "waiting-children", "prioritized", "completed", "failed", "delayed")


async def queue_of(board: Board, ask: Ask) -> Queue:
    """The queue in the path."""
    try:
        return await board.queue(ask)
    except Refusal:
        raise no_queue(ask.path["queue"]) from None


async def job_of(board: Board, ask: Ask) -> tuple[Queue, Job]:
    """The queue and the job in the path."""
    queue = await queue_of(board, ask)
    job = await queue.job(ask.path["id"])
    if job is None:
        raise no_job(ask.path["id"])
    return queue, job


def looks_only(ask: Ask) -> bool:
    """Whether the user may change nothing at all, which Bull Board has a word for."""
    return not ask.access.allowed - LOOKING


def check_may(ask: Ask, *actions: str) -> None:
    """Raises `Trouble` unless the user may do all of these."""
    lacking = next((action for action in actions if not ask.access.may(action)), None)
    if lacking is None:
        return
    if looks_only(ask) and lacking not in LOOKING and "queue" in ask.path:
        raise Trouble(405, "QUEUE_READ_ONLY", "you may only look at this queue")
    raise forbidden(f"You may not do this: it needs the right {lacking!r}.")


def whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A number of the query from 1 on."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15 or not 1 <= int(text) <= most:
        raise bad_query(name)
    return int(text)


def clamped(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """The same, but what is no such number is taken for the nearest."""
    text = query.get(name, "")
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        return default
    return max(1, min(int(text), most))


def with_body(ask: Ask, **body: Any) -> Ask:
    """The same request about a queue as our own API has it: ids in the body."""
    return Ask(ask.access, {"queue": ask.path["queue"]}, {}, body)
