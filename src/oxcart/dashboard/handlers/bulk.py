"""Bulk: many jobs at once, by their ids or by a filter: what would happen, and tasks that do it in the background."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

from ... import ConnectionFailed, InvalidState, Job, JobNotFound, OxcartError, Queue
from .. import audit, shapes
from ..access import Access
from ..ask import Ask, Refusal, invalid, not_found
from ..board import Board
from ..reading import direct, family, rows
from ..reading.finding import FINISHED, Wanted

log = logging.getLogger("oxcart.dashboard")

MOST_IDS = 1000
MOST_RUNNING = 5
"""How many tasks run at once, of all users."""
MOST_REMEMBERED = 200
REMEMBERED_S = 3600
"""How long a finished task is remembered."""
PREVIEW_S = 2.0
"""How long a preview looks for jobs that match."""
PREVIEW_PAGE = 200
SAMPLES = 3
AT_ONCE = 25
"""How many jobs are changed in one go: enough to keep Redis busy, few enough to leave room for others."""
SOON_S = 0.5
"""How long the answer waits for a task that may be done at once."""

Action = Literal["retry", "remove", "promote"]

STATES: dict[Action, tuple[str, ...]] = {
    "retry": ("failed", "completed"),
    "promote": ("delayed",),
    "remove": ("waiting", "prioritized", "delayed", "waiting-children", "completed", "failed"),
}
"""Which jobs each action is for. Active jobs belong to their worker."""

_DO: dict[Action, Callable[[Job], Awaitable[Any]]] = {
    "retry": lambda job: job.retry(),
    "promote": lambda job: job.promote(),
    "remove": lambda job: job.remove(),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Which jobs: these ids, or those in a state that match a filter."""

    action: Action
    ids: tuple[str, ...] | None
    state: str | None
    wanted: Wanted

    @classmethod
    def read(cls, ask: Ask) -> Target:
        """From the body of a request."""
        action = _action(ask)
        wanted = Wanted.parse(ask.body, ask.access)
        if "ids" in ask.body:
            ids = tuple(dict.fromkeys(cast(list[Any], ask.given("ids", list))))
            if not ids or len(ids) > MOST_IDS or not all(isinstance(one, str) and one for one in ids):
                raise invalid(f"ids: between 1 and {MOST_IDS:,} ids of jobs, as text")
            return cls(action, ids, None, Wanted())
        state = ask.given("state", str)
        if state not in STATES[action]:
            raise invalid(f"state={state[:40]!r}: {action} is for jobs that are {' or '.join(STATES[action])}")
        return cls(action, None, state, wanted)

    def fits(self, board: Board, access: Access, job: Job) -> bool:
        """Whether a job is meant. Which ids are meant was said."""
        return self.state is None or self.wanted.fits(board, access, job, self.state)

    async def size(self, queue: Queue) -> int:
        """How many jobs have to be looked at."""
        if self.ids is not None:
            return len(self.ids)
        assert self.state is not None
        return (await queue.counts(self.state))[self.state]

    async def jobs(
        self, board: Board, access: Access, queue: Queue, total: int, gone: Callable[[], int]
    ) -> AsyncIterator[list[Job | None]]:
        """Some at a time; None stands for one that is gone. `gone` says how many have left the state by what was done.

        Of those in a state only what the action and the filter need is read, and never all their ids at once: there may
        be millions.
        """
        if self.ids is not None:
            for start in range(0, len(self.ids), AT_ONCE):
                yield await asyncio.gather(*(queue.job(one) for one in self.ids[start : start + AT_ONCE]))
            return
        assert self.state is not None
        async for found in direct.walk(board, queue, self.state, self._reading(access), total, gone):
            for start in range(0, len(found), AT_ONCE):
                yield [None if one is None else one.job for one in found[start : start + AT_ONCE]]

    def _reading(self, access: Access) -> direct.Reading:
        if not self.wanted.everything:
            return self.wanted.reading(access)
        # A retry has to know where in the line the job was to be.
        return direct.Reading((), ("opts",) if self.action == "retry" else (), direct.LARGEST_TEXT, direct.BUDGET)


def _action(ask: Ask) -> Action:
    action = ask.given("action", str)
    if action not in STATES:
        raise invalid(f"action={action[:40]!r}: one of {', '.join(STATES)}")
    if not ask.access.may(action):
        raise Refusal(403, "forbidden", f"you may not {action} jobs")
    return action


class Run:
    """A task under way, or done: one action for many jobs."""

    def __init__(self, board: Board, queue: Queue, target: Target, access: Access, about: str) -> None:
        self.queue = queue.name
        self._board = board
        self._from = queue
        self._target = target
        self._access = access
        self._about = about
        self.shape: shapes.Task = {
            "id": secrets.token_hex(8),
            "queue": queue.name,
            "action": target.action,
            "user": access.user,
            "begun": board.clock(),
            "ended": None,
            "done": 0,
            "skipped": 0,
            "failed": 0,
            "looked_at": 0,
            "total": 0,
            "cancelled": False,
            "problem": None,
        }
        self.ended_at: float | None = None
        """By the clock that never jumps."""
        self._task: asyncio.Task[None] | None = None
        self._entry: shapes.AuditEntry | None = None
        """What the journal has of it."""

    @property
    def is_running(self) -> bool:
        return self.shape["ended"] is None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def wait(self, timeout_s: float) -> None:
        """Wait for its end, but not for long."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout_s)

    def cancel(self) -> None:
        """Stop after what is under way: what was done stays done."""
        if self.is_running:
            self.shape["cancelled"] = True

    async def end(self) -> None:
        """Stop at once; the server goes down."""
        if self._task is not None and self.is_running and self._task.get_loop() is asyncio.get_running_loop():
            self.shape["cancelled"] = True
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            total = self.shape["total"] = await self._target.size(self._from)
            async for some in self._target.jobs(self._board, self._access, self._from, total, self._gone):
                if self.shape["cancelled"]:
                    break
                await asyncio.gather(*(self._one(job) for job in some))
        except ConnectionFailed as error:
            self._problem(f"Redis can't be reached, so it stopped: {error}")
        except Exception as error:  # it runs on its own: nobody else would be told
            log.exception("the bulk action %s broke", self.shape["id"])
            self._problem(f"it broke: {type(error).__name__}")
        finally:
            self.shape["ended"] = self._board.clock()
            self.ended_at = time.monotonic()
            self.note()

    def note(self) -> None:
        """For the journal: that it was begun, if it takes long, and what came of it. Both are one entry there."""
        shape = self.shape
        result = f"{shape['done']} done, {shape['skipped']} skipped, {shape['failed']} failed"
        result += ", cancelled" if shape["cancelled"] else ""
        result += f": {shape['problem']}" if shape["problem"] else ""
        result = "under way" if self.is_running else result
        if self._entry is not None:
            self._board.journal.amend(self._entry, result)
            return
        self._entry = self._board.journal.write(
            {
                "at": shape["begun"],
                "user": shape["user"],
                "action": f"bulk {shape['action']}",
                "queue": shape["queue"],
                "target": self._about,
                "result": result,
            }
        )

    def _gone(self) -> int:
        """How many of those that were looked at are not in their state any more, as far as it is known."""
        return self.shape["done"] + self.shape["skipped"]

    async def _one(self, job: Job | None) -> None:
        self.shape["looked_at"] += 1
        if job is None:
            self.shape["skipped"] += 1
            return
        if not self._target.fits(self._board, self._access, job):
            return
        try:
            if self._target.action == "remove":
                await family.check_below(self._board, self._access, job.keys, job.id)
            changed = await _DO[self._target.action](job)
        except (JobNotFound, InvalidState):
            self.shape["skipped"] += 1  # it has moved on meanwhile: nothing is left to do
        except ConnectionFailed:
            raise
        except (OxcartError, Refusal) as error:
            self.shape["failed"] += 1
            self._problem(str(error))
        else:
            self.shape["skipped" if changed is False else "done"] += 1

    def _problem(self, text: str) -> None:
        """The first one is told."""
        if self.shape["problem"] is None:
            self.shape["problem"] = self._board.redactor.text(text)[:500]


class Runs:
    """The tasks of a board: those that run, and for a while those that are done."""

    def __init__(self) -> None:
        self._all: dict[str, Run] = {}

    def listed(self) -> list[Run]:
        """The newest first."""
        self._forget()
        return list(reversed(self._all.values()))

    def get(self, task_id: str) -> Run | None:
        self._forget()
        return self._all.get(task_id)

    def add(self, run: Run) -> None:
        """Begin one; a `Refusal` if enough of them run."""
        self._forget()
        if sum(1 for one in self._all.values() if one.is_running) >= MOST_RUNNING:
            raise Refusal(429, "too_many", f"{MOST_RUNNING} bulk actions run already: wait for one, or cancel it")
        self._all[run.shape["id"]] = run
        run.begin()

    async def close(self) -> None:
        for run in self._all.values():
            await run.end()

    def _forget(self) -> None:
        now = time.monotonic()
        for task_id, run in list(self._all.items()):
            old = run.ended_at is not None and now - run.ended_at > REMEMBERED_S
            if old or (len(self._all) > MOST_REMEMBERED and not run.is_running):
                del self._all[task_id]


_RUNS: WeakKeyDictionary[Board, Runs] = WeakKeyDictionary()


def runs_of(board: Board) -> Runs:
    """The tasks of this board. They live as long as it."""
    return _RUNS.setdefault(board, Runs())


async def ended(board: Board, task_id: str) -> None:
    """Wait until a task has come to its end."""
    run = runs_of(board).get(task_id)
    while run is not None and run.is_running:
        await run.wait(60)


async def close(board: Board) -> None:
    """End the tasks of this board: the server goes down."""
    await runs_of(board).close()
    _RUNS.pop(board, None)  # its tasks hold the board, so it would not go by itself


# -------------------------------------------------------------------------------------------------------- handlers


async def preview(board: Board, ask: Ask) -> shapes.Preview:
    """What a bulk action would do."""
    target = Target.read(ask)
    queue = await board.queue(ask)
    found = _Found()
    if target.ids is not None:
        async for some in target.jobs(board, ask.access, queue, len(target.ids), lambda: 0):
            found.add([direct.Light(job) for job in some if job is not None])
    elif target.wanted.everything:
        await _look_at_ends(board, queue, target, found)
    else:
        await _look_for(board, ask.access, queue, target, found)
    samples = [
        rows.row(board, ask.access, one.job, target.state or str(await one.job.state()), sizes=one.sizes)
        for one in found.samples
    ]
    return {
        "count": found.count,
        "exact": found.exact,
        "oldest": found.oldest,
        "newest": found.newest,
        "samples": samples,
    }


async def start(board: Board, ask: Ask) -> shapes.Task:
    """Begin a bulk action; when it is quick, its end is in the answer."""
    target = Target.read(ask)
    queue = await board.queue(ask)
    run = Run(board, queue, target, ask.access, board.redactor.text(audit.target_of(ask.path, ask.body)))
    runs_of(board).add(run)
    await run.wait(SOON_S)
    if run.is_running:
        run.note()  # that it was begun, should this process not see its end
    return run.shape


async def listed(board: Board, ask: Ask) -> list[shapes.Task]:
    """The tasks in queues that this user sees, the newest first."""
    return [run.shape for run in runs_of(board).listed() if ask.access.sees(run.queue)]


async def task(board: Board, ask: Ask) -> shapes.Task:
    """How far a task is."""
    return _find(board, ask).shape


async def cancel(board: Board, ask: Ask) -> shapes.Task:
    """Stop a task; what it has done stays done."""
    run = _find(board, ask)
    run.cancel()
    await run.wait(SOON_S)
    return run.shape


def _find(board: Board, ask: Ask) -> Run:
    run = runs_of(board).get(ask.path["task"])
    if run is None or not ask.access.sees(run.queue):
        raise not_found("there is no such task here (any more)")
    return run


# ---------------------------------------------------------------------------------------------------------- looking


class _Found:
    """What a preview found so far."""

    def __init__(self) -> None:
        self.count = 0
        self.exact = True
        self.oldest: int | None = None
        self.newest: int | None = None
        self.samples: list[direct.Light] = []

    def add(self, jobs: list[direct.Light]) -> None:
        self.count += len(jobs)
        self.samples += jobs[: SAMPLES - len(self.samples)]
        self.see_ages(jobs)

    def see_ages(self, jobs: list[direct.Light]) -> None:
        ages = [age for one in jobs if (age := _since(one.job)) is not None]
        if ages:
            self.oldest = min([*ages, *([] if self.oldest is None else [self.oldest])])
            self.newest = max([*ages, *([] if self.newest is None else [self.newest])])


async def _look_at_ends(board: Board, queue: Queue, target: Target, found: _Found) -> None:
    """All jobs of a state: their number is known, and the oldest and the newest stand at its ends."""
    assert target.state is not None
    first, last = await asyncio.gather(
        direct.page(board, queue, target.state, 0, SAMPLES, False),
        direct.page(board, queue, target.state, 0, 1, True),
    )
    found.count = await target.size(queue)
    found.samples = first
    found.see_ages([*first, *last])


async def _look_for(board: Board, access: Access, queue: Queue, target: Target, found: _Found) -> None:
    """Jobs that match, page by page, as long as a preview may take."""
    assert target.state is not None
    until = time.monotonic() + PREVIEW_S
    start, reading = 0, target.wanted.reading(access)
    upward = target.state not in FINISHED
    while True:
        page = await direct.some(board, queue, target.state, start, PREVIEW_PAGE, upward, reading)
        if not page:
            return
        found.add([one for _, one in page if one is not None and target.fits(board, access, one.job)])
        start += len(page)
        if time.monotonic() > until:
            found.exact = False
            return


def _since(job: Job) -> int | None:
    at = job.finished_at or job.created_at
    return None if at is None else round(at.timestamp() * 1000)
