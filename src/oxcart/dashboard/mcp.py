"""MCP: the routes of the API as tools for assistants, by the Model Context Protocol over HTTP.

Stateless: each request is answered alone, in JSON. A tool is called as its route is: by the same user, with the same
rights, masks and notes in the audit.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .. import __version__
from . import shapes
from .access import Access
from .ask import Ask, invalid
from .parameters import BODIES, PARAMETERS
from .routes import ROUTES, Route
from .web.answers import File, as_json

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Those of the protocol that are spoken here, the newest first."""

INSTRUCTIONS = (
    "Job queues of Oxcart and BullMQ in Redis. Begin with `overview`: its list `attention` says what is wrong. "
    "`list_failures` has failed jobs by kind, `get_job` one job with its errors, `get_job_logs` its log. "
    "Times are milliseconds since 1970, lengths of time milliseconds. What shows as ••• is hidden on purpose."
)

_ABOUT: dict[str, tuple[str, str]] = {
    "GET /board": ("about", "Who you are here, what you may do, and the names of the queues."),
    "GET /overview": ("overview", "All queues with their numbers, and in `attention` what somebody should look at."),
    "GET /queues/{queue}": ("get_queue", "One queue: its numbers, its limits, how long its jobs run and wait."),
    "GET /queues/{queue}/metrics": ("get_queue_metrics", "How many jobs ended in each of the last minutes."),
    "GET /queues/{queue}/jobs": ("list_jobs", "A page of the jobs in one state, without their data."),
    "GET /queues/{queue}/search": (
        "search_jobs",
        "Jobs by a text in them, a path into their data, their error or their time. It looks at some of them: go on "
        "with `cursor` until it is null.",
    ),
    "GET /queues/{queue}/schemas": ("get_schemas", "JSON Schemas of the data of jobs, by the jobs' names, if known."),
    "GET /queues/{queue}/job": (
        "get_job",
        "One job: data, options, result, why its attempts failed with stack traces, what happened when.",
    ),
    "GET /queues/{queue}/job/logs": ("get_job_logs", "Lines of a job's log, oldest first."),
    "GET /queues/{queue}/job/flow": (
        "get_job_flow",
        "The job with its children, or its whole flow, with their states.",
    ),
    "GET /failures": ("list_failures", "Failed jobs grouped by what went wrong, the largest group first."),
    "GET /stats": (
        "get_stats",
        "What happened over time and by the names of jobs: how many ended how, how long they ran and waited. Only if "
        "workers count it: `recorded` says so.",
    ),
    "GET /alerts": ("list_alerts", "The rules of alerts, and for which queues they hold now."),
    "GET /schedulers": ("list_schedulers", "Jobs that come again and again: when, what, and their latest runs."),
    "GET /workers": ("list_workers", "The workers that are connected, and what each of them runs."),
    "GET /redis": ("get_redis", "The Redis server: version, memory, settings that endanger jobs."),
    "GET /audit": ("list_audit", "Who did what with the dashboard, the newest first."),
    "GET /tasks": ("list_tasks", "Bulk actions under way or done, the newest first."),
    "GET /tasks/{task}": ("get_task", "How far a bulk action is."),
    "POST /tasks/{task}/cancel": ("cancel_task", "Stop a bulk action; what it has done stays done."),
    "POST /marks": ("add_mark", "Mark a moment, such as a deploy, in the charts of all queues."),
    "POST /alerts/test": ("test_alert", "Send a message that says it is a test to all whom a rule tells."),
    "POST /queues/{queue}/add": ("add_job", "Add a job. Options are named as in BullMQ, times in milliseconds."),
    "POST /queues/{queue}/pause": ("pause_queue", "Let no worker take jobs of a queue. Jobs that run go on."),
    "POST /queues/{queue}/resume": ("resume_queue", "Let workers take jobs of a paused queue again."),
    "POST /queues/{queue}/drain": (
        "drain_queue",
        "Remove all jobs that wait. It can't be undone: `confirm` is the queue's name, as the user has said it.",
    ),
    "POST /queues/{queue}/obliterate": (
        "obliterate_queue",
        "Erase a paused queue with all its jobs. It can't be undone: `confirm` is the queue's name, as the user has "
        "said it.",
    ),
    "POST /queues/{queue}/limits": (
        "set_limits",
        "How many jobs may run at once, and how many in a time; null removes a limit. `release` ends a rate limit that "
        "holds jobs back now.",
    ),
    "POST /queues/{queue}/bulk/preview": (
        "preview_bulk",
        "What `start_bulk` would do with the same arguments: how many jobs, and some of them.",
    ),
    "POST /queues/{queue}/bulk": (
        "start_bulk",
        "Retry, promote or remove many jobs: those of `ids`, or those of a state that fit a filter. Preview it first.",
    ),
    "POST /queues/{queue}/job/reveal": ("reveal_job", "A job as it is stored, nothing hidden. It is noted who asked."),
    "POST /queues/{queue}/job/retry": ("retry_job", "Let a finished job run again; with `data`, with these data."),
    "POST /queues/{queue}/job/promote": ("promote_job", "Let a delayed job run now."),
    "POST /queues/{queue}/job/cancel": (
        "cancel_job",
        "Ask the worker that runs a job to cancel it: the job fails for good. Workers of BullMQ can't be asked.",
    ),
    "POST /queues/{queue}/job/remove": ("remove_job", "Remove a job, with its children unless `children` is false."),
    "POST /queues/{queue}/job/delay": (
        "set_job_delay",
        "When a delayed job runs: `delay` ms from now, or `at` a time.",
    ),
    "POST /queues/{queue}/job/priority": (
        "set_job_priority",
        "Give a job another priority; 0 comes before all others.",
    ),
    "POST /queues/{queue}/job/data": (
        "set_job_data",
        "Replace the data of a job. With `was`, only if they are still these.",
    ),
    "POST /queues/{queue}/scheduler": (
        "save_scheduler",
        "Make a scheduler, or change one: what is not given stays, null takes away.",
    ),
    "POST /queues/{queue}/scheduler/run": ("run_scheduler", "Let the next run of a scheduler run now."),
    "POST /queues/{queue}/scheduler/pause": ("pause_scheduler", "Let a scheduler make no runs until it is resumed."),
    "POST /queues/{queue}/scheduler/resume": ("resume_scheduler", "Let a paused scheduler go on."),
    "POST /queues/{queue}/scheduler/remove": ("remove_scheduler", "End a scheduler, with its next run."),
}
"""What each route is called, and what it is good for. Routes that are not here are no tools: they answer files."""

_READS = {"preview_bulk"}
"""Besides what is got. Not `reveal_job`: programs that let readers pass unasked should ask before they see secrets."""
_DESTROYS = {
    *("drain_queue", "obliterate_queue", "start_bulk", "cancel_job", "remove_job", "set_job_data", "save_scheduler"),
    *("remove_scheduler", "retry_job", "cancel_task"),
}

INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32600, -32601, -32602

Dispatch = Callable[[Route, Ask], Awaitable[Any]]
"""Answers a route, if the user may, and notes it."""
Explain = Callable[[Exception], tuple[int, shapes.Problem]]
"""What to say of an error."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A route under the name that assistants call it by."""

    name: str
    route: Route
    described: dict[str, Any]
    """As `tools/list` tells it."""


def _tool(route: Route, name: str, text: str) -> Tool:
    reads = route.method == "GET" or name in _READS
    return Tool(
        name,
        route,
        {
            "name": name,
            "title": name.replace("_", " ").capitalize(),
            "description": text,
            "inputSchema": _schema(route),
            "annotations": {
                "readOnlyHint": reads,
                "destructiveHint": name in _DESTROYS,
                "idempotentHint": reads,
                "openWorldHint": False,
            },
        },
    )


def _schema(route: Route) -> dict[str, Any]:
    """The path's parts, and what the query or the body may have, as one object."""
    properties: dict[str, Any] = {name: {"type": "string", "minLength": 1} for name in _in_path(route)}
    required = list(properties)
    if route.method == "GET":
        for name, (schema, text, needed) in PARAMETERS.get(route.path, {}).items():
            properties[name] = schema | {"description": text}
            required += [name] if needed else []
    else:
        body = BODIES.get(route.path, {})
        properties |= body.get("properties", {})
        required += body.get("required", [])
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _in_path(route: Route) -> list[str]:
    return re.findall(r"{(\w+)}", route.path)


def _tools() -> dict[str, Tool]:
    known = ((route, _ABOUT.get(f"{route.method} {route.path}")) for route in ROUTES)
    return {about[0]: _tool(route, *about) for route, about in known if about is not None}


TOOLS = _tools()


# ---------------------------------------------------------------------------------------------------------- answers


async def answer(
    message: Mapping[str, Any], access: Access, dispatch: Dispatch, explain: Explain
) -> dict[str, Any] | None:
    """The answer to a message of JSON-RPC; None to one that wants none."""
    method, ident = message.get("method"), message.get("id")
    if message.get("jsonrpc") != "2.0" or isinstance(ident, bool) or not isinstance(ident, str | int | None):
        return _failed(None, INVALID_REQUEST, "this is no message of JSON-RPC 2.0")
    if not isinstance(method, str):
        # An answer to a question that we never ask, or nothing.
        return None if "result" in message or "error" in message else _failed(ident, INVALID_REQUEST, "no method")
    if "id" not in message:
        return None
    given: object = message.get("params", {})
    if not isinstance(given, dict):
        return _failed(ident, INVALID_PARAMS, "params: an object is wanted")
    params = cast(dict[str, Any], given)
    match method:
        case "initialize":
            return _done(ident, _initialized(params))
        case "ping":
            return _done(ident, {})
        case "tools/list":
            return _done(ident, {"tools": [tool.described for tool in _allowed(access)]})
        case "tools/call":
            return await _call(ident, params, access, dispatch, explain)
        case _:
            return _failed(ident, NO_METHOD, f"there is no method {method[:100]!r} here")


def _initialized(params: Mapping[str, Any]) -> dict[str, Any]:
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "oxcart", "title": "Oxcart's dashboard", "version": __version__},
        "instructions": INSTRUCTIONS,
    }


def _allowed(access: Access) -> list[Tool]:
    return [tool for tool in TOOLS.values() if access.may(tool.route.action)]


async def _call(
    ident: str | int | None, params: Mapping[str, Any], access: Access, dispatch: Dispatch, explain: Explain
) -> dict[str, Any]:
    """Call a tool. What the route refuses is told as the tool's answer, from which an assistant can learn."""
    tool = TOOLS.get(str(params.get("name")))
    # Tools that the user may not call are not there; the route would refuse them too.
    if tool is None or not access.may(tool.route.action):
        return _failed(ident, INVALID_PARAMS, f"there is no tool {str(params.get('name'))[:100]!r} here")
    given: object = params.get("arguments") or {}
    if not isinstance(given, dict):
        return _failed(ident, INVALID_PARAMS, "arguments: an object is wanted")
    try:
        found = await dispatch(tool.route, _asked(tool, cast(dict[str, Any], given), access))
        return _done(ident, _told(await _text_of(found), False))
    except Exception as error:
        _, problem = explain(error)
        return _done(ident, _told(as_json(problem).decode("utf-8", "replace"), True))


def _asked(tool: Tool, arguments: Mapping[str, Any], access: Access) -> Ask:
    """The arguments as the route takes them: in its path, in its query, or in its body."""
    known, required = tool.described["inputSchema"]["properties"], tool.described["inputSchema"]["required"]
    if unknown := sorted(set(arguments) - set(known)):
        raise invalid(f"{', '.join(unknown)[:200]}: not known; it takes {', '.join(known) or 'nothing'}")
    if missing := [name for name in required if name not in arguments]:
        raise invalid(f"{', '.join(missing)}: missing")
    path: dict[str, str] = {}
    for name in _in_path(tool.route):
        value = arguments[name]
        if not isinstance(value, str) or not value:
            raise invalid(f"{name}: text is wanted")
        path[name] = value
    rest = {name: value for name, value in arguments.items() if name not in path}
    if tool.route.method == "GET":
        return Ask(access, path, {name: _in_query(value) for name, value in rest.items() if value is not None})
    return Ask(access, path, {}, rest)


def _in_query(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else as_json(value).decode()


async def _text_of(found: Any) -> str:
    if isinstance(found, File):
        return found.body if isinstance(found.body, str) else "".join([piece async for piece in found.body])
    return as_json(found).decode("utf-8", "replace")


def _told(text: str, failed: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def _done(ident: str | int | None, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "result": result}


def _failed(ident: str | int | None, code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": text}}
