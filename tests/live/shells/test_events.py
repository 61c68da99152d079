"""Listening to queues, and waiting for a job's end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

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
from tests.live.shells.shell import Connection, Queue, QueueEvents, QueueEventsProducer


async def some(events: QueueEvents, count: int) -> list[Event]:
    """The next events."""
    found: list[Event] = []
    async for event in events:
        found.append(event)
        if len(found) == count:
            break
    return found


async def test_events_are_typed_and_in_order(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        job = await queue.add("mail", {"a": 1})
        await queue.add("later", delay=60)
        hands.take()
        await job.update_progress({"pct": 40})
        hands.complete(job.id, [1])
        found = await some(events, 7)
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


async def test_failures_tell_their_reason(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        job = await queue.add("x")
        hands.take()
        hands.fail(job.id, "no\npaint")
        failed, exhausted = (await some(events, 5))[3:]
        assert isinstance(failed, FailedEvent) and (failed.failed_reason, failed.prev) == ("no\npaint", "active")
        assert isinstance(exhausted, RetriesExhaustedEvent) and exhausted.attempts_made == 1


async def test_a_listener_goes_on_where_another_stopped(queue: Queue, redis_server: RedisServer) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        await queue.add("a")
        await some(events, 1)
        stopped_at = events.last_id
    await queue.add("b")
    async with QueueEvents(queue.name, connection=redis_server.url, since=stopped_at) as events:
        assert [event.kind for event in await some(events, 3)] == ["waiting", "added", "waiting"]
    async with QueueEvents(queue.name, connection=redis_server.url, since="0-0") as events:
        assert len(await some(events, 4)) == 4


async def test_what_others_write_never_stops_the_reader(
    queue: Queue, redis: Redis, redis_server: RedisServer, allowed_breaks: set[str]
) -> None:
    """Trap 18 of part 1, trap 36 of part 2: Node's consumer ends here."""
    allowed_breaks.add("I32")
    stream = f"bull:{queue.name}:events"
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        await redis.xadd(stream, {"event": "completed", "jobId": "1", "returnvalue": "NaN"})
        await redis.xadd(stream, {"event": "progress", "jobId": "1"})
        await redis.xadd(stream, {"event": "delayed", "jobId": "1", "delay": "soon"})
        await redis.xadd(stream, {"other": "field"})
        await queue.add("x")
        completed, progress, delayed, odd, added = await some(events, 5)
        assert isinstance(completed, CompletedEvent) and completed.return_value is None
        assert completed.fields["returnvalue"] == "NaN"
        assert isinstance(progress, ProgressEvent) and progress.progress is None
        assert isinstance(delayed, DelayedEvent) and delayed.due_at is None
        assert (odd.kind, odd.job_id, added.kind) == ("", None, "added")


async def test_callbacks_get_the_same(queue: Queue, redis_server: RedisServer, hands: Hands) -> None:
    told: list[Any] = []

    def broken(event: Event) -> None:
        raise RuntimeError("a callback's own fault")

    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        events.on("added", broken)
        events.on("added", lambda event: told.append(event.name))
        job = await queue.add("mail")
        events.on("*", lambda event: told.append(event.kind))
        hands.work()
        await some(events, 4)
        while "completed" not in told:
            await job.state()
    assert told[0] == "mail"
    assert told[-1] in ("completed", "drained")
    with pytest.raises(OptionsError, match="a function that takes an event"):
        events.on("added", None)  # pyright: ignore[reportArgumentType]


async def test_all_who_listen_over_a_connection_share_one_reader_of_it(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    async with Connection(redis_server.url) as connection:
        names = [queue.name, f"{queue.name}-b", f"{queue.name}-c"]
        listeners = [QueueEvents(name, connection=connection) for name in names]
        for listener in listeners:
            await listener.open()
        for name in names:
            await QueueEventsProducer(name, connection=connection).publish("hello", {"to": name})
        for name, listener in zip(names, listeners, strict=True):
            [event] = await some(listener, 1)
            assert (event.kind, event.fields) == ("hello", {"event": "hello", "to": name})
        seen: list[int] = []
        deadline = time.monotonic() + 10
        while seen[-3:] != [1, 1, 1]:  # a reader that was interrupted is listed until Redis has noticed
            seen.append(len(await queue.event_readers()))
            assert time.monotonic() < deadline
        for listener in listeners:
            await listener.close()
    for name in names[1:]:
        await redis.delete(f"bull:{name}:events", f"bull:{name}:meta")


async def test_a_slow_listener_loses_nothing(queue: Queue, redis_server: RedisServer) -> None:
    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        producer = QueueEventsProducer(queue.name, connection=redis_server.url)
        for n in range(3000):
            await producer.publish("n", {"n": str(n)})
        assert [event.fields["n"] for event in await some(events, 3000)] == [str(n) for n in range(3000)]
        await producer.close()


async def test_the_stream_keeps_its_length_when_programs_tell_their_own(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    """Trap 41 of part 1: in Node this trims the shared stream to a thousand."""
    await queue.add("x")
    async with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
        for n in range(1500):
            event_id = await producer.publish("mine", {"n": n, "text": "plain", "list": [1]})
    assert await redis.xlen(f"bull:{queue.name}:events") == 1502
    [(last, fields)] = await redis.xrevrange(f"bull:{queue.name}:events", count=1)
    assert last == event_id  # pyright: ignore[reportPossiblyUnboundVariable]
    assert fields == {"event": "mine", "n": "1499", "text": "plain", "list": "[1]"}


async def test_events_that_cannot_be_right_are_refused(queue: Queue, redis_server: RedisServer) -> None:
    async with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
        for kind, fields, error, text in (
            ("", {}, OptionsError, "a non-empty string"),
            ("completed", {}, OptionsError, "the queue itself tells this"),
            ("x", {"event": "y"}, OptionsError, "'event' can't be the name of a field"),
            ("x", {"n": float("nan")}, PayloadError, "field 'n' of event 'x'"),
            ("x", dict.fromkeys(map(str, range(1001))), OptionsError, "at most 1000 names"),
        ):
            with pytest.raises(error, match=text):
                await producer.publish(kind, fields)
    for since in ("yesterday", "1-18446744073709551616", "١-١"):
        with pytest.raises(OptionsError, match="since="):
            QueueEvents(queue.name, since=since)


# ------------------------------------------------------------------------------------------------- Job.result


async def test_a_result_that_is_there_already_is_answered_at_once(queue: Queue, hands: Hands) -> None:
    good, bad = await queue.add("x"), await queue.add("x")
    hands.take(2)
    hands.complete(good.id, {"pages": 3})
    hands.fail(bad.id, "no paint")
    assert await good.result() == {"pages": 3}
    with pytest.raises(JobFailed, match=f"job {bad.id} of {queue.name} failed: no paint") as caught:
        await bad.result(timeout=5)
    assert (caught.value.failed_reason, caught.value.stacktrace) == ("no paint", ["Error: no paint"])


async def test_a_result_is_waited_for(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")

    def work() -> None:
        hands.take()
        hands.complete(job.id, "done")

    hands.once_listened_to(work)
    assert await job.result(timeout=10) == "done"


async def test_a_failure_is_waited_for(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x")

    def work() -> None:
        hands.take()
        hands.fail(job.id, "no paint")

    hands.once_listened_to(work)
    with pytest.raises(JobFailed, match="no paint") as caught:
        await job.result(timeout=10)
    assert caught.value.stacktrace == ["Error: no paint"]


async def test_the_result_of_a_job_that_is_gone_since_it_was_done_is_found(queue: Queue, hands: Hands) -> None:
    """Removed as soon as it was finished: the stream still tells how it ended."""
    job = await queue.add("x")
    hands.take()
    hands.complete(job.id, 7, keep="0::")
    assert await job.result(timeout=5) == 7


async def test_a_job_that_is_removed_is_not_waited_for(queue: Queue, hands: Hands) -> None:
    job = await queue.add("x", delay=60)
    removed: list[Any] = []
    hands.once_listened_to(lambda: removed.append(hands.remove(job.id)))
    with pytest.raises(JobNotFound, match=f"job {job.id} of {queue.name} does not exist"):
        await job.result(timeout=10)
    with pytest.raises(JobNotFound):
        await job.result(timeout=10)


async def test_a_wait_has_an_end(queue: Queue) -> None:
    job = await queue.add("x")
    with pytest.raises(TimeoutError, match=f"job {job.id} of {queue.name} was not finished within 0.05 s"):
        await job.result(timeout=0.05)


async def test_a_closed_listener_ends_its_loop(queue: Queue, redis_server: RedisServer) -> None:
    events = QueueEvents(queue.name, connection=redis_server.url)
    await events.open()
    await events.close()
    async for event in events:
        raise AssertionError(event)


async def test_a_listener_that_reads_slowly_is_not_held_up_by_a_quiet_queue(
    queue: Queue, redis_server: RedisServer
) -> None:
    async with Connection(redis_server.url) as connection:
        quiet = QueueEvents(f"{queue.name}-quiet", connection=connection)
        await quiet.open()
        busy = QueueEvents(queue.name, connection=connection)
        await busy.open()
        async with QueueEventsProducer(queue.name, connection=redis_server.url) as producer:
            for n in range(2500):
                await producer.publish("n", {"n": n})
        started = time.monotonic()
        assert len(await some(busy, 2500)) == 2500
        assert time.monotonic() - started < 9  # a blocked read lasts ten seconds
        await quiet.close()
        await busy.close()


async def test_a_stream_that_cannot_be_read_harms_only_who_listens_to_it(
    queue: Queue, redis: Redis, redis_server: RedisServer
) -> None:
    odd = f"{queue.name}-odd"
    async with Connection(redis_server.url) as connection:
        good, bad = QueueEvents(queue.name, connection=connection), QueueEvents(odd, connection=connection, since="0-0")
        await good.open()
        await redis.set(f"bull:{odd}:events", "no stream")
        await bad.open()
        with pytest.raises(OxcartError, match="WRONGTYPE"):
            await some(bad, 1)
        await queue.add("x")
        assert [event.kind for event in await some(good, 2)] == ["added", "waiting"]
        await good.close()
        await bad.close()
    await redis.delete(f"bull:{odd}:events")


async def test_a_callback_that_raises_whatever_keeps_no_other_from_being_told(
    queue: Queue, redis_server: RedisServer
) -> None:
    told: list[str] = []

    def odd(event: Event) -> None:
        raise SystemExit(event.kind)

    async with QueueEvents(queue.name, connection=redis_server.url) as events:
        events.on("added", odd)
        events.on("*", lambda event: told.append(event.kind))
        for _ in range(3):
            await queue.add("x")
        deadline = time.monotonic() + 10
        while len(told) < 6:
            await queue.count()
            assert time.monotonic() < deadline
        # What a loop has not had yet is not forgotten for what callbacks had.
        first = events.last_id
        await some(events, 1)
        assert order(events.last_id) < order(first)


async def test_a_listener_that_was_closed_goes_on_where_it_was(queue: Queue, redis_server: RedisServer) -> None:
    async with Connection(redis_server.url) as connection:
        events = QueueEvents(queue.name, connection=connection)
        async with events:
            await queue.add("x")
            await some(events, 1)
        await queue.add("y")
        async with events:
            assert [event.kind for event in await some(events, 3)] == ["waiting", "added", "waiting"]
