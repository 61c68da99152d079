"""Schedulers, failures, workers and the audit in a real browser: what they show, and what is done from there."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from oxcart import Connection, Job, Queue, Worker
from tests.conftest import RedisServer, wait_until
from tests.dashboard.browser.conftest import OpenSite, Shop, Site, Tab

MINUTE = 60_000


class Hall:
    """A queue `email` with schedulers, that belongs to one test, and the page of schedulers over it."""

    def __init__(self, tab: Tab, queue: Queue, connection: Connection) -> None:
        self.tab = tab
        self.queue = queue
        self.connection = connection

    def row(self, name: str) -> Locator:
        return self.tab.page.get_by_role("row", name=re.compile(rf"details of {name}\b"))

    async def paused(self) -> list[str]:
        return [one.id for one in await self.queue.paused_schedulers()]


@pytest_asyncio.fixture(loop_scope="session")
async def hall(open_site: OpenSite, redis_server: RedisServer) -> AsyncIterator[Hall]:
    prefix = f"hall{secrets.token_hex(4)}"
    async with Connection(redis_server.url) as connection:
        queue = Queue("email", connection=connection, prefix=prefix)
        await queue.upsert_scheduler("digest", every=900, data={"kind": "daily"})
        await queue.upsert_scheduler("weekdays", cron="30 7 * * 1-5", tz="America/New_York", limit=5)
        tab = await (await open_site(prefix=prefix, queues=["email"])).open("/schedulers")
        yield Hall(tab, queue, connection)


async def test_a_scheduler_is_paused_and_resumed(hall: Hall) -> None:
    await hall.row("digest").get_by_role("button", name="Pause digest").click()
    await expect(hall.row("digest")).to_contain_text("paused since")
    assert await hall.paused() == ["digest"]
    await expect(hall.row("digest").get_by_role("button", name="Run now")).to_have_count(0)
    assert await hall.tab.accessibility() == []
    await hall.row("digest").get_by_role("button", name="Resume").click()
    await expect(hall.tab.page.get_by_text("The scheduler digest goes on.").last).to_be_visible()
    assert await hall.paused() == []
    await expect(hall.row("digest").get_by_role("button", name="Pause digest")).to_be_visible()
    await hall.tab.fine()


async def test_pausing_a_scheduler_is_taken_back(hall: Hall) -> None:
    page = hall.tab.page
    await hall.row("weekdays").get_by_role("button", name="Pause weekdays").click()
    await expect(hall.row("weekdays")).to_contain_text("paused since")
    await page.get_by_role("region", name="Messages").get_by_role("button", name="Undo").click()
    await expect(hall.row("weekdays").get_by_role("button", name="Pause weekdays")).to_be_visible()
    assert await hall.paused() == []


async def test_next_runs_are_told_by_both_clocks(open_site: OpenSite, hall: Hall) -> None:
    view = {"timezone_id": "Europe/Berlin"}
    site = await open_site(prefix=hall.queue.keys.queue_prefix, queues=["email"], view=view)
    tab = await site.open("/schedulers")
    await tab.page.get_by_role("button", name="Show details of weekdays").click()
    runs = tab.page.get_by_role("region", name="Next runs")
    await expect(runs.get_by_role("listitem")).to_have_count(5)  # its limit
    for item in await runs.get_by_role("listitem").all_inner_texts():
        assert "07:30" in item, item  # by its own clock
        assert re.search(r"1[123]:30", item), item  # by the viewer's
    await expect(runs).to_contain_text("America/New_York")
    assert await tab.accessibility() == []
    await tab.fine()


async def test_a_scheduler_is_made_changed_run_and_removed(hall: Hall) -> None:
    page = hall.tab.page
    await page.get_by_role("button", name="New scheduler").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Id", exact=True).fill("cleanup")
    await dialog.get_by_label("Pattern").fill("0 3 * * *")
    await dialog.get_by_role("textbox", name="Data of each run").fill('{"days": 30}')
    await dialog.get_by_role("button", name="Make scheduler").click()
    await expect(hall.row("cleanup")).to_contain_text("03:00")

    await hall.row("cleanup").get_by_role("button", name="More actions for cleanup").click()
    await page.get_by_role("menuitem", name="Edit…").click()
    await dialog.get_by_label("Pattern").fill("0 4 * * *")
    await dialog.get_by_role("button", name="Save changes").click()
    await expect(hall.row("cleanup")).to_contain_text("04:00")
    scheduler = await hall.queue.scheduler("cleanup")
    assert scheduler is not None
    assert (scheduler.cron, scheduler.data) == ("0 4 * * *", {"days": 30})

    await hall.row("cleanup").get_by_role("button", name="Run now").click()

    async def waits() -> bool:
        return any(job.name == "cleanup" for job in await hall.queue.jobs("waiting"))

    await wait_until(waits)
    await hall.row("cleanup").get_by_role("button", name="More actions for cleanup").click()
    await page.get_by_role("menuitem", name="Remove…").click()
    await dialog.get_by_role("button", name="Remove scheduler").click()
    await expect(hall.row("cleanup")).to_have_count(0)
    assert await hall.queue.scheduler("cleanup") is None
    await hall.tab.fine()


async def test_the_latest_runs_are_links_that_arrow_keys_walk_along(hall: Hall) -> None:
    now = await hall.tab.page.evaluate("Date.now()")
    runs = [
        ("completed", 1200, None),
        ("failed", 40, None),
        ("missed", None, None),
        ("completed", 0, "overlap"),
        ("waiting", None, None),
    ]
    history = [
        {
            "id": f"run-{number}",
            "at": now - (5 - number) * 15 * MINUTE,
            "state": state,
            "took": took,
            "skipped": skipped,
        }
        for number, (state, took, skipped) in enumerate(runs)
    ]

    async def with_history(route: Any) -> None:
        answer = await (await route.fetch()).json()
        for row in answer["schedulers"]:
            row["history"] = history if row["id"] == "digest" else []
        await route.fulfill(json=answer)

    await hall.tab.page.context.route(re.compile("/api/v1/schedulers"), with_history)
    await hall.tab.go("/schedulers")
    words = "Latest runs of digest: 4 runs, 1 failed, 1 missed, 1 skipped"
    shown = hall.row("digest").get_by_role("list", name=words)
    links = shown.get_by_role("link")
    await expect(links).to_have_count(4)
    await expect(links.nth(0)).to_have_accessible_name(re.compile("^Completed, ran 1.2 s, due "))
    await expect(links.nth(2)).to_have_accessible_name(re.compile("^skipped: the one before it still ran, due "))
    await expect(links.nth(3)).to_have_accessible_name(re.compile("^Waiting, late, due "))
    await expect(hall.row("weekdays")).to_contain_text("none kept")
    await links.nth(2).focus()
    await hall.tab.page.keyboard.press("ArrowLeft")
    missed = shown.get_by_role("img", name=re.compile("^missed: no worker had taken the run before it, due "))
    await expect(missed).to_be_focused()  # it has no job to link to
    await hall.tab.page.keyboard.press("ArrowLeft")
    await expect(links.nth(1)).to_be_focused()
    await expect(links.nth(1)).to_have_attribute("href", re.compile(r"/queues/email/job\?id=run-1$"))
    assert await hall.tab.accessibility() == []
    await hall.tab.fine()


async def test_schedulers_that_ended_are_old_or_can_not_be_read_are_shown_as_such(hall: Hall) -> None:
    keys, transport = hall.queue.keys, hall.connection.transport
    await hall.queue.upsert_scheduler("broken", cron="0 8 * * *")
    await transport.execute("HSET", f"{keys.prefix}repeat:broken", "pattern", "every <b>now</b> and then")
    await hall.queue.upsert_scheduler("over", every=3600, limit=1)
    await transport.execute("ZADD", f"{keys.prefix}repeat", 4_000_000_000_000, "old-key")
    await transport.execute("HSET", f"{keys.prefix}repeat:old-key", "name", "old", "every", "86400000")
    page = hall.tab.page
    await hall.tab.go("/schedulers")
    await expect(hall.row("broken")).to_contain_text("can’t be read")
    await expect(hall.row("broken").get_by_role("button", name="Run now")).to_have_count(0)
    await page.get_by_role("button", name="Show details of broken").click()
    await expect(page.locator(".scheduler-problem")).to_be_visible()
    old = page.get_by_role("row", name=re.compile("version 5"))
    await expect(old).to_have_count(1)
    await old.get_by_role("button", name=re.compile("^More actions")).click()
    await expect(page.get_by_role("menuitem", name="Edit…")).to_have_count(0)
    await expect(page.get_by_role("menuitem", name="Remove…")).to_be_visible()
    await page.keyboard.press("Escape")
    assert await hall.tab.accessibility() == []
    await hall.tab.fine()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_dialog_of_a_scheduler_is_accessible(hall: Hall, open_site: OpenSite, scheme: str) -> None:
    view = {"color_scheme": scheme, "reduced_motion": "reduce"}
    tab = await (await open_site(prefix=hall.queue.keys.queue_prefix, queues=["email"], view=view)).open("/schedulers")
    await tab.page.get_by_role("button", name="New scheduler").click()
    await tab.page.get_by_text("Overlap, missed runs, jitter").click()
    assert await tab.accessibility() == []
    await tab.fine()


# --------------------------------------------------------------------------------------------------------- failures


async def test_a_removed_group_is_gone_from_the_page_at_once(shop: Shop) -> None:
    await shop.failed("disk full", "disk full", "card refused")
    tab = await shop.site.open("/failures")
    group = tab.page.get_by_role("listitem").filter(has_text="disk full")
    await group.get_by_role("button", name="Remove").click()
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Remove 2 jobs?")
    assert await tab.accessibility() == []
    await dialog.get_by_role("button", name="Remove 2 jobs").click()
    # Sooner than the page would ask by itself.
    await expect(group).to_have_count(0, timeout=9000)
    await expect(tab.page.get_by_role("listitem").filter(has_text="card refused")).to_be_visible()

    async def one_is_left() -> bool:
        return (await shop.queue.counts("failed"))["failed"] == 1

    await wait_until(one_is_left)
    await tab.fine()


async def test_failures_that_are_gone_are_still_counted(shop: Shop) -> None:
    await shop.failed("disk full")

    async def counted(route: Any) -> None:
        answer = await (await route.fetch()).json()
        [group] = answer["groups"]
        gone = {"fingerprint": "gone", "message": "read timed out", "count": 0, "recorded": 412, "ids": []}
        answer["groups"] = [{**group, "recorded": 30}, {**group, **gone}]
        await route.fulfill(json=answer)

    await shop.site.context.route(re.compile("/api/v1/failures"), counted)
    tab = await shop.site.open("/failures")
    kept = tab.page.get_by_role("listitem").filter(has_text="disk full")
    gone = tab.page.get_by_role("listitem").filter(has_text="read timed out")
    await expect(kept).to_contain_text("30 counted")
    await expect(gone).to_contain_text("412")
    await expect(gone).to_contain_text("Their jobs are gone.")
    await expect(gone.get_by_role("button", name="Retry")).to_have_count(0)
    await gone.get_by_role("button", name=re.compile("^Details")).click()
    await expect(gone).to_contain_text("Workers counted 412 failures of this kind in 24 hours.")
    assert await tab.accessibility() == []
    await tab.fine()


async def test_a_group_is_taken_out_as_a_file(shop: Shop) -> None:
    await shop.failed("disk full", "disk full", "card refused")
    tab = await shop.site.open("/failures")
    group = tab.page.get_by_role("listitem").filter(has_text="disk full")
    await group.get_by_role("button", name=re.compile("^Details")).click()
    await group.get_by_role("button", name="Export").click()
    async with tab.page.expect_download() as downloading:
        await tab.page.get_by_role("dialog", name="Export").get_by_role("link", name=re.compile("^NDJSON")).click()
    path = await (await downloading.value).path()
    assert len(await asyncio.to_thread(lambda: path.read_text().splitlines())) == 2


# ---------------------------------------------------------------------------------------------------------- workers


@asynccontextmanager
async def working(shop: Shop, url: str, name: str, started: asyncio.Event) -> AsyncIterator[None]:
    """A worker whose jobs go on until they are cancelled."""

    async def process(job: Job) -> None:
        await job.update_progress(40)
        started.set()
        await asyncio.Event().wait()

    worker = Worker("shop", process, connection=url, prefix=shop.prefix, name=name, lock_duration=8)
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.close(timeout=0)
        await task


async def test_a_running_job_is_cancelled_from_the_page_of_workers(shop: Shop, redis_server: RedisServer) -> None:
    job = await shop.queue.add("order", {})
    started = asyncio.Event()
    async with working(shop, redis_server.url, "clerk-7", started):
        await asyncio.wait_for(started.wait(), 20)
        tab = await shop.site.open("/workers")
        row = tab.page.get_by_role("row", name=re.compile("clerk-7"))
        await expect(row).to_contain_text("order")
        await expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
        assert await tab.accessibility() == []
        await row.get_by_role("button", name=f"Cancel job {job.id}").click()
        dialog = tab.page.get_by_role("dialog")
        await dialog.get_by_label("Reason").fill("no longer wanted")
        await dialog.get_by_role("button", name="Cancel 1 job").click()

        async def failed() -> bool:
            found = await shop.queue.job(job.id)
            return found is not None and "no longer wanted" in (found.failed_reason or "")

        await wait_until(failed, timeout=30)
        await tab.fine()


async def test_workers_of_one_program_stand_together(site: Site) -> None:
    silent = {"slots": None, "paused": False, "version": None, "process": None, "library": "bullmq", "running": []}
    worker = {"age": 1000, "idle": 0, **silent}
    ours = {**worker, "slots": 5, "version": "1.4.2", "process": "web-1:4711", "library": "Oxcart 0.1.0, Python 3.12.1"}
    workers = [
        {**worker, "queue": "email", "name": "shop-1", "address": "10.0.0.1:4001"},
        {**worker, "queue": "reports", "name": "shop-1", "address": "10.0.0.1:4002"},
        {**worker, "queue": "email", "name": "shop-1", "address": "10.0.0.2:4001"},
        {**worker, "queue": "email", "name": None, "address": "10.0.0.2:4002"},
        {**ours, "queue": "email", "name": "mails", "address": "10.0.0.3:4001"},
        {**ours, "queue": "reports", "name": None, "address": "10.0.0.3:4002", "paused": True},
    ]
    answer = {"now": 1, "workers": workers, "allowed": True, "unassigned": []}
    await site.context.route(re.compile("/api/v1/workers"), lambda route: route.fulfill(json=answer))
    tab = await site.open("/workers")
    await expect(tab.page.get_by_text("4 workers on 3 machines with 6 connections")).to_be_visible()
    process = tab.page.get_by_role("row", name=re.compile("web-1, process 4711, 2 connections"))
    for text in ("mails", "0 of 10 slots", "1.4.2", "1 paused", "Oxcart 0.1.0, Python 3.12.1"):
        await expect(process).to_contain_text(text)
    first = tab.page.get_by_role("row", name=re.compile("10.0.0.1, 2 connections"))
    await expect(first.get_by_role("link", name="email")).to_be_visible()
    await expect(first.get_by_role("link", name="reports")).to_be_visible()
    assert await tab.accessibility() == []
    await tab.fine()


# ------------------------------------------------------------------------------------------------------------ audit


async def test_the_audit_is_seen_by_user_action_and_queue(shop: Shop) -> None:
    await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop")
    await tab.page.get_by_role("button", name="Pause", exact=True).click()
    await tab.page.get_by_role("button", name="Resume", exact=True).click()
    await expect(tab.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    await tab.go("/audit")
    table = tab.page.get_by_role("table")
    await expect(table.locator("tbody tr")).to_have_count(2)
    await tab.page.get_by_role("combobox", name="Only action").select_option("resume")
    await expect(tab.page).to_have_url(re.compile("action=resume"))
    await expect(table.locator("tbody tr")).to_have_count(1)
    await tab.page.get_by_role("combobox", name="Only queue").select_option("shop")
    await expect(table.locator("tbody tr")).to_have_count(1)
    await tab.page.get_by_role("searchbox").fill("nothing like it")
    await tab.page.get_by_role("link", name="Show all").click()
    await expect(table.locator("tbody tr")).to_have_count(2)
    assert await tab.accessibility() == []
    await tab.fine()
