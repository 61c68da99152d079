"""The outside world of the demo: a vendor's push service, somebody's webhook, and a page that shows the inbox."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
import os
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, cast

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from . import Unexpected

HOST = "127.0.0.1"

NO_SCRIPTS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}

FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>Inbox</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}
li{{margin:.4rem 0}}small{{opacity:.7}}</style></head><body><h1>Inbox</h1>{}</body></html>"""


OnPush = Callable[[str, dict[str, Any]], None]
"""Gets whose browser it is, and what it was told."""


class Browser:
    """A browser in which somebody has switched notifications on."""

    def __init__(self, url: str, name: str) -> None:
        self.endpoint = f"{url}/push/{name}"
        self.shown: list[dict[str, Any]] = []
        """What it was told, oldest first."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)

    @property
    def subscription(self) -> dict[str, Any]:
        """What a page sends to its application."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.endpoint, "keys": {"p256dh": _text(point), "auth": _text(self._auth)}}

    def show(self, encrypted: bytes) -> dict[str, Any]:
        """Decrypt a notification: only this browser can."""
        keys = {"private_key": self._key, "auth_secret": self._auth, "version": "aes128gcm"}
        text = cast(Any, http_ece).decrypt(encrypted, **keys)
        self.shown.append(json.loads(text))
        return self.shown[-1]


class Outside:
    """An HTTP server on a free port of this machine."""

    def __init__(self, mails: Sequence[EmailMessage], on_push: OnPush | None = None) -> None:
        self.url = ""
        self.alerts: list[dict[str, Any]] = []
        """What the webhook was told, oldest first."""
        self._browsers: dict[str, Browser] = {}
        self._mails = mails
        self._on_push = on_push

    def browser(self, name: str) -> Browser:
        """A new browser, which takes its notifications here."""
        return self._browsers.setdefault(name, Browser(self.url, name))

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Outside, None]:
        """Be there while the block runs."""
        routes = [
            Route("/", self._inbox),
            Route("/mails/{number:int}", self._mail),
            Route("/push/{name}", self._push, methods=["POST"]),
            Route("/alerts", self._alert, methods=["POST"]),
        ]
        async with serving(Starlette(routes=routes)) as self.url:
            yield self

    async def _inbox(self, request: Request) -> Response:
        lines = [
            f'<li><a href="/mails/{number}">{html.escape(mail["Subject"])}</a> '
            f"<small>for {html.escape(str(mail['To']))}</small></li>"
            for number, mail in reversed(list(enumerate(self._mails)))
        ]
        body = f"<ul>{''.join(lines)}</ul>" if lines else "<p>No mail has arrived yet.</p>"
        return HTMLResponse(FRAME.format(body))

    async def _mail(self, request: Request) -> Response:
        number: int = request.path_params["number"]
        if number >= len(self._mails):
            raise HTTPException(404)
        page = self._mails[number].get_body(("html", "plain"))
        return HTMLResponse(page.get_content() if page else "", headers=NO_SCRIPTS)

    async def _push(self, request: Request) -> Response:
        browser = self._browsers.get(request.path_params["name"])
        if browser is None:
            return Response(status_code=410)
        shown = browser.show(await request.body())
        if self._on_push:
            self._on_push(request.path_params["name"], shown)
        return Response(status_code=201)

    async def _alert(self, request: Request) -> Response:
        self.alerts.append(await request.json())
        return Response(status_code=204)


class _Quiet(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serving(app: Starlette) -> AsyncGenerator[str, None]:
    """Serve an application from this process while the block runs; its URL."""
    config = uvicorn.Config(app, HOST, 0, log_config=None, access_log=False, lifespan="off", ws="none")
    server = _Quiet(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                raise Unexpected("the demo's own web server did not start")
            await asyncio.sleep(0.01)
        yield f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
