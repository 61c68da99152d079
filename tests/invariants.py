"""What must hold of a queue's keys whenever nothing is under way, checked on one snapshot.

The numbers are those of the list that the project was designed with. Not seen in a snapshot, and therefore tested
elsewhere: I9 and I23 (they speak of time that passes), I16 (of what was active before), I29 and I32 (of the past),
I31 and I38 (of what was added and finished in all), I35 (of obliterating), I37 (of a worker's memory).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from typing import Any

from redis.asyncio import Redis

LISTS = ("wait", "paused", "active")
SETS = ("delayed", "prioritized", "completed", "failed", "waiting-children")
SATELLITES = ("lock", "logs", "dependencies", "processed", "failed", "unsuccessful")
TYPES = {
    "wait": "list",
    "paused": "list",
    "active": "list",
    "delayed": "zset",
    "prioritized": "zset",
    "completed": "zset",
    "failed": "zset",
    "waiting-children": "zset",
    "repeat": "zset",
    "marker": "zset",
    "stalled": "set",
    "events": "stream",
    "meta": "hash",
    "id": "string",
    "pc": "string",
    "limiter": "string",
    "stalled-check": "string",
    "metrics:completed": "hash",
    "metrics:failed": "hash",
    "metrics:completed:data": "list",
    "metrics:failed:data": "list",
}
NEEDED_FIELDS = ("name", "data", "opts", "timestamp")

# One look at everything: {name, type, ttl, value} of each key that starts with the prefix.
SNAPSHOT = """
local found, cursor = {}, "0"
repeat
  local page = redis.call("SCAN", cursor, "MATCH", ARGV[1] .. "*", "COUNT", 5000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind, value = redis.call("TYPE", key)["ok"], false
    if kind == "hash" then value = redis.call("HGETALL", key)
    elseif kind == "list" then value = redis.call("LRANGE", key, 0, -1)
    elseif kind == "set" then value = redis.call("SMEMBERS", key)
    elseif kind == "zset" then value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
    elseif kind == "stream" then value = redis.call("XLEN", key)
    else value = redis.call("GET", key) end
    found[#found + 1] = { string.sub(key, #ARGV[1] + 1), kind, redis.call("PTTL", key), value }
  end
until cursor == "0"
return found
"""


class Snapshot:
    """A queue's keys as they were at one moment."""

    def __init__(self, found: list[Any]) -> None:
        self.types: dict[str, str] = {}
        self.ttls: dict[str, int] = {}
        self.values: dict[str, Any] = {}
        for name, kind, ttl, value in found:
            self.types[name], self.ttls[name] = kind, ttl
            self.values[name] = _pairs(value) if kind in ("hash", "zset") else value

    def ids(self, holder: str) -> list[str]:
        return list(self.values.get(holder, ())) if self.types.get(holder) in ("list", "zset", "set") else []

    def hash(self, name: str) -> dict[str, str]:
        return self.values[name] if self.types.get(name) == "hash" else {}

    def states(self) -> dict[str, list[str]]:
        """Each id → the keys that hold it, once for each time."""
        found: dict[str, list[str]] = {}
        for holder in (*LISTS, *SETS):
            for job_id in self.ids(holder):
                found.setdefault(job_id, []).append(holder)
        return found

    def jobs(self) -> dict[str, dict[str, str]]:
        """The hashes that are jobs: those that are no key of the queue's own, nor beside a job."""
        return {
            name: self.hash(name)
            for name, kind in self.types.items()
            if kind == "hash" and name not in TYPES and not _is_beside(name) and not _is_other(name)
        }


async def broken_invariants(
    redis: Redis, prefix: str, queue: str, *, quiescent: bool = True, allow: Collection[str] = frozenset()
) -> list[str]:
    """What is wrong with a queue's keys: the invariant's number, the key, the job. `quiescent`: no worker is running.

    `allow` names invariants that may be broken, since a test broke them on purpose.
    """
    snapshot = Snapshot(await redis.eval(SNAPSHOT, 0, f"{prefix}:{queue}:"))  # pyright: ignore
    checks = [_membership, _satellites, _types, _active, _scores, _finished, _wake_up, _rest]
    found = [line for check in checks for line in check(snapshot, quiescent)]
    found += await _own_keys(redis, prefix, queue)
    return [line for line in found if line.split(" ", 1)[0] not in allow]


def _membership(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    states = snapshot.states()
    jobs = snapshot.jobs()
    for job_id, holders in states.items():
        if len(set(holders)) > 1:
            found.append(f"I1 job {job_id} is in {' and '.join(sorted(set(holders)))}")
        found += [f"I2 job {job_id} is {n} times in {key}" for key, n in Counter(holders).items() if n > 1]
        missing = [field for field in NEEDED_FIELDS if field not in snapshot.hash(job_id)]
        if missing:
            found.append(f"I3 job {job_id} in {holders[0]} lacks {', '.join(missing)}")
    found += [f"I4 job {job_id} is in no state" for job_id in jobs if job_id not in states]
    highest = max((int(job_id) for job_id in jobs if job_id.isdigit() and str(int(job_id)) == job_id), default=0)
    if highest > int(snapshot.values.get("id") or 0):
        found.append(f"I7 the counter id is {snapshot.values.get('id')}, but there is a job {highest}")
    return found


def _satellites(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    for name in snapshot.types:
        job_id, _, word = name.rpartition(":")
        if word in SATELLITES and name not in TYPES and not _is_other(name) and job_id not in snapshot.types:
            found.append(f"I5 {name} belongs to no job")
    return found


def _types(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    for name, kind in snapshot.types.items():
        wanted = TYPES.get(name)
        if wanted and kind != wanted:
            found.append(f"I6 {name} is a {kind}, not a {wanted}")
        if not wanted and not _is_beside(name) and not _is_other(name) and kind != "hash":
            found.append(f"I34 {name} ({kind}) is no key that is known")
    return found


def _active(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    active, stalled = set(snapshot.ids("active")), set(snapshot.ids("stalled"))
    for name, ttl in snapshot.ttls.items():
        if name.endswith(":lock"):
            job_id = name.removesuffix(":lock")
            if job_id not in active:
                found.append(f"I8 job {job_id} is locked but not active")
            if ttl <= 0:
                found.append(f"I10 {name} never expires")
    for job_id in active:
        job = snapshot.hash(job_id)
        if "processedOn" not in job or _number(job.get("ats")) < 1:
            found.append(f"I12 job {job_id} is active but was never started")
        if quiescent:
            found.append(f"I9 job {job_id} is active, but no worker runs")
    for job_id, job in snapshot.jobs().items():
        if _number(job.get("atm")) > _number(job.get("ats")) and job.get("name") != "":
            found.append(f"I12 job {job_id} ended {job.get('atm')} attempts but started {job.get('ats')}")
    states = snapshot.states()
    found += [f"I13 {job_id} is in stalled, not in active" for job_id in stalled - active if job_id in states]
    if snapshot.ttls.get("stalled-check", 1) <= 0:
        found.append("I15 stalled-check never expires")
    return found


def _scores(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    for job_id, score in snapshot.values.get("delayed", {}).items():
        job = snapshot.hash(job_id)
        if float(score) != int(float(score)) or int(float(score)) // 4096 < _number(job.get("timestamp")):
            found.append(f"I17 job {job_id} is due before it was made: score {score}")
    for job_id, score in snapshot.values.get("prioritized", {}).items():
        priority = _number(snapshot.hash(job_id).get("priority"))
        if int(float(score)) >> 32 != priority or not 1 <= priority <= 2_097_151:
            found.append(f"I18 job {job_id} has priority {priority} and score {score}")
    return found


def _finished(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    for state, field in (("completed", "returnvalue"), ("failed", "failedReason")):
        for job_id, score in snapshot.values.get(state, {}).items():
            job = snapshot.hash(job_id)
            if _number(job.get("finishedOn")) != int(float(score)):
                found.append(f"I19 job {job_id} in {state}: finishedOn {job.get('finishedOn')}, score {score}")
            if field not in job:
                found.append(f"I19 job {job_id} in {state} has no {field}")
            elif state == "completed" and not _is_json(job[field]):
                found.append(f"I19 the return value of job {job_id} is no JSON")
            if state == "failed" and "defa" in job:
                found.append(f"I19 job {job_id} has failed and still has a deferred failure")
    return found


def _wake_up(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    meta, marker = snapshot.hash("meta"), snapshot.values.get("marker", {})
    unknown = set(marker) - {"0", "1"}
    if unknown:
        found.append(f"I22 marker has {sorted(unknown)}")
    if "paused" in meta:
        return found + (["I22 the queue is paused and has a marker"] if "0" in marker else [])
    limit = _number(meta.get("concurrency"))
    maxed = "concurrency" in meta and len(snapshot.ids("active")) >= limit
    if quiescent and not maxed and "limiter" not in snapshot.types:
        waiting = [*snapshot.ids("wait"), *snapshot.ids("prioritized")]
        if waiting and "0" not in marker:
            found.append(f"I20 {len(waiting)} jobs wait and nobody would be woken")
        if snapshot.ids("delayed") and not marker:
            found.append("I21 jobs are delayed and nobody would look")
    return found


def _rest(snapshot: Snapshot, quiescent: bool) -> list[str]:
    found: list[str] = []
    for job_id in snapshot.ids("waiting-children"):
        if f"{job_id}:dependencies" not in snapshot.types:
            found.append(f"I24 job {job_id} waits for children that it doesn't have")
    for job_id, job in snapshot.jobs().items():
        if job.get("parent") and _is_json(job["parent"]):
            parent: Any = json.loads(job["parent"])
            if isinstance(parent, dict) and f"{parent.get('queueKey')}:{parent.get('id')}" != job.get("parentKey"):
                found.append(f"I26 job {job_id}: parent and parentKey disagree")
        if "stacktrace" in job and _is_json(job.get("opts", "")):
            opts: Any = json.loads(job["opts"])
            limit = opts.get("stackTraceLimit") if isinstance(opts, dict) else None
            if isinstance(limit, int) and _is_json(job["stacktrace"]) and len(json.loads(job["stacktrace"])) > limit:
                found.append(f"I36 job {job_id} keeps more stack traces than {limit}")
    for name, kind in snapshot.types.items():
        if name.startswith("de:") and kind == "string" and snapshot.ttls[name] == -1:
            owner = snapshot.values[name]
            if owner in snapshot.ids("completed") or owner in snapshot.ids("failed") or owner not in snapshot.types:
                found.append(f"I27 {name} is held by job {owner}, which is finished or gone")
    if snapshot.ttls.get("limiter", 1) <= 0:
        found.append("I30 limiter never expires")
    meta = snapshot.hash("meta")
    if not meta.get("opts.maxLenEvents", "0").isdigit():
        found.append(f"I33 meta opts.maxLenEvents is {meta['opts.maxLenEvents']!r}")
    if meta.get("paused", "1") != "1":
        found.append(f"I33 meta paused is {meta['paused']!r}")
    longest = (_number(meta.get("opts.maxLenEvents")) or 10_000) * 1.1 + 100
    if snapshot.types.get("events") == "stream" and snapshot.values["events"] > longest:
        found.append(f"I32 the stream has {snapshot.values['events']} events")
    return found


async def _own_keys(redis: Redis, prefix: str, queue: str) -> list[str]:
    """Keys that only Oxcart knows are no leftovers: receipts go by themselves."""
    found: list[str] = []
    async for key in redis.scan_iter(f"oxcart:{prefix}:{queue}:receipt:*", count=1000):  # pyright: ignore
        if await redis.ttl(str(key)) <= 0:
            found.append(f"I34 {key} never expires")
    return found


def _pairs(flat: list[str]) -> dict[str, str]:
    parts = iter(flat)
    return dict(zip(parts, parts, strict=True))


def _is_beside(name: str) -> bool:
    return name.rpartition(":")[2] in SATELLITES and ":" in name


def _is_other(name: str) -> bool:
    """Deduplication keys, and the definitions of schedulers (their iterations are jobs)."""
    return name.startswith(("de:", "dn:")) or (name.startswith("repeat:") and name.count(":") == 1)


def _number(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
