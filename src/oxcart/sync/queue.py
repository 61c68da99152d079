# Generated from aio/queue.py by tools/unasync.py: change that file instead.

"""Queue: add jobs, steer the queue, clean it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Unpack, cast

from ..clock import Clock, system_clock
from ..errors import NOT_EMPTY, ConnectionFailed, OptionsError, refusal
from ..options import (
    MISSING,
    Duration,
    JobOptions,
    JobSpec,
    RateLimit,
    aware_ms,
    check_known_id,
    flag,
    is_reserved,
    milliseconds,
    whole,
)
from ..protocol import wire
from ..protocol.calls import add, change, clean, schedule, stats, steer
from ..protocol.states import JobState, state
from ..repeat import Missed, Overlap, Repeat
from . import schedulers
from .adder import Adder
from .connection import Connection
from .demand import demand
from .gently import Gently
from .job import Job
from .removal import remove
from .view import QueueView

LONGEST_REASON = 1000
"""How much of a reason to cancel a job is told."""

ALWAYS_MS = 2**53 - 1
"""Later than any job was made."""


class Queue(QueueView):
    """A queue of jobs in Redis, shared with every BullMQ or Oxcart program that uses the same name and prefix.

    `connection` is a URL or a `Connection` shared by many objects. `default_job_options` hold for every job that
    doesn't say otherwise. `timeout` is how many seconds to insist when Redis is away before an add fails with
    `ConnectionFailed`; None waits for as long as it takes.

    Raises `OptionsError` for a name, a URL or options that can't be right. Example:

    ```python
    with Queue("email", connection="redis://localhost:6379/0") as emails:
        job = emails.add("welcome", {"userId": "u1"}, attempts=3, backoff=2)
    ```
    """

    def __init__(
        self,
        name: str,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        default_job_options: JobOptions | None = None,
        timeout: float | None = 5,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(name, connection=connection, prefix=prefix, clock=clock)
        if timeout is not None and not timeout > 0:
            raise OptionsError(f"timeout={timeout!r}: a number of seconds above 0, or None to wait")
        self._timeout = timeout
        self._preparer = add.Preparer(default_job_options, clock)
        self._schedulers = schedule.SchedulerPreparer(self._preparer.defaults, clock)
        self._adder = Adder(self._connection, self.keys, timeout)

    def close(self) -> None:
        """Wait for adds under way, then close the connection, unless it is shared."""
        self._adder.close()
        super().close()

    # ------------------------------------------------------------------------------------------------- adding

    def add(
        self, name: str, data: Any = MISSING, *, repeat: Repeat | None = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Add a job; answers when it is safe in Redis. Adds of one moment travel in one call.

        Raises `OptionsError` or `PayloadError` before anything is sent, and `ConnectionFailed` if Redis stays away for
        `timeout` seconds: then the job was not added, or is found there later, but it is never added twice. If another
        job has its id or stands for it (`deduplication`), nothing is added: `was_duplicate` says so, and the id is the
        other's. Example: `emails.add("welcome", {"userId": "u1"}, priority=1, delay=600)`

        With `repeat` it comes again and again: a short form of `upsert_scheduler` with the job's name for its id.
        Example: `emails.add("digest", repeat=Repeat(cron="0 8 * * *"))`
        """
        if repeat is not None:
            if not isinstance(cast(object, repeat), Repeat):
                raise OptionsError(f"repeat={repeat!r}: Repeat(cron=…) or Repeat(every=…)")
            return self._upsert(name, repeat, name, data, options)
        new = self._preparer.prepare(name, {} if data is MISSING else data, options)
        [(job_id, duplicate)] = self._adder.add((new,))
        return Job(add.stored(new, job_id), self.keys, self._connection, was_duplicate=duplicate, clock=self._clock)

    def add_bulk(self, jobs: Iterable[JobSpec]) -> list[Job]:
        """Add many jobs, in this order. All are checked before the first is sent; errors as for `add`.

        Example: `emails.add_bulk([JobSpec("welcome", {"userId": "u1"}), JobSpec("digest", priority=5)])`
        """
        prepare = self._preparer.prepare
        specs = [_checked_spec(spec) for spec in jobs]
        new = [prepare(spec.name, {} if spec.data is MISSING else spec.data, spec.options) for spec in specs]
        if not new:
            return []
        added = self._adder.add(new)
        keys, connection, clock = self.keys, self._connection, self._clock
        return [
            Job(add.stored(job, job_id), keys, connection, was_duplicate=duplicate, clock=clock)
            for job, (job_id, duplicate) in zip(new, added, strict=True)
        ]

    # --------------------------------------------------------------------------------------------- schedulers

    def upsert_scheduler(
        self,
        scheduler_id: str,
        *,
        cron: str | None = None,
        every: Duration | None = None,
        tz: str | None = None,
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        immediately: bool = False,
        offset: Duration | None = None,
        overlap: Overlap = "allow",
        missed: Missed = "once",
        jitter: Duration = 0,
        name: str | None = None,
        data: Any = MISSING,
        options: JobOptions | None = None,
    ) -> Job:
        """Make a job come again and again, or change when it does or what it is; answers its next run.

        When it comes is said as in `Repeat`, by `cron` or `every`. Each run is a job with this `name` (the id if not
        given), `data` and `options`. The worker that takes a run adds the next one, so there is never more than one to
        come, and without workers none. To be called at every start of a program: with the same times, the next run
        stays when it was. What was not given again is no longer so.

        Raises `OptionsError` or `PayloadError`, and changes nothing, also if its end has passed or comes before the
        next run; `SchedulerError` if jobs have the ids of its next runs; `ConnectionFailed` if Redis stays away for
        `timeout` seconds.
        Example: `emails.upsert_scheduler("digest", cron="0 8 * * *", tz="Europe/Berlin")`
        """
        repeat = Repeat(
            cron=cron,
            every=every,
            tz=tz,
            limit=limit,
            start=start,
            end=end,
            immediately=immediately,
            offset=offset,
            overlap=overlap,
            missed=missed,
            jitter=jitter,
        )
        return self._upsert(scheduler_id, repeat, name, data, options or {})

    def remove_scheduler(self, scheduler_id: str) -> bool:
        """End a scheduler, with its next run, also one that is paused; answers whether there was one.

        A run whose time has come already is still done.
        """
        known = check_known_id("scheduler id", scheduler_id)
        return self._connection.run(schedule.remove(self.keys, known))

    def pause_scheduler(self, scheduler_id: str) -> bool:
        """Let a scheduler make no runs until it is resumed; answers whether there was one that was not paused yet.

        It is kept as it is, but not in the queue: no worker runs it, of whatever language, and `schedulers` doesn't
        list it, but `paused_schedulers`. A run whose time has come already is still done. Who upserts it meanwhile
        makes it anew, and so ends the pause.

        Raises `SchedulerError` for one that has come to its end, or a repeated job of version 5 of BullMQ, and
        `OptionsError` for a pattern that can't be read here. Example: `emails.pause_scheduler("digest")`
        """
        known = check_known_id("scheduler id", scheduler_id)
        return bool(known) and schedulers.pause(self._connection, self.keys, known, self._clock)

    def resume_scheduler(self, scheduler_id: str) -> Job | None:
        """Let a paused scheduler go on as it was; answers its next run, None if it isn't paused.

        Its next run is at the next of its times; none of those that have passed is made up for. Its limit has as many
        runs left as before. Raises `SchedulerError` if its end has come meanwhile, so that nothing would ever run.
        """
        known = check_known_id("scheduler id", scheduler_id)
        record = schedulers.resume(self._connection, self.keys, known, self._clock) if known else None
        return None if record is None else Job(record, self.keys, self._connection, clock=self._clock)

    def convert_legacy_schedulers(self) -> dict[str, str]:
        """Turn the repeated jobs of version 5 of BullMQ into schedulers; answers their keys and the new ids.

        The name of the job becomes the id; where that is taken, with the start of the key behind it. The next run keeps
        its time, data and options. Programs that still add such jobs with version 5 will make them anew.
        """
        return schedulers.convert_legacy(self._connection, self.keys, self._clock)

    def _upsert(self, scheduler_id: str, repeat: Repeat, name: str | None, data: Any, options: JobOptions) -> Job:
        new = self._schedulers.prepare(scheduler_id, repeat, name, {} if data is MISSING else data, options)
        added = schedulers.upsert(self._connection, self.keys, new, self._clock, self._timeout)
        return Job(added, self.keys, self._connection, clock=self._clock)

    # ----------------------------------------------------------------------------------------------- steering

    def pause(self) -> None:
        """Let no worker take a job of this queue, of whatever language; jobs that run go on. Survives restarts."""
        self._connection.run(steer.pause(self.keys))

    def resume(self) -> None:
        """Let workers take jobs again. Jobs that a version 5 of BullMQ had put aside come first."""
        while self._connection.run(steer.resume(self.keys)):
            pass

    def set_global_concurrency(self, limit: int | None) -> None:
        """Let at most `limit` jobs be active at once, all workers together; None removes the limit."""
        if limit is not None:
            whole("set_global_concurrency", limit, 1)
        self._connection.run(steer.set_concurrency(self.keys, limit))

    def set_global_rate_limit(self, max: int, duration: Duration) -> None:
        """Let at most `max` jobs be taken in `duration` (seconds or `timedelta`), all workers together.

        A worker's own `limiter` doesn't raise it, but has its own duration. Example:
        `emails.set_global_rate_limit(100, 60)`
        """
        limit = RateLimit(max, duration)
        duration_ms = milliseconds("duration", limit.duration)
        self._connection.run(steer.set_rate_limit(self.keys, (limit.max, duration_ms)))

    def remove_global_rate_limit(self) -> None:
        """Let any number of jobs be taken again, as far as the workers' own limits go."""
        self._connection.run(steer.set_rate_limit(self.keys, None))

    def rate_limit(self, duration: Duration) -> None:
        """Let no worker take a job for `duration` (seconds or `timedelta`); those of Node heed it if they have a limit.

        Example: `emails.rate_limit(60)` after the mail server has said "try later"
        """
        duration_ms = milliseconds("duration", duration)
        if duration_ms < 1:
            raise OptionsError(f"rate_limit({duration!r}): at least a millisecond; remove_rate_limit ends it")
        self._connection.run(steer.rate_limit(self.keys, duration_ms))

    def remove_rate_limit(self) -> None:
        """End a `rate_limit`, or begin a new window of the other limits."""
        self._connection.run(steer.remove_rate_limit(self.keys))

    # ----------------------------------------------------------------------------------------------- cleaning

    def remove_job(self, job_id: str, children: bool = True) -> bool:
        """Remove a job from whatever state it is in, with `children` all below it; answers whether there was one.

        Raises `JobLocked` while a worker is working on it, `SchedulerError` if a scheduler waits for it.
        """
        if is_reserved(check_known_id("job id", job_id)):
            return False  # a key of the queue itself
        return remove(self._connection, self.keys, job_id, flag("children", children))

    def cancel_job(self, job_id: str, reason: str = "") -> float:
        """Ask the worker that runs a job to cancel it; answers within how many seconds it hears of it.

        It hears when it renews the job's lock, and then does what `Worker.cancel_job` does: the job fails for good. Of
        a job that ends before, nothing is changed. Raises `InvalidState` if no worker runs it, and `JobLocked` if that
        isn't a worker of Oxcart. Example: `emails.cancel_job("17", "the customer has called")`
        """
        known = check_known_id("job id", job_id)
        why = wire.sendable(reason)[:LONGEST_REASON]
        call = change.cancel_job(self.keys, known, why)
        left_ms = demand(self._connection, self.keys, known, call, JobState.ACTIVE)
        # A lock is renewed when a quarter of its life is over, so more of it than so much doesn't pass before.
        return left_ms / 4000

    def remove_deduplication(self, deduplication_id: str) -> bool:
        """Free a deduplication id: the next job with it is added. Answers whether it was taken."""
        dedup_id = check_known_id("deduplication id", deduplication_id)
        return self._connection.run(change.remove_dedup(self.keys, dedup_id))

    def clear_logs(self, job_id: str, keep: int = 0) -> None:
        """Delete a job's log, but for its newest `keep` lines."""
        whole("keep", keep, 0)
        self._connection.run(change.clear_logs(self.keys, check_known_id("job id", job_id), keep))

    def drain(self, delayed: bool = False) -> int:
        """Erase all jobs that wait to be taken, with `delayed` also the delayed ones; answers how many.

        Jobs that are active, finished or waiting for children stay, and those that schedulers wait for. Jobs that are
        added meanwhile stay too.
        """
        states = [JobState.WAITING, JobState.PAUSED, JobState.PRIORITIZED]
        if flag("delayed", delayed):
            states.append(JobState.DELAYED)
        since = clean.Since(self._connection.run(clean.counter(self.keys)), self._clock())
        erased = 0
        for one in states:
            # Again, since workers that take jobs meanwhile shift those that were not looked at yet.
            while gone := self._sweep(one, ALWAYS_MS, 0, since):
                erased += len(gone)
        return erased

    def clean(self, grace: Duration, limit: int = 1000, state: str = "completed") -> list[str]:
        """Erase jobs of a state that are older than `grace` (seconds or `timedelta`), oldest first; answers their ids.

        At most `limit` of them are looked at; 0 is no limit. What counts is when a job finished, in other states when
        it was made or taken. Of the active ones only those are erased that no worker holds.
        Example: `emails.clean(timedelta(days=7), state="failed")`
        """
        cutoff_ms = self._clock() - milliseconds("grace", grace)
        erased = self._sweep(_cleanable(state), cutoff_ms, whole("limit", limit, 0))
        self._connection.run(clean.tell_cleaned(self.keys, len(erased)))
        return erased

    def obliterate(self, force: bool = False) -> None:
        """Erase the queue with all that it has. Workers stop taking jobs at once.

        Raises `QueueNotEmpty` if jobs are active, and leaves the queue as it was; with `force` they are erased too, and
        their workers find their locks lost. Who goes on adding jobs keeps it from coming to an end.
        """
        if not flag("force", force) and self._connection.run(clean.size(self.keys, JobState.ACTIVE)):
            raise refusal(NOT_EMPTY, "", self.name)
        was_paused = self.is_paused()
        self.pause()
        gently = Gently(self._connection)
        try:
            while gently.run(clean.obliterate(self.keys, force)):
                pass
            for command in stats.forget(self.keys, self._clock()):
                self._connection.run(command)
        except BaseException:
            # Cut off half-way, or a worker was quicker: what is left of the queue goes on.
            if not was_paused:
                with contextlib.suppress(ConnectionFailed):
                    self.resume()
            raise

    def retry_jobs(self, state: str = "failed", count: int = 1000, before: datetime | None = None) -> int:
        """Let all failed (or completed) jobs run again, oldest first; answers how many.

        `before`: only those that finished not later (an aware `datetime`). `count` bounds what one call to Redis
        handles. As in Node, jobs go to `wait` whatever their priority, and keep their count of attempts.
        """
        if state not in (JobState.FAILED, JobState.COMPLETED):
            raise OptionsError(f"retry_jobs(state={state!r}): 'failed' or 'completed'")
        latest = self._clock() if before is None else aware_ms("before", before)
        return self._move_to_wait(JobState(state), latest, whole("count", count, 1))

    def promote_jobs(self, count: int = 1000) -> int:
        """Let all delayed jobs run now; answers how many. `count` bounds what one call to Redis handles."""
        return self._move_to_wait(JobState.DELAYED, None, whole("count", count, 1))

    def trim_events(self, length: int) -> int:
        """Trim the stream of events to about its newest `length`; answers how many went."""
        whole("trim_events", length, 0)
        trimmed = 0
        gently = Gently(self._connection)
        while gone := gently.run(clean.trim_events(self.keys, length)):
            trimmed += gone
        return trimmed

    def remove_orphans(self, limit: int = 0) -> int:
        """Erase what is left of jobs that are in no state: after a crash of old versions, or of keys that were evicted.

        Looks through all keys of the server, some at a time. Stops soon after `limit` (0: none). Answers how many.
        """
        whole("limit", limit, 0)
        gently = Gently(self._connection)
        listed, length = self._listed()
        # What a call looks for in the lists takes time that grows with them.
        largest = max(1, min(clean.LARGEST_SWEEP, 50_000 // (length + 1)))
        removed, cursor = 0, "0"
        while True:
            cursor, names = self._connection.run(clean.scan_keys(self.keys, cursor))
            ids = {clean.job_of(self.keys, name) for name in names} - listed
            suspects = sorted(job_id for job_id in ids if job_id is not None)
            if suspects:
                suspects = self._connection.run(clean.which_are_nowhere(self.keys, suspects))
            for at in range(0, len(suspects), largest):
                some = suspects[at : at + largest]
                removed += gently.run(clean.remove_orphans(self.keys, some))
            if cursor == "0" or 0 < limit <= removed:
                return removed

    def _listed(self) -> tuple[set[str | None], int]:
        """The ids in the lists, and how many they are: asking Redis for each would take it too long."""
        listed: set[str | None] = set()
        length = 0
        for name in ("active", "wait", "paused"):
            start = 0
            while ids := self._connection.run(clean.waiting_ids(self.keys, name, start)):
                listed.update(ids)
                start += len(ids)
            length += start
        return listed, length

    def _sweep(self, state: JobState, cutoff_ms: int, limit: int, since: clean.Since | None = None) -> list[str]:
        """Erase what is old enough of the first `limit` jobs of a state (0: of all that are there now)."""
        left = self._connection.run(clean.size(self.keys, state))
        if limit:
            left = min(left, limit)
        gently = Gently(self._connection)
        erased: list[str] = []
        skip = 0
        while left > 0:
            swept = gently.run(clean.sweep(self.keys, state, cutoff_ms, skip, left, since))
            if not swept.looked_at:
                break
            left -= swept.looked_at - swept.newer
            erased += swept.erased
            if not clean.sweeps_by_age_alone(state):
                skip += swept.looked_at - len(swept.erased)
        return erased

    def _move_to_wait(self, state: JobState, latest: int | None, count: int) -> int:
        left = self._connection.run(clean.size(self.keys, state))
        gently = Gently(self._connection)
        moved, skip = 0, 0
        while left > 0:
            done = gently.run(clean.move_to_wait(self.keys, state, latest, skip, min(count, left)))
            handled = done.moved + done.dropped + done.stayed
            if not handled:
                break
            moved, skip, left = moved + done.moved, skip + done.stayed, left - handled
        return moved


def _cleanable(name: str) -> JobState:
    found = state(name)
    if found is JobState.UNKNOWN:
        raise OptionsError(f"state={name!r}: jobs that are nowhere can't be cleaned; remove_orphans erases them")
    return found


def _checked_spec(spec: JobSpec) -> JobSpec:
    if not isinstance(cast(object, spec), JobSpec):
        raise OptionsError(f"add_bulk takes JobSpec(name, data, …), not {type(spec).__name__}")
    return spec
