"""Schemas of jobs' data are given to the page, and what is given is checked against them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from oxcart import Connection, OptionsError, Queue
from oxcart.dashboard import Dashboard
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.forms import Forms, place_of
from oxcart.dashboard.handlers import acting
from tests.dashboard.conftest import Open, ask_for

HAS_JSONSCHEMA = importlib.util.find_spec("jsonschema") is not None


class Address(BaseModel):
    city: str
    zip_codes: list[int] = []


class Welcome(BaseModel):
    """Greets somebody new."""

    user_id: int = Field(alias="userId", ge=1)
    kind: Literal["mail", "sms"] = "mail"
    address: Address | None = None


@dataclass
class Point:
    x: int
    y: int = 0


class Size(TypedDict):
    width: int


DIGEST = {
    "type": "object",
    "properties": {"pages": {"type": "integer", "minimum": 1}, "to": {"type": "array", "items": {"type": "string"}}},
    "required": ["pages"],
}


def refusal_of(forms: Forms, name: str, data: Any) -> str | None:
    try:
        forms.check("email", name, data)
    except Refusal as refusal:
        assert (refusal.status, refusal.error) == (400, "invalid")
        return refusal.message
    return None


@pytest.fixture
def forms() -> Forms:
    return Forms({"email": {"welcome": Welcome, "point": Point, "size": Size, "digest": DIGEST}})


def test_each_kind_becomes_a_json_schema(forms: Forms) -> None:
    schemas = {name: form.schema for name, form in forms.of("email").items()}
    assert schemas["welcome"]["description"] == "Greets somebody new."
    assert schemas["welcome"]["required"] == ["userId"] and "Address" in schemas["welcome"]["$defs"]
    assert schemas["point"]["required"] == ["x"]
    assert schemas["size"]["properties"]["width"]["type"] == "integer"
    assert schemas["digest"] == DIGEST and schemas["digest"] is not DIGEST
    assert forms.of("other") == {}


def test_data_that_fit_are_taken(forms: Forms) -> None:
    for name, data in (
        ("welcome", {"userId": 7, "address": {"city": "Kyiv"}}),
        ("point", {"x": 1}),
        ("size", {"width": 2}),
        ("digest", {"pages": 1}),
        ("unknown", "anything"),
    ):
        assert refusal_of(forms, name, data) is None


def test_what_does_not_fit_is_told_with_its_place(forms: Forms) -> None:
    text = refusal_of(forms, "welcome", {"userId": 0, "kind": "fax", "address": {"zip_codes": [1, "a"]}})
    assert text is not None
    for place in ("data.userId: ", "data.kind: ", "data.address.city: ", "data.address.zip_codes[1]: "):
        assert place in text
    assert (refusal_of(forms, "point", {}) or "").startswith("data.x: ")
    assert (refusal_of(forms, "size", {"width": "wide"}) or "").startswith("data.width: ")
    assert (refusal_of(forms, "point", None) or "").startswith("data: ")


def test_only_some_errors_are_told(forms: Forms) -> None:
    text = refusal_of(forms, "welcome", {"userId": 1, "address": {"city": "x", "zip_codes": ["a" * 9999] * 100}})
    assert text is not None and text.endswith("; and more") and len(text) < 3000


@pytest.mark.skipif(not HAS_JSONSCHEMA, reason="jsonschema is not installed")
def test_a_plain_schema_checks_where_the_library_for_it_is_there(forms: Forms) -> None:
    assert (refusal_of(forms, "digest", {"pages": 0}) or "").startswith("data.pages: ")
    assert (refusal_of(forms, "digest", {"pages": 1, "to": ["a", 5]}) or "").startswith("data.to[1]: ")
    assert (refusal_of(forms, "digest", {}) or "").startswith("data: ")
    with pytest.raises(OptionsError, match=r"schemas\['email'\]\['x'\]: not a JSON Schema"):
        Forms({"email": {"x": {"type": "object", "properties": 5}}})


def test_references_within_a_schema_are_followed() -> None:
    tree = {
        "$defs": {"a/b": {"type": "integer"}, "node": {"$anchor": "node", "properties": {"next": {"$ref": "#node"}}}},
        "properties": {"n": {"$ref": "#/$defs/a~1b"}, "node": {"$ref": "#/$defs/node"}, "self": {"$ref": "#"}},
        "default": {"$ref": "only data"},
    }
    forms = Forms({"email": {"tree": tree}})
    assert refusal_of(forms, "tree", {"n": 5, "node": {"next": {"next": {}}}, "self": {"self": {}}}) is None
    if HAS_JSONSCHEMA:
        assert (refusal_of(forms, "tree", {"self": {"n": "x"}}) or "").startswith("data.self.n: ")


@pytest.mark.skipif(not HAS_JSONSCHEMA, reason="jsonschema is not installed")
def test_a_message_does_not_repeat_what_may_be_a_secret() -> None:
    schema = {"properties": {"password": {"type": "string", "maxLength": 3}, "pin": {"enum": ["1"]}, "x": DIGEST}}
    forms = Forms({"email": {"login": schema}})
    text = refusal_of(forms, "login", {"password": "hunter2", "pin": "hunter2", "x": {"pages": "hunter2"}})
    assert text is not None and "hunter2" not in text and text.count("data.") == 3


def test_a_plain_schema_makes_a_form_only_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    forms = Forms({"email": {"digest": DIGEST}})
    assert forms.of("email")["digest"].check is None
    assert refusal_of(forms, "digest", {"pages": 0}) is None


def test_without_pydantic_its_kinds_are_told_to_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(OptionsError, match="need pydantic"):
        Forms({"email": {"point": Point}})


class Odd:
    @staticmethod
    def model_json_schema() -> Any:
        raise RuntimeError("no")


class Callback(BaseModel):
    call: Callable[[], None]


@pytest.mark.parametrize(
    "schemas",
    [
        [],
        "email",
        {"email": Welcome},
        {"email": {"": DIGEST}},
        {5: {"welcome": Welcome}},
        {"email": {"x": "object"}},
        {"email": {"x": 5}},
        {"email": {"x": None}},
        {"email": {"x": object()}},
        {"email": {"x": int}},
        {"email": {"x": {"type": "objekt"}}},
        {"email": {"x": {"type": 5}}},
        {"email": {"x": {"default": {1, 2}}}},
        {"email": {"x": {"default": float("nan")}}},
        {"email": {"x": Odd}},
        {"email": {"x": {"$ref": "#/$defs/gone"}}},
        {"email": {"x": {"items": {"$ref": "https://example.com/schema.json"}}}},
        {"email": {"x": {"allOf": [{"$ref": "other.json"}, {"$ref": "#nowhere"}]}}},
        {"email": {"x": Callback}},
    ],
)
def test_what_is_no_schema_is_told_at_once(schemas: Any) -> None:
    with pytest.raises(OptionsError, match=r"^schemas"):
        Dashboard(schemas=schemas)


def test_places_are_as_a_search_takes_them() -> None:
    assert place_of(["a", 0, "b-c", "d e", "\x00"]) == "data.a[0].b-c['d e']['\\x00']"


@pytest.mark.parametrize("value", [float("inf"), "\ud800", 2**70, "x" * 1_000_000, [[[]]] * 50])
def test_strange_values_are_refused_or_taken_but_break_nothing(forms: Forms, value: Any) -> None:
    for name in ("welcome", "point", "size", "digest"):
        for data in (value, {"userId": value}, {"x": value}, [value]):
            text = refusal_of(forms, name, data)
            assert text is None or len(text) < 3000


def test_what_is_nested_too_deeply_is_refused(forms: Forms) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in (refusal_of(forms, "point", {"x": deep}) or "")


# --------------------------------------------------------------------------------------------------- in the dashboard


@pytest.fixture
def board(connection: Connection, queue: Queue) -> Board:
    return Board(connection, queues=[queue.name], forms=Forms({queue.name: {"welcome": Welcome}}))


async def test_jobs_are_added_if_they_fit(board: Board, queue: Queue) -> None:
    with pytest.raises(Refusal) as told:
        await acting.add(board, ask_for(queue.name, {"name": "welcome", "data": {"userId": "no"}}))
    assert told.value.status == 400 and told.value.message.startswith("data.userId: ")
    with pytest.raises(Refusal):
        await acting.add(board, ask_for(queue.name, {"name": "welcome"}))
    await acting.add(board, ask_for(queue.name, {"name": "welcome", "data": {"userId": 7, "more": True}}))
    await acting.add(board, ask_for(queue.name, {"name": "other", "data": {"userId": "no"}}))
    assert (await queue.counts())["waiting"] == 2
    [job, _] = await queue.jobs("waiting", ascending=True)
    assert job.data == {"userId": 7, "more": True}  # as it was given, with nothing added or taken away
    await queue.drain()


async def test_data_are_changed_if_they_fit(board: Board, queue: Queue) -> None:
    job = await queue.add("welcome", {"userId": 1})
    with pytest.raises(Refusal) as told:
        await acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"userId": -1}}))
    assert told.value.status == 400
    await acting.data(board, ask_for(queue.name, {"id": job.id, "data": {"userId": 2}}))
    stored = await queue.job(job.id)
    assert stored is not None and stored.data == {"userId": 2}
    await queue.drain()


async def test_the_page_gets_them_for_one_queue(open_dashboard: Open, queue: Queue) -> None:
    api = open_dashboard(queues=[queue.name], schemas={queue.name: {"welcome": Welcome}, "other": {"x": DIGEST}})
    found = (await api.get(f"/api/v1/queues/{queue.name}/schemas")).json()
    assert set(found["schemas"]) == {"welcome"}
    assert (await api.get("/api/v1/queues/other/schemas")).status_code == 404
    assert (await open_dashboard(queues=["a"]).get("/api/v1/queues/a/schemas")).json() == {"schemas": {}}
