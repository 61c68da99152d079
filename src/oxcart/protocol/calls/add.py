"""Adding jobs: prepare once, place many in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from ...errors import OptionsError, PayloadError, Refused, refusal
from ...options import JobOptions, aware_ms, check, check_job_id, milliseconds
from .. import wire
from ..call import Argument, Call, call
from ..keys import Keys
from ..record import JobRecord

RECEIPT_MS = 3_600_000
"""How long a receipt is kept; far longer than any producer tries to send the same call again."""

HAS_OTHER_PARENT = -7

LARGEST_CALL = 250
"""How many jobs travel in one call, so that Redis is never held for long."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What equal jobs share: everything but their own ids and data."""

    name: str
    opts: str
    delay_ms: int
    priority: int
    lifo: bool
    timestamp_ms: int | None
    size_limit: int | None
    deduplication: str
    """What the script needs for it, as JSON; empty if there is none."""
    parent_key: str
    parent: str
    """What the hash says of the parent, as JSON; empty if there is none."""


@dataclass(slots=True)
class NewJob:
    """A job that is checked and encoded, ready to be sent."""

    shape: Shape
    data: str
    value: Any
    own_id: str
    timestamp_ms: int


class Preparer:
    """Checks and encodes jobs for one queue; what equal options become is computed once."""

    def __init__(self, defaults: Mapping[str, Any] | None, clock: Callable[[], int]) -> None:
        self.defaults: dict[str, Any] = dict(check(defaults or {}))
        if "job_id" in self.defaults:
            raise OptionsError("default_job_options: job_id can't be the same for all jobs")
        self._clock = clock
        self._shapes: dict[Any, Shape] = {}

    def prepare(self, name: str, data: object, options: Mapping[str, Any]) -> NewJob:
        """A job as it will be stored; an `OptionsError` or `PayloadError` if it can't be right."""
        own_id = ""
        if "job_id" in options:
            own_id = options["job_id"]
            if problem := check_job_id(own_id):
                raise OptionsError(f"job_id={own_id!r}: {problem}")
        shape = self._shape(name, options)
        text = wire.encode(data, f"the data of job {name!r}")
        if shape.size_limit is not None:
            _check_size(shape, text)
        made = self._clock() if shape.timestamp_ms is None else shape.timestamp_ms
        return NewJob(shape, text, data, own_id, made)

    def like(self, job: NewJob, data: object) -> NewJob:
        """One more of the same shape, made in the same moment, with an id yet to be given."""
        shape = job.shape
        text = wire.encode(data, f"the data of job {shape.name!r}")
        if shape.size_limit is not None:
            _check_size(shape, text)
        return NewJob(shape, text, data, "", job.timestamp_ms)

    def _shape(self, name: str, options: Mapping[str, Any]) -> Shape:
        try:
            # With the types, since 1 == True: they mean different things, or one of them is refused.
            key: Any = (name, *options.items(), *map(type, options.values())) if options else name
            found = self._shapes.get(key)
        except TypeError:  # an unhashable value: an error to be told by the checks
            key = found = None
        if found is None:
            merged = {**self.defaults, **options}
            found = self._build(name, check(merged))
            # What depends on the present, or hardly comes again, is not worth keeping.
            if key is not None and not isinstance(merged.get("delay"), datetime) and "job_id" not in options:
                if len(self._shapes) >= 1000:
                    self._shapes.clear()
                self._shapes[key] = found
        return found

    def _build(self, name: object, options: JobOptions) -> Shape:
        if not isinstance(name, str):
            raise OptionsError(f"job name {name!r}: a job's name is a string")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise OptionsError(f"job name {name!r}: not valid Unicode") from None
        stamp = options.get("timestamp")
        timestamp_ms = None if stamp is None else aware_ms("timestamp", stamp)
        delay = options.get("delay", 0)
        if isinstance(delay, datetime):
            base = self._clock() if timestamp_ms is None else timestamp_ms
            delay_ms = max(aware_ms("delay", delay) - base, 0)
        else:
            delay_ms = milliseconds("delay", delay)
        dedup = options.get("deduplication")
        parent = wire.parent_of(options["parent"]) if "parent" in options else None
        if parent is not None and dedup is not None:
            raise OptionsError(
                "deduplication and parent: a child can't be deduplicated, its parent would wait for ever"
            )
        failure = options.get("on_child_failure")
        if parent is None and failure is not None and failure != self.defaults.get("on_child_failure"):
            raise OptionsError(f"on_child_failure={failure!r} says what happens to the parent: give one")
        return Shape(
            name=name,
            opts=orjson.dumps(wire.options_to_wire(options, delay_ms)).decode(),
            delay_ms=delay_ms,
            priority=options.get("priority", 0),
            lifo=options.get("lifo", False),
            timestamp_ms=timestamp_ms,
            size_limit=options.get("size_limit"),
            deduplication="" if dedup is None else orjson.dumps(wire.deduplication_to_wire(dedup)).decode(),
            parent_key="" if parent is None else parent.key,
            parent="" if parent is None else wire.parent_field(parent, failure),
        )


def _check_size(shape: Shape, text: str) -> None:
    size = len(text.encode())
    if shape.size_limit is not None and size > shape.size_limit:
        raise PayloadError(f"the data of job {shape.name!r} has {size} bytes; size_limit is {shape.size_limit}")


@dataclass(frozen=True, slots=True)
class Added:
    """The answer to an add call: the id of each job (or of the one that stands for it), and which were not added."""

    ids: list[str]
    duplicates: frozenset[int]
    refused: Mapping[int, int] = field(default_factory=dict[int, int])
    """Positions that were refused, each with the negative code that says why."""


def add_jobs(keys: Keys, jobs: Sequence[NewJob], producer: str, number: int) -> Call[Added]:
    """Add jobs in this order. `producer` and `number` name the call, so that sending it twice adds nothing twice."""

    def read(reply: Any) -> Added:
        first, existing, suppressed, refused = reply
        ids = [job.own_id or str(first + at) for at, job in enumerate(jobs)]
        positions = {position - 1 for position in existing}
        for at in range(0, len(suppressed), 2):
            position = int(suppressed[at]) - 1
            ids[position] = suppressed[at + 1]
            positions.add(position)
        codes = iter(refused)
        return Added(
            ids, frozenset(positions), {position - 1: code for position, code in zip(codes, codes, strict=True)}
        )

    return call(
        "add_jobs",
        keys,
        read,
        *_groups(jobs),
        extra_keys={"receipt": keys.receipt(producer)},
        prefix=keys.prefix,
        number=number,
        receipt_ms=RECEIPT_MS,
    )


def first_refusal(keys: Keys, jobs: Sequence[NewJob], refused: Mapping[int, int]) -> Refused | None:
    """The error for the first of these jobs that was refused; None if none was. The others have been added."""
    if not refused:
        return None
    position = min(refused)
    job, code = jobs[position], refused[position]
    error = refusal(code, job.own_id if code == HAS_OTHER_PARENT else job.shape.parent_key, keys.name)
    if len(jobs) > 1:
        error.add_note(f"{len(refused)} of {len(jobs)} jobs were refused; the others were added")
    return error


def _groups(jobs: Sequence[NewJob]) -> list[Argument]:
    """Runs of equal jobs: what they share once, then for each its own id, if any has one, and its data."""
    rest: list[Argument] = []
    start = 0
    while start < len(jobs):
        first = jobs[start]
        end = start + 1
        with_ids = first.own_id != ""
        while end < len(jobs) and _alike(first, jobs[end], with_ids):
            end += 1
        shape = first.shape
        rest += (end - start, shape.name, shape.opts, first.timestamp_ms)
        rest += (shape.delay_ms, shape.priority, int(shape.lifo), int(with_ids), shape.deduplication)
        rest += (shape.parent_key, shape.parent)
        for job in jobs[start:end]:
            if with_ids:
                rest.append(job.own_id)
            rest.append(job.data)
        start = end
    return rest


def _alike(one: NewJob, other: NewJob, with_ids: bool) -> bool:
    return (
        (other.shape is one.shape or other.shape == one.shape)
        and other.timestamp_ms == one.timestamp_ms
        and (other.own_id != "") == with_ids
    )


def stored(job: NewJob, job_id: str) -> JobRecord:
    """What was stored of a job that was just added."""
    shape = job.shape
    fields = {
        "name": shape.name,
        "data": job.data,
        "opts": shape.opts,
        "timestamp": str(job.timestamp_ms),
        "delay": str(shape.delay_ms),
        "priority": str(shape.priority),
    }
    if shape.parent:
        fields |= {"parentKey": shape.parent_key, "parent": shape.parent}
    if shape.deduplication:
        fields["deid"] = orjson.loads(shape.deduplication)["id"]
    record = JobRecord(job_id, fields)
    record.data = job.value
    return record
