"""Threads for plain functions: kept for the next job, and never waited for when the program ends."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Work = Callable[[], None]


class Threads:
    """Runs functions in threads, as many as are running at a time.

    Not an executor of the standard library: its threads are waited for at exit, so a function that hangs would keep
    the process alive, and a job that was given up for its time limit would keep a slot from the next one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[SimpleQueue[_Work | None]] = []
        self._closed = False

    async def run(self, function: Callable[[], Any]) -> Any:
        """Run it with this task's context variables; its result, or whatever it raises, is ours."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
        inbox = self._idle.pop() if self._idle else self._start()
        context = contextvars.copy_context()

        def work() -> None:
            result, error = None, None
            try:
                result = context.run(function)
            except BaseException as raised:
                error = raised
            # A loop that is closed has nobody who waits.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._deliver, future, inbox, (result, error))

        inbox.put(work)
        # An error comes as a value: a future can't carry every exception (StopIteration, GeneratorExit).
        result, error = await future
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Let idle threads end; a busy one ends with its function."""
        self._closed = True
        idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def _start(self) -> SimpleQueue[_Work | None]:
        inbox: SimpleQueue[_Work | None] = SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name=self._name, daemon=True).start()
        return inbox

    def _deliver(
        self,
        future: asyncio.Future[tuple[Any, BaseException | None]],
        inbox: SimpleQueue[_Work | None],
        ending: tuple[Any, BaseException | None],
    ) -> None:
        if self._closed:
            inbox.put(None)
        else:
            self._idle.append(inbox)
        if not future.done():
            future.set_result(ending)


def _serve(inbox: SimpleQueue[_Work | None]) -> None:
    while (work := inbox.get()) is not None:
        work()
