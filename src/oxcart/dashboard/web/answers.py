"""Answers: values as JSON, whatever Node has put into them, and files that are sent while they are made."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from unicodedata import category
from urllib.parse import quote

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from .assets import takes_gzip

READ_S = 60
"""How long it is waited for a reader of a file to take some more."""

_WORTH_PACKING = 2048
_UNSEEN = ("Cf", "Zl", "Zp")
"""Kinds of characters: formats, separators of lines and of paragraphs."""


@dataclass(frozen=True, slots=True)
class File:
    """What a handler answers instead of a shape: a text, or one that is sent while it is made."""

    body: str | AsyncIterator[str]
    media_type: str
    name: str | None = None
    """As what a browser saves it; None if it is to be shown."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str = "ok"
    """What the audit says of it."""


def as_json(value: Any) -> bytes:
    """JSON of a value; what orjson refuses (huge numbers, half characters), the standard library writes."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_response(
    value: Any, request: HTTPConnection, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An answer of the API, which nobody may keep."""
    body = as_json(value)
    said = {"Cache-Control": "no-store", "Vary": "Accept-Encoding", **(headers or {})}
    if len(body) >= _WORTH_PACKING and takes_gzip(request):
        body = gzip.compress(body, 1)
        said["Content-Encoding"] = "gzip"
    return Response(body, status, said, media_type="application/json")


def file_response(file: File, request: HTTPConnection) -> Response:
    """A file, which nobody may keep either. If making it breaks, so does the connection: nobody takes it for whole."""
    said = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no", **file.headers}
    if file.name is not None:
        said["Content-Disposition"] = attachment(file.name)
    if isinstance(file.body, str):
        return Response(file.body, 200, said, media_type=file.media_type)
    if request.scope["method"] == "HEAD":
        return Response(b"", 200, said, media_type=file.media_type)
    return _Streamed(file.body, 200, said, media_type=file.media_type)


class _Streamed(StreamingResponse):
    """A file that is broken off when its reader takes nothing of it for long: making it keeps a place from others."""

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(lambda message: _taken(send, message))
        finally:
            await cast(Any, self.body_iterator).aclose()


async def _taken(send: Send, message: Message) -> None:
    try:
        async with asyncio.timeout(READ_S):
            await send(message)
    except TimeoutError:
        raise ConnectionAbortedError(f"a file was broken off: nothing of it was read for {READ_S} s") from None


def attachment(name: str) -> str:
    """How a header says the name of a file, whatever characters a queue's name has put into it."""
    safe = re.sub(r'[\x00-\x1f\x7f-\x9f\\/:*?"<>|\ud800-\udfff]', "-", name)
    # What can't be seen may turn the order around, so that an ending looks like another.
    safe = "".join("-" if category(one) in _UNSEEN else one for one in safe).strip(". ") or "file"
    plain = re.sub(r"[^\x20-\x7e]", "-", safe)
    said = f'attachment; filename="{plain}"'
    return said if plain == safe else f"{said}; filename*=UTF-8''{quote(safe, safe='')}"
