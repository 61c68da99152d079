"""Random sequences of steps: which operations with which arguments, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from .canonical import Found
from .sides import START_MS, Step

HOUR = 3600
BEGINNINGS = {"schedulers": START_MS}
"""Kinds of sequences that have a time of their own, and when they begin."""
Steps = list[Step]
Some = st.SearchStrategy[Any]


class Of:
    """A job that is to be found in a state when the step is done; if none is there, any other job."""

    def __init__(self, state: str, at: int) -> None:
        self.state = state
        self.at = at

    def __repr__(self) -> str:
        return f"<{self.state} {self.at}>"

    def among(self, found: Found) -> str:
        for states in ((self.state,), STATES):
            members = [one for state in states for one in found.get(state, ())]
            if members:
                one = members[self.at % len(members)]
                return one if isinstance(one, str) else one[0]
        return "none"


def resolved(step: Step, found: Found) -> Step:
    """A step that can be done: about a job of the queue, which has these keys. Nothing can be settled before a take."""
    job = step.arguments.get("id")
    if not isinstance(job, Of):
        return step
    queue = {"queue": step.arguments["queue"]} if "queue" in step.arguments else {}
    if job.state == "active" and not found.get("active"):
        return Step("take", {"token": "t"} | queue)
    return Step(step.name, {**step.arguments, "id": job.among(found)})


# ----------------------------------------------------------------------------------------------- arguments

STATES = ("wait", "active", "delayed", "prioritized", "completed", "failed", "waiting-children")


def often(*parts: Some | tuple[int, Sequence[Some]]) -> Some:
    """One of the parts, or of those that come with a number, so often. (`st.one_of` takes equal ones for one.)"""
    every: list[Some] = []
    for part in parts:
        every += part[0] * list(part[1]) if isinstance(part, tuple) else [part]
    return st.sampled_from(every).flatmap(lambda chosen: chosen)


own_ids = st.sampled_from("abcde")
anyone: Some = often((4, [st.builds(Of, st.sampled_from(STATES), st.integers(0, 3))]), own_ids)
active: Some = st.builds(Of, st.just("active"), st.integers(0, 3))
delayed: Some = st.builds(Of, st.just("delayed"), st.integers(0, 3))
finished: Some = st.builds(Of, st.sampled_from(("completed", "failed")), st.integers(0, 3))
delays = st.sampled_from((60, 120, HOUR))
priorities = st.sampled_from((0, 1, 1, 2, 2**21 - 1))
tokens = st.sampled_from(("t",) * 9 + ("other",))
payloads = st.sampled_from(({}, {"n": 1}, [], 0, False, "ü/€", [1.5, {"a": None}]))
keeps = st.sampled_from((True, False, 0, 1, 2, {"count": 1}, {"age": HOUR}, {"age": HOUR, "count": 2}))


def maybe(values: Some, of: int = 3) -> Some:
    """One of the values, or, mostly, nothing."""
    return often((of, [st.none()]), values)


def some(**values: Some) -> Some:
    """Those of the arguments that are not None."""
    return st.fixed_dictionaries(values).map(
        lambda found: {name: one for name, one in found.items() if one is not None}
    )


def step(operation: str, /, **arguments: Some) -> Some:
    """An operation on one of the queues, as the only step of its kind."""
    return some(**arguments).map(lambda found: [Step(operation, found)])


def then(*steps: Some) -> Some:
    """Steps that belong together."""
    return st.tuples(*steps).map(lambda parts: [one for part in parts for one in part])


options: dict[str, Some] = {
    "job_id": maybe(own_ids),
    "delay": maybe(delays),
    "priority": maybe(priorities),
    "lifo": maybe(st.booleans(), 6),
    "attempts": maybe(st.integers(1, 3)),
    "backoff": maybe(st.sampled_from((0, 60, {"type": "exponential", "delay": 60})), 6),
    "remove_on_complete": maybe(keeps, 6),
    "remove_on_fail": maybe(keeps, 6),
    "keep_logs": maybe(st.integers(1, 2), 9),
    "data": maybe(payloads, 2),
}
# An extension without a ttl is refused here, and what is False is not stored.
true = maybe(st.just(True))
deduplication: Some = some(id=st.sampled_from("de"), replace=true, keep_last_if_active=true) | some(
    id=st.sampled_from("de"), ttl=st.sampled_from((60, 600)), extend=true, replace=true, keep_last_if_active=true
)
sweepable = st.sampled_from((*STATES, "waiting", "paused"))


def trees(name: str) -> Iterator[dict[str, Any]]:
    """Families of which the ids are known. Parents are in the queue of their children, or in another one."""
    flags = ("failParentOnFailure", "ignoreDependencyOnFailure", "removeDependencyOnFailure", "continueParentOnFailure")
    for queue in ("q", "p"):
        for flag in (None, *flags):
            opts = {flag: True} if flag else {}
            children: list[Any] = [{"id": f"{name}1", "opts": opts}, {"id": f"{name}2", "opts": {"priority": 1}}]
            yield {"id": name, "queue": queue, "children": children}
            yield {"id": name, "queue": queue, "opts": {"delay": 60, "priority": 2}, "children": children[:1]}
    middle = {"id": f"{name}3", "children": [{"id": f"{name}4"}, {"id": f"{name}5", "opts": {"delay": 60}}]}
    yield {"id": name, "children": [middle, {"id": f"{name}1"}]}


# ---------------------------------------------------------------------------------------------- operations

adding = [step("add", **options), step("add_bulk", jobs=st.lists(some(**options), min_size=2, max_size=4))]
adding_deduplicated = [step("add", **options | {"deduplication": deduplication})]
deduplicating = [
    step("remove_deduplication", id=st.sampled_from("de")),
    step("deduplication_job_id", id=st.sampled_from("de")),
    step("free_deduplication", id=anyone),
]
taking = [step("take", token=st.just("t"))]
settling = [
    step("complete", id=active, token=tokens, value=payloads),
    step(
        "fail", id=active, token=tokens, message=st.sampled_from(("boom", "x\ny")), unrecoverable=maybe(st.booleans())
    ),
    step("put_off", id=active, token=tokens, delay=delays),
    step("give_back", id=active, token=tokens),
]
stalling = [
    step("lose_lock", id=active),
    then(step("check_stalled"), step("check_stalled")),
    step("check_stalled", max_stalled=st.integers(0, 2)),
    step("extend_lock", id=active, token=tokens),
    step("complete", id=anyone, token=tokens),
]
closing = [step("pause"), step("set_global_concurrency", n=st.sampled_from((1, 2, 3)))]
opening = [step("resume"), st.just([Step("set_global_concurrency", {"n": None})])]
limiting = [
    step("set_global_rate_limit", max=st.integers(1, 3), duration=st.sampled_from((60, 600))),
    step("rate_limit", duration=st.sampled_from((60, 600))),
    step("take", token=st.just("t"), limiter=st.sampled_from(((1, 60), (2, 600)))),
]
freeing = [step("remove_global_rate_limit"), step("remove_rate_limit")]
changing = [
    step("update_progress", id=anyone, progress=payloads),
    step("update_data", id=anyone, data=payloads),
    step("log", id=anyone, text=st.sampled_from(("one", "two\n", "ü"))),
    step("clear_logs", id=anyone, keep=maybe(st.integers(0, 2), 1)),
]
moving = [
    step("change_delay", id=often(delayed, anyone), delay=often((3, [delays]), st.just(0))),
    step("change_priority", id=anyone, n=priorities, lifo=st.booleans()),
    step("promote", id=often(delayed, anyone)),
    step(
        "retry",
        id=often((3, [finished]), anyone),
        reset_attempts=maybe(st.booleans()),
        reset_starts=maybe(st.booleans()),
    ),
]
removing = [
    step("remove", id=anyone, children=maybe(st.booleans(), 1)),
    step("remove_job", id=anyone, children=maybe(st.booleans(), 1)),
]
cleaning = [
    step("clean", grace=st.sampled_from((0, 0, HOUR)), limit=st.sampled_from((1, 2)), state=sweepable),
    step("retry_jobs", state=st.sampled_from(("failed", "completed")), count=maybe(st.integers(1, 3), 1)),
    step("retry_jobs", state=st.sampled_from(("failed", "completed")), before_s=st.sampled_from((-HOUR, HOUR))),
    step("promote_jobs", count=maybe(st.integers(1, 3), 1)),
    then(step("orphan", id=st.sampled_from(("lost", "lost2"))), step("remove_orphans")),
]
sweeping = [
    step("drain", delayed=maybe(st.booleans(), 1)),
    step("clean", grace=st.just(0), limit=st.sampled_from((0, 1000)), state=sweepable),
    step("obliterate", force=maybe(st.booleans(), 1)),
]
looking = [
    step("is_paused"),
    step("rate_limit_ttl"),
    step("counts"),
    step("counts_per_priority", priorities=st.just([0, 1, 2, 2**21 - 1])),
    step(
        "jobs",
        states=st.lists(st.sampled_from(STATES), min_size=1, max_size=3, unique=True),
        start=st.integers(0, 2),
        end=st.sampled_from((-1, 1, 3)),
        ascending=st.booleans(),
    ),
    step("job", id=anyone),
    step("state", id=anyone),
    step("logs", id=anyone, start=st.integers(-2, 1), end=st.integers(-2, 3)),
]
scheduler_ids = st.sampled_from("sst")
templates: dict[str, Some] = {
    "name": maybe(st.just("other"), 6),
    "data": maybe(st.sampled_from(({"n": 1}, [], 0, "ü/€")), 2),
    "options": maybe(
        some(
            priority=maybe(priorities, 1),
            lifo=maybe(st.booleans(), 2),
            attempts=maybe(st.integers(1, 3), 1),
            backoff=maybe(st.sampled_from((60, {"type": "exponential", "delay": 60})), 4),
            remove_on_complete=maybe(keeps, 3),
            remove_on_fail=maybe(keeps, 3),
            keep_logs=maybe(st.integers(1, 2), 6),
        ),
        1,
    ),
}
intervals = st.sampled_from((60, 600, HOUR, 7 * HOUR))
far = st.sampled_from((START_MS - 1000, START_MS + 90_000, START_MS + 40 * HOUR * 1000, START_MS + 900 * HOUR * 1000))
bounds: dict[str, Some] = {"start_ms": maybe(far, 6), "end_ms": maybe(far, 6), "limit": maybe(st.integers(1, 3), 6)}
scheduling: list[Some] = [
    step(
        "upsert_scheduler",
        id=scheduler_ids,
        every=intervals,
        offset=maybe(st.sampled_from((1, 59.999, 30)), 2),
        **bounds,
        **templates,
    ),
    step(
        "upsert_scheduler",
        id=scheduler_ids,
        cron=st.sampled_from(("*/10 * * * *", "0 * * * *", "0 8 * * *", "30 1 * * sun")),
        tz=st.sampled_from(("UTC", "UTC", "Asia/Kolkata", "America/New_York")),
        **bounds,
        **templates,
    ),
    step("upsert_scheduler", id=scheduler_ids, every=intervals, immediately=st.just(True), **templates),
    step("upsert_scheduler", id=scheduler_ids, cron=st.just("0 * * * *"), tz=st.just("UTC"), immediately=st.just(True)),
]
ending = [step("remove_scheduler", id=scheduler_ids)]
looking_at_schedulers = [
    step("scheduler", id=scheduler_ids),
    step("scheduler_count"),
    step("schedulers", start=maybe(st.integers(0, 1)), end=maybe(st.sampled_from((0, 1, -2))), ascending=st.booleans()),
]
waiting: list[Some] = [
    then(
        step("wait", seconds=st.sampled_from((0.5, 60, 600, HOUR, 30 * HOUR, 400 * HOUR))),
        step("take", token=st.just("t")),
    )
]
settling_runs = [settling[0], settling[1]]
flows = [step("flow", tree=st.sampled_from([tree for name in "FG" for tree in trees(name)]))]
in_the_other_queue: Some = often(
    (6, taking), (2, settling), changing[0], (1, moving), (1, removing), (1, closing), (3, opening)
).map(lambda steps: [Step(one.name, {**one.arguments, "queue": "p"}) for one in steps])

KINDS: dict[str, Some] = {
    "jobs": often((8, adding), (6, taking), (3, settling), (1, changing), (3, moving), (2, removing), (1, looking)),
    "deduplication": often(
        (12, adding_deduplicated),
        (8, taking),
        (3, settling),
        (1, deduplicating),
        (1, moving),
        (1, removing),
        *sweeping[:2],
    ),
    "flows": often(
        (10, flows),
        (6, taking),
        (4, settling),
        (2, moving),
        (2, removing),
        (1, cleaning),
        sweeping[1],
        in_the_other_queue,
    ),
    "settings": often(
        (9, adding),
        (9, taking),
        (2, closing),
        (3, opening),
        (2, limiting),
        (2, freeing),
        (2, stalling),
        (2, settling),
        (1, moving),
        *sweeping[:1],
    ),
    "cleaning": often((9, adding), (9, taking), (4, settling), (2, stalling), (3, cleaning), (1, sweeping)),
    "schedulers": often(
        (4, scheduling),
        (12, waiting),
        (3, settling_runs),
        (2, settling),
        (2, adding[:1]),
        (2, ending),
        (1, looking_at_schedulers),
        (1, moving),
        (1, changing),
        (1, removing),
        (1, stalling),
        closing[0],
        (3, opening),
        (1, cleaning),
        *sweeping,
        (1, looking),
    ),
    "everything": often(
        (9, adding),
        (6, adding_deduplicated),
        (6, flows),
        (12, taking),
        (4, settling),
        (1, stalling),
        (1, closing),
        (2, opening),
        (1, limiting),
        (1, freeing),
        (1, changing),
        (2, moving),
        (1, removing),
        (1, cleaning),
        (1, deduplicating),
        (1, looking),
        (4, [in_the_other_queue]),
        sweeping[1],
        sweeping[2],
    ),
}


def sequences_of(kind: str) -> Some:
    """Lists of steps. Several are made at once, and none at all is what a search for the shortest tries first."""
    parts = st.lists(often(st.just([]), (25, [KINDS[kind]])), min_size=20, max_size=60)
    return parts.map(lambda found: [one for part in found for one in part])
