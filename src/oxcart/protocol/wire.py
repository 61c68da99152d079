"""Python's names and values ↔ the wire's: the one place that knows BullMQ's spelling."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn, cast

import orjson

from ..errors import PayloadError
from ..options import Backoff, Deduplication, JobOptions, Keep, Parent, aware_ms, milliseconds
from ..repeat import Repeat
from . import misfit

# ------------------------------------------------------------------------------------------------ JSON out


def encode(value: object, what: str = "data") -> str:
    """A value as JSON text; a `PayloadError` naming `what`, and the place in it, if JSON can't carry it."""
    if value is None:
        return "null"
    try:
        text = orjson.dumps(value, default=_plain).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _not_json(value, what, _first_cause(error)) from None
    # orjson writes NaN and Infinity as null without a word; only then is the value worth a walk.
    if "null" in text and _has_nan(value):
        raise _not_json(value, what, "NaN and Infinity are no numbers that JSON has")
    return text


def _not_json(value: object, what: str, why: str) -> PayloadError:
    root = what.removeprefix("the ").split(" ", 1)[0]
    return PayloadError(f"{what} can't be sent as JSON: {misfit.find(value, root, _plain) or why}")


def _plain(value: Any) -> object:
    """What orjson does not know: decimals, pydantic and msgspec models."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError(f"{value} is not a number that JSON has")
        return str(value)
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    if (names := _struct_fields(value)) is not None:
        return {name: getattr(value, name) for name in names}
    raise TypeError(f"{type(value).__name__} is not JSON")


def _struct_fields(value: object) -> tuple[str, ...] | None:
    """The fields of a msgspec model."""
    return getattr(cast(Any, type(value)), "__struct_fields__", None)


def _first_cause(error: BaseException) -> str:
    cause = error.__cause__
    return str(cause or error) or type(error).__name__


def _has_nan(value: Any) -> bool:
    if isinstance(value, float):
        return value != value or value in (float("inf"), float("-inf"))
    if isinstance(value, dict):
        return any(map(_has_nan, cast(dict[Any, Any], value).values()))
    if isinstance(value, list | tuple):
        return any(map(_has_nan, cast(list[Any], value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return any(_has_nan(getattr(value, field.name)) for field in dataclasses.fields(value))
    if callable(getattr(value, "model_dump", None)) or _struct_fields(value) is not None:
        return _has_nan(_plain(value))
    return False


# ------------------------------------------------------------------------------------------------- JSON in


class Unreadable(Exception):
    """A stored text that isn't what it should be; says why."""


def decode(text: str) -> Any:
    """The value of a JSON text that anyone may have written."""
    try:
        return orjson.loads(text)
    except (ValueError, TypeError):
        return _decode_leniently(text)


def _decode_leniently(text: str) -> Any:
    """What JavaScript may write and orjson refuses: huge numbers, lone surrogates as escapes."""
    if _NOT_UTF8.search(text):
        raise Unreadable("not UTF-8")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from None


# A byte that is no UTF-8 is read as one of these, so that it can be written back as it was.
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number that JSON has")


def stacktrace(text: str | None) -> list[str]:
    """The stack traces of a job, one for each failed attempt; none if what is stored can't be read."""
    try:
        value: object = decode(text) if text else []
    except Unreadable:
        return []
    return [str(item) for item in cast(list[object], value)] if isinstance(value, list) else []


_WHOLE = re.compile(r"\s*([-+]?\d{1,18})")


def read_int(text: str | None, default: int = 0) -> int:
    """A number as Node reads it: as far as the digits go."""
    match = _WHOLE.match(text) if text else None
    return int(match.group(1)) if match else default


def moment(ms: int) -> datetime | None:
    """Milliseconds since 1970 as an aware datetime; None for 0 or what no calendar has."""
    if not ms:
        return None
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def sendable(text: str) -> str:
    """Text that UTF-8 can carry: half characters, which JavaScript may write, are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def refused_completion(code: int, job_id: str) -> str:
    """What the wire says of a job that can't be completed for its children: stored as its failed reason."""
    if code == -4:
        return f"Job {job_id} has pending dependencies. moveToFinished"
    return f"Cannot complete job {job_id} because it has at least one failed child. moveToFinished"


# ------------------------------------------------------------------------------------------- options, out

_RENAMED = {
    "job_id": "jobId",
    "remove_on_complete": "removeOnComplete",
    "remove_on_fail": "removeOnFail",
    "keep_logs": "kl",
    "stack_trace_limit": "stackTraceLimit",
    "size_limit": "sizeLimit",
    "deduplication": "de",
    "telemetry_metadata": "tm",
    "omit_telemetry_context": "omc",
}
_PYTHON_NAMES = {wire: name for name, wire in _RENAMED.items()}


def options_to_wire(options: JobOptions, delay_ms: int) -> dict[str, Any]:
    """Checked options under the names and in the units of the wire."""
    wire: dict[str, Any] = {"attempts": 0}
    for name, value in options.items():
        if name == "on_child_failure":
            if value in FAILURE_FLAGS:
                wire[FAILURE_FLAGS[cast(str, value)]] = True
            continue
        if name == "parent":
            value = parent_of(value)
        match value:
            case Parent():
                value = {"id": value.id, "queue": value.queue_key}
            case Keep():
                value = _keep_to_wire(value)
            case Backoff():
                value = _backoff_to_wire(value)
            case Deduplication():
                value = deduplication_to_wire(value)
            case datetime():
                value = delay_ms if name == "delay" else aware_ms(name, value)
            case _ if name == "delay":
                value = delay_ms
            case _ if name == "backoff":
                value = {"type": "fixed", "delay": milliseconds(name, value)}
            case _:
                pass
        wire[_RENAMED.get(name, name)] = value
    return wire


FAILURE_FLAGS = {"fail_parent": "fpof", "continue_parent": "cpof", "ignore": "idof", "remove": "rdof"}
"""What a failed child does to its parent, as the wire spells it; `block` is none of them."""


def parent_of(value: Any) -> Parent:
    """What was given as the parent of a job: a `Parent`, or a job."""
    return value if isinstance(value, Parent) else value.as_parent


def parent_field(parent: Parent, on_child_failure: str | None) -> str:
    """What a child's hash says of its parent."""
    wire: dict[str, Any] = {"id": parent.id, "queueKey": parent.queue_key}
    if on_child_failure in FAILURE_FLAGS:
        wire[FAILURE_FLAGS[on_child_failure]] = True
    return orjson.dumps(wire).decode()


def _backoff_to_wire(backoff: Backoff) -> dict[str, Any]:
    wire: dict[str, Any] = {"type": backoff.type}
    if backoff.delay_ms is not None:
        wire["delay"] = backoff.delay_ms
    if backoff.jitter:
        wire["jitter"] = backoff.jitter
    return wire


_DEDUPLICATION = {"extend": "extend", "replace": "replace", "keep_last_if_active": "keepLastIfActive"}


def deduplication_to_wire(deduplication: Deduplication) -> dict[str, Any]:
    wire: dict[str, Any] = {"id": deduplication.id}
    if deduplication.ttl is not None:
        wire["ttl"] = milliseconds("ttl", deduplication.ttl)
    return wire | {theirs: True for ours, theirs in _DEDUPLICATION.items() if getattr(deduplication, ours)}


def _parent_from_wire(wire: dict[str, Any]) -> object:
    prefix, _, queue = str(wire.get("queue", "")).rpartition(":")
    return Parent(str(wire.get("id", "")), queue, prefix) if prefix and queue else wire


def _deduplication_from_wire(wire: dict[str, Any]) -> object:
    ttl = _number(wire.get("ttl"))
    flags = {ours: bool(wire.get(theirs)) for ours, theirs in _DEDUPLICATION.items()}
    try:
        return Deduplication(wire.get("id", ""), ttl / 1000 if ttl else None, **flags)
    except ValueError:
        return wire


def _keep_to_wire(keep: Keep) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    if keep.count is not None:
        wire["count"] = keep.count
    if keep.age is not None:
        wire["age"] = milliseconds("age", keep.age) / 1000
    if keep.limit is not None:
        wire["limit"] = keep.limit
    return wire


def keep_for_script(retention: object) -> str:
    """A retention, ours or read from the wire, as the scripts take it: empty keeps all, else `count:age_ms:limit`."""
    match retention:
        case True:
            return "0::"
        case None | False:
            return ""
        case int():
            return f"{retention}::" if retention >= 0 else ""
        case Keep():
            return keep_for_script(_keep_to_wire(retention))
        case dict():
            wire = cast(dict[str, Any], retention)
            count, age, limit = (_at_least(0, wire.get(name)) for name in ("count", "age", "limit"))
            counted = "" if count is None else f"{count:.0f}"
            aged = "" if age is None else f"{age * 1000:.0f}"
            return f"{counted}:{aged}:{f'{limit:.0f}' if limit else ''}" if counted or aged else ""
        case _:
            return ""


def _at_least(least: int, value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number >= least else None


def _number(value: object) -> float | None:
    """A number that can be counted with; JSON from elsewhere may have 1e999, which reads as infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 2**53 else None


_FAILURES = {flag: name for name, flag in FAILURE_FLAGS.items()}

# -------------------------------------------------------------------------------------------- options, in


@dataclasses.dataclass(frozen=True, slots=True)
class StoredOptions:
    """A job's stored options as a worker acts on them, whoever wrote them; odd values read as not given."""

    raw: Mapping[str, Any]
    attempts: int
    lifo: bool
    backoff: Any
    keep_completed: str | None
    keep_failed: str | None
    keep_logs: int
    stack_trace_limit: int | None


@lru_cache(maxsize=1024)
def stored_options(text: str) -> StoredOptions:
    """Decode the `opts` field. Equal texts are decoded once: a queue's jobs mostly share theirs."""
    raw: Any = decode(text) if text else {}
    if raw == []:
        raw = {}  # an empty object that passed through Lua
    if not isinstance(raw, dict):
        raise Unreadable("not an object")
    wire = cast(dict[str, Any], raw)
    limit = _number(wire.get("stackTraceLimit"))
    return StoredOptions(
        raw=wire,
        attempts=int(_number(wire.get("attempts")) or 0),
        lifo=bool(wire.get("lifo")),
        backoff=wire.get("backoff"),
        keep_completed=keep_for_script(wire["removeOnComplete"]) if "removeOnComplete" in wire else None,
        keep_failed=keep_for_script(wire["removeOnFail"]) if "removeOnFail" in wire else None,
        keep_logs=int(_number(wire.get("kl")) or 0),
        stack_trace_limit=None if limit is None else int(limit),
    )


def options_from_wire(raw: Mapping[str, Any]) -> JobOptions:
    """Stored options under Python's names and in Python's units; unknown ones keep their name."""
    options: dict[str, Any] = {}
    for wire_name, value in raw.items():
        if wire_name in _FAILURES:
            if value:
                options["on_child_failure"] = _FAILURES[wire_name]
            continue
        name = _PYTHON_NAMES.get(wire_name, wire_name)
        number = _number(value)
        if name == "delay" and number is not None:
            value = number / 1000
        elif name == "timestamp" and number is not None:
            value = moment(int(number))
        elif name == "backoff":
            value = _backoff_from_wire(value)
        elif name == "parent" and isinstance(value, dict):
            value = _parent_from_wire(cast(dict[str, Any], value))
        elif name == "deduplication" and isinstance(value, dict):
            value = _deduplication_from_wire(cast(dict[str, Any], value))
        elif name in ("remove_on_complete", "remove_on_fail") and isinstance(value, dict):
            value = _keep_from_wire(cast(dict[str, Any], value))
        options[name] = value
    return cast(JobOptions, options)


def _backoff_from_wire(value: object) -> object:
    if (number := _number(value)) is not None:
        return Backoff("fixed", int(number))
    if not isinstance(value, dict):
        return value
    wire = cast(dict[str, Any], value)
    delay = _number(wire.get("delay"))
    return Backoff(str(wire.get("type")), None if delay is None else int(delay), _number(wire.get("jitter")) or 0)


def _keep_from_wire(wire: dict[str, Any]) -> object:
    count, age, limit = (_number(wire.get(name)) for name in ("count", "age", "limit"))
    try:
        return Keep(None if count is None else int(count), age, None if limit is None else int(limit))
    except ValueError:
        return wire


# -------------------------------------------------------------------------------------------- repeated jobs


def repeat_to_wire(repeat: Repeat) -> dict[str, Any]:
    """When a job comes again, as the hash of a scheduler and the options of its runs say it."""
    wire: dict[str, Any] = {}
    if repeat.cron is not None:
        # Without it, each program would take its own local zone.
        wire |= {"pattern": repeat.cron, "tz": repeat.zone}
    else:
        wire["every"] = milliseconds("every", repeat.every)
    if repeat.limit is not None:
        wire["limit"] = repeat.limit
    if repeat.start is not None:
        wire["startDate"] = aware_ms("start", repeat.start)
    if repeat.end is not None:
        wire["endDate"] = aware_ms("end", repeat.end)
    if repeat.offset is not None:
        wire["offset"] = milliseconds("offset", repeat.offset)
    return wire


@dataclasses.dataclass(frozen=True, slots=True)
class StoredRepeat:
    """When a job comes again, as it is stored, whoever wrote it; odd values read as not given."""

    pattern: str | None = None
    every_ms: float | None = None
    tz: str | None = None
    limit: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    offset_ms: int | None = None
    count: int = 0
    """Which run this is, of those that `limit` allows; 0 if that isn't said."""


def repeat_from_wire(raw: Mapping[str, Any]) -> StoredRepeat:
    """Read it from a scheduler's hash, whose values are texts, or from a run's options."""
    pattern, tz = raw.get("pattern"), raw.get("tz")
    every = loose_number(raw.get("every"))
    whole = {name: loose_number(raw.get(name)) for name in ("limit", "startDate", "endDate", "offset", "count")}
    limit, start, end, offset, count = (None if value is None else int(value) for value in whole.values())
    return StoredRepeat(
        pattern=pattern if isinstance(pattern, str) else None,
        every_ms=every if every is not None and 1 <= every < 2**41 else None,
        tz=tz if isinstance(tz, str) and tz else None,
        limit=limit,
        start_ms=start,
        end_ms=end,
        offset_ms=offset,
        count=count or 0,
    )


def loose_number(value: object) -> float | None:
    """A number, or a text that is one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return _number(value)


_NUMBERS_OF_REPEAT = ("every", "limit", "startDate", "endDate", "offset")


def repeat_of_hash(fields: Mapping[str, str], count: int) -> dict[str, Any]:
    """The options of a run, from the hash of its scheduler."""
    wire: dict[str, Any] = {name: fields[name] for name in ("pattern", "tz") if name in fields}
    for name in _NUMBERS_OF_REPEAT:
        # The phase of an interval is kept in the hash only; as an option it would be a wish.
        if name != "offset" and (number := loose_number(fields.get(name))) is not None:
            wire[name] = int(number) if number == int(number) else number
    return wire | {"count": count}


SET_BY_SCHEDULER = ("repeat", "repeatJobKey", "jobId", "delay", "timestamp", "prevMillis")
"""Options of a run that are its own, and not those of its scheduler's template."""


def template_to_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options of a scheduler's runs, under the names and in the units of the wire."""
    wire = options_to_wire(cast(JobOptions, options), 0)
    if "attempts" not in options:
        del wire["attempts"]
    return wire


def run_options(template: Mapping[str, Any], repeat: Mapping[str, Any], scheduler: str | None, now: int) -> str:
    """The options of a run as JSON, up to where the time of the run belongs: a script writes that and the rest.

    `scheduler` is None for a repeated job of version 5, whose options don't name it.
    """
    whole = {name: value for name, value in template.items() if name not in SET_BY_SCHEDULER}
    whole |= {"repeat": repeat, "timestamp": now}
    if scheduler is not None:
        whole["repeatJobKey"] = scheduler
    return encode(whole, "the options of a scheduler's run")[:-1]


def next_run_options(raw: Mapping[str, Any], now: int) -> str:
    """The options of the run after one with these, in the same way."""
    stored = cast(dict[str, Any], raw.get("repeat") or {})
    template = {"attempts": 0, **raw}
    if isinstance(raw.get("backoff"), int | float):
        template["backoff"] = {"type": "fixed", "delay": raw["backoff"]}
    key = raw.get("repeatJobKey")
    count = repeat_from_wire(stored).count + 1
    return run_options(template, stored | {"count": count}, key if isinstance(key, str) else None, now)


def with_slot(options: str, scheduler: str) -> str:
    """Such options with the start of the run's id behind them."""
    return f'{options},"jobId":{encode(f"repeat:{scheduler}:")[:-1]}'
