"""Browsing: the system's Chromium, and what is to be looked for in each page that it shows."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from conftest import in_ci
from playwright.async_api import ConsoleMessage, Page, Response, expect
from uvicorn import Server

AXE = Path(__file__).parents[3] / "frontend/node_modules/axe-core/axe.min.js"

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""A folder for pictures of the pages, for who wants to look at them."""

WATCH_CSP = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push([event.violatedDirective, event.blockedURI, event.sourceFile, event.lineNumber].join(" ")));
"""

SLOW_MS = 60_000
"""How long a page may take, on a machine that does much else."""

expect.set_options(timeout=SLOW_MS)


def chromium() -> str | None:
    """Where the system's Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


class QuietServer(Server):
    """A server inside of a test: signals are none of its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Tab:
    """A page in the browser, and all that went wrong in it."""

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page = page
        self.address = address
        self.problems: list[str] = []
        self._name = name
        page.set_default_timeout(SLOW_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("response", self._response)

    async def go(self, path: str) -> None:
        await self.page.goto(self.address + path)

    async def at(self, path: str) -> None:
        """Wait until the page with this path is shown."""
        await self.page.wait_for_url(lambda url: url == self.address + path)

    async def look(self, name: str) -> None:
        """Fail if anything is wrong with the page as it is now: what it loads, its width, how it can be used."""
        if SCREENSHOTS:
            await self.page.screenshot(path=f"{SCREENSHOTS}/{self._name}-{name}.png", full_page=True)
        assert not await self.page.evaluate("globalThis.violations")
        assert not self.problems, self.problems
        width, room = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room, f"{name} is {width} wide, and there is room for {room}"
        if AXE.exists() or in_ci():
            found = await self._inaccessible()
            assert found == [], found

    async def _inaccessible(self) -> list[str]:
        """What a checker finds. It is put into the page by the debugger, which the policy doesn't concern."""
        await self.page.evaluate(AXE.read_text() + "\n;undefined")
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:150] for node in one["nodes"][:3])
            for one in found["violations"]
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console: {message.text} ({message.location})")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")
