"""What a user says about a job: `JobOptions` and the words in it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypedDict, Unpack, cast, get_args

from .backoff import LONGEST_MS
from .errors import OptionsError

Duration = float | int | timedelta
"""A length of time: seconds, or a `timedelta`."""

MAX_PRIORITY = 2**21 - 1


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait between a failed attempt and the next one. Made by `fixed`, `exponential` or `custom`.

    Example: `JobOptions(attempts=3, backoff=Backoff.exponential(2))` waits 2 s, then 4 s.
    """

    type: str
    delay_ms: int | None = None
    jitter: float = 0

    @classmethod
    def fixed(cls, delay: Duration, jitter: float = 0) -> Backoff:
        """Always `delay` (seconds or `timedelta`), shortened at random by up to `jitter` (0…1) of it."""
        return cls("fixed", milliseconds("backoff", delay), _checked_jitter(jitter))

    @classmethod
    def exponential(cls, delay: Duration, jitter: float = 0) -> Backoff:
        """`delay` after the first failure, twice as long after each further one; `jitter` as for `fixed`."""
        return cls("exponential", milliseconds("backoff", delay), _checked_jitter(jitter))

    @classmethod
    def custom(cls, name: str) -> Backoff:
        """What the worker's `backoff_strategies[name]` says; every worker of the queue needs that strategy."""
        if not name or name in ("fixed", "exponential"):
            raise OptionsError(f"backoff: {name!r} can't be the name of a custom strategy")
        return cls(name)


@dataclass(frozen=True, slots=True)
class Keep:
    """How many finished jobs to keep: the newest `count`, those younger than `age` (seconds or `timedelta`), or both.

    `limit` bounds how many are deleted at each finish (1,000 if `age` is given). Example: `Keep(count=100, age=3600)`.
    """

    count: int | None = None
    age: Duration | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.count is not None and (not _is_int(self.count) or self.count < -1):
            raise OptionsError(f"Keep(count={self.count!r}): a whole number, 0 or more (-1 keeps all)")
        if self.age is not None:
            milliseconds("Keep(age)", self.age)
        if self.limit is not None and (not _is_int(self.limit) or self.limit < 1):
            raise OptionsError(f"Keep(limit={self.limit!r}): a whole number, 1 or more")


Retention = bool | int | Keep
"""`True` deletes at once, `False` keeps all, a number keeps that many, `Keep` says more."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `max` jobs in `duration` (seconds or `timedelta`), for all workers of the queue together."""

    max: int
    duration: Duration

    def __post_init__(self) -> None:
        if not _is_int(self.max) or self.max < 1:
            raise OptionsError(f"RateLimit(max={self.max!r}): a whole number, 1 or more")
        if milliseconds("RateLimit(duration)", self.duration) < 1:
            raise OptionsError(f"RateLimit(duration={self.duration!r}): at least a millisecond")


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Lets only one of several jobs with the same `id` through; the others are dropped, and told as `deduplicated`.

    Without more, until the first is finished. `ttl` (seconds or `timedelta`): for so long after the first, whether it
    is finished or not (throttling); with `extend` counted from the last one. `replace`: a job that still waits for its
    delay gives way to the newer one (debouncing, with a `ttl` and `extend`). `keep_last_if_active`: of those that come
    while it is active, the last is kept and added when it has finished.
    Example: `Deduplication("user-7", ttl=5, extend=True, replace=True)` with `delay=5` runs once, 5 s after the last.
    """

    id: str
    ttl: Duration | None = None
    extend: bool = False
    replace: bool = False
    keep_last_if_active: bool = False

    def __post_init__(self) -> None:
        if not isinstance(cast(object, self.id), str) or not self.id:
            raise OptionsError(f"Deduplication(id={self.id!r}): a non-empty string")
        if self.ttl is not None and milliseconds("Deduplication(ttl)", self.ttl) < 1:
            raise OptionsError(f"Deduplication(ttl={self.ttl!r}): at least a millisecond")
        for name in ("extend", "replace", "keep_last_if_active"):
            if not isinstance(getattr(self, name), bool):
                raise OptionsError(f"Deduplication({name}={getattr(self, name)!r}): True or False")
        if self.extend and self.ttl is None:
            raise OptionsError("Deduplication(extend=True) extends the ttl: give one")


@dataclass(frozen=True, slots=True)
class Parent:
    """The job that a job is a child of. A `Job` can stand for it.

    Example: `await chapters.add("chapter", parent=Parent("r1", "reports"))`
    """

    id: str
    queue: str
    prefix: str = "bull"

    @property
    def queue_key(self) -> str:
        return f"{self.prefix}:{self.queue}"

    @property
    def key(self) -> str:
        return f"{self.prefix}:{self.queue}:{self.id}"


class HasParentForm(Protocol):
    """A job, which can be the parent of others."""

    @property
    def as_parent(self) -> Parent: ...


ChildFailure = Literal["block", "fail_parent", "continue_parent", "ignore", "remove"]
"""What a child that fails for good does to its parent."""


class JobOptions(TypedDict, total=False):
    """The options of one job, also the keywords of `Queue.add`.

    Example: `JobOptions(attempts=3, backoff=Backoff.exponential(2), remove_on_complete=Keep(count=100))`
    """

    job_id: str
    """Your own id. While a job with it exists, in whatever state, adding it again adds nothing."""
    delay: Duration | datetime
    """Run after this many seconds (or `timedelta`), or at this moment (an aware `datetime`)."""
    priority: int
    """1 is first, 2,097,151 last. Jobs without a priority, or 0, run before all of them."""
    lifo: bool
    """Run before the jobs that wait already, instead of after them."""
    attempts: int
    """How often the job may run in all; 1 if not given."""
    backoff: Backoff | Duration
    """How long to wait between attempts; a bare number is a fixed wait in seconds. None if not given."""
    timestamp: datetime
    """When the job was made; now if not given. A delay counts from here."""
    remove_on_complete: Retention
    """Which completed jobs to keep; all if not given."""
    remove_on_fail: Retention
    """Which failed jobs to keep; all if not given."""
    keep_logs: int
    """How many log lines to keep; all if not given."""
    stack_trace_limit: int
    """How many stack traces (one for each failed attempt) to keep; all if not given."""
    size_limit: int
    """The most bytes that the job's data may have as JSON."""
    deduplication: Deduplication
    """Add it only if no other with the same deduplication id is there."""
    parent: Parent | HasParentForm
    """The job, not yet finished, that waits for this one."""
    on_child_failure: ChildFailure
    """If this job fails for good, its parent: `block`, waits for it (not given); `fail_parent`, fails too;
    `continue_parent`, runs at once; `ignore`, runs when the others are done; `remove`, as if it had not been there."""
    telemetry_metadata: str
    """A trace context for the worker, as text."""
    omit_telemetry_context: bool
    """Don't link the worker's trace to the producer's."""


class _Missing:
    def __repr__(self) -> str:
        return "{}"


MISSING: Any = _Missing()
"""No data given, which is stored as `{}`; None is data, and stored as `null`."""


class JobSpec:
    """A job to be added with `Queue.add_bulk`: what `Queue.add` takes, as a value.

    Example: `JobSpec("welcome", {"userId": "u1"}, priority=1)`
    """

    __slots__ = ("data", "name", "options")

    def __init__(self, name: str, data: Any = MISSING, **options: Unpack[JobOptions]) -> None:
        self.name = name
        self.data = data
        self.options = options

    def __repr__(self) -> str:
        return f"JobSpec({self.name!r})"


KNOWN = frozenset(JobOptions.__annotations__)


def check(options: Mapping[str, Any], known: frozenset[str] = KNOWN) -> JobOptions:
    """The options, if each is known and can be right; an `OptionsError` naming the first that isn't."""
    for name, value in options.items():
        if name not in known:
            raise OptionsError(_unknown(name, known))
        problem = _CHECKS[name](value)
        if problem:
            raise OptionsError(f"{name}={value!r}: {problem}")
    return cast(JobOptions, options)


def milliseconds(name: str, value: object) -> int:
    """A duration of the public API as whole milliseconds; an `OptionsError` naming it if it can't be one."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise OptionsError(f"{name}={value!r}: seconds as a number, or a timedelta")
    if seconds < 0:
        raise OptionsError(f"{name}={value!r}: a duration can't be negative")
    if seconds * 1000 > LONGEST_MS:
        raise OptionsError(f"{name}={value!r}: more than {LONGEST_MS // 31_557_600_000} years")
    return round(seconds * 1000)


def aware_ms(name: str, value: object) -> int:
    """A moment as milliseconds since 1970; a naive one is an error, since it would silently mean local time."""
    if not isinstance(value, datetime):
        raise OptionsError(f"{name}={value!r}: an aware datetime, such as datetime.now(UTC)")
    if value.tzinfo is None or value.utcoffset() is None:
        raise OptionsError(f"{name}={value!r}: a datetime needs a timezone, such as datetime.now(UTC)")
    return round(value.timestamp() * 1000)


def check_job_id(job_id: object) -> str | None:
    """What is wrong with a custom id (part 1, section 1.3 of the wire), or None."""
    if not isinstance(job_id, str):
        return f"an id is a string, not {type(job_id).__name__}"
    if job_id == "0" or job_id.startswith("0:"):
        return "an id can't be '0' or start with '0:'"
    digits = job_id.removeprefix("-")
    if digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0") and job_id != "-0":
        return "an id can't be a whole number: those are generated"
    if ":" in job_id and job_id.count(":") != 2:
        return "an id can't contain ':'"
    if is_reserved(job_id):
        return "this id is the name of one of the queue's own keys"
    try:
        job_id.encode()
    except UnicodeEncodeError:
        return "an id has to be valid Unicode"
    return None


def check_known_id(what: str, text: object) -> str:
    """An id that somebody asks for, whatever it is, as long as it is text that can be sent."""
    if not isinstance(text, str):
        raise OptionsError(f"{what} {text!r}: a string, not {type(text).__name__}")
    try:
        text.encode("utf-8", "surrogateescape")  # what was no UTF-8 when it was read may go back as it came
    except UnicodeEncodeError:
        raise OptionsError(f"{what} {text!r}: not valid Unicode") from None
    return text


def is_reserved(job_id: str) -> bool:
    """Whether the key that a job with this id would have is one of the queue's own."""
    return job_id in RESERVED_IDS or job_id.startswith(("de:", "dn:", "metrics:"))


RESERVED_IDS = frozenset(
    (
        "id wait paused active prioritized pc delayed waiting-children completed failed stalled stalled-check limiter "
        "marker meta events metrics:completed metrics:failed metrics:completed:data metrics:failed:data de dn repeat "
        "priority metrics"
    ).split()
)


LARGEST_NUMBER = 2**53 - 1
"""The largest whole number that JavaScript counts exactly."""


def whole(name: str, value: object, least: int) -> int:
    """A whole number that is not below `least`; an `OptionsError` naming it if it isn't one."""
    if not _is_int(value) or not least <= cast(int, value) <= LARGEST_NUMBER:
        raise OptionsError(f"{name}={value!r}: a whole number, {least} or more")
    return cast(int, value)


def check_range(start: object, end: object) -> None:
    """Raise an `OptionsError` for a range that isn't one; negative numbers count from the end."""
    whole("start", start, -LARGEST_NUMBER)
    whole("end", end, -LARGEST_NUMBER)


def flag(name: str, value: object) -> bool:
    """True or False; an `OptionsError` naming it for anything else, which would be one of them by chance."""
    if not isinstance(value, bool):
        raise OptionsError(f"{name}={value!r}: True or False")
    return value


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _checked_jitter(jitter: float) -> float:
    if isinstance(jitter, bool) or not 0 <= jitter <= 1:
        raise OptionsError(f"jitter={jitter!r}: between 0 and 1")
    return jitter


def _unknown(name: str, known: frozenset[str]) -> str:
    if name == "repeat":
        return "repeat: only Queue.add takes it, or use Queue.upsert_scheduler"
    if name in _ELSEWHERE:
        return f"unknown option {name!r}: {_ELSEWHERE[name]}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown option {name!r}" + (f": did you mean {near[0]!r}?" if near else "")


_ATTEMPTS = "attempts= says how often a job may run in all, so 3 retries are attempts=4"

_ELSEWHERE = {
    "retries": _ATTEMPTS,
    "max_retries": _ATTEMPTS,
    "max_tries": "attempts= says how often a job may run in all",
    "countdown": "delay= takes seconds or a timedelta",
    "eta": "delay= takes an aware datetime too",
    "retry_backoff": "backoff= takes seconds, or Backoff.exponential(seconds)",
    "id": "job_id= is a job's own id",
    "timeout": "Worker(timeout=) says how long an attempt may take",
}
"""What the options of other libraries are called here."""


def _whole(least: int, most: int | None = None) -> Any:
    wanted = f"a whole number, {least} or more" if most is None else f"a whole number between {least} and {most}"

    def problem(value: object) -> str | None:
        if not _is_int(value) or cast(int, value) < least or (most is not None and cast(int, value) > most):
            return wanted
        return None

    return problem


def _delay(value: object) -> str | None:
    if isinstance(value, datetime):
        aware_ms("delay", value)
    else:
        milliseconds("delay", value)
    return None


def _backoff(value: object) -> str | None:
    if isinstance(value, str | Mapping):
        return "seconds as a number, a timedelta, Backoff.fixed(…), or Backoff.exponential(2), which is 2 s, 4 s, 8 s"
    if not isinstance(value, Backoff):
        milliseconds("backoff", value)
    return None


def _moment(value: object) -> str | None:
    if not isinstance(value, datetime):
        return "an aware datetime"
    if aware_ms("timestamp", value) < 0:
        return "a job can't be from before 1970"
    return None


def _retention(value: object) -> str | None:
    if isinstance(value, bool | Keep) or (_is_int(value) and cast(int, value) >= -1):
        return None
    return "True, False, a number of jobs to keep, or Keep(count=…, age=…)"


def _deduplication(value: object) -> str | None:
    if not isinstance(value, Deduplication):
        return "Deduplication(id, …)"
    try:
        value.id.encode()
    except UnicodeEncodeError:
        return "the id has to be valid Unicode"
    return None


def _parent(value: object) -> str | None:
    found = getattr(value, "as_parent", value)
    return None if isinstance(found, Parent) else "a job, or Parent(id, queue)"


def _child_failure(value: object) -> str | None:
    wanted = get_args(ChildFailure)
    return None if value in wanted else f"one of {', '.join(wanted)}"


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else "text"


_CHECKS: dict[str, Any] = {
    "job_id": check_job_id,
    "delay": _delay,
    "priority": _whole(0, MAX_PRIORITY),
    "lifo": _flag,
    "attempts": _whole(0),
    "backoff": _backoff,
    "timestamp": _moment,
    "remove_on_complete": _retention,
    "remove_on_fail": _retention,
    "keep_logs": _whole(0),
    "stack_trace_limit": _whole(0),
    "size_limit": _whole(0),
    "deduplication": _deduplication,
    "parent": _parent,
    "on_child_failure": _child_failure,
    "telemetry_metadata": _text,
    "omit_telemetry_context": _flag,
}
