"""An HTTP server that only listens: it keeps what it is sent, and answers what it is told to answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody has sent."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Request], str]
"""A status, and headers after it: `429 Too Many\\r\\nRetry-After: 1`."""


def always(status: str) -> Answer:
    """The same answer to everybody."""

    def answer(request: Request) -> str:
        return status

    return answer


class Endpoint:
    """A server on a free port of this machine.

    Example: `async with Endpoint().open() as hook: hook.url; hook.requests`
    """

    def __init__(self) -> None:
        self.answer = always("201 Created")
        self.requests: list[Request] = []
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Endpoint, None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            headers = {name.lower(): value for name, value in headers.items()}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            request = Request(head[0].split()[1], headers, body, time.monotonic())
            self.requests.append(request)
            writer.write(f"HTTP/1.1 {self.answer(request)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        finally:
            writer.close()
