"""What Oxcart does otherwise than Node on purpose: the one list of it, each with how it is kept out of comparisons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .canonical import Found
from .sides import Node, Step

Hide = Callable[[Found, Found], None]
"""Takes out of one queue's keys, Node's and ours, what may differ."""
Avoid = Callable[[Step, Found], bool]
"""Whether a step, done to a queue with these keys, would leave what can't be compared: random sequences skip it."""
Amend = Callable[[Step, Any, Found, Node], Awaitable[None]]
"""After a step with this answer, done to a queue with these keys: makes Node's side what ours is."""
Excuse = Callable[[Step, Any, Any, Found], bool]
"""Whether these answers to a step, Node's and ours, may differ so; the step was done to a queue with these keys."""

MANUAL_LIMIT = str(2**53 - 1)


@dataclass(frozen=True)
class Deviation:
    """One thing that differs, and why; and what hides it, one of the four ways.

    `example` differs if nothing is hidden, which a test makes sure of: a deviation that is none any more has to go.
    """

    name: str
    differs: str
    reason: str
    hide: Hide | None = None
    avoid: Avoid | None = None
    amend: Amend | None = None
    excuse: Excuse | None = None
    example: tuple[Step, ...] = ()


def _step(name: str, /, **arguments: Any) -> Step:
    return Step(name, arguments)


# ---------------------------------------------------------------------------------------------- what is hidden


def _version(theirs: Found, mine: Found) -> None:
    for found in (theirs, mine):
        found.get("meta", {}).pop("version", None)


def _own_fields(_: Found, mine: Found) -> None:
    for value in mine.values():
        if isinstance(value, dict):
            for name in [name for name in value if str(name).startswith("ox")]:  # pyright: ignore
                del value[name]


def _false_options(theirs: Found, mine: Found) -> None:
    for found in (theirs, mine):
        for job in found.values():
            opts = job.get("opts") if isinstance(job, dict) else None  # pyright: ignore
            for name in [name for name, value in opts.get("de", {}).items() if value is False] if opts else ():
                del opts["de"][name]


def _early_length(theirs: Found, mine: Found) -> None:
    if "opts.maxLenEvents" in theirs.get("meta", {}) or mine.get("meta", {}).get("opts.maxLenEvents") != "10000":
        return
    del mine["meta"]["opts.maxLenEvents"]
    if not mine["meta"]:
        del mine["meta"]


# --------------------------------------------------------------------------------------------- what is avoided


def _has_options_that_we_refuse(step: Step, _: Found) -> bool:
    if step.name != "add":
        return False
    de, job_id = step.arguments.get("deduplication", {}), step.arguments.get("job_id")
    below_zero = any(step.arguments.get(name, 0) < 0 for name in ("delay", "priority", "attempts"))
    return below_zero or job_id in RESERVED or ("extend" in de and "ttl" not in de)


RESERVED = ("meta", "wait", "events", "repeat")
"""Some of the names of a queue's own keys."""


def _renews_a_lost_lock(step: Step, found: Found) -> bool:
    job_id = step.arguments.get("id")
    return step.name == "extend_lock" and job_id in found.get("active", ()) and f"{job_id}:lock" not in found


def _meets_a_manual_limit(step: Step, found: Found) -> bool:
    limiter = found.get("limiter", {})
    limited = isinstance(limiter, dict) and limiter.get("value") == MANUAL_LIMIT
    return step.name == "take" and limited and "max" not in found.get("meta", {}) and "limiter" not in step.arguments


SETTLING = frozenset({"complete", "fail", "put_off", "give_back"})


def _settles_beside_a_due_job(step: Step, found: Found) -> bool:
    return step.name in SETTLING and any(due.startswith("0 s") for _, due in found.get("delayed", ()))


def _extends_a_throttle_for_ever(step: Step, found: Found) -> bool:
    de = step.arguments.get("deduplication", {}) if step.name == "add" else {}
    throttles = isinstance(found.get(f"de:{de.get('id')}"), dict)
    return throttles and "extend" in de and "keep_last_if_active" in de and "replace" not in de


def _moves_what_is_aside(step: Step, found: Found) -> bool:
    return step.name == "change_priority" and step.arguments["id"] in found.get("paused", ())


def _meets_an_id_without_a_job(step: Step, found: Found) -> bool:
    lists = [found.get(state, ()) for state in ("wait", "active")]
    sets = [[job_id for job_id, _ in found.get(state, ())] for state in (*SORTED, "waiting-children")]
    gone = [job_id for ids in (*lists, *sets) for job_id in ids if job_id not in found]
    about_one = step.name in ("promote", "remove", "remove_job") and step.arguments["id"] in gone
    return about_one or (step.name in ("take", "promote_jobs", "retry_jobs") and bool(gone))


SORTED = ("delayed", "prioritized", "completed", "failed")


def _drains_beside_a_scheduled_job(step: Step, found: Found) -> bool:
    waiting = [job_id for job_id in found.get("wait", ()) if "rjk" in found.get(job_id, {})]
    return step.name == "drain" and bool(waiting)


def _looks_for_orphans_beside_metrics(step: Step, found: Found) -> bool:
    return step.name == "remove_orphans" and "metrics:failed" in found


def _obliterates_a_parent_that_is_a_child(step: Step, found: Found) -> bool:
    parents = [job_id for job_id, _ in found.get("waiting-children", ())]
    return step.name == "obliterate" and any("parentKey" in found.get(job_id, {}) for job_id in parents)


# --------------------------------------------------------------------------------------------- what is amended


async def _take_back_the_pause(step: Step, answer: Any, before: Found, node: Node) -> None:
    if step.name != "obliterate" or not isinstance(answer, dict):
        return
    redis: Any = node.redis
    [(told, _)] = await redis.xrevrange(node.key(step.queue, "events"), count=1)
    await redis.xdel(node.key(step.queue, "events"), told)
    if "paused" not in before.get("meta", {}):
        await redis.hdel(node.key(step.queue, "meta"), "paused")
    for member, meaning in before.get("marker", ()):
        score = 0 if member == "0" else 1
        if meaning == "the first delayed job":
            [(_, due)] = await redis.zrange(node.key(step.queue, "delayed"), 0, 0, withscores=True)
            score = due // 4096
        await redis.zadd(node.key(step.queue, "marker"), {member: score})


async def _wake_nobody(step: Step, answer: Any, before: Found, node: Node) -> None:
    concurrency = before.get("meta", {}).get("concurrency")
    maxed = concurrency is not None and len(before.get("active", ())) >= int(concurrency)
    if step.name == "resume" and maxed and not any(member == "0" for member, _ in before.get("marker", ())):
        await node.redis.zrem(node.key(step.queue, "marker"), "0")


async def _promoted_without_delay(step: Step, answer: Any, before: Found, node: Node) -> None:
    if step.name == "promote_jobs":
        for job_id, _ in before.get("delayed", ()):
            await node.redis.hset(node.key(step.queue, job_id), "delay", "0")  # pyright: ignore


async def _leave_nothing(step: Step, answer: Any, before: Found, node: Node) -> None:
    if step.name == "obliterate" and answer is None:
        queue = step.queue
        keys = [key async for key in node.redis.scan_iter(node.key(queue, "*"), count=1000)]
        if keys:
            await node.redis.unlink(*keys)


# --------------------------------------------------------------------------------------------- what is excused


def _counts_what_is_aside(step: Step, theirs: Any, mine: Any, found: Found) -> bool:
    aside = len(found.get("paused", ()))
    more = {name: theirs[name] + aside for name in ("waiting", "paused")} if step.name == "counts" else {}
    return bool(aside) and bool(more) and theirs | more == mine


def _promotes_nothing(step: Step, theirs: Any, mine: Any, _: Found) -> bool:
    return step.name == "promote" and theirs == {"refused": -3} and mine == {"refused": -1}


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "version",
        "`meta.version` names the library that wrote it last.",
        "It is for information: nobody compares it.",
        hide=_version,
    ),
    Deviation(
        "own fields",
        "A job's hash may have fields that start with `ox`.",
        "Both keep and ignore fields that they don't know.",
        hide=_own_fields,
    ),
    Deviation(
        "false options",
        "Options of a deduplication that are `False` are stored by Node, and not by Oxcart.",
        "They mean the same as none.",
        hide=_false_options,
        example=(_step("add", deduplication={"id": "d", "replace": False}),),
    ),
    Deviation(
        "refused options",
        "Oxcart refuses ids that are names of the queue's own keys, numbers below zero, and `extend` without a `ttl`.",
        "Such ids destroy a queue in Node; the others mean nothing.",
        avoid=_has_options_that_we_refuse,
        example=(_step("add", priority=-1),),
    ),
    Deviation(
        "length of the stream",
        "Oxcart stores `opts.maxLenEvents` also where it only looks for jobs.",
        "It reads all settings at once. Every Node queue stores it when it is made.",
        hide=_early_length,
        example=(_step("take", token="t"),),
    ),
    Deviation(
        "lost lock",
        "Node loses a lock that ran out; Oxcart takes it again while the job is in `active` and nobody else holds it.",
        "A job whose worker was cut off from Redis for a while is better kept than run twice.",
        avoid=_renews_a_lost_lock,
        example=(
            _step("add", job_id="a"),
            _step("take", token="t"),
            _step("lose_lock", id="a"),
            _step("extend_lock", id="a", token="t"),
        ),
    ),
    Deviation(
        "promotion",
        "Delayed jobs that are due are promoted by Node when a job is taken; by Oxcart when one is settled, too.",
        "Both are one call, and the sooner the better.",
        avoid=_settles_beside_a_due_job,
        example=(
            _step("add"),
            _step("take", token="t"),
            _step("add", job_id="a", delay=60),
            _step("change_delay", id="a", delay=0),
            _step("complete", id="1", token="t"),
        ),
    ),
    Deviation(
        "endless throttle",
        "A deduplication id that expires is held without end after an add with `extend` and `keep_last_if_active`"
        " in Node, though its job may be finished; Oxcart lets it expire.",
        "Nobody would free it: whatever is added under that id would be dropped until the finished job is removed.",
        avoid=_extends_a_throttle_for_ever,
        example=(
            _step("add", deduplication={"id": "d", "ttl": 60}),
            _step("take", token="t"),
            _step("complete", id="1", token="t"),
            _step("add", deduplication={"id": "d", "ttl": 60, "extend": True, "keep_last_if_active": True}),
        ),
    ),
    Deviation(
        "jobs aside",
        "Node does not count jobs that version 5 left in `paused`, and leaves them there when their priority changes.",
        "They wait as others do, and `resume` will put them with the others.",
        avoid=_moves_what_is_aside,
        excuse=_counts_what_is_aside,
        example=(_step("add"), _step("pause_as_version_5"), _step("counts")),
    ),
    Deviation(
        "ids without a job",
        "Node moves an id whose job is gone as if it were there, and says nothing of removing it; Oxcart drops it.",
        "What Node leaves are jobs without a name; its workers run them.",
        avoid=_meets_an_id_without_a_job,
        example=(_step("add", job_id="a", delay=60), _step("dangle", id="a"), _step("promote_jobs")),
    ),
    Deviation(
        "draining beside a scheduler",
        "Node takes as many ids from the end of the list as it erased jobs, wherever these were.",
        "So it loses the job that the scheduler waits for, which it means to spare, and leaves ids without a job.",
        avoid=_drains_beside_a_scheduled_job,
        example=(
            _step("schedule", id="s", every=60, start_ms=4_000_000_000_000),
            _step("add"),
            _step("promote", id="repeat:s:4000000000000"),
            _step("add"),
            _step("add"),
            _step("drain"),
        ),
    ),
    Deviation(
        "orphans and metrics",
        "Node takes `metrics:failed` for what is left of a job named `metrics`, and deletes it.",
        "The count of failed jobs would start again.",
        avoid=_looks_for_orphans_beside_metrics,
        example=(
            _step("add"),
            _step("work_with_node", error="boom", options={"metrics": {"maxDataPoints": 5}}),
            _step("remove_orphans"),
        ),
    ),
    Deviation(
        "manual limit",
        "Node heeds `rate_limit` only where there is another limit; Oxcart always.",
        "Who says that nothing shall be taken for a minute means it.",
        avoid=_meets_a_manual_limit,
        example=(_step("add"), _step("rate_limit", duration=60), _step("take", token="t")),
    ),
    Deviation(
        "resuming a full queue",
        "Node wakes a worker when a queue is resumed that has as many active jobs as it may; Oxcart doesn't.",
        "Nothing can be taken, and whoever finishes a job takes the next one. No other operation wakes then.",
        amend=_wake_nobody,
        example=(
            _step("add"),
            _step("add"),
            _step("take", token="t"),
            _step("set_global_concurrency", n=1),
            _step("pause"),
            _step("resume"),
        ),
    ),
    Deviation(
        "refused obliteration",
        "Node leaves a queue paused that it didn't obliterate, since jobs are active; Oxcart does not pause it.",
        "What is refused should change nothing.",
        amend=_take_back_the_pause,
        example=(_step("add"), _step("take", token="t"), _step("obliterate")),
    ),
    Deviation(
        "obliteration",
        "Node leaves jobs that wait for children, `limiter`, and what belongs to them; Oxcart leaves nothing.",
        "To obliterate means that. The jobs would be in nobody's way, but a new queue of that name would find them.",
        amend=_leave_nothing,
        example=(_step("flow", tree={"id": "a", "children": [{"id": "b", "queue": "p"}]}), _step("obliterate")),
    ),
    Deviation(
        "obliterated families",
        "So a parent elsewhere of a job that waited for children is released by Oxcart and waits for ever in Node.",
        "As above.",
        avoid=_obliterates_a_parent_that_is_a_child,
    ),
    Deviation(
        "promoted delays",
        "`promote_jobs` leaves the field `delay` in Node; Oxcart sets it to 0, as any other promotion does.",
        "A job that waits has no delay; dashboards show it.",
        amend=_promoted_without_delay,
        example=(_step("add", delay=60), _step("promote_jobs")),
    ),
    Deviation(
        "promoting nothing",
        "Promoting a job that does not exist: Node says that it is not delayed, Oxcart that it does not exist.",
        "Which is what its user wants to know.",
        excuse=_promotes_nothing,
        example=(_step("promote", id="none"),),
    ),
)
