"""Fixtures with a browser: the system's Chromium, over a real dashboard on a port of its own, with seeded queues.

All of it lives on one event loop for the whole session, since a browser can't move to another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)
from uvicorn import Config, Server

from oxcart import Connection, Queue
from oxcart.dashboard import Dashboard
from tests.conftest import RedisServer, in_ci
from tests.dashboard.seed import Crew, seed

ROOT = Path(__file__).parents[3]
AXE = ROOT / "frontend/node_modules/axe-core/axe.min.js"
STATIC = ROOT / "src/oxcart/dashboard/static/manifest.json"

WATCH_CSP = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push([event.violatedDirective, event.blockedURI, event.sourceFile, event.lineNumber].join(" ")));
"""

SLOW_MS = 20_000
"""How long a page may take, on a machine that does much else."""

expect.set_options(timeout=SLOW_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs the browser, and the loop that it lives on."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def chromium() -> str | None:
    """Where the system's Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), None)


def missing() -> str:
    """What is not here that these tests need; empty if all is."""
    if chromium() is None:
        return "Chromium is not installed"
    if not STATIC.is_file():
        return "the front end is not built (npm run build in frontend)"
    if not AXE.is_file():
        return "the front end's packages are not installed (npm ci in frontend)"
    return ""


class QuietServer(Server):
    """A server inside of a test: signals are none of its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Site:
    """A dashboard that is served, and the pages of a browser that look at it."""

    def __init__(self, address: str, context: BrowserContext) -> None:
        self.address = address
        """Without a slash at the end; with the path that it is mounted at."""
        self.context = context

    async def open(self, path: str = "/") -> Tab:
        """Open a page in a new tab and wait until it shows what it is about."""
        tab = Tab(await self.context.new_page(), self.address)
        await tab.go(path)
        return tab


class Tab:
    """A page in the browser, and all that went wrong in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.requests: list[Request] = []
        self.problems: list[str] = []
        page.set_default_timeout(SLOW_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("requestfinished", lambda request: self.requests.append(request))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("dialog", self._dialog)

    async def go(self, path: str) -> None:
        await self.page.goto(self.address + path, wait_until="load")
        await self.settled()

    async def settled(self) -> None:
        """Wait until the page has its heading and nothing loads any more."""
        await self.page.wait_for_selector("h1", state="visible")
        await expect(self.page.locator(".loading")).to_have_count(0, timeout=SLOW_MS)

    async def go_by_keys(self, key: str, heading: str) -> None:
        """Go to another page by `g` and a key: once more if more than a second passed between them."""
        shown = self.page.locator("h1")
        await self.press_until(["g", key], lambda timeout: expect(shown).to_contain_text(heading, timeout=timeout))

    async def press_until(self, keys: Iterable[str], seen: Callable[[float], Awaitable[None]]) -> None:
        """Press keys until what they do is seen, in so many ms: once more if nobody listened for them yet."""
        for tries_left in (2, 1, 0):
            for key in keys:
                await self.page.keyboard.press(key)
            try:
                return await seen(SLOW_MS / 4)
            except AssertionError:
                if not tries_left:
                    raise

    async def fine(self) -> None:
        """Fail if anything went wrong so far."""
        violations = await self.page.evaluate("globalThis.violations")
        assert not violations, violations
        assert not self.problems, self.problems

    async def accessibility(self) -> list[str]:
        """What the checker finds. It is put into the page by the debugger, which the policy doesn't concern."""
        await self.page.evaluate(AXE.read_text() + "\n;undefined")
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:150] for node in one["nodes"][:3])
            for one in found["violations"]
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console: {message.text} ({message.location})")

    def _request(self, request: Request) -> None:
        origin = "/".join(self.address.split("/")[:3])
        if not request.url.startswith((origin + "/", "data:")):
            self.problems.append(f"a request to another host: {request.url}")
        elif request.url.startswith(origin) and not request.url.startswith(self.address + "/"):
            self.problems.append(f"a request beside where it is mounted: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    async def _dialog(self, dialog: Any) -> None:
        self.problems.append(f"a dialog: {dialog.message}")
        await dialog.dismiss()


OpenSite = Callable[..., Awaitable[Site]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"the dashboard in a browser: {lack}")
    async with async_playwright() as playwright:
        # As root, which is what builders are, Chromium has no sandbox.
        args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=chromium(), args=args)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def seeded(browser: Browser, redis_server: RedisServer) -> str:
    """The prefix of queues with jobs in every state. Who changes something there takes a job that nobody else needs."""
    prefix = f"seed{secrets.token_hex(4)}"
    await seed(redis_server.url, prefix)
    return prefix


@contextlib.asynccontextmanager
async def looking(browser: Browser, address: str, view: dict[str, Any] | None = None) -> AsyncIterator[Site]:
    """A browser without a past, for what is served at this address."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}} | (view or {})
    context = await browser.new_context(**options)
    await context.add_init_script(WATCH_CSP)
    try:
        yield Site(address, context)
    finally:
        await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def address(seeded: str, redis_server: RedisServer) -> AsyncIterator[str]:
    """Where a dashboard is served as `oxcart dashboard` does it, for all tests that want nothing special."""
    dashboard = Dashboard(connection=redis_server.url, prefix=seeded)
    async with serving(dashboard) as address:
        yield address
        await dashboard.close()


Look = Callable[..., Awaitable[Site]]


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser, address: str) -> AsyncIterator[Look]:
    """Look at the dashboard in a browser of another kind: `site = await look(color_scheme="dark")`."""
    async with contextlib.AsyncExitStack() as stack:

        async def look(**view: Any) -> Site:
            return await stack.enter_async_context(looking(browser, address, view))

        yield look


@pytest_asyncio.fixture(loop_scope="session")
async def site(look: Look) -> Site:
    """The dashboard, in a browser as it comes."""
    return await look()


@pytest_asyncio.fixture(loop_scope="session")
async def open_site(browser: Browser, seeded: str, redis_server: RedisServer) -> AsyncIterator[OpenSite]:
    """Serve a dashboard of another kind: `site = await open_site(mount="/a/b", read_only=True)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def open(mount: str = "", view: dict[str, Any] | None = None, **options: Any) -> Site:
            options = {"connection": redis_server.url, "prefix": seeded} | options
            dashboard = Dashboard(**options)
            address = await stack.enter_async_context(serving(mounted(dashboard, mount)))
            stack.push_async_callback(dashboard.close)
            return await stack.enter_async_context(looking(browser, address + mount, view))

        yield open


class Shop:
    """A queue `shop` that belongs to one test, and a dashboard over it: the test may do with it what it likes."""

    def __init__(self, site: Site, connection: Connection, prefix: str) -> None:
        self.site = site
        self.connection = connection
        self.prefix = prefix
        self.queue = Queue("shop", connection=connection, prefix=prefix)
        self.crew = Crew(connection, self.queue, "clerk-1")

    async def failed(self, *reasons: str, **options: Any) -> list[str]:
        """Jobs that failed for these reasons, one after the other; their ids."""
        now = time.time_ns() // 1_000_000
        ids: list[str] = []
        for reason in reasons:
            await self.queue.add("order", {"reason": reason}, **options)
            [job_id] = await self.crew.take(1, now - 1000)
            await self.crew.fail(job_id, reason, [f"Error: {reason}"], now - 500)
            ids.append(job_id)
        return ids


@pytest_asyncio.fixture(loop_scope="session")
async def shop(open_site: OpenSite, redis_server: RedisServer) -> AsyncIterator[Shop]:
    prefix = f"shop{secrets.token_hex(4)}"
    async with Connection(redis_server.url) as connection:
        yield Shop(await open_site(prefix=prefix), connection, prefix)


def mounted(dashboard: Dashboard, mount: str) -> Any:
    """The dashboard within an application of somebody's."""
    if not mount:
        return dashboard
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount(mount, app=dashboard)])


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = QuietServer(Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        task = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
