"""The errors of Oxcart, as one short tree.

```
OxcartError
├── ConnectionFailed            Redis cannot be reached, or does not answer in time
│   └── ServerRefused           Redis answers that it can't serve now: loading, read-only, out of memory, …
├── OptionsError                an option, name, id or URL that can't be right     (also a ValueError)
├── PayloadError                data that JSON can't carry, or that is too large   (also a ValueError)
├── ScriptError                 a script of ours failed: a bug, with file and line
├── ProcessCrashed              the child process that ran a job's processor died of it
├── JobFailed                   the job that was waited for has failed, with its reason
└── Refused                     Redis was asked and said no: nothing was changed
    ├── QueueNotPaused          -31  the queue has to be paused for this
    ├── QueueNotEmpty           -32  jobs of the queue are active
    └── JobError                an operation on one job was refused
        ├── JobNotFound         -1  its hash is not there
        ├── LockLost            -2, -6  somebody else may own it now
        ├── InvalidState        -3  it is not in the state that the operation needs
        ├── PendingChildren     -4  it still waits for children
        ├── ParentNotFound      -5  the job that it shall be a child of is not there
        ├── HasOtherParent      -7  it exists already, as a child of another
        ├── SchedulerError      -8, -10, -11, -23, -24 a scheduler needs it, has no time, or can't be paused
        ├── FailedChildren      -9  one of its children failed
        └── JobLocked           -21, -22  a worker is working on it, or on a child that it waits for

Steering                        what a processor may raise on purpose
├── Unrecoverable               fail now, whatever attempts are left
├── Reschedule                  back to delayed; the attempt is not counted
├── WaitForChildren             aside, until its children are done; the attempt is not counted
├── Requeue                     back to the front of waiting; the attempt is not counted
└── RateLimited                 the same, and the whole queue pauses for a while
```
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any


class OxcartError(Exception):
    """Anything that Oxcart raises."""

    def __reduce__(self) -> tuple[Any, ...]:
        # As its class takes other arguments than the text: it may travel to another process.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[OxcartError], args: tuple[Any, ...], attributes: dict[str, Any]) -> OxcartError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ConnectionFailed(OxcartError, ConnectionError):
    """Redis cannot be reached, or did not answer in time. Trying again later may help."""


class ServerRefused(ConnectionFailed):
    """Redis answered that it can't serve for now. `code` is its word for it, such as `LOADING`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OptionsError(OxcartError, ValueError):
    """An option, a name, an id or a URL that can't be right. Nothing was sent."""


class PayloadError(OxcartError, ValueError):
    """Data that JSON can't carry, or more of it than allowed. Nothing was sent."""


class ScriptError(OxcartError):
    """A server-side script failed: a bug of ours or damaged keys. The text names the script's file and line."""


class ProcessCrashed(OxcartError):
    """The child process that ran a job ended before the job did. `exit_code`, or `signal` by name, says how."""

    def __init__(self, message: str, exit_code: int | None = None, signal: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.signal = signal


class JobFailed(OxcartError):
    """The job that was waited for has failed. `failed_reason` and `stacktrace` (a text for each attempt) say why."""

    def __init__(self, job_id: str, queue: str, failed_reason: str, stacktrace: list[str]) -> None:
        super().__init__(f"job {job_id} of {queue} failed: {failed_reason}")
        self.job_id = job_id
        self.failed_reason = failed_reason
        self.stacktrace = stacktrace


class Refused(OxcartError):
    """An operation was refused. `job_id` (if it is about one) and `code` (a negative number) say which and why."""

    def __init__(self, message: str, job_id: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.code = code


class QueueNotPaused(Refused):
    """The queue has to be paused for this, and is not (any more)."""


class QueueNotEmpty(Refused):
    """Jobs of the queue are active, so it can't be erased. Let them finish, or force it."""


class JobError(Refused):
    """An operation on one job was refused."""


class JobNotFound(JobError):
    """The job is not there (any more)."""


class LockLost(JobError):
    """The job's lock is gone or belongs to another worker, so the job may no longer be touched."""


class InvalidState(JobError):
    """The job is not in the state that the operation needs."""


class PendingChildren(JobError):
    """The job can't be completed while it waits for children."""


class FailedChildren(JobError):
    """The job can't be completed because one of its children failed."""


class ParentNotFound(JobError):
    """The job that shall be the parent is not there (any more). `job_id` is its whole key."""


class HasOtherParent(JobError):
    """The job exists already as a child of another, which waits for it."""


class SchedulerError(JobError):
    """A scheduler needs this job, and would end without it; or the job that it would add has its id taken."""


class JobLocked(JobError):
    """A worker is working on the job, or on a child that it waits for."""


class Steering(Exception):
    """Raised by a processor on purpose, to say what shall become of its job."""


class Unrecoverable(Steering):
    """Fail this job now and don't try again, whatever attempts are left.

    Example: `raise Unrecoverable("user u1 has been deleted")`
    """


class Reschedule(Steering):
    """Put the job back to run after `delay` (seconds or a `timedelta`). The attempt is not counted.

    Example: `raise Reschedule(delay=60)`
    """

    def __init__(self, delay: float | timedelta) -> None:
        self.delay_s = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        if not 0 <= self.delay_s < 2**40:
            raise OptionsError(f"Reschedule(delay={delay!r}): a delay is a number of seconds, 0 or more")
        super().__init__(f"rescheduled in {self.delay_s:g} s")


class Requeue(Steering):
    """Put the job back to the front of the waiting ones. The attempt is not counted."""


class WaitForChildren(Steering):
    """Put the job aside until the children that it has added are done, then run it again. No attempt is counted.

    Where it was has to be kept: in its data, or with `job.step`. Without pending children it runs again at once.
    Example: `await queue.add("part", parent=job); await job.update_data({"step": 2}); raise WaitForChildren`
    """


class RateLimited(Steering):
    """Somebody else's limit is reached: put the job back, and take no job of this queue for `duration` seconds.

    Holds for all workers of the queue; those of Node heed it if they have a limiter. The attempt is not counted.
    Example: `raise RateLimited(float(response.headers["Retry-After"]))`
    """

    def __init__(self, duration: float | timedelta) -> None:
        self.duration_s = duration.total_seconds() if isinstance(duration, timedelta) else float(duration)
        if not 0 < self.duration_s < 2**31:
            raise OptionsError(f"RateLimited({duration!r}): a number of seconds above 0")
        super().__init__(f"rate limited for {self.duration_s:g} s")


NOT_EMPTY = -32

_REFUSALS: dict[int, tuple[type[Refused], str]] = {
    -1: (JobNotFound, "job {id} of {queue} does not exist (any more)"),
    -2: (LockLost, "job {id} of {queue} is not locked by this worker any more: it stalled, or is finished"),
    -3: (InvalidState, "job {id} of {queue} is not in the state that this needs"),
    -4: (PendingChildren, "job {id} of {queue} has pending children and can't be completed before them"),
    -6: (LockLost, "job {id} of {queue} is locked by another worker"),
    -20: (
        JobError,
        "job {id} of {queue} could not be settled, since keys are damaged: it comes back when it has stalled",
    ),
    -5: (ParentNotFound, "no job of {queue} can be added under the parent {id}: it does not exist (any more)"),
    -7: (HasOtherParent, "job {id} of {queue} exists already and is a child of another job: it can't get a new parent"),
    -8: (
        SchedulerError,
        "job {id} of {queue} is what a scheduler waits for and can't be removed: remove the scheduler instead",
    ),
    -10: (
        SchedulerError,
        "the scheduler {id} of {queue} can't add its next run: a job with its id is there already; remove that job",
    ),
    -11: (
        SchedulerError,
        "the scheduler {id} of {queue} can't add its next run: there are jobs with the ids of its next 32 already",
    ),
    -9: (FailedChildren, "job {id} of {queue} can't be completed: at least one of its children failed"),
    -21: (
        JobLocked,
        "job {id} of {queue} can't be removed: a worker is working on it, or on a child that it waits for",
    ),
    -22: (
        JobLocked,
        "job {id} of {queue} can't be cancelled: its worker is not one of Oxcart's, or of an older version",
    ),
    -23: (
        SchedulerError,
        "the scheduler {id} of {queue} has come to its end, or would before its next run: nothing is left to pause",
    ),
    -24: (
        SchedulerError,
        "{id} of {queue} is a repeated job of version 5 of BullMQ: convert it before you pause it",
    ),
    -31: (QueueNotPaused, "{queue} is not paused (any more), which it has to be while it is erased"),
    NOT_EMPTY: (QueueNotEmpty, "{queue} has active jobs: let them finish, or say force=True"),
}


def refusal(code: int, job_id: str, queue: str) -> Refused:
    """The error for a script's negative answer."""
    kind, text = _REFUSALS.get(code, (JobError, "job {id} of {queue}: unknown answer {code}"))
    return kind(text.format(id=job_id, queue=queue, code=code), job_id, code)


def wrong_state(refused: InvalidState, queue: str, state: str, needed: Sequence[str]) -> InvalidState:
    """The refusal with the job's state, and with those that it would have to be in."""
    text = f"job {refused.job_id} of {queue} is {state}, and has to be {' or '.join(needed)} for this"
    return InvalidState(text, refused.job_id, refused.code)


def known_refusals() -> frozenset[int]:
    """The negative answers that have an error class."""
    return frozenset(_REFUSALS)


# Answers that pass by themselves: the server starts, fails over, is full, is being reconfigured, or is busy.
_TRANSIENT = frozenset(
    "LOADING READONLY MASTERDOWN CLUSTERDOWN TRYAGAIN BUSY NOREPLICAS MISCONF OOM UNBLOCKED NOAUTH WRONGPASS".split()
)
_MAX_CLIENTS = "max number of clients"

FORBIDDEN = "NOPERM"
"""The code of a `ServerRefused` that is about the rights of the user."""

LOG_IN_CODES = frozenset({"NOAUTH", "WRONGPASS"})
"""The codes of a `ServerRefused` that stays until somebody changes the password, here or there."""

DEMOTED_CODES = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN"})
"""The codes of a `ServerRefused` by a server that can't serve, while another one may be at its address by now."""

# After these the connection itself is of no use: another server, or another log-in, has to be found.
RECONNECT_CODES = DEMOTED_CODES | LOG_IN_CODES | {"UNBLOCKED"}


# What a user without enough rights is told, by the server itself or from within a script.
_FORBIDDEN = ("NOPERM", "The user executing the script can't", "ACL failure in script")


def is_forbidden(error: BaseException) -> bool:
    """Whether it is about the rights of our user in Redis, which may be there for one queue and not for another."""
    return isinstance(error, ServerRefused) and error.code == FORBIDDEN


def stays_refused(error: BaseException) -> bool:
    """Whether it is refused until somebody changes a password or rights, so that trying again is of no use."""
    return isinstance(error, ServerRefused) and error.code in LOG_IN_CODES | {FORBIDDEN}


def is_demoted(error: OxcartError) -> bool:
    """Whether a connection to this server is worth nothing: the next one may lead to the server that has taken over."""
    return isinstance(error, ServerRefused) and error.code in DEMOTED_CODES


def said_again(error: ConnectionFailed, text: str) -> ConnectionFailed:
    """The same error with a text that says more."""
    again = ServerRefused(error.code, text) if isinstance(error, ServerRefused) else ConnectionFailed(text)
    again.__cause__ = error
    return again


def server_error(message: str, address: str = "") -> OxcartError:
    """The error for an error reply of Redis at this address, a URL without its password: transient, or a bug."""
    server = f"Redis at {address}" if address else "Redis"
    code = message.split(" ", 1)[0]
    # A script wraps the error of a command in it: "… -OOM command not allowed …".
    inner = re.search(r"-(\w+) ", message)
    for word, said in ((code, message), (inner[1], message[inner.start() + 1 :]) if inner else ("", "")):
        if word == "NOAUTH":
            return _wants_a_log_in(server, said)
        if word in _TRANSIENT:
            return ServerRefused(word, f"{server} can't serve for now: {said}")
    if _MAX_CLIENTS in message:
        return ServerRefused("MAXCLIENTS", f"{server} can't serve for now: {message}")
    if "DB index is out of range" in message:
        return ServerRefused("DB", f"{server} has no such database: {message}")
    if "unauthenticated" in message:  # what a long command before the log-in is answered
        return _wants_a_log_in(server, message)
    if any(text in message for text in _FORBIDDEN):
        # Rights may be granted at any moment: nothing is wrong with what was asked.
        return ServerRefused(FORBIDDEN, f"{server} doesn't let this user do it: {message}")
    if code in ("CROSSSLOT", "MOVED", "ASK"):
        message += " (clusters are not supported yet; on one node give the prefix braces, such as prefix='{bull}')"
    return ScriptError(message)


def log_in_refused(address: str, text: str) -> ServerRefused:
    """The error for a log-in that failed when a connection was opened, as the client tells of it."""
    if "required" in text:
        return _wants_a_log_in(f"Redis at {address}", text)
    return ServerRefused("NOAUTH", f"Redis at {address} refuses the log-in: {text}")


def _wants_a_log_in(server: str, message: str) -> ServerRefused:
    text = "write it into the URL, before the host, as :password@ or user:password@"
    return ServerRefused("NOAUTH", f"{server} wants a log-in: {text} ({message})")
