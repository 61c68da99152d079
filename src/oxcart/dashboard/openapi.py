"""OpenAPI: the API described for programs, made from the routes, the shapes and what handlers say of themselves."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Sequence
from typing import Any, Literal, NotRequired, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from .. import __version__
from . import shapes
from .parameters import BODIES, FILES, PARAMETERS
from .routes import Route
from .web.answers import File

_PROBLEMS = {
    "400": "What was asked can't be right.",
    "401": "Nobody knows who asks.",
    "403": "This user, or this page, may not do it.",
    "404": "It is not there (any more).",
    "409": "It is not in a state for this.",
    "429": "Too many requests.",
    "503": "Redis is away.",
}
_WRITE_PROBLEMS = {"413": "The body is too large.", "415": "The body is not said to be JSON."}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    types.NoneType: {"type": "null"},
    Any: {},
}


def document(mount: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The whole description, as OpenAPI 3.1."""
    schemas: dict[str, Any] = {}
    schema_of(shapes.Problem, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    paths["/live"] = {"get": _live(schemas)}
    paths["/mcp"] = {"post": _mcp()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The API of Oxcart's dashboard", "version": __version__},
        "servers": [{"url": f"{mount}/api/v1"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a type; shapes are put among `schemas` and referred to."""
    if is_typeddict(kind):
        if kind.__name__ not in schemas:
            schemas[kind.__name__] = {}  # before its members: a shape may hold others of its kind
            schemas[kind.__name__] = _object(kind, schemas)
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"type": "string", "enum": list(inner)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(one, schemas) for one in inner]}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0], schemas)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1], schemas)}
    return dict(_PLAIN[kind])


def _object(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        optional = get_origin(hint) is NotRequired
        properties[name] = schema_of(get_args(hint)[0] if optional else hint, schemas)
        if not optional:
            required.append(name)
    found = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return found | ({"description": text} if (text := _first_sentence(kind)) else {})


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    """One method of one path: what the handler's docstring says, what it takes and what it answers."""
    text = inspect.getdoc(route.handler) or ""
    answer = get_type_hints(route.handler).get("return", Any)
    found: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": text.partition("\n")[0],
        "description": f"{text}\n\nNeeds the right `{route.action}`.".strip(),
        "parameters": _parameters(route),
        "responses": {
            "200": _file(FILES[route.path]) if answer is File else _json("The answer.", schema_of(answer, schemas)),
            **_problems(_PROBLEMS | (_WRITE_PROBLEMS if route.method == "POST" else {})),
        },
    }
    if route.method == "POST":
        body = BODIES.get(route.path, {"type": "object"})
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    for name, (schema, text, required) in PARAMETERS.get(route.path, {}).items():
        if route.method == "GET":
            found.append({"name": name, "in": "query", "required": required, "schema": schema, "description": text})
    if route.method == "POST":
        schema = {"type": "string", "minLength": 1, "example": "1"}
        found.append({"name": "x-oxcart", "in": "header", "required": True, "schema": schema})
    return found


def _live(schemas: dict[str, Any]) -> dict[str, Any]:
    tick = schema_of(shapes.Tick, schemas)
    text = "What happens, as server-sent events: `hello`, `tick` (a Tick), `away` and `back` (of Redis)."
    query = {"name": "queue", "in": "query", "required": False, "schema": {"type": "string"}}
    return {
        "operationId": "live",
        "summary": text,
        "parameters": [query | {"description": "The queue whose jobs are told; else those of all."}],
        "responses": {
            "200": {
                "description": "The stream.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
                "x-tick": tick,
            },
            "204": {"description": "There is none, below a host that knows only WSGI: ask every few seconds."},
            **_problems({"401": _PROBLEMS["401"], "403": _PROBLEMS["403"], "429": _PROBLEMS["429"]}),
        },
    }


def _mcp() -> dict[str, Any]:
    """Described as far as OpenAPI can: the messages are those of another protocol."""
    message: dict[str, Any] = {"type": "object", "properties": {"jsonrpc": {"const": "2.0"}}, "required": ["jsonrpc"]}
    return {
        "operationId": "mcp",
        "summary": "The routes as tools for assistants, by the Model Context Protocol.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": message}}},
        "responses": {
            "200": _json("The answer.", {"type": "object"}),
            "202": {"description": "The message wants no answer."},
            **_problems({status: _PROBLEMS[status] for status in ("400", "401", "403", "429")} | _WRITE_PROBLEMS),
        },
    }


def _problems(texts: dict[str, str]) -> dict[str, Any]:
    found = {status: _json(text, {"$ref": "#/components/schemas/Problem"}) for status, text in texts.items()}
    return found | {"500": _json("A bug, told in the log by this id.", {"$ref": "#/components/schemas/Problem"})}


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _file(kinds: Sequence[str]) -> dict[str, Any]:
    # A list, also if it is so large that it is sent while it is made.
    shapes_of = {kind: {"type": "array" if kind == "application/json" else "string"} for kind in kinds}
    return {"description": "A file.", "content": {kind: {"schema": schema} for kind, schema in shapes_of.items()}}


def _operation_id(route: Route) -> str:
    words = [word for word in re.split(r"[/{}]+", route.path) if word]
    return "_".join([route.method.lower(), *words])


def _first_sentence(kind: Any) -> str:
    text = cast(str, kind.__doc__ or "")
    return "" if text.startswith("dict(") else text.partition("\n")[0]
