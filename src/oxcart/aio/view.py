"""QueueView: look at a queue, without a way to change it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Self

from ..clock import Clock, system_clock
from ..errors import OptionsError
from ..options import RateLimit, check, check_known_id, check_range, flag, is_reserved, whole
from ..protocol import search
from ..protocol.calls import read, schedule, steer
from ..protocol.keys import Keys, check_prefix
from ..protocol.prometheus import check_labels, exposition
from ..protocol.record import JobRecord
from ..protocol.series import Scheduler
from ..protocol.states import HOLDERS, NEWEST_FIRST, JobState, state
from .connection import Connection, connect
from .job import Job, show

PAGE = 100
"""How many jobs one read brings."""

MANY_IDS = 5000
"""How many ids one read brings."""
OVERLAP = 500

SEARCH_LOOKS = 2000
"""How many jobs one search looks at."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What a search found, and how far it came."""

    jobs: list[Job]
    cursor: str | None
    """To be given to the next search, to go on from here; None when all was looked at."""
    looked_at: int
    """How many jobs were looked at for this page."""


class QueueView:
    """A queue to be looked at. `Queue` is one that can be changed as well; the options mean the same there.

    Its methods raise `ConnectionFailed` if Redis can't be reached.
    Example: `async with QueueView("email") as emails: print(await emails.counts())`
    """

    def __init__(
        self,
        name: str,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        clock: Clock = system_clock,
    ) -> None:
        self.name = name
        self.keys = Keys(name, prefix)
        self._connection, self._own_connection = connect(connection)
        self._clock = clock

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, unless it is shared."""
        if self._own_connection:
            await self._connection.close()

    # ------------------------------------------------------------------------------------------------- jobs

    async def job(self, job_id: str) -> Job | None:
        """The job with this id, or None. A `DamagedJob` if what is stored of it can't be read."""
        if is_reserved(check_known_id("job id", job_id)):
            return None  # a key of the queue itself
        [record] = await self._connection.run(read.jobs(self.keys, [job_id]))
        return None if record is None else self._show(record)

    async def state(self, job_id: str) -> JobState:
        """Where a job is; `JobState.UNKNOWN` if it is nowhere."""
        return await self._connection.run(read.state(self.keys, check_known_id("job id", job_id)))

    async def jobs(self, *states: str, start: int = 0, end: int = -1, ascending: bool | None = None) -> list[Job]:
        """Jobs of these states, of every one if none is named; `start` and `end` (inclusive) count in each state.

        Finished jobs come newest first, others next to run first; `ascending` says otherwise. Jobs that can't be read
        are `DamagedJob`s. For many, use `iter_jobs`.
        """
        check_range(start, end)
        found: dict[str, Job] = {}
        for one in await self._held(states):
            upward = one not in NEWEST_FIRST if ascending is None else ascending
            for job_id, record in await self._connection.run(read.page(self.keys, one, start, end, upward)):
                if record is not None:
                    found.setdefault(job_id, self._show(record))
        return list(found.values())

    async def iter_jobs(self, *states: str) -> AsyncIterator[Job]:
        """All jobs of these states (of every one if none is named), page by page, whatever their number.

        Next to run, or oldest, first: those that are there at the beginning. The loop may move or remove the jobs that
        it gets. Of waiting and active jobs some may have moved on by then.
        Example: `async for job in emails.iter_jobs("failed"): await job.retry()`
        """
        for one in await self._held(states):
            ids = await self._ids(one)
            for start in range(0, len(ids), PAGE):
                some = ids[start : start + PAGE]
                for record in await self._connection.run(read.members(self.keys, one, some)):
                    yield self._show(record)

    async def _ids(self, state: JobState) -> list[str]:
        """The ids of all jobs of a state. Ranges overlap, since those that leave meanwhile shift the others."""
        found: dict[str, None] = {}
        start = 0
        while True:
            some = await self._connection.run(read.ids(self.keys, state, max(start - OVERLAP, 0), start + MANY_IDS - 1))
            found.update(dict.fromkeys(some))
            if len(some) <= OVERLAP:
                return list(found)
            start += MANY_IDS

    async def search(
        self,
        text: str | None = None,
        *,
        state: str | None = None,
        path: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> SearchPage:
        """Jobs that have this text in their id, name, data or failure, in whatever case; up to `limit` of them.

        With a `path` into their data (`user.email`, `items[0].sku`) only what stands there counts; without a text, that
        something does. A search looks at 2,000 jobs at most and says where to go on. Jobs that move meanwhile may be
        missed or seen twice. Example: `page = await emails.search("u1", path="userId", state="failed")`
        """
        wanted = search.Wanted.parse(text, path)
        whole("limit", limit, 1)
        states = list(HOLDERS) if state is None else [_one_state(state)]
        at, offset = _parse_cursor(cursor, states)
        found: list[Job] = []
        looked = 0
        # The id itself: no need to look for it among all others.
        named = None if text is None or path is not None or cursor is not None else await self.job(text)
        if named is not None and await named.state() in states:
            found.append(named)
            if limit == 1:
                return SearchPage(found, f"{states[at]}:{offset}", 0)
        while at < len(states):
            upward = states[at] not in NEWEST_FIRST
            page = await self._connection.run(read.page(self.keys, states[at], offset, offset + PAGE - 1, upward))
            for job_id, record in page:
                offset, looked = offset + 1, looked + 1
                if record is not None and not (path is None and job_id == text) and wanted.in_job(record):
                    found.append(self._show(record))
                if len(found) >= limit:
                    return SearchPage(found, f"{states[at]}:{offset}", looked)
            if len(page) < PAGE:
                at, offset = at + 1, 0
            if looked >= SEARCH_LOOKS and at < len(states):
                return SearchPage(found, f"{states[at]}:{offset}", looked)
        return SearchPage(found, None, looked)

    async def logs(self, job_id: str, start: int = 0, end: int = -1) -> list[str]:
        """Log lines of a job, oldest first; `end` is inclusive."""
        check_range(start, end)
        call = read.log_page(self.keys, check_known_id("job id", job_id), start, end)
        lines, _ = await self._connection.run(call)
        return lines

    async def deduplication_job_id(self, deduplication_id: str) -> str | None:
        """The id of the job that holds a deduplication id; None if it is free."""
        dedup_id = check_known_id("deduplication id", deduplication_id)
        return await self._connection.run(read.dedup_owner(self.keys, dedup_id))

    # ---------------------------------------------------------------------------------------------- numbers

    async def counts(self, *states: str) -> dict[str, int]:
        """How many jobs are in each of these states (by `JobState`, which is text), or in every one.

        `paused` is the number of waiting jobs while the queue is paused. Example: `(await emails.counts())["waiting"]`
        """
        wanted = list(map(state, states))
        found = await self._connection.run(read.counts(self.keys))
        return {name: found.get(name, 0) for name in wanted} if wanted else found

    async def count(self) -> int:
        """How many jobs are still to be done: waiting, delayed, prioritized, waiting for children."""
        found = await self.counts("waiting", "delayed", "prioritized", "waiting-children")
        return sum(found.values())

    async def counts_per_priority(self, *priorities: int) -> dict[int, int]:
        """How many jobs wait with each of these priorities; 0 stands for jobs without one.

        Example: `await emails.counts_per_priority(0, 1, 5)`
        """
        for priority in priorities:
            check({"priority": priority})
        return await self._connection.run(read.counts_per_priority(self.keys, priorities))

    async def metrics(self, kind: str, start: int = 0, end: int = -1) -> read.Metrics:
        """How many jobs `completed` or `failed`, in all and in each minute, as workers with `metrics=` counted them.

        Example: `(await emails.metrics("completed")).points[:60]` is the last hour, newest minute first.
        """
        if kind not in ("completed", "failed"):
            raise OptionsError(f"metrics({kind!r}): 'completed' or 'failed'")
        check_range(start, end)
        return await self._connection.run(read.metrics(self.keys, kind, start, end))

    async def prometheus(self, labels: Mapping[str, str] | None = None) -> str:
        """The numbers of this queue as text for Prometheus, under the names that BullMQ gives them.

        `labels` are added to each line. The totals count jobs of workers with `metrics=`.
        """
        check_labels(labels or {})
        counts = await self.counts()
        done = [await self.metrics(kind, 0, 0) for kind in ("completed", "failed")]
        return exposition(self.name, counts, done[0].count, done[1].count, labels or {})

    # --------------------------------------------------------------------------------------------- settings

    async def is_paused(self) -> bool:
        """Whether workers take no jobs."""
        return await self._connection.run(steer.is_paused(self.keys))

    async def global_concurrency(self) -> int | None:
        """How many jobs may be active at once, all workers together; None for any number."""
        concurrency, _ = await self._connection.run(steer.limits(self.keys))
        return concurrency

    async def global_rate_limit(self) -> RateLimit | None:
        """How many jobs may be taken in how many seconds, all workers together; None for any number."""
        _, limit = await self._connection.run(steer.limits(self.keys))
        return None if limit is None else RateLimit(limit[0], limit[1] / 1000)

    async def rate_limit_ttl(self, max_jobs: int | None = None) -> float:
        """For how many seconds no job is given away because of a rate limit; 0 if jobs are.

        `max_jobs` is the limit of the workers, if they have one of their own and the queue has none.
        """
        if max_jobs is not None:
            whole("max_jobs", max_jobs, 1)
        return await self._connection.run(steer.rate_limit_ttl(self.keys, max_jobs)) / 1000

    async def workers(self) -> list[read.WorkerInfo]:
        """The workers that are connected, Oxcart's and Node's. Needs the right to run `CLIENT LIST`."""
        return await self._connection.run(read.workers(self.keys))

    async def event_readers(self) -> list[read.WorkerInfo]:
        """Who reads this queue's events, as far as their connections say so."""
        return await self._connection.run(read.event_readers(self.keys))

    async def version(self) -> str | None:
        """Which program made the queue last, such as `bullmq:6.7.0`; None if only Oxcart did."""
        return (await self._connection.run(read.meta(self.keys))).get("version")

    async def schedulers(self, start: int = 0, end: int = -1, ascending: bool = False) -> list[Scheduler]:
        """The schedulers of a range by when they run next, the latest first unless `ascending`.

        Repeated jobs of version 5 of BullMQ are among them, marked as `legacy`; paused schedulers are not.
        Example: `for scheduler in await emails.schedulers(ascending=True): print(scheduler.id, scheduler.next)`
        """
        check_range(start, end)
        return await self._connection.run(schedule.read_many(self.keys, start, end, flag("ascending", ascending)))

    async def scheduler(self, scheduler_id: str) -> Scheduler | None:
        """The scheduler with this id, also one that is paused; None if there is none."""
        known = check_known_id("scheduler id", scheduler_id)
        if not known:
            return None
        found = await self._connection.run(schedule.read_one(self.keys, known))
        if found:
            return found[0]
        paused = await self._connection.run(schedule.read_paused(self.keys, known))
        return paused[0].scheduler if paused else None

    async def paused_schedulers(self) -> list[Scheduler]:
        """The schedulers that are paused, by their ids; `paused_at` says since when."""
        found = await self._connection.run(schedule.read_paused(self.keys))
        return [scheduler for paused in found if (scheduler := paused.scheduler) is not None]

    async def scheduler_count(self) -> int:
        """How many schedulers there are, without those that are paused."""
        return await self._connection.run(schedule.count(self.keys))

    async def _held(self, states: tuple[str, ...]) -> list[JobState]:
        """The states with these names, or all; `paused` are the waiting jobs while the queue is paused."""
        found = list(map(state, states)) or list(HOLDERS)
        if JobState.UNKNOWN in found:
            raise OptionsError("state 'unknown': jobs that are nowhere can't be listed")
        if JobState.PAUSED in found:
            instead = [JobState.WAITING] if await self.is_paused() else []
            found = [other for one in found for other in (instead if one is JobState.PAUSED else [one])]
        return found

    def _show(self, record: JobRecord) -> Job:
        return show(record, self.keys, self._connection, self._clock)


def _one_state(name: str) -> JobState:
    found = state(name)
    if found not in HOLDERS:
        raise OptionsError(f"state={name!r}: one of {', '.join(HOLDERS)}")
    return found


def _parse_cursor(cursor: str | None, states: list[JobState]) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    name, _, offset = cursor.rpartition(":")
    if name not in states or not re.fullmatch("[0-9]{1,15}", offset):
        raise OptionsError(f"cursor={cursor!r}: the cursor of an earlier page of the same search")
    return states.index(JobState(name)), int(offset)


async def find_queues(connection: Connection | str | None = None, prefix: str = "bull") -> list[str]:
    """The names of all queues with this prefix, in alphabetical order; looks through all keys, some at a time.

    Example: `for name in await find_queues(): print(name, await QueueView(name).counts())`
    """
    opened, own = connect(connection)
    names: set[str] = set()
    cursor = "0"
    try:
        while True:
            cursor, found = await opened.run(read.find_queues(check_prefix(prefix), cursor))
            names.update(found)
            if cursor == "0":
                return sorted(names)
    finally:
        if own:
            await opened.close()
