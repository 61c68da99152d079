"""The traps of part 2 of the wire specification (section 8.1), each with a test that is named after it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxcart import (
    DamagedJob,
    Deduplication,
    Flow,
    FlowProducer,
    HasOtherParent,
    Job,
    JobLocked,
    JobSpec,
    OptionsError,
    Parent,
    ParentNotFound,
    Queue,
    QueueEvents,
    SchedulerError,
)
from tests.clocks import Clock, ms
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.hands import TOKEN, Hands
from tests.traps.wire import MINUTE, Wire, is_finished, now, settle


async def done(job: Job) -> str:
    return "done"


async def never(job: Job) -> None:
    raise AssertionError("it was run")


async def children(queue: Queue, wire: Wire, parent: str, *policies: str) -> list[Job]:
    """Jobs of the queue as children of a parent, one for each of these policies (empty: none)."""
    jobs = await queue.add_bulk([JobSpec("child") for _ in policies])
    for job, policy in zip(jobs, policies, strict=True):
        await wire.child(parent, job, **({policy: True} if policy else {}))
    return jobs


# ------------------------------------------------------------------------------------------------------------ flows


async def test_trap_01_children_that_were_ignored_are_in_failed_and_fatal_ones_in_unsuccessful(
    queue: Queue, wire: Wire, above: Wire, hands: Hands
) -> None:
    parent = await above.parent("P")
    ignored, forgiven, fatal, fine = await children(queue, wire, parent, "idof", "cpof", "fpof", "")
    hands.take(4)
    for job in (ignored, forgiven, fatal):
        hands.fail(job.id)
    hands.complete(fine.id)
    assert await above.fields("P:failed") == {wire.key(ignored.id): "boom", wire.key(forgiven.id): "boom"}
    assert set(await above.scores("P:unsuccessful")) == {wire.key(fatal.id)}
    assert set(await above.fields("P:processed")) == {wire.key(fine.id)}


async def test_trap_02_values_of_children_are_json_and_their_failures_plain_text(
    queue: Queue, wire: Wire, above: Wire, hands: Hands
) -> None:
    text = 'he said "no"\nand left'
    parent = await above.parent("P")
    jobs = await children(queue, wire, parent, "", "", "idof")
    hands.take(3)
    hands.complete(jobs[0].id, {"said": text})
    hands.complete(jobs[1].id)
    hands.fail(jobs[2].id, text)
    processed = await above.fields("P:processed")
    assert json.loads(processed[wire.key(jobs[0].id)]) == {"said": text}
    assert processed[wire.key(jobs[1].id)] == "null"
    assert await above.fields("P:failed") == {wire.key(jobs[2].id): text}


async def test_trap_03_a_child_is_known_by_its_whole_key_so_that_its_parent_may_have_another_prefix(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    elsewhere = Wire(wire.redis, f"{queue.name}-parents", prefix="oth:er")
    parent = await elsewhere.parent("P")
    jobs = await children(queue, wire, parent, "", "fpof", "")
    assert await elsewhere.set("P:dependencies") == {wire.key(job.id) for job in jobs}
    hands.take(2)
    hands.complete(jobs[0].id, 7)
    assert await elsewhere.fields("P:processed") == {wire.key(jobs[0].id): "7"}
    hands.fail(jobs[1].id)
    assert set(await elsewhere.scores("P:unsuccessful")) == {wire.key(jobs[1].id)}
    assert (await elsewhere.fields("P"))["defa"] == f"child {wire.key(jobs[1].id)} failed"
    assert await elsewhere.members("wait") == ["P"]
    await jobs[2].remove()
    assert await elsewhere.set("P:dependencies") == set()


async def test_trap_04_a_child_whose_id_has_colons_is_removed_whole_through_its_parent(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    """In Node it stays in `wait` without a hash, and keys of a queue `…:a:b` appear."""
    parent = await above.parent("P")
    await wire.child(parent, await queue.add("child", job_id="a:b:c"))
    hands.take()
    with pytest.raises(JobLocked):
        await parents.remove_job("P")
    settle(hands, "a:b:c", "back")
    assert await parents.remove_job("P")
    assert await wire.names() == {"id", "meta", "events", "marker"}
    assert (await wire.told("a:b:c"))[-1] == "removed<wait"


async def test_trap_05_what_a_failure_does_is_read_from_the_field_parent_alone(
    queue: Queue, wire: Wire, above: Wire, hands: Hands
) -> None:
    flags = json.dumps({"attempts": 0, "fpof": True, "parent": {"id": "P", "queue": above.queue_key}})
    parent = await above.parent("P")
    [in_opts] = await children(queue, wire, parent, "")
    await wire.write(in_opts.id, opts=flags)
    hands.work(fails=True)
    assert await above.members("waiting-children") == ["P"]
    assert "defa" not in await above.fields("P")
    [in_parent] = await children(queue, wire, parent, "fpof")
    [without] = await children(queue, wire, parent, "fpof")
    await wire.redis.hdel(wire.key(without.id), "parent")
    hands.take(2)
    hands.fail(without.id)
    assert "defa" not in await above.fields("P")
    hands.fail(in_parent.id)
    assert (await above.fields("P"))["defa"] == f"child {wire.key(in_parent.id)} failed"
    assert await above.set("P:dependencies") == {wire.key(in_opts.id), wire.key(without.id)}


async def test_trap_06_a_parent_that_its_children_release_runs_next(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    await parents.add_bulk([JobSpec("x"), JobSpec("x")])
    await children(queue, wire, await above.parent("P"), "", "")
    hands.work()
    assert await above.members("wait") == ["2", "1", "P"]
    assert await above.told("P") == ["added", "waiting-children", "waiting<waiting-children"]


async def test_trap_06_by_its_priority_and_delay_if_it_has_any(
    queue: Queue, wire: Wire, above: Wire, hands: Hands
) -> None:
    await children(queue, wire, await above.parent("urgent", priority=3), "")
    await children(queue, wire, await above.parent("late", priority=3, delay=MINUTE), "")
    hands.take(2)
    done_at = now() + 5000
    for job_id in ("1", "2"):
        hands.complete(job_id, now_ms=done_at)
    assert await above.score("prioritized", "urgent") == str(3 * 2**32 + 1)
    assert await above.score("delayed", "late") == str((done_at + MINUTE) * 4096)
    assert await above.score("marker", "1") == str(done_at + MINUTE)
    assert await above.told("late") == ["added", "waiting-children", "delayed"]


async def test_trap_06_a_parent_whose_children_are_removed_runs_next_whatever_its_priority_and_delay(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I17")  # its delay is still written
    await parents.add("x")
    for name in ("urgent", "late"):
        parent = await above.parent(name, priority=3, delay=0 if name == "urgent" else MINUTE)
        [child] = await children(queue, wire, parent, "")
        await child.remove()
    assert await above.members("wait") == ["1", "urgent", "late"]
    assert (await above.told("late"))[-1] == "waiting<waiting-children"


async def test_trap_07_a_parent_fails_with_its_child_when_a_worker_takes_it_and_is_not_run(
    queue: Queue, wire: Wire, hands: Hands, run_worker: RunWorker
) -> None:
    parent = await wire.parent("P", opts='{"attempts":3}')
    [child] = await children(queue, wire, parent, "fpof")
    hands.work(fails=True)
    reason = f"child {wire.key(child.id)} failed"
    assert await queue.state("P") == "waiting"
    assert (await wire.fields("P"))["defa"] == reason
    assert "failed<active" not in await wire.told("P")
    await run_worker(never)
    await wait_until(lambda: is_finished(queue, "P"))
    fields = await wire.fields("P")
    assert (fields["failedReason"], fields["ats"], fields["atm"]) == (reason, "1", "1")
    assert "defa" not in fields
    assert (await wire.told("P"))[-2:] == ["active<waiting", "failed<active"]


async def test_trap_07_a_delayed_parent_does_not_wait_until_it_is_due(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    parent = await above.parent("late", delay=MINUTE)
    bad, worse = await children(queue, wire, parent, "cpof", "fpof")
    hands.take(2)
    hands.fail(bad.id)
    assert await parents.state("late") == "delayed"
    hands.fail(worse.id)
    assert await above.members("wait") == ["late"]
    assert (await above.fields("late"))["delay"] == "0"
    assert (await above.told("late"))[-1] == "waiting<waiting-children"


async def test_trap_07_a_failed_parent_is_left_alone(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, parent_hands: Hands, hands: Hands
) -> None:
    job = await parents.add("parent")
    parent_hands.work(fails=True)
    [child] = await children(queue, wire, above.key(job.id), "fpof")
    before = await above.fields(job.id)
    hands.work(fails=True)
    assert await above.fields(job.id) == before
    assert set(await above.scores(f"{job.id}:unsuccessful")) == {wire.key(child.id)}


async def test_trap_08_a_completion_is_refused_for_children_before_the_lock_is_touched(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands, parent_hands: Hands
) -> None:
    job = await parents.add("parent")
    parent_hands.take()
    bad, slow = await children(queue, wire, above.key(job.id), "fpof", "")
    hands.take(2)
    hands.fail(bad.id)
    before = await above.fields(job.id)
    for code in (-4, -9):
        assert settle(parent_hands, job.id, "completed", text="1").codes == [code]
        assert await above.fields(job.id) == before
        assert await above.members("active") == [job.id]
        assert await above.redis.pttl(above.key(f"{job.id}:lock")) > MINUTE / 2
        if code == -4:
            hands.complete(slow.id)
    assert (await above.told(job.id))[-1] == "active<waiting"
    parent_hands.fail(job.id)  # which nothing guards


async def test_trap_08_nor_for_who_does_not_hold_it(
    wire: Wire, queue: Queue, above: Wire, parents: Queue, hands: Hands, parent_hands: Hands
) -> None:
    job = await parents.add("parent")
    parent_hands.take()
    await children(queue, wire, above.key(job.id), "")
    lock = above.key(f"{job.id}:lock")
    await above.redis.set(lock, "somebody else", px=MINUTE)
    assert settle(parent_hands, job.id, "completed", text="1").codes == [
        -4
    ]  # as in Node, before it is asked whose it is
    hands.work()
    assert settle(parent_hands, job.id, "completed", text="1").codes == [-6]
    assert await above.redis.get(lock) == "somebody else"
    await above.redis.set(lock, TOKEN, px=MINUTE)
    parent_hands.complete(job.id)


async def test_trap_09_with_cpof_a_parent_goes_on_while_others_are_not_done(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    parent = await above.parent("P")
    bad, slow = await children(queue, wire, parent, "cpof", "")
    hands.take(2)
    hands.fail(bad.id)
    assert await parents.state("P") == "waiting"
    assert await above.set("P:dependencies") == {wire.key(slow.id)}
    hands.complete(slow.id)
    assert await above.members("wait") == ["P"]


@pytest.mark.parametrize("policy", ["idof", "rdof"])
async def test_trap_09_with_the_others_it_waits_for_all(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands, policy: str
) -> None:
    parent = await above.parent("P")
    bad, slow = await children(queue, wire, parent, policy, "")
    hands.take(2)
    hands.fail(bad.id)
    assert await parents.state("P") == "waiting-children"
    hands.complete(slow.id)
    assert await parents.state("P") == "waiting"


@pytest.mark.parametrize("cure", ["retry", "remove"])
async def test_trap_10_a_child_that_failed_without_a_policy_blocks_its_parent_until_somebody_acts(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands, cure: str
) -> None:
    parent = await above.parent("P")
    [child] = await children(queue, wire, parent, "")
    hands.work(fails=True)
    assert await parents.state("P") == "waiting-children"
    assert await above.set("P:dependencies") == {wire.key(child.id)}
    if cure == "retry":
        await child.retry()
        hands.work()
        assert await above.fields("P:processed") == {wire.key(child.id): "null"}
    else:
        await child.remove()
    assert await parents.state("P") == "waiting"


async def test_trap_10_a_child_whose_failure_counted_is_waited_for_again_when_it_is_retried(
    queue: Queue, wire: Wire, above: Wire, hands: Hands
) -> None:
    parent = await above.parent("P")
    ignored, fatal, completed, pending = await children(queue, wire, parent, "idof", "fpof", "", "")
    hands.take(3)
    hands.fail(ignored.id)
    hands.fail(fatal.id)
    hands.complete(completed.id)
    for job in (ignored, fatal, completed):
        await job.retry()
    assert await above.set("P:dependencies") == {wire.key(job.id) for job in (ignored, fatal, completed, pending)}
    assert not {"P:failed", "P:unsuccessful", "P:processed"} & await above.names()
    hands.work()


async def test_trap_13_a_removed_parent_takes_all_its_children_along(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    parent = await above.parent("P")
    processed, ignored, fatal, pending = await children(queue, wire, parent, "", "idof", "fpof", "")
    hands.take(3)
    hands.complete(processed.id)
    hands.fail(ignored.id)
    hands.fail(fatal.id)
    assert await parents.remove_job("P")
    assert await wire.names() == {"id", "meta", "events", "marker"}
    assert await above.names() <= {"meta", "events", "marker"}
    ends = [(await wire.told(job.id))[-1] for job in (processed, ignored, fatal, pending)]
    assert ends == ["removed<completed", "removed<failed", "removed<failed", "removed<wait"]


async def test_trap_13_locks_are_looked_for_only_among_those_it_waits_for(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    parent = await above.parent("P")
    first, second = await children(queue, wire, parent, "", "")
    hands.take(2)
    with pytest.raises(JobLocked):
        await parents.remove_job("P")
    assert await parents.state("P") == "waiting-children"
    hands.complete(first.id)
    settle(hands, second.id, "back")
    # Somebody works again on one that the parent is done with: it goes, and its worker finds its lock lost.
    await wire.redis.zrem(wire.key("completed"), first.id)
    await wire.redis.lpush(wire.key("active"), first.id)
    await wire.redis.set(wire.key(f"{first.id}:lock"), "t", px=MINUTE)
    assert await parents.remove_job("P")
    assert {first.id, second.id, "active", "wait"} & await wire.names() == set()


async def test_trap_13_without_them_its_children_run_as_if_they_had_no_parent(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, hands: Hands
) -> None:
    parent = await above.parent("P")
    [child] = await children(queue, wire, parent, "")
    assert await parents.remove_job("P", children=False)
    assert (await wire.fields(child.id))["parentKey"] == parent
    assert hands.work() == [child.id]
    assert await above.names() <= {"meta", "events", "marker"}


async def test_trap_14_removing_what_is_not_there_is_no_error(queue: Queue, wire: Wire) -> None:
    assert await queue.remove_job("none") is False
    assert await wire.names() == set()
    job = await queue.add("x")
    assert (await job.remove(), await job.remove()) == (True, False)
    assert (await wire.told(job.id)) == ["added", "waiting", "removed<wait"]


# ------------------------------------------------------------------------------------------------------- schedulers


async def pending_iteration(queue: Queue, wire: Wire, slot_ms: int, **options: Any) -> Job:
    """A scheduler `s` with the job it waits for, as Node leaves them."""
    job = await queue.add("s", job_id=f"repeat:s:{slot_ms}", **options)
    await wire.write(job.id, rjk="s")
    await wire.write("repeat:s", name="s", every=MINUTE, ic=1)
    await wire.redis.zadd(wire.key("repeat"), {"s": slot_ms})
    return job


@pytest.mark.parametrize("options", [{"delay": 60}, {"priority": 4}, {}], ids=["delayed", "prioritized", "waiting"])
async def test_trap_25_what_a_scheduler_waits_for_is_neither_removed_nor_cleaned_up(
    queue: Queue, wire: Wire, options: Any
) -> None:
    job = await pending_iteration(queue, wire, now(), **options)
    other = await queue.add("x", **options)
    with pytest.raises(SchedulerError) as caught:
        await job.remove()
    assert caught.value.code == -8
    state = await job.state()
    assert await queue.clean(0, state=state) == [other.id]
    assert await queue.drain(delayed=True) == 0
    assert await job.state() == state
    assert {job.id, "repeat:s"} <= await wire.names()


async def test_trap_25_one_that_is_done_is_a_job_like_any_other(
    queue: Queue, wire: Wire, hands: Hands, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I28")  # nobody has made the next one
    job = await pending_iteration(queue, wire, now())
    hands.work()
    await wire.redis.zadd(wire.key("repeat"), {"s": now() + MINUTE})
    assert await job.remove()


async def advanced(hands: Hands, clock: Clock, *, complete: bool = True) -> tuple[str, str]:
    """Take the run that is due, and do what a worker does: the ids of the run and of the one it has brought."""
    [record] = hands.take(now_ms=clock())
    done = hands.advance(record, clock())
    assert done is not None
    if complete:
        hands.complete(record.id, now_ms=clock())
    return record.id, done.added


async def test_trap_15_the_next_run_is_made_when_a_run_is_taken_and_before_it_begins(
    timed: Queue, wire: Wire, clock: Clock, run_worker: RunWorker
) -> None:
    """Also of one that is taken in the call that ends another."""
    seen: list[float] = []

    async def look(job: Job) -> None:
        slot = (await wire.scores("repeat"))[job.scheduler_id or ""]
        assert f"repeat:{job.scheduler_id}:{slot:.0f}" in await wire.members("delayed")
        seen.append(slot)

    for name in ("a", "b", "c"):
        await timed.upsert_scheduler(name, every=60)
    await run_worker(look, clock=clock, concurrency=1)
    await wait_until(lambda: len(seen) == 3)
    assert seen == [clock() + MINUTE] * 3
    assert await wire.told(f"repeat:a:{clock() + MINUTE}") == ["added", "delayed"]


async def test_trap_15_nobody_else_makes_one(timed: Queue, wire: Wire, clock: Clock) -> None:
    await timed.upsert_scheduler("s", every=60)
    clock.now += timedelta(hours=1)
    await timed.upsert_scheduler("s", every=60)
    await timed.schedulers()
    assert (len(await wire.members("wait")), "delayed" in await wire.names()) == (1, False)


async def test_trap_16_only_the_run_that_the_series_is_at_brings_another(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    """Neither one that is taken again, by the same worker or another, nor an older one."""
    await timed.upsert_scheduler("s", every=60)
    [first] = hands.take(now_ms=clock())
    for added in (f"repeat:s:{clock() + MINUTE}", "", ""):
        done = hands.advance(first, clock(), first=bool(added))
        assert done is not None
        assert done.added == added
    clock.now += timedelta(minutes=1)
    await advanced(hands, clock)
    late = hands.advance(first, clock(), first=False)
    assert late is not None
    assert late.added == ""
    assert await wire.members("delayed") == [f"repeat:s:{clock() + MINUTE}"]
    assert (await wire.fields("repeat:s"))["ic"] == "3"
    hands.complete(first.id, now_ms=clock())


async def test_trap_16_a_retry_brings_none(timed: Queue, clock: Clock, run_worker: RunWorker) -> None:
    tries: list[str] = []

    async def fail(job: Job) -> None:
        tries.append(job.id)
        raise ValueError("boom")

    job = await timed.upsert_scheduler("s", every=60, options={"attempts": 3})
    await run_worker(fail, clock=clock)
    await wait_until(lambda: is_finished(timed, job.id))
    assert tries == [job.id] * 3
    assert [job.id for job in await timed.jobs("delayed")] == [f"repeat:s:{clock() + MINUTE}"]


@pytest.mark.parametrize(
    ("times", "said", "slots"),
    [
        ({"cron": "*/5 * * * *"}, {"pattern": "*/5 * * * *", "tz": "UTC"}, (5, 10)),
        ({"every": 300, "limit": 9}, {"every": 5 * MINUTE, "limit": 9}, (0, 5)),
    ],
    ids=["cron", "every"],
)
async def test_trap_17_the_options_of_each_run_say_when_it_repeats_and_which_run_it_is(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock, times: Any, said: Any, slots: tuple[int, int]
) -> None:
    """A Node worker drops a run without `repeat`, and miscounts one without `count`."""
    job = await timed.upsert_scheduler("s", **times)
    start, made = clock(), clock()
    ids = [job.id]
    for count, minutes in enumerate(slots, 1):
        slot = start + minutes * MINUTE
        opts = await wire.opts(ids[-1])
        assert ids[-1] == opts.pop("jobId") == f"repeat:s:{slot}"
        assert (opts.pop("repeat"), opts.pop("repeatJobKey")) == (said | {"count": count}, "s")
        assert (opts.pop("timestamp"), opts.pop("delay")) == (made, slot - made)
        assert opts.pop("prevMillis", None) == (slot if "cron" in times else None)
        assert opts.keys() <= {"attempts"}
        clock.now += timedelta(milliseconds=slot - made)
        made = clock()
        ids.append((await advanced(hands, clock))[1])


async def test_trap_18_options_come_from_the_run_before_and_name_and_data_from_the_scheduler(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    await timed.upsert_scheduler("s", every=60, name="old", data=1, options={"attempts": 2})
    await wire.write("repeat:s", name="new", data='{"v":2}', opts='{"attempts":9}')
    _, added = await advanced(hands, clock)
    fields = await wire.fields(added)
    assert (fields["name"], fields["data"]) == ("new", '{"v":2}')
    assert (await wire.opts(added))["attempts"] == 2


async def test_trap_18_an_upsert_changes_both(timed: Queue, wire: Wire, hands: Hands, clock: Clock) -> None:
    await timed.upsert_scheduler("s", every=60, name="old", data=1, options={"attempts": 2})
    changed = await timed.upsert_scheduler("s", every=60, name="new", data=2, options={"attempts": 9})
    for job_id in (changed.id, (await advanced(hands, clock))[1]):
        fields = await wire.fields(job_id)
        assert (fields["name"], fields["data"]) == ("new", "2")
        assert (await wire.opts(job_id))["attempts"] == 9
    assert json.loads((await wire.fields("repeat:s"))["opts"]) == {"attempts": 9}


async def test_trap_19_the_grid_of_an_interval_begins_with_its_first_run_which_is_at_once(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    clock.now += timedelta(seconds=7, milliseconds=760)
    job = await timed.upsert_scheduler("s", every=60)
    assert job.id == f"repeat:s:{clock()}"
    assert await wire.members("wait") == [job.id]
    assert (await wire.fields("repeat:s"))["offset"] == "7760"
    start = clock()
    await advanced(hands, clock)
    clock.now += timedelta(minutes=3, seconds=20)  # two are missed
    ran, added = await advanced(hands, clock)
    assert (ran, added) == (f"repeat:s:{start + MINUTE}", f"repeat:s:{start + 4 * MINUTE}")


async def test_trap_19_with_an_offset_it_is_that_of_the_epoch(timed: Queue, clock: Clock) -> None:
    job = await timed.upsert_scheduler("s", every=3600, offset=300)
    assert job.id == f"repeat:s:{ms(datetime(2026, 11, 26, 10, 5, tzinfo=UTC))}"


async def test_trap_20_a_limit_counts_in_the_runs_and_who_has_reached_it_stays_listed(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    await timed.upsert_scheduler("s", every=60, limit=2)
    await wire.write("repeat:s", ic=40)
    await advanced(hands, clock)
    clock.now += timedelta(minutes=1)
    ran, added = await advanced(hands, clock)
    assert added == ""
    assert await wire.scores("repeat") == {"s": clock()}
    assert not {"wait", "delayed"} & await wire.names()
    [scheduler] = await timed.schedulers()
    assert (scheduler.iterations, scheduler.limit, scheduler.next_job_id) == (41, 2, ran)


async def test_trap_21_a_run_whose_time_has_come_outlives_its_scheduler_and_brings_no_other(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    waiting = await timed.upsert_scheduler("waiting", every=60)
    delayed = await timed.upsert_scheduler("delayed", every=60, offset=5)
    assert await timed.remove_scheduler("waiting")
    assert await timed.remove_scheduler("delayed")
    assert await wire.members("wait") == [waiting.id]
    assert (await wire.told(delayed.id))[-1] == "removed<delayed"
    assert await advanced(hands, clock) == (waiting.id, "")
    assert not {name for name in await wire.names() if "repeat" in name} - {waiting.id}


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone of this process."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
async def test_trap_22_a_zone_is_always_stored(timed: Queue, wire: Wire) -> None:
    job = await timed.upsert_scheduler("s", cron="0 12 * * *")
    assert job.id == f"repeat:s:{ms(datetime(2026, 11, 26, 12, tzinfo=UTC))}"
    assert (await wire.fields("repeat:s"))["tz"] == "UTC"
    assert (await wire.opts(job.id))["repeat"]["tz"] == "UTC"


@pytest.mark.usefixtures("tokyo")
async def test_trap_22_without_one_each_worker_takes_its_own(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    fields = {"name": "s", "pattern": "0 12 * * *", "offset": 0, "ic": 1}
    repeat = {"pattern": "0 12 * * *", "count": 1}
    await wire.series("s", clock(), fields, {"opts": {"repeat": repeat, "repeatJobKey": "s", "prevMillis": clock()}})
    _, added = await advanced(hands, clock)
    assert added == f"repeat:s:{ms(datetime(2026, 11, 27, 3, tzinfo=UTC))}"
    assert (await wire.opts(added))["repeat"] == repeat | {"count": 2}
    [scheduler] = await timed.schedulers()
    assert scheduler.tz is None


# From a Thursday, 2026-11-26 09:30.
MATCHES = {
    "30 15 10 * * *": "11-26 10:15:30",  # of six fields, the first are seconds
    "10 27 * *": "11-27 10:00:00",  # of four, the first is the hour, and every minute is one
    "0 0 1 * sat": "11-28 00:00:00",  # the day of the month or that of the week
    "0 0 28 * mon": "11-28 00:00:00",
    "0 0 L * *": "11-30 00:00:00",
    "0 0 * * 6L": "11-28 00:00:00",
    "@weekends": "11-28 00:00:00",
}


@pytest.mark.parametrize("pattern", MATCHES)
async def test_trap_23_patterns_are_in_the_dialect_of_node(timed: Queue, wire: Wire, pattern: str) -> None:
    job = await timed.upsert_scheduler("s", cron=pattern)
    slot = datetime.fromtimestamp(int(job.id.rpartition(":")[2]) / 1000, UTC)
    assert f"{slot:%m-%d %H:%M:%S}" == MATCHES[pattern]
    assert (await wire.fields("repeat:s"))["pattern"] == pattern


@pytest.mark.parametrize(
    "pattern", ["0 22-2 * * *", "0 8,8 * * *", "@midnight", "@DAILY", "0 0 * * monday", "0 0 15W * *", "0 0 * * * * *"]
)
async def test_trap_23_what_it_does_not_have_is_refused(timed: Queue, wire: Wire, pattern: str) -> None:
    with pytest.raises(OptionsError, match="cron pattern"):
        await timed.upsert_scheduler("s", cron=pattern)
    assert not await wire.names() - {"meta"}


# In New York, 2026-03-08 has no 02:xx, and 2026-11-01 two 01:xx: first by EDT (UTC-4), then by EST (UTC-5).
RUNS_IN_NEW_YORK = {
    "30 2 * * *": ("2026-03-08T05:00", ["07:30", "06:30"]),  # 03:30 EDT, then 02:30 EDT of the next day
    "0 1-4 * * *": ("2026-03-08T05:00", ["06:00", "07:00", "08:00"]),
    "30 1 * * *": ("2026-11-01T04:00", ["05:30", "06:30"]),  # 01:30 EDT, then 01:30 EST of the next day
    "0 * * * *": ("2026-11-01T04:30", ["05:00", "06:00", "07:00"]),
}


@pytest.mark.parametrize("pattern", RUNS_IN_NEW_YORK)
async def test_trap_24_an_hour_left_out_is_made_up_by_the_next_and_one_that_comes_twice_counts_once(
    timed: Queue, hands: Hands, clock: Clock, pattern: str
) -> None:
    """It counts twice if the pattern has all hours."""
    start, expected = RUNS_IN_NEW_YORK[pattern]
    clock.now = datetime.fromisoformat(start).replace(tzinfo=UTC)
    job_id = (await timed.upsert_scheduler("s", cron=pattern, tz="America/New_York")).id
    for text in expected:
        clock.now = datetime.fromtimestamp(int(job_id.rpartition(":")[2]) / 1000, UTC)
        assert f"{clock.now:%H:%M}" == text
        _, job_id = await advanced(hands, clock)


async def test_trap_26_the_deduplication_of_a_template_names_its_runs_and_holds_nobody_up(
    timed: Queue, wire: Wire, hands: Hands, clock: Clock
) -> None:
    """As Node makes it; here a template with it is refused."""
    template = {"de": {"id": "d"}}
    fields = {"name": "s", "every": MINUTE, "offset": clock() % MINUTE, "ic": 1, "opts": json.dumps(template)}
    repeat = {"every": MINUTE, "count": 1}
    run = {"deid": "d", "opts": template | {"repeat": repeat, "repeatJobKey": "s"}}
    await wire.series("s", clock(), fields, run)
    owner = await timed.add("x", deduplication=Deduplication("d"), delay=3600)
    assert not owner.was_duplicate
    _, added = await advanced(hands, clock)
    assert (await wire.fields(added))["deid"] == "d"
    assert (await wire.opts(added))["de"] == {"id": "d"}
    assert await wire.text("de:d") == owner.id  # neither the run that is done nor the next one has touched it
    job = await timed.job(added)
    assert job is not None
    assert job.deduplication_id == "d"
    await owner.remove()
    assert await wire.text("de:d") is None


async def test_trap_26_such_a_template_is_refused(timed: Queue) -> None:
    with pytest.raises(OptionsError, match="deduplication: it can't be the same for all runs"):
        await timed.upsert_scheduler("s", every=60, options={"deduplication": Deduplication("d")})


# ---------------------------------------------------------------------------------------------------- deduplication


async def deduplicated(wire: Wire) -> list[dict[str, str]]:
    return [event for event in await wire.events() if event["event"] == "deduplicated"]


async def test_trap_27_a_dropped_job_answers_with_the_owners_id_and_uses_up_a_number(queue: Queue, wire: Wire) -> None:
    same = Deduplication("d")
    owner = await queue.add("x", 1, deduplication=same)
    again = await queue.add("y", 2, deduplication=same)
    assert (again.id, again.was_duplicate) == (owner.id, True)
    assert (await wire.fields(owner.id))["data"] == "1"
    assert await wire.text("id") == "2"
    assert (await queue.add("x")).id == "3"


async def test_trap_27_a_job_that_cannot_be_replaced_any_more_stays_without_an_event(queue: Queue, wire: Wire) -> None:
    newest = Deduplication("d", replace=True)
    owner = await queue.add("x", deduplication=newest)
    before = await wire.events()
    assert (await queue.add("x", deduplication=newest)).id == owner.id
    assert await wire.events() == before


async def test_trap_28_the_event_names_the_survivor_first(queue: Queue, wire: Wire) -> None:
    await queue.add("x", deduplication=Deduplication("first wins"))
    await queue.add("x", deduplication=Deduplication("first wins"))
    newest = Deduplication("last wins", replace=True)
    await queue.add("x", delay=60, deduplication=newest)
    await queue.add("x", delay=60, deduplication=newest)
    first, last = await deduplicated(wire)
    assert (first["jobId"], first["deduplicatedJobId"]) == ("1", "2")
    assert (last["jobId"], last["deduplicatedJobId"]) == ("4", "3")


@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
async def test_trap_29_an_id_with_a_time_of_its_own_outlives_the_job_and_another_does_not(
    queue: Queue, wire: Wire, hands: Hands, fails: bool
) -> None:
    await queue.add("x", deduplication=Deduplication("throttled", ttl=60))
    await queue.add("x", deduplication=Deduplication("plain"))
    hands.work(fails=fails)
    assert await wire.text("de:throttled") == "1"
    assert 0 < await wire.redis.pttl(wire.key("de:throttled")) <= MINUTE
    assert await wire.text("de:plain") is None


async def test_trap_29_an_id_that_names_another_job_is_left_alone(queue: Queue, wire: Wire, hands: Hands) -> None:
    first = await queue.add("x", deduplication=Deduplication("d"))
    hands.take()
    await queue.remove_deduplication("d")
    second = await queue.add("x", deduplication=Deduplication("d"))
    hands.complete(first.id)
    assert await wire.text("de:d") == second.id
    hands.work()
    assert await wire.text("de:d") is None


LAST = Deduplication("d", ttl=60, keep_last_if_active=True)


@pytest.mark.parametrize("outcome", ["completed", "failed"])
async def test_trap_30_the_job_that_was_kept_back_is_made_by_the_call_that_finishes_the_active_one(
    queue: Queue, wire: Wire, hands: Hands, outcome: str
) -> None:
    first = await queue.add("x", {"v": 1}, deduplication=LAST, attempts=2)
    hands.take()
    for version in (2, 3):
        await queue.add("x", {"v": version}, deduplication=LAST, job_id=f"v{version}")
    settle(hands, first.id, "retry", text="boom")
    assert await wire.members("wait") == [first.id]  # not for an attempt that is repeated
    hands.take()
    before = len(await wire.events())
    settle(hands, first.id, outcome, text="1")
    events = [(event["event"], event.get("jobId")) for event in (await wire.events())[before:]]
    assert events[:3] == [("added", "v3"), ("waiting", "v3"), (outcome, first.id)]
    assert (await wire.fields("v3"))["data"] == '{"v":3}'
    assert await wire.text("de:d") == "v3"
    assert await wire.redis.ttl(wire.key("de:d")) == -1
    assert not {"dn:d", "v2"} & await wire.names()


async def test_trap_30_while_a_job_is_kept_back_the_id_does_not_expire(queue: Queue, wire: Wire, hands: Hands) -> None:
    await queue.add("x", deduplication=LAST)
    hands.take()
    assert await wire.redis.ttl(wire.key("de:d")) == -1
    await wire.redis.pexpire(wire.key("de:d"), MINUTE)  # as a throttled job of the same id would have left it
    await queue.add("last", deduplication=LAST)
    assert await wire.redis.ttl(wire.key("de:d")) == -1
    hands.complete("1")
    [kept] = await queue.jobs("waiting")
    assert kept.name == "last"


# -------------------------------------------------------------------------------------------------------- cleaning


async def test_trap_31_cleaning_tells_a_number_draining_nothing_and_neither_each_job(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    await queue.add_bulk([JobSpec("x") for _ in range(3)])
    hands.work()
    await queue.add_bulk([JobSpec("x") for _ in range(2)])
    before = len(await wire.events())
    assert len(await queue.clean(0)) == 3
    assert await queue.clean(0) == []
    assert await queue.drain() == 2
    cleaned = (await wire.events())[before:]
    assert cleaned == [{"event": "cleaned", "count": "3"}, {"event": "cleaned", "count": "0"}]


@pytest.mark.parametrize("how", ["drain", "clean"])
async def test_trap_32_a_parent_in_the_same_queue_is_erased_with_its_last_child(
    queue: Queue, wire: Wire, how: str
) -> None:
    grandparent = await wire.parent("G")
    parent = await wire.parent("P")
    await wire.write("P", parentKey=grandparent, parent=json.dumps({"id": "G", "queueKey": wire.queue_key}))
    await wire.redis.sadd(wire.key("G:dependencies"), parent)
    await children(queue, wire, parent, "", "")
    before = await wire.told("P")
    await (queue.drain() if how == "drain" else queue.clean(0, state="waiting"))
    assert await wire.names() <= {"id", "meta", "events", "marker"}
    assert await wire.told("P") == before


async def test_trap_32_a_parent_in_another_queue_is_let_go_without_an_event(
    queue: Queue, wire: Wire, above: Wire, parents: Queue, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I32")
    await children(queue, wire, await above.parent("P"), "", "")
    await queue.drain()
    assert await parents.state("P") == "waiting"
    assert await above.told("P") == ["added", "waiting-children"]
    assert await above.scores("marker") == {"0": 0}


async def test_trap_33_an_obliterated_queue_leaves_nothing_at_all(queue: Queue, wire: Wire, above: Wire) -> None:
    """Where Oxcart differs on purpose: Node leaves parents that wait for children, and the limiter."""
    await wire.parent("P")
    await children(queue, wire, wire.key("P"), "")
    await children(queue, wire, await wire.parent("Q", state="waiting-children"), "")
    await wire.redis.sadd(wire.key("Q:dependencies"), "bull:elsewhere:1")
    await queue.rate_limit(60)
    await queue.obliterate()
    assert await wire.names() == set()


async def test_trap_34_moving_all_ignores_priorities_and_keeps_the_attempts(
    queue: Queue, wire: Wire, hands: Hands
) -> None:
    """Node leaves `delay` as it was; Oxcart sets it to 0 on purpose, as any other promotion does."""
    failed, delayed = await queue.add_bulk([JobSpec("x", priority=3), JobSpec("x", priority=3, delay=60)])
    hands.work(fails=True)
    assert await queue.retry_jobs() == 1
    assert await queue.promote_jobs() == 1
    assert await wire.members("wait") == [delayed.id, failed.id]
    fields = await wire.fields(failed.id)
    assert (fields["atm"], fields["ats"], fields["priority"]) == ("1", "1", "3")
    assert not fields.keys() & {"failedReason", "finishedOn", "processedOn"}
    assert (await wire.fields(delayed.id))["delay"] == "0"
    assert (await wire.told(failed.id))[-1] == "waiting<failed"
    assert (await wire.told(delayed.id))[-1] == "waiting<delayed"


# --------------------------------------------------------------------------------------------------------- reading


async def test_trap_35_ids_without_a_job_are_skipped_by_all_who_read(queue: Queue, wire: Wire, hands: Hands) -> None:
    jobs = await queue.add_bulk([JobSpec("x"), JobSpec("x"), JobSpec("x", delay=60), JobSpec("x", priority=1)])
    holders: dict[str, Any] = {"wait": None, "delayed": NEVER_MS * 4096, "prioritized": 2**32, "failed": now()}
    for name, score in holders.items():
        key = wire.key(name)
        await (wire.redis.rpush(key, "gone") if score is None else wire.redis.zadd(key, {f"no {name}": score}))
    ids = {job.id for job in jobs}
    assert {job.id for job in await queue.jobs()} == ids
    assert {job.id async for job in queue.iter_jobs()} == ids
    assert {job.id for job in (await queue.search("x", limit=9)).jobs} == ids
    assert await queue.job("gone") is None
    assert await queue.clean(3600, state="delayed") == ["no delayed"]
    for name, score in holders.items():
        key = wire.key(name)
        await (wire.redis.lrem(key, 1, "gone") if score is None else wire.redis.zrem(key, f"no {name}"))


NEVER_MS = 4_000_000_000_000


@pytest.mark.parametrize("field", ["data", "opts", "progress", "parent"])
async def test_trap_36_a_job_that_cannot_be_read_spoils_no_page(queue: Queue, wire: Wire, field: str) -> None:
    jobs = await queue.add_bulk([JobSpec("x") for _ in range(3)])
    await wire.write(jobs[1].id, **{field: '{"a":NaN}'})
    page = await queue.jobs("waiting")
    assert [isinstance(job, DamagedJob) for job in page] == [False, True, False]
    assert isinstance(page[1], DamagedJob)
    assert field in page[1].reason
    assert [job.id async for job in queue.iter_jobs()] == ["1", "2", "3"]


async def test_trap_36_an_event_that_cannot_be_read_stops_no_reader(
    queue: Queue, wire: Wire, redis_server: RedisServer
) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        for fields in (
            {"event": "completed", "jobId": "1", "returnvalue": "NaN", "prev": "active"},
            {"event": "completed", "jobId": "1"},
            {"event": "progress", "jobId": "1", "data": "{"},
            {"event": "delayed", "jobId": "1", "delay": "soon"},
            {"nothing": "known"},
        ):
            await wire.redis.xadd(wire.key("events"), fields)
        await queue.pause()
        kinds: list[str] = []
        async for event in events:
            kinds.append(event.kind)
            if event.kind == "paused":
                break
    assert kinds == ["completed", "completed", "progress", "delayed", "", "paused"]
    await wire.delete("events")


async def test_trap_37_options_are_compared_by_what_they_mean(queue: Queue, wire: Wire) -> None:
    ours = await queue.add("x", attempts=3, telemetry_metadata="a/b", keep_logs=5, backoff=1)
    await wire.write(
        "theirs",
        **await wire.fields(ours.id)
        | {"opts": '{"tm":"a\\/b","backoff":{"delay":1000,"type":"fixed"},"kl":5,"attempts":3}'},
    )
    theirs = await queue.job("theirs")
    assert theirs is not None
    again = await queue.job(ours.id)
    assert again is not None
    assert theirs.options == again.options
    assert theirs.options["telemetry_metadata"] == "a/b"
    await wire.delete("theirs")


async def test_trap_37_an_empty_object_that_came_back_as_an_array_is_one(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    job = await queue.add("x")
    await wire.write(job.id, opts="[]")
    await run_worker(done)
    await wait_until(lambda: is_finished(queue, job.id))
    await job.refresh()
    assert (job.return_value, job.options) == ("done", {})


WHOLE = re.compile(r"-?\d+")


def not_whole(numbers: Iterable[str | None]) -> list[str | None]:
    return [number for number in numbers if number is None or not WHOLE.fullmatch(number)]


async def test_trap_38_large_numbers_are_written_as_plain_digits(queue: Queue, wire: Wire, hands: Hands) -> None:
    """Also an iteration's id, which is made of the scheduler's score, is recognised by its digits."""
    job = await pending_iteration(queue, wire, 1795503522760, delay=60)
    with pytest.raises(SchedulerError):
        await job.remove()
    await wire.delete("repeat", "repeat:s")
    await job.remove()
    jobs = await queue.add_bulk([JobSpec("x", attempts=2, priority=priority) for priority in (0, 2**21 - 1, 1)])
    hands.take(2)
    settle(hands, jobs[0].id, "delayed", text="boom", number=2**31)
    hands.complete(jobs[2].id)
    for name in ("delayed", "prioritized", "completed", "marker"):
        assert not not_whole([await wire.score(name, member) for member in await wire.members(name)]), name
    times = ("timestamp", "processedOn", "finishedOn", "delay", "ats", "atm", "priority")
    for one in jobs:
        fields = await wire.fields(one.id)
        assert not not_whole([fields[name] for name in times if name in fields]), fields
    assert not not_whole([event["delay"] for event in await wire.events() if "delay" in event])


async def test_trap_40_the_old_field_attemptsmade_counts_if_it_is_there(
    queue: Queue, wire: Wire, run_worker: RunWorker
) -> None:
    async def fail(job: Job) -> None:
        raise ValueError("boom")

    job = await queue.add("x", attempts=3)
    await wire.write(job.id, attemptsMade=2, atm=0)
    await job.refresh()
    assert (job.attempts_made, job.attempts_left) == (2, 1)
    await run_worker(fail)
    await wait_until(lambda: is_finished(queue, job.id))
    assert (await wire.fields(job.id))["ats"] == "1"


# ----------------------------------------------------------------------------------------- making and reading flows


async def test_trap_11_a_flow_with_a_child_of_another_parent_is_not_added_at_all(
    queue: Queue, flows: FlowProducer, wire: Wire
) -> None:
    """Node adds the rest, and the new parent waits for ever."""
    name = queue.name
    await flows.add(Flow(name, "old", job_id="old", children=[Flow(name, "x", job_id="kid")]))
    before = await wire.redis.keys(f"bull:{name}:*")
    with pytest.raises(HasOtherParent):
        await flows.add(
            Flow(name, "new", job_id="new", children=[Flow(name, "x", job_id="own"), Flow(name, "x", job_id="kid")])
        )
    assert sorted(await wire.redis.keys(f"bull:{name}:*")) == sorted(before)


async def test_trap_12_a_parent_that_is_missing_is_an_error_in_a_bulk_too(queue: Queue) -> None:
    """Node answers the code as the job's id."""
    with pytest.raises(ParentNotFound):
        await queue.add_bulk([JobSpec("x", parent=Parent("nobody", queue.name)), JobSpec("y")])
    assert [job.name for job in await queue.jobs()] == ["y"]


async def test_trap_39_failed_children_come_page_by_page_too(
    queue: Queue, wire: Wire, above: Wire, hands: Hands, parents: Queue
) -> None:
    """Node's second page of them is short or empty."""
    parent = await above.parent("P")
    jobs = await children(queue, wire, parent, *["fpof"] * 7)
    hands.take(7)
    for job in jobs:
        hands.fail(job.id)
    job = await parents.job("P")
    assert job is not None
    seen: list[str] = []
    cursor = None
    while True:
        page = await job.dependencies(count=3, cursor=cursor)
        assert len(page.failed) <= 3
        seen += page.failed
        cursor = page.cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(wire.key(job.id) for job in jobs)
