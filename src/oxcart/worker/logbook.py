"""Logbook: the lines that a worker writes to the log about its jobs."""

from __future__ import annotations

import logging

from ..protocol import wire
from ..protocol.address import masked
from .execution import Attempt, Outcome, Verdict, describe

log = logging.getLogger("oxcart.worker")

LONGEST_TEXT = 200
"""How many characters of an error's text, or of a name, a line shows."""


class Logbook:
    """Logs one queue's attempts: those that failed for good as warnings, those that are tried again as information.

    A job that is completed leaves a line only at the level DEBUG.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self.each = False
        """Whether every job is logged: found out at the start, since it would be asked for each."""

    def start(self, concurrency: int, url: str) -> None:
        """A worker begins: say for what, and where."""
        self.each = log.isEnabledFor(logging.DEBUG)
        jobs = "1 job" if concurrency == 1 else f"{concurrency} jobs"
        log.info("%s: working, up to %s at once, with Redis at %s", self._queue, jobs, masked(url))

    def completed(self, attempt: Attempt) -> None:
        """A job has ended well. To be called only if `each` is true."""
        log.debug("%s: %s completed after %.3g s", self._queue, _job(attempt), attempt.ran_s)

    def failed(self, outcome: Outcome, error: BaseException) -> None:
        """An attempt has failed. To be called before it is counted in the job's record."""
        final = outcome.verdict is Verdict.FAILED
        level = logging.WARNING if final else logging.INFO
        if not log.isEnabledFor(level):
            return
        reason, trace = describe(error)
        shown = f"{type(error).__name__}: {_one_line(reason)}"
        next_s = outcome.settlement.number / 1000
        follows = "failed for good" if final else f"retried in {next_s:g} s" if next_s else "retried at once"
        made = f"attempt {outcome.attempt.record.attempts_made + 1} of {_attempts(outcome.attempt)}"
        log.log(level, "%s: %s, %s: %s; %s", self._queue, _job(outcome.attempt), made, shown, follows)
        log.debug("%s: %s: %s", self._queue, _job(outcome.attempt), trace)


def _job(attempt: Attempt) -> str:
    return f"job {_one_line(attempt.job.id)} ({_one_line(attempt.job.name)})"


def _attempts(attempt: Attempt) -> int | str:
    try:
        return max(attempt.record.options.attempts, 1)
    except wire.Unreadable:  # what is stored of it is damaged
        return "?"


def _one_line(text: str) -> str:
    """Text of others, which must neither break the line nor steer a terminal."""
    shown = "".join(char if char.isprintable() else " " for char in text[: 5 * LONGEST_TEXT])
    words = " ".join(shown.split())
    return words if len(words) <= LONGEST_TEXT else f"{words[:LONGEST_TEXT]}…"
