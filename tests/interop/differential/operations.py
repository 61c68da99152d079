"""What can be done to a queue: each operation by name, with how Node does it and how Oxcart does it.

A step is an operation with its arguments, in Oxcart's words and units (seconds). Both translations are written out here
and use none of Oxcart's own, so that a mistake there is not made twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from oxcart import Backoff, Deduplication, Job, JobSpec, Keep, Scheduler, Unrecoverable
from oxcart.protocol.calls import work
from oxcart.protocol.calls.work import Settlement
from oxcart.worker.execution import Rules, judge
from oxcart.worker.series import Series

from .sides import LOCK_MS, WORKER, Arguments, Node, Ours, Side

Doing = Callable[[Any, str, Arguments], Awaitable[Any]]
"""What a side does to one of its queues, with the arguments of a step, which it may use up."""
Show = Callable[[Any], Any]


@dataclass(frozen=True)
class Operation:
    """How each side does it, and what of the results has to be the same."""

    node: Doing
    ours: Doing
    result: Show


def same(result: Any) -> Any:
    return result


def nothing(_: Any) -> None:
    """For answers that only one side gives."""


def ids(jobs: Any) -> list[str]:
    return [job if isinstance(job, str) else job.id for job in jobs]


# --------------------------------------------------------------------------------------------- translating

SECONDS = frozenset({"delay", "duration", "grace", "ttl", "backoff", "every", "offset"})
CAMELS = {
    "job_id": "jobId",
    "keep_last_if_active": "keepLastIfActive",
    "keep_logs": "keepLogs",
    "remove_on_complete": "removeOnComplete",
    "remove_on_fail": "removeOnFail",
    "reset_attempts": "resetAttemptsMade",
    "reset_starts": "resetAttemptsStarted",
    "size_limit": "sizeLimit",
    "stack_trace_limit": "stackTraceLimit",
}


def for_node(value: Any, name: str = "") -> Any:
    """Arguments and options in Node's words and milliseconds."""
    if isinstance(value, dict):
        return {CAMELS.get(key, key): for_node(item, key) for key, item in value.items()}  # pyright: ignore
    if name in SECONDS and value is not None:
        return round(value * 1000)
    return value


def for_us(options: Arguments) -> Arguments:
    """Options whose values have classes of their own here."""
    found: Arguments = {}
    for name, value in options.items():
        if name == "deduplication":
            value = Deduplication(**value)
        elif name in ("remove_on_complete", "remove_on_fail") and isinstance(value, dict):
            value = Keep(**value)
        elif name == "backoff" and isinstance(value, dict):
            value = getattr(Backoff, value["type"])(value["delay"])
        found[name] = value
    return found


# ------------------------------------------------------------------------------------- kinds of operations


def _node_queue(method: str, *names: str) -> Doing:
    async def doing(side: Node, queue: str, rest: Arguments) -> Any:
        return await side.call(queue, method, *[for_node(rest[name], name) for name in names if name in rest])

    return doing


def _node_job(method: str, *names: str) -> Doing:
    async def doing(side: Node, queue: str, rest: Arguments) -> Any:
        given = [for_node(rest[name], name) for name in names if name in rest]
        return await side.on_job(queue, rest["id"], method, *given)

    return doing


def _queue(method: str, *names: str) -> Doing:
    """The named arguments are given by position, the others by name."""

    async def doing(side: Ours, queue: str, rest: Arguments) -> Any:
        given = [rest.pop(name) for name in names if name in rest]
        return await getattr(side.queue(queue), method)(*given, **rest)

    return doing


def _job(method: str, *names: str) -> Doing:
    async def doing(side: Ours, queue: str, rest: Arguments) -> Any:
        job = await side.job(queue, rest.pop("id"))
        given = [rest.pop(name) for name in names if name in rest]
        return await getattr(job, method)(*given, **rest)

    return doing


def of_queue(node: str, ours: str, *names: str, result: Show = same) -> Operation:
    """A method of both queue classes. `names`: its arguments, in Node's order; those not given are left out."""
    return apart(_node_queue(node, *names), _queue(ours, *names), result=result)


def of_job(node: str, ours: str, *names: str, result: Show = nothing) -> Operation:
    """A method of both job classes."""
    return apart(_node_job(node, *names), _job(ours, *names), result=result)


def of_both(doing: Doing, result: Show = nothing) -> Operation:
    """What is done to both queues in one way, by Node or by a plain command."""
    return Operation(doing, doing, result)


def apart(node: Doing, ours: Doing, *, result: Show = nothing) -> Operation:
    return Operation(node, ours, result)


# ------------------------------------------------------------------------------------------------- adding


async def _node_adds(side: Node, queue: str, options: Arguments) -> Any:
    name, data = options.pop("name", "x"), options.pop("data", {})
    return await side.peer("add", queue=side.name(queue), name=name, data=data, opts=for_node(options))


async def _we_add(side: Ours, queue: str, options: Arguments) -> Any:
    name, data = options.pop("name", "x"), options.pop("data", {})
    return (await side.queue(queue).add(name, data, **for_us(options))).id


async def _node_adds_many(side: Node, queue: str, rest: Arguments) -> Any:
    jobs: list[Any] = []
    for one in rest["jobs"]:
        options = dict(one)
        jobs.append({"name": options.pop("name", "x"), "data": options.pop("data", {}), "opts": for_node(options)})
    return await side.peer("addBulk", queue=side.name(queue), jobs=jobs)


async def _we_add_many(side: Ours, queue: str, rest: Arguments) -> Any:
    specs: list[JobSpec] = []
    for one in rest["jobs"]:
        options = dict(one)
        specs.append(JobSpec(options.pop("name", "x"), options.pop("data", {}), **for_us(options)))
    return ids(await side.queue(queue).add_bulk(specs))


async def _flow(side: Side, _: str, rest: Arguments) -> Any:
    """Every job of a flow needs an id, since Node makes up random ones, and a time, which tells their order."""
    times = itertools.count(time.time_ns() // 1_000_000)

    def placed(tree: Arguments) -> Arguments:
        options = {name: for_node(value, name) for name, value in tree.get("opts", {}).items()}
        return {
            "name": "x",
            "data": {},
            "queueName": side.name(tree.get("queue", "q")),
            "opts": options | {"jobId": tree["id"], "timestamp": next(times)},
            "children": [placed(child) for child in tree.get("children", ())],
        }

    tree = placed(rest["tree"])
    # They are all over before anything is added: what happens then, or is made later, is later than all of them.
    await asyncio.sleep((next(times) + 1 - time.time() * 1000) / 1000)
    return await side.peer("flow", tree=tree)


# ---------------------------------------------------------------------------------------------- schedulers

REPEATS = {"cron": "pattern", "start_ms": "startDate", "end_ms": "endDate"}


def as_time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def _node_upserts(side: Node, queue: str, rest: Arguments) -> Any:
    template = {name: rest.pop(name) for name in ("name", "data") if name in rest}
    template["opts"] = for_node(rest.pop("options", {}))
    scheduler_id = rest.pop("id")
    repeat = {REPEATS.get(name, name): for_node(value, name) for name, value in rest.items()}
    return await side.call(queue, "upsertJobScheduler", scheduler_id, repeat, template)


async def _we_upsert(side: Ours, queue: str, rest: Arguments) -> Any:
    options = for_us(rest.pop("options", {}))
    for name in ("start", "end"):
        if f"{name}_ms" in rest:
            rest[name] = as_time(rest.pop(f"{name}_ms"))
    job = await side.queue(queue).upsert_scheduler(rest.pop("id"), options=options, **rest)  # pyright: ignore
    return {"id": job.id, "name": job.name, "data": job.data, "delay": round(job.delay * 1000)}


def next_run(answer: Any) -> Any:
    """What both sides answer of the job that is a scheduler's next run."""
    return answer and {name: answer[name] for name in ("id", "name", "data", "delay")}


async def _node_lists_schedulers(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.call(queue, "getJobSchedulers", rest.get("start", 0), rest.get("end", -1), rest["ascending"])


async def _we_list_schedulers(side: Ours, queue: str, rest: Arguments) -> Any:
    return [as_node_shows(found) for found in await side.queue(queue).schedulers(**rest)]


async def _we_show_scheduler(side: Ours, queue: str, rest: Arguments) -> Any:
    found = await side.queue(queue).scheduler(rest["id"])
    return None if found is None else as_node_shows(found)


def as_node_shows(scheduler: Scheduler) -> Arguments:
    """One of ours, as Node's JSON of it."""
    shown: Arguments = {
        "key": scheduler.id,
        "name": scheduler.name,
        "next": _as_ms(scheduler.next),
        "iterationCount": scheduler.iterations,
        "limit": scheduler.limit,
        "startDate": _as_ms(scheduler.start),
        "endDate": _as_ms(scheduler.end),
        "tz": scheduler.tz,
        "pattern": scheduler.cron,
        "every": _seconds_as_ms(scheduler.every),
        "offset": _seconds_as_ms(scheduler.offset),
    }
    template = {"data": scheduler.data if scheduler.data != {} else None, "opts": _options_as_node_shows(scheduler)}
    shown["template"] = _given(template) or None
    return _given(shown)


def _options_as_node_shows(scheduler: Scheduler) -> Arguments | None:
    if not scheduler.options:
        return None
    shown: Arguments = {}
    for name, value in scheduler.options.items():
        if isinstance(value, Backoff):
            value = {"type": value.type, "delay": value.delay_ms}
        elif isinstance(value, Keep):
            value = _given({"count": value.count, "age": value.age, "limit": value.limit})
        shown[CAMELS.get(name, name)] = value
    return shown


def shown(answer: Any) -> Any:
    """Schedulers as both sides show them; a backoff that is a number means the same as an object."""
    for scheduler in answer if isinstance(answer, list) else [answer or {}]:  # pyright: ignore
        opts: Any = scheduler.get("template", {}).get("opts", {})  # pyright: ignore
        if isinstance(opts.get("backoff"), int):
            opts["backoff"] = {"type": "fixed", "delay": opts["backoff"]}
    return answer


def _given(fields: Arguments) -> Arguments:
    return {name: value for name, value in fields.items() if value is not None}


def _as_ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _seconds_as_ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


async def _node_waits(side: Node, queue: str, rest: Arguments) -> None:
    await side.peer("clock", now=side.clock() + round(rest["seconds"] * 1000))


async def _we_wait(side: Ours, queue: str, rest: Arguments) -> None:
    side.clock.set_to = side.clock() + round(rest["seconds"] * 1000)


# ------------------------------------------------------------------------------------------ taking by hand


async def _node_takes(side: Node, queue: str, rest: Arguments) -> Any:
    options = {"name": WORKER, "lockDuration": LOCK_MS}
    if limiter := rest.get("limiter"):
        options |= {"limiter": {"max": limiter[0], "duration": limiter[1] * 1000}}
    return await side.peer("take", queue=side.name(queue), token=rest["token"], options=options)


async def _we_take(side: Ours, queue: str, rest: Arguments) -> Any:
    limiter = rest.get("limiter")
    limits = work.Limits(LOCK_MS, WORKER, *((limiter[0], limiter[1] * 1000) if limiter else ()))
    order = work.Order(rest["token"], 1)
    call = work.settle_and_take(side.queue(queue).keys, side.clock(), limits, order, [])
    taken = await side.connection.run(call)
    for job in taken.jobs:
        side.taken[queue, job.id] = job
        if job.fields.get("rjk"):
            await _go_on(side, queue, job.id, rest["token"])
        return job.id
    return None


async def _go_on(side: Ours, queue: str, job_id: str, token: str) -> None:
    """What a worker does first with the run of a scheduler; Node's by hand does so, too."""
    keys = side.queue(queue).keys
    series = Series(side.connection, keys, side.clock, on_trouble=_raise, on_away=_raise)
    await series.advance(await side.attempt(queue, job_id, token), _not_run)


async def _not_run(_: Job) -> None:
    """What to do with the run is up to the next step."""


def _raise(error: BaseException) -> None:
    raise error


async def _node_completes(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.settle(queue, rest["id"], "moveToCompleted", args=[rest.get("value"), rest["token"], False])


async def _we_complete(side: Ours, queue: str, rest: Arguments) -> Any:
    attempt = await side.attempt(queue, rest["id"], rest["token"])
    text = json.dumps(rest.get("value"), separators=(",", ":"), ensure_ascii=False)
    keep = attempt.record.options.keep_completed or ""
    await side.settle(queue, Settlement(rest["id"], rest["token"], "completed", text, keep=keep))


async def _node_fails(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.settle(
        queue,
        rest["id"],
        "moveToFailed",
        error=rest.get("message", "boom"),
        unrecoverable=rest.get("unrecoverable", False),
        args=[rest["token"], False],
    )


async def _we_fail(side: Ours, queue: str, rest: Arguments) -> Any:
    attempt = await side.attempt(queue, rest["id"], rest["token"])
    kind = UnrecoverableError if rest.get("unrecoverable") else Error
    await side.settle(queue, judge(attempt, kind(rest.get("message", "boom")), Rules()).settlement)


class Error(Exception):
    """So that stack traces start as in Node."""


class UnrecoverableError(Unrecoverable):
    """The same."""


async def _node_puts_off(side: Node, queue: str, rest: Arguments) -> Any:
    until = side.clock() + rest["delay"] * 1000
    return await side.settle(queue, rest["id"], "moveToDelayed", args=[until, rest["token"]])


async def _we_put_off(side: Ours, queue: str, rest: Arguments) -> Any:
    await side.settle(queue, Settlement(rest["id"], rest["token"], "later", number=rest["delay"] * 1000))


async def _node_gives_back(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.settle(queue, rest["id"], "moveToWait", args=[rest["token"]])


async def _we_give_back(side: Ours, queue: str, rest: Arguments) -> Any:
    await side.settle(queue, Settlement(rest["id"], rest["token"], "back"))


async def _node_extends(side: Node, queue: str, rest: Arguments) -> Any:
    return bool(await side.settle(queue, rest["id"], "extendLock", args=[rest["token"], LOCK_MS]))


async def _we_extend(side: Ours, queue: str, rest: Arguments) -> Any:
    call = work.renew_locks(side.queue(queue).keys, LOCK_MS, [(rest["id"], rest["token"])])
    return not (await side.connection.run(call)).lost


async def _node_checks(side: Node, queue: str, rest: Arguments) -> Any:
    await _forget_check(side, queue)
    options = {"name": WORKER, "lockDuration": LOCK_MS, "maxStalledCount": rest.get("max_stalled", 1)}
    await side.peer("checkStalled", queue=side.name(queue), options=options)


async def _we_check(side: Ours, queue: str, rest: Arguments) -> Any:
    await _forget_check(side, queue)
    call = work.recover_stalled(side.queue(queue).keys, side.clock(), LOCK_MS, rest.get("max_stalled", 1))
    await side.connection.run(call)


async def _forget_check(side: Side, queue: str) -> None:
    """One check an interval: as if that were over."""
    await side.redis.delete(side.key(queue, "stalled-check"))


# -------------------------------------------------------------------------------- what happens to a queue


async def _lose_lock(side: Side, queue: str, rest: Arguments) -> None:
    """As if the worker of a job had been gone for longer than its lock."""
    await side.redis.delete(side.key(queue, rest["id"], "lock"))


async def _minutes_pass(side: Side, queue: str, rest: Arguments) -> None:
    """For the metrics."""
    for kind in ("completed", "failed"):
        key = side.key(queue, "metrics", kind)
        if await side.redis.hexists(key, "prevTS"):  # pyright: ignore
            await side.redis.hincrby(key, "prevTS", -60_000 * rest["minutes"])  # pyright: ignore


async def _orphan(side: Side, queue: str, rest: Arguments) -> None:
    """A job that no state holds."""
    fields = {"name": "x", "data": "{}", "opts": '{"attempts":0}', "timestamp": "1", "delay": "0", "priority": "0"}
    await side.redis.hset(side.key(queue, rest["id"]), mapping=fields)  # pyright: ignore
    await side.redis.rpush(side.key(queue, rest["id"], "logs"), "a line")  # pyright: ignore


async def _dangle(side: Side, queue: str, rest: Arguments) -> None:
    """An id whose job is gone."""
    await side.redis.delete(side.key(queue, rest["id"]))


async def _lose_definition(side: Side, queue: str, rest: Arguments) -> None:
    await side.redis.delete(side.key(queue, "repeat", rest["id"]))


async def _pause_as_version_5(side: Side, queue: str, _: Arguments) -> None:
    await side.redis.hset(side.key(queue, "meta"), "paused", "1")  # pyright: ignore
    if await side.redis.exists(side.key(queue, "wait")):
        await side.redis.rename(side.key(queue, "wait"), side.key(queue, "paused"))


async def _node_schedules(side: Side, queue: str, rest: Arguments) -> Any:
    repeat = {"every": rest["every"] * 1000, "startDate": rest["start_ms"]}
    template = {"name": "x", "data": {}, "opts": for_node(rest.get("opts", {}))}
    return await side.peer(
        "call", queue=side.name(queue), method="upsertJobScheduler", args=[rest["id"], repeat, template]
    )


async def _node_works(side: Side, queue: str, rest: Arguments) -> Any:
    """Node takes and settles on both sides: for what depends on the worker, such as metrics."""
    options = {"name": WORKER, "lockDuration": LOCK_MS, **rest.get("options", {})}
    job_id = await side.peer("take", queue=side.name(queue), token="t", options=options)
    if rest.get("error"):
        return await side.peer(
            "settle", queue=side.name(queue), id=job_id, method="moveToFailed", error=rest["error"], args=["t", False]
        )
    return await side.peer(
        "settle", queue=side.name(queue), id=job_id, method="moveToCompleted", args=[rest.get("value"), "t", False]
    )


# ----------------------------------------------------------------------------------------- odd signatures


async def _node_limits_concurrency(side: Node, queue: str, rest: Arguments) -> Any:
    if rest["n"] is None:
        return await side.call(queue, "removeGlobalConcurrency")
    return await side.call(queue, "setGlobalConcurrency", rest["n"])


async def _node_retries_many(side: Node, queue: str, rest: Arguments) -> Any:
    options = {name: rest[name] for name in ("state", "count") if name in rest}
    if "before_s" in rest:
        options["timestamp"] = side.clock() - rest["before_s"] * 1000
    return await side.call(queue, "retryJobs", options)


async def _we_retry_many(side: Ours, queue: str, rest: Arguments) -> Any:
    if "before_s" in rest:
        rest["before"] = as_time(side.clock()) - timedelta(seconds=rest.pop("before_s"))
    return await side.queue(queue).retry_jobs(**rest)


async def _node_retries(side: Node, queue: str, rest: Arguments) -> Any:
    """Node has to be told the state; one that is in neither is asked for as a failed one."""
    job_id = rest.pop("id")
    state = await side.on_job(queue, job_id, "getState")
    return await side.on_job(queue, job_id, "retry", "completed" if state == "completed" else "failed", for_node(rest))


async def _node_changes_priority(side: Node, queue: str, rest: Arguments) -> Any:
    given = {"priority": rest["n"], "lifo": rest.get("lifo", False)}
    return await side.on_job(queue, rest["id"], "changePriority", given)


async def _we_change_priority(side: Ours, queue: str, rest: Arguments) -> Any:
    return await (await side.job(queue, rest["id"])).change_priority(rest["n"], lifo=rest.get("lifo", False))


async def _node_promotes_many(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.call(queue, "promoteJobs", rest)


async def _node_obliterates(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.call(queue, "obliterate", rest)


async def _node_removes(side: Node, queue: str, rest: Arguments) -> Any:
    if not await side.call(queue, "remove", rest["id"], {"removeChildren": rest.get("children", True)}):
        raise Locked
    return None


class Locked(Exception):
    """Node answered 0."""


async def _node_removes_job(side: Node, queue: str, rest: Arguments) -> Any:
    return await side.on_job(queue, rest["id"], "remove", {"removeChildren": rest.get("children", True)})


async def _node_removes_orphans(side: Node, queue: str, rest: Arguments) -> Any:
    calls = [await side.call(queue, "removeOrphanedJobs", 1000, limit) for limit in rest.get("limits", [0])]
    return _removed(calls)


async def _we_remove_orphans(side: Ours, queue: str, rest: Arguments) -> Any:
    return _removed([await side.queue(queue).remove_orphans(limit) for limit in rest.get("limits", [0])])


def _removed(calls: list[int]) -> tuple[int, bool]:
    """How many in all, and whether the first call found any. A limit ends the search soon after it is reached, so how
    many more are found until then is a matter of where Redis has their keys, which is chance."""
    return sum(calls), calls[0] > 0


# ------------------------------------------------------------------------------------------------- looking


async def _node_counts(side: Node, queue: str, _: Arguments) -> Any:
    counts = await side.call(queue, "getJobCounts")
    return counts | {"paused": counts["waiting"] if await side.call(queue, "isPaused") else 0}


async def _node_counts_priorities(side: Node, queue: str, rest: Arguments) -> Any:
    found = await side.call(queue, "getCountsPerPriority", rest["priorities"])
    return {int(priority): count for priority, count in found.items()}


async def _we_count_priorities(side: Ours, queue: str, rest: Arguments) -> Any:
    return await side.queue(queue).counts_per_priority(*rest["priorities"])


async def _node_pages(side: Node, queue: str, rest: Arguments) -> Any:
    given = [rest["states"], rest.get("start", 0), rest.get("end", -1), rest["ascending"]]
    return await side.peer("page", queue=side.name(queue), args=given)


async def _we_page(side: Ours, queue: str, rest: Arguments) -> Any:
    return ids(await side.queue(queue).jobs(*rest.pop("states"), **rest))


async def _node_shows(side: Node, queue: str, rest: Arguments) -> Any:
    shown = await side.peer("seen", queue=side.name(queue), id=rest["id"])
    return None if shown is None else {name: shown.get(field) for name, field in SHOWN.items()}


SHOWN = {
    "name": "name",
    "data": "data",
    "progress": "progress",
    "return_value": "returnvalue",
    "failed_reason": "failedReason",
    "priority": "priority",
    "attempts_made": "attemptsMade",
    "attempts_started": "attemptsStarted",
    "stalled_count": "stalledCounter",
    "processed_by": "processedBy",
    "deduplication_id": "deduplicationId",
    "parent_key": "parentKey",
}


async def _we_show(side: Ours, queue: str, rest: Arguments) -> Any:
    job = await side.queue(queue).job(rest["id"])
    return None if job is None else {name: getattr(job, name) for name in SHOWN}


async def _node_logs(side: Node, queue: str, rest: Arguments) -> Any:
    found = await side.call(queue, "getJobLogs", rest["id"], rest.get("start", 0), rest.get("end", -1))
    return found["logs"]


async def _node_reads_metrics(side: Node, queue: str, rest: Arguments) -> Any:
    found = await side.call(queue, "getMetrics", rest["kind"], rest.get("start", 0), rest.get("end", -1))
    return [found["meta"]["count"], found["data"]]


async def _we_read_metrics(side: Ours, queue: str, rest: Arguments) -> Any:
    found = await side.queue(queue).metrics(rest["kind"], rest.get("start", 0), rest.get("end", -1))
    return [found.count, list(found.points)]


def limited(milliseconds_or_seconds: Any) -> bool:
    """Node says -2 for no limit and -1 for an endless one."""
    return milliseconds_or_seconds > 0


OPERATIONS: dict[str, Operation] = {
    "add": apart(_node_adds, _we_add, result=same),
    "add_bulk": apart(_node_adds_many, _we_add_many, result=same),
    "flow": of_both(_flow, same),
    "schedule": of_both(_node_schedules),
    "upsert_scheduler": apart(_node_upserts, _we_upsert, result=next_run),
    "remove_scheduler": of_queue("removeJobScheduler", "remove_scheduler", "id"),
    "schedulers": apart(_node_lists_schedulers, _we_list_schedulers, result=shown),
    "scheduler": apart(_node_queue("getJobScheduler", "id"), _we_show_scheduler, result=shown),
    "scheduler_count": of_queue("getJobSchedulersCount", "scheduler_count"),
    # by hand
    "take": apart(_node_takes, _we_take, result=same),
    "complete": apart(_node_completes, _we_complete),
    "fail": apart(_node_fails, _we_fail),
    "put_off": apart(_node_puts_off, _we_put_off),
    "give_back": apart(_node_gives_back, _we_give_back),
    "extend_lock": apart(_node_extends, _we_extend, result=same),
    "check_stalled": apart(_node_checks, _we_check),
    "work_with_node": of_both(_node_works),
    # what happens
    "lose_lock": of_both(_lose_lock),
    "minutes_pass": of_both(_minutes_pass),
    "wait": apart(_node_waits, _we_wait),
    "orphan": of_both(_orphan),
    "dangle": of_both(_dangle),
    "lose_definition": of_both(_lose_definition),
    "pause_as_version_5": of_both(_pause_as_version_5),
    # settings
    "pause": of_queue("pause", "pause", result=nothing),
    "resume": of_queue("resume", "resume", result=nothing),
    "is_paused": of_queue("isPaused", "is_paused"),
    "set_global_concurrency": apart(_node_limits_concurrency, _queue("set_global_concurrency", "n")),
    "set_global_rate_limit": of_queue("setGlobalRateLimit", "set_global_rate_limit", "max", "duration", result=nothing),
    "remove_global_rate_limit": of_queue("removeGlobalRateLimit", "remove_global_rate_limit", result=nothing),
    "rate_limit": of_queue("rateLimit", "rate_limit", "duration", result=nothing),
    "remove_rate_limit": of_queue("removeRateLimitKey", "remove_rate_limit", result=nothing),
    "rate_limit_ttl": of_queue("getRateLimitTtl", "rate_limit_ttl", result=limited),
    # many jobs
    "drain": of_queue("drain", "drain", "delayed", result=nothing),
    "clean": of_queue("clean", "clean", "grace", "limit", "state"),
    "obliterate": apart(_node_obliterates, _queue("obliterate"), result=nothing),
    "retry_jobs": apart(_node_retries_many, _we_retry_many),
    "promote_jobs": apart(_node_promotes_many, _queue("promote_jobs")),
    "trim_events": of_queue("trimEvents", "trim_events", "n"),
    "remove_orphans": apart(_node_removes_orphans, _we_remove_orphans, result=same),
    # one job
    "remove_job": apart(_node_removes, _queue("remove_job", "id")),
    "remove": apart(_node_removes_job, _job("remove")),
    "remove_deduplication": of_queue("removeDeduplicationKey", "remove_deduplication", "id", result=bool),
    "deduplication_job_id": of_queue("getDeduplicationJobId", "deduplication_job_id", "id"),
    "free_deduplication": of_job("removeDeduplicationKey", "remove_deduplication", result=bool),
    "update_progress": of_job("updateProgress", "update_progress", "progress"),
    "log": of_job("log", "log", "text", result=same),
    "clear_logs": apart(_node_job("clearLogs", "keep"), _queue("clear_logs", "id", "keep")),
    "update_data": of_job("updateData", "update_data", "data"),
    "change_delay": of_job("changeDelay", "change_delay", "delay"),
    "change_priority": apart(_node_changes_priority, _we_change_priority),
    "promote": of_job("promote", "promote"),
    "retry": apart(_node_retries, _job("retry")),
    # looking
    "counts": apart(_node_counts, _queue("counts"), result=same),
    "counts_per_priority": apart(_node_counts_priorities, _we_count_priorities, result=same),
    "jobs": apart(_node_pages, _we_page, result=same),
    "job": apart(_node_shows, _we_show, result=same),
    "state": apart(_node_job("getState"), _queue("state", "id"), result=str),
    "logs": apart(_node_logs, _queue("logs", "id", "start", "end"), result=same),
    "metrics": apart(_node_reads_metrics, _we_read_metrics, result=same),
    "prometheus": of_queue("exportPrometheusMetrics", "prometheus"),
}
