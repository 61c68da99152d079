"""The overview in a real browser: sorted, grouped and pinned as somebody wants it; and the palette over it."""

from __future__ import annotations

import asyncio
import re

from playwright.async_api import Page, Route, expect

from oxcart import JobSpec, Queue
from tests.dashboard.browser.conftest import Shop, Site

NAMES = ("billing.invoices", "billing.refunds", "email", "shop")


async def shows(page: Page, *names: str) -> None:
    """Wait until the table has these queues, in this order."""
    await expect(page.get_by_role("table", name="Queues").locator("th[scope=row] a")).to_have_text(list(names))


async def several(shop: Shop) -> None:
    """Queues of these names, each with more jobs than the one before."""
    for number, name in enumerate(NAMES):
        queue = Queue(name, connection=shop.connection, prefix=shop.prefix)
        await queue.add_bulk([JobSpec("a", {}) for _ in range(number + 1)])


async def test_queues_are_sorted_by_any_column(site: Site) -> None:
    tab = await site.open()
    page = tab.page
    columns = page.get_by_role("table", name="Queues").get_by_role("columnheader")
    for at in range(await columns.count()):
        await columns.nth(at).get_by_role("button").click()
        await expect(columns.nth(at)).to_have_attribute("aria-sort", "descending")
        await expect(page.get_by_role("table", name="Queues").locator("th[scope=row] a")).to_have_count(3)
        # Back to the start, so that the next press is the first again.
        await tab.go("/")
    await tab.fine()


async def test_one_line_says_how_all_of_it_is(site: Site) -> None:
    tab = await site.open()
    line = tab.page.locator(".lead")
    await expect(line).to_have_text(re.compile(r"^3 queues, 1 paused[\d,]+ waiting\d+ active\d+ delayed\d+ failed"))
    await line.get_by_role("link", name=re.compile("failed")).click()
    await expect(tab.page.locator("h1")).to_have_text("Failures")
    await tab.fine()


async def test_a_pinned_queue_stands_first_here_and_in_the_side_bar(site: Site) -> None:
    tab = await site.open()
    page = tab.page
    await page.get_by_role("button", name="Pin reports").click()
    await shows(page, "reports", "email", "notifications")
    side = page.get_by_role("navigation", name="Queues").get_by_role("link")
    await expect(side.first).to_contain_text("reports")
    await page.reload()
    await shows(page, "reports", "email", "notifications")
    assert await tab.accessibility() == []
    await page.get_by_role("button", name="Pin reports").click()
    await shows(page, "email", "notifications", "reports")
    await tab.fine()


async def test_queues_with_the_same_beginning_stand_together_with_their_sums_and_fold(shop: Shop) -> None:
    await several(shop)
    site = shop.site
    tab = await site.open()
    page = tab.page
    await shows(page, *NAMES)
    await page.get_by_role("button", name="Group by name").click()
    group = page.get_by_role("row", name=re.compile("^billing 2 queues"))
    await expect(group.get_by_role("cell").first).to_have_text("3")
    assert await tab.accessibility() == []
    await group.get_by_role("button", name=re.compile("^billing")).click()
    await expect(page).to_have_url(re.compile("fold=billing"))
    await shows(page, "email", "shop")
    await page.reload()
    await group.wait_for()
    await shows(page, "email", "shop")
    await tab.go("/")
    await shows(page, *NAMES)  # in groups still, as it was left, but not folded
    await expect(group).to_be_visible()
    await tab.fine()


async def test_letters_typed_before_the_palette_is_there_are_not_lost(site: Site) -> None:
    tab = await site.open()
    page = tab.page
    waits = asyncio.Event()

    async def later(route: Route) -> None:
        await waits.wait()
        await route.continue_()

    await page.route("**/assets/Palette-*.js", later)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("repx")
    await page.keyboard.press("Backspace")
    await page.keyboard.type("orts")
    waits.set()
    await expect(page.get_by_role("combobox", name="Search or jump")).to_have_value("reports")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("reports")
    await tab.fine()


async def test_enter_pressed_before_the_palette_is_there_counts_too(site: Site) -> None:
    tab = await site.open()
    waits = asyncio.Event()

    async def later(route: Route) -> None:
        await waits.wait()
        await route.continue_()

    await tab.page.route("**/assets/Palette-*.js", later)
    await tab.page.keyboard.press("Control+k")
    await tab.page.keyboard.type("notifications")
    await tab.page.keyboard.press("Enter")
    waits.set()
    await expect(tab.page.locator("h1")).to_contain_text("notifications")
    await tab.fine()


async def test_keys_go_where_they_should_if_the_palette_is_closed_before_it_is_there_or_never_comes(
    site: Site,
) -> None:
    tab = await site.open()
    page = tab.page
    asked, lost = asyncio.Event(), asyncio.Event()

    async def never(route: Route) -> None:
        asked.set()
        await lost.wait()
        await route.abort()

    await page.route("**/assets/Palette-*.js", never)
    await page.keyboard.press("Control+k")
    await asked.wait()
    await page.keyboard.press("Control+k")
    await tab.go_by_keys("s", "Schedulers")
    lost.set()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("region", name="Messages")).to_contain_text("could not be loaded")
    await tab.go_by_keys("w", "Workers")
