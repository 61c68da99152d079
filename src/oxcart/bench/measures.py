"""What is measured, as functions: each prepares, starts the watch, does its jobs and stops the watch.

`node_bench.mjs` has the same functions by the same names for BullMQ. Each runs in a process of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Protocol

from .. import Flow, FlowProducer, Job, JobSpec, Keep, Queue, Worker

PAYLOAD = {"userId": "u-10482", "email": "ada@example.com", "template": "welcome", "locale": "en"}
AT_ONCE = 100
BULK = 1000
CHILDREN = 10
KEPT = 100
IDLE_MS = 5
"""How long a worker is left alone before the next job: enough for it to wait again."""


class Watch(Protocol):
    """What takes the time and the CPU time between its start and its stop."""

    def start(self) -> None: ...
    def stop(self, waits_ms: list[float] | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Task:
    """One run of a measure, for either side: on which server and queue, and how much of it."""

    kind: str
    url: str
    queue: str
    jobs: int
    concurrency: int
    payload: dict[str, str]
    at_once: int = AT_ONCE
    bulk: int = BULK
    children: int = CHILDREN
    kept: int = KEPT
    idle_ms: int = IDLE_MS

    @property
    def warm_up(self) -> int:
        """So many jobs go before those that count: scripts get loaded, and Node compiles what it runs often."""
        return self.jobs // 10

    def as_message(self) -> dict[str, Any]:
        return {**asdict(self), "warm_up": self.warm_up}


async def add_one(task: Task, watch: Watch) -> None:
    """Add jobs one after another."""

    async def add(queue: Queue, count: int) -> None:
        for _ in range(count):
            await queue.add("bench", task.payload)

    await _add(task, watch, add)


async def add_at_once(task: Task, watch: Watch) -> None:
    """Add jobs a hundred at once, each by a call of its own."""

    async def add(queue: Queue, count: int) -> None:
        for _ in range(0, count, task.at_once):
            await asyncio.gather(*(queue.add("bench", task.payload) for _ in range(task.at_once)))

    await _add(task, watch, add)


async def add_bulk(task: Task, watch: Watch) -> None:
    """Add jobs in bulks of a thousand."""

    async def add(queue: Queue, count: int) -> None:
        await _fill(task, queue, count)

    await _add(task, watch, add)


async def add_flow(task: Task, watch: Watch) -> None:
    """Add flows of a parent and ten children, one after another."""
    await _add_flows(task, watch, 1)


async def add_flows_at_once(task: Task, watch: Watch) -> None:
    """Add flows of a parent and ten children, a hundred at once, each by a call of its own."""
    await _add_flows(task, watch, task.at_once)


async def process(task: Task, watch: Watch) -> None:
    """Process waiting jobs that do nothing, until Redis has none waiting and none active."""
    async with Queue(task.queue, connection=task.url) as queue:
        await _fill(task, queue, task.warm_up)
        await _work_off(task, queue, task.warm_up, watch=None)
        await _fill(task, queue, task.jobs)
        await _work_off(task, queue, task.jobs, watch)


async def latency(task: Task, watch: Watch) -> None:
    """Add a job while the worker is idle: the time until its processor starts, in the same process."""
    started = asyncio.Event()
    start = 0.0

    async def note_start(_: Job) -> None:
        nonlocal start
        start = perf_counter()
        started.set()

    async def wait_ms() -> float:
        await asyncio.sleep(task.idle_ms / 1000)
        started.clear()
        added = perf_counter()
        await queue.add("bench", task.payload)
        await started.wait()
        return (start - added) * 1000

    async with Queue(task.queue, connection=task.url) as queue, _working(task, note_start):
        for _ in range(task.warm_up):
            await wait_ms()
        watch.start()
        watch.stop([await wait_ms() for _ in range(task.jobs)])


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its size: how many jobs it takes, and how many of them for a quick look."""

    name: str
    run: Callable[[Task, Watch], Awaitable[None]]
    jobs: int
    quick_jobs: int
    concurrency: int = 1

    def task(self, url: str, queue: str, quick: bool) -> Task:
        jobs = self.quick_jobs if quick else self.jobs
        return Task(self.run.__name__, url, queue, jobs, self.concurrency, PAYLOAD)


MEASURES = (
    Measure("add-one", add_one, 10_000, 200),
    Measure("add-100", add_at_once, 50_000, 1_000),
    Measure("add-bulk", add_bulk, 100_000, 2_000),
    Measure("add-flow", add_flow, 22_000, 220),
    Measure("add-flow-100", add_flows_at_once, 55_000, 1_100),
    Measure("process-1", process, 10_000, 200),
    Measure("process-10", process, 50_000, 500, concurrency=10),
    Measure("process-100", process, 100_000, 1_000, concurrency=100),
    Measure("latency", latency, 1_000, 30),
)

KINDS = {measure.run.__name__: measure.run for measure in MEASURES}


# --------------------------------------------------------------------------------------------- what they share


async def _add(task: Task, watch: Watch, add: Callable[[Queue, int], Awaitable[None]]) -> None:
    async with Queue(task.queue, connection=task.url) as queue:
        await add(queue, task.warm_up)
        watch.start()
        await add(queue, task.jobs)
        watch.stop()


async def _add_flows(task: Task, watch: Watch, at_once: int) -> None:
    children = [Flow(task.queue, "bench", task.payload) for _ in range(task.children)]

    async with FlowProducer(connection=task.url) as flows:

        async def add(_: Queue, count: int) -> None:
            for _done in range(0, count, at_once * (task.children + 1)):
                some = [Flow(task.queue, "bench", task.payload, children=children) for _ in range(at_once)]
                await asyncio.gather(*map(flows.add, some))

        await _add(task, watch, add)


async def _fill(task: Task, queue: Queue, count: int) -> None:
    for done in range(0, count, task.bulk):
        await queue.add_bulk(JobSpec("bench", task.payload) for _ in range(min(task.bulk, count - done)))


async def _work_off(task: Task, queue: Queue, count: int, watch: Watch | None) -> None:
    last_started = asyncio.Event()
    missing = count

    async def do_nothing(_: Job) -> None:
        nonlocal missing
        missing -= 1
        if missing == 0:
            last_started.set()

    if watch is not None:
        watch.start()
    async with _working(task, do_nothing):
        if count:
            await last_started.wait()
        await _until_settled(queue)
        if watch is not None:
            watch.stop()
    counts = await queue.counts("completed", "failed")
    if counts != {"completed": min(count, task.kept), "failed": 0}:
        raise RuntimeError(f"{count} jobs were to be completed, {task.kept} of them kept: {counts}")


async def _until_settled(queue: Queue) -> None:
    while any((await queue.counts("waiting", "active")).values()):  # noqa: ASYNC110 (no event of ours: Redis says it)
        await asyncio.sleep(0.001)


@asynccontextmanager
async def _working(task: Task, run_job: Callable[[Job], Awaitable[None]]) -> AsyncIterator[None]:
    worker = Worker(
        task.queue,
        run_job,
        connection=task.url,
        concurrency=task.concurrency,
        remove_on_complete=Keep(count=task.kept),
    )
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.close()
        await running
