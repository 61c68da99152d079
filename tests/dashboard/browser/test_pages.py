"""Every page in a real browser: it loads, light and clean, and what it offers works."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from oxcart import Connection, Queue
from tests.conftest import RedisServer, wait_until
from tests.dashboard.browser.conftest import Look, OpenSite, Site, Tab

PAGES = {
    "/": "Overview",
    "/queues/email": "email",
    "/queues/email?state=failed": "email",
    "/queues/email?state=completed": "email",
    "/queues/email?state=delayed": "email",
    "/queues/email?state=waiting-children": "email",
    "/queues/email/job?id=three-attempts": "receipt",
    "/queues/email/job?id=one-megabyte": "large",
    "/queues/email/job?id=hostile-data": "<img src=x onerror=alert(1)>",
    "/compare?a=email/three-attempts&b=email/one-megabyte&all=1": "Compare two jobs",
    "/compare?a=email/three-attempts": "Compare two jobs",
    "/queues/reports/flow?id=yearly": "",
    "/failures": "Failures",
    "/schedulers": "Schedulers",
    "/workers": "Workers",
    "/metrics": "",
    "/alerts": "Alerts",
    "/redis": "Redis",
    "/audit": "",
}
"""Each page, and words of its heading."""

FIRST_PAGE_REQUESTS = 8
OTHER_PAGE_REQUESTS = 12
FIRST_PAGE_BYTES = 60 * 1024
"""Of scripts, as they are sent."""


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_without_a_complaint(site: Site, path: str) -> None:
    tab = await site.open(path)
    await expect(tab.page.locator("h1")).to_have_count(1)
    await expect(tab.page.locator("h1")).to_contain_text(PAGES[path])
    assert await tab.page.title()
    await tab.fine()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_page_is_accessible(look: Look, path: str, scheme: str) -> None:
    site = await look(color_scheme=scheme, reduced_motion="reduce")
    tab = await site.open(path)
    assert await tab.accessibility() == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_fits_a_phone(look: Look, path: str) -> None:
    site = await look(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab = await site.open(path)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.page.evaluate(wide) <= 0
    await tab.fine()


async def test_the_first_page_is_light(site: Site) -> None:
    tab = await site.open()
    await tab.page.get_by_role("table", name="Queues").wait_for()
    sizes = {request.url: await request.sizes() for request in tab.requests}
    scripts = sum(size["responseBodySize"] for url, size in sizes.items() if url.endswith(".js"))
    asked = await _asked(tab)
    assert len(asked) <= FIRST_PAGE_REQUESTS, asked
    assert scripts <= FIRST_PAGE_BYTES


@pytest.mark.parametrize("path", ["/queues/email?state=failed", "/queues/email/job?id=three-attempts", "/schedulers"])
async def test_other_pages_take_few_requests(site: Site, path: str) -> None:
    asked = await _asked(await site.open(path))
    assert len(asked) <= OTHER_PAGE_REQUESTS, asked


async def _asked(tab: Tab) -> list[str]:
    """What was asked for, the stream that does not end included."""
    asked = [request.url for request in tab.requests if not request.url.startswith("data:")]
    known = await tab.page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    return asked + [url for url in known if url.endswith("/live") and url not in asked]


async def test_pages_are_reached_by_their_links(site: Site) -> None:
    tab = await site.open()
    page = tab.page
    for name in ("Failures", "Schedulers", "Workers", "Metrics", "Alerts", "Redis", "Audit", "Overview"):
        await page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile(f"^{name}")).click()
        await expect(page.locator("h1")).to_contain_text(name)
        await tab.settled()
    await page.get_by_role("navigation", name="Queues").get_by_role("link", name=re.compile("^email")).click()
    await expect(page.locator("h1")).to_contain_text("email")
    await page.go_back()
    await expect(page.locator("h1")).to_contain_text("Overview")
    await tab.fine()


async def test_the_overview_says_what_needs_attention(site: Site) -> None:
    page = (await site.open()).page
    await expect(page.get_by_role("region", name="Needs attention")).to_contain_text("email")
    table = page.get_by_role("table", name="Queues")
    for name in ("email", "reports", "notifications"):
        await expect(table.get_by_role("link", name=name).first).to_be_visible()


async def test_a_failed_job_is_reached_from_its_list_and_shows_why_it_failed(site: Site) -> None:
    tab = await site.open("/queues/email")
    page = tab.page
    await page.get_by_role("navigation", name="Job states").get_by_role("link", name=re.compile("^Failed")).click()
    await expect(page).to_have_url(re.compile("state=failed"))
    table = page.get_by_role("table", name="Jobs")
    await table.locator("tbody tr").nth(4).get_by_role("link").first.click()
    await expect(page).to_have_url(re.compile("/job\\?"))
    await tab.settled()
    await expect(page.get_by_role("tablist", name="Job")).to_be_visible()
    await expect(page.get_by_role("list", name="Timeline")).to_contain_text(re.compile("failed", re.IGNORECASE))
    await tab.fine()


async def test_a_page_that_does_not_exist_says_so(site: Site) -> None:
    tab = await site.open("/nothing/here")
    await expect(tab.page.locator("h1")).to_contain_text("Not found")
    await tab.fine()


async def test_it_works_below_a_path(open_site: OpenSite) -> None:
    site = await open_site(mount="/admin/queues")
    tab = await site.open()
    page = tab.page
    await page.get_by_role("navigation", name="Queues").get_by_role("link", name=re.compile("^email")).click()
    await expect(page).to_have_url(re.compile("/admin/queues/queues/email"))
    await tab.settled()
    await page.reload()
    await expect(page.locator("h1")).to_contain_text("email")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Schedulers")).click()
    await expect(page.locator("h1")).to_contain_text("Schedulers")
    await tab.settled()
    await tab.fine()


async def test_what_happens_is_shown_without_a_reload(site: Site, seeded: str, redis_server: RedisServer) -> None:
    tab = await site.open("/queues/reports?state=waiting")
    tab.page.set_default_timeout(20_000)
    async with Queue("reports", connection=redis_server.url, prefix=seeded) as queue:
        job = await queue.add("just-now", {"n": 1}, priority=0, lifo=True)
        table = tab.page.get_by_role("table", name="Jobs")
        await expect(table.get_by_text("just-now")).to_be_visible(timeout=20_000)
        await job.remove()
        await expect(table.get_by_text("just-now")).to_be_hidden(timeout=20_000)
    await tab.fine()


async def test_selected_jobs_are_retried_after_a_question_that_says_how_many(
    site: Site, seeded: str, redis_server: RedisServer
) -> None:
    async with Connection(redis_server.url) as connection:
        queue = Queue("notifications", connection=connection, prefix=seeded)
        failed = (await queue.counts("failed"))["failed"]
        tab = await site.open("/queues/notifications?state=failed")
        page = tab.page
        boxes = page.get_by_role("table", name="Jobs").get_by_role("checkbox", name=re.compile("^Select job"))
        await boxes.nth(0).check()
        await boxes.nth(1).check()
        await page.get_by_role("toolbar", name="Selected jobs").get_by_role("button", name="Retry").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Retry 2 jobs").click()
        await wait_until(lambda: _counts(queue, "failed", failed - 2))
        await tab.fine()


async def test_a_queue_is_resumed_and_paused(site: Site, seeded: str, redis_server: RedisServer) -> None:
    async with Connection(redis_server.url) as connection:
        queue = Queue("notifications", connection=connection, prefix=seeded)
        tab = await site.open("/queues/notifications")
        await tab.page.get_by_role("button", name="Resume", exact=True).click()
        await expect(tab.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        assert not await queue.is_paused()
        await tab.page.get_by_role("button", name="Pause", exact=True).click()
        await expect(tab.page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
        assert await queue.is_paused()
        await tab.fine()


async def _counts(queue: Queue, state: str, number: int) -> bool:
    return (await queue.counts(state))[state] == number


async def test_the_page_stays_and_says_so_while_redis_is_away(open_site: OpenSite, fragile_server: RedisServer) -> None:
    async with Queue("some", connection=fragile_server.url) as queue:
        await queue.add("a", {})
    site = await open_site(connection=fragile_server.url, prefix="bull")
    tab = await site.open()
    table = tab.page.get_by_role("table", name="Queues")
    await expect(table.get_by_role("link", name="some").first).to_be_visible()
    fragile_server.kill()
    await tab.page.keyboard.press("r")
    await expect(tab.page.get_by_text(re.compile("Redis", re.IGNORECASE)).first).to_be_visible()
    await expect(table.get_by_role("link", name="some").first).to_be_visible()
    fragile_server.start()
    await tab.page.keyboard.press("r")
    await expect(table.get_by_role("link", name="some").first).to_be_visible()
    assert not [problem for problem in tab.problems if problem.startswith("error")]
