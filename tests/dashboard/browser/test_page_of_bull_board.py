"""Bull Board's own page, as it is built, works over our routes: nothing of its own server is behind it."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Response, expect

from oxcart import Connection, Queue
from oxcart.dashboard import Dashboard
from tests.conftest import RedisServer, in_ci, wait_until
from tests.dashboard.browser.conftest import SLOW_MS, serving
from tests.dashboard.bull_board.real import ItsPage, RealBoard, missing
from tests.dashboard.seed import NAMES, seed

pytestmark = pytest.mark.interop

BASE = "/its"


@dataclass
class ItsTab:
    """A tab with the page, the changes that it asked for, and all that went wrong in it."""

    page: Page
    address: str
    changes: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    async def open(self, path: str) -> None:
        await self.page.goto(self.address + path)
        await expect(self.page.locator("nav, aside").first).to_be_visible(timeout=SLOW_MS)

    def card(self, job_id: str) -> Locator:
        """The card of a job in a list: the smallest part of the page with its link and the buttons."""
        link = self.page.get_by_role("link").filter(has=self.page.get_by_text(job_id, exact=True)).first
        return link.locator("xpath=ancestor::*[count(.//button)>=8][1]")

    async def confirm(self) -> None:
        await self.page.get_by_role("alertdialog").get_by_role("button", name="Confirm").click()
        await expect(self.page.get_by_role("alertdialog")).to_have_count(0)

    def told(self, response: Response) -> None:
        if "/api/" not in response.url:
            if response.status >= 400:
                self.problems.append(f"{response.status} {response.url}")
            return
        if response.request.method != "GET":
            self.changes.append(f"{response.status} {response.request.method} {response.url.partition('/api')[2]}")
        elif response.status >= 400:
            self.problems.append(f"{response.status} {response.url}")

    def said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(f"console: {message.text} ({message.location})")


@dataclass
class Place:
    """Where its page is served over our routes, and the prefix of the queues."""

    address: str
    prefix: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def place(redis_server: RedisServer) -> AsyncIterator[Place]:
    if lack := missing():
        (pytest.fail if in_ci() else pytest.skip)(f"Bull Board: {lack}")
    prefix = f"its{secrets.token_hex(4)}"
    await seed(redis_server.url, prefix)
    # What its server renders once, with the settings that its page wants; the server is gone before the page opens.
    real = RealBoard({"path": redis_server.socket}, prefix, list(NAMES), BASE)
    async with httpx.AsyncClient() as client:
        index = (await client.get(real.address)).text
    for setting in ("hasHistoryProvider", "hasLatencyHistory"):  # we have them without more ado
        index = index.replace(f'"{setting}":false', f'"{setting}":true')
    real.close()
    dashboard = Dashboard(connection=redis_server.url, prefix=prefix)
    async with serving(ItsPage(index, BASE, dashboard)) as address:
        yield Place(address + BASE, prefix)
    await dashboard.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser, place: Place) -> AsyncIterator[ItsTab]:
    async with contextlib.AsyncExitStack() as stack:
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        stack.push_async_callback(context.close)
        page = await context.new_page()
        page.set_default_timeout(SLOW_MS)
        tab = ItsTab(page, place.address)
        page.on("console", tab.said)
        page.on("pageerror", lambda error: tab.problems.append(f"error: {error}"))
        page.on("response", tab.told)
        # It wants a style sheet from another host, for its fonts.
        await page.route(re.compile("^https://"), lambda route: route.fulfill(body="", content_type="text/css"))
        yield tab


@pytest_asyncio.fixture(loop_scope="session")
async def queue(place: Place, redis_server: RedisServer) -> AsyncIterator[Queue]:
    async with Connection(redis_server.url) as connection:
        yield Queue("email", connection=connection, prefix=place.prefix)


async def test_the_overview_shows_every_queue(tab: ItsTab) -> None:
    await tab.open("/")
    for name in NAMES:
        await expect(tab.page.get_by_role("main").get_by_text(name, exact=True).first).to_be_visible()
    await expect(tab.page.get_by_text("[ Paused ]").first).to_be_visible()
    assert not tab.problems, tab.problems


async def test_a_list_shows_jobs_and_what_they_failed_of_with_its_secrets_hidden(tab: ItsTab) -> None:
    await tab.open("/queue/email?status=failed")
    await expect(tab.card("hostile-data")).to_contain_text("password=•••")
    await expect(tab.page.get_by_text("hunter2")).to_have_count(0)
    await tab.page.get_by_label("Page 2").click()
    await expect(tab.card("hostile-data")).to_have_count(0)
    await tab.open("/queue/email")
    await expect(tab.page.get_by_text("newsletter").first).to_be_visible()
    assert not tab.problems, tab.problems


async def test_a_job_shows_its_data_its_options_and_its_log(tab: ItsTab) -> None:
    await tab.open("/queue/email/hostile-data")
    await tab.page.get_by_role("tab", name="Data").click()
    await expect(tab.page.get_by_text("javascript:alert(1)")).to_be_visible()
    await tab.page.get_by_role("tab", name="Options").click()
    await expect(tab.page.get_by_text("jobId").first).to_be_visible()
    await tab.page.get_by_role("tab", name="Logs").click()
    await expect(tab.page.get_by_text("plain line")).to_be_visible()
    await expect(tab.page.get_by_text("abcdef")).to_have_count(0)
    assert not tab.problems, tab.problems


async def test_a_flow_is_drawn(tab: ItsTab) -> None:
    await tab.open("/queue/reports/yearly")
    await expect(tab.page.get_by_text("Job flow")).to_be_visible()
    await expect(tab.page.get_by_text("2 unfinished").first).to_be_visible()
    await expect(tab.page.locator(".react-flow__node")).to_have_count(9)
    assert not tab.problems, tab.problems


async def test_a_failed_job_is_retried(tab: ItsTab, queue: Queue) -> None:
    await tab.open("/queue/email?status=failed")
    await tab.card("three-attempts").get_by_role("button").first.click()
    await tab.confirm()
    await wait_until(lambda: "204 PUT /queues/email/three-attempts/retry" in tab.changes)
    assert await queue.state("three-attempts") == "waiting"
    assert not tab.problems, tab.problems


async def test_a_job_is_added(tab: ItsTab, queue: Queue) -> None:
    await tab.open("/queue/email?status=delayed")
    before = await queue.count()
    await tab.page.get_by_text("No workers").locator("xpath=following::button[1]").click()
    await tab.page.get_by_role("menuitem", name="Add job").click()
    dialog = tab.page.get_by_role("dialog")
    await dialog.locator("input[name=jobName]").fill("by-its-page")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await wait_until(lambda: "200 POST /queues/email/add" in tab.changes)
    assert await queue.count() == before + 1
    assert (await queue.jobs("waiting", start=0, end=0, ascending=False))[0].name == "by-its-page"
    assert not tab.problems, tab.problems


async def test_a_job_is_duplicated_with_its_data_and_options(tab: ItsTab, queue: Queue) -> None:
    job = next(job for job in await queue.jobs("failed") if job.id.isdigit() and "token" not in job.data)
    await tab.open(f"/queue/email/{job.id}")
    await expect(tab.page.get_by_role("tab", name="Data")).to_be_visible()
    # Run again, duplicate, edit, remove: they have no names.
    await tab.page.get_by_role("main").get_by_role("button").nth(1).click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Duplicate").click()
    await wait_until(lambda: "200 POST /queues/email/add" in tab.changes)
    again = (await queue.jobs("waiting", start=0, end=0, ascending=False))[0]
    assert (again.name, again.data) == (job.name, job.data)
    assert not tab.problems, tab.problems


async def test_data_with_a_mask_that_it_sends_back_are_not_stored(tab: ItsTab, queue: Queue) -> None:
    job = next(job for job in await queue.jobs("failed") if "token" in job.data)
    await tab.open(f"/queue/email/{job.id}")
    await tab.page.get_by_role("tab", name="Data").click()
    await expect(tab.page.get_by_text("•••").first).to_be_visible()
    # Run again, duplicate, edit, remove: they have no names.
    await tab.page.get_by_role("main").get_by_role("button").nth(2).click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Update").click()
    await wait_until(lambda: f"400 PATCH /queues/email/{job.id}/update-data" in tab.changes)
    stored = await queue.job(job.id)
    assert stored is not None and stored.data == job.data


async def test_a_scheduler_runs_now_and_gets_another_interval(
    tab: ItsTab, place: Place, redis_server: RedisServer
) -> None:
    await tab.open("/job-schedulers")
    await tab.page.get_by_role("button", name="Run now").nth(2).click()
    await tab.confirm()
    path = "/queues/notifications/job-schedulers/heartbeat"
    await wait_until(lambda: f"200 PUT {path}/run" in tab.changes)
    await tab.page.get_by_role("button", name="Edit schedule").nth(2).click()
    dialog = tab.page.get_by_role("dialog")
    await dialog.locator("input[name=every]").fill("45000")
    await dialog.get_by_role("button", name="Save").click()
    await wait_until(lambda: f"204 PATCH {path}" in tab.changes)
    async with Queue("notifications", connection=redis_server.url, prefix=place.prefix) as queue:
        scheduler = await queue.scheduler("heartbeat")
    assert scheduler is not None and scheduler.every == 45
    assert not tab.problems, tab.problems


async def test_redis_and_the_queue_tell_of_themselves(tab: ItsTab) -> None:
    await tab.open("/queue/email")
    await tab.page.get_by_role("button", name="Queue info").click()
    await expect(tab.page.get_by_role("dialog")).to_contain_text("600")
    await tab.page.keyboard.press("Escape")
    assert not tab.problems, tab.problems


async def test_the_history_is_drawn(tab: ItsTab) -> None:
    await tab.open("/metrics-history")
    await expect(tab.page.get_by_role("main").get_by_text("Throughput").first).to_be_visible()
    await expect(tab.page.get_by_role("main").get_by_text("reports").first).to_be_visible()
    assert not tab.problems, tab.problems


async def test_all_failed_jobs_are_cleaned_at_last(tab: ItsTab, queue: Queue) -> None:
    await tab.open("/queue/email?status=failed")
    await tab.page.get_by_role("button", name="Clean all").click()
    await tab.confirm()
    await wait_until(lambda: "200 PUT /queues/email/clean/failed" in tab.changes)
    assert (await queue.counts())["failed"] == 0
    assert not tab.problems, tab.problems
