"""The description of the API: it says what is there, and answers are as it says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

import oxcart.dashboard
from oxcart import Queue
from oxcart.dashboard import shapes
from oxcart.dashboard.openapi import document, schema_of
from oxcart.dashboard.parameters import BODIES, FILES, PARAMETERS
from oxcart.dashboard.routes import ROUTES

FOLDER = Path(oxcart.dashboard.__file__).parent
DOCUMENT = document("/admin", ROUTES)
SCHEMAS = DOCUMENT["components"]["schemas"]


def misfits(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """Where a value is not as its schema says: as much of JSON Schema as the description uses."""
    if (reference := schema.get("$ref")) is not None:
        return misfits(value, SCHEMAS[reference.rsplit("/", 1)[1]], where)
    if (kinds := schema.get("anyOf")) is not None:
        tried = [misfits(value, one, where) for one in kinds]
        return [] if any(not found for found in tried) else min(tried, key=len)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    kind = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}.get(
        schema.get("type", "")
    )
    if kind is not None and not isinstance(value, kind):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if schema.get("type") == "integer" and (not isinstance(value, int) or isinstance(value, bool)):
        return [f"{where}: {value!r} is no whole number"]
    if schema.get("type") == "number" and (not isinstance(value, int | float) or isinstance(value, bool)):
        return [f"{where}: {value!r} is no number"]
    found: list[str] = []
    if isinstance(value, list) and "items" in schema:
        for at, item in enumerate(cast(list[Any], value)):
            found += misfits(item, schema["items"], f"{where}[{at}]")
    if isinstance(value, dict) and "properties" in schema:
        members = cast(dict[str, Any], value)
        found += [f"{where}: {name} is missing" for name in schema["required"] if name not in members]
        for name, item in members.items():
            inner = schema["properties"].get(name)
            found += [f"{where}: {name} is too much"] if inner is None else misfits(item, inner, f"{where}.{name}")
    return found


def test_every_route_and_shape_is_described() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(route.method, route.path) for route in ROUTES} | {("GET", "/live"), ("POST", "/mcp")}
    assert {"Board", "JobDetail", "FlowNode", "Problem", "Tick"} <= set(SCHEMAS)
    assert DOCUMENT["servers"] == [{"url": "/admin/api/v1"}]
    identities = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(identities) == len(set(identities))
    for methods in DOCUMENT["paths"].values():
        for one in methods.values():
            assert one["summary"], one["operationId"]
            assert one["responses"]["200"]["content"]


def test_a_member_that_may_be_left_out_is_not_required() -> None:
    schemas: dict[str, Any] = {}
    schema_of(shapes.Done, schemas)
    assert schemas["Done"]["required"] == ["done", "text"] and "id" in schemas["Done"]["properties"]
    schema_of(shapes.QueueDetail, schemas)
    assert {"name", "p95"} <= set(schemas["QueueDetail"]["required"])
    assert schemas["Counts"]["properties"]["failed"] == {"type": "integer"}


def test_what_is_described_of_paths_is_about_paths_that_are_there() -> None:
    assert set(PARAMETERS) <= {route.path for route in ROUTES if route.method == "GET"}
    assert set(BODIES) == {route.path for route in ROUTES if route.method == "POST"}


def test_every_word_that_a_handler_asks_the_query_for_is_described() -> None:
    asked: set[str] = set()
    for file in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                on_ask = re.search(r"\bask$", ast.unparse(node.func.value)) is not None
                if node.func.attr in ("text", "whole", "flag", "one_of") and on_ask and isinstance(first, ast.Constant):
                    asked.add(str(first.value))
    described = {name for rows in PARAMETERS.values() for name in rows}
    assert asked and asked <= described


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.path)
async def test_answers_are_as_they_are_described(api: httpx.AsyncClient, queue: Queue, route: Any) -> None:
    job = await queue.add("welcome", {"userId": "u1"}, attempts=3)
    await job.log("hello")
    await queue.upsert_scheduler("digest", cron="0 8 * * *")
    await api.post(f"/api/v1/queues/{queue.name}/pause", json={})
    start = {"action": "remove", "ids": ["none"]}
    task = (await api.post(f"/api/v1/queues/{queue.name}/bulk", json=start)).json()
    assert misfits(task, SCHEMAS["Task"]) == []
    path = route.path.replace("{queue}", queue.name).replace("{task}", task["id"])
    answer = await api.get(f"/api/v1{path}", params={"id": job.id, "state": "waiting"})
    assert answer.status_code == 200, answer.text
    if route.path in FILES:
        assert answer.headers["content-type"].partition(";")[0] in FILES[route.path]
        return
    described = DOCUMENT["paths"][route.path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert misfits(answer.json(), described) == []


async def test_problems_are_as_they_are_described(api: httpx.AsyncClient) -> None:
    for answer in (await api.get("/api/v1/nothing"), await api.post("/api/v1/queues/none/pause", json={})):
        assert misfits(answer.json(), SCHEMAS["Problem"]) == []


def test_a_misfit_is_found() -> None:
    assert misfits({"done": "1"}, SCHEMAS["Done"]) == ["$: text is missing", "$.done: '1' is no whole number"]
