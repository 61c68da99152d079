"""How a processor is called: on the loop, in a thread, in a child process, or by the job's name."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from ..aio.job import Job
from ..errors import OptionsError
from ..sync.connection import Connection as SyncConnection
from ..sync.job import Job as SyncJob
from .children import Children
from .threads import Threads

Processor = Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]]
"""What a user gives: an `async def`, a plain function, or a mapping from job names to either."""

Run = Callable[[Job], Awaitable[Any]]


class UnknownJobName(Exception):
    """No processor for this name; another version of the worker may have one."""


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def runner(processor: object, threads: Threads, connection: SyncConnection, children: Children | None = None) -> Run:
    """One function that runs any job of the worker; in child processes, if there are to be any."""
    if isinstance(processor, Mapping):
        return _by_name(cast(Mapping[str, Callable[[Any], Any]], processor), threads, connection, children)
    if not callable(processor):
        raise OptionsError(f"processor {processor!r}: a function, or a mapping from job names to functions")
    if children is not None:
        return children.calling(processor)
    return cast(Run, processor) if is_async(processor) else _in_thread(processor, threads, connection)


def _by_name(
    table: Mapping[str, Callable[[Any], Any]],
    threads: Threads,
    connection: SyncConnection,
    children: Children | None,
) -> Run:
    if not table:
        raise OptionsError("processor {}: the mapping from job names to functions is empty")
    runs = {name: runner(function, threads, connection, children) for name, function in table.items()}

    async def run(job: Job) -> Any:
        # A look-up and nothing else: a job's name comes from outside.
        found = runs.get(job.name)
        if found is None:
            raise UnknownJobName(f"no processor for jobs named {job.name!r}; known: {', '.join(sorted(runs))}")
        return await found(job)

    return run


def _in_thread(function: Callable[[Any], Any], threads: Threads, connection: SyncConnection) -> Run:
    async def run(job: Job) -> Any:
        # The function gets a job with blocking methods, over a connection that is safe in threads.
        tell = job.on_progress
        twin = SyncJob(
            job.record,
            job.keys,
            connection,
            on_progress=None if tell is None else _on_loop(tell, job),
            attempt=job.attempt,
        )
        result = await threads.run(functools.partial(function, twin))
        return await result if inspect.isawaitable(result) else result

    return run


def _on_loop(tell: Callable[[Job, Any], None], job: Job) -> Callable[[SyncJob, Any], None]:
    loop = asyncio.get_running_loop()

    def told(_: SyncJob, value: Any) -> None:
        loop.call_soon_threadsafe(tell, job, value)

    return told
