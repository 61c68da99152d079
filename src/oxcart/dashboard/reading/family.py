"""Family: the jobs of flows, without what is large of them, and in which queues those below a job are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from ... import Job
from ...errors import OptionsError
from ...protocol.call import call
from ...protocol.calls.family import KINDS, Place, place_of
from ...protocol.keys import Keys
from ..access import Access
from ..ask import Refusal
from ..board import Board
from . import direct, rows

READING = direct.Reading(("timestamp", "parentKey", "parent"), ("name", "progress", "failedReason"))

MOST_BELOW = 20_000
"""How many jobs below one are looked at before it is removed with them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A job of a flow as it is shown, and where some of its children are."""

    light: direct.Light
    state: str
    counts: dict[str, int]
    """How many children it has, by what became of them."""
    children: Sequence[Place]


async def member(board: Board, place: Place, most: int) -> Member | None:
    """A job with about `most` children of each kind; None if it isn't there."""
    asked = call(
        "read_member",
        place.keys,
        _as_it_is,
        *READING.fields,
        prefix=place.keys.prefix,
        id=place.id,
        count=most,
        heavy=len(READING.heavy),
        most=READING.most,
    )
    found = await board.connection.run(asked)
    light = direct.light(board, place.keys, READING, place.id, found[0]) if found else None
    if light is None:
        return None
    _, state, counts, references = found
    places = [one for one in map(place_at, dict.fromkeys(map(str, references))) if one is not None]
    return Member(light, str(state), dict(zip(KINDS, counts, strict=True)), sorted(places, key=_natural))


def _as_it_is(reply: Any) -> Any:
    return reply


def place_at(reference: str) -> Place | None:
    """The job that a reference names; None if it is damaged."""
    try:
        return place_of(reference)
    except OptionsError:
        return None


def _natural(place: Place) -> list[tuple[int, int | str]]:
    """For the order of ids: 2 before 10."""
    parts = re.findall(r"\d{1,15}|\D+|\d+", place.id)
    return [(0, int(part)) if part[0].isdecimal() and len(part) < 16 else (1, part) for part in parts]


def shows(board: Board, access: Access, keys: Keys) -> bool:
    """Whether the queue of a job is one of this board, and exists for the user."""
    return keys.queue_prefix == board.prefix and board.shows(access, keys.name)


def options_of(board: Board, access: Access, job: Job) -> dict[str, Any]:
    """The options of a job as they are stored, without where its parent is if that doesn't exist for the user."""
    options = dict(rows.options_of(job))
    parent = options.get("parent")
    if parent is not None and not board.shows_all(access):
        told = cast("dict[str, Any]", parent) if isinstance(parent, dict) else {}
        place = place_at(f"{told.get('queue')}:{told.get('id')}")
        if place is None or not shows(board, access, place.keys):
            del options["parent"]
    return options


async def check_below(board: Board, access: Access, keys: Keys, job_id: str) -> None:
    """Raise a `Refusal` if below a job there are some that don't exist for this user, so that nobody removes them."""
    if board.shows_all(access):
        return
    asked = call("queues_below", keys, list[Any], prefix=keys.prefix, id=job_id, most=MOST_BELOW)
    more, *queues = await board.connection.run(asked)
    below = [place_at(f"{queue}x") for queue in queues]
    if not all(place is not None and shows(board, access, place.keys) for place in below):
        text = f"Job {job_id} has children in queues that you don't see. Remove it without its children."
        raise Refusal(409, "refused", text)
    if more:
        text = f"Job {job_id} has more than {MOST_BELOW:,} jobs below it. Remove it without its children."
        raise Refusal(409, "refused", text)
