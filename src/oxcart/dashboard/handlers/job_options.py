"""Options of a job that is added by hand: as BullMQ writes them in JSON, into those of Oxcart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from ... import Backoff, Deduplication, JobOptions, Keep
from ..ask import invalid

_NAMES = {
    "jobId": "job_id",
    "removeOnComplete": "remove_on_complete",
    "removeOnFail": "remove_on_fail",
    "keepLogs": "keep_logs",
    "kl": "keep_logs",
    "stackTraceLimit": "stack_trace_limit",
    "sizeLimit": "size_limit",
    "de": "deduplication",
    "keepLastIfActive": "keep_last_if_active",
}
"""BullMQ's names, in its API and in Redis, where ours differ."""

_PLAIN = ("job_id", "priority", "lifo", "attempts", "keep_logs", "stack_trace_limit", "size_limit")


def read_options(given: dict[str, Any]) -> JobOptions:
    """Times are milliseconds, but for the `age` of what is kept, which is seconds, as in BullMQ."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        ours = _NAMES.get(name, name)
        if value is None:
            continue
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise invalid(f"options.{name[:60]}: half of a character can't be stored") from None
        if ours in _READERS:
            found[ours] = _READERS[ours](name, value)
        elif ours in _PLAIN:
            found[ours] = value
        else:
            known = ", ".join(sorted({*_READERS, *_PLAIN}))
            raise invalid(f"options: {name[:60]!r} can't be given here; these can: {known}")
    return cast(JobOptions, found)


def _backoff(name: str, value: Any) -> Backoff:
    if _is_number(value):
        return Backoff.fixed(value / 1000)
    inner = _object(name, value, ("type", "delay", "jitter"))
    kind, wait, jitter = inner.get("type", "fixed"), inner.get("delay", 0), inner.get("jitter", 0)
    if not isinstance(kind, str) or not _is_number(wait) or not _is_number(jitter):
        raise invalid(f"options.{name}: a number of milliseconds, or {{type, delay, jitter}}")
    if kind == "fixed":
        return Backoff.fixed(wait / 1000, jitter)
    return Backoff.exponential(wait / 1000, jitter) if kind == "exponential" else Backoff.custom(kind)


def _keep(name: str, value: Any) -> bool | int | Keep:
    if isinstance(value, bool | int):
        return value
    inner = _object(name, value, ("count", "age", "limit"))
    return Keep(inner.get("count"), inner.get("age"), inner.get("limit"))


def _delay(name: str, value: Any) -> float:
    if not _is_number(value):
        raise invalid(f"options.{name}: a number of milliseconds")
    return value / 1000


def _deduplication(name: str, value: Any) -> Deduplication:
    inner = _object(name, value, ("id", "ttl", "extend", "replace", "keepLastIfActive", "keep_last_if_active"))
    ttl = inner.pop("ttl", None)
    words = {_NAMES.get(key, key): item for key, item in inner.items() if key != "id"}
    return Deduplication(inner.get("id", ""), None if ttl is None else _delay(f"{name}.ttl", ttl), **words)


def _object(name: str, value: Any, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"options.{name}: an object with {', '.join(known)}")
    inner = cast(dict[str, Any], value)
    if unknown := set(inner) - set(known):
        raise invalid(f"options.{name}: {sorted(unknown)[0][:60]!r} is not known; {', '.join(known)} are")
    return dict(inner)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "delay": _delay,
    "backoff": _backoff,
    "remove_on_complete": _keep,
    "remove_on_fail": _keep,
    "deduplication": _deduplication,
}
