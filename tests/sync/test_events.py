# Generated from tests/live/shells/test_events.py by tools/unasync.py: change that file instead.

"""Listening to queues, and waiting for a job's end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis

from oxcart import (
    ActiveEvent,
    AddedEvent,
    CompletedEvent,
    DelayedEvent,
    Event,
    FailedEvent,
    JobFailed,
    JobNotFound,
    OptionsError,
    OxcartError,
    PayloadError,
    ProgressEvent,
    RetriesExhaustedEvent,
    WaitingEvent,
)
from oxcart.protocol.calls.watch import order
from tests.conftest import RedisServer
from tests.hands import Hands
from tests.sync.shell import Connection, Queue, QueueEvents, QueueEventsProducer


def some(events: QueueEvents, count: int) -> list[Event]:
    """The next events."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if len(found) == count:
            break
    return found


def test_events_are_typed_and_in_order(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    with QueueEvents(queue.name, connection=redis_server.url) as events:
        job = queue.add("mail", {"a": 1})
        queue.add("later", delay=60)
        hands.take()
        job.update_progress({"pct": 40})
        hands.complete(job.id, [1])
        found = some(events, 7)
        kinds = [event.kind for event in found]
        assert kinds == ["added", "waiting", "added", "delayed", "active", "progress", "completed"]
        added, waiting, _, delayed, active, progress, completed = found
        assert isinstance(added, AddedEvent) and (added.name, added.job_id, added.queue_name) == (
            "mail",
            job.id,
            queue.name,
        )
        assert isinstance(waiting, WaitingEvent) and waiting.prev is None
        assert isinstance(delayed, DelayedEvent) and delayed.due_at is not None
        assert 50 < (delayed.due_at - datetime.now(UTC)).total_seconds() <= 60
        assert isinstance(active, ActiveEvent) and active.prev == "waiting"
        assert isinstance(progress, ProgressEvent) and progress.progress == {"pct": 40}
        assert isinstance(completed, CompletedEvent) and completed.return_value == [1]
        assert abs((completed.at - datetime.now(UTC)).total_seconds()) < 10
        assert events.last_id == found[-1].id


def test_failures_tell_their_reason(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    with QueueEvents(queue.name, connection=redis_server.url) as events:
        job = queue.add("x")
        hands.take()
        hands.fail(job.id, "no\npaint")
        failed, exhausted = (some(events, 5))[3:]
        assert isinstance(failed, FailedEvent) and (failed.failed_reason, failed.prev) == ("no\npaint", "active")
        assert isinstance(exhausted, RetriesExhaustedEvent) and exhausted.attempts_made == 1


def test_a_listener_goes_on_where_another_stopped(queue: Queue, redis_server: RedisServer) -> None:
    with QueueEvents(queue.name, connection=redis_server.url) as events:
        queue.add("a")
        some(events, 1)
        stopped_at = events.last_id
    queue.add("b")
    with QueueEvents(queue.name, connection=redis_server.url, since=stopped_at) as events:
        assert [event.kind for event in some(events, 3)] == ["waiting", "added", "waiting"]
    with QueueEvents(queue.name, connection=redis_server.url, since="0-0") as events:
        assert len(some(events, 4)) == 4


def test_what_others_write_never_stops_the_reader(
    queue: Queue, redis: Redis, redis_server: RedisServer, allowed_breaks: set[str]
) -> None:
    """Trap 18 of part 1, trap 36 of part 2: Node's consumer ends here."""
    allowed_breaks.add("I32")
    stream = f"bull:{queue.name}:events"
    with QueueEvents(queue.name, connection=redis_server.url) as events:
        redis.xadd(stream, {"event": "completed", "jobId": "1", "returnvalue": "NaN"})
        redis.xadd(stream, {"event": "progress", "jobId": "1"})
        redis.xadd(stream, {"event": "delayed", "jobId": "1", "delay": "soon"})
        redis.xadd(stream, {"other": "field"})
        queue.add("x")
        completed, progress, delayed, odd, added = some(events, 5)
        assert isinstance(completed, CompletedEvent) and completed.return_value is None
        assert completed.fields["returnvalue"] == "NaN"
        assert isinstance(progress, ProgressEvent) and progress.progress is None
        assert isinstance(delayed, DelayedEvent) and delayed.due_at is None
        assert (odd.kind, odd.job_id, added.kind) == ("", None, "added")


def test_callbacks_get_the_same(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    told: list[Any] = []

    def broken(event: Event) -> None:
        raise RuntimeError("a callback's own fault")

    with QueueEvents(queue.name, connection=redis_server.url) as events:
        events.on("added", broken)
        events.on("added", lambda event: told.append(event.name))
        job = queue.add("mail")
        events.on("*", lambda event: told.append(event.kind))
        hands.work()
        some(events, 4)
        while "completed" not in told:
            job.state()
    assert told[0] == "mail"
    assert told[-1] in ("completed", "drained")
    with pytest.raises(OptionsError, match="a function that takes an event"):
        events.on("added", None)  # pyright: ignore[reportArgumentType]


def test_all_who_listen_over_a_connection_share_one_reader_of_it(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    with Connection(redis_server.url) as connection:
        names = [queue.name, f"{queue.name}-b", f"{queue.name}-c"]
        listeners = [QueueEvents(name, connection=connection) for name in names]
        for listener in listeners:
            listener.open()
        for name in names:
            QueueEventsProducer(name, connection=connection).publish("hello", {"to": name})
        for name, listener in zip(names, listeners, strict=True):
            [event] = some(listener, 1)
            assert (event.kind, event.fields) == ("hello", {"event": "hello", "to": name})
        seen: list[int] = []
        deadline = time.monotonic() + 10
        while seen[-3:] != [1, 1, 1]:  # a reader that was interrupted is listed until Redis has noticed
            seen.append(len(queue.event_readers()))
            assert time.monotonic() < deadline
        for listener in listeners:
            listener.close()
    for name in names[1:]:
        redis.delete(f"bull:{name}:events", f"bull:{name}:meta")


def test_a_slow_listener_loses_nothing(queue: Queue, redis_server: RedisServer) -> None:
    with QueueEvents(queue.name, connection=redis_server.url) as events:
        producer = QueueEventsProducer(queue.name, connection=redis_server.url)
        for n in range(3000):
            producer.publish("n", {"n": str(n)})
        assert [event.fields["n"] for event in some(events, 3000)] == [str(n) for n in range(3000)]
        producer.close()


def test_the_stream_keeps_its_length_when_programs_tell_their_own(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    """Trap 41 of part 1: in Node this trims the shared stream to a thousand."""
    queue.add("x")
    with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
        for n in range(1500):
            event_id = producer.publish("mine", {"n": n, "text": "plain", "list": [1]})
    assert redis.xlen(f"bull:{queue.name}:events") == 1502
    [(last, fields)] = redis.xrevrange(f"bull:{queue.name}:events", count=1)
    assert last == event_id  # pyright: ignore[reportPossiblyUnboundVariable]
    assert fields == {"event": "mine", "n": "1499", "text": "plain", "list": "[1]"}


def test_events_that_cannot_be_right_are_refused(queue: Queue, redis_server: RedisServer) -> None:
    with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
        for kind, fields, error, text in (
            ("", {}, OptionsError, "a non-empty string"),
            ("completed", {}, OptionsError, "the queue itself tells this"),
            ("x", {"event": "y"}, OptionsError, "'event' can't be the name of a field"),
            ("x", {"n": float("nan")}, PayloadError, "field 'n' of event 'x'"),
            ("x", dict.fromkeys(map(str, range(1001))), OptionsError, "at most 1000 names"),
        ):
            with pytest.raises(error, match=text):
                producer.publish(kind, fields)
    for since in ("yesterday", "1-18446744073709551616", "١-١"):
        with pytest.raises(OptionsError, match="since="):
            QueueEvents(queue.name, since=since)


# ------------------------------------------------------------------------------------------------- Job.result


def test_a_result_that_is_there_already_is_answered_at_once(queue: Queue, hands: Hands) -> None:
    good, bad = queue.add("x"), queue.add("x")
    hands.take(2)
    hands.complete(good.id, {"pages": 3})
    hands.fail(bad.id, "no paint")
    assert good.result() == {"pages": 3}
    with pytest.raises(JobFailed, match=f"job {bad.id} of {queue.name} failed: no paint") as caught:
        bad.result(timeout=5)
    assert (caught.value.failed_reason, caught.value.stacktrace) == ("no paint", ["Error: no paint"])


def test_a_result_is_waited_for(queue: Queue, hands: Hands) -> None:
    job = queue.add("x")

    def work() -> None:
        hands.take()
        hands.complete(job.id, "done")

    hands.once_listened_to(work)
    assert job.result(timeout=10) == "done"


def test_a_failure_is_waited_for(queue: Queue, hands: Hands) -> None:
    job = queue.add("x")

    def work() -> None:
        hands.take()
        hands.fail(job.id, "no paint")

    hands.once_listened_to(work)
    with pytest.raises(JobFailed, match="no paint") as caught:
        job.result(timeout=10)
    assert caught.value.stacktrace == ["Error: no paint"]


def test_the_result_of_a_job_that_is_gone_since_it_was_done_is_found(queue: Queue, hands: Hands) -> None:
    """Removed as soon as it was finished: the stream still tells how it ended."""
    job = queue.add("x")
    hands.take()
    hands.complete(job.id, 7, keep="0::")
    assert job.result(timeout=5) == 7


def test_a_job_that_is_removed_is_not_waited_for(queue: Queue, hands: Hands) -> None:
    job = queue.add("x", delay=60)
    removed: list[Any] = []
    hands.once_listened_to(lambda: removed.append(hands.remove(job.id)))
    with pytest.raises(JobNotFound, match=f"job {job.id} of {queue.name} does not exist"):
        job.result(timeout=10)
    with pytest.raises(JobNotFound):
        job.result(timeout=10)


def test_a_wait_has_an_end(queue: Queue) -> None:
    job = queue.add("x")
    with pytest.raises(TimeoutError, match=f"job {job.id} of {queue.name} was not finished within 0.05 s"):
        job.result(timeout=0.05)


def test_a_closed_listener_ends_its_loop(queue: Queue, redis_server: RedisServer) -> None:
    events = QueueEvents(queue.name, connection=redis_server.url)
    events.open()
    events.close()
    for event in events:
        raise AssertionError(event)


def test_a_listener_that_reads_slowly_is_not_held_up_by_a_quiet_queue(queue: Queue, redis_server: RedisServer) -> None:
    with Connection(redis_server.url) as connection:
        quiet = QueueEvents(f"{queue.name}-quiet", connection=connection)
        quiet.open()
        busy = QueueEvents(queue.name, connection=connection)
        busy.open()
        with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
            for n in range(2500):
                producer.publish("n", {"n": n})
        started = time.monotonic()
        assert len(some(busy, 2500)) == 2500
        assert time.monotonic() - started < 9  # a blocked read lasts ten seconds
        quiet.close()
        busy.close()


def test_a_stream_that_cannot_be_read_harms_only_who_listens_to_it(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    odd = f"{queue.name}-odd"
    with Connection(redis_server.url) as connection:
        good, bad = QueueEvents(queue.name, connection=connection), QueueEvents(odd, connection=connection, since="0-0")
        good.open()
        redis.set(f"bull:{odd}:events", "no stream")
        bad.open()
        with pytest.raises(OxcartError, match="WRONGTYPE"):
            some(bad, 1)
        queue.add("x")
        assert [event.kind for event in some(good, 2)] == ["added", "waiting"]
        good.close()
        bad.close()
    redis.delete(f"bull:{odd}:events")


def test_a_callback_that_raises_whatever_keeps_no_other_from_being_told(
    queue: Queue, redis_server: RedisServer
) -> None:
    told: list[str] = []

    def odd(event: Event) -> None:
        raise SystemExit(event.kind)

    with QueueEvents(queue.name, connection=redis_server.url) as events:
        events.on("added", odd)
        events.on("*", lambda event: told.append(event.kind))
        for _ in range(3):
            queue.add("x")
        deadline = time.monotonic() + 10
        while len(told) < 6:
            queue.count()
            assert time.monotonic() < deadline
        # What a loop has not had yet is not forgotten for what callbacks had.
        first = events.last_id
        some(events, 1)
        assert order(events.last_id) < order(first)


def test_a_listener_that_was_closed_goes_on_where_it_was(queue: Queue, redis_server: RedisServer) -> None:
    with Connection(redis_server.url) as connection:
        events = QueueEvents(queue.name, connection=connection)
        with events:
            queue.add("x")
            some(events, 1)
        queue.add("y")
        with events:
            assert [event.kind for event in some(events, 3)] == ["waiting", "added", "waiting"]
