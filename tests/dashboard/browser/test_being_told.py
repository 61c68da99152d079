"""A page never stands as if all were well when it isn't; and nothing is asked for longer than it is wanted."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Route, expect

from oxcart import Queue
from tests.dashboard.browser.conftest import Shop


async def no_session(route: Route) -> None:
    await route.fulfill(status=401, json={"error": "unauthorized", "message": "Log in first."})


async def test_who_is_not_logged_in_any_more_is_told_so(shop: Shop) -> None:
    tab = await shop.site.open("/schedulers")
    page = tab.page
    await page.route("**/api/v1/**", no_session)
    await page.keyboard.press("r")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("You are not logged in any more.")
    await expect(alert).to_contain_text("What you see is as of")
    await page.unroute("**/api/v1/**")
    await page.keyboard.press("r")
    await expect(alert).to_have_count(0)


async def test_a_search_that_is_stopped_says_nothing_of_the_server(shop: Shop) -> None:
    await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    never = asyncio.Event()

    async def later(_route: Route) -> None:
        await never.wait()

    await page.route("**/search?*", later)
    await page.get_by_role("searchbox", name="Filter jobs").fill("order")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.get_by_text("0 jobs found")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)
    never.set()


async def test_a_queue_that_comes_later_stands_in_the_side_bar(shop: Shop) -> None:
    tab = await shop.site.open("/")
    async with Queue("late-one", connection=shop.connection, prefix=shop.prefix) as late:
        await late.add("order", {})
        nav = tab.page.get_by_role("navigation", name="Queues")
        await expect(nav.get_by_role("link", name=re.compile("^late-one"))).to_be_visible(timeout=60_000)
        await late.obliterate(force=True)
    await tab.fine()


async def test_what_came_while_rows_were_selected_is_shown_when_they_no_longer_are(shop: Shop) -> None:
    await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    rows = page.get_by_role("table", name="Jobs").locator("tbody tr")
    await rows.first.get_by_role("checkbox").check()
    await shop.queue.add("order", {})
    await expect(page.locator(".state[data-state=waiting] .state-count")).to_have_text("2")
    await expect(rows).to_have_count(1)
    await page.mouse.move(0, 0)
    await page.keyboard.press("Escape")
    await expect(rows).to_have_count(2, timeout=10_000)


async def test_the_key_for_undo_takes_no_other_action(shop: Shop) -> None:
    await shop.queue.add("order", {})
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    await page.get_by_role("button", name="Add job").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").first.fill("order")
    await dialog.get_by_role("button", name="Add job", exact=True).click()
    await expect(page.get_by_role("region", name="Messages").get_by_role("button", name="Open")).to_be_visible()
    before = page.url
    await page.keyboard.press("z")
    await page.keyboard.press("r")
    assert page.url == before
