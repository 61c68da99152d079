"""Traces: the failures of jobs as they may be seen, and which are the same."""

from __future__ import annotations

from dataclasses import dataclass

from ... import Job
from ...traces import LARGEST, LONGEST_MESSAGE, fingerprint, normalised, parse, place_of
from .. import shapes
from ..board import Board
from .rows import text_of


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failure is, so that it can be told from others. All of it redacted."""

    fingerprint: str
    kind: str
    message: str
    example: str


def failure_of(board: Board, job: Job) -> Failure:
    """The failure of a job."""
    stacktrace = job.stacktrace
    return failure(board, job.failed_reason or "", stacktrace[-1] if stacktrace else "")


def failure(board: Board, reason: str, trace: str) -> Failure:
    """A failure from its reason and the trace of its last attempt, which may be missing."""
    parsed = parse(trace)
    # The reason says it best; that of a failed parent or a stalled job has no trace, or an older one.
    told = trace[: len(reason) + 300]
    kind = parsed.kind if not reason or reason.strip()[:200] in told else ""
    frames = parsed.frames if kind or not reason else []
    return known_failure(board, kind, reason or parsed.message, place_of(frames))


def known_failure(board: Board, kind: str, reason: str, place: str) -> Failure:
    """A failure from what is known of it already. By what may be seen of it: a secret must not show in its group."""
    example = board.redactor.text(reason[: 4 * LONGEST_MESSAGE]).encode("utf-8", "backslashreplace")
    shown = example.decode()
    message = normalised(shown)
    return Failure(fingerprint(kind, message, place), kind, message, shown[:LONGEST_MESSAGE])


def attempts(board: Board, stacktrace: list[str], made: int) -> list[shapes.Attempt]:
    """The failed attempts of a job, oldest first, redacted. Only the newest are kept if a limit says so."""
    first = max(made - len(stacktrace), 0) + 1 if made else 1
    return [_attempt(board, first + at, raw) for at, raw in enumerate(stacktrace)]


def _attempt(board: Board, number: int, raw: str) -> shapes.Attempt:
    shown = text_of(board, raw, LARGEST)
    parsed = parse(shown)
    return {
        "number": number,
        "kind": parsed.kind,
        "message": parsed.message[:10_000],
        "frames": parsed.frames,
        "raw": shown,
    }
