"""Queue: add jobs and look at them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Unpack

from ..clock import Clock, system_clock
from ..errors import OptionsError
from ..options import JobOptions
from ..protocol.calls import add, read
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from ..protocol.states import HOLDERS, NEWEST_FIRST, JobState, state
from .adder import Adder
from .connection import Connection, connect
from .job import Job, show


class _Missing:
    def __repr__(self) -> str:
        return "{}"


MISSING: Any = _Missing()
"""No data given, which is stored as `{}`; None is data, and stored as `null`."""

PAGE = 100
"""How many jobs one read brings."""


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


class Queue:
    """A queue of jobs in Redis, shared with every BullMQ or Oxcart program that uses the same name and prefix.

    `connection` is a URL or a `Connection` shared by many objects. `default_job_options` hold for every job that
    doesn't say otherwise. `timeout` is how many seconds to insist when Redis is away before an add fails with
    `ConnectionFailed`; None waits for as long as it takes.

    Raises `OptionsError` for a name, a URL or options that can't be right. Example:

    ```python
    async with Queue("email", connection="redis://localhost:6379/0") as emails:
        job = await emails.add("welcome", {"userId": "u1"}, attempts=3, backoff=2)
    ```
    """

    def __init__(
        self,
        name: str,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        default_job_options: JobOptions | None = None,
        timeout: float | None = 5,
        clock: Clock = system_clock,
    ) -> None:
        self.name = name
        self.keys = Keys(name, prefix)
        if timeout is not None and not timeout > 0:
            raise OptionsError(f"timeout={timeout!r}: a number of seconds above 0, or None to wait")
        self._connection, self._own_connection = connect(connection)
        self._preparer = add.Preparer(default_job_options, clock)
        self._adder = Adder(self._connection, self.keys, timeout)

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    async def __aenter__(self) -> Queue:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def add(self, name: str, data: Any = MISSING, **options: Unpack[JobOptions]) -> Job:
        """Add a job; answers when it is safe in Redis. Adds of one moment travel in one call.

        Raises `OptionsError` or `PayloadError` before anything is sent, and `ConnectionFailed` if Redis stays away for
        `timeout` seconds: then the job was not added, or is found there later, but it is never added twice.
        Example: `await emails.add("welcome", {"userId": "u1"}, priority=1, delay=600)`
        """
        new = self._preparer.prepare(name, {} if data is MISSING else data, options)
        [(job_id, duplicate)] = await self._adder.add((new,))
        return Job(add.stored(new, job_id), self.keys, self._connection, was_duplicate=duplicate)

    async def add_bulk(self, jobs: Iterable[JobSpec]) -> list[Job]:
        """Add many jobs, in this order. All are checked before the first is sent; errors as for `add`.

        Example: `await emails.add_bulk([JobSpec("welcome", {"userId": "u1"}), JobSpec("digest", priority=5)])`
        """
        prepare = self._preparer.prepare
        new = [prepare(spec.name, {} if spec.data is MISSING else spec.data, spec.options) for spec in jobs]
        if not new:
            return []
        added = await self._adder.add(new)
        keys, connection = self.keys, self._connection
        return [
            Job(add.stored(job, job_id), keys, connection, was_duplicate=duplicate)
            for job, (job_id, duplicate) in zip(new, added, strict=True)
        ]

    async def job(self, job_id: str) -> Job | None:
        """The job with this id, or None. A `DamagedJob` if what is stored of it can't be read."""
        [record] = await self._connection.run(read.jobs(self.keys, [job_id]))
        return None if record is None else self._show(record)

    async def state(self, job_id: str) -> JobState:
        """Where a job is; `JobState.UNKNOWN` if it is nowhere."""
        return await self._connection.run(read.state(self.keys, job_id))

    async def counts(self, *states: str) -> dict[str, int]:
        """How many jobs are in each of these states (by `JobState`, which is text), or in every one.

        `paused` is the number of waiting jobs while the queue is paused. Example: `(await emails.counts())["waiting"]`
        """
        found = await self._connection.run(read.counts(self.keys))
        return {name: found.get(name, 0) for name in map(state, states)} if states else found

    async def count(self) -> int:
        """How many jobs are still to be done: waiting, delayed, prioritized, waiting for children."""
        found = await self.counts("waiting", "delayed", "prioritized", "waiting-children")
        return sum(found.values())

    async def jobs(self, *states: str, start: int = 0, end: int = -1, ascending: bool | None = None) -> list[Job]:
        """Jobs of these states, of every one if none is named; `start` and `end` (inclusive) count in each state.

        Finished jobs come newest first, others next to run first; `ascending` says otherwise. Jobs that can't be read
        are `DamagedJob`s. For many, use `iter_jobs`.
        """
        found: dict[str, Job] = {}
        for one in map(state, states or HOLDERS):
            upward = one not in NEWEST_FIRST if ascending is None else ascending
            for job_id, record in await self._connection.run(read.page(self.keys, one, start, end, upward)):
                if record is not None:
                    found.setdefault(job_id, self._show(record))
        return list(found.values())

    async def iter_jobs(self, *states: str) -> AsyncIterator[Job]:
        """All jobs of these states (of every one if none is named), page by page, whatever their number.

        Jobs that move meanwhile may be missed, or be seen again in the state that they came to.
        Example: `async for job in emails.iter_jobs("failed"): print(job.failed_reason)`
        """
        for one in map(state, states or HOLDERS):
            start = 0
            before: set[str] = set()
            while True:
                page = await self._connection.run(read.page(self.keys, one, start, start + PAGE - 1, True))
                for job_id, record in page:
                    # A job that came in meanwhile pushes the last of a page onto the next one.
                    if record is not None and job_id not in before:
                        yield self._show(record)
                if len(page) < PAGE:
                    break
                before = {job_id for job_id, _ in page}
                start += PAGE

    async def logs(self, job_id: str, start: int = 0, end: int = -1) -> list[str]:
        """Log lines of a job, oldest first; `end` is inclusive."""
        return await self._connection.run(read.logs(self.keys, job_id, start, end))

    async def close(self) -> None:
        """Wait for adds under way, then close the connection, unless it is shared."""
        await self._adder.close()
        if self._own_connection:
            await self._connection.close()

    def _show(self, record: JobRecord) -> Job:
        return show(record, self.keys, self._connection)
