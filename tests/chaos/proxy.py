"""A wire between client and server that tests can cut, swallow and lose replies of."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path


class Proxy:
    """Passes bytes on between a unix socket of its own and the server's."""

    def __init__(self, path: str, server: str) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.lose_reply: Callable[[], bool] = lambda: False
        """Asked at each reply: if true, it is thrown away and the connection cut."""
        self.swallow = False
        """New bytes of connections that exist are swallowed for ever, in both directions: a dead peer."""
        self.lost = 0
        self.server = server
        """Where new connections lead to; those that exist stay where they are."""
        self._connections: set[_Wire] = set()

    def cut_all(self) -> int:
        """Cut every connection; how many there were."""
        wires = list(self._connections)
        for wire in wires:
            wire.cut()
        return len(wires)

    def deafen(self) -> None:
        """Every connection that exists now swallows all bytes; new ones work."""
        for wire in self._connections:
            wire.deaf = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_unix_connection(self.server)
        except OSError:
            writer.close()
            return
        wire = _Wire(self, (reader, writer), (up_reader, up_writer))
        self._connections.add(wire)
        try:
            await wire.run()
        finally:
            self._connections.discard(wire)


class _Wire:
    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.proxy = proxy
        self.client, self.server = client, server
        self.deaf = False

    async def run(self) -> None:
        passing = [
            asyncio.ensure_future(self._pass(self.client[0], self.server[1], replies=False)),
            asyncio.ensure_future(self._pass(self.server[0], self.client[1], replies=True)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        if self.deaf:
            await asyncio.wait(passing)
        self.cut()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    def cut(self) -> None:
        for _, writer in (self.client, self.server):
            with contextlib.suppress(RuntimeError):
                writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(65536):
                if self.deaf:
                    continue
                if replies and self.proxy.lose_reply():
                    self.proxy.lost += 1
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def proxy_before(server: str, folder: Path) -> AsyncIterator[Proxy]:
    """A proxy before this server's socket."""
    proxy = Proxy(str(folder / f"p{random.randrange(10**6)}"), server)
    listening = await asyncio.start_unix_server(proxy.serve, proxy.path)
    try:
        yield proxy
    finally:
        listening.close()
        proxy.cut_all()
        await asyncio.sleep(0.01)
