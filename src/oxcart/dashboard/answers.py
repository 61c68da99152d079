"""Answers: values as JSON, whatever Node has put into them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .assets import takes_gzip

_WORTH_PACKING = 2048


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
