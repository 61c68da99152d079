"""The keyboard in a real browser: everything is reached without a mouse."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.dashboard.browser.conftest import Site


async def test_keys_go_from_page_to_page(site: Site) -> None:
    tab = await site.open()
    for key, heading in {"e": "Failures", "s": "Schedulers", "w": "Workers", "o": "Overview"}.items():
        await tab.go_by_keys(key, heading)
        await tab.settled()
    await tab.fine()


async def test_the_palette_opens_a_queue(site: Site) -> None:
    tab = await site.open()
    await tab.page.keyboard.press("Control+k")
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    await tab.page.keyboard.type("reports")
    await expect(dialog.get_by_role("option").first).to_contain_text("reports")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("h1")).to_contain_text("reports")
    await expect(dialog).to_be_hidden()
    await tab.fine()


async def test_help_shows_the_keys_and_closes(site: Site) -> None:
    tab = await site.open()
    await tab.page.keyboard.press("?")
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await tab.accessibility() == []
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await tab.fine()


async def test_what_opens_has_the_keys_at_once(site: Site) -> None:
    """Before it is painted: what is pressed right after must not go to the page below."""
    tab = await site.open("/queues/email?state=failed")
    await tab.settled()
    at_once = """async (open) => {
      document.querySelector(open).click();
      for (let turn = 0; turn < 100; turn++) await null;
      return document.activeElement.closest(".menu-list, .pop") !== null;
    }"""
    assert await tab.page.evaluate(at_once, "[aria-haspopup=menu]")
    assert await tab.page.evaluate(at_once, ".filter-tools [aria-haspopup=dialog]")
    await tab.fine()


async def test_slash_goes_to_the_filter_and_letters_there_are_letters(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed")
    await tab.page.keyboard.press("/")
    box = tab.page.get_by_role("searchbox", name="Filter jobs")
    await expect(box).to_be_focused()
    await tab.page.keyboard.type("goe")
    await expect(box).to_have_value("goe")
    await expect(tab.page.locator("h1")).to_contain_text("email")
    await tab.fine()


async def test_a_job_is_opened_from_its_list_by_keys(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed")
    links = tab.page.get_by_role("table", name="Jobs").locator("a.jobs-link")
    for link in (links.nth(0), links.nth(1)):
        await tab.press_until("j", lambda timeout, link=link: expect(link).to_be_focused(timeout=timeout))
    await tab.page.keyboard.press("Enter")
    await expect(tab.page).to_have_url(re.compile(r"/job\?"))
    await tab.settled()
    await tab.fine()


async def test_everything_that_tab_reaches_can_be_seen_to_have_the_focus(site: Site) -> None:
    for path in ("/", "/queues/email?state=failed", "/queues/email/job?id=three-attempts"):
        tab = await site.open(path)
        seen: set[str] = set()
        for _ in range(25):
            await tab.page.keyboard.press("Tab")
            name, shown = await _focus(tab.page)
            assert shown, f"{path}: {name}"
            seen.add(name)
        assert len(seen) > 15, path
        await tab.fine()
        await tab.page.close()


async def _focus(page: Page) -> tuple[str, bool]:
    """What has the focus, and whether it shows it."""
    name, shown = await page.evaluate(
        """() => {
            const one = document.activeElement, style = getComputedStyle(one);
            const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
            return [one.outerHTML.slice(0, 120), outlined || style.boxShadow !== "none"];
        }"""
    )
    return name, shown


async def test_a_dialog_gives_the_focus_back(site: Site) -> None:
    tab = await site.open("/queues/email")
    button = tab.page.get_by_role("button", name="Add job", exact=True)
    await button.focus()
    await tab.page.keyboard.press("Enter")
    dialog = tab.page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await tab.accessibility() == []
    await tab.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(button).to_be_focused()
    await tab.fine()
