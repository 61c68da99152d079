"""All that a queue has in Redis, in a form in which what Node wrote and what we wrote can be compared."""

from __future__ import annotations

import json
import re
from typing import Any

from redis.asyncio import Redis

JSON_FIELDS = {"data", "opts", "returnvalue", "progress", "parent"}
TIMES = {"timestamp", "processedOn", "finishedOn"}
LATER_MS = 60_000
"""No test takes longer until a job is tried."""


async def dump(redis: Redis, prefix: str, queue: str) -> dict[str, Any]:
    """Every key of the queue → its value; times, stack texts, tokens and versions are replaced by words.

    A key that expires is shown as `{"expires": value}`, so that one that should and doesn't is a difference.
    """
    start = f"{prefix}:{queue}:"
    found: dict[str, Any] = {}
    async for key in redis.scan_iter(re.sub(r"([\\*?\[\]^])", r"\\\1", start) + "*", count=1000):  # pyright: ignore
        name = str(key).removeprefix(start)
        value = await _value(redis, str(key), name)
        found[name] = {"expires": value} if await redis.pttl(str(key)) >= 0 else value
    return dict(sorted(found.items()))


async def _value(redis: Redis, key: str, name: str) -> Any:
    kind = await redis.type(key)
    match kind:
        case "hash":
            return await _hash(redis, key, name)
        case "list":
            return await redis.lrange(key, 0, -1)  # pyright: ignore
        case "set":
            return sorted(await redis.smembers(key))  # pyright: ignore
        case "zset":
            return await _zset(redis, key, name)
        case "stream":
            return [_event(fields) for _, fields in await redis.xrange(key)]  # pyright: ignore
        case _:
            value = "token" if name.endswith(":lock") else "time" if name == "stalled-check" else await redis.get(key)
            return [value, "ttl"] if await redis.ttl(key) >= 0 else value


async def _hash(redis: Redis, key: str, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict(await redis.hgetall(key))  # pyright: ignore
    if name == "meta":
        fields.pop("version", None)
        return fields
    for field, text in fields.items():
        if field in JSON_FIELDS:
            value = _json(text)
            fields[field] = _arrays_as_node_has_them(value) if field == "opts" else value
        elif field in TIMES:
            fields[field] = "time"
        elif field == "stacktrace":
            traces = _json(text)
            fields[field] = [str(trace).partition("\n")[0] for trace in traces] if isinstance(traces, list) else traces
    if isinstance(opts := fields.get("opts"), dict) and "timestamp" in opts:
        opts["timestamp"] = "time"
    return fields


async def _zset(redis: Redis, key: str, name: str) -> list[Any]:
    members = await redis.zrange(key, 0, -1, withscores=True)  # pyright: ignore
    if name == "delayed":
        start = key.removesuffix("delayed")
        return [(member, await _due(redis, f"{start}{member}", int(score) // 4096)) for member, score in members]
    if name in ("completed", "failed", "waiting-children") or name.endswith(":unsuccessful"):
        return [(member, "time") for member in sorted(member for member, _ in members)]
    if name == "marker":
        return [(member, "time" if score else 0) for member, score in members]
    return [(member, int(score)) for member, score in members]


def _json(text: str) -> Any:
    """What the text says, or the text itself if it is no JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _event(fields: dict[str, str]) -> dict[str, str]:
    if fields["event"] == "delayed":
        return fields | {"delay": "time"}
    return fields


async def _due(redis: Redis, key: str, due: int) -> str:
    """When a delayed job is due, by its `delay`: counted from when it was made, or from what happened to it later."""
    asked = await redis.hmget(key, "timestamp", "delay", "ats")  # pyright: ignore
    made, delay, starts = [int(text or 0) for text in asked]
    since = due - delay - made
    if since == 0 and not starts:  # one that was tried may have been so in the millisecond in which it was made
        return f"{delay} ms after it was made"
    return f"{delay} ms after a later moment" if 0 <= since < LATER_MS else f"{due - made} ms after it was made"


def _arrays_as_node_has_them(value: Any) -> Any:
    """Options pass through Lua in Node, where an empty array and an empty object are the same."""
    if isinstance(value, dict):
        return {name: _arrays_as_node_has_them(item) for name, item in value.items()}  # pyright: ignore
    return {} if value == [] else value
