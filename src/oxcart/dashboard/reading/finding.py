"""Finding: the jobs of a queue that fit what is asked, looked for in bounded steps that can be resumed.

A user finds what that user may see: jobs are matched as they are shown, with their secrets masked.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ... import Job, Queue
from .. import shapes
from ..access import Access
from ..ask import Refusal, invalid
from ..board import Board
from . import direct, rows, traces

STATES = ("waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed")
FINISHED = ("completed", "failed")
ALIASES = {"wait": "waiting", "paused": "waiting", "waiting_children": "waiting-children"}

LATEST = 2**53 - 1
"""Later than any job was finished, in ms."""

LONGEST_TEXT = 500

LOOKS = 2000
"""How many jobs one step looks at."""

SECONDS = 1.0
"""How long one step may take."""

FIRST_CHUNK, LARGEST_CHUNK = 25, 200
"""How many jobs are read at once: fewer if they turn out to be large."""

LARGE = 2_000_000
"""How many characters of data are read at once, about."""


def parse_states(text: str | None) -> list[str]:
    """The states that a query names, separated by commas; all if it names none."""
    named = [ALIASES.get(word.strip(), word.strip()) for word in (text or "").split(",") if word.strip()]
    for name in named:
        if name not in STATES:
            raise invalid(f"state={name[:40]!r}: one of {', '.join(STATES)}")
    return list(dict.fromkeys(named)) or list(STATES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job must have, all of it. Texts fit in whatever case, anywhere in the place."""

    text: str | None = None
    """In its id, name, data or failure; with a path, at that place of its data."""
    path: tuple[str, ...] | None = None
    name: str | None = None
    error: str | None = None
    """In the reason that it failed for, or in its stack traces."""
    fingerprint: str | None = None
    """That of the group of failures it belongs to."""
    since: int | None = None
    """Finished (in other states: added) at or after this time, in ms."""
    until: int | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any], access: Access) -> Wanted:
        """From the words of a query or a filter: q, path, name, error, fingerprint, from, to."""
        path = _text(given, "path")
        if path is not None and not access.may("view_data"):
            raise Refusal(403, "forbidden", "You may not see the data of jobs, so they can't be searched.")
        return cls(
            text=_folded(given, "q"),
            path=None if path is None else parse_path(path),
            name=_folded(given, "name"),
            error=_folded(given, "error"),
            fingerprint=_text(given, "fingerprint"),
            since=_time(given, "from"),
            until=_time(given, "to"),
        )

    @property
    def everything(self) -> bool:
        """Whether any job fits."""
        return self == Wanted()

    def reading(self, access: Access) -> direct.Reading:
        """What has to be read of jobs to tell whether they fit, and to show them in a list."""
        whole: list[str] = []
        if self.error is not None or self.fingerprint is not None:
            whole += ["failedReason", "stacktrace"]
        if self.text is not None and self.path is None:
            whole += ["name", "failedReason"]
        if (self.text is not None or self.path is not None) and access.may("view_data"):
            whole.append("data")
        heavy = tuple(name for name in direct.ROW_HEAVY if name not in whole)
        return direct.Reading((*direct.ROW, *dict.fromkeys(whole)), heavy, budget=direct.BUDGET)

    @property
    def timed(self) -> bool:
        return self.since is not None or self.until is not None

    def fits(self, board: Board, access: Access, job: Job, state: str) -> bool:
        """Whether a job has all of it. The cheap things are looked at first."""
        return (
            self._in_time(job, state)
            and (self.name is None or self.name in board.redactor.text(job.name).casefold())
            and (self.error is None or self._in_failure(board, job, self.error, traced=True))
            and (self.fingerprint is None or traces.failure_of(board, job).fingerprint == self.fingerprint)
            and (self._at_path(board, access, job) if self.path is not None else self._anywhere(board, access, job))
        )

    def _in_time(self, job: Job, state: str) -> bool:
        if not self.timed:
            return True
        at = rows.whole(job.record.fields.get("finishedOn" if state in FINISHED else "timestamp"))
        return at is not None and (self.since or 0) <= at <= (LATEST if self.until is None else self.until)

    def _in_failure(self, board: Board, job: Job, text: str, traced: bool) -> bool:
        places = [job.failed_reason or "", *(job.stacktrace if traced else ())]
        return any(text in place.casefold() and text in board.redactor.text(place).casefold() for place in places)

    def _anywhere(self, board: Board, access: Access, job: Job) -> bool:
        if self.text is None:
            return True
        if self.text in job.id.casefold() or self.text in board.redactor.text(job.name).casefold():
            return True
        return self._in_failure(board, job, self.text, traced=False) or self._in_data(board, access, job, self.text)

    def _in_data(self, board: Board, access: Access, job: Job, text: str) -> bool:
        if not access.may("view_data"):
            return False
        stored = job.record.fields.get("data", "")
        # What is left when secrets are masked was there before: only what fits unmasked is worth the work.
        if text not in stored.casefold() and not ("\\" in stored and text in as_text(job.data).casefold()):
            return False
        if access.may("reveal"):
            return True
        shown = rows.redacted(board, job.queue_name, job.data)[0]
        return text in rows.as_json(shown).casefold() or text in as_text(shown).casefold()

    def _at_path(self, board: Board, access: Access, job: Job) -> bool:
        steps = self.path or ()
        if not self._stands_there(at_path(job.data, steps)):
            return False
        # What is below a hidden value is hidden, too: also whether there is anything.
        return access.may("reveal") or self._stands_there(
            at_path(rows.redacted(board, job.queue_name, job.data)[0], steps)
        )

    def _stands_there(self, value: Any) -> bool:
        return value is not _NOTHING and (self.text is None or self.text in as_text(value).casefold())


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise invalid(f"{name}: a text of at most {LONGEST_TEXT} characters")
    return value


def _folded(given: Mapping[str, Any], name: str) -> str | None:
    text = _text(given, name)
    return None if text is None else text.casefold()


def _time(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(r"\d{1,16}", value, re.ASCII):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LATEST:
        raise invalid(f"{name}: a time in milliseconds since 1970")
    return value


# ---------------------------------------------------------------------------------------------- places in data

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_NOTHING: Any = object()


def parse_path(path: str) -> tuple[str, ...]:
    """The steps of a path such as `user.email`, `items[0].sku` or `$.items.0.sku`."""
    rest = path.removeprefix("$")
    steps: list[str] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise invalid(f"path={path[:40]!r}: names and numbers, such as user.email or items[0].sku")
        steps.append(match[1] or match[2])
        at = match.end()
    if not steps:
        raise invalid(f"path={path[:40]!r}: at least one name, such as userId")
    return tuple(steps)


def at_path(value: Any, steps: Sequence[str]) -> Any:
    """What stands at a place of a value."""
    for step in steps:
        if isinstance(value, dict):
            value = cast(dict[str, Any], value).get(step, _NOTHING)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
            items = cast(list[Any], value)
            value = items[int(step)] if int(step) < len(items) else _NOTHING
        else:
            return _NOTHING
    return value


def as_text(value: Any) -> str:
    """All texts and numbers in a value, a line each, as they were meant: without what JSON does to them."""
    return "\n".join(_leaves(value))


def _leaves(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > rows.DEEPEST:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in cast("dict[str, Any]", value).items():
            yield str(name)
            yield from _leaves(item, depth + 1)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _leaves(item, depth + 1)
    elif value is not _NOTHING:
        yield rows.as_json(value)


# --------------------------------------------------------------------------------------------------- searching


@dataclass(slots=True)
class Found:
    """What a step found, and how far it came."""

    jobs: list[tuple[Job, str]] = field(default_factory=list[tuple[Job, str]])
    """Each with its state."""
    looked_at: int = 0
    cursor: str | None = None
    """To go on from; None when all was looked at."""
    sizes: dict[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    """By the ids of jobs, how large the fields are that were not read."""


@dataclass(slots=True)
class _Position:
    """Where a search is in one state: at an offset, which of finished jobs is told by time, since others come before.

    `at` is when the job finished that was looked at last, and `same` how many of that very time have been.
    """

    offset: int = 0
    at: int | None = None
    same: int = 0

    def passed(self, finished: int | None) -> None:
        self.offset += 1
        self.same = self.same + 1 if finished is not None and finished == self.at else 1
        self.at = finished


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How much one step may do."""

    limit: int
    looks: int
    deadline: float

    def reached(self, found: Found) -> bool:
        """However slow it is, each step comes further."""
        late = time.monotonic() > self.deadline
        return len(found.jobs) >= self.limit or (found.looked_at > 0 and (found.looked_at >= self.looks or late))


class Search:
    """Looks for jobs of a queue, state by state: finished ones newest first, others next to run first.

    `named` is the text that is looked for as it was written, since it may be an id. `backwards`: others from their end,
    so that those that workers take meanwhile don't make it pass over any that stay. `light`: of jobs only what is
    searched and what a list shows is read.
    """

    def __init__(
        self,
        board: Board,
        access: Access,
        queue: Queue,
        wanted: Wanted,
        states: Sequence[str] = STATES,
        named: str | None = None,
        backwards: bool = False,
        light: bool = False,
    ) -> None:
        self._board = board
        self._access = access
        self._queue = queue
        self._wanted = wanted
        self._named = named
        self._backwards = backwards
        self._reading = wanted.reading(access) if light else None
        # A time is when a job finished: without a state, only those that did are asked for.
        narrow = wanted.timed and len(states) == len(STATES)
        self.states = [state for state in states if state in FINISHED] if narrow else list(states)

    async def page(self, cursor: str | None, limit: int) -> shapes.SearchPage:
        """One step, as the API answers it."""
        found, total = await asyncio.gather(self.step(cursor, limit), self.total())
        delayed = [job.id for job, state in found.jobs if state == "delayed"]
        due = await direct.due_times(self._board, self._queue, delayed)
        return {
            "now": self._board.clock(),
            "jobs": [
                rows.row(self._board, self._access, job, state, due.get(job.id), found.sizes.get(job.id, rows.NOTHING))
                for job, state in found.jobs
            ],
            "looked_at": found.looked_at,
            "total": total,
            "cursor": found.cursor,
        }

    async def total(self) -> int:
        """How many jobs there are to be looked at."""
        counted = await self._queue.counts(*self.states)
        numbers = [
            await self._between(state) if self._wanted.timed and state in FINISHED else counted[state]
            for state in self.states
        ]
        return sum(numbers)

    async def step(
        self, cursor: str | None = None, limit: int = 50, looks: int = LOOKS, seconds: float = SECONDS
    ) -> Found:
        """Look at so many jobs at most, for so long at most, until so many were found."""
        found = Found()
        bounds = _Bounds(limit, looks, time.monotonic() + seconds)
        named = await self._by_id()
        seen = {named[0].id} if named else set[str]()
        if named is not None and cursor is None:
            found.jobs.append(named)
        at, position = await self._parse(cursor)
        while at < len(self.states):
            if not await self._look(found, seen, self.states[at], position, bounds):
                found.cursor = self._cursor(self.states[at], position)
                return found
            at += 1
            if at < len(self.states):
                position = await self._start(self.states[at])
        return found

    async def _look(self, found: Found, seen: set[str], state: str, position: _Position, bounds: _Bounds) -> bool:
        """Look through a state from there on; False if it had to stop before the end."""
        size, chunk = (await self._queue.counts(state))[state], FIRST_CHUNK
        while position.offset < size:
            if bounds.reached(found):
                return False
            start = position.offset
            upward = state not in FINISHED and not self._backwards
            jobs, passed = await self._read(found, state, start, chunk, upward)
            for job in jobs:
                if bounds.reached(found):
                    return False
                finished = rows.whole(job.record.fields.get("finishedOn")) if state in FINISHED else None
                if finished is not None and self._wanted.since is not None and finished < self._wanted.since:
                    return True  # older than asked for, and so are all that follow
                position.passed(finished)
                found.looked_at += 1
                if job.id not in seen and await self._fits(job, state):
                    seen.add(job.id)
                    found.jobs.append((job, state))
            position.offset = start + passed  # also past those that are gone
            read = sum(len(job.record.fields.get("data", "")) for job in jobs)
            chunk = max(chunk // 4, 1) if read > LARGE else min(chunk * 2, LARGEST_CHUNK)
        return True

    async def _fits(self, job: Job, state: str) -> bool:
        size = len(job.record.fields.get("data", ""))
        return await rows.aside(size, lambda: self._wanted.fits(self._board, self._access, job, state))

    async def _read(self, found: Found, state: str, start: int, count: int, upward: bool) -> tuple[list[Job], int]:
        """The jobs of a range, and how many places that were: fewer than asked for if they are large."""
        if self._reading is None:
            jobs = await self._queue.jobs(state, start=start, end=start + count - 1, ascending=upward)
            return jobs, count
        some = await direct.some(self._board, self._queue, state, start, count, upward, self._reading)
        there = [one for _, one in some if one is not None]
        found.sizes |= {one.job.id: one.sizes for one in there if one.sizes}
        # With nothing there at all, the end was reached.
        return [one.job for one in there], len(some) or count

    async def _by_id(self) -> tuple[Job, str] | None:
        """The job that has the text for its id: no need to look for it among all others."""
        if self._named is None or self._wanted.path is not None:
            return None
        job = await self._queue.job(self._named)
        if job is None:
            return None
        state = str(await job.state())
        wanted = state in self.states and self._wanted.fits(self._board, self._access, job, state)
        return (job, state) if wanted else None

    # ------------------------------------------------------------------------------------------------- where it is

    async def _start(self, state: str) -> _Position:
        """The newest of a state that is asked for."""
        if state in FINISHED and self._wanted.until is not None:
            newer = await direct.finished_between(self._board, self._queue, state, f"({self._wanted.until}", "+inf")
            return _Position(newer)
        return _Position()

    async def _between(self, state: str) -> int:
        since, until = self._wanted.since, self._wanted.until
        bounds = ("-inf" if since is None else str(since), "+inf" if until is None else str(until))
        return await direct.finished_between(self._board, self._queue, state, *bounds)

    def _cursor(self, state: str, position: _Position) -> str:
        if position.at is not None:
            return f"{state}@{position.at}.{position.same}"
        return f"{state}:{position.offset}"

    async def _parse(self, cursor: str | None) -> tuple[int, _Position]:
        if cursor is None:
            return 0, await self._start(self.states[0]) if self.states else _Position()
        match = re.fullmatch(r"([a-z-]+)(?::(\d{1,15})|@(\d{1,16})\.(\d{1,9}))", cursor, re.ASCII)
        if match is None or match[1] not in self.states:
            raise invalid("cursor: the cursor of an earlier page of the same search")
        at = self.states.index(match[1])
        if match[2] is not None:
            return at, _Position(int(match[2]))
        newer = await direct.finished_between(self._board, self._queue, match[1], f"({match[3]}", "+inf")
        return at, _Position(newer + int(match[4]), int(match[3]), int(match[4]))
