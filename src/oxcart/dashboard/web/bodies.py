"""Bodies: the JSON that a request brings, read only as far as the user may do something with it."""

from __future__ import annotations

import json
from typing import Any, cast

from starlette.requests import Request

from ..ask import Refusal
from .guard import MAX_BODY

SMALL_BODY = 64 * 1024
"""So much is read of users who may not do what they ask for: for the audit, which says what it was about."""

DEEPEST_BODY = 200
"""How deep the JSON of a body may go."""

MOST_BRACKETS = 200_000
"""How many objects and lists it may have: each costs time and memory, and two bytes are enough for one."""


async def read_body(request: Request, may: bool = True) -> dict[str, Any]:
    """The JSON object of a request, up to a size that no job's data should have; who may nothing gets no answer to it.

    It keeps the event loop for as long as its JSON is read, so it is bounded, and the rights are asked for first.
    """
    if may:
        return _parse(await _read(request, MAX_BODY))
    try:
        return await read_small_body(request)
    except Refusal:
        return {}


async def read_small_body(request: Request) -> dict[str, Any]:
    """The same of a message that has no reason to be large."""
    return _parse(await _read(request, SMALL_BODY))


async def _read(request: Request, most: int) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > most:
            raise Refusal(413, "invalid", f"The body has more than {most // 1024:,} KB.")
    return bytes(chunks)


def _parse(text: bytes) -> dict[str, Any]:
    if text.count(b"{") + text.count(b"[") > MOST_BRACKETS:
        raise Refusal(400, "invalid", f"The body has more than {MOST_BRACKETS:,} objects and lists.")
    try:
        # Not by orjson: it rounds whole numbers that are too large, and would change what somebody wrote.
        found: object = json.loads(text or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid", "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Refusal(400, "invalid", "The body has to be a JSON object.")
    if _is_deeper(found, DEEPEST_BODY):
        raise Refusal(400, "invalid", f"The body is nested more than {DEEPEST_BODY} levels deep.")
    return cast(dict[str, Any], found)


def _is_deeper(value: Any, most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most):
        inner = (cast("dict[str, Any]", one).values() if isinstance(one, dict) else one for one in level)
        level = [one for some in inner for one in some if isinstance(one, (dict, list))]
        if not level:
            return False
    return True


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a number that JSON has")
