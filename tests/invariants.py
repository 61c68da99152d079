"""What must hold for the keys of a queue at any moment, checked in one snapshot."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis

LISTS = ("wait", "paused", "active")
SORTED = ("delayed", "prioritized", "completed", "failed", "waiting-children")
STATES = (*LISTS, *SORTED)
FINISHED = ("completed", "failed")

TYPES = {
    **dict.fromkeys(LISTS, "list"),
    **dict.fromkeys((*SORTED, "repeat", "marker", "priority"), "zset"),
    **dict.fromkeys(("id", "pc", "limiter", "stalled-check"), "string"),
    **dict.fromkeys(("meta", "metrics:completed", "metrics:failed"), "hash"),
    **dict.fromkeys(("metrics:completed:data", "metrics:failed:data"), "list"),
    "stalled": "set",
    "events": "stream",
}
BESIDE_A_JOB = {
    "lock": "string",
    "logs": "list",
    "dependencies": "set",
    "processed": "hash",
    "failed": "hash",
    "unsuccessful": "zset",
}
DEDUPLICATION = {"de": "string", "dn": "hash"}
FIELDS = frozenset(
    """name data opts timestamp delay priority processedOn pb ats atm attemptsMade stc progress returnvalue failedReason
    stacktrace finishedOn defa parentKey parent deid rjk tm nrjid flowAttachmentFailed""".split()
)
NEEDED = ("name", "data", "opts", "timestamp")
POLICIES = ("fpof", "cpof", "idof", "rdof")
HIGHEST_PRIORITY = 2**21 - 1
MANUAL_LIMIT = 2**53 - 1

# Which events may come after one that left a job somewhere. `added` may follow any but itself and `active`, since
# draining, retention and clean-ups are silent.
NEXT = {
    "added": {"waiting", "delayed", "waiting-children"},
    "waiting": {"active", "waiting", "removed"},
    "active": {"completed", "failed", "delayed", "waiting", "waiting-children", "removed"},
    "delayed": {"waiting", "delayed", "removed"},
    "waiting-children": {"waiting", "delayed", "removed"},
    "completed": {"waiting", "removed"},
    "failed": {"waiting", "removed"},
    "removed": set[str](),
}
# Where a job is after its last event.
LEFT_IN = {
    "waiting": {"wait", "paused", "prioritized"},
    "active": {"active"},
    "delayed": {"delayed"},
    "waiting-children": {"waiting-children"},
    "completed": {"completed"},
    "failed": {"failed"},
    "removed": set[str](),
}

# Everything at once: the queue's keys and ours; what parents, also in other queues, know of the jobs here; and what is
# true of the children that jobs here wait for.
SNAPSHOT = """
local function read(key, kind)
  if kind == "string" then return redis.call("GET", key) end
  if kind == "hash" then return redis.call("HGETALL", key) end
  if kind == "list" then return redis.call("LRANGE", key, 0, -1) end
  if kind == "set" then return redis.call("SMEMBERS", key) end
  if kind == "zset" then return redis.call("ZRANGE", key, 0, -1, "WITHSCORES") end
  if kind == "stream" then return redis.call("XRANGE", key, "-", "+") end
  return false
end
local function safe(...)
  local answer = redis.pcall(...)
  if type(answer) == "table" and answer.err then return false end
  return answer
end
local keys, parents, children = {}, {}, {}
for _, pattern in ipairs({ ARGV[1], ARGV[2] }) do
  for _, key in ipairs(redis.call("KEYS", pattern)) do
    local kind = redis.call("TYPE", key)["ok"]
    local job = kind == "hash" and string.sub(key, 1, 7) ~= "oxcart:" -- they may be many, and never expire
    local ttl = job and -1 or redis.call("PTTL", key)
    keys[#keys + 1] = { key, kind, ttl, read(key, kind) }
    if kind == "hash" then
      local parent = redis.call("HGET", key, "parentKey")
      if parent then
        parents[#parents + 1] = {
          key, redis.call("EXISTS", parent),
          safe("SISMEMBER", parent .. ":dependencies", key) or 0, safe("HEXISTS", parent .. ":processed", key) or 0,
          safe("HEXISTS", parent .. ":failed", key) or 0, safe("ZSCORE", parent .. ":unsuccessful", key) and 1 or 0,
        }
      end
    elseif kind == "set" and string.sub(key, -13) == ":dependencies" then
      for _, child in ipairs(redis.call("SMEMBERS", key)) do
        local queue, id = string.match(child, "^(.*:)(.-)$")
        children[#children + 1] = {
          key, child, redis.call("TYPE", child)["ok"], safe("HGET", child, "parentKey"), safe("HGET", child, "parent"),
          queue and safe("ZSCORE", queue .. "completed", id) and 1 or 0,
          queue and safe("ZSCORE", queue .. "failed", id) and 1 or 0,
        }
      end
    end
  end
end
return { keys, parents, children }
"""


class Broken(NamedTuple):
    """One thing that doesn't hold: the invariant, the key without the queue's prefix, the job, and what is wrong."""

    name: str
    key: str
    job: str | None
    problem: str


class Key(NamedTuple):
    kind: str
    ttl_ms: int
    value: Any


class Link(NamedTuple):
    """What the parent of a job knows of it."""

    parent_exists: bool
    pending: bool
    processed: bool
    ignored: bool
    unsuccessful: bool


class Child(NamedTuple):
    """What is true of a member of a `:dependencies` set."""

    holder: str
    key: str
    kind: str
    parent_key: str | None
    parent: str | None
    completed: bool
    failed: bool


@dataclass
class Snapshot:
    """All keys of a queue at one moment, sorted by what they are."""

    start: str
    keys: dict[str, Key] = field(default_factory=dict[str, Key])
    own: dict[str, Key] = field(default_factory=dict[str, Key])
    """The keys that only Oxcart knows."""
    links: dict[str, Link] = field(default_factory=dict[str, Link])
    children: list[Child] = field(default_factory=list[Child])
    holders: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Job id → the states that hold it, once for each time."""
    jobs: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    beside: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Keys beside jobs: the key, the job's id, what it is."""
    schedulers: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def members(self, name: str) -> list[str]:
        """The ids in a list, a set or a sorted set; none if the key is of another type."""
        return list(self._value(name, ()))

    def scores(self, name: str) -> dict[str, float]:
        return self._value(name, {})

    def text(self, name: str) -> str | None:
        return self._value(name, None)

    @property
    def meta(self) -> dict[str, str]:
        return self._value("meta", {})

    def _value(self, name: str, otherwise: Any) -> Any:
        key = self.keys.get(name)
        return key.value if key is not None and key.kind == TYPES[name] else otherwise


async def broken_invariants(
    redis: Redis, prefix: str, queue: str, *, quiescent: bool = True, allow: Collection[str] = frozenset()
) -> list[str]:
    """What doesn't hold for the keys of this queue, a line each: the invariant's name, the key, the job, the problem.

    `quiescent`: no worker runs, so what running workers put right in time must be right as well (I9, I20, I21).
    `allow` names invariants that a test breaks on purpose.

    The names are those of the project's list. From one snapshot these can't be told: I11 (whose token a lock holds), of
    I12 that a job stalls no oftener than it starts (tests play lost workers by moving ids), of I18 that `pc` goes when
    a fetch finds nothing, I23 (for how long an idle worker has had nothing), I29 beyond the counted limit (slots of the
    past), I30 for a limiter of the workers, I31 beyond what the numbers say of each other, I35 (what an obliteration
    left), I36 beyond the job's own limits, I37 (the inside of clients), I38 (what was ever added). `OX` is about the
    keys that only Oxcart has: all but `quarantine:` must expire.
    """
    snapshot = await _take(redis, f"{prefix}:{queue}:")
    checks = (*CHECKS, *QUIET_CHECKS) if quiescent else CHECKS
    return [
        f"{name} {'' if name == 'OX' else snapshot.start}{key}{'' if job is None else f' (job {job})'}: {problem}"
        for check in checks
        for name, key, job, problem in check(snapshot)
        if name not in allow
    ]


async def _take(redis: Redis, start: str) -> Snapshot:
    """Read everything at once. Text that is no UTF-8 is kept, escaped."""
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", start) + "*"
    found: Any = await redis.execute_command(  # pyright: ignore
        "EVAL", SNAPSHOT, 0, pattern, f"oxcart:{pattern}", NEVER_DECODE=True
    )
    keys, parents, children = cast(list[list[Any]], found)
    snapshot = Snapshot(start)
    for raw_name, raw_kind, ttl_ms, raw in keys:
        name, kind = _text(raw_name), _text(raw_kind)
        key = Key(kind, ttl_ms, _value(kind, raw))
        if name.startswith(start):
            snapshot.keys[name.removeprefix(start)] = key
        else:
            snapshot.own[name] = key
    for name, *flags in parents:
        snapshot.links[_text(name).removeprefix(start)] = Link(*map(bool, flags))
    for row in children:
        holder, child, kind, parent_key, parent = (None if text is None else _text(text) for text in row[:5])
        known = Child(holder or "", child or "", kind or "", parent_key, parent, bool(row[5]), bool(row[6]))
        snapshot.children.append(known._replace(holder=known.holder.removeprefix(start)))
    _sort(snapshot)
    return snapshot


def _sort(snapshot: Snapshot) -> None:
    """Tell jobs, schedulers and the keys beside jobs from each other."""
    for state in STATES:
        for job_id in snapshot.members(state):
            snapshot.holders.setdefault(job_id, []).append(state)
    scheduled = snapshot.scores("repeat")
    for name, key in snapshot.keys.items():
        if name in TYPES or name.startswith(("de:", "dn:")):
            continue
        scheduler = name.removeprefix("repeat:")
        is_own = scheduler != name and key.kind == "hash" and name not in snapshot.holders
        if is_own and (scheduler in scheduled or "timestamp" not in key.value):
            snapshot.schedulers[scheduler] = key.value
            continue
        job_id, _, kind = name.rpartition(":")
        if kind in BESIDE_A_JOB and job_id and name not in snapshot.holders:
            snapshot.beside.append((name, job_id, kind))
        elif key.kind == "hash":
            snapshot.jobs[name] = key.value


def _value(kind: str, raw: Any) -> Any:
    match kind:
        case "string":
            return _text(raw)
        case "list" | "set":
            return [_text(item) for item in raw]
        case "hash":
            return _pairs(raw)
        case "zset":
            return {member: float(score) for member, score in _pairs(raw).items()}
        case "stream":
            return [(_text(entry), _pairs(fields)) for entry, fields in raw]
        case _:
            return None


def _pairs(raw: list[bytes]) -> dict[str, str]:
    texts = [item.decode("utf-8", "surrogateescape") for item in raw]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _whole(text: str | None) -> int | None:
    """The text as a whole number, None if it is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _json(text: str | None) -> Any:
    """The text as JSON, None if it is none. JavaScript knows no NaN there."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        return json.loads(text or "", parse_constant=refuse)
    except ValueError:
        return None


def _object(text: str | None) -> dict[str, Any]:
    """The text as a JSON object; empty if it is none."""
    value = _json(text)
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


# ----------------------------------------------------------------------------------------------------- membership


def _one_state(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id, states in snapshot.holders.items():
        if len(states) == 1:
            continue
        names = sorted(set(states))
        if len(names) > 1:
            yield Broken("I1", job_id, job_id, f"in {len(names)} states at once: {', '.join(names)}")
        for name in names:
            if (times := states.count(name)) > 1:
                yield Broken("I2", name, job_id, f"{times} times in the list")


def _hashes(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id, states in snapshot.holders.items():
        key = snapshot.keys.get(job_id)
        if key is None:
            yield Broken("I3", job_id, job_id, f"no hash, but the id is in {states[0]}")
        elif key.kind != "hash":
            yield Broken("I3", job_id, job_id, f"a {key.kind} instead of a job's hash, and the id is in {states[0]}")
        elif lacking := [name for name in NEEDED if name not in key.value]:
            yield Broken("I3", job_id, job_id, f"lacks {', '.join(lacking)}")
    for job_id, fields in snapshot.jobs.items():
        if job_id not in snapshot.holders:
            yield Broken("I4", job_id, job_id, "a job's hash that no state holds")
        for name in fields.keys() - FIELDS:
            if not name.startswith("ox"):
                yield Broken("I34", job_id, job_id, f"unknown field {name!r}")


def _beside_jobs(snapshot: Snapshot) -> Iterator[Broken]:
    for name, job_id, kind in snapshot.beside:
        key = snapshot.keys[name]
        if key.kind != BESIDE_A_JOB[kind]:
            yield Broken("I6", name, job_id, f"a {key.kind} instead of a {BESIDE_A_JOB[kind]}")
        gone = job_id not in snapshot.jobs
        if kind != "lock":
            if gone and job_id not in snapshot.holders:
                yield Broken("I5", name, job_id, "its job does not exist")
            continue
        # A job may be removed by force while it is locked; then its lock goes when its time is over.
        if "active" not in snapshot.holders.get(job_id, ()) and not (gone and key.ttl_ms >= 0):
            yield Broken("I8", name, job_id, "a lock of a job that is not active")
        if key.ttl_ms < 0:
            yield Broken("I10", name, job_id, "a lock that never expires")
        if not key.value:
            yield Broken("I11", name, job_id, "a lock without a token")


def _types(snapshot: Snapshot) -> Iterator[Broken]:
    for name, key in snapshot.keys.items():
        wanted = TYPES.get(name) or DEDUPLICATION.get(name[:2] if name[2:3] == ":" else "")
        if wanted is not None and key.kind != wanted:
            yield Broken("I6", name, None, f"a {key.kind} instead of a {wanted}")


def _known_keys(snapshot: Snapshot) -> Iterator[Broken]:
    known = {*TYPES, *snapshot.jobs, *snapshot.holders, *(name for name, _, _ in snapshot.beside)}
    known.update(f"repeat:{name}" for name in snapshot.schedulers)
    for name in snapshot.keys.keys() - known:
        if not name.startswith(("de:", "dn:")):
            yield Broken("I34", name, None, f"a {snapshot.keys[name].kind} that the wire does not know")
    for name, key in snapshot.own.items():
        if name in (f"oxcart:{snapshot.start}policies", f"oxcart:{snapshot.start}running"):
            for scheduler in key.value.keys() - snapshot.scores("repeat").keys():
                yield Broken("OX", name, None, f"knows the scheduler {scheduler!r}, which does not exist")
        elif name == f"oxcart:{snapshot.start}paused-schedulers":
            for scheduler in key.value.keys() & snapshot.scores("repeat").keys():
                yield Broken("OX", name, None, f"says that {scheduler!r} is paused, which is there")
        elif key.ttl_ms < 0 and not name.startswith(f"oxcart:{snapshot.start}quarantine:"):
            yield Broken("OX", name, None, "never expires")


def _counter(snapshot: Snapshot) -> Iterator[Broken]:
    text = snapshot.text("id")
    counter = _whole(text or "0")
    if counter is None:
        yield Broken("I7", "id", None, f"not a number: {text!r}")
        return
    for job_id in snapshot.jobs.keys() | snapshot.holders.keys():
        if job_id.isascii() and job_id.isdigit() and str(int(job_id)) == job_id and int(job_id) > counter:
            yield Broken("I7", "id", job_id, f"the counter is at {counter}, below the id of a job")


# ----------------------------------------------------------------------------------------------------- active jobs


def _active(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id in snapshot.members("active"):
        fields = snapshot.jobs.get(job_id)
        if fields is None:
            continue
        if not _whole(fields.get("processedOn")):
            yield Broken("I12", job_id, job_id, "active without processedOn")
        if (_whole(fields.get("ats")) or 0) < 1:
            yield Broken("I12", job_id, job_id, "active, but never started (ats)")
    for job_id, fields in snapshot.jobs.items():
        started, made, stalled = (_whole(fields.get(name, "0")) for name in ("ats", "atm", "stc"))
        if started is None or made is None or stalled is None:
            yield Broken("I12", job_id, job_id, "ats, atm or stc is not a number")
        elif started < made:
            yield Broken("I12", job_id, job_id, f"started {started} times, but ended {made} times")


def _stalled(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id in set(snapshot.members("stalled")).difference(snapshot.members("active")):
        if job_id in snapshot.jobs:
            yield Broken("I14", "stalled", job_id, "marked as stalled, but no longer active")
        else:
            yield Broken("I13", "stalled", job_id, "marked as stalled, but there is no such job")
    check = snapshot.keys.get("stalled-check")
    if check is not None and check.ttl_ms < 0:
        yield Broken("I15", "stalled-check", None, "never expires, so lost jobs are never looked for")


def _left_active(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id in snapshot.members("active"):
        yield Broken("I9", "active", job_id, "active, but no worker runs")


def _concurrency(snapshot: Snapshot) -> Iterator[Broken]:
    most = _whole(snapshot.meta.get("concurrency"))
    real = [job_id for job_id in snapshot.members("active") if job_id in snapshot.jobs]
    if most is not None and len(real) > most:
        yield Broken("I16", "active", real[0], f"{len(real)} jobs are active, {most} are allowed")


# ------------------------------------------------------------------------------------------------- order and scores


def _delayed(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id, score in snapshot.scores("delayed").items():
        fields = snapshot.jobs.get(job_id, {})
        made, delay = _whole(fields.get("timestamp")), _whole(fields.get("delay"))
        if score < 0 or score != int(score):
            yield Broken("I17", "delayed", job_id, f"the score {score!r} is no time")
        elif made is not None and delay is not None and not fields.get("ats"):
            # After an attempt the delay counts from its end, which is not stored.
            due = int(score) // 4096
            if due < made + delay:
                yield Broken("I17", "delayed", job_id, f"due {made + delay - due} ms before timestamp + delay")
    for state in ("wait", "prioritized", "active"):
        for job_id in snapshot.members(state):
            delay = _whole(snapshot.jobs.get(job_id, {}).get("delay"))
            if delay is not None and delay > 0:
                yield Broken("I17", job_id, job_id, f"in {state}, but its delay is still {delay}")


def _prioritized(snapshot: Snapshot) -> Iterator[Broken]:
    text = snapshot.text("pc")
    counter = _whole(text or "0")
    if counter is None:
        yield Broken("I18", "pc", None, f"not a number: {text!r}")
        return
    for job_id, score in snapshot.scores("prioritized").items():
        priority, order = divmod(int(score), 2**32)
        if score != int(score) or not 1 <= priority <= HIGHEST_PRIORITY:
            yield Broken("I18", "prioritized", job_id, f"the score {score!r} is of no priority")
            continue
        stored = snapshot.jobs.get(job_id, {}).get("priority")
        if job_id in snapshot.jobs and _whole(stored) != priority:
            yield Broken("I18", "prioritized", job_id, f"a score of priority {priority}, but the field is {stored!r}")
        if order > counter and counter < 2**32:
            yield Broken("I18", "pc", job_id, f"the counter is at {counter}, below {order} in a score")


def _finished(snapshot: Snapshot) -> Iterator[Broken]:
    for state, value in (("completed", "returnvalue"), ("failed", "failedReason")):
        for job_id, score in snapshot.scores(state).items():
            fields = snapshot.jobs.get(job_id)
            if fields is None:
                continue
            if _whole(fields.get("finishedOn")) != score:
                yield Broken("I19", state, job_id, f"score {score:.0f}, but finishedOn {fields.get('finishedOn')}")
            if value not in fields:
                yield Broken("I19", job_id, job_id, f"{state} without {value}")
            elif state == "completed" and fields[value] != "null" and _json(fields[value]) is None:
                yield Broken("I19", job_id, job_id, f"returnvalue is not JSON: {fields[value]!r:.60}")
            if state == "failed" and "defa" in fields:
                yield Broken("I19", job_id, job_id, "failed, but still to be failed (defa)")


# --------------------------------------------------------------------------------------------------------- waking up


def _marker(snapshot: Snapshot) -> Iterator[Broken]:
    marker = snapshot.scores("marker")
    for member in marker.keys() - {"0", "1"}:
        yield Broken("I22", "marker", None, f"unknown member {member!r}")
    if marker.get("0"):
        yield Broken("I22", "marker", None, f"member '0' has the score {marker['0']!r}")
    if "0" in marker and "paused" in snapshot.meta:
        yield Broken("I22", "marker", None, "wakes workers although the queue is paused")


def _woken(snapshot: Snapshot) -> Iterator[Broken]:
    marker, meta = snapshot.scores("marker"), snapshot.meta
    if "0" in marker or "paused" in meta:
        return
    most = _whole(meta.get("concurrency"))
    maxed = most is not None and len(snapshot.members("active")) >= most
    ready = [*snapshot.members("wait")[-1:], *snapshot.members("prioritized")[:1]]
    if ready and not maxed and "limiter" not in snapshot.keys:
        yield Broken("I20", "marker", ready[0], "a job is to be had, and nothing wakes a worker")
    if delayed := snapshot.scores("delayed"):
        job_id, score = min(delayed.items(), key=lambda item: item[1])
        at = marker.get("1")
        if at is None or at > score / 4096:
            when = "nothing says when" if at is None else f"workers look {at - score / 4096:.0f} ms late"
            yield Broken("I21", "marker", job_id, f"a delayed job, and {when}")


# ------------------------------------------------------------------------------------------------------------- flows


def _parents(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id in snapshot.members("waiting-children"):
        if f"{job_id}:dependencies" not in snapshot.keys:
            yield Broken("I24", "waiting-children", job_id, "waits for children that it does not have")
    for child in snapshot.children:
        job_id = child.holder.removesuffix(":dependencies")
        if child.kind != "hash":
            yield Broken("I25", child.holder, job_id, f"child {child.key} does not exist")
            continue
        if child.parent_key != snapshot.start + job_id:
            yield Broken("I25", child.holder, job_id, f"child {child.key} has the parent {child.parent_key}")
        if child.completed:
            yield Broken("I25", child.holder, job_id, f"child {child.key} is completed, but still waited for")
        elif child.failed and any(_object(child.parent).get(policy) for policy in POLICIES):
            yield Broken("I25", child.holder, job_id, f"child {child.key} has failed, but is still waited for")


def _children(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id, fields in snapshot.jobs.items():
        parent, parent_key = _object(fields.get("parent")), fields.get("parentKey")
        if parent_key is None:
            if parent:
                yield Broken("I26", job_id, job_id, "has a parent, but no parentKey")
            continue
        if "parent" in fields and parent_key != f"{parent.get('queueKey')}:{parent.get('id')}":
            yield Broken("I26", job_id, job_id, f"parentKey {parent_key} is not the parent {fields['parent']}")
        link, states = snapshot.links.get(job_id), snapshot.holders.get(job_id)
        if link is None or not states:
            continue
        policy = next((name for name in POLICIES if parent.get(name)), None)
        if link.parent_exists:
            yield from _known_to_parent(job_id, fields, link, states[0], policy)
        elif policy and states[0] not in FINISHED:
            yield Broken("I26", job_id, job_id, f"its parent {parent_key} does not exist, and it has {policy}")


def _known_to_parent(
    job_id: str, fields: dict[str, str], link: Link, state: str, policy: str | None
) -> Iterator[Broken]:
    """A child is known to its parent in one place, which its state and its policy decide."""
    known = {name for name in ("pending", "processed", "ignored", "unsuccessful") if getattr(link, name)}
    match state:
        case "completed":
            wanted = {"processed"}
        case "failed":
            after = {"fpof": {"unsuccessful"}, "cpof": {"ignored"}, "idof": {"ignored"}, "rdof": set[str]()}
            wanted = after.get(policy or "", {"pending"})
        case _:
            # A retried child whose failure was forgotten is no longer waited for.
            wanted = known & {"pending"} if fields.get("ats") else {"pending"}
    if known != wanted:
        places, right = (", ".join(sorted(names)) or "nowhere" for names in (known, wanted))
        yield Broken("I25", job_id, job_id, f"{state}, and its parent has it in: {places}, instead of: {right}")


# ------------------------------------------------------------------- deduplication, schedulers, limiter and metrics


def _deduplication(snapshot: Snapshot) -> Iterator[Broken]:
    for name, key in snapshot.keys.items():
        what, _, dedup_id = name.partition(":")
        if what == "de" and dedup_id and key.kind == "string" and key.ttl_ms < 0:
            owner = snapshot.jobs.get(key.value)
            if owner is None:
                yield Broken("I27", name, key.value, "held by a job that does not exist")
            elif owner.get("deid") != dedup_id:
                yield Broken("I27", name, key.value, f"held by a job whose deduplication id is {owner.get('deid')!r}")
            elif _is_finished(snapshot, key.value):
                yield Broken("I27", name, key.value, "held by a job that is finished")
        elif what == "dn" and dedup_id:
            holder = snapshot.keys.get(f"de:{dedup_id}")
            owner_id = "" if holder is None or holder.kind != "string" else str(holder.value)
            # It may be between two attempts, but it has been active.
            if _is_finished(snapshot, owner_id) or not snapshot.jobs.get(owner_id, {}).get("ats"):
                yield Broken("I27", name, owner_id, "kept for a job that is not active")


def _is_finished(snapshot: Snapshot, job_id: str) -> bool:
    return any(state in FINISHED for state in snapshot.holders.get(job_id, ()))


def _schedulers(snapshot: Snapshot) -> Iterator[Broken]:
    scheduled = snapshot.scores("repeat")
    iterations: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for job_id, fields in snapshot.jobs.items():
        if (scheduler := fields.get("rjk")) is not None:
            iterations[scheduler] += [(job_id, state) for state in snapshot.holders.get(job_id, ())]
    for name in snapshot.schedulers.keys() - scheduled.keys():
        yield Broken("I28", f"repeat:{name}", None, "a scheduler that `repeat` does not list")
    for name, slot in scheduled.items():
        fields = snapshot.schedulers.get(name)
        if fields is None:
            yield Broken("I28", f"repeat:{name}", None, "listed in `repeat`, but it has no hash")
            continue
        if ("every" in fields) == ("pattern" in fields):
            yield Broken("I28", f"repeat:{name}", None, "needs either every or pattern")
        if (_whole(fields.get("ic")) or 0) < 1:
            yield Broken("I28", f"repeat:{name}", None, f"has made {fields.get('ic')} iterations")
        yield from _iterations(snapshot, name, fields, slot, iterations[name])
    for scheduler in iterations.keys() - scheduled.keys():
        for job_id, state in iterations[scheduler]:
            if state == "delayed" and not snapshot.jobs[job_id].get("ats"):
                yield Broken("I28", job_id, job_id, f"an iteration of {scheduler!r}, which does not exist")


def _iterations(
    snapshot: Snapshot, name: str, fields: dict[str, str], slot: float, iterations: list[tuple[str, str]]
) -> Iterator[Broken]:
    """A scheduler has one iteration ahead of it, or one that runs, or it has come to its end."""
    unfinished = [(job_id, state) for job_id, state in iterations if state not in FINISHED]
    ahead = [job_id for job_id, state in unfinished if state != "active" and not snapshot.jobs[job_id].get("ats")]
    if len(ahead) > 1:
        yield Broken("I28", f"repeat:{name}", ahead[1], f"{len(ahead)} iterations are pending")
    if ahead and f"repeat:{name}:{slot:.0f}" not in ahead:
        yield Broken("I28", "repeat", ahead[0], f"the pending iteration is not that of the slot {slot:.0f}")
    limit = _whole(fields.get("limit"))
    if not unfinished and limit is None and "endDate" not in fields:
        yield Broken("I28", f"repeat:{name}", None, "no iteration is pending or runs")
    for job_id, _ in iterations:
        repeat: Any = _object(snapshot.jobs[job_id].get("opts")).get("repeat") or {}
        if limit is not None and int(repeat.get("count") or 0) > limit:
            yield Broken("I29", job_id, job_id, f"iteration {repeat['count']} of at most {limit}")


def _limiter(snapshot: Snapshot) -> Iterator[Broken]:
    key = snapshot.keys.get("limiter")
    if key is None or key.kind != "string":
        return
    if key.ttl_ms < 0:
        yield Broken("I30", "limiter", None, "never expires")
    count, most = _whole(key.value), _whole(snapshot.meta.get("max"))
    if count is None:
        yield Broken("I30", "limiter", None, f"not a number: {key.value!r}")
    elif most is not None and most < count < MANUAL_LIMIT:
        yield Broken("I30", "limiter", None, f"{count} jobs were taken, {most} are allowed")


def _metrics(snapshot: Snapshot) -> Iterator[Broken]:
    for name in ("metrics:completed", "metrics:failed"):
        points = [_whole(text) for text in snapshot.members(f"{name}:data")]
        key = snapshot.keys.get(name)
        if key is None or key.kind != "hash":
            if points:
                yield Broken("I31", f"{name}:data", None, "points without a count")
            continue
        count, before = _whole(key.value.get("count")), _whole(key.value.get("prevCount", "0"))
        if count is None or before is None or not 0 <= before <= count:
            yield Broken("I31", name, None, f"count {key.value.get('count')}, before {key.value.get('prevCount')}")
        elif any(point is None or point < 0 for point in points) or sum(point or 0 for point in points) > before:
            yield Broken("I31", f"{name}:data", None, f"the points are no parts of {before}")


# ----------------------------------------------------------------------------------------------- events and settings


def _events(snapshot: Snapshot) -> Iterator[Broken]:
    entries: list[tuple[str, dict[str, str]]] = snapshot.members("events")  # pyright: ignore
    most = _whole(snapshot.meta.get("opts.maxLenEvents"))
    if most is not None and len(entries) > most * 1.1 + 100:
        yield Broken("I32", "events", None, f"{len(entries)} events, {most} are to be kept")
    last: dict[str, str] = {}
    for entry, fields in entries:
        event, job_id = fields.get("event", ""), fields.get("jobId")
        if job_id is None or event not in NEXT:
            continue
        before = last.get(job_id)
        last[job_id] = event
        if before is not None and not _may_follow(snapshot, job_id, before, event):
            yield Broken("I32", "events", job_id, f"{event} ({entry}) after {before}")
    for job_id, event in last.items():
        states = snapshot.holders.get(job_id)
        if states and event in LEFT_IN and not LEFT_IN[event].intersection(states):
            yield Broken("I32", "events", job_id, f"the last event is {event}, but the job is in {states[0]}")


def _may_follow(snapshot: Snapshot, job_id: str, before: str, event: str) -> bool:
    if event == "added":
        return before not in ("added", "active")
    if event == "failed" and before == "waiting":
        # An id without a readable job: nobody can start it.
        return not snapshot.jobs.get(job_id, {}).get("ats")
    return event in NEXT[before]


def _meta(snapshot: Snapshot) -> Iterator[Broken]:
    meta = snapshot.meta
    for name in ("opts.maxLenEvents", "concurrency", "max", "duration"):
        if name in meta and _whole(meta[name]) is None:
            yield Broken("I33", "meta", None, f"{name} is not a number: {meta[name]!r}")
    if meta.get("paused", "1") != "1":
        yield Broken("I33", "meta", None, f"paused is {meta['paused']!r}, which pauses all the same")
    if "version" in meta and not re.match(r"[\w-]+:\d+\.\d+\.\d+", meta["version"]):
        yield Broken("I33", "meta", None, f"unknown version {meta['version']!r}")


def _own_limits(snapshot: Snapshot) -> Iterator[Broken]:
    for job_id, fields in snapshot.jobs.items():
        text = fields.get("opts", "")
        if "stackTraceLimit" not in text and '"kl"' not in text:
            continue
        opts = _object(text)
        keep, traces = opts.get("kl"), opts.get("stackTraceLimit")
        logs = snapshot.keys.get(f"{job_id}:logs")
        rows = len(logs.value) if logs is not None and logs.kind == "list" else 0
        if isinstance(keep, int) and 0 < keep < rows:
            yield Broken("I36", f"{job_id}:logs", job_id, f"{rows} lines, {keep} are to be kept")
        kept = _json(fields.get("stacktrace"))
        if isinstance(traces, int) and isinstance(kept, list) and len(cast(list[Any], kept)) > traces >= 0:
            yield Broken("I36", job_id, job_id, f"more stack traces than the {traces} that are to be kept")


Check = Callable[[Snapshot], Iterator[Broken]]

CHECKS: tuple[Check, ...] = (
    _one_state,
    _hashes,
    _beside_jobs,
    _types,
    _known_keys,
    _counter,
    _active,
    _stalled,
    _concurrency,
    _delayed,
    _prioritized,
    _finished,
    _marker,
    _parents,
    _children,
    _deduplication,
    _schedulers,
    _limiter,
    _metrics,
    _events,
    _meta,
    _own_limits,
)
QUIET_CHECKS: tuple[Check, ...] = (_left_active, _woken)
