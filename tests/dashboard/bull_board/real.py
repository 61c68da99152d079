"""The real Bull Board, in a Node process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

NODE = Path(__file__).parents[2] / "interop" / "node"


def missing() -> str:
    """What is not here that it needs; empty if all is."""
    if shutil.which("node") is None:
        return "Node is not installed"
    if not all((NODE / "node_modules" / name).is_dir() for name in ("bullmq", "@bull-board/express", "@bull-board/ui")):
        return "the Node packages are not installed (npm ci in tests/interop/node)"
    return ""


class RealBoard:
    """Bull Board on Express, over these queues. To be closed."""

    def __init__(self, redis: dict[str, Any], prefix: str, queues: list[str], base: str = "") -> None:
        config = json.dumps({"redis": redis, "prefix": prefix, "queues": queues, "base": base})
        self._process = subprocess.Popen(
            ["node", str(NODE / "board.mjs"), config], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self.close()
            raise RuntimeError("Bull Board did not start; its error is above")
        self.address = f"http://127.0.0.1:{port}{base}"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


STATIC = NODE / "node_modules" / "@bull-board" / "ui" / "dist" / "static"


class ItsPage:
    """An application with Bull Board's own page, built as it comes, over an API that is ours, all below `base`."""

    def __init__(self, index: str, base: str, dashboard: ASGIApp) -> None:
        self._index = HTMLResponse(index)
        self._files = Mount(f"{base}/static", StaticFiles(directory=STATIC))
        self._api = Mount(base, dashboard)
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"])
        for prefix, route in ((f"{self._base}/static/", self._files), (f"{self._base}/api/", self._api)):
            if path.startswith(prefix):
                _, child = route.matches(scope)
                await route.handle({**scope, **child}, receive, send)
                return
        await self._index(scope, receive, send)
