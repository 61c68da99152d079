"""Schedulers: which there are, when they run next, and what can be done with them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ... import InvalidState, JobOptions, OptionsError, Queue, Scheduler
from ...words import in_words
from .. import shapes
from ..access import Access
from ..ask import Ask, Refusal, invalid, not_found
from ..board import Board
from ..reading import history, rows
from ..reading.each import of_each
from ..redact import MASK, has_mask
from .job_options import read_options

MOST = 500
"""How many schedulers of a queue are listed, those first that run next."""

UPCOMING = 10
MOST_RUNS = 20
"""How many runs of a scheduler are told; fewer if there are many schedulers."""
RUNS_IN_ALL = 1500
LATE_MS = 60_000


async def listed(board: Board, ask: Ask) -> shapes.Schedulers:
    """`GET /schedulers?queue=`: those that run next come first."""
    names = await board.chosen(ask)
    found = [(name, some) for name, some in await _all_in(board, names) if some]
    most = max(3, min(MOST_RUNS, RUNS_IN_ALL // max(sum(len(some) for _, some in found), 1)))
    runs = await of_each(found, lambda one: history.runs(board, board.open(one[0]), one[1], most))
    now = board.clock()
    rows_ = [
        scheduler_row(board, ask.access, name, scheduler, now, ran.get(scheduler.id, []))
        for (name, some), ran in runs.at_least_one()
        for scheduler in some
    ]
    rows_.sort(key=lambda row: (row["ended"], row["paused"] is not None, row["next"] is None, row["next"] or 0))
    return {"now": now, "schedulers": rows_}


async def _all_in(board: Board, names: list[str]) -> list[tuple[str, list[Scheduler]]]:
    return (await of_each(names, lambda name: _all_of(board.open(name)))).at_least_one()


async def _all_of(queue: Queue) -> list[Scheduler]:
    """Those that run next, and those that are paused."""
    live, paused = await asyncio.gather(queue.schedulers(0, MOST - 1, ascending=True), queue.paused_schedulers())
    known = {scheduler.id for scheduler in live}  # it may have been resumed between the two answers
    return [*live, *(scheduler for scheduler in paused[:MOST] if scheduler.id not in known)]


def scheduler_row(
    board: Board, access: Access, queue: str, scheduler: Scheduler, now: int, runs: list[shapes.Run]
) -> shapes.SchedulerRow:
    """A scheduler in a list."""
    upcoming, problem = _upcoming_of(scheduler)
    following = _ms(scheduler.next)
    data, _, _ = rows.short(board, queue, scheduler.data, rows.LARGEST_WHOLE)
    options = rows.redacted(board, queue, rows.plain_options(scheduler.options or JobOptions()))[0]
    return {
        "id": rows.sendable(scheduler.id),
        "queue": queue,
        "name": rows.text_of(board, scheduler.name, rows.PREVIEW),
        "words": problem_words(scheduler, problem),
        "cron": None if scheduler.cron is None else rows.sendable(scheduler.cron),
        "every": _length(scheduler.every),
        "tz": None if scheduler.tz is None else rows.sendable(scheduler.tz),
        "next": None if scheduler.ended else following,
        "next_job": "" if scheduler.next is None else rows.sendable(scheduler.next_job_id),
        "upcoming": upcoming,
        "start": _ms(scheduler.start),
        "end": _ms(scheduler.end),
        "limit": scheduler.limit,
        "runs": scheduler.iterations,
        "runs_left": scheduler.runs_left,
        "offset": _length(scheduler.offset),
        "ended": scheduler.ended,
        "legacy": scheduler.legacy,
        "late": not scheduler.ended and following is not None and following + LATE_MS < now,
        "overlap": scheduler.overlap,
        "missed": scheduler.missed,
        "jitter": rows.ms_of(scheduler.jitter),
        "data": rows.clean(data) if access.may("view_data") else None,
        "options": rows.clean(options),
        "problem": problem,
        "paused": _ms(scheduler.paused_at),
        "history": runs,
    }


def problem_words(scheduler: Scheduler, problem: str | None) -> str:
    """When it runs, in words; its pattern as it is if that can't be read."""
    if scheduler.cron is None and not scheduler.every:
        return "Never"
    if problem is not None:
        return rows.sendable(scheduler.cron or "")
    return _words(scheduler.cron, scheduler.every, scheduler.tz)


@lru_cache(maxsize=4096)
def _words(cron: str | None, every: float | None, tz: str | None) -> str:
    return rows.sendable(in_words(Scheduler("", "", None, cron=cron, every=every, tz=tz)))


def _upcoming_of(scheduler: Scheduler) -> tuple[list[int], str | None]:
    if scheduler.cron is None and not scheduler.every:
        return [], "It has neither a pattern nor an interval."
    return _upcoming(
        scheduler.cron,
        scheduler.every,
        scheduler.tz,
        _ms(scheduler.next),
        _ms(scheduler.end),
        scheduler.runs_left,
        scheduler.ended,
    )


@lru_cache(maxsize=4096)
def _upcoming(
    cron: str | None,
    every: float | None,
    tz: str | None,
    following: int | None,
    end: int | None,
    runs_left: int | None,
    ended: bool,
) -> tuple[list[int], str | None]:
    """The next times, and why they can't be told, if they can't: reckoned once for all who look."""
    if following is None:
        return [], None
    plain = Scheduler(
        "",
        "",
        _moment(following),
        cron=cron,
        every=every,
        tz=tz,
        end=None if end is None else _moment(end),
        runs_left=runs_left,
        ended=ended,
    )
    try:
        return [rows.ms_of(at) for at in plain.upcoming(UPCOMING)], None
    except OptionsError as error:
        return [], rows.cut(rows.sendable(str(error)), rows.PREVIEW)
    except (ArithmeticError, ValueError):  # times that no calendar has
        return [], "Its times can't be reckoned."


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else rows.ms_of(moment)


def _length(seconds: float | None) -> int | None:
    return None if seconds is None else rows.ms_of(seconds)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


# ------------------------------------------------------------------------------------------------------- changing


async def save(board: Board, ask: Ask) -> shapes.Done:
    """`POST /queues/{queue}/scheduler`: make a scheduler, or change one. What is not given stays as it is.

    `{id, cron? | every?, tz?, start?, end?, limit?, offset?, immediately?, overlap?, missed?, jitter?, name?, data?,
    options?}`; null takes away what is there. Times are ms.
    """
    queue = await board.queue(ask)
    scheduler_id = ask.given("id", str)
    old = await queue.scheduler(scheduler_id) if scheduler_id else None
    if old is not None and old.legacy:
        text = "This is a repeated job of an older BullMQ. Convert it first: `Queue.convert_legacy_schedulers`."
        raise Refusal(409, "conflict", text)
    if old is not None and old.paused_at is not None:
        raise Refusal(409, "conflict", f"The scheduler {scheduler_id} is paused. Let it go on before you change it.")
    if has_mask(ask.body):
        raise invalid(f"{MASK} stands for something hidden, and can't be stored. Leave out what you don't change.")
    template = _template(ask, old)
    if "data" in ask.body or old is None:
        board.forms.check(queue.name, template["name"] or scheduler_id, template.get("data", {}))
    job = await queue.upsert_scheduler(scheduler_id, **_times(ask, old), **template)
    what = "made" if old is None else "changed"
    return {"done": 1, "text": f"The scheduler {scheduler_id} is {what}.", "id": job.id}


def _times(ask: Ask, old: Scheduler | None) -> dict[str, Any]:
    """When it runs: as given, else as it was."""
    body = ask.body
    cron, every = _given(ask, "cron", str), _given(ask, "every", int)
    if cron is not None and every is not None:
        raise invalid("cron or every: one of them")
    if cron is None and every is None and old is not None:
        cron, every = old.cron, _length(old.every)
    found: dict[str, Any] = {"cron": cron, "every": None if every is None else every / 1000}
    if cron is not None:
        found["tz"] = _given(ask, "tz", str) if "tz" in body else (old.tz if old else None)
    elif _given(ask, "offset", int) is not None:
        found["offset"] = body["offset"] / 1000
    for name in ("start", "end"):
        ms = _given(ask, name, int) if name in body else (_ms(getattr(old, name)) if old else None)
        found[name] = None if ms is None else _checked_moment(name, ms)
    found["limit"] = _limit(ask, old)
    found["immediately"] = ask.given("immediately", bool, False)
    if found["immediately"]:
        found["start"] = None
    found["overlap"] = _given(ask, "overlap", str) or (old.overlap if old else "allow")
    found["missed"] = _given(ask, "missed", str) or (old.missed if old else "once")
    jitter = _given(ask, "jitter", int) if "jitter" in body else (rows.ms_of(old.jitter) if old else 0)
    found["jitter"] = (jitter or 0) / 1000
    return found


def _limit(ask: Ask, old: Scheduler | None) -> int | None:
    """A limit counts from now on; one that isn't changed leaves as many runs as were left."""
    limit = _given(ask, "limit", int)
    if old is not None and old.limit is not None and ("limit" not in ask.body or limit == old.limit):
        if not old.ended and old.runs_left:
            return old.runs_left
        return old.limit
    return limit


def _template(ask: Ask, old: Scheduler | None) -> dict[str, Any]:
    """What its jobs are: as given, else as it was, with all that was hidden from who asks."""
    found: dict[str, Any] = {"name": _given(ask, "name", str) or (old.name if old else None)}
    if "data" in ask.body:
        found["data"] = ask.body["data"]
    elif old is not None:
        found["data"] = old.data
    if "options" in ask.body:
        found["options"] = read_options(ask.given("options", dict) if ask.body["options"] is not None else {})
    elif old is not None and old.options:
        found["options"] = old.options
    return found


def _given(ask: Ask, name: str, kind: type) -> Any:
    """A value of the body; None if it isn't there, or null."""
    return None if ask.body.get(name) is None else ask.given(name, kind)


def _checked_moment(name: str, ms: int) -> datetime:
    if not 0 <= ms < 2**42:
        raise invalid(f"{name}: a time in milliseconds since 1970")
    return _moment(ms)


async def run(board: Board, ask: Ask) -> shapes.Done:
    """`POST /queues/{queue}/scheduler/run`: let the next run of a scheduler run now: `{id}`."""
    queue = await board.queue(ask)
    scheduler = await _scheduler(queue, ask)
    if scheduler.paused_at is not None:
        raise Refusal(409, "refused", f"The scheduler {scheduler.id} is paused, so no run of it waits.")
    job = None if scheduler.ended else await queue.job(scheduler.next_job_id)
    if job is None:
        raise Refusal(409, "refused", f"The scheduler {scheduler.id} has no run that waits.")
    try:
        await job.promote()
    except InvalidState:
        text = f"The next run of {scheduler.id} does not wait for its time: it runs already, or is about to."
        raise Refusal(409, "refused", text) from None
    return {"done": 1, "text": f"The next run of {scheduler.id} runs as soon as a worker is free.", "id": job.id}


async def remove(board: Board, ask: Ask) -> shapes.Done:
    """`POST /queues/{queue}/scheduler/remove`: end a scheduler, with its next run: `{id}`."""
    queue = await board.queue(ask)
    scheduler_id = ask.given("id", str)
    if not scheduler_id or not await queue.remove_scheduler(scheduler_id):
        raise not_found(f"There is no scheduler {scheduler_id[:100]} in {queue.name} (any more).")
    return {"done": 1, "text": f"The scheduler {scheduler_id} is removed."}


async def pause(board: Board, ask: Ask) -> shapes.Done:
    """`POST /queues/{queue}/scheduler/pause`: let a scheduler make no runs until it is resumed: `{id}`."""
    queue = await board.queue(ask)
    scheduler = await _scheduler(queue, ask)
    if scheduler.paused_at is not None or not await queue.pause_scheduler(scheduler.id):
        return {"done": 0, "text": f"The scheduler {scheduler.id} is paused already."}
    return {"done": 1, "text": f"The scheduler {scheduler.id} is paused."}


async def resume(board: Board, ask: Ask) -> shapes.Done:
    """`POST /queues/{queue}/scheduler/resume`: let a paused scheduler go on: `{id}`."""
    queue = await board.queue(ask)
    scheduler = await _scheduler(queue, ask)
    job = None if scheduler.paused_at is None else await queue.resume_scheduler(scheduler.id)
    if job is None:
        return {"done": 0, "text": f"The scheduler {scheduler.id} is not paused."}
    return {"done": 1, "text": f"The scheduler {scheduler.id} goes on.", "id": job.id}


async def _scheduler(queue: Queue, ask: Ask) -> Scheduler:
    scheduler_id = ask.given("id", str)
    scheduler = await queue.scheduler(scheduler_id) if scheduler_id else None
    if scheduler is None:
        raise not_found(f"There is no scheduler {scheduler_id[:100]} in {queue.name} (any more).")
    return scheduler
