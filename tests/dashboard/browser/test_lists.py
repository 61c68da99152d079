"""Lists of jobs in a real browser: what they show is chosen, kept, sent as a link, taken out as a file."""

from __future__ import annotations

import csv
import json
import re

from playwright.async_api import Locator, Page, expect

from oxcart import JobSpec
from tests.conftest import wait_until
from tests.dashboard.browser.conftest import Look, Shop, Site


def table(page: Page) -> Locator:
    return page.get_by_role("table", name="Jobs")


async def has_columns(page: Page, *names: str) -> None:
    """Wait until the table has these columns, apart from the one for selecting."""
    await expect(table(page).get_by_role("columnheader").filter(has_text=re.compile(r"\S"))).to_have_text(list(names))


# ----------------------------------------------------------------------------------------------------- columns


async def test_columns_are_chosen_and_are_in_the_address(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed")
    page = tab.page
    await has_columns(page, "Job", "Error", "Attempts", "Ran", "Failed")
    await page.get_by_role("button", name="Columns").click()
    panel = page.get_by_role("dialog", name="Columns")
    await panel.get_by_role("checkbox", name="Worker").check()
    await panel.get_by_role("checkbox", name="Attempts").uncheck()
    await panel.get_by_role("button", name="Worker: further to the left").click()
    await expect(page).to_have_url(re.compile(r"cols=error%2Cran%2Cworker%2Cfinished"))
    await has_columns(page, "Job", "Error", "Ran", "Worker", "Failed")
    assert await tab.accessibility() == []
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.get_by_role("button", name="Columns")).to_be_focused()
    await tab.fine()


async def test_columns_are_remembered_for_their_state_and_can_be_the_usual_ones_again(site: Site) -> None:
    tab = await site.open("/queues/email?state=completed&cols=data,ran")
    page = tab.page
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("dialog", name="Columns").get_by_role("checkbox", name="Worker").check()
    await tab.go("/queues/reports?state=completed")
    await expect(page).to_have_url(re.compile("cols=data%2Cran%2Cworker"))
    await has_columns(page, "Job", "Data", "Ran", "Worker")
    await page.get_by_role("navigation", name="Job states").get_by_role("link", name=re.compile("^Failed")).click()
    await expect(table(page).get_by_role("columnheader", name="Attempts")).to_be_visible()
    await tab.go("/queues/reports?state=completed")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("button", name="The usual columns").click()
    await expect(table(page).get_by_role("columnheader", name="Finished")).to_be_visible()
    assert "cols" not in page.url
    await tab.fine()


async def test_dense_rows_show_more_jobs(site: Site) -> None:
    tab = await site.open("/queues/email?state=completed")
    page = tab.page
    row = table(page).locator("tbody tr").nth(3)
    before = await row.bounding_box()
    assert before
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Dense rows").check()

    async def is_lower() -> bool:
        after = await row.bounding_box()
        return after is not None and after["height"] <= before["height"] - 6

    await wait_until(is_lower)
    await tab.fine()


# ------------------------------------------------------------------------------------------------------- views


async def test_a_view_is_saved_shown_and_leads_back_to_what_it_showed(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed&q=error%3Atimedout&cols=error,worker")
    page = tab.page
    await page.get_by_role("button", name="Views").click()
    await page.get_by_label("Save what you see as").fill("Time-outs")
    await page.get_by_role("button", name="Save view").click()
    chip = page.get_by_role("navigation", name="Views").get_by_role("link", name="Time-outs")
    await expect(chip).to_have_attribute("aria-current", "page")
    await tab.go("/queues/email?state=completed")
    await expect(chip).not_to_have_attribute("aria-current", "page")
    await chip.click()
    await expect(page.get_by_role("searchbox", name="Filter jobs")).to_have_value("error:timedout")
    await expect(table(page).get_by_role("columnheader", name="Worker")).to_be_visible()
    assert await tab.accessibility() == []
    await tab.go("/queues/reports")
    await expect(chip).to_have_count(0)
    await tab.fine()


async def test_a_view_for_all_queues_is_in_each_of_them_and_can_be_forgotten_and_had_back(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed&q=from%3A-1h")
    page = tab.page
    await page.get_by_role("button", name="Views").click()
    await page.get_by_label("Save what you see as").fill("Fresh failures")
    await page.get_by_role("checkbox", name="For all queues").check()
    await page.get_by_role("button", name="Save view").click()
    await tab.go("/queues/reports?state=active")
    chip = page.get_by_role("navigation", name="Views").get_by_role("link", name="Fresh failures")
    await chip.click()
    await expect(page).to_have_url(re.compile("/queues/reports\\?state=failed&q=from%3A-1h"))
    await page.get_by_role("button", name="Views").click()
    await page.get_by_role("button", name="Forget Fresh failures").click()
    await expect(chip).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(chip).to_be_visible()
    await tab.fine()


async def test_a_view_opens_from_the_palette(site: Site) -> None:
    tab = await site.open("/queues/email?state=delayed")
    page = tab.page
    await page.get_by_role("button", name="Views").click()
    await page.get_by_label("Save what you see as").fill("Later ones")
    await page.get_by_role("button", name="Save view").click()
    await tab.go("/queues/email?state=failed")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("later ones")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("state=delayed"))
    await tab.fine()


# -------------------------------------------------------------------------------------------------------- time


async def test_a_time_is_chosen_and_becomes_a_part_of_the_filter(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed&q=error%3Atimedout")
    page = tab.page
    await page.get_by_role("button", name="Any time").click()
    await page.get_by_role("link", name="Last hour").click()
    box = page.get_by_role("searchbox", name="Filter jobs")
    await expect(box).to_have_value("error:timedout from:-1h")
    await page.get_by_role("button", name="Last hour").click()
    panel = page.get_by_role("dialog", name=re.compile("^Time"))
    await panel.get_by_label("From").fill("gestern")
    await expect(panel.get_by_role("button", name="Show this time")).to_be_disabled()
    await panel.get_by_label("From").fill("-3h")
    await panel.get_by_label("To", exact=True).fill("now")
    assert await tab.accessibility() == []
    await panel.get_by_role("button", name="Show this time").click()
    await expect(box).to_have_value("error:timedout from:-3h to:now")
    await page.get_by_role("button", name="-3h to now").click()
    await page.get_by_role("link", name="Any time").click()
    await expect(box).to_have_value("error:timedout")
    await tab.fine()


# ----------------------------------------------------------------------------------------------- pages, selection


async def test_any_page_of_a_long_list_is_reached_at_once(shop: Shop) -> None:
    await shop.queue.add_bulk([JobSpec(f"n{number}", {}) for number in range(1234)])
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    jump = page.get_by_role("textbox", name="Page")
    await jump.fill("50%")
    await jump.press("Enter")
    await expect(page).to_have_url(re.compile("start=600"))
    await expect(table(page).get_by_role("link", name="n600", exact=True)).to_be_visible()
    await jump.fill("25")
    await jump.press("Enter")
    await expect(table(page).get_by_role("link", name="n1200", exact=True)).to_be_visible()
    await expect(page.get_by_text("1,201–1,234 of 1,234")).to_be_visible()
    await page.reload()
    await expect(table(page).get_by_role("link", name="n1200", exact=True)).to_be_visible()
    await jump.fill("nowhere")
    await expect(jump).to_have_attribute("aria-invalid", "true")
    await tab.fine()


async def test_a_job_leads_back_to_its_place_in_the_list_also_after_walking_on(shop: Shop) -> None:
    await shop.queue.add_bulk([JobSpec(f"n{number}", {}) for number in range(150)])
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    link = table(page).get_by_role("link", name="n49", exact=True)
    await link.scroll_into_view_if_needed()
    await link.click()
    await expect(page.locator("h1")).to_contain_text("n49")
    await page.keyboard.press("u")
    await expect(table(page).get_by_role("link", name="n49", exact=True)).to_be_focused()
    await expect(table(page).get_by_role("link", name="n49", exact=True)).to_be_in_viewport()
    await page.keyboard.press("Enter")
    for name in ("n50", "n51"):
        await page.get_by_role("link", name="Next job").wait_for()
        address = re.compile(rf"id={int(name[1:]) + 1}&")
        await tab.press_until("j", lambda timeout, address=address: expect(page).to_have_url(address, timeout=timeout))
        await expect(page.locator("h1")).to_contain_text(name)
    await page.keyboard.press("u")
    await expect(page).to_have_url(re.compile("start=50"))
    await expect(table(page).get_by_role("link", name="n51", exact=True)).to_be_visible()
    await tab.fine()


async def test_all_jobs_that_match_a_filter_are_selected_and_counted_and_acted_on(shop: Shop) -> None:
    await shop.failed(*["red card declined"] * 60, *["blue"] * 5)
    tab = await shop.site.open("/queues/shop?state=failed&q=error%3Adeclined")
    page = tab.page
    await expect(page.get_by_text(re.compile("^(5\\d|60) jobs found"))).to_be_visible()
    await page.get_by_role("checkbox", name="Select all on this page").check()
    bar = page.get_by_role("toolbar", name="Selected jobs")
    await bar.get_by_role("button", name="Select all that match").click()
    await expect(bar).to_contain_text("All 60 selected")
    await bar.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry 60 jobs").click()

    async def left() -> bool:
        return (await shop.queue.counts("failed"))["failed"] == 5

    await wait_until(left)
    await tab.fine()


# ------------------------------------------------------------------------------------------------------ export


async def test_a_selection_a_filter_and_a_state_are_taken_out_as_files(shop: Shop) -> None:
    ids = await shop.failed("first", "second", "=cmd()")
    tab = await shop.site.open("/queues/shop?state=failed")
    page = tab.page
    lines = (await _file(page, page.get_by_role("button", name="Export"), "NDJSON")).splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(ids)
    await page.get_by_role("checkbox", name=f"Select job {ids[0]}", exact=True).check()
    bar = page.get_by_role("toolbar", name="Selected jobs")
    chosen = json.loads(await _file(page, bar.get_by_role("button", name="Export"), "JSON"))
    assert [job["id"] for job in chosen] == [ids[0]]
    await tab.go("/queues/shop?state=failed&q=error%3Asecond")
    await expect(page.get_by_text(re.compile("^1 job found"))).to_be_visible()
    rows = list(csv.DictReader((await _file(page, page.get_by_role("button", name="Export"), "CSV")).splitlines()))
    assert [row["id"] for row in rows] == [ids[1]]
    await tab.fine()


async def _file(page: Page, button: Locator, kind: str) -> str:
    """What is saved when this form is chosen."""
    await button.click()
    async with page.expect_download() as waiting:
        await page.get_by_role("dialog", name="Export").get_by_role("link", name=re.compile(f"^{kind}")).click()
    path = await (await waiting.value).path()
    return path.read_text("utf-8-sig")


# ----------------------------------------------------------------------------------------------------- phones


async def test_what_opens_over_a_list_fits_a_phone(look: Look) -> None:
    site = await look(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = await site.open("/queues/email?state=failed&cols=error,added,worker,started,waited,ran,finished,attempts")
    page = tab.page
    for name in ("Any time", "Columns", "Views", "Export"):
        await page.get_by_role("button", name=name).click()
        box = await page.get_by_role("dialog").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] >= 0
        await page.keyboard.press("Escape")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(wide) <= 0
    await tab.fine()
