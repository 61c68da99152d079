"""Metrics and alerts in a real browser: charts over time, their marks, their numbers in words, and rules."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from oxcart import Connection, JobSpec, Queue, Unrecoverable, Worker
from oxcart.dashboard import Alert
from tests.conftest import RedisServer, wait_until
from tests.dashboard.browser.conftest import Look, OpenSite, Site, Tab

MINUTE = 60_000
NOW = 1_795_694_400_000
"""A whole hour, so that steps are easy to tell."""


def spread(count: int, p50: int) -> dict[str, int | None]:
    if not count:
        return {"count": 0, "p50": None, "p95": None, "p99": None}
    return {"count": count, "p50": p50, "p95": 4 * p50, "p99": 11 * p50}


def recorded(query: dict[str, list[str]]) -> dict[str, Any]:
    """An hour of a shop: a job more each minute, a failure each tenth, nothing in the thirtieth."""
    points: list[dict[str, Any]] = []
    for number in range(60):
        completed, failed = (0, 0) if number == 30 else (number, int(number % 10 == 9))
        count = completed + failed
        points.append(
            {
                "at": NOW - (60 - number) * MINUTE,
                "completed": completed,
                "failed": failed,
                "retried": 2 * failed,
                "run": spread(count, 100),
                "wait": spread(count, 10),
            }
        )
    names = [
        {"queue": queue, "name": name, "completed": done, "failed": bad, "retried": 0}
        | {"run": spread(done + bad, run), "wait": spread(done + bad, 7)}
        for queue, name, done, bad, run in (
            ("email", "receipt", 1000, 30, 300),
            ("email", "<b>bold</b>", 10, 2, 20),
            ("reports", "monthly", 700, 0, 9000),
        )
        if query.get("queue", [queue]) == [queue] and query.get("name", [name]) == [name]
    ]
    marks = [{"at": NOW - 20 * MINUTE, "text": "deploy 1.42 <script>alert(1)</script>"}]
    return {"now": NOW, "recorded": True, "step": MINUTE, "points": points, "names": names, "marks": marks}


async def told(site: Site) -> list[dict[str, list[str]]]:
    """Have the site told what was recorded; answers the list of what is asked."""
    asked: list[dict[str, list[str]]] = []

    async def answer(route: Route) -> None:
        asked.append(parse_qs(urlsplit(route.request.url).query))
        await route.fulfill(json=recorded(asked[-1]))

    await site.context.route(re.compile("/api/v1/stats"), answer)
    return asked


@pytest_asyncio.fixture(loop_scope="session")
async def metrics(site: Site) -> Tab:
    await told(site)
    tab = await site.open("/metrics")
    await drawn(tab.page)
    return tab


async def drawn(page: Page) -> None:
    await expect(page.locator(".uplot canvas")).to_have_count(4)


async def test_what_was_recorded_is_drawn_without_a_complaint(metrics: Tab) -> None:
    page = metrics.page
    for name in ("Throughput", "Run time", "Wait", "Failures"):
        await expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    # Something is on each canvas: not all of its points are of one colour.
    for canvas in await page.locator(".uplot canvas").all():
        colours = """(one) => new Set(new Uint32Array(
            one.getContext("2d").getImageData(0, 0, one.width, one.height).data.buffer)).size"""
        assert await canvas.evaluate(colours) > 4
    # The text of a mark is text.
    await expect(page.get_by_role("region", name="Marks")).to_contain_text("<script>alert(1)</script>")
    await metrics.fine()


async def test_charts_are_drawn_where_scripts_may_make_no_markup(metrics: Tab) -> None:
    """Under Trusted Types nothing may be put into the page as HTML, by nobody."""
    await metrics.fine()
    answer = await metrics.page.request.get(f"{metrics.address}/metrics")
    assert "require-trusted-types-for 'script'" in answer.headers["content-security-policy"]
    refused = """() => { try { document.createElement("p").innerHTML = "<b>x</b>"; } catch { return true; } }"""
    assert await metrics.page.evaluate(refused)


async def test_the_charts_are_also_a_table(metrics: Tab) -> None:
    page = metrics.page
    await page.get_by_text("As a table").click()
    table = page.get_by_role("region", name="All steps").get_by_role("table")
    await expect(table.locator("tbody tr")).to_have_count(60)
    newest = table.locator("tbody tr").first
    assert (await newest.locator("td").all_inner_texts())[:5] == ["59", "1", "2", "100 ms", "400 ms"]
    assert await metrics.accessibility() == []


async def test_arrow_keys_read_single_steps(metrics: Tab) -> None:
    page = metrics.page
    chart = page.get_by_role("slider", name=re.compile("^Throughput"))
    await chart.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(chart).to_have_attribute("aria-valuetext", re.compile("59 completed, 1 failed"))
    # All charts are on the same step then.
    await expect(page.get_by_role("region", name="Run time")).to_contain_text("100 ms")
    await page.keyboard.press("Home")
    await expect(chart).to_have_attribute("aria-valuetext", re.compile("0 completed, 0 failed"))
    await page.keyboard.press("Escape")
    await expect(chart).to_have_attribute("aria-valuetext", "all")
    await metrics.fine()


async def test_pointing_at_one_chart_reads_all_of_them(metrics: Tab) -> None:
    page = metrics.page
    over = page.get_by_role("slider", name=re.compile("^Throughput")).locator(".u-over")

    async def is_read() -> bool:  # where the chart is may change while the page is made
        box = await over.bounding_box()
        assert box is not None
        await page.mouse.move(5, 5)
        await page.mouse.move(box["x"] + box["width"] * (45.5 / 60), box["y"] + 40)
        return "completed 45" in await page.get_by_role("region", name="Throughput").inner_text()

    await wait_until(is_read)
    await expect(page.get_by_role("region", name="Wait")).to_contain_text("95 % 40 ms")
    await page.mouse.move(5, 5)
    await expect(page.get_by_role("region", name="Throughput")).not_to_contain_text("completed 45")


async def test_the_time_is_chosen_and_is_in_the_address(site: Site) -> None:
    asked = await told(site)
    tab = await site.open("/metrics")
    page = tab.page
    await drawn(page)
    assert "to" not in asked[-1]
    await page.get_by_role("button", name="7 d").click()
    await expect(page).to_have_url(re.compile("from=-7d"))
    await expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")
    await wait_until(lambda: week_asked(asked))
    await page.get_by_role("button", name="Other…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("From").fill("-6h")
    await dialog.get_by_label("To").fill("-7h")
    await expect(dialog.get_by_role("button", name="Show")).to_be_disabled()
    await dialog.get_by_label("To").fill("-1h")
    await dialog.get_by_role("button", name="Show").click()
    await expect(page).to_have_url(re.compile("from=-6h&to=-1h"))
    await tab.fine()


async def week_asked(asked: list[dict[str, list[str]]]) -> bool:
    return any(int(one["from"][0]) < int(asked[0]["from"][0]) - 6 * 86_400_000 for one in asked)


async def test_dragging_over_a_chart_looks_closer(metrics: Tab) -> None:
    page = metrics.page
    box = await page.get_by_role("slider", name=re.compile("^Throughput")).locator(".u-over").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] * (10.2 / 60), box["y"] + 40)
    await page.mouse.down()
    await page.mouse.move(box["x"] + box["width"] * (19.5 / 60), box["y"] + 50, steps=5)
    await page.mouse.up()
    start = NOW - 60 * MINUTE
    await expect(page).to_have_url(re.compile(f"from={start + 10 * MINUTE}&to={start + 20 * MINUTE}"))
    await metrics.fine()


async def test_a_name_shows_its_own_charts_alone(site: Site) -> None:
    asked = await told(site)
    tab = await site.open("/metrics")
    page = tab.page
    table = page.get_by_role("region", name="By name").get_by_role("table")
    first = table.locator("tbody tr").first
    assert await first.locator("td").all_inner_texts() == ["email", "1,000", "30", "2.9 %", "1.2 s", "28 ms"]
    await table.get_by_role("button", name="Run p95").click()
    await expect(table.locator("tbody tr").first).to_contain_text("monthly")
    await table.get_by_role("link", name="Only <b>bold</b> in email").click()
    await expect(page).to_have_url(re.compile("queue=email&name=%3Cb%3Ebold"))
    await expect(page.get_by_text("Only jobs named")).to_be_visible()
    await wait_until(lambda: only_asked(asked, "<b>bold</b>"))
    await page.get_by_role("button", name="All names").click()
    await expect(page).not_to_have_url(re.compile("name="))
    await tab.fine()


async def only_asked(asked: list[dict[str, list[str]]], name: str) -> bool:
    return asked[-1].get("name") == [name]


async def test_a_mark_is_added(site: Site) -> None:
    await told(site)
    tab = await site.open("/metrics")
    page = tab.page
    await page.get_by_role("button", name="Add a mark").click()
    dialog = page.get_by_role("dialog")
    text = f"deploy {secrets.token_hex(3)}"
    await dialog.get_by_label("What happened").fill(text)
    await dialog.get_by_label("When").fill("-10m")
    assert await tab.accessibility() == []
    await dialog.get_by_role("button", name="Add mark").click()
    await expect(dialog).to_be_hidden()
    await site.context.unroute_all()
    marks = (await (await page.request.get(f"{site.address}/api/v1/stats")).json())["marks"]
    assert text in [mark["text"] for mark in marks]
    await tab.fine()


async def test_where_nobody_records_the_page_says_how_and_shows_the_minutes(site: Site) -> None:
    tab = await site.open("/metrics?queue=email")
    await expect(tab.page.get_by_text("recorder=True")).to_be_visible()
    await expect(tab.page.get_by_role("slider", name=re.compile("^Jobs per minute"))).to_be_visible()
    await tab.page.get_by_role("button", name="24 h").click()
    await expect(tab.page).to_have_url(re.compile("minutes=1440"))
    await tab.fine()


async def test_what_a_worker_records_arrives(open_site: OpenSite, redis_server: RedisServer) -> None:
    prefix = f"rec{secrets.token_hex(4)}"

    async def process(job: Any) -> None:
        if job.name == "bad":
            raise Unrecoverable("no")

    async with Connection(redis_server.url) as connection:
        queue = Queue("email", connection=connection, prefix=prefix)
        await queue.add_bulk([JobSpec("good", {}), JobSpec("good", {}), JobSpec("bad", {})])
        worker = Worker("email", process, connection=redis_server.url, prefix=prefix, recorder=True)
        task = asyncio.create_task(worker.run())

        async def ended() -> bool:
            counts = await queue.counts()
            return counts["completed"] + counts["failed"] == 3

        await wait_until(ended)
        await worker.close()
        await task
    site = await open_site(prefix=prefix, queues=["email"])
    tab = await site.open("/metrics")
    table = tab.page.get_by_role("region", name="By name").get_by_role("table")
    await expect(table.get_by_role("row", name=re.compile("^Only bad in email"))).to_contain_text("100 %")
    await expect(table.get_by_role("row", name=re.compile("^Only good in email"))).to_contain_text("0 %")
    await tab.fine()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_charts_are_accessible(look: Look, scheme: str) -> None:
    site = await look(color_scheme=scheme, reduced_motion="reduce")
    await told(site)
    tab = await site.open("/metrics")
    await drawn(tab.page)
    assert await tab.accessibility() == []


async def test_the_charts_fit_a_phone(look: Look) -> None:
    site = await look(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    await told(site)
    tab = await site.open("/metrics")
    await drawn(tab.page)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await tab.page.evaluate(wide) <= 0
    await tab.fine()


# ---------------------------------------------------------------------------------------------------------- alerts


@pytest_asyncio.fixture(loop_scope="session")
async def sent() -> AsyncIterator[list[dict[str, Any]]]:
    yield []


async def test_rules_are_told_in_words_and_can_be_tried(
    open_site: OpenSite, redis_server: RedisServer, sent: list[dict[str, Any]]
) -> None:
    prefix = f"alert{secrets.token_hex(4)}"
    async with Queue("email", connection=redis_server.url, prefix=prefix) as queue:
        await queue.add("a", {})
        await queue.pause()
    rules = [Alert("paused", to=[sent.append]), Alert("failures", queues="email", over=10, to=[sent.append])]
    tab = await (await open_site(prefix=prefix, queues=["email"], alerts=rules)).open("/alerts")
    table = tab.page.get_by_role("table")
    paused = table.get_by_role("row", name=re.compile("paused"))
    failures = table.get_by_role("row", name=re.compile("10 jobs failed"))
    await expect(failures).to_contain_text("quiet")
    await expect(paused.get_by_role("link", name="email")).to_be_visible(timeout=60_000)
    await failures.get_by_role("button", name="Send a test").click()

    async def arrived() -> bool:
        return any(message["event"] == "test" for message in sent)

    await wait_until(arrived)
    assert await tab.accessibility() == []
    await tab.fine()


async def test_without_rules_the_page_says_how_to_set_them(site: Site) -> None:
    tab = await site.open("/alerts")
    await expect(tab.page.get_by_text("No rules are set")).to_be_visible()
    await expect(tab.page.get_by_role("region", name="Example")).to_contain_text('Alert("no_workers"')
    await expect(tab.page.get_by_role("button", name="Send a test")).to_have_count(0)
    await tab.fine()


async def test_the_page_of_alerts_is_reached_by_keys(site: Site) -> None:
    tab = await site.open()
    await tab.go_by_keys("l", "Alerts")
    await tab.fine()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_rules_that_hold_are_accessible(look: Look, scheme: str) -> None:
    site = await look(color_scheme=scheme, reduced_motion="reduce")
    rule = {"id": "a", "words": "no worker in any queue", "kind": "no_workers", "queues": "*", "over": 0}
    more = {"to": ["webhook a.example"], "firing": ["email"], "last": NOW, "problem": "answered 503"}
    answer = {"now": NOW, "rules": [rule | more]}
    await site.context.route(re.compile("/api/v1/alerts"), lambda route: route.fulfill(json=answer))
    tab = await site.open("/alerts")
    await expect(tab.page.get_by_text("Could not be sent")).to_be_visible()
    assert await tab.accessibility() == []
