"""Flows in a real browser: small and large, as a graph and as a list, by mouse and by keys."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.dashboard.browser.conftest import Look, Site

YEARLY = "/queues/reports/flow?id=yearly"
BROADCAST = "/queues/reports/flow?id=broadcast"


async def test_a_flow_of_three_levels_is_walked_through_by_keys(site: Site) -> None:
    tab = await site.open(YEARLY)
    page = tab.page
    tree = page.get_by_role("tree")
    chosen = tree.locator("[role=treeitem][aria-selected=true]")
    side = page.get_by_role("region", name="Chosen job")
    await expect(tree.get_by_role("treeitem")).to_have_count(9)
    await chosen.focus()
    await page.keyboard.press("ArrowRight")
    await expect(side).to_contain_text("chapter-0")
    await expect(chosen).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(side).to_contain_text("figure-0-0")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(side).to_contain_text("figure-1-0")
    await expect(chosen).to_have_attribute("aria-level", "3")
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Space")
    await expect(chosen).to_have_attribute("aria-expanded", "false")
    await expect(tree.get_by_role("treeitem")).to_have_count(7)
    await page.keyboard.press("ArrowRight")
    await expect(tree.get_by_role("treeitem")).to_have_count(9)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(r"/queues/reports/job\?id=chapter-1$"))
    await tab.settled()
    await tab.fine()


@pytest.mark.parametrize("view", ["graph", "list"])
async def test_a_large_flow_shows_some_of_it_and_more_when_asked(site: Site, view: str) -> None:
    tab = await site.open(f"{BROADCAST}&view={view}")
    page = tab.page
    items = page.get_by_role("tree").get_by_role("treeitem")
    await expect(items).to_have_count(21)
    await expect(page.get_by_text("40 not shown").first).to_be_visible()
    await page.get_by_role("button", name="Show more children").click()
    await expect(items).to_have_count(61)
    await items.first.focus()
    await page.keyboard.press("End")
    last = items.last
    await expect(last).to_be_focused()
    # What the keys have moved to is seen.
    box = await last.bounding_box()
    frame = await page.get_by_role("tree").bounding_box()
    assert box is not None and frame is not None
    assert frame["y"] - 1 <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"] + 1
    assert await tab.accessibility() == []
    await tab.fine()


async def test_a_flow_is_seen_from_any_of_its_jobs(site: Site) -> None:
    tab = await site.open("/queues/email/flow?id=figure-0-1")
    chosen = tab.page.get_by_role("tree").locator("[role=treeitem][aria-selected=true]")
    await expect(chosen).to_have_attribute("aria-level", "3")
    await expect(tab.page.get_by_role("region", name="Chosen job")).to_contain_text("figure-0-1")
    await tab.fine()


async def test_a_flow_fits_a_phone_as_a_list(look: Look) -> None:
    site = await look(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = await site.open(BROADCAST)
    await expect(tab.page.get_by_role("button", name="List", exact=True)).to_have_attribute("aria-pressed", "true")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.page.evaluate(wide) <= 0
    assert await tab.accessibility() == []
    await tab.fine()
