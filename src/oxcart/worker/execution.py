"""One attempt: run the processor, judge how it ended, and say so as a settlement."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from ..aio.job import Job
from ..backoff import exponential_ms, fixed_ms
from ..errors import FailedChildren, RateLimited, Requeue, Reschedule, Unrecoverable, WaitForChildren
from ..options import milliseconds
from ..protocol import wire
from ..protocol.calls.work import Settlement
from ..protocol.record import JobRecord
from .children import ChildTrace
from .processors import Run

BackoffStrategy = Callable[[int, BaseException, Job], float]
"""(attempts made, error, job) → seconds to wait; a negative number fails the job for good."""


class Verdict(StrEnum):
    """What becomes of a job; the values are those of `settle_and_take.lua`."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRY = "retry"
    DELAYED = "delayed"
    LATER = "later"
    BACK = "back"
    LIMITED = "limited"
    CHILDREN = "children"


class Ending(StrEnum):
    """Why an attempt is ended from outside."""

    CANCELLED = "cancelled"
    GIVEN_BACK = "given back"
    LOCK_LOST = "lock lost"


@dataclass(slots=True)
class Attempt:
    """A job that this worker holds, from taking it until its outcome is settled."""

    job: Job
    token: str
    taken_in: int
    """The connection it was taken over, by number: a later one means that its lock may have run out."""
    suspect: bool = False
    ending: Ending | None = None
    why: str = ""
    stopped: bool = False
    """Whether a plain function should stop: it has to look at `job.cancelled`."""
    over: bool = False
    task: asyncio.Task[None] | None = None
    owner: asyncio.Task[Any] | None = None
    """The task in which the worker runs."""
    begun: bool = False
    sent: bool = False
    """Whether its settlement was on its way and no answer came; then the answer "not yours" means "done already"."""
    refused: bool = False
    """Whether Redis refused its settlement for a while, in which its lock may have run out."""
    ran_s: float = 0.0
    """How long it ran."""
    ended: float = 0.0
    """When, by `time.perf_counter`."""

    @property
    def record(self) -> JobRecord:
        return self.job.record

    def end(self, ending: Ending, why: str = "") -> None:
        """Make the processor stop, and say why."""
        if self.ending is None or ending is Ending.LOCK_LOST:  # what was said first holds, but a lost job is lost
            self.ending, self.why = ending, why
        self.stopped = True
        # A task that is cancelled before its first step never runs, and its job would be handed in by nobody.
        if self.task is not None and self.begun:
            self.task.cancel()

    def begin(self) -> None:
        """From now on it may be cancelled; it ends here if it was ended before."""
        self.begun = True
        if self.ending is not None:
            raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended."""

    attempt: Attempt
    settlement: Settlement
    verdict: Verdict
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a worker's options say about the end of an attempt."""

    keep_completed: str = ""
    keep_failed: str = ""
    timeout_s: float | None = None
    max_started_attempts: int | None = None
    strategies: Mapping[str, BackoffStrategy] = field(default_factory=dict[str, BackoffStrategy])


Before = Callable[[Attempt, Run], Awaitable[Run]]
"""What has to be done before a job is run; answers how to run it."""


async def execute(attempt: Attempt, run: Run, rules: Rules, before: Before | None = None) -> Outcome:
    """Run a job once. Whatever it raises ends this attempt and nothing else."""
    try:
        attempt.begin()
        if before is not None:
            run = await before(attempt, run)
        refuse_unfit(attempt.record, rules)
        value = await _call(attempt, run, rules.timeout_s)
        text = wire.encode(value, f"the result of job {attempt.job.id}")
    except BaseException as error:  # SystemExit too: once it leaves a task, asyncio stops the loop
        _accept_cancellation(attempt, error)
        try:
            return judge(attempt, error, rules)
        except BaseException as second:  # stored values that nobody thought of: the job must not stay here for ever
            return last_resort(attempt, error, second)
    keep = attempt.record.options.keep_completed
    settlement = Settlement(
        attempt.job.id, attempt.token, Verdict.COMPLETED, text, keep=rules.keep_completed if keep is None else keep
    )
    return Outcome(attempt, settlement, Verdict.COMPLETED, value=value)


def _accept_cancellation(attempt: Attempt, error: BaseException) -> None:
    """A cancellation of ours is dealt with; if all tasks are cancelled, since the loop ends, the job goes back."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return
    owner_ends = attempt.owner is not None and (attempt.owner.cancelling() > 0 or attempt.owner.done())
    if attempt.ending is None and owner_ends and isinstance(error, asyncio.CancelledError):
        attempt.ending = Ending.GIVEN_BACK
    task.uncancel()


def refuse_unfit(record: JobRecord, rules: Rules) -> None:
    """Refuse a job that must not be run, with the reason: it fails for good."""
    doomed = record.fields.get("defa") or record.damage()
    if not doomed and rules.max_started_attempts is not None and record.integer("ats") > rules.max_started_attempts:
        doomed = "job started more than allowable limit"
    if doomed:
        raise Unrecoverable(doomed)


async def _call(attempt: Attempt, run: Run, timeout_s: float | None) -> Any:
    if timeout_s is None:
        return await run(attempt.job)
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            return await run(attempt.job)
    except TimeoutError as error:
        if not limit.expired():
            raise
        attempt.stopped = True
        raise TimeoutError(f"timed out after {timeout_s:g} s") from error


# ------------------------------------------------------------------------------------------------- judging


def judge(attempt: Attempt, error: BaseException, rules: Rules) -> Outcome:
    """What an error means for the job: another attempt, now or later, or the end."""
    if attempt.ending is Ending.CANCELLED:
        error = Unrecoverable(f"cancelled: {attempt.why}" if attempt.why else "cancelled")
    if attempt.ending is Ending.GIVEN_BACK or isinstance(error, Requeue):
        return _steered(attempt, Verdict.BACK, 0)
    if isinstance(error, WaitForChildren):
        return _steered(attempt, Verdict.CHILDREN, 0)
    if isinstance(error, RateLimited):
        return _steered(attempt, Verdict.LIMITED, max(milliseconds("duration", error.duration_s), 1))
    if isinstance(error, Reschedule):
        return _steered(attempt, Verdict.LATER, milliseconds("delay", error.delay_s))
    delay_ms = _next_attempt_ms(attempt, error, rules)
    if isinstance(delay_ms, BaseException):
        error, delay_ms = delay_ms, None
    verdict = Verdict.FAILED if delay_ms is None else Verdict.DELAYED if delay_ms > 0 else Verdict.RETRY
    return Outcome(attempt, _failure(attempt, error, verdict, delay_ms or 0, rules), verdict, error=error)


def _steered(attempt: Attempt, verdict: Verdict, delay_ms: int) -> Outcome:
    return Outcome(attempt, Settlement(attempt.job.id, attempt.token, verdict, number=delay_ms), verdict)


def _next_attempt_ms(attempt: Attempt, error: BaseException, rules: Rules) -> int | BaseException | None:
    """How long until the next attempt; None for never; an error if that can't be told."""
    record = attempt.record
    if isinstance(error, Unrecoverable | FailedChildren):
        return None
    made = record.attempts_made + 1
    if made >= record.options.attempts:
        return None
    if rules.max_started_attempts is not None and rules.max_started_attempts <= record.integer("ats"):
        return None
    return backoff_ms(attempt.job, record.options.backoff, made, error, rules.strategies)


def backoff_ms(
    job: Job, backoff: Any, made: int, error: BaseException, strategies: Mapping[str, BackoffStrategy]
) -> int | BaseException | None:
    """The wait that a stored backoff asks for after `made` attempts; None for "give up"."""
    if not backoff:
        return 0
    if isinstance(backoff, int | float):
        return int(backoff)
    if not isinstance(backoff, dict):
        return 0
    stored = cast(dict[str, Any], backoff)
    kind, delay, jitter = stored.get("type"), _number(stored.get("delay")), _number(stored.get("jitter"))
    if kind == "fixed":
        return fixed_ms(delay, jitter)
    if kind == "exponential":
        return exponential_ms(delay, jitter, made)
    strategy = strategies.get(str(kind))
    if strategy is None:
        return Unrecoverable(f"unknown backoff strategy {kind!r}: give it to every worker in backoff_strategies")
    try:
        seconds = strategy(made, error, job)
        return None if seconds < 0 else milliseconds("backoff strategy", seconds)
    except Exception as raised:
        return raised


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


# ------------------------------------------------------------------------------------------------- telling


def last_resort(attempt: Attempt, error: BaseException, second: BaseException) -> Outcome:
    """The end of a job whose stored values don't even let its failure be judged."""
    reason, _ = describe(error)
    text = f"{reason} (and what is stored of the job can't be read: {describe(second)[0]})"
    settlement = Settlement(attempt.job.id, attempt.token, Verdict.FAILED, text)
    return Outcome(attempt, settlement, Verdict.FAILED, error=error)


def _failure(attempt: Attempt, error: BaseException, verdict: Verdict, delay_ms: int, rules: Rules) -> Settlement:
    record = attempt.record
    try:
        options = record.options
        attempts, lifo, keep, limit = options.attempts, options.lifo, options.keep_failed, options.stack_trace_limit
    except wire.Unreadable:
        attempts, lifo, keep, limit = 0, False, None, None
    reason, trace = describe(error)
    traces = [*map(wire.sendable, record.stacktrace), trace]
    if limit is not None:
        traces = traces[-limit:] if limit > 0 else []
    return Settlement(
        attempt.job.id,
        attempt.token,
        verdict,
        reason,
        wire.encode(traces),
        rules.keep_failed if keep is None else keep,
        attempts if verdict is Verdict.FAILED else delay_ms,
        lifo,
    )


def describe(error: BaseException) -> tuple[str, str]:
    """An error as the wire keeps it: the reason, and a stack trace that starts with name and message, as Node's do."""
    kind = type(error).__name__
    try:
        reason = str(error)
    except BaseException as second:
        reason = f"{kind} (its text can't be shown: {type(second).__name__})"
    reason = wire.sendable(reason) or kind
    if isinstance(error.__cause__, ChildTrace):
        return reason, error.__cause__.text  # told there in this way
    try:
        trace = wire.sendable("".join(traceback.format_exception(error)))
    except BaseException:
        trace = ""
    return reason, f"{kind}: {reason}\n{trace}".rstrip()
