"""Sequences of operations written by hand, by the sections of the wire: what is done, not what comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from .machine import Machine
from .sides import START_MS, Step

pytestmark = pytest.mark.interop

HOUR = 3600
FAR_MS = 4_000_000_000_000
"""When schedulers start, in 2096."""


async def taken(machine: Machine, count: int = 1, **options: Any) -> list[str]:
    """Take jobs; the token of each is `t` and its id."""
    ids: list[str] = []
    for _ in range(count):
        job_id = await machine.do("take", token="t", **options)
        assert job_id is not None
        ids.append(job_id)
    return ids


async def one_in_each_state(machine: Machine) -> None:
    """A job for each of `PLACES`, but for `none`."""
    await machine.do("add", job_id="done")
    await machine.do("complete", id=(await taken(machine))[0], token="t", value={"a": 1})
    await machine.do("add", job_id="bad")
    await machine.do("fail", id=(await taken(machine))[0], token="t")
    await machine.do("add", job_id="busy")
    await taken(machine)
    await machine.do("add", job_id="later", delay=60)
    await machine.do("add", job_id="ranked-later", delay=120, priority=4)
    await machine.do("add", job_id="ranked", priority=3)
    await machine.do("flow", tree={"id": "parent", "children": [{"id": "child"}]})
    await machine.do("add", job_id="next")


PLACES = ("done", "bad", "busy", "later", "ranked-later", "ranked", "parent", "next", "none")


# ------------------------------------------------------------------------------------- part 1, 4: adding a job


async def test_part_1_section_4_adding(machine: Machine) -> None:
    for name, options in {
        "plain": {},
        "lifo": {"lifo": True},
        "urgent": {"priority": 1},
        "less": {"priority": 2097151},
        "later": {"delay": 60},
        "later urgent": {"delay": 120, "priority": 3},
        "own": {"job_id": "order-17"},
        "": {"attempts": 3, "backoff": 60},
        "keep": {"remove_on_complete": {"count": 5, "age": HOUR}, "remove_on_fail": True, "keep_logs": 3},
        "grows": {"backoff": {"type": "exponential", "delay": 60}, "stack_trace_limit": 2},
    }.items():
        await machine.do("add", name=name, data={"n": name}, **options)
    await machine.do("add", job_id="order-17", priority=4)
    await machine.do("add_bulk", jobs=[{"name": "a"}, {"delay": 60}, {"priority": 4}, {"job_id": "order-17"}])


async def test_part_1_section_1_3_which_ids_a_job_may_have(machine: Machine) -> None:
    for job_id in (
        "0",
        "0:1",
        "0:a:b",
        "123",
        "-5",
        "007",
        "1.5",
        "12a",
        "a:b",
        "a:b:c",
        "a:b:c:d",
        "",
        "ü €",
        " ",
        "-",
    ):
        await machine.do("add", job_id=job_id)


async def test_part_1_section_4_1_what_is_refused(machine: Machine) -> None:
    await machine.do("add", data={"n": "€" * 10}, size_limit=40)
    await machine.do("add", data={"n": "€" * 10}, size_limit=38)
    await machine.do("add", data={"n": "€" * 10}, size_limit=37)
    for priority in (2097151, 2097152, 1.5):
        await machine.do("add", priority=priority)
    await machine.do("add", deduplication={"id": ""})


async def test_part_1_section_4_an_id_with_two_colons(machine: Machine) -> None:
    for _ in range(2):
        await machine.do("add", job_id="a:b:c", delay=60)
        await machine.do("promote", id="a:b:c")
        await machine.do("log", id="a:b:c", text="a line")
        await taken(machine)
        await machine.do("fail", id="a:b:c", token="t")
        await machine.do("retry", id="a:b:c")
        await machine.do("remove_orphans")
        await machine.do("remove_job", id="a:b:c")
    await machine.do("add", job_id="a:b:c", remove_on_complete=True)
    await taken(machine)
    await machine.do("complete", id="a:b:c", token="t")


async def test_part_1_section_4_2_an_id_is_taken_in_every_state(machine: Machine) -> None:
    await one_in_each_state(machine)
    for job_id in PLACES:
        await machine.do("add", job_id=job_id, name="again", data=[1], delay=60)
        await machine.do("add_bulk", jobs=[{"job_id": job_id, "priority": 2}, {"job_id": job_id}])


async def test_part_1_section_4_adding_to_a_paused_queue(machine: Machine) -> None:
    await machine.do("add")
    await machine.do("pause")
    for options in ({}, {"priority": 2}, {"lifo": True}, {"delay": 60}):
        await machine.do("add", **options)
    assert await machine.do("take", token="t") is None
    await machine.do("resume")
    await taken(machine)


async def test_part_1_section_4_5_adding_to_a_queue_at_its_limit(machine: Machine) -> None:
    await machine.do("set_global_concurrency", n=1)
    await machine.do("add")
    await taken(machine)
    for options in ({}, {"priority": 2}, {"lifo": True}, {"delay": 60}):
        await machine.do("add", **options)
    assert await machine.do("take", token="t") is None
    await machine.do("set_global_concurrency", n=2)
    await taken(machine)
    await machine.do("set_global_concurrency", n=None)
    await taken(machine)


# -------------------------------------------------------------------------- part 1, 5: taking; 6: finishing


async def test_part_1_section_5_taking_in_order(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{"priority": n % 3, "lifo": n % 4 == 0} for n in range(12)])
    for job_id in await taken(machine, 12):
        await machine.do("complete", id=job_id, token="t", value=job_id)
    assert await machine.do("take", token="t") is None
    await machine.do("add", priority=1)
    await machine.do("add", priority=1)


async def test_part_1_section_5_4_locks(machine: Machine) -> None:
    await machine.do("add", job_id="a")
    await machine.do("add", job_id="b")
    await taken(machine, 2)
    await machine.do("lose_lock", id="b")
    for job_id, token in (("a", "t"), ("a", "other"), ("none", "t")):
        await machine.do("extend_lock", id=job_id, token=token)
    for job_id in ("a", "b", "none"):
        await machine.do("complete", id=job_id, token="other")
        await machine.do("fail", id=job_id, token="other")
        await machine.do("put_off", id=job_id, token="other", delay=60)
        await machine.do("give_back", id=job_id, token="other")
    await machine.do("complete", id="a", token="t")
    await machine.do("complete", id="a", token="t")


async def test_part_1_section_6_1_retries(machine: Machine) -> None:
    for job_id, options in {
        "once": {},
        "at-once": {"attempts": 3},
        "front": {"attempts": 3, "lifo": True},
        "ranked": {"attempts": 3, "priority": 2},
        "later": {"attempts": 3, "backoff": 60},
        "grows": {"attempts": 3, "backoff": {"type": "exponential", "delay": 60}},
        "short": {"attempts": 3, "stack_trace_limit": 1},
        "traceless": {"attempts": 2, "stack_trace_limit": 0},
    }.items():
        await machine.do("add", job_id=job_id, **options)
    while (job_id := await machine.do("take", token="t")) is not None:
        await machine.do("fail", id=job_id, token="t", message=f"no {job_id}\nat all")
    for _ in range(2):
        await machine.do("promote_jobs")
        while (job_id := await machine.do("take", token="t")) is not None:
            await machine.do("fail", id=job_id, token="t")


async def test_part_1_section_6_1_no_retry_of_what_can_not_recover(machine: Machine) -> None:
    await machine.do("add", attempts=3)
    [job_id] = await taken(machine)
    await machine.do("fail", id=job_id, token="t", message="gone", unrecoverable=True)


@pytest.mark.parametrize(
    "keep",
    [True, False, 0, 1, 2, -1, {"count": 2}, {"age": HOUR}, {"age": 0}, {"age": HOUR, "count": 1}],
    ids=str,
)
async def test_part_1_section_6_4_retention(machine: Machine, keep: Any) -> None:
    for _ in range(4):
        await machine.do("add")
        await machine.do("complete", id=(await taken(machine))[0], token="t")
    await machine.do("add", remove_on_complete=keep, job_id="last")
    await machine.do("log", id="last", text="a line")
    await machine.do("complete", id=(await taken(machine))[0], token="t")
    for _ in range(3):
        await machine.do("add", remove_on_fail=keep)
        await machine.do("fail", id=(await taken(machine))[0], token="t")


async def test_part_1_section_6_5_put_off_and_given_back(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{"priority": n} for n in (0, 0, 2, 2, 2)])
    for how in ("put_off", "give_back", "give_back", "put_off", "give_back"):
        [job_id] = await taken(machine)
        await machine.do(how, id=job_id, token="t", **({"delay": 60} if how == "put_off" else {}))
    for job_id in await taken(machine, 3):
        await machine.do("complete", id=job_id, token="t")


async def test_part_1_section_6_7_metrics(timed: Machine) -> None:
    """At a time that is set, or a minute might end between what one side does and the other."""
    metrics = {"metrics": {"maxDataPoints": 4}}
    for minutes in (0, 0, 1, 3, 100):
        await timed.do("minutes_pass", minutes=minutes)
        for error in (None, "boom"):
            await timed.do("add")
            await timed.do("work_with_node", options=metrics, error=error)
        for kind in ("completed", "failed"):
            await timed.do("metrics", kind=kind)
            await timed.do("metrics", kind=kind, start=1, end=2)
    await timed.do("prometheus")


# ---------------------------------------------------------------------------------- part 1, 7: stalled jobs


async def test_part_1_section_7_stalled_jobs(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{"job_id": "a"}, {"job_id": "b"}, {"job_id": "c", "priority": 2}])
    for _ in range(3):
        while await machine.do("take", token="t") is not None:
            pass
        await machine.do("check_stalled")
        for job_id in ("a", "c"):
            await machine.do("lose_lock", id=job_id)
        await machine.do("extend_lock", id="b", token="t")
        await machine.do("check_stalled")
    await machine.do("complete", id="b", token="t")
    await machine.do("check_stalled")


async def test_part_1_section_7_no_stall_is_allowed(machine: Machine) -> None:
    await machine.do("add", job_id="a", attempts=3)
    await taken(machine)
    await machine.do("lose_lock", id="a")
    await machine.do("check_stalled", max_stalled=0)
    await machine.do("check_stalled", max_stalled=0)
    await taken(machine)
    await machine.do("fail", id="a", token="t", message="job stalled more than allowable limit", unrecoverable=True)


# ------------------------------------------------------------------- part 1, 8: pause, concurrency, rate limits


async def test_part_1_section_8_1_pause_and_resume(machine: Machine) -> None:
    for options in (None, {}, {"delay": 60}, {"priority": 1}):
        if options is not None:
            await machine.do("add", **options)
        for _ in range(2):
            await machine.do("pause")
            await machine.do("is_paused")
        await machine.do("counts")
        for _ in range(2):
            await machine.do("resume")
            await machine.do("is_paused")


async def test_part_1_section_8_1_resume_with_only_delayed_or_prioritized(machine: Machine) -> None:
    for options in ({"delay": 60}, {"priority": 1}):
        await machine.do("add", **options)
        await machine.do("pause")
        await machine.do("resume")


@pytest.mark.parametrize("waiting", [0, 1, 3])
@pytest.mark.parametrize("aside", [0, 1, 3])
async def test_part_1_section_8_1_resume_after_version_5(machine: Machine, aside: int, waiting: int) -> None:
    await machine.do("add_bulk", jobs=[{}] * aside)
    await machine.do("pause_as_version_5")
    await machine.do("add_bulk", jobs=[{}] * waiting)
    await machine.do("state", id="1")
    await machine.do("resume")
    while await machine.do("take", token="t") is not None:
        pass


async def test_part_1_section_8_3_global_concurrency(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 4)
    for n in (2, 2, 1, 4, None, None, 1):
        await machine.do("set_global_concurrency", n=n)
        await machine.do("take", token="t")


async def test_part_1_section_8_4_rate_limits(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 9)
    await machine.do("rate_limit_ttl")
    await machine.do("set_global_rate_limit", max=2, duration=60)
    for _ in range(3):
        await machine.do("take", token="t")
        await machine.do("rate_limit_ttl")
    await machine.do("remove_rate_limit")
    await taken(machine)
    await machine.do("remove_global_rate_limit")
    await machine.do("rate_limit_ttl")
    await taken(machine, 2)
    await machine.do("remove_global_rate_limit")


async def test_part_1_section_8_4_the_manual_limit(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 9)
    await machine.do("rate_limit", duration=60)
    await machine.do("rate_limit_ttl")
    assert await machine.do("take", token="t", limiter=(2, 60)) is None
    await machine.do("set_global_rate_limit", max=2, duration=60)
    await machine.do("rate_limit_ttl")
    assert await machine.do("take", token="t") is None
    await machine.do("remove_rate_limit")
    await machine.do("remove_rate_limit")
    await taken(machine)


async def test_part_1_section_8_4_the_limit_of_a_worker(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 9)
    await taken(machine, limiter=(2, 60))
    await machine.do("set_global_rate_limit", max=3, duration=600)
    await taken(machine, 2, limiter=(2, 60))
    assert await machine.do("take", token="t", limiter=(2, 60)) is None


# ------------------------------------------------------------------- part 1, 10: operations on existing jobs


@pytest.mark.parametrize(
    "operation",
    [
        ("update_progress", {"progress": {"half": True}}),
        ("update_progress", {"progress": 50}),
        ("update_data", {"data": {"b": [1.5, None, "ü/€"]}}),
        ("log", {"text": "a line\nor two"}),
        ("clear_logs", {}),
        ("clear_logs", {"keep": 1}),
        ("change_delay", {"delay": 180}),
        ("change_priority", {"n": 7}),
        ("change_priority", {"n": 0}),
        ("change_priority", {"n": 7, "lifo": True}),
        ("change_priority", {"n": 0, "lifo": True}),
        ("promote", {}),
        ("retry", {}),
        ("retry", {"reset_attempts": True, "reset_starts": True}),
        ("remove", {}),
        ("remove", {"children": False}),
        ("remove_job", {}),
        ("remove_job", {"children": False}),
        ("state", {}),
        ("job", {}),
        ("logs", {}),
        ("free_deduplication", {}),
    ],
    ids=lambda operation: f"{operation[0]}-{'-'.join(map(str, operation[1].values()))}",
)
async def test_part_1_section_10_in_every_state(machine: Machine, operation: tuple[str, Any]) -> None:
    await one_in_each_state(machine)
    name, arguments = operation
    for job_id in PLACES * 2:
        await machine.do(name, id=job_id, **arguments)


async def test_part_1_section_10_logs(machine: Machine) -> None:
    await machine.do("add", job_id="a", keep_logs=3)
    await machine.do("add", job_id="b")
    for n in range(5):
        for job_id in ("a", "b"):
            await machine.do("log", id=job_id, text=f"line {n}")
    for start, end in ((0, -1), (1, 2), (-2, -1), (3, 1), (9, 12)):
        for job_id in ("a", "b", "none"):
            await machine.do("logs", id=job_id, start=start, end=end)
    for keep in (4, 2, 9, 0):
        await machine.do("clear_logs", id="b", keep=keep)


async def test_part_1_section_10_priorities_and_their_order(machine: Machine) -> None:
    await machine.do(
        "add_bulk", jobs=[{"job_id": name, "priority": n} for name, n in zip("abcdef", (0, 0, 2, 2, 1, 1), strict=True)]
    )
    for job_id, n, lifo in (
        ("a", 2, False),
        ("c", 2, True),
        ("d", 0, False),
        ("e", 0, True),
        ("f", 2, True),
        ("c", 1, False),
        ("b", 0, False),
        ("b", 0, True),
    ):
        await machine.do("change_priority", id=job_id, n=n, lifo=lifo)
    while await machine.do("take", token="t") is not None:
        pass


async def test_part_1_section_10_a_retry_keeps_its_place(machine: Machine) -> None:
    for job_id, options in {"plain": {}, "lifo": {"lifo": True}, "ranked": {"priority": 2}}.items():
        await machine.do("add", job_id=job_id, attempts=2, **options)
    while (job_id := await machine.do("take", token="t")) is not None:
        await machine.do("fail", id=job_id, token="t")
    await machine.do("add")
    for job_id in ("plain", "lifo", "ranked"):
        await machine.do("retry", id=job_id)
    await machine.do("pause")
    await machine.do("resume")
    while (job_id := await machine.do("take", token="t")) is not None:
        await machine.do("complete", id=job_id, token="t")
    for job_id in ("plain", "lifo", "ranked"):
        await machine.do("retry", id=job_id, reset_attempts=job_id == "lifo", reset_starts=job_id == "ranked")


@pytest.mark.parametrize("how", ["pause", "concurrency"])
async def test_part_1_section_10_nobody_is_woken_for_a_closed_queue(machine: Machine, how: str) -> None:
    await one_in_each_state(machine)
    if how == "pause":
        await machine.do("pause")
    else:
        await machine.do("set_global_concurrency", n=1)
    await machine.do("promote", id="later")
    await machine.do("promote", id="ranked-later")
    await machine.do("retry", id="bad")
    await machine.do("retry", id="done")
    await machine.do("change_priority", id="next", n=3)
    await machine.do("add", delay=60)
    await machine.do("promote_jobs")
    await machine.do("lose_lock", id="busy")
    await machine.do("check_stalled")
    await machine.do("check_stalled")


SINGLE = [
    ("update_progress", {"progress": 1}),
    ("update_data", {"data": 1}),
    ("log", {"text": "a line"}),
    ("change_delay", {"delay": 180}),
    ("change_priority", {"n": 7}),
    ("change_priority", {"n": 0, "lifo": True}),
    ("promote", {}),
    ("retry", {}),
    ("remove", {}),
    ("state", {}),
    ("job", {}),
]


@pytest.mark.parametrize("operation", SINGLE, ids=lambda one: f"{one[0]}-{'-'.join(map(str, one[1].values()))}")
async def test_part_1_section_8_1_what_version_5_put_aside(machine: Machine, operation: tuple[str, Any]) -> None:
    await machine.do("add_bulk", jobs=[{}] * 3)
    await machine.do("add", delay=60)
    await machine.do("pause_as_version_5")
    await machine.do("add")
    name, arguments = operation
    for job_id in ("5", "4") if name == "change_priority" else ("2", "5", "4"):
        await machine.do(name, id=job_id, **arguments)
    await machine.do("counts")
    await machine.do("resume")
    while await machine.do("take", token="t") is not None:
        pass


@pytest.mark.parametrize("operation", SINGLE, ids=lambda one: f"{one[0]}-{'-'.join(map(str, one[1].values()))}")
async def test_part_1_section_10_an_id_without_a_job(machine: Machine, operation: tuple[str, Any]) -> None:
    await one_in_each_state(machine)
    name, arguments = operation
    for job_id in PLACES:
        await machine.do("dangle", id=job_id)
        if not machine.avoids(Step(name, {"id": job_id})):
            await machine.do(name, id=job_id, **arguments)


@pytest.mark.parametrize("sweep", ["drain", "clean", "obliterate", "jobs", "counts"])
async def test_part_2_section_4_ids_without_a_job(machine: Machine, sweep: str) -> None:
    await one_in_each_state(machine)
    for job_id in PLACES:
        await machine.do("dangle", id=job_id)
    match sweep:
        case "drain":
            await machine.do("drain", delayed=True)
        case "clean":
            for state in CLEANED:
                await machine.do("clean", grace=HOUR, limit=0, state=state)
        case "obliterate":
            await machine.do("obliterate", force=True)
        case "jobs":
            for state in ("waiting", "active", "delayed", "prioritized", "completed", "failed", "waiting-children"):
                await machine.do("jobs", states=[state], ascending=True)
        case _:
            await machine.do(sweep)


# --------------------------------------------------------------------- part 2, 1: what becomes of flows


FAMILY = {
    "id": "root",
    "children": [
        {"id": "kid"},
        {"id": "middle", "opts": {"priority": 2}, "children": [{"id": "grandkid"}, {"id": "grandkid2"}]},
        {"id": "later", "opts": {"delay": 60}},
    ],
}


@pytest.mark.parametrize("children", [True, False])
@pytest.mark.parametrize("job_id", ["root", "middle", "kid", "grandkid", "later"])
async def test_part_2_section_4_2_removing_from_a_family(machine: Machine, job_id: str, children: bool) -> None:
    await machine.do("flow", tree=FAMILY)
    await machine.do("remove_job", id=job_id, children=children)
    await machine.do("remove", id="grandkid2")
    await machine.do("remove", id="kid")


@pytest.mark.parametrize("ended", ["complete", "fail"])
async def test_part_2_section_4_2_removing_a_family_that_has_begun(machine: Machine, ended: str) -> None:
    await machine.do("flow", tree=FAMILY)
    await machine.do(ended, id=(await taken(machine))[0], token="t")
    [held] = await taken(machine)
    await machine.do("remove_job", id="root")
    await machine.do("remove", id="middle")
    await machine.do(ended, id=held, token="t")
    await machine.do("remove_job", id="root")


def two_queues(**opts: Any) -> dict[str, Any]:
    """A parent in `p` with children in `q`."""
    return {
        "id": "P",
        "queue": "p",
        "opts": opts,
        "children": [{"id": "a"}, {"id": "b", "opts": {"priority": 1}}, {"id": "c", "opts": {"delay": 60}}],
    }


@pytest.mark.parametrize("opts", [{}, {"delay": 60}, {"priority": 3}], ids=str)
@pytest.mark.parametrize("paused", [False, True])
async def test_part_2_section_1_15_a_parent_whose_children_are_removed(
    machine: Machine, opts: dict[str, Any], paused: bool
) -> None:
    await machine.do("flow", tree=two_queues(**opts))
    if paused:
        await machine.do("pause", queue="p")
    for job_id in "abc":
        await machine.do("remove_job", id=job_id)


@pytest.mark.parametrize("opts", [{}, {"delay": 60}, {"priority": 3}], ids=str)
@pytest.mark.parametrize("sweep", ["drain", "clean", "obliterate"])
async def test_part_2_section_4_1_a_parent_whose_children_are_swept_away(
    machine: Machine, sweep: str, opts: dict[str, Any]
) -> None:
    await machine.do("flow", tree=two_queues(**opts))
    await machine.do("flow", tree=FAMILY)
    match sweep:
        case "drain":
            await machine.do("drain", delayed=True)
        case "clean":
            for state in ("wait", "prioritized", "delayed", "waiting-children"):
                await machine.do("clean", grace=0, limit=0, state=state)
        case _:
            await machine.do("obliterate")


@pytest.mark.parametrize("opts", [{}, {"delay": 60, "priority": 3}], ids=str)
@pytest.mark.parametrize("keep", [True, 1, {"age": 0}], ids=str)
@pytest.mark.parametrize("flag", ["none", "failParentOnFailure"])
async def test_part_2_section_4_1_a_parent_whose_failed_children_are_not_kept(
    machine: Machine, flag: str, keep: Any, opts: dict[str, Any]
) -> None:
    failing = {"removeOnFail": keep} if flag == "none" else {"removeOnFail": keep, flag: True}
    for queue in ("p", "q"):
        children = [{"id": f"{queue}-{n}", "opts": failing} for n in range(2)]
        await machine.do("flow", tree={"id": f"P-{queue}", "queue": queue, "opts": opts, "children": children})
    await machine.do("add", remove_on_fail=keep)
    for job_id in await taken(machine, 5):
        await machine.do("fail", id=job_id, token="t")
    await machine.do("take", token="t", queue="p")


async def test_part_2_section_1_15_a_family_that_is_drained_but_for_the_delayed(machine: Machine) -> None:
    await machine.do("flow", tree=FAMILY)
    await machine.do("drain")
    await machine.do("promote", id="later")
    await taken(machine)
    await machine.do("complete", id="later", token="t")


@pytest.mark.parametrize(
    "flag",
    [
        "none",
        "failParentOnFailure",
        "ignoreDependencyOnFailure",
        "removeDependencyOnFailure",
        "continueParentOnFailure",
    ],
)
@pytest.mark.parametrize("many", [False, True])
async def test_part_2_section_1_17_retrying_children(machine: Machine, flag: str, many: bool) -> None:
    opts = {} if flag == "none" else {flag: True}
    await machine.do(
        "flow", tree={"id": "P", "queue": "p", "children": [{"id": "a", "opts": opts}, {"id": "b", "opts": opts}]}
    )
    for how in ("fail", "complete"):
        await machine.do(how, id=(await taken(machine))[0], token="t")
    if many:
        await machine.do("retry_jobs")
        await machine.do("retry_jobs", state="completed")
    else:
        await machine.do("retry", id="a")
        await machine.do("retry", id="b")
    for job_id in await taken(machine, 2):
        await machine.do("complete", id=job_id, token="t")
    [parent] = await taken(machine, queue="p")
    if flag != "failParentOnFailure":
        await machine.do("complete", id=parent, token="t", queue="p")
    await machine.do("retry", id="a")


# ------------------------------------------------------------------------------- part 2, 3: deduplication


MODES: dict[str, dict[str, Any]] = {
    "simple": {},
    "throttle": {"ttl": 60},
    "extend": {"ttl": 60, "extend": True},
    "replace": {"replace": True},
    "replace-ttl": {"ttl": 60, "replace": True},
    "debounce": {"ttl": 60, "extend": True, "replace": True},
    "keep": {"keep_last_if_active": True},
    "keep-ttl": {"keep_last_if_active": True, "ttl": 60},
    "keep-replace": {"keep_last_if_active": True, "replace": True},
    "keep-replace-ttl": {"keep_last_if_active": True, "replace": True, "ttl": 60, "extend": True},
}
OWNERS = ("waiting", "prioritized", "delayed", "active", "completed", "failed", "retried", "removed", "gone", "drained")


async def owner(machine: Machine, state: str, mode: dict[str, Any]) -> None:
    """A job that holds the deduplication id `d`, or did."""
    options: dict[str, Any] = {"delay": 60} if state == "delayed" else {"priority": 2} if state == "prioritized" else {}
    if state == "retried":
        options["attempts"] = 2
    await machine.do("add", job_id="owner", deduplication={"id": "d", **mode}, **options)
    if state in ("active", "completed", "failed", "retried"):
        await taken(machine)
    match state:
        case "completed":
            await machine.do("complete", id="owner", token="t")
        case "failed" | "retried":
            await machine.do("fail", id="owner", token="t")
        case "removed":
            await machine.do("remove_job", id="owner")
        case "drained":
            await machine.do("drain")
        case "gone":
            await machine.do("dangle", id="owner")
        case _:
            pass


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("state", OWNERS)
async def test_part_2_section_3_2_adding_again(machine: Machine, state: str, mode: str) -> None:
    await owner(machine, state, MODES[mode])
    again = {"id": "d", **MODES[mode]}
    if "ttl" in again:
        again["ttl"] = 600
    await machine.do("add", deduplication=again, data={"n": 2}, delay=120)
    await machine.do("deduplication_job_id", id="d")
    await machine.do("add", deduplication=again, data={"n": 3}, priority=4)
    await machine.do("add", deduplication=again, data={"n": 4}, job_id="own", lifo=True)
    await machine.do("deduplication_job_id", id="d")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", ["complete", "fail", "retry"])
async def test_part_2_section_3_3_the_owner_ends(machine: Machine, how: str, mode: str) -> None:
    await machine.do(
        "add", job_id="owner", deduplication={"id": "d", **MODES[mode]}, attempts=2 if how == "retry" else 1
    )
    await taken(machine)
    for n in (1, 2):
        await machine.do("add", deduplication={"id": "d", **MODES[mode]}, data={"n": n}, job_id=f"own{n}", priority=n)
    await machine.do("fail" if how == "retry" else how, id="owner", token="t")
    await machine.do("add", deduplication={"id": "d", **MODES[mode]})


@pytest.mark.parametrize("sweep", ["remove", "drain", "clean", "obliterate", "promote", "retry"])
@pytest.mark.parametrize("mode", ["simple", "throttle", "keep"])
async def test_part_2_section_3_3_the_owner_is_removed_or_moved(machine: Machine, mode: str, sweep: str) -> None:
    delay = {"delay": 60} if sweep == "promote" else {}
    await machine.do("add", job_id="owner", deduplication={"id": "d", **MODES[mode]}, **delay)
    if sweep == "retry":
        await machine.do("fail", id=(await taken(machine))[0], token="t")
        await machine.do("add", job_id="next", deduplication={"id": "d", **MODES[mode]})
    match sweep:
        case "remove" | "promote" | "retry":
            await machine.do(sweep, id="owner")
        case "clean":
            await machine.do("clean", grace=0, limit=0, state="waiting")
        case _:
            await machine.do(sweep)
    await machine.do("deduplication_job_id", id="d")


async def test_part_2_section_3_3_the_key_is_removed(machine: Machine) -> None:
    for name in ("d", "none"):
        await machine.do("remove_deduplication", id=name)
    await machine.do("add", job_id="a", deduplication={"id": "d"})
    await machine.do("free_deduplication", id="none")
    await machine.do("remove_deduplication", id="d")
    await machine.do("add", job_id="b", deduplication={"id": "d"})
    await machine.do("free_deduplication", id="a")
    await machine.do("free_deduplication", id="b")
    await machine.do("free_deduplication", id="b")
    await machine.do("deduplication_job_id", id="d")


async def test_part_2_section_3_2_many_at_once(machine: Machine) -> None:
    jobs = [{"deduplication": {"id": name, "ttl": 60}, "data": n} for n, name in enumerate("aabab")]
    await machine.do("add_bulk", jobs=[*jobs, {}, {"job_id": "own", "deduplication": {"id": "c"}}, {"job_id": "own"}])


# --------------------------------------------------------------------------- part 2, 4: removal and cleaning


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("paused", [False, True])
async def test_part_2_section_4_3_draining(machine: Machine, paused: bool, delayed: bool) -> None:
    await one_in_each_state(machine)
    await machine.do("add", deduplication={"id": "d"})
    if paused:
        await machine.do("pause")
    await machine.do("drain", delayed=delayed)
    await machine.do("drain", delayed=delayed)
    await machine.do("add")


async def test_part_2_section_4_3_draining_what_version_5_put_aside(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 3)
    await machine.do("pause_as_version_5")
    await machine.do("add")
    await machine.do("drain")


CLEANED = ("completed", "failed", "delayed", "wait", "waiting", "active", "prioritized", "waiting-children", "paused")


@pytest.mark.parametrize("state", CLEANED)
@pytest.mark.parametrize("grace", [0, HOUR])
async def test_part_2_section_4_4_cleaning(machine: Machine, state: str, grace: int) -> None:
    await one_in_each_state(machine)
    await machine.do("lose_lock", id="busy")
    await machine.do("clean", grace=grace, limit=1000, state=state)
    await machine.do("clean", grace=grace, limit=0, state=state)


@pytest.mark.parametrize("state", ["completed", "failed", "delayed", "wait", "prioritized", "active"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_part_2_section_4_4_cleaning_some(machine: Machine, state: str, limit: int) -> None:
    options: dict[str, Any] = {"delay": 60} if state == "delayed" else {"priority": 2} if state == "prioritized" else {}
    for n in range(5):
        await machine.do("add", lifo=n == 3, **options)
    if state in ("completed", "failed", "active"):
        for n, job_id in enumerate(await taken(machine, 5)):
            if state == "active":
                if n != 2:
                    await machine.do("lose_lock", id=job_id)
            else:
                await machine.do(state[:4] if state == "failed" else "complete", id=job_id, token="t")
    await machine.do("clean", grace=0, limit=limit, state=state)
    await machine.do("clean", grace=0, limit=limit, state=state)


async def test_part_2_section_4_4_cleaning_nothing_that_a_lock_holds(machine: Machine) -> None:
    await one_in_each_state(machine)
    await machine.do("clean", grace=0, limit=10, state="active")


@pytest.mark.parametrize("force", [False, True])
async def test_part_2_section_4_5_obliterating(machine: Machine, force: bool) -> None:
    await one_in_each_state(machine)
    await machine.do("add", deduplication={"id": "d"})
    await machine.do("log", id="bad", text="a line")
    await machine.do("set_global_rate_limit", max=9, duration=60)
    await machine.do("take", token="t")
    await machine.do("obliterate", force=force)
    await machine.do("add")


async def test_part_2_section_4_5_obliterating_what_rests(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}, {"delay": 60}, {"priority": 2}])
    await machine.do("complete", id=(await taken(machine))[0], token="t")
    await machine.do("obliterate")
    await machine.do("obliterate")
    await machine.do("add")


async def test_part_2_section_4_6_trimming_events(machine: Machine) -> None:
    await machine.do("add_bulk", jobs=[{}] * 20)
    await machine.do("trim_events", n=1000)
    await machine.do("trim_events", n=0)
    await machine.do("add")


async def test_part_2_section_4_7_removing_orphans(machine: Machine) -> None:
    await one_in_each_state(machine)
    await machine.do("orphan", id="lost")
    await machine.do("remove_orphans")
    for job_id in ("lost", "lost2", "lost3"):
        await machine.do("orphan", id=job_id)
    await machine.do("remove_orphans", limits=[1, 0])


@pytest.mark.parametrize("state", ["failed", "completed"])
async def test_part_2_section_4_8_retrying_many(machine: Machine, state: str) -> None:
    await machine.do("add_bulk", jobs=[{"priority": n % 2, "attempts": 1} for n in range(5)])
    for job_id in await taken(machine, 5):
        await machine.do("complete" if state == "completed" else "fail", id=job_id, token="t")
    await machine.do("retry_jobs", state=state, before_s=HOUR)
    await machine.do("retry_jobs", state=state, before_s=-HOUR, count=2)
    await machine.do("retry_jobs", state=state)
    await taken(machine, 5)


async def test_part_2_section_4_8_promoting_many(machine: Machine) -> None:
    await machine.do("promote_jobs")
    await machine.do("add_bulk", jobs=[{"priority": n % 2, "delay": 60 * n} for n in range(1, 6)])
    await machine.do("promote_jobs", count=2)
    await taken(machine, 5)


SCHEDULED = "repeat:s:4000000000000"


async def test_part_2_section_2_the_job_of_a_scheduler(machine: Machine) -> None:
    await machine.do("schedule", id="s", every=60, start_ms=FAR_MS)
    await machine.do("remove", id=SCHEDULED)
    await machine.do("remove_job", id=SCHEDULED)
    await machine.do("clean", grace=0, limit=0, state="delayed")
    await machine.do("drain", delayed=True)
    await machine.do("update_data", id=SCHEDULED, data={"n": 1})
    await machine.do("change_priority", id=SCHEDULED, n=2)
    await machine.do("promote", id=SCHEDULED)
    await machine.do("remove", id=SCHEDULED)
    await machine.do("clean", grace=0, limit=0, state="prioritized")
    await machine.do("drain", delayed=True)
    await machine.do("change_priority", id=SCHEDULED, n=0)
    await machine.do("clean", grace=0, limit=0, state="waiting")
    await machine.do("obliterate")


async def test_part_2_section_2_3_step_6_slots_that_are_taken(timed: Machine) -> None:
    await timed.do("upsert_scheduler", id="s", every=HOUR)
    await timed.do("upsert_scheduler", id="t", every=HOUR, start_ms=START_MS + 90_000)
    for slots in (1, 31, 32):
        start_ms = START_MS + slots * 100_000_000
        for slot in range(slots):
            await timed.do("orphan", id=f"repeat:s:{start_ms + slot * 60_000}")
        await timed.do("upsert_scheduler", id="s", every=60, start_ms=start_ms)
        await timed.do("upsert_scheduler", id="s", every=HOUR)


async def test_part_2_section_2_4_runs_that_are_missed(timed: Machine) -> None:
    for scheduler_id, times in {
        "a": {"every": 60},
        "b": {"every": 60, "offset": 59},
        "c": {"every": 60, "start_ms": START_MS + 30_000},
        "d": {"cron": "* * * * *", "tz": "UTC"},
        "e": {"cron": "*/7 * * * * *", "tz": "Asia/Kolkata"},
        "f": {"every": 0.4},
    }.items():
        await timed.do("upsert_scheduler", id=scheduler_id, **times)
    for seconds in (0, 0.399, 59.5, 60, 60.1, 119.999, 3.7, 100_000):
        await timed.do("wait", seconds=seconds)
        while (job_id := await timed.do("take", token="t")) is not None:
            await timed.do("complete", id=job_id, token="t")
    await timed.do("schedulers", ascending=True)


async def test_part_2_section_2_5_who_takes_a_run_again_adds_nothing(timed: Machine) -> None:
    await timed.do("upsert_scheduler", id="s", every=HOUR, options={"attempts": 3, "priority": 2})
    [job_id] = await taken(timed)
    await timed.do("fail", id=job_id, token="t")
    [job_id] = await taken(timed)
    await timed.do("give_back", id=job_id, token="t")
    [job_id] = await taken(timed)
    await timed.do("put_off", id=job_id, token="t", delay=60)
    await timed.do("wait", seconds=60)
    [job_id] = await taken(timed)
    await timed.do("lose_lock", id=job_id)
    for _ in range(2):
        await timed.do("check_stalled")
    [job_id] = await taken(timed)
    await timed.do("complete", id=job_id, token="t")
    await timed.do("retry", id=job_id)
    [job_id] = await taken(timed)
    await timed.do("remove_scheduler", id="s")
    await timed.do("complete", id=job_id, token="t")


async def test_part_2_section_2_5_a_run_that_is_promoted_again_and_again(timed: Machine) -> None:
    for scheduler_id, times in {"s": {"every": HOUR, "offset": 60}, "t": {"cron": "0 8 * * *", "tz": "UTC"}}.items():
        job_id = (await timed.do("upsert_scheduler", id=scheduler_id, **times))["id"]
        for _ in range(4):
            await timed.do("promote", id=job_id)
            await taken(timed)
            await timed.do("complete", id=job_id, token="t")
            job_id = dict(timed.found["q"]["delayed"]).popitem()[0]
        await timed.do("wait", seconds=40 * 24 * HOUR)
        await taken(timed)
        await timed.do("remove_scheduler", id=scheduler_id)
        await timed.do("obliterate", force=True)


async def test_part_2_section_2_5_a_queue_that_is_paused_or_full(timed: Machine) -> None:
    for options in ({}, {"priority": 3}):
        await timed.do("upsert_scheduler", id="s", every=HOUR, offset=60, options=options)
        await timed.do("pause")
        await timed.do("wait", seconds=HOUR)
        assert await timed.do("take", token="t") is None
        await timed.do("resume")
        await timed.do("set_global_concurrency", n=1)
        [job_id] = await taken(timed)
        await timed.do("wait", seconds=HOUR)
        assert await timed.do("take", token="t") is None
        await timed.do("complete", id=job_id, token="t")
        await timed.do("set_global_concurrency", n=None)
        [job_id] = await taken(timed)
        await timed.do("complete", id=job_id, token="t")


@pytest.mark.parametrize("state", ["delayed", "waiting", "prioritized"])
async def test_part_2_section_2_sweeping_spares_the_run_to_come(timed: Machine, state: str) -> None:
    options = {"priority": 3} if state == "prioritized" else {}
    later = {"offset": 60} if state == "delayed" else {}
    await timed.do("upsert_scheduler", id="s", every=HOUR, **later, options=options)
    for _ in range(2):
        await timed.do("clean", grace=0, limit=0, state=state)
        await timed.do("clean", grace=0, limit=1, state=state)
        await timed.do("promote_jobs")
        await timed.do("wait", seconds=HOUR)
        [job_id] = await taken(timed)
        await timed.do("clean", grace=0, limit=0, state=state)
        await timed.do("complete", id=job_id, token="t")
        await timed.do("drain", delayed=True)
        await timed.do("clean", grace=0, limit=0, state="completed")
    await timed.do("obliterate")
    await timed.do("schedulers", ascending=True)
    await timed.do("scheduler_count")


async def test_part_2_section_2_7_ids_of_schedulers(timed: Machine) -> None:
    for scheduler_id in ("5", "a:b:c", "ü €", "s:12", "-", "meta", "n:i::UTC:60000", "a b", "repeat"):
        await timed.do("upsert_scheduler", id=scheduler_id, every=HOUR)
        await timed.do("scheduler", id=scheduler_id)
        [job_id] = await taken(timed)
        await timed.do("complete", id=job_id, token="t")
    for start, end in ((0, -1), (0, 0), (1, 2), (-2, -1), (3, 1), (0, 100)):
        for ascending in (False, True):
            await timed.do("schedulers", start=start, end=end, ascending=ascending)
    await timed.do("scheduler_count")
    await timed.do("scheduler", id="none")
    await timed.do("remove_scheduler", id="none")


# ----------------------------------------------------------------------------------------- part 2, 5: getters


async def test_part_2_section_5_looking(machine: Machine) -> None:
    for _ in range(2):
        await machine.do("counts")
        await machine.do("prometheus")
        await machine.do("deduplication_job_id", id="d")
        for kind in ("completed", "failed"):
            await machine.do("metrics", kind=kind)
        for state in ("waiting", "active", "delayed", "prioritized", "completed", "failed", "waiting-children"):
            for ascending in (False, True):
                await machine.do("jobs", states=[state], ascending=ascending)
        if machine.steps[0].name != "add":
            await one_in_each_state(machine)
        machine.steps.insert(0, machine.steps[-1])


@pytest.mark.parametrize("ascending", [False, True])
async def test_part_2_section_5_2_pages(machine: Machine, ascending: bool) -> None:
    await machine.do("add_bulk", jobs=[{"priority": n % 3, "delay": 60 * (n % 2)} for n in range(18)])
    for job_id in await taken(machine, 6):
        await machine.do("complete", id=job_id, token="t")
    await machine.do("counts_per_priority", priorities=[0, 1, 2, 3])
    every = ["waiting", "prioritized", "delayed", "completed"]
    for start, end in ((0, -1), (0, 0), (1, 2), (2, 40), (-2, -1), (3, 1)):
        for states in (*([state] for state in every), every):
            await machine.do("jobs", states=states, start=start, end=end, ascending=ascending)
