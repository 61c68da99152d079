"""What Oxcart does otherwise than Node on purpose: the one list of it, each with how it is kept out of comparisons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from oxcart.cron import Cron

from .canonical import NOW, Found
from .sides import START_MS, Node, Step

Hide = Callable[[Found, Found], None]
"""Takes out of one queue's keys, Node's and ours, what may differ."""
Avoid = Callable[[Step, Found], bool]
"""Whether a step, done to a queue with these keys, would leave what can't be compared: random sequences skip it."""
Amend = Callable[[Step, Any, Found, Node], Awaitable[None]]
"""After a step with this answer, done to a queue with these keys: makes Node's side what ours is."""
Excuse = Callable[[Step, Any, Any, Found], bool]
"""Whether these answers to a step, Node's and ours, may differ so; the step was done to a queue with these keys."""

MANUAL_LIMIT = str(2**53 - 1)
EIGHT_MS = 1_804_147_200_000
"""At eight after `START_MS`."""


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

    @property
    def start_ms(self) -> int | None:
        """When the example begins, if it is about schedulers: their runs have their times in their ids."""
        return START_MS if any(step.name == "upsert_scheduler" for step in self.example) else None


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


def _backoff_of_runs(theirs: Found, mine: Found) -> None:
    for found in (theirs, mine):
        for name, value in found.items():
            opts = value.get("opts", {}) if name.startswith("repeat:") and isinstance(value, dict) else {}
            if isinstance(opts.get("backoff"), int):
                opts["backoff"] = {"type": "fixed", "delay": opts["backoff"]}


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
    return step.name in SETTLING and any(_is_due(due, found) for _, due in found.get("delayed", ()))


def _is_due(due: Any, found: Found) -> bool:
    return due // 4096 <= found[NOW] if NOW in found else due.startswith("0 s")


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


def _schedules_what_we_refuse(step: Step, _: Found) -> bool:
    start, end = step.arguments.get("start_ms"), step.arguments.get("end_ms")
    return step.name == "upsert_scheduler" and start is not None and end is not None and end <= start


def _schedules_null(step: Step, _: Found) -> bool:
    return step.name == "upsert_scheduler" and "data" in step.arguments and step.arguments["data"] is None


def _slot(found: Found, scheduler: str) -> int | None:
    """When the next run of a scheduler is."""
    return dict(found.get("repeat", ())).get(scheduler)


def _waits(found: Found, job_id: str) -> bool:
    """Whether a job is there that no worker has taken yet."""
    sorted_sets = [found.get(state, ()) for state in ("delayed", "prioritized")]
    return job_id in found.get("wait", ()) or any(job_id == member for members in sorted_sets for member, _ in members)


def _slot_in_node(step: Step, found: Found) -> int | None:
    """The time that Node will give to the next run of a pattern, if it has one."""
    arguments = step.arguments
    if arguments.get("immediately"):
        return found[NOW]
    after = max(found[NOW], arguments.get("start_ms", 0))
    slot = Cron.parse(arguments["cron"]).next_after(after, arguments["tz"])
    return None if slot is None or slot > arguments.get("end_ms", slot) else slot


def _computes_a_time_anew(step: Step, found: Found) -> bool:
    if step.name != "upsert_scheduler" or "cron" not in step.arguments or step.arguments.get("immediately"):
        return False
    scheduler, upcoming = step.arguments["id"], _slot_in_node(step, found)
    slot, stored = _slot(found, scheduler), found.get(f"repeat:{scheduler}", {})
    given = {"pattern": step.arguments["cron"], "tz": step.arguments["tz"]}
    same = given.items() <= stored.items() and stored.get("startDate") == _text(step.arguments.get("start_ms"))
    return same and _waits(found, f"repeat:{scheduler}:{slot}") and upcoming not in (None, slot)


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _meets_a_job_of_that_time(step: Step, found: Found) -> bool:
    if step.name != "upsert_scheduler" or "cron" not in step.arguments:
        return False
    scheduler, upcoming = step.arguments["id"], _slot_in_node(step, found)
    job_id = f"repeat:{scheduler}:{upcoming}"
    return job_id in found and not (upcoming == _slot(found, scheduler) and _waits(found, job_id))


def _meets_many_jobs(step: Step, found: Found) -> bool:
    if step.name != "upsert_scheduler" or "every" not in step.arguments:
        return False
    return sum(name.startswith(f"repeat:{step.arguments['id']}:") for name in found) > 32


def _goes_on_to_a_job_of_that_time(step: Step, found: Found) -> bool:
    if step.name != "take" or NOW not in found:
        return False
    slots = dict(found.get("repeat", ()))
    runs = [name.rpartition(":") for name, value in found.items() if isinstance(value, dict) and "rjk" in value]
    ahead = [
        scheduler for scheduler, _, slot in runs if int(slot) > slots.get(scheduler.removeprefix("repeat:"), 2**53)
    ]
    return bool(ahead)


def _may_go_on_past_its_end(step: Step, found: Found) -> bool:
    if step.name != "take" or NOW not in found:
        return False
    for scheduler, slot in found.get("repeat", ()):
        fields = found.get(f"repeat:{scheduler}", {})
        if "every" in fields and "endDate" in fields and _waits(found, f"repeat:{scheduler}:{slot}"):
            upcoming = max(slot, found[NOW]) + float(fields["every"])
            if found[NOW] <= int(fields["endDate"]) < upcoming:
                return True
    return False


def _may_end_before_its_next_run(step: Step, found: Found) -> bool:
    arguments = step.arguments
    if step.name != "upsert_scheduler" or "every" not in arguments or "end_ms" not in arguments:
        return False
    latest, every_ms = max(found[NOW], arguments.get("start_ms", 0)), round(arguments["every"] * 1000)
    if _has_the_interval(step, found):
        latest = max(latest, _slot(found, arguments["id"]) or 0) + every_ms
    elif "offset" in arguments:
        latest += every_ms
    return latest > arguments["end_ms"]


def _has_the_interval(step: Step, found: Found) -> bool:
    """Whether a scheduler has the interval that it is given."""
    stored = found.get(f"repeat:{step.arguments['id']}", {})
    return stored.get("every") == str(round(step.arguments["every"] * 1000))


def _changes_where_an_interval_begins(step: Step, found: Found) -> bool:
    arguments = step.arguments
    if step.name != "upsert_scheduler" or "every" not in arguments or not _has_the_interval(step, found):
        return False
    stored = found.get(f"repeat:{arguments['id']}", {})
    offset = "offset" in arguments and stored.get("offset") != str(round(arguments["offset"] * 1000))
    return offset or stored.get("startDate") != _text(arguments.get("start_ms"))


def _schedules_while_paused(step: Step, found: Found) -> bool:
    if step.name != "upsert_scheduler" or "paused" not in found.get("meta", {}):
        return False
    scheduler = step.arguments["id"]
    return f"repeat:{scheduler}:{_slot(found, scheduler)}" in found.get("wait", ())


def _replaces_a_run_between_attempts(step: Step, found: Found) -> bool:
    if step.name != "upsert_scheduler" or NOW not in found:
        return False
    job_id = f"repeat:{step.arguments['id']}:{_slot(found, step.arguments['id'])}"
    return _waits(found, job_id) and "ats" in found.get(job_id, {})


def _reads_a_scheduler_without_a_definition(step: Step, found: Found) -> bool:
    listed = [f"repeat:{scheduler}" for scheduler, _ in found.get("repeat", ())]
    return step.name == "schedulers" and any(name not in found for name in listed)


def _fails_a_run_that_stalled(step: Step, found: Found) -> bool:
    most = step.arguments.get("max_stalled", 1)
    runs = [found.get(job_id, {}) for job_id in found.get("active", ())]
    return step.name == "check_stalled" and any("rjk" in run and int(run.get("stc", 0)) >= most for run in runs)


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
        score = meaning if NOW in before else 0 if member == "0" else 1
        if meaning == "the first delayed job":
            [(_, due)] = await redis.zrange(node.key(step.queue, "delayed"), 0, 0, withscores=True)
            score = due // 4096
        await redis.zadd(node.key(step.queue, "marker"), {member: score})


async def _wake_nobody(step: Step, answer: Any, before: Found, node: Node) -> None:
    concurrency = before.get("meta", {}).get("concurrency")
    maxed = concurrency is not None and len(before.get("active", ())) >= int(concurrency)
    if step.name == "resume" and maxed and not any(member == "0" for member, _ in before.get("marker", ())):
        await node.redis.zrem(node.key(step.queue, "marker"), "0")


async def _wake_for_what_is_allowed_now(step: Step, answer: Any, before: Found, node: Node) -> None:
    if step.name != "set_global_concurrency" or "paused" in before.get("meta", {}):
        return
    most, waits = step.arguments["n"], before.get("wait") or before.get("prioritized")
    if waits and (most is None or len(before.get("active", ())) < most):
        await node.redis.zadd(node.key(step.queue, "marker"), {"0": 0})


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


def _never_runs(step: Step, theirs: Any, mine: Any, _: Found) -> bool:
    return step.name == "upsert_scheduler" and theirs is None and mine == {"refused": "options"}


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
        "raising the concurrency",
        "Oxcart wakes a worker when more jobs may be active than before, and jobs wait; Node doesn't.",
        "Idle workers would see it only when they look by themselves, which is seconds later.",
        amend=_wake_for_what_is_allowed_now,
        example=(
            _step("set_global_concurrency", n=1),
            _step("add"),
            _step("take", token="t"),
            _step("pause"),
            _step("resume"),
            _step("add"),
            _step("set_global_concurrency", n=2),
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
    Deviation(
        "schedulers that we refuse",
        "Oxcart refuses a scheduler that ends before it starts.",
        "It would never run, or once.",
        avoid=_schedules_what_we_refuse,
        example=(_step("upsert_scheduler", id="s", every=60, start_ms=START_MS + 60_000, end_ms=START_MS + 30_000),),
    ),
    Deviation(
        "schedulers that never run",
        "Where a pattern has no time to come, Node makes no scheduler and says nothing; Oxcart raises `OptionsError`.",
        "Who makes one wants it to run.",
        excuse=_never_runs,
        example=(_step("upsert_scheduler", id="s", cron="0 0 31 2,4 *", tz="UTC"),),
    ),
    Deviation(
        "null as data",
        "A scheduler's data `null` becomes `{}` in Node; Oxcart keeps it.",
        "It does so with any other data, and with that of other jobs.",
        avoid=_schedules_null,
        example=(_step("upsert_scheduler", id="s", every=60, start_ms=START_MS + 60_000, data=None),),
    ),
    Deviation(
        "backoff of runs",
        "A number as backoff is stored as such by Node for the first run, and as an object for further ones and for "
        "other jobs; Oxcart always stores an object.",
        "They mean the same.",
        hide=_backoff_of_runs,
        example=(_step("upsert_scheduler", id="s", every=60, start_ms=START_MS + 60_000, options={"backoff": 60}),),
    ),
    Deviation(
        "kept times",
        "With the pattern, zone and start that a scheduler has, Oxcart keeps the time of its next run; Node computes "
        "it from now.",
        "So Node loses a run that is overdue at a restart, and does a promoted one again.",
        avoid=_computes_a_time_anew,
        example=(
            _step("upsert_scheduler", id="s", cron="0 8 * * *", tz="UTC"),
            _step("wait", seconds=86400),
            _step("upsert_scheduler", id="s", cron="0 8 * * *", tz="UTC"),
        ),
    ),
    Deviation(
        "times that are taken",
        "If a job has the id of a pattern's next run, Oxcart takes the next; Node refuses, or writes over that job.",
        "A run that was promoted is done; its scheduler can still be changed.",
        avoid=_meets_a_job_of_that_time,
        example=(
            _step("upsert_scheduler", id="s", cron="0 8 * * *", tz="UTC"),
            _step("promote", id=f"repeat:s:{EIGHT_MS}"),
            _step("take", token="t"),
            _step("upsert_scheduler", id="s", cron="0 8 * * *", tz="UTC", start_ms=1),
        ),
    ),
    Deviation(
        "refused schedulers",
        "Where a scheduler is refused, since jobs have all ids that its next run could have, Node has already removed "
        "the run that it waited for; Oxcart has not.",
        "What is refused should change nothing.",
        avoid=_meets_many_jobs,
        example=(
            _step("upsert_scheduler", id="s", every=3600),
            *(_step("orphan", id=f"repeat:s:{START_MS + (100 + n) * 60_000}") for n in range(33)),
            _step("upsert_scheduler", id="s", every=60, start_ms=START_MS + 6_000_000),
        ),
    ),
    Deviation(
        "series that meet a job",
        "If a job has the id of the next run when a run is taken, the series goes on with the next time in Oxcart, and "
        "ends in Node.",
        "As above.",
        avoid=_goes_on_to_a_job_of_that_time,
    ),
    Deviation(
        "runs after the end",
        "The run of an interval that would be after its end is made by Node, if the one before it is taken until then, "
        "and not by Oxcart.",
        "Which is what an end is for; Node does not make it for a pattern, either.",
        avoid=_may_go_on_past_its_end,
        example=(
            _step("upsert_scheduler", id="s", every=60, end_ms=START_MS + 30_000),
            _step("take", token="t"),
        ),
    ),
    Deviation(
        "ends before the next run",
        "Oxcart refuses a scheduler whose next run would be after its end; Node makes it, and the run.",
        "As above.",
        avoid=_may_end_before_its_next_run,
        example=(_step("upsert_scheduler", id="s", every=60, offset=30, end_ms=START_MS + 1000),),
    ),
    Deviation(
        "changed offsets",
        "With another offset or start than before, and the same interval, the next run is when they say in Oxcart; in "
        "Node it stays where it was, and all further ones with it.",
        "Who gives others wants other times.",
        avoid=_changes_where_an_interval_begins,
        example=(
            _step("upsert_scheduler", id="s", every=3600, offset=60),
            _step("upsert_scheduler", id="s", every=3600, offset=120),
        ),
    ),
    Deviation(
        "schedulers of paused queues",
        "While a queue is paused, Node does not find the run that waits, and makes another one; Oxcart replaces it.",
        "There is one run to come.",
        avoid=_schedules_while_paused,
        example=(
            _step("pause"),
            _step("upsert_scheduler", id="s", every=60),
            _step("upsert_scheduler", id="s", every=60),
        ),
    ),
    Deviation(
        "runs between two attempts",
        "If the run that a scheduler is at waits for its next attempt, Node removes it when the scheduler is changed; "
        "Oxcart leaves it, as it leaves one that is active.",
        "It has begun. A scheduler is at such a run only at its end, or if a worker was lost.",
        avoid=_replaces_a_run_between_attempts,
        example=(
            _step("upsert_scheduler", id="s", every=60, limit=1),
            _step("take", token="t"),
            _step("give_back", id=f"repeat:s:{START_MS}", token="t"),
            _step("upsert_scheduler", id="s", every=60),
        ),
    ),
    Deviation(
        "schedulers without a definition",
        "Who reads schedulers with Node deletes those whose hash is gone; with Oxcart they stay.",
        "Reading should change nothing.",
        avoid=_reads_a_scheduler_without_a_definition,
        example=(
            _step("upsert_scheduler", id="s", every=60),
            _step("lose_definition", id="s"),
            _step("schedulers", ascending=True),
        ),
    ),
    Deviation(
        "runs that stall",
        "A run that stalls too often is given back for ever in Node; in Oxcart it fails as other jobs do, unless it is "
        "the one that its scheduler is at.",
        "Only without that one would the series end.",
        avoid=_fails_a_run_that_stalled,
        example=(
            _step("upsert_scheduler", id="s", every=3600),
            _step("take", token="t"),
            _step("lose_lock", id=f"repeat:s:{START_MS}"),
            _step("check_stalled", max_stalled=0),
            _step("check_stalled", max_stalled=0),
        ),
    ),
)
