"""Acting: everything that a user can do to one job or one queue. Each answers in a sentence what was done."""

from __future__ import annotations

from typing import Any

from ... import DamagedJob, InvalidState, Job, JobState, Queue
from ...protocol import wire
from ...protocol.calls import change
from .. import shapes
from ..ask import Ask, Refusal, invalid, not_found
from ..board import Board
from ..reading import family, rows
from ..redact import MASK, has_mask
from .job_options import read_options
from .overview import length_in_words

MOST_MS = 100 * 366 * 86_400_000
"""The longest time that is taken for what somebody meant."""


# ------------------------------------------------------------------------------------------------------------ queues


async def add(board: Board, ask: Ask) -> shapes.Done:
    """Add a job: `{name, data?, options?}`. The options are written as BullMQ writes them, with times in ms."""
    queue = await board.queue(ask)
    name = ask.given("name", str)
    data = ask.body.get("data", {})
    _refuse_masked(data)
    board.forms.check(queue.name, name, data)
    options = read_options(ask.given("options", dict, {}))
    job = await queue.add(name, data, **options)
    if job.was_duplicate:
        return {"done": 0, "text": f"Not added: the job {job.id} is there already.", "id": job.id}
    return {"done": 1, "text": f"Added as job {job.id}.", "id": job.id}


async def pause(board: Board, ask: Ask) -> shapes.Done:
    """Let no worker take jobs of this queue."""
    queue = await board.queue(ask)
    await queue.pause()
    return {"done": 1, "text": f"{queue.name} is paused. Jobs that run already go on."}


async def resume(board: Board, ask: Ask) -> shapes.Done:
    """Let workers take jobs again."""
    queue = await board.queue(ask)
    await queue.resume()
    return {"done": 1, "text": f"{queue.name} goes on."}


async def drain(board: Board, ask: Ask) -> shapes.Done:
    """Remove all jobs that wait: `{confirm, delayed?}`. `confirm` has to be the queue's name, as somebody typed it."""
    queue = await board.queue(ask)
    _confirmed(ask, queue)
    removed = await queue.drain(delayed=ask.given("delayed", bool, False))
    return {"done": removed, "text": f"{_jobs(removed)} removed from {queue.name}."}


async def obliterate(board: Board, ask: Ask) -> shapes.Done:
    """Erase a paused queue with all it has: `{confirm, force?}`. With `force` also if jobs are active."""
    queue = await board.queue(ask)
    _confirmed(ask, queue)
    if not await queue.is_paused():
        raise Refusal(409, "refused", f"{queue.name} is not paused. Pause it first, so that nothing starts meanwhile.")
    await queue.obliterate(force=ask.given("force", bool, False))
    board.forget(queue.name)
    return {"done": 1, "text": f"{queue.name} is erased."}


async def limits(board: Board, ask: Ask) -> shapes.Done:
    """Set what is given, null removes it: `{concurrency?, rate_limit?: {max, duration}, release?: true}`.

    `release` ends a rate limit that holds jobs back right now.
    """
    queue = await board.queue(ask)
    concurrency = _number_or_none(ask, "concurrency", 1)
    rate, release = _rate_limit(ask), ask.given("release", bool, False)  # all is read before anything is done
    said: list[str] = []
    if "concurrency" in ask.body:
        await queue.set_global_concurrency(concurrency)
        said.append("any number of jobs at once" if concurrency is None else f"at most {concurrency} jobs at once")
    if "rate_limit" in ask.body:
        if rate is None:
            await queue.remove_global_rate_limit()
            said.append("no rate limit")
        else:
            await queue.set_global_rate_limit(rate[0], rate[1] / 1000)
            said.append(f"at most {rate[0]} jobs in {rate[1] / 1000:g} s")
    if release:
        await queue.remove_rate_limit()
        said.append("goes on at once")
    if not said:
        raise invalid("concurrency, rate_limit or release: at least one of them")
    return {"done": len(said), "text": f"{queue.name}: {', '.join(said)}."}


# -------------------------------------------------------------------------------------------------------------- jobs


async def retry(board: Board, ask: Ask) -> shapes.Done:
    """Let a finished job run again: `{id, data?, reset_attempts?}`; with `data`, with these data from now on."""
    if "data" in ask.body and not ask.access.may("edit"):
        raise Refusal(403, "forbidden", "You may not change the data of jobs: it needs the right 'edit'.")
    queue, job = await _job(board, ask)
    if "data" in ask.body:
        if await job.state() not in (JobState.FAILED, JobState.COMPLETED):
            raise Refusal(409, "refused", f"Job {job.id} is not finished (any more), so it can't run again.")
        await _change_data(board, ask, queue, job)
    await job.retry(reset_attempts=ask.given("reset_attempts", bool, False))
    return {"done": 1, "text": f"Job {job.id} runs again.", "id": job.id}


async def promote(board: Board, ask: Ask) -> shapes.Done:
    """Let a delayed job run now: `{id}`."""
    _, job = await _job(board, ask)
    await job.promote()
    return {"done": 1, "text": f"Job {job.id} runs as soon as a worker is free.", "id": job.id}


async def remove(board: Board, ask: Ask) -> shapes.Done:
    """Remove a job, with the children below it unless `children` is false: `{id, children?}`."""
    queue = await board.queue(ask)
    job_id, children = ask.given("id", str), ask.given("children", bool, True)
    if children:
        await family.check_below(board, ask.access, queue.keys, job_id)
    if not await queue.remove_job(job_id, children=children):
        raise not_found(f"There is no job {job_id} (any more).")
    return {"done": 1, "text": f"Job {job_id} is removed.", "id": job_id}


async def delay(board: Board, ask: Ask) -> shapes.Done:
    """Let a delayed job run at another time: `{id, delay}` from now in ms, or `{id, at}`."""
    _, job = await _job(board, ask)
    if ("delay" in ask.body) == ("at" in ask.body):
        raise invalid("delay or at: one of them, in milliseconds")
    wait = _number(ask, "delay") if "delay" in ask.body else max(0, _number(ask, "at") - board.clock())
    if wait > MOST_MS:
        raise invalid("delay: that is more than 100 years")
    await job.change_delay(wait / 1000)
    when = f"in {length_in_words(wait)}" if wait else "now"
    return {"done": 1, "text": f"Job {job.id} runs {when}.", "id": job.id}


async def priority(board: Board, ask: Ask) -> shapes.Done:
    """Give a job another priority: `{id, priority, lifo?}`; 0 is none, which comes before all others."""
    _, job = await _job(board, ask)
    wanted = _number(ask, "priority")
    await job.change_priority(wanted, lifo=ask.given("lifo", bool, False))
    return {"done": 1, "text": f"Job {job.id} has priority {wanted} now.", "id": job.id}


async def data(board: Board, ask: Ask) -> shapes.Done:
    """Replace a job's data: `{id, data, was?}`. With `was`, only if the data are still these."""
    queue, job = await _job(board, ask)
    if "data" not in ask.body:
        raise invalid("data: missing")
    await _change_data(board, ask, queue, job)
    return {"done": 1, "text": f"Job {job.id} has new data.", "id": job.id}


async def cancel(board: Board, ask: Ask) -> shapes.Done:
    """Ask the worker that runs a job to cancel it, whereupon it fails for good: `{id, reason?}`.

    Workers of Oxcart hear of it when they renew the job's lock. Those of BullMQ can't be asked.
    """
    queue = await board.queue(ask)
    job_id, reason = ask.given("id", str), ask.given("reason", str, "")
    try:
        seconds = await queue.cancel_job(job_id, reason)
    except InvalidState:
        text = f"No worker runs job {job_id} (any more), and only what runs can be cancelled."
        raise Refusal(409, "refused", text) from None
    text = f"The worker of job {job_id} is asked to cancel it. It hears of it within {max(round(seconds), 1)} s."
    return {"done": 1, "text": text, "id": job_id}


async def audit(board: Board, ask: Ask) -> shapes.Audit:
    """Who did what, as far as the user may see the queues: `?count=&queue=`."""
    count = ask.whole("count", 200, 1, 1000)
    only = ask.text("queue")
    found: list[shapes.AuditEntry] = []
    for entry in board.journal.newest_first():
        queue = entry["queue"]
        # What was about no queue, or about all of them, tells of queues that the user may not see.
        if (ask.access.sees_all if queue is None else ask.access.sees(queue)) and only in (None, queue):
            found.append(entry)
        if len(found) == count:
            break
    return {"now": board.clock(), "entries": found}


# ------------------------------------------------------------------------------------------------------------ inside


async def _job(board: Board, ask: Ask) -> tuple[Queue, Job]:
    queue = await board.queue(ask)
    job_id = ask.given("id", str)
    job = await queue.job(job_id)
    if job is None:
        raise not_found(f"There is no job {job_id} (any more).")
    return queue, job


async def _change_data(board: Board, ask: Ask, queue: Queue, job: Job) -> None:
    """What was masked for the user would be stored as the mask: then it can't be edited here."""
    _refuse_masked(ask.body["data"])
    if isinstance(job, DamagedJob):
        raise Refusal(409, "refused", f"Job {job.id} can't be read: {board.redactor.text(job.reason)}")
    _, masked = rows.redacted(board, queue.name, job.data)
    if masked and not ask.access.may("reveal"):
        raise Refusal(409, "refused", "Some of these data are hidden from you, so you can't replace them.")
    board.forms.check(queue.name, job.name, ask.body["data"])
    text = wire.encode(ask.body["data"], f"the data of job {job.id}")
    was = job.record.fields.get("data", "") if "was" in ask.body else ""
    same = ask.body.get("was", job.data) == job.data
    if not same or not await board.connection.run(change.update_data(queue.keys, job.id, text, was)):
        raise Refusal(409, "conflict", "The data have changed since you read them. Look again.")


def _refuse_masked(value: Any) -> None:
    if has_mask(value):
        raise invalid(f"data: {MASK} stands for something hidden, and can't be stored")


def _confirmed(ask: Ask, queue: Queue) -> None:
    if ask.given("confirm", str, "") != queue.name:
        raise invalid("confirm: type the name of the queue, since this can't be undone")


def _number(ask: Ask, name: str, least: int = 0) -> int:
    value: int = ask.given(name, int)
    if not least <= value < 2**53:
        raise invalid(f"{name}: a whole number, {least} or more")
    return value


def _number_or_none(ask: Ask, name: str, least: int) -> int | None:
    return None if ask.body.get(name) is None else _number(ask, name, least)


def _rate_limit(ask: Ask) -> tuple[int, int] | None:
    if ask.body.get("rate_limit") is None:
        return None
    inner = Ask(ask.access, body=ask.given("rate_limit", dict))
    return _number(inner, "max", 1), _number(inner, "duration", 1)


def _jobs(count: int) -> str:
    return "1 job is" if count == 1 else f"{count:,} jobs are"
