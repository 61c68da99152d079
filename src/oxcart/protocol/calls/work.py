"""What a worker asks: settle and take, keep locks, give lost jobs back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..call import Argument, Call, call, nothing
from ..keys import Keys
from ..record import JobRecord


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended, as the script takes it. The outcomes are listed in `settle_and_take.lua`."""

    job_id: str
    token: str
    outcome: str
    text: str = ""
    stacktrace: str = "[]"
    keep: str = ""
    number: int = 0
    lifo: bool = False

    def arguments(self, again: bool) -> tuple[Argument, ...]:
        return (
            self.job_id,
            self.token,
            self.outcome,
            self.text,
            self.stacktrace,
            self.keep,
            self.number,
            int(self.lifo),
            int(again),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What stays the same in all calls of a worker."""

    lock_ms: int
    worker: str = ""
    limit_max: int | None = None
    limit_ms: int | None = None
    metric_points: int = 0
    """For how many minutes finished jobs are counted; 0 counts none."""


@dataclass(frozen=True, slots=True)
class Order:
    """How many jobs a worker wants, and how."""

    token: str
    count: int
    share: bool = False
    """Take at most half of what waits: other idle workers were woken too."""
    suspects: int = 1
    """How many jobs that stalled before may be among them."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a worker's call."""

    codes: Sequence[int] | None
    """One for each settlement, 0 or a refusal; None if all are fine."""
    jobs: list[JobRecord]
    next_due_ms: int
    limited_ms: int
    left: int
    suspects_left: int
    poison: list[tuple[str, str]]
    """Ids that could not be run, with the reason; they are among the failed now."""
    problems: Sequence[str]
    """What went wrong beside, since keys are damaged."""


def settle_and_take(
    keys: Keys, now: int, limits: Limits, order: Order, settlements: Sequence[tuple[Settlement, bool]]
) -> Call[Taken]:
    """Settle attempts (each with whether it was cut off meanwhile) and take up to `order.count` jobs."""
    rest: list[Argument] = []
    for settlement, again in settlements:
        rest += settlement.arguments(again)
    return call(
        "settle_and_take",
        keys,
        _read_taken,
        *rest,
        prefix=keys.prefix,
        own=keys.own,
        now=now,
        token=order.token,
        lock_ms=limits.lock_ms,
        worker=limits.worker,
        limit_max="" if limits.limit_max is None else limits.limit_max,
        limit_ms="" if limits.limit_ms is None else limits.limit_ms,
        count=order.count,
        share=int(order.share),
        suspects=order.suspects,
        points=limits.metric_points,
    )


def _read_taken(reply: Any) -> Taken:
    codes, flat, due, limited, left, suspects, poison, problems = reply
    pairs = iter(flat)
    jobs = [JobRecord.from_flat(job_id, fields) for job_id, fields in zip(pairs, pairs, strict=True)]
    reasons = iter(poison)
    return Taken(codes or None, jobs, due, limited, left, suspects, list(zip(reasons, reasons, strict=True)), problems)


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a worker learns when it renews its locks."""

    lost: list[str]
    """Ids whose lock is lost."""
    cancelled: list[tuple[str, str, str]]
    """(id, token, why) of jobs that somebody has asked to cancel."""


LISTENS = "ox-"
"""What the tokens of workers start with that look for such requests when they renew."""


def renew_locks(keys: Keys, lock_ms: int, held: Sequence[tuple[str, str]]) -> Call[Renewed]:
    """Renew the locks of these (id, token)."""

    def read(reply: Any) -> Renewed:
        lost, cancelled = reply
        parts = iter(cancelled)
        return Renewed(lost, list(zip(parts, parts, parts, strict=True)))

    rest = [text for pair in held for text in pair]
    return call("extend_locks", keys, read, *rest, prefix=keys.prefix, own=keys.own, lock_ms=lock_ms)


def recover_stalled(keys: Keys, now: int, interval_ms: int, max_stalled: int) -> Call[list[str]]:
    """Give jobs back whose worker is gone; answers their ids."""
    return call(
        "recover_stalled", keys, list, prefix=keys.prefix, now=now, interval_ms=interval_ms, max_stalled=max_stalled
    )


def own_jobs(keys: Keys, worker_token: str) -> Call[list[tuple[JobRecord, str]]]:
    """The active jobs whose lock starts with `worker_token`, each with its whole token."""

    def read(reply: Any) -> list[tuple[JobRecord, str]]:
        parts = iter(reply)
        return [
            (JobRecord.from_flat(job_id, fields), token)
            for job_id, token, fields in zip(parts, parts, parts, strict=True)
        ]

    return call("own_jobs", keys, read, prefix=keys.prefix, worker_token=worker_token)


def wake_idle(keys: Keys) -> Call[None]:
    """Set the marker again if jobs are left."""
    return call("wake_idle", keys, nothing)
