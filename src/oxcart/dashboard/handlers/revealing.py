"""Revealing: what the page of a job hides, to those who may see it."""

from __future__ import annotations

from typing import Any

from .. import shapes
from ..ask import Ask, Refusal, not_found
from ..board import Board
from ..reading import family, rows
from .jobs import LARGEST


async def reveal(board: Board, ask: Ask) -> shapes.Revealed:
    """Show a job as it is stored, nothing masked: `{id, whole?}`. Large values are cut unless `whole` is true."""
    if not ask.access.may("view_data"):
        raise Refusal(403, "forbidden", "You may not see the data of jobs.")
    queue = await board.queue(ask)
    job_id = ask.given("id", str)
    whole = ask.given("whole", bool, False)
    job = await queue.job(job_id)
    if job is None:
        raise not_found(f"There is no job {job_id[:100]} in {queue.name} (any more).")
    data, data_cut = _shown(job.data, whole)
    options, options_cut = _shown(family.options_of(board, ask.access, job), whole)
    result, result_cut = _shown(job.return_value, whole)
    reason = job.failed_reason
    if reason is not None:
        reason = rows.cut(rows.sendable(reason), 10 * LARGEST if whole else LARGEST)
    return {
        "id": rows.sendable(job.id),
        "data": data,
        "options": options,
        "return_value": result,
        "failed_reason": reason,
        "cut": data_cut or options_cut or result_cut,
    }


def _shown(value: Any, whole: bool) -> tuple[Any, bool]:
    """A value as far as it can be sent, and whether anything was left out."""
    if whole:
        return rows.clean(value), False
    short, was_cut = rows.cut_down(value, LARGEST)
    return rows.clean(short), was_cut
