"""One child process of a worker with `isolation="process"`: runs one job at a time and tells what became of it.

The main thread runs the processors, as in a program of their own. A second one listens to the worker, so that the child
ends with the worker even while a plain function runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import faulthandler
import importlib
import inspect
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn

from ..aio.connection import Connection
from ..aio.job import Job
from ..protocol import wire
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from ..sync.connection import Connection as SyncConnection
from ..sync.job import Job as SyncJob
from . import children, signals
from .children import MAIN
from .execution import describe
from .frames import Message, Unpacker, pack
from .processors import is_async
from .streams import flush

LOOK_EVERY_S = 5
"""How often to look whether the worker lives, should another process keep its end of the pipe open."""

UNABLE = 70
"""The exit code of a child that could not even tell what went wrong (EX_SOFTWARE)."""

OURS = frozenset({__file__, "<string>"})
"""What is left out of stack traces: how a job got to run here says nothing about it."""


class Pipe:
    """The way to the worker. Any thread may send; what can't be sent has nobody left to read it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._socket.setblocking(True)  # whatever `socket.setdefaulttimeout` says, here or in the worker
        self._worker = os.getppid()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        frame = pack(message)
        try:
            with self._sending:
                self._socket.sendall(frame)
        except ConnectionError:
            end_with_the_worker()
        except OSError:
            os._exit(UNABLE)  # the job has closed what is not its own

    def listen(self, on_message: Callable[[Message], None]) -> None:
        """Take what comes, for ever; when the worker is gone, this process ends."""
        unpacker = Unpacker()
        with contextlib.suppress(ConnectionError):
            while data := self._receive():
                for message in unpacker.feed(data):
                    on_message(message)
        end_with_the_worker()

    def _receive(self) -> bytes:
        while not self._poll.poll(LOOK_EVERY_S * 1000):
            if os.getppid() != self._worker:
                return b""
        return self._socket.recv(1 << 18)


def end_with_the_worker() -> None:
    """End at once, and with it what the job has started: the job is somebody else's now."""
    with contextlib.suppress(OSError):
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
    os._exit(UNABLE)


def end_copy(error: BaseException | None) -> NoReturn:
    """End a fork that a job has made of this process, as Python would. How the job ends is not for it to say."""
    code: object = None
    if error is not None:
        code = error.code if isinstance(error, SystemExit) else describe(error)[1]
    try:
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
        flush()
    finally:
        os._exit(0 if code is None else code & 0xFF if isinstance(code, int) else 1)


class Running:
    """A job that runs here, or is about to. As its job's `attempt` it says whether it was cancelled."""

    def __init__(self, message: Message) -> None:
        self.number: int = message["n"]
        self.function: int = message["function"]
        self.record = JobRecord(message["id"], message["fields"])
        self.stopped = False
        self.over = False
        self.job: Job | SyncJob | None = None
        self.task: asyncio.Task[Any] | None = None
        self._known = dict(self.record.fields)

    def stop(self) -> None:
        """Cancel it where it awaits."""
        if self.task is not None:
            self.task.cancel()

    def changes(self) -> dict[str, str]:
        """The fields of the job that have changed since the worker was told."""
        fields = self.record.fields if self.job is None else self.job.record.fields
        changed = {name: text for name, text in fields.items() if self._known.get(name) != text}
        self._known |= changed
        return changed


class Child:
    """Runs what the worker sends, one after the other, until the worker says that it's enough."""

    def __init__(
        self, pipe: Pipe, begin: Message, functions: list[Callable[[Any], Any]], runner: asyncio.Runner
    ) -> None:
        self._pipe = pipe
        self._functions = [(function, is_async(function)) for function in functions]
        self._keys = Keys(begin["queue"], begin["prefix"])
        self._connection = Connection(begin["url"], timeout=begin["redis_timeout_s"])
        self._sync = SyncConnection(begin["url"], timeout=begin["redis_timeout_s"])
        self._runner = runner
        self._pid = os.getpid()

    def serve(self, inbox: asyncio.Queue[Running | None]) -> None:
        """The life of the main thread. The loop runs while it waits, so that connections are looked after."""
        while (running := self._run_loop(inbox.get())) is not None:
            answer = self._run(running)
            running.over = True
            flush()
            self._stay_one(None)
            self._pipe.send(answer | {"n": running.number, "fields": running.changes()})
        self._run_loop(self._connection.close())
        self._sync.close()

    def _run(self, running: Running) -> Message:
        """Run a job; how it ended, as a message."""
        function, awaits = self._functions[running.function]
        if running.stopped:
            return {"cancelled": ""}
        self._pipe.send({"n": running.number, "begun": True})  # what happens to it from now on is its own doing
        if awaits:
            running.job = Job(
                running.record, self._keys, self._connection, on_progress=self._tell(running), attempt=running
            )
            return self._run_loop(self._await(running, lambda: function(running.job)))
        job = running.job = SyncJob(
            running.record, self._keys, self._sync, on_progress=self._tell(running), attempt=running
        )
        try:
            value = contextvars.copy_context().run(function, job)
            if not inspect.isawaitable(value):
                return {"cancelled": ""} if running.stopped else {"done": _encode(value, running)}
        except BaseException as error:
            self._stay_one(error)
            tale = told(error)
            return {"cancelled": tale["trace"]} if running.stopped else {"failed": tale}
        return self._run_loop(self._await(running, lambda: value))

    async def _await(self, running: Running, call: Callable[[], Any]) -> Message:
        # The loop may have stood still: now it notices connections that the server has closed meanwhile.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.task = asyncio.current_task()
        try:
            if running.stopped:
                raise asyncio.CancelledError
            return {"done": _encode(await call(), running)}
        except BaseException as error:
            self._stay_one(error)
            tale = told(error)
            cancelled = running.stopped and isinstance(error, asyncio.CancelledError)
            return {"cancelled": tale["trace"]} if cancelled else {"failed": tale}
        finally:
            running.task = None

    def _stay_one(self, error: BaseException | None) -> None:
        """Go on only in the process that the worker knows."""
        if os.getpid() != self._pid:
            end_copy(error)

    def _run_loop(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine, context=contextvars.copy_context())

    def _tell(self, running: Running) -> Callable[[Any, Any], None]:
        def tell(_: Any, progress: Any) -> None:
            text = wire.encode(progress)
            self._pipe.send({"n": running.number, "progress": text, "fields": running.changes()})

        return tell


def _encode(value: Any, running: Running) -> str:
    return wire.encode(value, f"the result of job {running.record.id}")


# ------------------------------------------------------------------------------------------------- telling


def told(error: BaseException) -> Message:
    """An error as a message, from which the worker can make one that is as like it as can be."""
    if isinstance(error, MemoryError):
        traceback.clear_frames(error.__traceback__)  # what filled the memory lives on in them
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in OURS:
        trace = trace.tb_next
    reason, text = describe(error.with_traceback(trace))
    return {
        "kind": type(error).__name__,
        "message": reason,
        "trace": text,
        "args": [item for item in error.args if _plain(item)],
        "state": {name: item for name, item in vars(error).items() if _plain(item)},
        "classes": [[_module(kind), kind.__qualname__] for kind in type(error).__mro__],
    }


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _module(kind: type) -> str:
    return "__main__" if kind.__module__ == MAIN else kind.__module__


# ------------------------------------------------------------------------------------------------- loading


def load(begin: Message) -> list[Callable[[Any], Any]]:
    """The processors' functions, imported as the worker did."""
    children.loading = True
    try:
        if begin["main"] is not None:
            _load_main(begin["main"])
        return [_find(reference) for reference in begin["functions"]]
    finally:
        children.loading = False


def _load_main(main: dict[str, str]) -> None:
    module = types.ModuleType(MAIN)
    if "module" in main:
        content = runpy.run_module(main["module"], run_name=MAIN, alter_sys=True)
    else:
        content = runpy.run_path(main["path"], run_name=MAIN)
    module.__dict__.update(content)
    sys.modules["__main__"] = sys.modules[MAIN] = module


def _find(reference: dict[str, str]) -> Any:
    found: Any = importlib.import_module(reference["module"])
    for part in reference["name"].split("."):
        found = getattr(found, part)
    return found


def limit_memory(most: int) -> None:
    """Let this process have so many bytes and no more, where the system can see to it."""
    with contextlib.suppress(ImportError):
        import resource  # Windows has none

        # Linux counts in RLIMIT_DATA what can be written to; RLIMIT_AS would count what is only reserved, too.
        kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


# --------------------------------------------------------------------------------------------------- main


def main(descriptor: int) -> None:
    """Live as a child of the worker at the other end of this socket."""
    # It is the worker that ends its children.
    signals.supervised = True
    for number in signals.SIGNALS:
        signal.signal(number, signals.ignore)
    signals.spare_forks()
    with contextlib.suppress(Exception):
        faulthandler.enable()  # a crash says where on stderr
    pipe = Pipe(descriptor)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        inbox: asyncio.Queue[Any] = asyncio.Queue()
        threading.Thread(target=_listen, args=(pipe, loop, inbox), name="oxcart-listen", daemon=True).start()
        begin: Message | None = runner.run(inbox.get())
        if begin is None:
            return
        try:
            sys.argv[:] = begin["argv"]
            if begin["memory"] is not None:
                limit_memory(begin["memory"])
            functions = load(begin)
        except BaseException as error:
            pipe.send({"n": 0, "broken": told(error)})
            return
        pipe.send({"n": 0, "ready": True})
        Child(pipe, begin, functions, runner).serve(inbox)


def _stack_of_main_thread() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # pyright: ignore[reportPrivateUsage]
    stack = [entry for entry in traceback.extract_stack(frame) if entry.filename not in OURS]
    return "Stack (most recent call last):\n" + "".join(traceback.format_list(stack))


def _listen(pipe: Pipe, loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[Any]) -> None:
    """The life of the second thread."""
    latest: Running | None = None

    def take(message: Message) -> None:
        nonlocal latest
        match message["do"]:
            case "run":
                latest = Running(message)
                loop.call_soon_threadsafe(inbox.put_nowait, latest)
            case "stop":
                if latest is not None and latest.number == message["n"]:
                    latest.stopped = True
                    pipe.send({"n": latest.number, "where": _stack_of_main_thread()})
                    loop.call_soon_threadsafe(latest.stop)
            case "end":
                loop.call_soon_threadsafe(inbox.put_nowait, None)
            case _:
                loop.call_soon_threadsafe(inbox.put_nowait, message)

    try:
        pipe.listen(take)
    finally:
        os._exit(UNABLE)  # out of memory here: nobody would listen any more
