"""Adding jobs in a real browser: by a form made from a schema, as JSON, and how they are to run."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect
from pydantic import BaseModel, Field, field_validator

from oxcart import Connection, Queue
from tests.conftest import RedisServer, wait_until
from tests.dashboard.browser.conftest import OpenSite, Tab

RECEIPT: dict[str, Any] = {
    "type": "object",
    "required": ["to", "order"],
    "$defs": {"Address": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}},
    "properties": {
        "to": {"type": "string", "format": "email", "description": "Who gets it."},
        "order": {"type": "integer", "minimum": 1},
        "total": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "kind": {"enum": ["plain", "html"], "default": "html"},
        "copy": {"type": "boolean", "default": False},
        "due": {"type": "string", "format": "date-time"},
        "address": {"$ref": "#/$defs/Address"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
    },
}


class Welcome(BaseModel):
    """Has a rule that no JSON Schema tells."""

    to: str = Field(min_length=3)

    @field_validator("to")
    @classmethod
    def known(cls, value: str) -> str:
        if value != "ada@example.com":
            raise ValueError("nobody has this address")
        return value


@dataclass
class Adding:
    """The dialog over a queue that belongs to one test."""

    tab: Tab
    queue: Queue

    @property
    def page(self) -> Page:
        return self.tab.page

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def field(self, label: str) -> Locator:
        return self.dialog.get_by_label(label, exact=True)

    @property
    def json(self) -> Locator:
        return self.dialog.get_by_role("textbox", name="Data", exact=True)

    async def name(self, name: str) -> None:
        await self.dialog.get_by_role("combobox", name="Name").fill(name)

    async def show(self, how: str) -> None:
        await self.dialog.get_by_role("group", name="How to edit the data").get_by_role("button", name=how).click()

    async def add(self) -> None:
        await self.dialog.get_by_role("button", name="Add job").click()

    async def only_job(self) -> Any:
        """The one job that was added, once it is there."""

        async def there() -> bool:
            return len(await self.queue.jobs()) == 1

        await wait_until(there)
        return (await self.queue.jobs())[0]


async def opened(site: Any, queue: Queue) -> Adding:
    tab = await site.open("/queues/email")
    await tab.page.get_by_role("button", name="Add job", exact=True).click()
    await expect(tab.page.get_by_role("dialog")).to_be_visible()
    return Adding(tab, queue)


@pytest_asyncio.fixture(loop_scope="session")
async def own(redis_server: RedisServer) -> AsyncIterator[Queue]:
    async with Connection(redis_server.url) as connection:
        yield Queue("email", connection=connection, prefix=f"add{secrets.token_hex(4)}")


@pytest_asyncio.fixture(loop_scope="session")
async def adding(open_site: OpenSite, own: Queue) -> Adding:
    schemas = {"email": {"receipt": RECEIPT, "welcome": Welcome}}
    site = await open_site(prefix=own.keys.queue_prefix, queues=["email"], schemas=schemas)
    return await opened(site, own)


async def test_a_job_is_added_by_a_form_made_from_its_schema(adding: Adding) -> None:
    await adding.name("receipt")
    await adding.field("to").fill("ada@example.com")
    await adding.field("order").fill("12345678901234567890")
    await adding.field("total").fill("19.90")
    await adding.field("kind").select_option("plain")
    await adding.field("copy").check()
    await adding.dialog.get_by_role("button", name="address").click()
    await adding.field("city").fill("Lyon")
    await adding.dialog.get_by_role("button", name="tags").click()
    await adding.field("tag 1").fill("first")
    await adding.dialog.get_by_role("button", name="Add tag").click()
    await adding.field("tag 2").fill("second")
    await adding.add()
    await expect(adding.dialog).to_be_hidden()
    job = await adding.only_job()
    assert job.name == "receipt"
    assert job.data == {
        "kind": "plain",
        "copy": True,
        "to": "ada@example.com",
        "order": 12345678901234567890,
        "total": 19.9,
        "address": {"city": "Lyon"},
        "tags": ["first", "second"],
    }
    await adding.tab.fine()


async def test_a_form_says_at_the_field_what_is_wrong(adding: Adding) -> None:
    await adding.name("receipt")
    await adding.add()
    await expect(adding.field("to")).to_be_focused()
    await expect(adding.field("to")).to_have_accessible_description("This is needed.")
    await adding.field("to").fill("ada")
    await expect(adding.field("to")).to_have_accessible_description("An address such as ada@example.com.")
    await adding.field("order").fill("0")
    await expect(adding.field("order")).to_have_accessible_description("At least 1.")
    await adding.field("order").fill("7a")
    await expect(adding.field("order")).to_have_accessible_description("A whole number is wanted, not a text.")
    await adding.field("order").fill("7")
    await adding.field("to").fill("ada@example.com")
    await expect(adding.field("order")).to_have_attribute("aria-invalid", "false")
    await adding.add()
    assert (await adding.only_job()).data["order"] == 7


async def test_nothing_is_lost_between_form_and_json(adding: Adding) -> None:
    await adding.name("receipt")
    await adding.show("JSON")
    await adding.json.fill('{"id": 9007199254740993, "to": "ada@example.com", "order": 1.0, "odd": {"a": [null]}}')
    await adding.show("Form")
    await adding.field("to").fill("grace@example.com")
    await adding.show("JSON")
    text = await adding.json.input_value()
    assert '"id": 9007199254740993' in text
    assert '"to": "grace@example.com"' in text
    assert '"odd": {' in text
    await adding.show("Form")
    await adding.field("order").fill("12a")
    await adding.field("odd (JSON)").fill('{"a": [')
    await adding.show("JSON")
    text = await adding.json.input_value()
    assert '"order": "12a"' in text
    assert '"odd": {"a": [' in text
    # What can't be read yet can't be shown as a form, but stays.
    await expect(adding.dialog.get_by_role("button", name="Form", exact=True)).to_be_disabled()
    await adding.tab.fine()


async def test_what_a_form_can_not_show_is_json_in_its_place(adding: Adding) -> None:
    await adding.name("receipt")
    await adding.field("to").fill("ada@example.com")
    await adding.field("order").fill("1")
    await adding.dialog.get_by_role("button", name="extra").click()
    await adding.field("extra (JSON)").fill('{"deep": [1, {"x": null}]}')
    await adding.add()
    assert (await adding.only_job()).data["extra"] == {"deep": [1, {"x": None}]}


async def test_what_the_server_refuses_is_said_at_its_field(adding: Adding) -> None:
    await adding.name("welcome")
    await adding.field("To").fill("bob@example.com")
    await adding.add()
    await expect(adding.field("To")).to_have_accessible_description("Value error, nobody has this address.")
    assert [problem for problem in adding.tab.problems if "400" not in problem] == []
    await adding.field("To").fill("ada@example.com")
    await adding.add()
    assert (await adding.only_job()).data == {"to": "ada@example.com"}


async def test_what_is_typed_as_soon_as_a_field_is_there_stays(adding: Adding) -> None:
    """Typed before the browser has painted the field: a busy machine makes that a long time."""
    await expect(adding.dialog.locator("datalist option[value=welcome]")).to_have_count(1)
    await adding.page.evaluate(
        """async () => {
          const fill = (box, text) => {
            box.value = text;
            box.dispatchEvent(new Event("input", { bubbles: true }));
          };
          const dialog = document.querySelector("dialog");
          fill(dialog.querySelector("[data-first]"), "welcome");
          for (let turn = 0; turn < 100 && !dialog.querySelector(".add-data input"); turn++) await null;
          fill(dialog.querySelector(".add-data input"), "bob@example.com");
        }"""
    )
    await adding.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 200)))")
    await expect(adding.field("To")).to_have_value("bob@example.com")


async def test_a_schema_is_no_wall(open_site: OpenSite, own: Queue) -> None:
    """The server decides; where it can't check, what looks wrong may be added anyway."""
    site = await open_site(prefix=own.keys.queue_prefix, queues=["email"])
    schemas = {"schemas": {"receipt": RECEIPT}}
    await site.context.route("**/api/v1/queues/email/schemas", lambda route: route.fulfill(json=schemas))
    adding = await opened(site, own)
    await adding.name("receipt")
    await adding.field("to").fill("nobody")
    await adding.add()
    await expect(adding.dialog.get_by_text("2 places in the data")).to_be_visible()
    await adding.dialog.get_by_role("button", name="Add anyway").click()
    assert (await adding.only_job()).data["to"] == "nobody"


async def test_options_are_given_by_fields_and_the_rest_as_json(adding: Adding) -> None:
    await adding.name("plain")
    await adding.json.fill('{"n": 1}')
    for label, value in {"Delay": "2h", "Priority": "3", "Attempts": "5", "Id": "mine-1"}.items():
        await adding.field(label).fill(value)
    await adding.field("Pause between").select_option("exponential")
    await adding.field("How long").fill("10s")
    await adding.field("Keep completed").fill("100, 7d")
    await adding.field("Keep failed").fill("none")
    await adding.dialog.get_by_text("Other options", exact=True).click()
    await adding.field("Other options").fill('{"keepLogs": 5}')
    await adding.add()
    job = await adding.only_job()
    assert (job.id, job.delay, job.priority) == ("mine-1", 7200, 3)
    options = cast(dict[str, Any], job.options)
    assert (options["attempts"], options["backoff"].delay_ms, options["keep_logs"]) == (5, 10_000, 5)
    assert (options["remove_on_complete"].count, options["remove_on_complete"].age) == (100, 7 * 86_400)
    assert options["remove_on_fail"] is True
    await adding.tab.fine()


async def test_options_that_are_wrong_are_said_at_their_field(adding: Adding) -> None:
    await adding.name("plain")
    await adding.field("Delay").fill("soon")
    await expect(adding.field("Delay")).to_have_accessible_description("A length of time, such as 30s or 2h.")
    await adding.add()
    await expect(adding.field("Delay")).to_be_focused()
    await adding.field("Delay").fill("")
    await adding.dialog.get_by_text("Other options", exact=True).click()
    await adding.field("Other options").fill('{"bogus": 1}')
    await adding.add()
    await expect(adding.field("Other options")).to_have_attribute("aria-invalid", "true")
    assert await adding.queue.jobs() == []


async def test_several_jobs_are_added_one_after_the_other(adding: Adding) -> None:
    await adding.name("plain")
    for number in (1, 2):
        await adding.json.fill(f'{{"n": {number}}}')
        await adding.dialog.get_by_role("button", name="Add and stay").click()
        await expect(adding.dialog.get_by_text("Added as job")).to_be_visible()
    await adding.dialog.get_by_role("button", name="Close", exact=True).last.click()
    assert sorted(job.data["n"] for job in await adding.queue.jobs()) == [1, 2]
    await adding.tab.fine()


async def test_names_are_suggested_that_have_a_schema_or_were_seen(open_site: OpenSite, own: Queue) -> None:
    await own.add("seen-before", {})
    site = await open_site(prefix=own.keys.queue_prefix, queues=["email"], schemas={"email": {"receipt": RECEIPT}})
    adding = await opened(site, own)
    options = adding.dialog.locator("datalist option")

    async def offered() -> bool:  # each kind comes with an answer of its own
        return await options.evaluate_all("(all) => all.map((one) => one.value)") == ["receipt", "seen-before"]

    await wait_until(offered)


async def test_the_call_is_copied_for_a_shell(adding: Adding) -> None:
    await adding.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await adding.name("plain")
    await adding.json.fill('{"text": "it\'s \\"quoted\\" $HOME"}')
    await adding.dialog.get_by_role("button", name="Copy as curl").click()
    await expect(adding.page.get_by_text("Copied.").first).to_be_visible()
    text = await adding.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith(f"curl {adding.tab.address}/api/v1/queues/email/add ")
    assert "it'\\''s" in text


async def test_a_duplicate_begins_with_what_the_other_job_has(open_site: OpenSite, own: Queue) -> None:
    await own.add("receipt", {"to": "ada@example.com", "order": 7, "more": 1}, attempts=4, job_id="first")
    site = await open_site(prefix=own.keys.queue_prefix, queues=["email"], schemas={"email": {"receipt": RECEIPT}})
    tab = await site.open("/queues/email/job?id=first")
    await tab.page.get_by_role("button", name="Duplicate").click()
    adding = Adding(tab, own)
    await expect(adding.field("to")).to_have_value("ada@example.com")
    await expect(adding.field("Attempts")).to_have_value("4")
    await expect(adding.field("Id")).to_have_value("")
    await adding.field("order").fill("8")
    await adding.add()
    await expect(tab.page).not_to_have_url(f"{tab.address}/queues/email/job?id=first")
    added = next(job for job in await own.jobs() if job.id != "first")
    assert added.data == {"to": "ada@example.com", "order": 8, "more": 1}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_form_is_accessible(open_site: OpenSite, own: Queue, scheme: str) -> None:
    view = {"color_scheme": scheme, "reduced_motion": "reduce"}
    schemas = {"email": {"receipt": RECEIPT}}
    adding = await opened(
        await open_site(prefix=own.keys.queue_prefix, queues=["email"], schemas=schemas, view=view), own
    )
    await adding.name("receipt")
    for name in ("address", "tags", "extra"):
        await adding.dialog.get_by_role("button", name=name).click()
    await adding.add()
    await expect(adding.field("to")).to_have_attribute("aria-invalid", "true")
    assert await adding.tab.accessibility() == []
    await adding.show("JSON")
    assert await adding.tab.accessibility() == []


async def test_the_form_fits_a_phone(open_site: OpenSite, own: Queue) -> None:
    view = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    schemas = {"email": {"receipt": RECEIPT}}
    adding = await opened(
        await open_site(prefix=own.keys.queue_prefix, queues=["email"], schemas=schemas, view=view), own
    )
    await adding.name("receipt")
    for name in ("address", "tags", "extra"):
        await adding.dialog.get_by_role("button", name=name).click()
    body = adding.dialog.locator(".dialog-body")
    assert await body.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0


async def test_a_job_is_added_by_keys_alone(adding: Adding) -> None:
    keyboard = adding.page.keyboard
    await expect(adding.dialog.get_by_role("combobox", name="Name")).to_be_focused()
    await keyboard.type("welcome")
    await expect(adding.field("To")).to_be_visible()
    await keyboard.press("Tab")  # Form
    await keyboard.press("Tab")  # JSON
    await keyboard.press("Tab")
    await expect(adding.field("To")).to_be_focused()
    await keyboard.type("ada@example.com")
    await keyboard.press("Enter")
    await expect(adding.dialog).to_be_hidden()
    assert (await adding.only_job()).data == {"to": "ada@example.com"}
