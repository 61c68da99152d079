"""The guard before all routes: whose pages may send something, how much of it, and what our pages may load."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Nothing but our own files, and no script or style within a page: text that somebody entered can't become one."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}

ROOM_BESIDE = 100_000
"""What a request may have beside a picture."""


class TooLarge(HTTPException):
    """A request is larger than anything that we ask for."""

    def __init__(self) -> None:
        super().__init__(413, "That is too large.")


class Guard:
    """Lets through what may come, and puts the rules for browsers into each answer that has none of its own."""

    def __init__(self, app: ASGIApp, *, own_origin: str, max_upload_bytes: int) -> None:
        self._app = app
        self._own_origin = own_origin
        self._most = max_upload_bytes + ROOM_BESIDE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE and not self._from_our_pages(headers):
            return await PlainTextResponse("This came from another site's page.", 403)(scope, receive, send)
        await self._app(scope, limited(receive, self._most), with_headers(send))

    def _from_our_pages(self, headers: Headers) -> bool:
        """Browsers say where a request comes from; programs don't, and have no user's cookie that they could misuse."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return site in ("same-origin", "none")
        if origin is None:
            return True
        return origin == self._own_origin or urlsplit(origin).netloc == headers.get("host")


def limited(receive: Receive, most: int) -> Receive:
    """The same, up to so many bytes."""
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise TooLarge
        return message

    return count


def with_headers(send: Send) -> Send:
    """The same, with our rules; the dashboard, which is an application of its own, has its own."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "content-security-policy" not in headers:
                headers.update(HEADERS)
        await send(message)

    return add
