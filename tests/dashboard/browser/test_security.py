"""Security in a real browser: job data is hostile, and the page gives it nothing to hold on to."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from oxcart.dashboard import Access, basic
from tests.conftest import wait_until
from tests.dashboard.browser.conftest import OpenSite, Site

HOSTILE = (
    "/queues/email/job?id=hostile-data",
    "/queues/email/job?id=hostile-data&tab=errors",
    "/queues/email/job?id=hostile-data&tab=data",
    "/queues/email/job?id=hostile-data&tab=options",
    "/queues/email/job?id=hostile-data&tab=logs",
    "/queues/email?state=failed",
    "/queues/email?state=failed&q=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/failures",
)


@pytest.mark.parametrize("path", HOSTILE)
async def test_hostile_data_is_text(site: Site, path: str) -> None:
    tab = await site.open(path)
    await expect(tab.page.locator("h1")).to_have_count(1)
    # Nothing of it became an element, an address or a script.
    assert await tab.page.locator("#app img, #app script, #app iframe, #app object").count() == 0
    bold = await tab.page.locator("#app b").all_inner_texts()
    assert not {"x", "mailer"} & set(bold)  # what the data has between its own tags
    links = await tab.page.eval_on_selector_all("a[href]", "(all) => all.map((one) => one.href)")
    assert [link for link in links if not link.startswith(tab.address)] == []
    assert await tab.page.evaluate("({}).polluted") is None
    await tab.fine()


async def test_secrets_are_masked_in_the_page(site: Site) -> None:
    for path in (*HOSTILE, "/queues/email/job?id=one-megabyte&tab=data"):
        tab = await site.open(path)
        assert "hunter2" not in await tab.page.content()
        await tab.page.close()


async def test_the_policy_stops_what_would_get_into_the_page(site: Site) -> None:
    tab = await site.open()
    await tab.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.append("globalThis.broken = true");
            document.body.append(script);
            const image = document.createElement("img");
            image.src = "http://127.0.0.2:1/pixel.png";
            document.body.append(image);
        }"""
    )

    async def stopped() -> bool:
        return await tab.page.evaluate("globalThis.violations.length") >= 2

    await wait_until(stopped)
    assert await tab.page.evaluate("globalThis.broken") is None


async def test_text_can_not_become_markup_or_a_script_in_the_page(site: Site) -> None:
    """Trusted Types: even a mistake in the page's own code could not make job data run."""
    tab = await site.open("/queues/email/job?id=hostile-data")
    refused = await tab.page.evaluate(
        """() => {
            const tries = {
                html: () => { document.body.innerHTML = "<img src=x onerror='globalThis.broken = true'>"; },
                outer: () => { document.querySelector("h1").outerHTML = "<b>x</b>"; },
                insert: () => document.body.insertAdjacentHTML("beforeend", "<b>x</b>"),
                text: () => { document.createElement("script").text = "globalThis.broken = true"; },
                source: () => { document.createElement("script").src = "https://example.com/x.js"; },
                parse: () => new DOMParser().parseFromString("<b>x</b>", "text/html"),
                frame: () => { document.createElement("iframe").srcdoc = "<script>1</script>"; },
                policy: () => trustedTypes.createPolicy("mine", { createHTML: (text) => text }),
            };
            return Object.entries(tries).filter(([, run]) => {
                try { run(); return false; } catch (error) { return error instanceof TypeError; }
            }).map(([name]) => name);
        }"""
    )
    assert refused == ["html", "outer", "insert", "text", "source", "parse", "frame", "policy"]
    assert await tab.page.evaluate("globalThis.broken") is None


async def test_the_page_works_although_text_is_never_trusted(site: Site) -> None:
    """What the page does by itself breaks none of these rules: each of its parts is opened once."""
    tab = await site.open("/queues/email?state=failed")
    page = tab.page
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    for opener in ("Columns", "Views", "Export", "Any time"):
        await page.get_by_role("button", name=opener).click()
        await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Add job", exact=True).click()
    await page.get_by_role("textbox", name="Data").fill('{"a": 1}')
    await page.keyboard.press("Escape")
    for path in ("/queues/email/job?id=three-attempts", "/queues/reports/flow?id=yearly", "/metrics", "/schedulers"):
        await tab.go(path)
    await tab.fine()


async def test_the_page_can_not_be_framed_by_another_one(site: Site) -> None:
    page = await site.context.new_page()
    await page.goto("data:text/html,<h1>another site</h1>")
    await page.evaluate(
        """(address) => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.src = address;
            frame.onload = done;
            document.body.append(frame);
        })""",
        site.address + "/",
    )
    assert len(page.frames) == 2
    for frame in page.frames:
        assert "oxcart-config" not in await frame.content()


async def test_a_page_elsewhere_can_change_nothing(site: Site, open_site: OpenSite) -> None:
    other = await open_site()  # another port is another origin
    tab = await other.open()
    answer = await tab.page.evaluate(
        """async (address) => {
            const pause = address + "/api/v1/queues/email/pause";
            const ask = (headers) => fetch(pause, {method: "POST", headers, body: "{}"})
                .then((response) => response.status).catch(() => "blocked");
            return [await ask({"content-type": "application/json", "x-oxcart": "1"}),
                await ask({"content-type": "text/plain"})];
        }""",
        site.address,
    )
    assert all(one == "blocked" or one >= 400 for one in answer)
    own = await site.open("/queues/email")
    await expect(own.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()


async def test_read_only_shows_no_action(open_site: OpenSite) -> None:
    site = await open_site(read_only=True)
    for path, names in {
        "/queues/email?state=failed": ("Pause", "Add job", "Retry", "Remove"),
        "/queues/email/job?id=three-attempts": ("Retry", "Remove", "Edit data", "Edit data and retry", "Duplicate"),
        "/schedulers": ("Run now", "Remove"),
        "/failures": ("Retry", "Remove"),
    }.items():
        tab = await site.open(path)
        for name in names:
            assert await tab.page.get_by_role("button", name=name, exact=True).count() == 0, (path, name)
        await tab.fine()


async def test_read_only_lets_jobs_be_selected_for_looking_at_them_only(open_site: OpenSite) -> None:
    site = await open_site(read_only=True)
    tab = await site.open("/queues/email?state=failed")
    boxes = tab.page.get_by_role("checkbox", name=re.compile("^Select job"))
    await boxes.nth(0).check()
    await boxes.nth(1).check()
    bar = tab.page.get_by_role("toolbar", name="Selected jobs")
    await expect(bar.get_by_role("link", name="Compare")).to_be_visible()
    await expect(bar.get_by_role("button")).to_have_text(["Export", ""])
    await tab.fine()


async def test_who_may_do_nothing_with_many_jobs_can_not_select_any(open_site: OpenSite) -> None:
    auth = basic({"eve": "a long password"}, access={"eve": Access("eve", role="view")})
    site = await open_site(auth=auth, view={"http_credentials": {"username": "eve", "password": "a long password"}})
    tab = await site.open("/queues/email?state=failed")
    await expect(tab.page.get_by_role("table", name="Jobs")).to_be_visible()
    assert await tab.page.get_by_role("checkbox").count() == 0
    assert await tab.page.get_by_role("button", name="Export").count() == 0


async def test_a_user_sees_only_the_queues_and_pages_that_are_allowed(open_site: OpenSite) -> None:
    auth = basic({"eve": "a long password"}, access={"eve": Access("eve", role="view", queues=("email",))})
    site = await open_site(auth=auth, view={"http_credentials": {"username": "eve", "password": "a long password"}})
    tab = await site.open()
    navigation = tab.page.get_by_role("navigation", name="Queues")
    await expect(navigation.get_by_role("link")).to_have_count(1)
    main = tab.page.get_by_role("navigation", name="Main")
    for name in ("Redis", "Audit"):
        assert await main.get_by_role("link", name=name).count() == 0
    assert "reports" not in await tab.page.content()
    assert not [one for one in tab.problems if "401" not in one]
