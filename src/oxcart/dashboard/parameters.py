"""Parameters: what may be asked with each route, as JSON Schema. Handlers check it again; this tells programs."""

from __future__ import annotations

from typing import Any

Row = tuple[dict[str, Any], str, bool]
"""Schema, what it means, and whether it has to be there."""

STATES = ["waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed"]
_TEXT: dict[str, Any] = {"type": "string", "maxLength": 500}
_ID: dict[str, Any] = {"type": "string", "minLength": 1}
_FLAG: dict[str, Any] = {"type": "string", "enum": ["0", "1", "true", "false"]}
_TIME: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}
_FILTER_TEXTS = {
    "q": "In its id, name, data or failure; with `path`, at that place of its data.",
    "path": "A path into its data, such as `user.email` or `items[0].sku`.",
    "name": "In its name.",
    "error": "In the reason that it failed for, or in its stack traces.",
    "fingerprint": "That of a group of failures.",
}
_FILTER_TIMES = {"from": "Finished, or added, at this time or later.", "to": "Finished, or added, before this time."}


def _whole(least: int, most: int = 2**53 - 1) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


def _query(**rows: tuple[dict[str, Any], str] | Row) -> dict[str, Row]:
    return {name.rstrip("_"): (row[0], row[1], len(row) == 3) for name, row in rows.items()}


_FILTER = {name: (_TEXT, text) for name, text in _FILTER_TEXTS.items()}
_FILTER_QUERY = _query(**_FILTER, **{name: (_TIME, text) for name, text in _FILTER_TIMES.items()})
_JOB = _query(id=(_ID, "The job's id.", True))

PARAMETERS: dict[str, dict[str, Row]] = {
    "/queues/{queue}/metrics": _query(minutes=(_whole(1), "How many minutes back.")),
    "/queues/{queue}/jobs": _query(
        state=({"type": "string", "enum": STATES}, "Jobs of this state.", True),
        start=(_whole(0), "How many to leave out."),
        count=(_whole(1), "How many at most."),
        order=({"type": "string", "enum": ["newest", "oldest"]}, "What comes first."),
    ),
    "/queues/{queue}/search": _FILTER_QUERY
    | _query(
        state=(_TEXT, "In these states, with commas between them; else in all."),
        count=(_whole(1), "How many at most."),
        cursor=(_TEXT, "What an earlier page said, to go on from there."),
    ),
    "/queues/{queue}/export": _FILTER_QUERY
    | _query(
        format=({"type": "string", "enum": ["csv", "json", "ndjson"]}, "What kind of file; `csv` if it isn't said."),
        state=(_TEXT, "In these states, with commas between them; else in all."),
        ids=({"type": "string"}, "These jobs: ids with commas between them, or a JSON array of them."),
    ),
    "/queues/{queue}/job": _JOB | _query(whole=(_FLAG, "1: data that are large are not cut.")),
    "/queues/{queue}/job/logs": _JOB
    | _query(
        start=({"type": "integer"}, "From this line on; a negative number counts from the end."),
        count=(_whole(1), "How many at most."),
    ),
    "/queues/{queue}/job/flow": _JOB
    | _query(
        depth=(_whole(1), "How many levels at most."),
        children=(_whole(1), "How many children of each at most."),
        whole=(_FLAG, "1: from the root of the flow."),
    ),
    "/failures": _query(
        queue=(_TEXT, "Only this queue."),
        count=(_whole(1, 20_000), "How many of the newest failed jobs to look at: 2,000, or, if it is more, 20,000."),
    ),
    "/stats": _query(
        queue=(_TEXT, "Only this queue."),
        name=(_TEXT, "Only jobs with this name."),
        from_=(_TIME, "From this time on; else the last 24 hours."),
        to=(_TIME, "Before this time; else until now."),
        step=(_whole(60_000, 400 * 86_400_000), "How wide the steps are, in ms; wider where that is not kept."),
    ),
    "/schedulers": _query(queue=(_TEXT, "Only this queue.")),
    "/workers": _query(queue=(_TEXT, "Only this queue.")),
    "/audit": _query(queue=(_TEXT, "Only this queue."), count=(_whole(1, 1000), "How many at most.")),
}

FILES = {
    "/queues/{queue}/export": ("text/csv", "application/json", "application/x-ndjson"),
    "/prometheus": ("text/plain",),
}
"""The kinds of files that are answered where no shape is."""


def _body(required: str = "", **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_BOOL: dict[str, Any] = {"type": "boolean"}
_CONFIRM = {"type": "string", "description": "The queue's name, as somebody typed it."}
_RATE = _body("max duration", max=_whole(1), duration=_whole(1))
_OPTIONS = {"type": "object", "description": "BullMQ's job options, times in milliseconds."}
_BULK: dict[str, Any] = _body(
    "action",
    action={"type": "string", "enum": ["retry", "promote", "remove"]},
    ids={"type": "array", "items": _ID, "minItems": 1, "description": "These jobs; else those of a state."},
    state={"type": "string", "enum": STATES},
    **{name: _TEXT | {"description": text} for name, text in _FILTER_TEXTS.items()},
    **{name: _TIME | {"description": text} for name, text in _FILTER_TIMES.items()},
)
_SCHEDULER_ID = _body("id", id=_ID)
_SCHEDULER = _body(
    "id",
    id=_ID,
    cron=_or_null({"type": "string", "description": "When it runs: this, or `every`."}),
    every=_or_null(_whole(1)),
    tz=_or_null({"type": "string"}),
    limit=_or_null(_whole(1)),
    offset=_or_null(_whole(0)),
    jitter=_or_null(_whole(0)),
    immediately=_BOOL,
    overlap=_or_null({"type": "string", "enum": ["allow", "skip"]}),
    missed=_or_null({"type": "string", "enum": ["once", "all", "skip"]}),
    name=_or_null({"type": "string"}),
    data={},
    options=_or_null(_OPTIONS),
    start=_or_null(_TIME),
    end=_or_null(_TIME),
)

BODIES: dict[str, dict[str, Any]] = {
    "/tasks/{task}/cancel": _body(),
    "/marks": _body("text", text={"type": "string", "minLength": 1, "maxLength": 200}, at=_TIME),
    "/alerts/test": _body("id", id=_ID),
    "/queues/{queue}/add": _body("name", name={"type": "string"}, data={}, options=_OPTIONS),
    "/queues/{queue}/pause": _body(),
    "/queues/{queue}/resume": _body(),
    "/queues/{queue}/drain": _body("confirm", confirm=_CONFIRM, delayed=_BOOL),
    "/queues/{queue}/obliterate": _body("confirm", confirm=_CONFIRM, force=_BOOL),
    "/queues/{queue}/limits": _body(concurrency=_or_null(_whole(1)), rate_limit=_or_null(_RATE), release=_BOOL),
    "/queues/{queue}/bulk/preview": _BULK,
    "/queues/{queue}/bulk": _BULK,
    "/queues/{queue}/job/reveal": _body("id", id=_ID, whole=_BOOL),
    "/queues/{queue}/job/retry": _body("id", id=_ID, data={}, reset_attempts=_BOOL, was={}),
    "/queues/{queue}/job/promote": _body("id", id=_ID),
    "/queues/{queue}/job/cancel": _body("id", id=_ID, reason={"type": "string", "maxLength": 1000}),
    "/queues/{queue}/job/remove": _body("id", id=_ID, children=_BOOL),
    "/queues/{queue}/job/delay": _body("id", id=_ID, delay=_whole(0), at=_whole(0)),
    "/queues/{queue}/job/priority": _body("id priority", id=_ID, priority=_whole(0, 2**21 - 1), lifo=_BOOL),
    "/queues/{queue}/job/data": _body("id data", id=_ID, data={}, was={}),
    "/queues/{queue}/scheduler": _SCHEDULER,
    "/queues/{queue}/scheduler/run": _SCHEDULER_ID,
    "/queues/{queue}/scheduler/pause": _SCHEDULER_ID,
    "/queues/{queue}/scheduler/resume": _SCHEDULER_ID,
    "/queues/{queue}/scheduler/remove": _SCHEDULER_ID,
}
