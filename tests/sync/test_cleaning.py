# Generated from tests/live/shells/test_cleaning.py by tools/unasync.py: change that file instead.

"""Drain, clean, obliterate, bulk retry and promotion, orphans: what goes, what stays, how much a call handles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from oxcart import JobSpec, OptionsError, QueueNotEmpty
from oxcart.protocol.calls import clean as calls
from tests.conftest import RedisServer
from tests.hands import Hands
from tests.sync.shell import Queue


def keys_of(redis: Redis, queue: Queue) -> set[str]:
    start = f"bull:{queue.name}:"
    return {str(key).removeprefix(start) for key in redis.keys(f"{start}*")}


def fill(queue: Queue, count: int, **options: object) -> list[str]:
    jobs = queue.add_bulk([JobSpec("x", n, **options) for n in range(count)])  # pyright: ignore[reportArgumentType]
    return [job.id for job in jobs]


def test_draining_erases_what_waits_and_nothing_else(queue: Queue, redis: Redis, hands: Hands) -> None:
    finished = queue.add("x")
    hands.work()
    active = queue.add("x")
    hands.take()
    fill(queue, 3)
    fill(queue, 3, priority=2)
    delayed = queue.add("x", delay=60)
    before = redis.xlen(f"bull:{queue.name}:events")
    assert queue.drain() == 6
    assert {job.id for job in queue.jobs()} == {finished.id, active.id, delayed.id}
    assert queue.drain(delayed=True) == 1
    assert redis.xlen(f"bull:{queue.name}:events") == before  # trap 31 of part 2: it is silent
    hands.complete(active.id)


def test_draining_spares_what_a_scheduler_waits_for_wherever_it_is(
    queue: Queue, redis: Redis, allowed_breaks: set[str]
) -> None:
    """Node loses the spared job's id here and leaves that of an erased one (part 2, section 4.3)."""
    allowed_breaks.add("I28")
    redis.zadd(f"bull:{queue.name}:repeat", {"s": 170})
    ids = ["a", "b", "repeat:s:170", "c", "d"]
    for job_id in ids:
        queue.add("x", job_id=job_id)
    redis.hset(f"bull:{queue.name}:repeat:s:170", "rjk", "s")
    redis.rename(f"bull:{queue.name}:wait", f"bull:{queue.name}:paused")
    fill(queue, 2)
    assert queue.drain() == 6
    assert redis.lrange(f"bull:{queue.name}:paused", 0, -1) == ["repeat:s:170"]
    assert [job.id for job in queue.jobs("waiting")] == ["repeat:s:170"]
    assert queue.state("repeat:s:170") == "waiting"
    redis.delete(f"bull:{queue.name}:repeat")
    queue.remove_job("repeat:s:170")


def test_what_is_added_while_a_queue_is_drained_stays(
    queue: Queue, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(queue, 600)
    later: list[str] = []
    sweep = calls.sweep

    def meanwhile(*args: object) -> object:
        later.extend((hands.add(), hands.add(lifo=True), hands.add(job_id=f"own {len(later)}")))
        hands.work()  # takes a hundred from the same end
        return sweep(*args)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(calls, "sweep", meanwhile)
    erased = queue.drain()
    done = (queue.counts())["completed"]
    waiting = {job.id for job in queue.jobs("waiting")}
    assert waiting <= set(later)
    finished = {job.id for job in queue.jobs("completed")}
    assert set(later) <= waiting | finished
    assert erased + done + len(waiting) == 600 + len(later)


def test_cleaning_erases_the_old_ones_oldest_first(queue: Queue, redis: Redis, hands: Hands) -> None:
    now = datetime.now(UTC).timestamp() * 1000
    ids = fill(queue, 5)
    for n, record in enumerate(hands.take(9)):
        hands.complete(record.id, now_ms=int(now - (5 - n) * 60_000))
    assert queue.clean(timedelta(minutes=3, seconds=-10), limit=2) == ids[:2]
    assert queue.clean(150) == ids[2:3]
    assert queue.clean(3600) == []
    events = [fields for _, fields in redis.xrange(f"bull:{queue.name}:events") if fields["event"] == "cleaned"]
    assert [fields["count"] for fields in events] == ["2", "1", "0"]
    assert {job.id for job in queue.jobs()} == set(ids[3:])


def test_every_state_can_be_cleaned(queue: Queue, redis: Redis, hands: Hands) -> None:
    made = {
        "waiting": fill(queue, 2),
        "delayed": fill(queue, 2, delay=60),
        "prioritized": fill(queue, 2, priority=3),
    }
    for state, ids in made.items():
        assert queue.clean(3600, state=state) == []
        assert sorted(queue.clean(0, state=state)) == sorted(ids)
    fill(queue, 2)
    hands.work(fails=True)
    assert len(queue.clean(0, state="failed")) == 2
    assert keys_of(redis, queue) <= {"id", "meta", "events", "marker"}


def test_of_waiting_jobs_only_the_old_ones_go_and_the_others_keep_their_order(queue: Queue) -> None:
    old = datetime.now(UTC) - timedelta(hours=1)
    for n in range(6):
        options = {"timestamp": old} if n % 2 else {}
        queue.add("x", job_id=f"j{n}", **options)  # pyright: ignore[reportArgumentType]
    assert sorted(queue.clean(60, state="waiting")) == ["j1", "j3", "j5"]
    assert [job.id for job in queue.jobs("waiting")] == ["j0", "j2", "j4"]


def test_of_active_jobs_only_those_go_that_nobody_holds(queue: Queue, redis: Redis, hands: Hands) -> None:
    kept, lost = fill(queue, 2)
    hands.take(2)
    assert queue.clean(0, state="active") == []
    redis.delete(f"bull:{queue.name}:{lost}:lock")
    assert queue.clean(0, state="active") == [lost]
    hands.complete(kept)


def test_an_erased_queue_leaves_nothing(queue: Queue, redis: Redis, hands: Hands) -> None:
    fill(queue, 3)
    hands.work()
    fill(queue, 2)
    hands.work(fails=True)
    fill(queue, 2)
    fill(queue, 2, delay=60)
    fill(queue, 2, priority=1)
    queue.set_global_rate_limit(5, 60)
    hands.work()
    # Node leaves these (trap 33 of part 2).
    redis.zadd(f"bull:{queue.name}:waiting-children", {"parent": 1})
    redis.hset(f"bull:{queue.name}:parent", mapping={"name": "x", "data": "{}", "opts": "{}", "timestamp": "1"})
    queue.obliterate()
    assert keys_of(redis, queue) == set()


def test_a_queue_with_active_jobs_is_not_erased_and_goes_on(queue: Queue, redis: Redis, hands: Hands) -> None:
    job = queue.add("x")
    hands.take()
    with pytest.raises(QueueNotEmpty, match="has active jobs: let them finish, or say force=True"):
        queue.obliterate()
    assert not queue.is_paused()
    job.log("still here")
    queue.obliterate(force=True)
    assert keys_of(redis, queue) == set()


def test_all_failed_jobs_run_again(queue: Queue, redis: Redis, hands: Hands) -> None:
    """Trap 34 of part 2: whatever their priority, and they keep their count of attempts."""
    ids = fill(queue, 3) + fill(queue, 1, priority=5)
    hands.work(fails=True)
    assert queue.retry_jobs(before=datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert queue.retry_jobs(count=2) == 4
    assert [job.id for job in queue.jobs("waiting")] == ids
    job = queue.job(ids[0])
    assert job is not None
    assert (job.attempts_made, job.failed_reason, job.finished_at) == (1, None, None)
    hands.work()
    assert queue.retry_jobs("completed") == 4
    with pytest.raises(OptionsError, match=r"retry_jobs\(state='waiting'\)"):
        queue.retry_jobs("waiting")


def test_ids_without_a_job_are_dropped_when_jobs_run_again(queue: Queue, redis: Redis, hands: Hands) -> None:
    """Trap 35 of part 2."""
    fill(queue, 1)
    hands.work(fails=True)
    redis.zadd(f"bull:{queue.name}:failed", {"phantom": 1})
    assert queue.retry_jobs() == 1
    fill(queue, 1, delay=60)
    redis.zadd(f"bull:{queue.name}:delayed", {"phantom": 1})
    assert queue.promote_jobs() == 1
    assert (queue.counts())["waiting"] == 2


def test_all_delayed_jobs_run_now(queue: Queue, hands: Hands) -> None:
    ids = fill(queue, 2, delay=60) + fill(queue, 1, delay=90, priority=5)
    assert queue.promote_jobs(count=1) == 3
    assert [job.delay for job in queue.jobs("waiting")] == [0, 0, 0]  # Node leaves what it was
    assert hands.work() == ids


def test_the_stream_is_trimmed(queue: Queue, redis: Redis) -> None:
    fill(queue, 1000)
    assert redis.xlen(f"bull:{queue.name}:events") == 2000
    assert queue.trim_events(100) >= 1700
    assert redis.xlen(f"bull:{queue.name}:events") < 300
    with pytest.raises(OptionsError, match="trim_events=-1"):
        queue.trim_events(-1)


def test_what_is_left_of_lost_jobs_is_found_and_erased(
    queue: Queue, redis: Redis, redis_server: RedisServer, hands: Hands, allowed_breaks: set[str]
) -> None:
    """Node's own clean-up takes the metrics for a job's (part 2, section 4.7)."""
    allowed_breaks.update(("I1", "I5", "I7"))
    start = f"bull:{queue.name}:"
    fill(queue, 2)
    hands.work()
    kept = {queue.state(job.id): job.id for job in [queue.add("x"), queue.add("x", delay=60)]}
    queue.add("x", job_id="a:b:logs")
    redis.hset(f"{start}metrics:failed", mapping={"count": 1, "prevTS": 1, "prevCount": 0})
    redis.hset(f"{start}lost", mapping={"processedOn": 1, "ats": 1})
    # What may be another queue's, or somebody else's.
    redis.hset(f"{start}theirs", mapping={"name": "x", "value": 1})
    redis.set(f"{start}text", "x")
    with Queue("b", connection=redis_server.url, prefix=f"bull:{queue.name}") as below:
        below.add("x")
        below.add("x", delay=60)
        _find_what_is_left(queue, redis)
        assert len(below.jobs()) == 2
        below.obliterate()
    redis.delete(f"{start}theirs", f"{start}text")
    assert set(kept) == {"waiting", "delayed"}


def _find_what_is_left(queue: Queue, redis: Redis) -> None:
    start = f"bull:{queue.name}:"
    redis.rpush(f"{start}lost:logs", "a")
    redis.rpush(f"{start}other:logs", "a")
    before = keys_of(redis, queue)
    assert queue.remove_orphans() == 2
    assert before - keys_of(redis, queue) == {"lost", "lost:logs", "other:logs"}
    assert queue.remove_orphans() == 0


def test_a_damaged_job_keeps_no_other_from_being_handled(
    queue: Queue, redis: Redis, hands: Hands, allowed_breaks: set[str]
) -> None:
    allowed_breaks.update(("I1", "I2", "I3", "I4", "I5", "I6", "I7"))
    start = f"bull:{queue.name}:"
    fill(queue, 3)
    hands.work(fails=True)
    redis.zadd(f"{start}failed", {"odd": 1})
    redis.set(f"{start}odd", "not a job")
    assert queue.retry_jobs() == 3
    assert redis.zrange(f"{start}failed", 0, -1) == ["odd"]
    assert queue.remove_job("odd")
    parent = queue.add("parent")
    child = queue.add("child")
    redis.hset(f"{start}{child.id}", "parentKey", f"{start}{parent.id}")
    redis.set(f"{start}{parent.id}:dependencies", "not a set")
    assert queue.drain() == 5
    assert queue.jobs() == []
    assert not redis.exists(f"{start}{child.id}")


def test_a_key_of_the_queue_itself_is_no_job(queue: Queue, redis: Redis) -> None:
    """Trap 14 of part 1."""
    queue.add("x")
    before = keys_of(redis, queue)
    for name in ("wait", "meta", "id", "events", "1:logs", "de:x", "metrics", "repeat"):
        assert not queue.remove_job(name)
        assert queue.job(name) is None
    assert keys_of(redis, queue) == before
    for wrong in (None, 5, "\ud800"):
        for ask in (queue.job, queue.state, queue.remove_job, queue.logs, queue.remove_deduplication):
            with pytest.raises(OptionsError, match="id"):
                ask(wrong)  # pyright: ignore
    # And nobody else's answer is mixed up by it.
    assert (queue.counts())["waiting"] == 1


def test_no_call_handles_more_than_its_share(queue: Queue, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many jobs there are; a call of this size takes a few milliseconds (see `make big`)."""
    handled: list[int] = []
    read_sweep, read_moves, read_erased = calls.sweep, calls.move_to_wait, calls.obliterate

    def sweep(*args: object) -> object:
        call = read_sweep(*args)  # pyright: ignore[reportArgumentType]
        reads = call.read

        def read(reply: object) -> object:
            swept = reads(reply)
            handled.append(swept.looked_at)
            return swept

        object.__setattr__(call, "read", read)
        return call

    monkeypatch.setattr(calls, "sweep", sweep)
    many = 2 * calls.LARGEST_SWEEP + 10
    fill(queue, many)
    assert queue.drain() == many
    assert handled == [250, 250, 10]

    def counted(make: object) -> object:
        def wrapped(*args: object) -> object:
            call = make(*args)  # pyright: ignore
            reads = call.read

            def read(reply: object) -> object:
                found = reads(reply)
                handled.append(found if isinstance(found, int) else found.moved)
                return found

            object.__setattr__(call, "read", read)
            return call

        return wrapped

    monkeypatch.setattr(calls, "move_to_wait", counted(read_moves))
    monkeypatch.setattr(calls, "obliterate", counted(read_erased))
    fill(queue, many, delay=60)
    handled.clear()
    assert queue.promote_jobs() == many
    assert handled == [250, 250, 10]
    handled.clear()
    queue.obliterate()
    assert handled == [250, 250, 10, 0]


def test_what_cannot_be_right_is_refused(queue: Queue) -> None:
    with pytest.raises(OptionsError, match="unknown state 'done'"):
        queue.clean(0, state="done")
    with pytest.raises(OptionsError, match="remove_orphans erases them"):
        queue.clean(0, state="unknown")
    with pytest.raises(OptionsError, match="grace=-1"):
        queue.clean(-1)
    with pytest.raises(OptionsError, match="limit=-1"):
        queue.clean(0, limit=-1)
