"""Payloads: what JSON can carry arrives whole, and the rest is refused before anything is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oxcart import PayloadError
from oxcart.protocol import wire
from oxcart.protocol.calls.add import Preparer
from oxcart.protocol.record import JobRecord


@dataclass
class Point:
    x: int
    y: float


class Model(pydantic.BaseModel):
    name: str


class Struct(msgspec.Struct):
    name: str


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True, "ü"]}, '{"a":[1,2.5,null,true,"ü"]}'),
        (None, "null"),
        (Point(1, 2.5), '{"x":1,"y":2.5}'),
        (Model(name="a"), '{"name":"a"}'),
        ([Struct(name="a")], '[{"name":"a"}]'),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00+00:00"'),
        ((1, 2), "[1,2]"),
        (2**63, "9223372036854775808"),
    ],
)
def test_what_json_can_carry_is_encoded(value: Any, text: str) -> None:
    assert wire.encode(value) == text


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        {"deep": [{"er": float("inf")}]},
        Point(1, float("nan")),
        Decimal("NaN"),
        {1: "a"},
        {"a": {1, 2}},
        object(),
        b"bytes",
        CYCLE,
        2**65,
        "\ud800",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_carry_is_refused_by_name(value: Any) -> None:
    with pytest.raises(PayloadError, match="the data of job 'x'"):
        Preparer(None, lambda: 0).prepare("x", value, {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [0, 1, {"b": {1, 2}}]}, "data.a[2].b is of type set, which JSON doesn't have"),
        ({"a": {1: "x"}}, "data.a has a key that isn't a text: 1"),
        ({"first name": object()}, "data['first name'] is of type object, which JSON doesn't have"),
        ([None, Point(1, float("nan"))], "data[1].y is nan, which is no number that JSON has"),
        ({"price": Decimal("NaN")}, "data.price is Decimal('NaN'), which is no number that JSON has"),
        (Struct(name=b"x"), "data.name is of type bytes, which JSON doesn't have"),  # pyright: ignore[reportArgumentType]
        ({"n": 2**65}, "data.n is a whole number of more than 64 bits: send it as text"),
        ({"s": "\ud800"}, "data.s has half a character in it (a lone surrogate)"),
        (CYCLE, "data[0] contains itself"),
        (b"bytes", "data is of type bytes, which JSON doesn't have"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_place_of_what_json_cannot_carry_is_named(value: Any, text: str) -> None:
    with pytest.raises(PayloadError) as caught:
        Preparer(None, lambda: 0).prepare("x", value, {})
    assert str(caught.value) == f"the data of job 'x' can't be sent as JSON: {text}"


def test_what_is_nested_too_deeply_is_refused_in_a_short_line() -> None:
    value: Any = None
    for _ in range(2000):
        value = [value]
    with pytest.raises(PayloadError, match="nested too deeply") as caught:
        wire.encode(value, "the result of job 2")
    assert str(caught.value).startswith("the result of job 2 can't be sent as JSON: result[0][0]")
    assert len(str(caught.value)) < 300


def test_data_over_the_size_limit_is_refused_with_both_numbers() -> None:
    with pytest.raises(PayloadError, match="14 bytes; size_limit is 13"):
        Preparer(None, lambda: 0).prepare("x", {"a": "üüü"}, {"size_limit": 13})


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
PAYLOADS = st.recursive(SCALARS | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(PAYLOADS)
def test_a_payload_comes_back_as_it_was_sent(value: Any) -> None:
    assert wire.decode(wire.encode(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e400", float("inf")), ('"\\ud800"', "\ud800"), (str(2**70), 2**70), ('{"a":1,"a":2}', {"a": 2})],
)
def test_what_javascript_may_write_is_read(text: str, value: Any) -> None:
    assert wire.decode(text) == value


@pytest.mark.parametrize("text", ["{", "NaN", "[Infinity]", '"\udcff"', "[" * 100_000, "", "undefined"])
def test_what_is_no_json_is_unreadable_and_nothing_worse(text: str) -> None:
    with pytest.raises(wire.Unreadable):
        wire.decode(text)


FIELDS = "name data opts timestamp priority progress parent stacktrace returnvalue atm delay processedOn".split()
BYTES = st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), st.text() | BYTES | ANY_JSON))
def test_any_hash_can_be_looked_at(fields: dict[str, str]) -> None:
    from oxcart.aio.job import show
    from oxcart.protocol.keys import Keys

    job = show(JobRecord("1", fields), Keys("q"), None)  # pyright: ignore[reportArgumentType]
    for name in dir(type(job)):
        if isinstance(getattr(type(job), name, None), property):
            getattr(job, name)
    repr(job)
