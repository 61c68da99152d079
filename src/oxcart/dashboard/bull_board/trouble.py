"""Trouble: why something is refused, as Bull Board says it."""

from __future__ import annotations

import re
from typing import Any

from ..ask import Refusal
from . import shapes

INVALID = "INVALID_REQUEST"

_KEYS = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "TOO_MANY_REQUESTS",
}
_FIELD = re.compile(r"(\w{1,40})(?:=[^:]*)?: ")


class Trouble(Refusal):
    """A refusal with Bull Board's key for it, such as `JOB_NOT_FOUND`; `more` are further members of the answer."""

    def __init__(self, status: int, key: str, text: str, options: dict[str, Any] | None = None, **more: Any) -> None:
        super().__init__(status, "refused", text)
        self.key = key
        self.options = options
        self.more = more


def bad_body(field: str, text: str = "") -> Trouble:
    return Trouble(400, "INVALID_REQUEST_BODY", text or f"{field} can't be so", {"field": field}, code=INVALID)


def bad_query(field: str) -> Trouble:
    return Trouble(400, "INVALID_QUERY_PARAM", f"{field} can't be so", {"field": field}, code=INVALID)


def no_queue(name: str) -> Trouble:
    return Trouble(404, "QUEUE_NOT_FOUND", f"there is no queue {name[:100]!r} here")


def no_job(job_id: str) -> Trouble:
    return Trouble(404, "JOB_NOT_FOUND", f"there is no job {job_id[:100]!r} (any more)")


def forbidden(text: str) -> Trouble:
    return Trouble(403, "FORBIDDEN", text, message=text)


def shape_of(error: Exception, status: int, text: str, method: str) -> shapes.Error:
    """The body of an answer. `status` and `text` are what our own API would say."""
    if isinstance(error, Trouble):
        found: shapes.Error = {"error": {"key": f"ERRORS.{error.key}"}}
        if error.options is not None:
            found["error"]["options"] = error.options
        return {**found, **error.more}  # pyright: ignore[reportReturnType]  # each of them is a member of the shape
    if status == 400:
        match = _FIELD.match(text)
        field = match[1][:1].lower() + match[1][1:] if match else "body"
        key = "INVALID_QUERY_PARAM" if method in ("GET", "HEAD") else "INVALID_REQUEST_BODY"
        return {"error": {"key": f"ERRORS.{key}", "options": {"field": field}}, "code": INVALID, "message": text}
    return {"error": {"key": f"ERRORS.{_KEYS.get(status, 'INTERNAL_SERVER_ERROR')}"}, "message": text}
