"""What is in a queue, in a form that doesn't depend on when it was made: stricter than `tests.dumps`, and pure."""

from __future__ import annotations

import time
from typing import Any

from tests.dumps import JSON_FIELDS, TIMES, _arrays_as_node_has_them, _json
from tests.invariants import Key, Snapshot

MINUTE_MS = 60_000
TICK_S = 30
"""Times to live are told in steps of this length, upward: no sequence of operations takes as long."""

TIMED = ("completed", "failed", "waiting-children", "repeat")
"""Sorted sets whose scores are moments."""

NOW = "(now)"
"""Where the time is in what is found, if it was set: that of the next step."""

Found = dict[str, Any]
"""A queue: key, without the queue's prefix → value."""


def canonical(snapshot: Snapshot, exact: bool = False) -> Found:
    """Every key of a queue. Moments are told as `now` if they are of this run, or, if `exact`, as they are."""
    found: Found = {}
    for name, key in sorted(snapshot.keys.items()):
        value = _value_as_it_is(key) if exact else _value(snapshot, name, key)
        if key.ttl_ms >= 0:
            value = {"value": value, "expires in s": -(-key.ttl_ms // (TICK_S * 1000)) * TICK_S}
        found[name] = value
    return found


def _value_as_it_is(key: Key) -> Any:
    match key.kind:
        case "hash":
            return {field: _parsed(field, text) for field, text in key.value.items()}
        case "set":
            return sorted(key.value)
        case "zset":
            return [(member, int(score)) for member, score in key.value.items()]
        case "stream":
            return [fields for _, fields in key.value]
        case _:
            return key.value


def _parsed(field: str, text: str) -> Any:
    if field == "stacktrace":
        traces = _json(text)
        return [str(trace).partition("\n")[0] for trace in traces] if isinstance(traces, list) else traces
    if field == "opts":
        return _arrays_as_node_has_them(_json(text))
    return _json(text) if field in JSON_FIELDS else text


def _value(snapshot: Snapshot, name: str, key: Key) -> Any:
    match key.kind:
        case "hash" if name == "meta":
            return dict(key.value)
        case "hash":
            return _hash(key.value)
        case "set":
            return sorted(key.value)
        case "zset":
            return _scored(snapshot, name, key.value)
        case "stream":
            return [_event(entry, fields) for entry, fields in key.value]
        case "string" if name == "stalled-check":
            return moment(key.value)
        case _:
            return key.value


def _hash(stored: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(stored)
    for field, text in stored.items():
        if field in JSON_FIELDS or field == "stacktrace":
            fields[field] = _parsed(field, text)
        elif field in TIMES:
            fields[field] = moment(text)
        elif field == "prevTS":
            fields[field] = _minutes_ago(text)
        elif field == "delay":
            fields[field] = _duration(text)
    opts: Any = fields.get("opts")
    if isinstance(opts, dict) and "timestamp" in opts:
        opts["timestamp"] = moment(opts["timestamp"])
    if isinstance(opts, dict) and "delay" in opts:
        opts["delay"] = _duration(str(opts["delay"]))
    return fields


def _scored(snapshot: Snapshot, name: str, scores: dict[str, float]) -> list[Any]:
    """In order of the scores, which tells more than what they are."""
    if name == "delayed":
        return [(member, _due(snapshot, member, int(score) // 4096)) for member, score in scores.items()]
    if name in TIMED or name.endswith(":unsuccessful"):
        return [(member, moment(score)) for member, score in scores.items()]
    if name == "marker":
        return [(member, _marked(snapshot, score)) for member, score in scores.items()]
    return [(member, int(score)) for member, score in scores.items()]


def _event(entry: str, fields: dict[str, str]) -> dict[str, str]:
    if fields.get("event") != "delayed":
        return fields
    ahead_ms = int(fields["delay"]) - int(entry.partition("-")[0])
    return fields | {"delay": f"in {round(ahead_ms / MINUTE_MS)} min"}


def moment(value: Any) -> Any:
    """A moment of this run, as such; any other as it is."""
    try:
        ms = float(value)
    except ValueError:
        return value
    return "now" if abs(time.time() * 1000 - ms) < 20 * MINUTE_MS else f"{ms:.0f}"


def _minutes_ago(text: str) -> str:
    """For a moment that tests put back."""
    return f"{round((time.time() * 1000 - int(text)) / MINUTE_MS)} min ago"


def _duration(text: str) -> str:
    """Node computes the delay of a job that is put off, or scheduled, from two readings of its clock."""
    try:
        seconds = int(text) / 1000
    except ValueError:
        return text
    if seconds < 10:
        return f"{round(seconds)} s"
    # Between the two readings may be a while, on a busy machine.
    return f"{round(seconds, -1):.0f} s" if seconds < 86400 else f"{round(seconds / 3600)} h"


def _due(snapshot: Snapshot, job_id: str, due: int) -> str:
    """When a delayed job is due, by its `delay`: counted from when it was made, or from what happened to it later."""
    fields = snapshot.jobs.get(job_id, {})
    made, delay = int(fields.get("timestamp") or 0), int(fields.get("delay") or 0)
    since = due - delay - made
    if since == 0:
        return f"{_duration(str(delay))} after it was made"
    if 0 < since < MINUTE_MS:
        return f"{_duration(str(delay))} after a later moment"
    return f"{round((due - made) / MINUTE_MS)} min after it was made"


def _marked(snapshot: Snapshot, score: float) -> str:
    if not score:
        return "a job"
    first = min(snapshot.scores("delayed").values(), default=None)
    near = first is not None and abs(first / 4096 - score) < MINUTE_MS / 2
    return "the first delayed job" if near else "another time"
