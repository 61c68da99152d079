"""A walk through the pages, as people take it: at a desk and on a phone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from browsing import WATCH_CSP, QuietServer, Tab, chromium
from conftest import RunWorkers, in_ci
from endpoint import Endpoint
from fastapi import FastAPI
from pages import picture
from playwright.async_api import Browser, async_playwright, expect
from sqlalchemy import select
from test_notifications import Browser as Keys
from uvicorn import Config
from waiting import wait_until

from taskmanager.app import create_app
from taskmanager.db import Database
from taskmanager.demo.inbox import Inbox
from taskmanager.models import PushSubscription, User
from taskmanager.queues import Queues
from taskmanager.settings import Settings
from taskmanager.worker import email_worker, image_worker, notification_worker, report_worker

pytestmark = pytest.mark.browser

VIEWS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}

OpenTab = Callable[..., Awaitable[Tab]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if chromium() is None:
        (pytest.fail if in_ci() else pytest.skip)("Chromium is not installed")
    async with async_playwright() as playwright:
        # As root, which is what builders are, Chromium has no sandbox.
        args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=chromium(), args=args)
        yield browser
        await browser.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


@pytest.fixture
def settings(listening: socket.socket, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FRONTEND_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
    return Settings()


@pytest.fixture
async def app(listening: socket.socket, settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, served."""
    app = create_app(settings)
    server = QuietServer(Config(app, log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve([listening]))
    await wait_until(lambda: server.started)
    yield app
    server.should_exit = True
    await task


@pytest.fixture
async def open_tab(app: FastAPI, browser: Browser, settings: Settings) -> AsyncIterator[OpenTab]:
    """Open a page in a browser without a past: `tab = await open_tab("phone", color_scheme="dark")`."""
    async with contextlib.AsyncExitStack() as stack:

        async def open(name: str, **view: Any) -> Tab:
            options: dict[str, Any] = VIEWS["desk"] | view
            context = await browser.new_context(**options)
            stack.push_async_callback(context.close)
            await context.grant_permissions(["notifications"], origin=settings.frontend_url)
            await context.add_init_script(WATCH_CSP)
            return Tab(await context.new_page(), settings.frontend_url, name)

        yield open


async def register(tab: Tab, name: str, email: str) -> None:
    page = tab.page
    await tab.go("/auth/register")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password").fill("engine-1843")
    await page.get_by_role("button", name="Register").click()
    await tab.at("/tasks")


async def add_task(tab: Tab, title: str, **more: str) -> None:
    page = tab.page
    await tab.go("/tasks")
    await page.get_by_label("Title").fill(title)
    await page.get_by_label("Notes").fill(more.get("notes", ""))
    await page.get_by_label("Due on").fill(more.get("due", ""))
    await page.get_by_role("button", name="Add task").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)


async def add_projects(tab: Tab, *names: str) -> None:
    page = tab.page
    for name in names:
        await tab.go("/tasks")
        await page.get_by_text("New project").click()
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Add project").click()
        await expect(page.locator(".filters option", has_text=name)).to_have_count(1)


@pytest.mark.parametrize("view", [*VIEWS, "dark"])
async def test_one_registers_adds_and_assigns_a_task(
    open_tab: OpenTab, inbox: Inbox, run_workers: RunWorkers, view: str
) -> None:
    await run_workers(email_worker)
    tab = await open_tab(view, **VIEWS.get(view, {"color_scheme": "dark"}))
    page = tab.page
    await tab.go("/")
    await tab.at("/auth/login?next=/tasks")
    await tab.look("login")
    await page.get_by_role("main").get_by_role("link", name="Register").click()
    await tab.look("register")
    await register(tab, "Ada Lovelace", "ada@example.com")
    await tab.look("empty-board")
    await add_task(tab, "Describe the engine", notes="All of it, with notes.", due="2030-05-17")
    await tab.look("task")

    await page.get_by_label("Person").select_option("Ada Lovelace")
    await page.get_by_role("button", name="Assign").click()
    await expect(page.locator(".person")).to_contain_text("Ada Lovelace")
    await page.get_by_label("Comment", exact=True).fill("I have begun with it.")
    await page.get_by_role("button", name="Add comment").click()
    await expect(page.locator(".comments")).to_contain_text("I have begun with it.")

    await tab.go("/tasks")
    await page.get_by_label("Column of Describe the engine").select_option("doing")
    await expect(page.locator(".column.doing")).to_contain_text("Describe the engine")
    await tab.look("board")
    await page.get_by_role("button", name="List").click()
    await expect(page.locator(".rows")).to_contain_text("Describe the engine")
    await tab.look("list")
    await wait_until(lambda: len(inbox.mails) == 2)
    assert {mail["Subject"] for mail in inbox.mails} == {"Welcome to Task Manager!", "A task has been assigned to you"}


@pytest.mark.parametrize("view", VIEWS)
async def test_one_uploads_a_picture_and_sees_it_small(open_tab: OpenTab, run_workers: RunWorkers, view: str) -> None:
    tab = await open_tab(view, **VIEWS[view])
    page = tab.page
    await register(tab, "Ada Lovelace", "ada@example.com")
    await add_task(tab, "Describe the engine")
    content = picture(1600, 1200, "JPEG")
    file: Any = {"name": "engine.jpg", "mimeType": "image/jpeg", "buffer": content}
    await page.get_by_label("Picture", exact=True).set_input_files(file)
    await page.get_by_role("button", name="Add picture").click()
    await expect(page.locator(".picture")).to_contain_text("Making it small")
    await tab.look("pending-picture")

    await run_workers(image_worker)  # the page is told, and nobody loads it again
    await expect(page.locator(".picture img")).to_be_visible()
    await expect(page.locator(".picture img")).to_have_js_property("naturalWidth", 480)
    await tab.look("picture")


WATCH_PROGRESS = """
globalThis.seen = [];
new MutationObserver(() => {
  const bar = document.querySelector("progress");
  if (bar) seen.push([bar.value, document.querySelector("[data-says]").textContent]);
}).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true, attributes: true });
"""


@pytest.mark.parametrize("view", VIEWS)
async def test_one_asks_for_a_report_and_watches_it(
    open_tab: OpenTab, queues: Queues, inbox: Inbox, run_workers: RunWorkers, view: str
) -> None:
    tab = await open_tab(view, **VIEWS[view])
    page = tab.page
    await register(tab, "Ada Lovelace", "ada@example.com")
    await add_projects(tab, "Website", "Office")
    await page.get_by_role("link", name="Reports").click()
    await page.get_by_role("button", name="Make a report").click()
    says = page.locator("[data-says]")
    await expect(says).to_have_text("Counting: 0 of 3 projects")
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", "0")
    await tab.look("report-begins")
    await page.evaluate(WATCH_PROGRESS)

    reports = queues.named("reports")
    assert reports is not None
    await reports.set_global_rate_limit(1, 2)  # slow enough to watch
    await run_workers(report_worker, email_worker)
    await expect(says).not_to_have_text("Counting: 0 of 3 projects")
    await tab.look("report")
    link = page.get_by_role("link", name="Open PDF")
    await expect(link).to_be_visible()
    await tab.look("report-ready")
    seen: list[tuple[int, str]] = await page.evaluate("seen")
    assert [percent for percent, _ in seen] == sorted(percent for percent, _ in seen)
    texts = [text for _, text in seen]
    assert {"Counting: 1 of 3 projects", "Counting: 2 of 3 projects"} & {*texts}, texts
    assert any(text.startswith(("Waiting to be drawn", "Drawing")) for text in texts), texts
    answer = await page.request.get(tab.address + str(await link.get_attribute("href")))
    assert (await answer.body()).startswith(b"%PDF-")
    await tab.go("/reports")
    await tab.look("reports")
    await wait_until(lambda: [mail for mail in inbox.mails if mail["Subject"] == "Your report is ready"])


# A browser of the system has no vendor behind it, so its subscription is played; the rest is real.
PRETEND = """
(subscription) => {
  let now = null;
  const made = { ...subscription, toJSON: () => subscription, unsubscribe: async () => { now = null; return true; } };
  PushManager.prototype.subscribe = async (options) => {
    globalThis.askedFor = options;
    return (now = made);
  };
  PushManager.prototype.getSubscription = async () => now;
}
"""


SHOWN = """
navigator.serviceWorker.ready
  .then((worker) => worker.getNotifications())
  .then((all) => all.map((one) => [one.title, one.body]))
"""


async def test_one_switches_notifications_on_and_gets_one(
    open_tab: OpenTab, hook: Endpoint, run_workers: RunWorkers
) -> None:
    await run_workers(notification_worker)
    tab = await open_tab("desk")
    page, keys = tab.page, Keys(f"{hook.url}/push")
    await page.context.add_init_script(f"({PRETEND})({json.dumps(keys.subscription)})")
    await register(tab, "Ada Lovelace", "ada@example.com")
    await page.get_by_role("link", name="AL: you, Ada Lovelace").click()
    await expect(page.get_by_role("status")).to_have_text("Notifications are off.")
    await tab.look("me")
    await page.get_by_role("button", name="Switch notifications on").click()
    await expect(page.get_by_role("status")).to_have_text("Notifications are on.")
    assert await page.evaluate("askedFor.userVisibleOnly")

    await add_task(tab, "Describe the engine")
    await page.get_by_label("Person").select_option("Ada Lovelace")
    await page.get_by_role("button", name="Assign").click()
    await wait_until(lambda: hook.requests)
    content = keys.read(hook.requests[0])
    assert content["body"] == "Describe the engine"

    # What the vendor hands to the browser, our service worker shows.
    async def shown() -> Any:
        await deliver(tab, content)  # again, if it was lost: with the same tag it is shown once
        return await page.evaluate(SHOWN)

    await wait_until(shown)
    assert await page.evaluate(SHOWN) == [["A task for you", "Describe the engine"]]
    await tab.look("notified")


async def test_who_logs_out_is_notified_no_more_and_who_comes_next_is_not_told_what_is_not_so(
    open_tab: OpenTab, hook: Endpoint, database: Database
) -> None:
    tab = await open_tab("desk")
    page, keys = tab.page, Keys(f"{hook.url}/push")
    await page.context.add_init_script(f"({PRETEND})({json.dumps(keys.subscription)})")
    await register(tab, "Ada Lovelace", "ada@example.com")
    await tab.go("/me")
    await page.get_by_role("button", name="Switch notifications on").click()
    await expect(page.get_by_role("status")).to_have_text("Notifications are on.")
    assert len(await notified(database)) == 1

    await page.get_by_role("button", name="Log out").click()
    await tab.at("/auth/login")
    assert await notified(database) == []

    # A browser that was left without a log-out, and still is subscribed, becomes the one of who uses it now.
    await page.context.add_init_script(f"({PRETEND_IT_IS_ON})({json.dumps(keys.subscription)})")
    await register(tab, "Grace Hopper", "grace@example.com")
    await tab.go("/me")
    await expect(page.get_by_role("status")).to_have_text("Notifications are on.")
    assert await notified(database) == ["Grace Hopper"]


PRETEND_IT_IS_ON = "(subscription) => { PushManager.prototype.getSubscription = async () => subscription; }"


async def notified(database: Database) -> list[str]:
    """Who is notified in a browser."""
    async with database.sessions() as session:
        return list(await session.scalars(select(User.name).join(PushSubscription)))


async def deliver(tab: Tab, content: dict[str, str]) -> None:
    """Hand a notification to the service worker, as the browser does."""
    # What comes before it is active is lost.
    await tab.page.evaluate(
        "navigator.serviceWorker.ready.then(({active}) => active.state === 'activated' || "
        "new Promise((done) => active.addEventListener('statechange', done)))"
    )
    devtools = await tab.page.context.new_cdp_session(tab.page)
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def registered(event: dict[str, Any]) -> None:
        for one in event["registrations"]:
            if not found.done():
                found.set_result(one["registrationId"])

    devtools.on("ServiceWorker.workerRegistrationUpdated", registered)
    await devtools.send("ServiceWorker.enable")
    message = {"origin": tab.address, "registrationId": await found, "data": json.dumps(content)}
    await devtools.send("ServiceWorker.deliverPushMessage", message)


async def test_what_one_enters_wrongly_is_said_beside_it(open_tab: OpenTab) -> None:
    tab = await open_tab("desk", color_scheme="dark")
    page = tab.page
    await tab.go("/auth/login")
    await page.get_by_label("E-mail").fill("nobody@example.com")
    await page.get_by_label("Password").fill("engine-1843")
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("alert")).to_contain_text("is wrong")
    tab.problems.clear()  # the browser's console tells of the 401, too
    await tab.look("wrong-password")
