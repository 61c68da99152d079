"""Job: a record and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ..clock import Clock, system_clock
from ..errors import ConnectionFailed, JobFailed, JobNotFound, OptionsError
from ..options import Duration, JobOptions, Parent, check, check_range, flag, milliseconds, whole
from ..protocol import wire
from ..protocol.call import Call, Command
from ..protocol.calls import change, family, read, watch
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from ..protocol.series import slot_of
from ..protocol.states import JobState
from .connection import Connection
from .demand import demand
from .gently import Gently
from .insist import insist
from .reader import Subscription, finished, within
from .removal import remove

LOOK_AGAIN_S = 30
"""How often who waits for a job looks whether it is still there: clean-ups of whole queues tell nothing of each job."""

LOOK_BACK = 3
"""How many reads of the event stream are made for a job that is gone already."""


MANY_CHILDREN = 500
"""How many children one read brings."""


Reply = TypeVar("Reply")


class Stoppable(Protocol):
    """An attempt that can be told to stop."""

    stopped: bool
    over: bool
    """Whether its processor has ended."""


class Job:
    """A job in Redis. Made by `Queue.add`, `Queue.job` and workers; what it shows is what was read last.

    Its methods raise `JobNotFound` if the job is gone and `ConnectionFailed` if Redis can't be reached.
    Example: `job = await emails.add("welcome", {"userId": "u1"}); print(job.id, await job.state())`
    """

    __slots__ = ("_clock", "_connection", "attempt", "keys", "on_progress", "record", "was_duplicate")

    def __init__(
        self,
        record: JobRecord,
        keys: Keys,
        connection: Connection,
        *,
        was_duplicate: bool = False,
        on_progress: Callable[[Job, Any], None] | None = None,
        attempt: Stoppable | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.record = record
        """What is stored of it, as plain data."""
        self.was_duplicate = was_duplicate
        """Whether `add` found a job with this id and added nothing."""
        self.keys = keys
        self.on_progress = on_progress
        """Who is told of progress, in a worker."""
        self.attempt = attempt
        """The attempt that runs it, in a worker."""
        self._connection = connection
        self._clock = clock

    def __repr__(self) -> str:
        return f"Job({self.id!r}, {self.name!r}, queue={self.queue_name!r})"

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def queue_name(self) -> str:
        return self.keys.name

    @property
    def data(self) -> Any:
        """What the producer sent."""
        return self.record.data

    @property
    def options(self) -> JobOptions:
        """The options it was added with."""
        return wire.options_from_wire(self.record.options.raw)

    @property
    def progress(self) -> Any:
        """What `update_progress` was given last; 0 before."""
        return self.record.progress

    @property
    def return_value(self) -> Any:
        """What the processor returned; None before."""
        try:
            return self.record.return_value
        except wire.Unreadable:
            return None

    @property
    def failed_reason(self) -> str | None:
        """Why its last failed attempt failed. It stays when a later attempt succeeds."""
        return self.record.fields.get("failedReason")

    @property
    def stacktrace(self) -> list[str]:
        """One text for each failed attempt, oldest first."""
        return self.record.stacktrace

    @property
    def attempts_made(self) -> int:
        """How many attempts have ended, well or not."""
        return self.record.attempts_made

    @property
    def attempts_started(self) -> int:
        """How often a worker has taken it."""
        return self.record.integer("ats")

    @property
    def attempts_left(self) -> int:
        """How many attempts it may still have; 0 once it has failed for good."""
        if self.record.fields.get("finishedOn"):
            return 0
        return max(max(self.record.options.attempts, 1) - self.attempts_made, 0)

    @property
    def stalled_count(self) -> int:
        """How often its worker was lost."""
        return self.record.integer("stc")

    @property
    def priority(self) -> int:
        return self.record.integer("priority")

    @property
    def delay(self) -> float:
        """How long it waits, or waited, before its next attempt, in seconds."""
        return self.record.integer("delay") / 1000

    @property
    def created_at(self) -> datetime | None:
        return wire.moment(self.record.integer("timestamp"))

    @property
    def processed_at(self) -> datetime | None:
        """When a worker took it last."""
        return wire.moment(self.record.integer("processedOn"))

    @property
    def finished_at(self) -> datetime | None:
        return wire.moment(self.record.integer("finishedOn"))

    @property
    def processed_by(self) -> str | None:
        """The name of the worker that took it last, if it has one."""
        return self.record.fields.get("pb")

    @property
    def parent(self) -> Any:
        """Its parent in a flow: `{"id": …, "queueKey": …}`, or None."""
        return self.record.parent

    @property
    def parent_key(self) -> str | None:
        return self.record.fields.get("parentKey")

    @property
    def scheduler_id(self) -> str | None:
        return self.record.fields.get("rjk")

    @property
    def scheduled_for(self) -> datetime | None:
        """The time that this run of a scheduler is for; when it ran is another matter. None for other jobs."""
        return wire.moment(slot_of(self.id)) if self.scheduler_id is not None else None

    @property
    def deduplication_id(self) -> str | None:
        return self.record.fields.get("deid")

    @property
    def cancelled(self) -> bool:
        """Whether its attempt was cancelled or timed out: for plain functions, which have to look themselves."""
        return self.attempt is not None and self.attempt.stopped

    async def result(self, timeout: Duration | None = None) -> Any:
        """Wait until it is finished, and answer what its processor returned.

        Raises `JobFailed` (with `failed_reason` and `stacktrace`) if it fails for good, `JobNotFound` if it is removed,
        and `TimeoutError` after `timeout` (seconds or `timedelta`; None waits for ever). The job goes on all the same.
        Example: `value = await (await reports.add("monthly")).result(timeout=30)`
        """
        seconds = None if timeout is None else milliseconds("timeout", timeout) / 1000
        try:
            return await within(seconds, self._listen_for_ending(seconds))
        except TimeoutError:
            late = f"job {self.id} of {self.queue_name} was not finished within {seconds:g} s"
            raise TimeoutError(late) from None

    async def _listen_for_ending(self, timeout_s: float | None) -> Any:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        listening = await self._connection.reader.subscribe(self.keys, about=self.id)
        try:
            return await self._ending(listening, deadline)
        finally:
            await self._connection.reader.unsubscribe(listening)

    async def _ending(self, listening: Subscription, deadline: float | None) -> Any:
        """How it ended: asked for once, since from now on it is told, and again when something may have removed it."""
        first = True
        while True:
            try:
                ending = await self._connection.run(watch.ending(self.keys, self.id))
            except JobNotFound:
                ending = await self._told_before()
                if ending is None:
                    raise
            except ConnectionFailed:
                if first:
                    raise
                ending = None  # away for a while: nothing that is told meanwhile is lost
            first = False
            if ending is None:
                ending = await self._told(listening, deadline)
            if ending is None:
                continue
            if ending.completed:
                return watch.value_of(ending)
            raise JobFailed(self.id, self.queue_name, ending.text, ending.stacktrace)

    async def _told(self, listening: Subscription, deadline: float | None) -> watch.Ending | None:
        """Its end as an event tells it; None when it is time to look again, since not every removal is told."""
        look_again = time.monotonic() + LOOK_AGAIN_S
        while True:
            until = look_again if deadline is None else min(look_again, deadline)
            try:
                entry = await listening.next(max(until - time.monotonic(), 0))
            except TimeoutError:
                if until == deadline:
                    raise
                return None
            if entry is None:
                raise ConnectionFailed(f"the connection was closed while job {self.id} was waited for")
            if entry.fields.get("event") == "cleaned":
                return None
            if entry.fields.get("jobId") == self.id:
                if (ending := watch.ending_in(entry)) is not None:
                    return ending if ending.completed else await self._with_traces(ending)
                if entry.fields.get("event") == "removed":
                    return None

    async def _told_before(self) -> watch.Ending | None:
        """Its end, if it is gone but the stream still tells it: it may have been removed as soon as it was finished."""
        before = "+"
        for _ in range(LOOK_BACK):
            entries = await self._connection.run(watch.read_back(self.keys, before))
            for entry in entries:
                if entry.fields.get("jobId") == self.id:
                    return watch.ending_in(entry)
            if not entries:
                break
            before = entries[-1].id
        return None

    async def _with_traces(self, ending: watch.Ending) -> watch.Ending:
        """The event of a failure has its reason only."""
        try:
            return await self._connection.run(watch.ending(self.keys, self.id)) or ending
        except JobNotFound:
            return ending

    # ------------------------------------------------------------------------------------------------ children

    @property
    def as_parent(self) -> Parent:
        """This job as the `parent` of another."""
        return Parent(self.id, self.keys.name, self.keys.queue_prefix)

    async def children(self) -> list[Job]:
        """Its children that are still there, in whatever state."""
        found: list[Job] = []
        for reference in (await self.dependencies()).all:
            place = family.place_of(reference)
            [record] = await self._ask(read.jobs(place.keys, [place.id]))
            if record is not None:
                found.append(show(record, place.keys, self._connection, self._clock))
        return found

    async def children_values(self) -> dict[str, Any]:
        """What its completed children returned, by their keys (`prefix:queue:id`)."""
        return (await self._all_dependencies("processed")).processed

    async def ignored_failures(self) -> dict[str, str]:
        """Why those of its children failed whose failure does it no harm, by their keys."""
        return (await self._all_dependencies("ignored")).ignored

    async def dependencies(self, count: int | None = None, cursor: str | None = None) -> family.Dependencies:
        """Its children by what has become of them: all, or about `count` of them, and a `cursor` to go on from.

        Example: `page = await job.dependencies(count=100)`, then `await job.dependencies(100, page.cursor)`
        """
        if count is None:
            return await self._all_dependencies(*family.KINDS)
        kind, position = _parse_cursor(cursor)
        kinds = list(family.KINDS)[list(family.KINDS).index(kind) :]
        return await self._some_dependencies(kinds, position, whole("count", count, 1))

    async def dependency_counts(self) -> dict[str, int]:
        """How many children it has that are `processed`, `unprocessed`, `ignored` and `failed`."""
        return await self._ask(family.count_dependencies(self.keys, self.id))

    async def remove_unprocessed_children(self) -> int:
        """Remove the children that it still waits for, with all below them; it goes on when none is left.

        Those that a worker is working on stay, and those that have failed. Answers how many were removed.
        """
        gently = Gently(self._connection)
        removed, more = 0, True
        while more:
            some, more = await gently.run(family.remove_unprocessed_children(self.keys, self.id))
            removed += some
        return removed

    async def leave_parent(self) -> bool:
        """Take it from its parent, which waits for it no more. Answers whether it did. `ParentNotFound` without one."""
        call = family.leave_parent(self.keys, self.id, self.parent_key or "(none)")
        left = await self._connection.run(call)
        if left:
            self.record.fields.pop("parentKey", None)
            self.record.fields.pop("parent", None)
        return left

    async def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Do a step of a long job once: a retry finds its result and goes on behind it.

        `function`, plain or async, is called with `args`, unless an earlier attempt has stored its result, any JSON
        value, under this name. A crash between the end of the function and the storing repeats it.
        Example: `charge = await job.step("charge", card.charge, job.data["amount"])`
        """
        field = family.step_field(name)
        text = self.record.fields.get(field)
        if text is None:
            value = wire.encode(await finished(function(*args)), f"the result of step {name!r} of job {self.id}")
            text = await self._ask(family.keep_step(self.keys, self.id, name, value))
            self.record.fields[field] = text
        return wire.decode(text)

    async def _all_dependencies(self, *kinds: str) -> family.Dependencies:
        found = family.Dependencies()
        for kind in kinds:
            cursor = "0"
            while True:
                call = family.dependencies(self.keys, self.id, kind, cursor, MANY_CHILDREN)
                cursor, some = await self._ask(call)
                found.take_in(kind, some)
                if cursor == "0":
                    break
        return found

    async def _some_dependencies(self, kinds: list[str], position: str, count: int) -> family.Dependencies:
        found = family.Dependencies()
        for at, kind in enumerate(kinds):
            while len(found.all) < count:
                call = family.dependencies(self.keys, self.id, kind, position, count - len(found.all))
                position, some = await self._ask(call)
                found.take_in(kind, some)
                if position == "0":
                    break
            if len(found.all) >= count:
                following = kinds[at + 1] if position == "0" and at + 1 < len(kinds) else kind
                done = position == "0" and at + 1 == len(kinds)
                found.cursor = None if done else f"{following}:{position}"
                break
        return found

    async def _ask(self, call: Call[Reply] | Command[Reply]) -> Reply:
        """Run a call that is safe to send again. In its processor until it is answered, or the attempt is stopped.

        A Redis that is away for a moment shall fail no attempt, nor have a step done twice.
        """
        attempt = self.attempt
        if attempt is None:
            return await self._connection.run(call)
        return await insist(self._connection, call, None, lambda: attempt.stopped or attempt.over)

    # ------------------------------------------------------------------------------------------------ changing

    async def state(self) -> JobState:
        """Where it is now."""
        return await self._ask(read.state(self.keys, self.id))

    async def refresh(self) -> None:
        """Read it again."""
        [record] = await self._ask(read.jobs(self.keys, [self.id]))
        if record is None:
            raise JobNotFound(f"job {self.id} of {self.queue_name} does not exist (any more)", self.id, -1)
        self.record = record

    async def update_progress(self, progress: Any) -> None:
        """Store how far it is: any JSON value. `PayloadError` if it is none."""
        text = wire.encode(progress, f"the progress of job {self.id}")
        await self._ask(change.update_progress(self.keys, self.id, text))
        self.record.fields["progress"] = text
        if self.on_progress is not None:
            self.on_progress(self, progress)

    async def log(self, text: str) -> int:
        """Add a line to its log; answers how many are kept.

        In a worker it is sent again if the connection breaks, and may be there twice then.
        """
        keep = _readable(lambda: self.record.options.keep_logs, 0)
        return await self._ask(change.add_log(self.keys, self.id, wire.sendable(str(text)), keep))

    async def logs(self, start: int = 0, end: int = -1) -> list[str]:
        """Its log lines, oldest first."""
        check_range(start, end)
        lines, _ = await self._ask(read.log_page(self.keys, self.id, start, end))
        return lines

    async def clear_logs(self, keep: int = 0) -> None:
        """Delete its log, but for its newest `keep` lines."""
        await self._connection.run(change.clear_logs(self.keys, self.id, whole("keep", keep, 0)))

    async def update_data(self, data: Any) -> None:
        """Replace its data by any JSON value, in whatever state it is. `PayloadError` if it is none."""
        text = wire.encode(data, f"the data of job {self.id}")
        await self._ask(change.update_data(self.keys, self.id, text))
        self.record.fields["data"] = text
        self.record.data = data

    async def change_delay(self, delay: Duration) -> None:
        """Make it due `delay` (seconds or `timedelta`) from now. `InvalidState` if it isn't delayed."""
        delay_ms = milliseconds("delay", delay)
        call = change.change_delay(self.keys, self.id, self._clock(), delay_ms)
        await demand(self._connection, self.keys, self.id, call, JobState.DELAYED)
        self.record.fields["delay"] = str(delay_ms)

    async def change_priority(self, priority: int, lifo: bool = False) -> None:
        """Give it another priority (0: none), with `lifo` before its equals. A job that runs keeps it for a retry."""
        check({"priority": priority, "lifo": lifo})
        await self._connection.run(change.change_priority(self.keys, self.id, priority, lifo))
        self.record.fields["priority"] = str(priority)

    async def promote(self) -> None:
        """Let it run now instead of later. `InvalidState` if it isn't delayed."""
        await demand(self._connection, self.keys, self.id, change.promote_job(self.keys, self.id), JobState.DELAYED)
        self.record.fields["delay"] = "0"

    async def retry(self, *, reset_attempts: bool = False, reset_starts: bool = False) -> None:
        """Let it run again, failed or completed. `InvalidState` if it isn't finished.

        It keeps its count of attempts, so one that has used them all up runs once; `reset_attempts` gives it all of
        them again, `reset_starts` forgets how often it was taken.
        """
        lifo = _readable(lambda: self.record.options.lifo, False)
        call = change.retry_job(self.keys, self.id, lifo, reset_attempts=reset_attempts, reset_starts=reset_starts)
        await demand(self._connection, self.keys, self.id, call, JobState.FAILED, JobState.COMPLETED)
        gone = [
            "finishedOn",
            "processedOn",
            "failedReason" if self.record.fields.get("failedReason") else "returnvalue",
        ]
        gone += ["atm", "attemptsMade"] if reset_attempts else []
        for name in [*gone, "ats"] if reset_starts else gone:
            self.record.fields.pop(name, None)

    async def remove(self, children: bool = True) -> bool:
        """Remove it from whatever state it is in, with `children` all below it; answers whether it was still there.

        Raises `JobLocked` while a worker is working on it, `SchedulerError` if a scheduler waits for it.
        """
        return await remove(self._connection, self.keys, self.id, flag("children", children))

    async def remove_deduplication(self) -> bool:
        """Free its deduplication id, so that the next job with it is added. False if it doesn't hold it."""
        dedup_id = self.deduplication_id
        return dedup_id is not None and await self._connection.run(change.remove_dedup(self.keys, dedup_id, self.id))


class DamagedJob(Job):
    """A job whose hash can't be read whole: `reason` says why. What can't be read shows as empty."""

    __slots__ = ()

    @property
    def reason(self) -> str:
        return self.record.damage()

    @property
    def data(self) -> Any:
        return _readable(lambda: self.record.data, None)

    @property
    def options(self) -> JobOptions:
        return _readable(lambda: wire.options_from_wire(self.record.options.raw), JobOptions())

    @property
    def progress(self) -> Any:
        return _readable(lambda: self.record.progress, 0)

    @property
    def parent(self) -> Any:
        return _readable(lambda: self.record.parent, None)

    @property
    def attempts_left(self) -> int:
        return 0


def _readable(look: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return look()
    except wire.Unreadable:
        return otherwise


def _parse_cursor(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return next(iter(family.KINDS)), "0"
    kind, _, position = cursor.partition(":")
    if kind not in family.KINDS or not position.isdecimal():
        raise OptionsError(f"cursor={cursor!r}: the cursor of an earlier page")
    return kind, position


def show(record: JobRecord, keys: Keys, connection: Connection, clock: Clock = system_clock) -> Job:
    """A record as a job; as a `DamagedJob` if it can't be read whole."""
    return (DamagedJob if record.damage() else Job)(record, keys, connection, clock=clock)
