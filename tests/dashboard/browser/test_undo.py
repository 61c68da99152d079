"""Taking back in a real browser: what can be, for as long as it can be; and nothing is lost or kept by accident."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, Page, Route, expect

from oxcart import Job
from tests.conftest import wait_until
from tests.dashboard.browser.conftest import Shop, Tab

GRACE_MS = 6_000


async def undo(page: Page) -> None:
    await page.get_by_role("region", name="Messages").get_by_role("button", name="Undo").click()


async def removal(shop: Shop) -> tuple[Job, Tab, Locator]:
    """A job that somebody has asked to be removed: with its page, and its row there."""
    job = await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop?state=waiting")
    row = tab.page.get_by_role("table", name="Jobs").locator("tbody tr").first
    await row.hover()
    await row.get_by_role("button", name=f"Remove job {job.id}").click()
    return job, tab, row


async def test_a_pause_is_taken_back(shop: Shop) -> None:
    await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop")
    await tab.page.get_by_role("button", name="Pause", exact=True).click()
    await expect(tab.page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    await undo(tab.page)
    await expect(tab.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    assert not await shop.queue.is_paused()
    await tab.fine()


async def test_a_job_is_not_removed_before_its_grace_is_over_and_then_it_is(shop: Shop) -> None:
    job, tab, row = await removal(shop)
    page = tab.page
    await expect(row).to_have_attribute("data-leaving", "true")
    assert await shop.queue.job(job.id) is not None
    await page.mouse.move(0, 0)
    await wait_until(lambda: _gone(shop, job.id), timeout=GRACE_MS / 1000 + 10)
    await expect(page.get_by_text("No waiting jobs")).to_be_visible()
    await tab.fine()


async def test_a_removed_job_leaves_what_was_found_and_a_list_that_stands_still(shop: Shop) -> None:
    for number in range(3):
        await shop.queue.add("order", {}, job_id=f"job-{number}")
    tab = await shop.site.open("/queues/shop?state=waiting&q=name%3Aorder")
    page = tab.page
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    messages = page.get_by_role("region", name="Messages")
    await expect(rows).to_have_count(3)
    for left in (2, 1):
        await rows.first.hover()
        await rows.first.get_by_role("button", name=re.compile("^Remove job")).click()
        await messages.get_by_role("button", name="Dismiss").last.click()
        await rows.last.hover()
        await expect(rows).to_have_count(left)
        if left == 2:
            await tab.go("/queues/shop?state=waiting")
    await tab.fine()


async def test_a_removal_that_is_taken_back_never_happens(shop: Shop) -> None:
    job, tab, row = await removal(shop)
    page = tab.page
    await page.keyboard.press("z")
    await expect(row).to_have_attribute("data-leaving", "false")
    await tab.page.close()  # nor when the page is left
    other = await shop.site.open("/queues/shop?state=waiting")
    await expect(other.page.get_by_role("table", name="Jobs").locator("tbody tr")).to_have_count(1)
    assert await shop.queue.job(job.id) is not None
    await other.fine()


async def test_leaving_the_page_removes_at_once_what_was_to_be_removed(shop: Shop) -> None:
    job = await shop.queue.add("order", {})
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}&state=waiting&at=0")
    page = tab.page
    await page.get_by_role("button", name="Remove", exact=True).click()
    await expect(page.get_by_text(f"order {job.id} is removed.").first).to_be_attached()
    assert await shop.queue.job(job.id) is not None
    await page.goto("about:blank")
    await wait_until(lambda: _gone(shop, job.id))  # nothing of the page is left that could do it later


async def test_going_to_another_page_of_the_dashboard_keeps_the_grace(shop: Shop) -> None:
    job = await shop.queue.add("order", {})
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}&state=waiting&at=0")
    page = tab.page
    await page.get_by_role("button", name="Remove", exact=True).click()
    await page.get_by_role("link", name="Overview").first.click()
    await expect(page.locator("h1")).to_contain_text("Overview")
    await undo(page)
    await page.go_back()
    assert await shop.queue.job(job.id) is not None
    await tab.fine()


async def test_a_job_that_is_being_removed_says_so_and_can_be_kept(shop: Shop) -> None:
    job, tab, row = await removal(shop)
    page = tab.page
    await row.get_by_role("link").click()
    await expect(page.get_by_text("This job is being removed.")).to_be_visible()
    await page.get_by_role("button", name="Keep it").click()
    await expect(page.get_by_role("button", name="Remove", exact=True)).to_be_visible()
    assert await shop.queue.job(job.id) is not None
    await tab.fine()


async def test_a_refused_removal_is_told_and_can_be_tried_again(shop: Shop) -> None:
    job = await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page

    async def refuse(route: Route) -> None:
        await route.fulfill(status=409, json={"error": "refused", "message": "A worker has it."})

    await page.route("**/job/remove", refuse, times=1)
    row = page.get_by_role("table", name="Jobs").locator("tbody tr").first
    await row.hover()
    await row.get_by_role("button", name=f"Remove job {job.id}").click()
    messages = page.get_by_role("region", name="Messages")
    await messages.get_by_role("button", name="Dismiss").click()  # no need to wait for it
    await expect(messages).to_contain_text(f"order {job.id} was not removed. A worker has it.")
    await expect(row).to_have_attribute("data-leaving", "false")
    await messages.get_by_role("button", name="Try again").click()
    await wait_until(lambda: _gone(shop, job.id))
    assert [problem for problem in tab.problems if "409" not in problem] == []


async def test_a_job_with_children_is_removed_after_a_question_that_says_how_many(shop: Shop) -> None:
    from oxcart import Flow, FlowProducer

    async with FlowProducer(connection=shop.connection, prefix=shop.prefix) as flows:
        children = [Flow("shop", "part", {}) for _ in range(2)]
        await flows.add(Flow("shop", "whole", {}, job_id="whole", children=children))
    tab = await shop.site.open("/queues/shop/job?id=whole")
    await tab.page.get_by_role("button", name="Remove", exact=True).click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Remove 1 job and 2 children").click()
    await wait_until(lambda: _gone(shop, "whole"))
    await tab.fine()


async def test_another_priority_is_taken_back(shop: Shop) -> None:
    job = await shop.queue.add("order", {}, priority=7)
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Change priority…").click()
    await page.get_by_role("dialog").get_by_label("Priority").fill("2")
    await page.get_by_role("dialog").get_by_role("button", name="Change priority").click()
    await wait_until(lambda: _has(shop, job.id, priority=2))
    await undo(page)
    await wait_until(lambda: _has(shop, job.id, priority=7))
    await tab.fine()


async def test_another_delay_is_taken_back(shop: Shop) -> None:
    job = await shop.queue.add("order", {}, delay=timedelta(hours=3))
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    due = await page.get_by_role("region", name="Facts").locator("dd time").first.get_attribute("datetime")
    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Change delay…").click()
    await page.get_by_label("Run in, or at").fill("30m")
    await page.get_by_role("dialog").get_by_role("button", name="Change delay").click()

    async def as_before() -> bool:
        shown = await page.get_by_role("region", name="Facts").locator("dd time").first.get_attribute("datetime")
        return bool(shown and due) and abs(_time(str(shown)) - _time(str(due))) < timedelta(minutes=1)

    async def changed() -> bool:
        return not await as_before()

    await wait_until(changed)
    await undo(page)
    await wait_until(as_before)
    await tab.fine()


async def test_edited_data_are_taken_back(shop: Shop) -> None:
    job = await shop.queue.add("order", {"n": 1})
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    await page.get_by_role("button", name="Edit data").click()
    await page.get_by_role("textbox", name="Data").fill('{"n": 12345678901234567890}')
    await page.get_by_role("button", name="Save data").click()
    await wait_until(lambda: _has(shop, job.id, data={"n": 12345678901234567890}))
    await undo(page)
    await wait_until(lambda: _has(shop, job.id, data={"n": 1}))
    await tab.fine()


async def _gone(shop: Shop, job_id: str) -> bool:
    return await shop.queue.job(job_id) is None


async def _has(shop: Shop, job_id: str, **wanted: object) -> bool:
    job = await shop.queue.job(job_id)
    return job is not None and all(getattr(job, name) == value for name, value in wanted.items())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
