"""The page of a job in a real browser: made for finding out what went wrong, and for doing something about it."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import time

from playwright.async_api import expect

from oxcart import Job, JobState, Worker
from oxcart.dashboard import Access, basic
from tests.conftest import wait_until
from tests.dashboard.browser.conftest import OpenSite, Shop, Site

CLIPBOARD = """
globalThis.copied = [];
document.addEventListener("copy", () => {
  const { value, selectionStart, selectionEnd } = document.activeElement;
  copied.push(value === undefined ? String(getSelection()) : value.slice(selectionStart, selectionEnd));
});
"""
INSECURE = "Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined});" + CLIPBOARD


async def test_attempts_are_told_apart_by_what_changed_between_them(site: Site) -> None:
    tab = await site.open("/queues/email/job?id=three-attempts&tab=errors")
    page = tab.page
    panel = page.get_by_role("tabpanel", name=re.compile("^Attempt"))
    # With the day, if it was yesterday.
    await expect(page.get_by_role("tab", name=re.compile(r"^Attempt 3 · .*\d\d:\d\d(:\d\d)?$"))).to_have_attribute(
        "aria-selected", "true"
    )
    await expect(panel).to_contain_text("after it had run")
    await expect(panel.locator("del")).to_have_text("2")
    await expect(panel.locator("ins")).to_have_text("3")
    await page.get_by_role("tab", name="Attempt 1").click()
    await expect(panel.locator("del")).to_have_count(0)
    await expect(panel).to_contain_text("10.0.0.1")
    assert await tab.accessibility() == []
    await tab.fine()


async def test_hidden_values_are_revealed_on_demand_and_hidden_again(shop: Shop) -> None:
    job = await shop.queue.add("order", {"password": "hunter2", "n": 1})
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    data = page.get_by_role("tree", name="Data")
    await expect(data).to_contain_text("•••")
    assert "hunter2" not in await page.content()
    await page.get_by_role("button", name="Reveal", exact=True).click()
    await expect(data).to_contain_text("hunter2")
    await expect(page.get_by_text("noted in the audit")).to_be_visible()
    assert await tab.accessibility() == []
    await page.get_by_role("button", name="Hide again").click()
    await expect(data).not_to_contain_text("hunter2")
    await tab.go("/audit")
    await expect(page.get_by_role("row", name=re.compile("reveal", re.IGNORECASE)).first).to_contain_text(job.id)
    await tab.fine()


async def test_who_may_not_reveal_is_not_offered_it_nor_to_edit(open_site: OpenSite, shop: Shop) -> None:
    job = await shop.queue.add("order", {"password": "hunter2"})
    auth = basic({"bob": "a long password"}, access={"bob": Access("bob", role="operate")})
    credentials = {"http_credentials": {"username": "bob", "password": "a long password"}}
    site = await open_site(prefix=shop.prefix, queues=["shop"], auth=auth, view=credentials)
    tab = await site.open(f"/queues/shop/job?id={job.id}")
    await expect(tab.page.get_by_text("hidden from you")).to_be_visible()
    for name in ("Reveal", "Edit data", "Duplicate"):
        assert await tab.page.get_by_role("button", name=name, exact=True).count() == 0
    await expect(tab.page.get_by_role("button", name="Remove", exact=True)).to_be_visible()


async def test_data_with_hidden_values_are_edited_without_losing_them(shop: Shop) -> None:
    job = await shop.queue.add("order", {"password": "hunter2", "n": 1})
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    await page.get_by_role("button", name="Edit data").click()
    box = page.get_by_role("dialog").get_by_role("textbox", name="Data")
    await expect(box).to_have_value(re.compile("hunter2"))
    await box.fill((await box.input_value()).replace('"n": 1', '"n": 2'))
    await page.get_by_role("button", name="Save data").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    changed = await shop.queue.job(job.id)
    assert changed is not None and changed.data == {"password": "hunter2", "n": 2}
    await tab.fine()


async def test_a_job_is_added_again_with_other_data(shop: Shop) -> None:
    job = await shop.queue.add("order", {"token": "t-1", "n": 1}, attempts=4)
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    page = tab.page
    await page.get_by_role("button", name="Duplicate", exact=True).click()
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_role("textbox", name="Data")
    await expect(box).to_have_value(re.compile('"t-1"'))
    await box.fill((await box.input_value()).replace('"n": 1', '"n": 2'))
    await dialog.get_by_role("button", name="Add job").click()

    async def added() -> bool:
        jobs = [one for one in await shop.queue.jobs("waiting") if one.id != job.id]
        return [(one.name, one.data) for one in jobs] == [("order", {"token": "t-1", "n": 2})]

    await wait_until(added)
    await tab.fine()


async def test_a_running_job_is_cancelled_with_a_reason(shop: Shop) -> None:
    async def never_done(job: Job) -> None:
        await asyncio.sleep(3600)

    job = await shop.queue.add("order", {})
    # It is asked to cancel when it renews its lock.
    worker = Worker("shop", never_done, connection=shop.connection, prefix=shop.prefix, lock_duration=8)
    running = asyncio.create_task(worker.run())
    try:
        await wait_until(lambda: _is(shop, job.id, JobState.ACTIVE))
        tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
        page = tab.page
        await page.get_by_role("button", name="Cancel", exact=True).click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Reason").fill("too late")
        assert await tab.accessibility() == []
        await dialog.get_by_role("button", name="Cancel 1 job").click()
        await expect(dialog).to_be_hidden()
        await wait_until(lambda: _is(shop, job.id, JobState.FAILED))
        await expect(page.get_by_role("tabpanel", name=re.compile("^Errors"))).to_contain_text("too late")
        await tab.fine()
    finally:
        await worker.close(timeout=0)
        await running


async def test_a_worker_that_can_not_be_asked_to_cancel_is_told_of(shop: Shop) -> None:
    job = await shop.queue.add("order", {})
    await shop.crew.take(1, time.time_ns() // 1_000_000)  # not a worker of ours
    tab = await shop.site.open(f"/queues/shop/job?id={job.id}")
    await tab.page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = tab.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Cancel 1 job").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    assert [problem for problem in tab.problems if "409" not in problem] == []


async def test_only_a_running_job_can_be_cancelled(site: Site) -> None:
    tab = await site.open("/queues/email/job?id=three-attempts")
    assert await tab.page.get_by_role("button", name="Cancel", exact=True).count() == 0


async def test_related_jobs_are_a_press_away(site: Site) -> None:
    tab = await site.open("/queues/email/job?id=three-attempts")
    page = tab.page
    related = page.get_by_role("region", name="Related")
    await related.get_by_role("link", name=re.compile("^Failed with")).click()
    await expect(page.get_by_role("searchbox", name="Filter jobs")).to_have_value(re.compile("^error:"))
    await expect(page.get_by_role("table", name="Jobs").get_by_role("link", name="receipt").first).to_be_visible()
    await page.go_back()
    await related.get_by_role("button", name="Compare with others like it").click()
    await related.get_by_role("list", name="Others like it").get_by_role("link").first.click()
    await expect(page.locator("h1")).to_contain_text("Compare")
    await tab.fine()


async def test_what_can_be_done_can_be_copied_as_calls_that_a_shell_takes_as_they_are(shop: Shop) -> None:
    evil = 'a\'; touch /tmp/x; $(id) `id` "b"'
    await shop.queue.add("order", {}, job_id=evil)
    tab = await shop.site.open("/queues/shop?state=waiting")
    page = tab.page
    await page.get_by_role("table", name="Jobs").get_by_role("link").first.click()
    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="As API calls…").click()
    dialog = page.get_by_role("dialog")
    text = await dialog.get_by_role("region", name="Remove it").inner_text()
    words = shlex.split(text.replace("\\\n", " "))
    assert words[0] == "curl" and words[1].endswith("/queues/shop/job/remove")
    assert json.loads(words[words.index("-d") + 1]) == {"id": evil}
    assert await tab.accessibility() == []
    await tab.fine()


async def test_an_id_is_copied_where_the_browser_hides_its_clipboard(site: Site) -> None:
    await site.context.add_init_script(INSECURE)
    tab = await site.open("/queues/email/job?id=three-attempts")
    await tab.page.get_by_role("button", name="Copy the id").click()
    await expect(tab.page.get_by_role("button", name="Copied")).to_be_visible()
    assert await tab.page.evaluate("globalThis.copied") == ["three-attempts"]
    await tab.fine()


async def test_a_job_shows_how_much_room_it_takes(site: Site) -> None:
    tab = await site.open("/queues/email/job?id=one-megabyte")
    facts = tab.page.get_by_role("region", name="Facts")
    await expect(facts).to_contain_text(re.compile(r"9\d\d KB data, 29\d KB result"))


# --------------------------------------------------------------------------------------------------- side by side


async def test_two_selected_jobs_are_compared(site: Site) -> None:
    tab = await site.open("/queues/email?state=failed&q=name%3Areceipt")
    page = tab.page
    boxes = page.get_by_role("checkbox", name=re.compile("^Select job"))
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    await page.get_by_role("toolbar", name="Selected jobs").get_by_role("link", name="Compare").click()
    await expect(page.locator("h1")).to_have_text("Compare two jobs")
    await expect(page.get_by_role("region", name="Data")).to_be_visible()
    assert await tab.accessibility() == []
    await tab.fine()


async def test_a_comparison_marks_what_differs_and_shows_the_rest_on_demand(shop: Shop) -> None:
    data = {"same": 1, "user": {"id": 9007199254740993, "name": "Ada"}}
    first = await shop.queue.add("order", data)
    other = {"same": 1, "user": {"id": 9007199254740992, "name": "Ada"}, "more": [1]}
    second = await shop.queue.add("order", other, job_id="with/slash & more")
    tab = await shop.site.open(f"/compare?a=shop/{first.id}&b=shop/with/slash+%26+more")
    page = tab.page
    rows = page.get_by_role("table", name="Data").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("user.id")
    await expect(rows.nth(0)).to_contain_text("9007199254740993")
    await expect(rows.nth(1)).to_contain_text("not there")
    await page.get_by_role("button", name="All values").click()
    await expect(rows).to_have_count(4)
    await expect(page).to_have_url(re.compile("all=1"))
    await page.get_by_role("button", name="Swap").click()
    await expect(page.get_by_role("region", name="First job")).to_contain_text(second.id)
    await tab.fine()


async def test_the_second_job_can_be_named_and_one_that_is_gone_says_so(site: Site) -> None:
    tab = await site.open("/compare?a=email/three-attempts")
    page = tab.page
    form = page.get_by_role("form", name="Choose the second job")
    await form.get_by_label("Id of the job").fill("no-such-job")
    await form.get_by_role("button", name="Compare").click()
    await expect(page.get_by_text("There is no such job (any more).")).to_be_visible()
    await page.get_by_role("button", name="Another").click()
    await form.get_by_label("Id of the job").fill("next-attempt")
    await form.get_by_role("button", name="Compare").click()
    await expect(page.get_by_role("region", name="Facts")).to_be_visible()
    assert [problem for problem in tab.problems if "404" not in problem] == []


async def test_hidden_values_stay_hidden_in_a_comparison(shop: Shop) -> None:
    first = await shop.queue.add("order", {"password": "hunter2"})
    second = await shop.queue.add("order", {"password": "hunter3"})
    tab = await shop.site.open(f"/compare?a=shop/{first.id}&b=shop/{second.id}&all=1")
    await expect(tab.page.get_by_text("Hidden values are compared as they are shown")).to_be_visible()
    assert "hunter" not in await tab.page.content()
    await tab.fine()


async def _is(shop: Shop, job_id: str, state: JobState) -> bool:
    job = await shop.queue.job(job_id)
    return job is not None and await job.state() == state
