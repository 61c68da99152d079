"""Marks: moments, such as a deploy, that the charts of all queues show."""

from __future__ import annotations

from ... import Queue
from ...tally import DAY_MS, LEVELS
from .. import shapes
from ..ask import Ask, invalid
from ..board import Board
from ..reading import rows
from ..reading.direct import ask_redis

MOST_MARKS = 100
KEPT_MARKS = 500
KEEP_MARKS_MS = 400 * DAY_MS
LONGEST_MARK = 200


def _key_of(board: Board) -> str:
    return Queue("-", connection=board.connection, prefix=board.prefix).keys.marks


async def marks_between(board: Board, since: int, until: int) -> list[shapes.Mark]:
    """The newest in a range of time, oldest first."""
    key = _key_of(board)
    flat = await ask_redis(board, "ZREVRANGEBYSCORE", key, until, since, "WITHSCORES", "LIMIT", 0, MOST_MARKS)
    pairs = iter(flat or ())
    found: list[shapes.Mark] = []
    for member, score in zip(pairs, pairs, strict=False):
        text = str(member).partition(":")[2]
        found.append({"at": int(float(score)), "text": rows.text_of(board, text, LONGEST_MARK)})
    return found[::-1]


async def mark(board: Board, ask: Ask) -> shapes.Done:
    """Mark a moment, such as a deploy, in the charts of all queues: `{text, at?}`."""
    text = " ".join(ask.given("text", str).split())
    if not text or len(text) > LONGEST_MARK:
        raise invalid(f"text: what happened, in at most {LONGEST_MARK} characters")
    at: int = ask.given("at", int, board.clock())
    if not 0 <= at <= board.clock() + LEVELS[-1].keep_ms:
        raise invalid("at: a time in milliseconds since 1970")
    key = _key_of(board)
    await board.connection.transport.execute("ZADD", key, at, f"{at}:{rows.sendable(text)}")
    await board.connection.transport.execute("ZREMRANGEBYRANK", key, 0, -1 - KEPT_MARKS)
    await board.connection.transport.execute("PEXPIRE", key, KEEP_MARKS_MS)
    return {"done": 1, "text": f"Marked: {text}"}
