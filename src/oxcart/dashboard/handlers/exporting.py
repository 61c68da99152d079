"""Exporting: jobs as a file, sent while they are read, so that there is never more than a handful of them in memory."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypedDict, cast
from weakref import WeakKeyDictionary

from ... import Job, Queue
from ..access import Access
from ..ask import Ask, Refusal, invalid
from ..board import Board
from ..reading import direct, family, rows
from ..reading.finding import STATES, Search, Wanted, parse_states
from ..web.answers import File

MOST = 100_000
"""How many jobs one file holds."""

MOST_IDS = 1000
SECONDS = 600
"""How long one file may take."""

MOST_AT_ONCE = 3
"""How many files a dashboard makes at once."""
MOST_OF_ONE = 2
"""How many of them one user has."""

STEP = 375
"""How many jobs are read at once, unless they are large."""

AT_ONCE = 25
"""How many of them are written at once."""

HEAVY = 4_000_000
"""How many characters of jobs are kept at once, about."""

MEDIA = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
}
FORMATS = tuple(MEDIA)


class Exported(TypedDict):
    """A job in a file. Times are those of ISO 8601, in UTC."""

    id: str
    name: str
    queue: str
    state: str
    created: str | None
    due: str | None
    started: str | None
    finished: str | None
    priority: int
    attempts_made: int
    attempts: int
    stalled: int
    worker: str | None
    scheduler: str | None
    progress: Any
    failed_reason: str | None
    data: Any
    return_value: Any
    options: Any
    damaged: str | None
    """Why it can't be read, if it can't: then something of it is missing here."""


COLUMNS = tuple(Exported.__annotations__)
_AS_JSON = frozenset({"progress", "data", "return_value", "options"})

Batch = list[tuple[Job, str]]
"""Jobs, each with its state."""


async def export(board: Board, ask: Ask) -> File:
    """`GET /queues/{queue}/export`: jobs of a state, those that fit a filter, or those with these `ids`, as a file.

    The newest come first; at most 100,000. A file that does not hold all says so in its last record.
    """
    if not ask.access.may("view_data"):
        raise Refusal(403, "forbidden", "You may not see the data of jobs, so they can't be exported.")
    kind = ask.one_of("format", FORMATS, "csv")
    queue = await board.queue(ask)
    source = _source(board, ask, queue)
    places = _RUNNING.setdefault(board, Counter[str | None]())
    if places.total() >= MOST_AT_ONCE or places[ask.access.user] >= MOST_OF_ONE:
        raise Refusal(429, "too_many", "Enough exports run already. Wait until one is done.")
    places[ask.access.user] += 1
    try:
        total = await source.total()
        batches = source.batches()
        # What can't be right, or a Redis that is away, is told while there is still a way to tell it.
        first = await anext(batches, None)
    except BaseException:
        places[ask.access.user] -= 1
        raise
    pieces = _pieces(board, ask.access, queue, _WRITERS[kind](), first, batches)
    head = await anext(pieces)  # it has begun: from here on it is its own end that makes room, even if nobody reads it
    day = datetime.fromtimestamp(board.clock() / 1000, UTC)
    return File(
        _joined(head, pieces),
        MEDIA[kind],
        f"{queue.name}-{source.name}-{day:%Y-%m-%d}.{kind}",
        {"X-Oxcart-Total": str(total), "X-Oxcart-Limit": str(MOST)},
        f"{kind}, {source.name}: at most {min(total, MOST):,} jobs",
    )


# ------------------------------------------------------------------------------------------------------ what goes in


class _Ids:
    """The jobs with these ids, as far as they are there."""

    name = "selected"

    def __init__(self, queue: Queue, ids: Sequence[str]) -> None:
        self._queue = queue
        self._ids = ids

    async def total(self) -> int:
        return len(self._ids)

    async def batches(self) -> AsyncIterator[Batch]:
        for at in range(0, len(self._ids), 10):
            found = await asyncio.gather(*map(self._one, self._ids[at : at + 10]))
            yield [one for one in found if one is not None]

    async def _one(self, job_id: str) -> tuple[Job, str] | None:
        job = await self._queue.job(job_id)
        return None if job is None else (job, str(await job.state()))


class _Found:
    """The jobs of some states that fit a filter."""

    def __init__(self, search: Search, name: str) -> None:
        self.name = name
        self._search = search

    async def total(self) -> int:
        return await self._search.total()

    async def batches(self) -> AsyncIterator[Batch]:
        cursor: str | None = None
        limit = 25
        seen: set[str] = set()
        while True:
            found = await self._search.step(cursor, limit)
            # One that came in, or moved on, meanwhile would come twice.
            fresh = [(job, state) for job, state in found.jobs if job.id not in seen]
            seen.update(job.id for job, _ in fresh)
            yield fresh
            cursor = found.cursor
            if cursor is None:
                return
            size = sum(_weight(job) for job, _ in found.jobs) // max(len(found.jobs), 1)
            limit = max(1, min(STEP, HEAVY // max(size, 1)))


def _weight(job: Job) -> int:
    return sum(map(len, job.record.fields.values()))


def _source(board: Board, ask: Ask, queue: Queue) -> _Ids | _Found:
    states = parse_states(ask.text("state"))
    wanted = Wanted.parse(ask.query, ask.access)
    given = ask.query.get("ids")
    if given is not None:
        return _Ids(queue, _ids(given))
    search = Search(board, ask.access, queue, wanted, states, named=ask.text("q"), backwards=True)
    name = "all" if len(states) == len(STATES) else "+".join(states)
    return _Found(search, name if wanted.everything else f"{name}-found")


def _ids(given: str) -> list[str]:
    """Ids with commas between them, or as a JSON array: ids may have commas in them."""
    found: object = given.split(",")
    if given.startswith("["):
        try:
            found = json.loads(given)
        except (ValueError, RecursionError):
            raise invalid("ids: ids with commas between them, or a JSON array of them") from None
    ids = cast(list[object], found) if isinstance(found, list) else []
    if not ids or not all(isinstance(one, str) and one for one in ids):
        raise invalid("ids: ids with commas between them, or a JSON array of them")
    if len(ids) > MOST_IDS:
        raise invalid(f"ids: at most {MOST_IDS}; more by a state or a filter")
    return list(dict.fromkeys(cast(list[str], ids)))


# --------------------------------------------------------------------------------------------------- how it is made


_RUNNING: WeakKeyDictionary[Board, Counter[str | None]] = WeakKeyDictionary()
"""How many are made for each user."""


async def _pieces(
    board: Board, access: Access, queue: Queue, writer: Writer, first: Batch | None, batches: AsyncIterator[Batch]
) -> AsyncIterator[str]:
    """The file, some jobs at a time. It was counted as one that runs."""
    ends = time.monotonic() + SECONDS
    written = 0
    cut: str | None = None
    batch = first
    try:
        yield writer.begin()
        while batch is not None and cut is None:
            room = MOST - written
            if len(batch) > room:
                cut = f"Only the first {MOST:,} jobs are in this file."
            batch = batch[:room]
            due = await _due_times(board, queue, batch)
            for at in range(0, len(batch), AT_ONCE):
                some = batch[at : at + AT_ONCE]
                write = partial(_written, board, access, writer, some, due)
                yield await rows.aside(sum(_weight(job) for job, _ in some), write)
                await asyncio.sleep(0)  # others want their answers too
            written += len(batch)
            batch = await anext(batches, None)
            if batch is not None and cut is None and time.monotonic() > ends:
                cut = f"It took more than {SECONDS // 60} minutes: what was still to be looked at is not in this file."
        yield writer.end(cut)
    finally:
        _RUNNING[board][access.user] -= 1
        await cast(Any, batches).aclose()


def _written(board: Board, access: Access, writer: Writer, some: Batch, due: dict[str, int]) -> str:
    return "".join(writer.job(exported(board, access, job, state, due.get(job.id))) for job, state in some)


async def _joined(head: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    try:
        yield head
        async for piece in pieces:
            yield piece
    finally:
        await cast(Any, pieces).aclose()


async def _due_times(board: Board, queue: Queue, batch: Batch) -> dict[str, int]:
    return await direct.due_times(board, queue, [job.id for job, state in batch if state == "delayed"])


def exported(board: Board, access: Access, job: Job, state: str, due: int | None = None) -> Exported:
    """A job as it stands in a file: redacted as it is in the page, but whole."""
    fields = job.record.fields
    options = family.options_of(board, access, job)
    attempts = options.get("attempts")

    def safe(value: Any) -> Any:
        return rows.clean(rows.redacted(board, job.queue_name, value)[0])

    def text(value: str | None) -> str | None:
        return None if value is None else rows.sendable(board.redactor.text(value))

    return {
        "id": rows.sendable(job.id),
        "name": text(job.name) or "",
        "queue": job.queue_name,
        "state": state,
        "created": iso(rows.whole(fields.get("timestamp"))),
        "due": iso(due),
        "started": iso(rows.whole(fields.get("processedOn"))),
        "finished": iso(rows.whole(fields.get("finishedOn"))),
        "priority": rows.whole(fields.get("priority")) or 0,
        "attempts_made": job.attempts_made,
        "attempts": max(int(attempts), 1) if rows.is_number(attempts) else 1,
        "stalled": job.stalled_count,
        "worker": text(job.processed_by),
        "scheduler": None if job.scheduler_id is None else rows.sendable(job.scheduler_id),
        "progress": safe(job.progress),
        "failed_reason": text(job.failed_reason),
        "data": safe(job.data),
        "return_value": safe(job.return_value),
        "options": safe(options),
        "damaged": rows.damage(job),
    }


def iso(ms: int | None) -> str | None:
    """A point in time as ISO 8601 writes it; as the number that it is if no calendar has it."""
    if ms is None:
        return None
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"
    except (ValueError, OverflowError, OSError):
        return str(ms)


# ---------------------------------------------------------------------------------------------------------- formats


class Csv:
    """As RFC 4180 has it: commas, CRLF, quotes where they are needed; a head, then a line for each job."""

    def begin(self) -> str:
        return _line(COLUMNS)

    def job(self, job: Exported) -> str:
        return _line([_cell(name, value) for name, value in job.items()])

    def end(self, cut: str | None) -> str:
        return "" if cut is None else _line(["", cut, *[""] * (len(COLUMNS) - 2)])


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _AS_JSON:
        value = rows.as_json(value)
    return guarded(value) if isinstance(value, str) else str(value)


_SIGNS = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_UNSEEN = r"\s\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
_LIVE = re.compile(rf"[{_UNSEEN}]*{_SIGNS}|[\x00-\x1f\x7f-\x9f]")
# Where another character than the comma separates, as in most of Europe, a cell begins behind that one. What stands
# between holds no separator, so that a text of many is gone through once.
_LIVE_WITHIN = re.compile(rf"([;\t\r\n](?:(?![;\t\r\n])[{_UNSEEN}])*)(?={_SIGNS})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula, and that does nothing to a terminal."""
    if text[:1].isalnum() and text.isprintable() and ";" not in text:
        return text
    begins_live = _LIVE.match(text) is not None
    text = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    text = _LIVE_WITHIN.sub(r"\1'", text)
    return f"'{text}" if begins_live else text


def _line(cells: Sequence[str]) -> str:
    # Of large cells, the csv module looks at each character by itself.
    return ",".join(_quoted(cell) if _SPECIAL.search(cell) else cell for cell in cells) + "\r\n"


_SPECIAL = re.compile('[",\r\n]')


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


class Ndjson:
    """A JSON object on each line."""

    def begin(self) -> str:
        return ""

    def job(self, job: Exported) -> str:
        return rows.as_json(job) + "\n"

    def end(self, cut: str | None) -> str:
        return "" if cut is None else rows.as_json({"cut": cut}) + "\n"


class Json:
    """One JSON array."""

    def __init__(self) -> None:
        self._separator = "\n"

    def begin(self) -> str:
        return "["

    def job(self, job: Exported) -> str:
        return self._next(job)

    def end(self, cut: str | None) -> str:
        return ("" if cut is None else self._next({"cut": cut})) + "\n]\n"

    def _next(self, value: Any) -> str:
        text = self._separator + rows.as_json(value)
        self._separator = ",\n"
        return text


Writer = Csv | Ndjson | Json
_WRITERS: dict[str, type[Csv] | type[Ndjson] | type[Json]] = {"csv": Csv, "ndjson": Ndjson, "json": Json}
