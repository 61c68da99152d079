"""What the dashboard asks Redis itself: server facts, and a few fields of many jobs without what is large of them.

All of it is reading. Where the server does not let us (rights, or a provider that blocks the command) the answer is
None, and whoever asked shows less.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ... import DamagedJob, Job, JobState, Queue
from ...errors import ConnectionFailed, ScriptError, is_forbidden
from ...protocol.call import call
from ...protocol.keys import Keys
from ...protocol.record import JobRecord
from ...protocol.states import HOLDERS as KEYS
from ..board import Board

SCORE_STEP = 4096
"""The score of a delayed job is the time that it is due, times this."""


async def ask_redis(board: Board, *command: str | int | float) -> Any:
    """What Redis answers; None if our user of it may not ask."""
    try:
        return await board.connection.transport.execute(*command)
    except ConnectionFailed as error:
        if not is_forbidden(error):
            raise
        return None


async def _ask(board: Board, *command: str | int) -> Any:
    """The same; None, too, for a command that this server, or its provider, doesn't have."""
    try:
        return await ask_redis(board, *command)
    except ScriptError:
        return None


async def info(board: Board) -> dict[str, str] | None:
    """What the server tells of itself."""
    text = await _ask(board, "INFO")
    if text is None:
        return None
    pairs = (line.partition(":") for line in str(text).splitlines() if not line.startswith("#"))
    return {name: value for name, separator, value in pairs if separator}


async def setting(board: Board, name: str) -> str | None:
    """A setting of the server."""
    found = await _ask(board, "CONFIG", "GET", name)
    return str(found[1]) if found and len(found) > 1 else None


async def clients(board: Board) -> list[dict[str, str]] | None:
    """Who is connected to the server."""
    text = await _ask(board, "CLIENT", "LIST")
    if text is None:
        return None
    rows: list[dict[str, str]] = []
    for line in str(text).splitlines():
        words = (word.partition("=") for word in line.split(" "))
        rows.append({name: value for name, separator, value in words if separator})
    return rows


async def columns(
    board: Board, queue: Queue, state: str, names: Sequence[str], start: int, count: int
) -> list[tuple[str, ...]]:
    """(id, fields …) of a range of active jobs, or of finished ones, the newest first.

    What isn't there is empty, and so is what has more than `LARGEST_TEXT` bytes.
    """
    heavy = tuple(name for name in names if name in MAY_BE_LARGE)
    reading = Reading(tuple(name for name in names if name not in heavy), heavy, LARGEST_TEXT, BUDGET)
    found: list[tuple[str, Light | None]] = []
    end = start + count
    while start < end:
        some, in_all = await _in_range(board, queue, state, start, end - start, False, reading)
        found += some
        start += len(some)
        end = min(end, start - len(some) + in_all)
    return [
        (job_id, *("" if job is None else job.job.record.fields.get(name, "") for name in names))
        for job_id, job in found
    ]


# -------------------------------------------------------------------------------------------- fields of many jobs

LARGEST = 16 * 1024
"""JSON of more bytes is not read for a list, only its size is: a part of it could not be redacted."""
LARGEST_TEXT = 256 * 1024
"""The same for what failures are told apart by."""
BUDGET = 8 * 2**20
"""About how many bytes are read at once."""

WALK = 500
"""How many jobs one step of a walk reads."""
OVERLAP = 200
"""How many of the last step are read again, since jobs may have gone from before them."""
REMEMBERED = 10_000

ROW = (
    *("timestamp", "processedOn", "finishedOn", "priority", "attemptsMade", "atm", "stc", "pb", "rjk", "parentKey"),
    *("parent",),
)
ROW_HEAVY = ("name", "data", "opts", "progress", "failedReason")
"""What a row of a list shows, and the fields of it that may be large."""


MAY_BE_LARGE = frozenset({*ROW_HEAVY, "stacktrace", "returnvalue"}) - {"opts"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read of jobs: `heavy` fields only if they have at most `most` bytes. Of texts, so much is read."""

    names: tuple[str, ...] = ROW
    heavy: tuple[str, ...] = ROW_HEAVY
    most: int = LARGEST
    budget: int = 0

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.heavy, *self.names)


@dataclass(frozen=True, slots=True)
class Light:
    """A job of which not all was read."""

    job: Job
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    """How large the fields are that were left where they are."""


async def page(
    board: Board, queue: Queue, state: str, start: int, count: int, upward: bool, reading: Reading = Reading()
) -> list[Light]:
    """The jobs of a range of a state as lists need them. Those of which nothing is there are left out."""
    found, _ = await _in_range(board, queue, state, start, count, upward, reading)
    return [job for _, job in found if job is not None]


async def some(
    board: Board, queue: Queue, state: str, start: int, count: int, upward: bool, reading: Reading
) -> list[tuple[str, Light | None]]:
    """The ids and jobs of a range, fewer if they are large; None for an id whose job is gone."""
    return (await _in_range(board, queue, state, start, count, upward, reading))[0]


async def walk(
    board: Board, queue: Queue, state: str, reading: Reading, total: int, gone: Callable[[], int]
) -> AsyncIterator[list[Light | None]]:
    """The jobs that are in a state, some at a time; whoever walks may move or remove them meanwhile.

    No more than `total`: jobs that come back while it goes on are not met again for ever. `gone` says how many of those
    that were met have been taken away.
    """
    steps = _walk_list if KEYS[JobState(state)] == "wait" else _walk_set
    looked = 0
    async for found in steps(board, queue, state, reading, gone):
        found = found[: total - looked]
        if not found:
            return
        looked += len(found)
        yield found


async def _walk_set(
    board: Board, queue: Queue, state: str, reading: Reading, gone: Callable[[], int]
) -> AsyncIterator[list[Light | None]]:
    """Oldest, or next to run, first, from place to place: it doesn't matter what goes."""
    score, job_id = "0", ""
    while True:
        asked = call(
            "read_after",
            queue.keys,
            list[Any],
            *reading.fields,
            extra_keys={"holder": queue.keys.one(KEYS[JobState(state)])},
            prefix=queue.keys.prefix,
            score=score,
            id=job_id,
            count=WALK,
            heavy=len(reading.heavy),
            most=reading.most,
            budget=reading.budget,
        )
        flat = await board.connection.run(asked)
        if not flat:
            return
        job_id, score = str(flat[-3]), str(flat[-2])
        yield [light(board, queue.keys, reading, str(flat[at]), flat[at + 2]) for at in range(0, len(flat), 3)]


async def _walk_list(
    board: Board, queue: Queue, state: str, reading: Reading, gone: Callable[[], int]
) -> AsyncIterator[list[Light | None]]:
    """Next to run first, up to the one that is the newest at the beginning.

    Places move meanwhile, so some that were met are read again: what comes behind the last of them is new. If none of
    them is there, many have gone, and it looks further back.
    """
    newest, _ = await _in_range(board, queue, state, 0, 1, False, Reading((), ()))
    seen: dict[str, None] = {}
    place = back = 0
    while newest and newest[0][0] not in seen:
        start = max(place - OVERLAP - back, 0)
        found, in_all = await _in_range(board, queue, state, start, WALK + OVERLAP, True, reading)
        last = max((at for at, (job_id, _) in enumerate(found) if job_id in seen), default=-1)
        if last < 0 and start:
            back += WALK
            continue
        end = next((at for at, (job_id, _) in enumerate(found) if job_id == newest[0][0]), len(found))
        fresh, back = found[last + 1 : end + 1], 0
        place = start + len(found)
        if not fresh:
            if in_all <= len(found):
                return
            place += OVERLAP
            continue
        seen.update(dict.fromkeys(job_id for job_id, _ in fresh))
        while len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        before = gone()
        yield [job for _, job in fresh]
        place -= gone() - before


async def _in_range(
    board: Board, queue: Queue, state: str, start: int, count: int, upward: bool, reading: Reading
) -> tuple[list[tuple[str, Light | None]], int]:
    """What of a range was read, and how many ids there are in it."""
    one = JobState(state)
    holder = queue.keys.one(KEYS[one])
    asked = call(
        "read_fields",
        queue.keys,
        list[Any],
        *reading.fields,
        extra_keys={"holder": holder, "aside": queue.keys.one("paused") if one is JobState.WAITING else holder},
        prefix=queue.keys.prefix,
        start=start,
        stop=start + count - 1,
        descending=int(not upward),
        heavy=len(reading.heavy),
        most=reading.most,
        budget=reading.budget,
    )
    in_all, *flat = await board.connection.run(asked)
    found = [
        (str(flat[at]), light(board, queue.keys, reading, str(flat[at]), flat[at + 1])) for at in range(0, len(flat), 2)
    ]
    return found, in_all


def light(board: Board, keys: Keys, reading: Reading, job_id: str, found: Any) -> Light | None:
    """A job of what was read; None if nothing is there."""
    if found is None:
        return None
    if isinstance(found, str):
        record, sizes = JobRecord(job_id, {}, f"the job's key is of type {found}, not a hash"), dict[str, int]()
    else:
        values = list(zip(reading.fields, found, strict=False))
        record = JobRecord(job_id, {name: value for name, value in values if isinstance(value, str)})
        sizes = {name: value for name, value in values if isinstance(value, int)}
    kind = DamagedJob if record.damage() else Job
    return Light(kind(record, keys, board.connection, clock=board.clock), sizes)


async def finished_between(board: Board, queue: Queue, state: str, since: str, until: str) -> int:
    """How many finished jobs of a state ended in a range of time; the bounds are those of `ZCOUNT`."""
    return int(await _ask(board, "ZCOUNT", queue.keys.one(KEYS[JobState(state)]), since, until) or 0)


async def due_times(board: Board, queue: Queue, ids: Sequence[str]) -> dict[str, int]:
    """When delayed jobs are due."""
    if not ids:
        return {}
    scores: list[str | None] = await _ask(board, "ZMSCORE", queue.keys.one("delayed"), *ids) or []
    return {
        job_id: int(float(score) // SCORE_STEP) for job_id, score in zip(ids, scores, strict=False) if score is not None
    }


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run of a scheduler."""

    state: str
    started: int | None
    """When its last attempt was."""
    finished: int | None
    starts: int | None
    """How often it was taken."""
    value: str
    """What it gave, as JSON; empty if it is long, or there is none."""


async def runs(board: Board, queue: Queue, ids: Sequence[str]) -> dict[str, Ran]:
    """Those of these jobs that are there, without what they carry."""
    there: dict[str, Ran] = {}
    for at in range(0, len(ids), WALK):
        some = ids[at : at + WALK]
        asked = call("read_runs", queue.keys, list[Any], *some, prefix=queue.keys.prefix)
        parts = iter(map(str, await board.connection.run(asked)))
        for job_id, state, started, finished, starts, value in zip(some, *[parts] * 5, strict=True):
            if state:
                there[job_id] = Ran(state, _whole(started), _whole(finished), _whole(starts), value)
    return there


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 17 else None


async def log_count(board: Board, queue: Queue, job_id: str) -> int:
    """How many log lines a job has."""
    return int(await _ask(board, "LLEN", f"{queue.keys.job(job_id)}:logs") or 0)


LONGEST_LINE = 80_000
"""How many bytes of a line of a log are read."""
LOG_BUDGET = 2**20
"""About how many bytes of lines are read at once: each is looked through for secrets."""


async def log_lines(
    board: Board, queue: Queue, job_id: str, start: int, count: int, newest: bool = False
) -> tuple[list[str], int, int]:
    """Lines of a log, oldest first; the place of the first of them; and how many there are in all.

    Fewer than asked for if they are long: the first of them, with `newest` the last. A negative start counts from the
    end.
    """
    asked = call(
        "read_log_lines",
        queue.keys,
        list[Any],
        prefix=queue.keys.prefix,
        id=job_id,
        start=start,
        count=count,
        most=LONGEST_LINE,
        budget=LOG_BUDGET,
        newest=int(newest),
    )
    total, first, *lines = await board.connection.run(asked)
    return list(map(str, lines)), first, total


async def counted_before(board: Board, queue: Queue, kind: str) -> int | None:
    """How many jobs had ended so when the present minute began, for workers that count."""
    text = await _ask(board, "HGET", f"{queue.keys.prefix}metrics:{kind}", "prevCount")
    return int(text) if text and str(text).isdigit() else None
