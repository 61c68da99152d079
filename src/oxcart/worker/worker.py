"""Worker: takes jobs from a queue, runs a processor for each, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, TypeVar, cast

from ..aio.connection import Connection, connect
from ..aio.job import Job
from ..aio.transport import Transport
from ..backoff import growing_pauses
from ..clock import Clock, system_clock
from ..errors import (
    ConnectionFailed,
    FailedChildren,
    OptionsError,
    PendingChildren,
    ScriptError,
    ServerRefused,
    refusal,
)
from ..options import Duration, RateLimit, Retention, check, milliseconds
from ..protocol import wire
from ..protocol.calls.stats import mark_version
from ..protocol.calls.work import LISTENS, Limits, wake_idle
from ..protocol.keys import Keys
from ..protocol.presence import Presence
from ..protocol.record import JobRecord
from ..sync.connection import Connection as SyncConnection
from ..version import __version__
from .children import Children
from .eviction import EvictionCheck
from .execution import Attempt, BackoffStrategy, Ending, Outcome, Rules, Verdict, execute, judge
from .inside import LISTENER, inside
from .listeners import Listeners, WorkerEvent, check_event
from .locks import LockKeeper, tell_loop
from .logbook import Logbook
from .marker import Marker
from .mending import SeriesCheck
from .present import Present
from .processors import Processor, runner
from .recorder import Recorder
from .series import Series
from .shuttle import Ear, Shuttle
from .signals import on_stop
from .skew import ClockCheck
from .stalled import StalledCheck
from .supervision import supervise
from .threads import Threads

log = logging.getLogger("oxcart.worker")

FLUSH_S = 5
"""How long a stop waits for Redis to take the last outcomes."""

LAST_COUNTS_S = 2
"""How long it waits then for what the recorder has counted, which is of less weight."""

Callback = TypeVar("Callback", bound=Callable[..., Any])


class Phase(Enum):
    """A worker's life. It may be paused while it runs."""

    CREATED = "created"
    RUNNING = "running"
    DRAINING = "draining"
    CLOSED = "closed"


class Worker:
    """Runs the jobs of a queue, up to `concurrency` at once.

    `process` is an `async def` that takes a `Job`, a plain function (run in a thread, with a job whose methods block),
    or a mapping from job names to such functions. What it returns is the job's value; what it raises fails the attempt.

    Durations are seconds or `timedelta`. `name` is shown in dashboards. `limiter` bounds the jobs of all workers of the
    queue together. `lock_duration`: how long a job stays this worker's without a sign of life. `stalled_interval`: how
    often lost jobs are looked for, `max_stalled_count`: how often a job may be lost before it fails.
    `max_started_attempts`: how often a job may be started at all. `drain_delay`: how long an idle worker waits before
    it looks by itself. `remove_on_complete`, `remove_on_fail`: which finished jobs to keep, where the job doesn't say.
    `backoff_strategies`: for `Backoff.custom(name)`, functions (attempts made, error, job) → seconds, negative to give
    up. `timeout`: how long one attempt may take. `shutdown_timeout`: how long a stop waits for running jobs before it
    gives them back. `metrics`: for how long to keep how many jobs finished in each minute, for `Queue.metrics`;
    `timedelta(weeks=2)` is usual. Every worker of the queue should say the same. `recorder`: whether to count, for the
    dashboard, by the jobs' names how many ended how, how long they ran and waited, and which failures there were.
    `version`: that of your program, or OXCART_VERSION; the dashboard marks when it changes.

    `isolation="process"` runs each job in a child process, used for one job after the other: what crashes, runs out of
    memory or has to be killed fails that attempt, and nothing else. `process` has to be importable then: functions at
    the top level of modules. `isolation_memory`: how many bytes a child may have.

    Raises `OptionsError` for what can't be right. Example:

    ```python
    async def send(job):
        return {"messageId": await mailer.send(job.data["userId"])}

    worker = Worker("email", send, connection="redis://localhost:6379/0", concurrency=5)
    await worker.run()  # until close(), SIGINT or SIGTERM
    ```
    """

    def __init__(
        self,
        queue: str,
        process: Processor,
        *,
        name: str | None = None,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        concurrency: int = 1,
        limiter: RateLimit | None = None,
        lock_duration: Duration = 30,
        stalled_interval: Duration = 30,
        max_stalled_count: int = 3,
        max_started_attempts: int | None = None,
        drain_delay: Duration = 5,
        remove_on_complete: Retention = False,
        remove_on_fail: Retention = False,
        backoff_strategies: Mapping[str, BackoffStrategy] | None = None,
        timeout: Duration | None = None,
        shutdown_timeout: Duration = 30,
        metrics: Duration | None = None,
        recorder: bool = False,
        version: str | None = None,
        isolation: Literal["process"] | None = None,
        isolation_memory: int | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.queue_name = queue
        self.name = name
        self.keys = Keys(queue, prefix)
        self.concurrency = _whole("concurrency", concurrency, 1)
        self._lock_ms = _positive("lock_duration", lock_duration)
        self._stalled_ms = _positive("stalled_interval", stalled_interval)
        self._max_stalled = _whole("max_stalled_count", max_stalled_count, 0)
        self._drain_s = _positive("drain_delay", drain_delay) / 1000
        self._shutdown_s = milliseconds("shutdown_timeout", shutdown_timeout) / 1000
        check({"remove_on_complete": remove_on_complete, "remove_on_fail": remove_on_fail})
        if max_started_attempts is not None:
            _whole("max_started_attempts", max_started_attempts, 0)
        time_limit_s = None if timeout is None else _positive("timeout", timeout) / 1000
        self._rules = Rules(
            wire.keep_for_script(remove_on_complete),
            wire.keep_for_script(remove_on_fail),
            None if isolation else time_limit_s,  # children's starts don't count: their pool keeps the time
            max_started_attempts,
            dict(backoff_strategies or {}),
        )
        if limiter is not None and not isinstance(cast(object, limiter), RateLimit):
            raise OptionsError(
                f"limiter={limiter!r}: RateLimit(max, duration), such as RateLimit(10, 1) for 10 a second"
            )
        self._limits = Limits(
            self._lock_ms,
            name or "",
            None if limiter is None else limiter.max,
            None if limiter is None else milliseconds("limiter", limiter.duration),
            0 if metrics is None else max(_positive("metrics", metrics) // 60_000, 1),
        )
        self._clock = clock
        self._connection, self._own_connection = connect(connection)
        # Its deadline is shorter than a lock: a renewal that waits longer is no renewal.
        self._sync = SyncConnection(self._connection.url, timeout=min(5, self._lock_ms / 3000))
        self._threads = Threads(f"oxcart-{queue}")
        self._children = self._pool(isolation, isolation_memory, time_limit_s)
        self._run_job = runner(process, self._threads, self._sync, self._children)
        self._series = Series(self._connection, self.keys, clock, self._tell_once, self._trouble)
        self._recorder = self._new_recorder(recorder)
        self.version = _version(version)
        self._listeners = Listeners()
        self._logbook = Logbook(queue)
        self.phase = Phase.CREATED
        self.paused = False
        self._attempts: dict[str, Attempt] = {}
        self._shuttle: Shuttle | None = None
        self._stop_asked = 0
        self._stop_by: float | None = None
        self._ending = False
        self._running_in: asyncio.Task[Any] | None = None
        self._present: Present | None = None
        self._told: set[str] = set()
        self._changed: asyncio.Event | None = None
        self._handed_in: asyncio.Event | None = None
        self._closed: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"Worker({self.queue_name!r}, {self.phase.value})"

    # ------------------------------------------------------------------------------------------------- living

    async def run(self) -> None:
        """Process jobs until `close`, SIGINT or SIGTERM; then let the running ones finish. A second signal insists.

        Redis may be away at the start or any time later: it is told once, as an `error` event and in the log, and the
        worker goes on when Redis is back. Until it ends, it hears the signals instead of handlers that the program has
        set by `signal.signal`; those given to the event loop hear them, too.
        """
        if self.phase is not Phase.CREATED:
            raise OptionsError(f"this worker is {self.phase.value}: make a new one to run again")
        if self._children is not None:
            self._children.warm()
        self.phase, self._running_in = Phase.RUNNING, asyncio.current_task()
        self._logbook.start(self.concurrency, self._connection.url)
        self._changed, self._handed_in, self._closed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        held: dict[str, str] = {}
        token = f"{LISTENS}{uuid.uuid4()}"
        self._shuttle = shuttle = Shuttle(
            self._connection, self.keys, token, self.concurrency, self._limits, held, self._clock, self._ear()
        )
        marker = self._marker()
        loop = asyncio.get_running_loop()
        told = [tell_loop(loop, hear) for hear in (self._lost, self._asked_to_cancel, self._trouble)]
        locks = LockKeeper(self._sync, self.keys, self._lock_ms, held, *told)
        stalled = StalledCheck(
            self._connection, self.keys, self._stalled_ms, self._max_stalled, self._lock_ms, self._clock, self._stalled
        )
        schedulers = SeriesCheck(
            self._connection, self.keys, self._stalled_ms, self._clock, self._series, self._report, self._tell_once
        )
        clock_check = ClockCheck(self._connection, self._clock, self)
        eviction = EvictionCheck(self._connection, self)
        self._present = Present(self._connection, self.keys, marker.connect, lambda: self._presence(token))
        try:
            with on_stop(self._asked_to_stop), locks:
                helpers = [
                    asyncio.ensure_future(supervise("marker", lambda: self._watch(marker, shuttle), self._trouble)),
                    asyncio.ensure_future(supervise("stalled check", stalled.run, self._trouble)),
                    asyncio.ensure_future(supervise("check of schedulers", schedulers.run, self._trouble)),
                    asyncio.ensure_future(supervise("clock check", clock_check.run, self._trouble)),
                    asyncio.ensure_future(supervise("eviction check", eviction.run, self._trouble)),
                    asyncio.ensure_future(supervise("presence", self._present.run, self._trouble)),
                    *self._recording(),
                ]
                try:
                    await self._serve(shuttle, helpers)
                finally:
                    await self._end(shuttle, marker, helpers)
        finally:
            self.phase = Phase.CLOSED
            for event in (self._handed_in, self._closed, self._changed):
                event.set()

    async def close(self, timeout: Duration | None = None) -> None:
        """Stop: take no more, let running jobs finish for up to `timeout` (or `shutdown_timeout`), give the rest back.

        Returns when all is settled and the connections are closed. To be called on the worker's own event loop. In a
        listener it returns when all is settled, and in a job, or what that has started, at once: the worker waits for
        them before it closes.
        """
        if timeout is not None:
            stop_by = time.monotonic() + milliseconds("timeout", timeout) / 1000
            if not self._ending:  # handing back what is left has a time of its own
                self._stop_by = stop_by
        if self.phase is Phase.CREATED:
            self.phase = Phase.CLOSED
            await self._close_connections()
            return
        self._asked_to_stop(insist=False)
        end = self._handed_in if inside.get() is LISTENER else self._closed
        if end is not None and not self._is_own_job():
            await end.wait()

    async def pause(self, wait: bool = True) -> None:
        """Take no more jobs here; other workers go on. With `wait`, returns when the running ones are done.

        In a job it returns at once, as that job could not end meanwhile.
        """
        self.paused = True
        if self._shuttle is not None:
            self._shuttle.stop_taking()
        self._say_again()
        self._listeners.emit("paused")
        wait = wait and not self._is_own_job()
        while wait and self.paused and self._shuttle is not None and (self._attempts or self._shuttle.asking):
            if self.phase is Phase.CLOSED:
                break  # with jobs that it could not hand back
            await self._change([], None)

    def _is_own_job(self) -> bool:
        """Whether it is a job of this worker that asks."""
        attempt = inside.get()
        return isinstance(attempt, Attempt) and self._attempts.get(attempt.job.id) is attempt

    def resume(self) -> None:
        """Take jobs again after `pause`."""
        self.paused = False
        if self._changed is not None:
            self._changed.set()  # whoever waits for the pause need not wait any longer
        if self._shuttle is not None and self.phase is Phase.RUNNING:
            self._shuttle.start()
            self._shuttle.look_again(woken=False)
        self._say_again()
        self._listeners.emit("resumed")

    def cancel_job(self, job_id: str, reason: str = "") -> bool:
        """Cancel a job that runs here; it fails for good, with `reason`. False if it doesn't run here.

        An `async def` is cancelled where it awaits; a plain function has to look at `job.cancelled`. A child process
        that does not end its job so within a second is killed.
        """
        attempt = self._attempts.get(job_id)
        if attempt is None or attempt.task is None or attempt.task.done():
            return False
        attempt.end(Ending.CANCELLED, reason)
        return True

    def on(self, event: WorkerEvent) -> Callable[[Callback], Callback]:
        """Decorate a callback, plain or async, for an event of this worker.

        `active` gets (job), `progress` (job, value), `completed` (job, value), `failed` (job, error) also for attempts
        that will be retried, `stalled` and `lock_lost` (job id), `error` (exception), the others nothing.
        """

        check_event(event)

        def add(callback: Callback) -> Callback:
            self._listeners.add(event, callback)
            return callback

        return add

    # -------------------------------------------------------------------------------------- the inside of run

    async def _serve(self, shuttle: Shuttle, helpers: Sequence[asyncio.Future[None]]) -> None:
        """Work until asked to stop, then until the running jobs are done, or the time for that is over."""
        assert self._changed is not None
        if not self.paused:
            shuttle.start()
        else:
            shuttle.pump_soon()
        self._listeners.emit("ready")
        while not self._stop_asked:
            await self._change(helpers, None)
        self.phase = Phase.DRAINING
        shuttle.stop_taking()
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._shutdown_s
        await self._until_idle(shuttle, helpers, lambda: self._stop_asked >= 2)

    async def _until_idle(
        self, shuttle: Shuttle, helpers: Sequence[asyncio.Future[None]], enough: Callable[[], bool]
    ) -> None:
        """Wait until nothing runs and all is settled, or `_stop_by` (which may change meanwhile) has passed."""
        while not enough() and (self._attempts or not shuttle.settled.is_set()):
            left_s = (self._stop_by or 0) - time.monotonic()
            if left_s <= 0:
                return
            await self._change(helpers, left_s)

    async def _change(self, helpers: Sequence[asyncio.Future[None]], timeout_s: float | None) -> None:
        """Wait until something has changed; a helper that could not be kept alive ends the worker, loudly."""
        assert self._changed is not None
        _raise_deaths(helpers)
        waiting = asyncio.ensure_future(self._changed.wait())
        # Helpers that have done what they had to are no change.
        alive = [helper for helper in helpers if not helper.done()]
        try:
            await asyncio.wait([waiting, *alive], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._changed.clear()
        _raise_deaths(helpers)

    async def _end(self, shuttle: Shuttle, marker: Marker, helpers: Sequence[asyncio.Future[None]]) -> None:
        """Give back what still runs, settle all, stop the helpers, close the connections."""
        self.phase = Phase.DRAINING  # also if we were cancelled, or a helper died
        shuttle.stop_taking()
        self._ending = True  # what a call under way still brings goes back unrun
        for attempt in list(self._attempts.values()):
            if attempt.task is not None and not attempt.task.done():
                attempt.end(Ending.GIVEN_BACK)
        self._stop_by = time.monotonic() + FLUSH_S
        await self._until_idle(shuttle, [], lambda: False)
        for attempt in self._attempts.values():
            log.warning("%s: job %s could not be handed back: it comes back when it has stalled", self, attempt.job.id)
            if attempt.task is not None:
                attempt.task.cancel()
        await marker.interrupt(self._connection.transport)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await marker.close()
        shuttle.close()
        if self._recorder is not None and self._connection.transport.current is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_COUNTS_S):
                    await self._recorder.flush()
        # Our wait may have taken the marker that another idle worker needs.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                if self._connection.transport.current is not None:
                    await self._connection.run(wake_idle(self.keys))
                    if self._present is not None:
                        await self._present.leave()
        assert self._handed_in is not None
        self._handed_in.set()
        self._listeners.emit("closed")
        await self._listeners.finish(FLUSH_S)
        await self._close_connections()

    async def _close_connections(self) -> None:
        self._threads.close()
        if self._children is not None:
            await self._children.close()
        await asyncio.to_thread(self._sync.close)
        if self._own_connection:
            await self._connection.close()

    def _pool(self, isolation: object, memory: int | None, time_limit_s: float | None) -> Children | None:
        """The child processes that jobs run in, if they are to."""
        if memory is not None:
            _whole("isolation_memory", memory, 1)
        if isolation is None and memory is None:
            return None
        if isolation != "process":
            needed = "isolation_memory needs it" if isolation is None else "it is 'process', or None"
            raise OptionsError(f"isolation={isolation!r}: {needed}")
        return Children(
            self.keys,
            self._connection.url,
            self._connection.transport.timeout,
            memory=memory,
            time_limit_s=time_limit_s,
            on_trouble=lambda error: self._report(error),
        )

    def _new_recorder(self, wanted: object) -> Recorder | None:
        if not isinstance(wanted, bool):
            raise OptionsError(f"recorder={wanted!r}: True or False")
        return Recorder(self._connection, self.keys, self._clock, self._tell_once) if wanted else None

    def _recording(self) -> list[asyncio.Future[None]]:
        """What keeps a history of this worker, as far as that is wanted."""
        found: list[asyncio.Future[None]] = []
        if self._recorder is not None:
            found.append(asyncio.ensure_future(supervise("recorder", self._recorder.run, self._trouble)))
        if self.version is not None:
            found.append(asyncio.ensure_future(supervise("mark of the version", self._mark_version, self._trouble)))
        return found

    async def _mark_version(self) -> None:
        """Tell once, for the charts of the dashboard, that this version runs."""
        assert self.version is not None
        pauses = growing_pauses()
        while True:
            try:
                await self._connection.run(mark_version(self.keys, self.version, self._clock()))
                return
            except (ServerRefused, ScriptError) as error:
                self._tell_once(error)
                return
            except ConnectionFailed:
                await asyncio.sleep(next(pauses))  # others tell of it

    def _presence(self, token: str) -> Presence:
        """What this worker is, for those who look at dashboards."""
        return Presence(
            token=token,
            slots=self.concurrency,
            paused=self.paused,
            version=self.version,
            oxcart=__version__,
            python=platform.python_version(),
            host=platform.node(),
            pid=os.getpid(),
        )

    def _say_again(self) -> None:
        if self._present is not None:
            self._present.again()

    def _marker(self) -> Marker:
        source = self._connection.transport
        transport = Transport(source.url, timeout=source.timeout, client_name=self.keys.client_name(self.name))
        return Marker(transport, self.keys, self._drain_s, self._clock)

    async def _watch(self, marker: Marker, shuttle: Shuttle) -> None:
        """Wait at the marker whenever there are free slots and nothing to fill them."""
        pauses = growing_pauses()
        while True:
            try:
                await marker.connect()  # at once, since the worker is listed by this connection
                await shuttle.hungry.wait()
                took = await marker.wait(shuttle.supply.next_due_ms)
                if took and (shuttle.room <= 0 or not shuttle.supply.open):
                    # No use for it any more: another idle worker may have.
                    await self._connection.run(wake_idle(self.keys))
                pauses = growing_pauses()
            except ConnectionFailed as error:
                self._trouble(error)
                took = False
                await asyncio.sleep(next(pauses))
            except ScriptError as error:
                # The marker's key is damaged, or may not be read: then the queue is looked at by the clock.
                self._tell_once(error)
                took = False
                await asyncio.sleep(self._drain_s)
            shuttle.hungry.clear()
            shuttle.look_again(woken=took)

    # ------------------------------------------------------------------------------------------ what happens

    def _ear(self) -> Ear:
        return Ear(
            on_taken=self._taken,
            on_settled=self._settled,
            on_poison=self._poisoned,
            on_trouble=self._report,
            on_recovered=lambda: log.info("%s: Redis is back", self),
            on_idle=lambda: self._listeners.emit("drained"),
            on_quiet=self._check_stop,
        )

    def _taken(self, record: JobRecord, token: str, suspect: bool, room: bool) -> None:
        fields = record.fields
        fields["processedOn"] = str(self._clock())
        fields["ats"] = str(record.integer("ats") + 1) if "ats" in fields else "1"
        if self.name:
            fields["pb"] = self.name
        job = Job(record, self.keys, self._connection, on_progress=self._progressed)
        job.attempt = attempt = Attempt(job, token, self._connection.transport.opened, suspect, owner=self._running_in)
        if (older := self._attempts.get(record.id)) is not None:
            older.end(Ending.LOCK_LOST)  # its lock ran out, and the job came back here
        if self._ending or not room:
            attempt.end(Ending.GIVEN_BACK)
        self._attempts[record.id] = attempt
        attempt.task = asyncio.get_running_loop().create_task(self._attempt(attempt))

    async def _attempt(self, attempt: Attempt) -> None:
        """Run one job and hand its outcome in; the shuttle settles it with the others of this moment."""
        assert self._shuttle is not None
        self._listeners.emit("active", attempt.job)
        before = self._series.advance if "rjk" in attempt.record.fields else None
        began = time.perf_counter()
        entered = inside.set(attempt)
        outcome = await execute(attempt, self._run_job, self._rules, before)
        inside.reset(entered)  # or the task and its context would keep each other
        attempt.over = True
        attempt.ended = ended = time.perf_counter()
        attempt.ran_s = ended - began
        if attempt.ending is Ending.LOCK_LOST:
            self._shuttle.drop(outcome)
            self._forget(attempt)
        else:
            self._shuttle.hand_in(outcome)

    def _settled(self, outcome: Outcome, code: int) -> None:
        assert self._shuttle is not None
        attempt, record = outcome.attempt, outcome.attempt.record
        if code in (-4, -9):
            # As Node does: children that are not done fail the attempt; a failed child fails the job for good.
            kind = PendingChildren if code == -4 else FailedChildren
            error = kind(wire.refused_completion(code, record.id), record.id, code)
            self._shuttle.hand_in(judge(attempt, error, self._rules))
            return
        self._forget(attempt)
        if code != 0:
            self._trouble(refusal(code, record.id, self.queue_name))
            self._listeners.emit("lock_lost", record.id)
            return
        if self._recorder is not None:
            self._recorder.note(outcome, attempt.ran_s, attempt.ended)
        if outcome.verdict is Verdict.COMPLETED:
            self._completed(outcome)
        elif outcome.error is not None:
            self._failed(outcome, outcome.error)

    def _completed(self, outcome: Outcome) -> None:
        if self._logbook.each:
            self._logbook.completed(outcome.attempt)
        if self._listeners.has("completed"):
            fields = outcome.attempt.record.fields
            fields |= {"returnvalue": outcome.settlement.text, "finishedOn": str(self._clock())}
            fields["atm"] = str(outcome.attempt.record.attempts_made + 1)
            self._listeners.emit("completed", outcome.attempt.job, outcome.value)

    def _failed(self, outcome: Outcome, error: BaseException) -> None:
        self._logbook.failed(outcome, error)
        if self._listeners.has("failed"):
            fields, settlement = outcome.attempt.record.fields, outcome.settlement
            fields |= {"failedReason": settlement.text, "stacktrace": settlement.stacktrace}
            fields["atm"] = str(outcome.attempt.record.attempts_made + 1)
            if outcome.verdict is Verdict.FAILED:
                fields["finishedOn"] = str(self._clock())
            self._listeners.emit("failed", outcome.attempt.job, error)

    def _forget(self, attempt: Attempt) -> None:
        if self._attempts.get(attempt.job.id) is attempt:
            del self._attempts[attempt.job.id]
        self._check_stop()

    def _check_stop(self) -> None:
        """Somebody may wait for the last attempt."""
        if (self.phase is not Phase.RUNNING or self.paused) and self._changed is not None:
            self._changed.set()

    def _poisoned(self, job_id: str, reason: str) -> None:
        log.warning("job %s of %s was failed without being run: %s", job_id, self, reason)
        self._trouble(refusal(-1, job_id, self.queue_name))

    def _lost(self, lost: list[tuple[str, str]]) -> None:
        """Locks that could not be renewed: somebody else may run these jobs now."""
        for job_id, token in lost:
            attempt = self._attempts.get(job_id)
            if attempt is None or attempt.token != token:
                continue  # settled meanwhile, and maybe taken again
            if attempt.task is not None and not attempt.task.done():
                attempt.end(Ending.LOCK_LOST)
                self._listeners.emit("lock_lost", job_id)

    def _asked_to_cancel(self, asked: list[tuple[str, str, str]]) -> None:
        """Somebody elsewhere wants these jobs to be cancelled, and says so at each renewal."""
        for job_id, token, why in asked:
            attempt = self._attempts.get(job_id)
            if attempt is not None and attempt.token == token and attempt.ending is None:
                self.cancel_job(job_id, why)

    def _stalled(self, job_id: str) -> None:
        log.warning("job %s of %s had lost its worker and was given back", job_id, self)
        self._listeners.emit("stalled", job_id)

    def _progressed(self, job: Job, value: Any) -> None:
        self._listeners.emit("progress", job, value)

    def _trouble(self, error: BaseException) -> None:
        """Tell of an error; that Redis is away is told once, whichever part notices it first."""
        if isinstance(error, ConnectionFailed) and self._shuttle is not None:
            self._shuttle.trouble(error)
        else:
            self._report(error)

    def _tell_once(self, error: BaseException) -> None:
        if str(error) not in self._told:
            self._told.add(str(error))
            self._report(error)

    def _report(self, error: BaseException) -> None:
        log.warning("%s: %s", self, error)
        self._listeners.emit("error", error)

    def _asked_to_stop(self, *, insist: bool = True) -> None:
        """The first time asks, a second signal insists."""
        self._stop_asked += 1 if insist or not self._stop_asked else 0
        if self._changed is not None:
            self._changed.set()


def _raise_deaths(helpers: Sequence[asyncio.Future[None]]) -> None:
    for helper in helpers:
        if helper.done() and not helper.cancelled() and (error := helper.exception()) is not None:
            raise error


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionsError(f"{name}={value!r}: a whole number, {least} or more")
    return value


def _version(given: object) -> str | None:
    """The version of the user's program, as far as it is said."""
    if given is not None and (not isinstance(given, str) or not given.strip()):
        raise OptionsError(f"version={given!r}: a text such as '1.4.2'")
    found = (given or os.environ.get("OXCART_VERSION", "")).strip()
    return wire.sendable(found[:100]) or None


def _positive(name: str, value: Duration) -> int:
    ms = milliseconds(name, value)
    if ms < 1:
        raise OptionsError(f"{name}={value!r}: more than 0")
    return ms
