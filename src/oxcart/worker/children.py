"""Children: the processes in which a worker with `isolation="process"` runs its jobs, one job at a time in each."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast

from ..aio.job import Job
from ..backoff import growing_pauses
from ..errors import OptionsError, ProcessCrashed
from ..protocol import wire
from ..protocol.keys import Keys
from .frames import Message, Unpacker, pack
from .signals import name_of

GRACE_S = 1
"""How long a job that is cancelled, or out of time, may take to end by itself before its process is killed."""

START_S = 120
"""How long a child may take until it has imported its processors."""

END_S = 2
"""How long an idle child may take to end."""

TRIES = 3
"""How many children may die, one after the other, before they have begun with a job."""

LAST_WORDS_S = 0.2
"""How long after a child's end to wait for what it still said, should another process hold its end of the pipe."""

loading = False
"""Whether this process is a child that imports its processors: then it must not start children of its own."""

# The worker's path comes before all else: what it found, the child finds. But at first Python's own modules do, as we
# need them ourselves, and a file `email.py` of the user's must not stand for one.
_COMMAND = (
    "import sys, json; path = json.loads(sys.argv[2]); sys.path += path; from oxcart.worker.child import main; "
    "sys.path[:] = path; main(int(sys.argv[1]))"
)


class Children:
    """The pool: starts children as they are needed, uses them again, and replaces those that died.

    There are never more of them than jobs running at a time. `url` and `redis_timeout_s` are for their connections,
    `memory` for the bytes that each may have, `time_limit_s` for how long each job may run: a child's start doesn't
    count. `on_trouble` hears when no process can be started, and of a child that fails at its start while no job waits.
    """

    def __init__(
        self,
        keys: Keys,
        url: str,
        redis_timeout_s: float,
        *,
        memory: int | None,
        time_limit_s: float | None,
        on_trouble: Callable[[BaseException], None],
    ) -> None:
        if sys.platform == "win32":
            raise OptionsError("isolation='process' needs Linux, macOS or another Unix")
        self._begin = {
            "do": "begin",
            "queue": keys.name,
            "prefix": keys.queue_prefix,
            "url": url,
            "redis_timeout_s": redis_timeout_s,
            "memory": memory,
        }
        self._time_limit_s = time_limit_s
        self._on_trouble = on_trouble
        self._functions: list[dict[str, str]] = []
        self._all: set[Child] = set()
        self._idle: list[Child] = []
        self._waiting: deque[asyncio.Future[Child]] = deque()
        self._starting: set[asyncio.Task[None]] = set()
        self._unable = False
        self._closed = False

    def calling(self, function: Callable[..., Any]) -> Callable[[Job], Awaitable[Any]]:
        """What runs a job by this function in a child; an `OptionsError` if a child can't import it."""
        self._functions.append(reference(function))
        number = len(self._functions) - 1

        async def run(job: Job) -> Any:
            tries = 0
            while True:
                tries += 1
                child = None
                try:
                    child = await self._take()
                    return await self._run(child, number, job)
                except ProcessCrashed:
                    if tries == TRIES or (child is not None and child.begun):
                        raise

        return run

    async def _run(self, child: Child, function: int, job: Job) -> Any:
        limit = asyncio.timeout(self._time_limit_s)
        try:
            async with limit:
                return await child.run(function, job)
        except TimeoutError as error:
            if not limit.expired():
                raise
            late = TimeoutError(f"timed out after {self._time_limit_s:g} s")
            raise late from (ChildTrace(f"TimeoutError: {late}\n{child.where}") if child.where else error)
        finally:
            self._give(child)

    def warm(self) -> None:
        """Have one child ready for the first job."""
        if loading:
            raise OptionsError(
                "a worker was started while the main script was imported by a child process: put what the script does "
                "as a program under `if __name__ == '__main__':`"
            )
        if not self._all:
            self._start()

    async def close(self) -> None:
        """End all children; those that run a job, or don't end, are killed."""
        self._closed = True
        for task in self._starting:
            task.cancel()
        for child in list(self._all):
            child.end()
        for _ in range(2):
            if gone := [child.gone for child in self._all]:
                await asyncio.wait(gone, timeout=END_S)
            for child in self._all:
                child.kill()
        if self._starting:
            await asyncio.wait(self._starting, timeout=END_S)

    async def _take(self) -> Child:
        """A child that is free, started if there is none."""
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
        waiter: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if len(self._starting) < len(self._waiting):
            self._start()
        try:
            child = await waiter
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)
            # A child that starts goes on to do so: whoever comes next needs it.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give(waiter.result())
            raise
        return child if child.alive else await self._take()

    def _give(self, child: Child) -> None:
        """A child is free: the next who waits has it."""
        if not child.alive or self._closed:
            child.end()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(child)
                return
        self._idle.append(child)

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._start_one())
        self._starting.add(task)

    async def _start_one(self) -> None:
        main = main_script() if any(item["module"] == MAIN for item in self._functions) else None
        begin = self._begin | {"main": main, "functions": self._functions, "argv": sys.argv}
        child = None
        try:
            child = await self._spawn()
            await child.start(begin)
        except Exception as error:
            if child is not None:
                child.kill()
            self._started()
            self._refuse(error)
        else:
            self._started()
            self._give(child)

    async def _spawn(self) -> Child:
        """A new process, as soon as there can be one: that the system has no room for it is no job's fault."""
        pauses = growing_pauses()
        while True:
            try:
                self._all.add(child := Child(self._forget))
            except OSError as error:
                if not self._unable:
                    self._unable = True
                    self._on_trouble(_unable(error))
                await asyncio.sleep(next(pauses))
            else:
                self._unable = False
                return child

    def _started(self) -> None:
        """No child starts in this task any more: before anybody is told, who may want another one at once."""
        if (task := asyncio.current_task()) is not None:
            self._starting.discard(task)

    def _refuse(self, error: Exception) -> None:
        """A child failed before it was ready: the next who waits is told."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return
        if not self._closed:
            self._on_trouble(error)

    def _forget(self, child: Child) -> None:
        self._all.discard(child)
        if child in self._idle:
            self._idle.remove(child)


class Child(asyncio.Protocol):
    """One child process, seen from the worker. Making one starts it: an OSError if the system can't."""

    def __init__(self, on_gone: Callable[[Child], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_gone = on_gone
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Message | ProcessCrashed] = self._loop.create_future()
        self._job: Job | None = None
        self.begun = False
        """Whether it has begun with the job that it was sent last: if not, it died of something else."""
        self.where = ""
        """Where its job was when it was stopped, as a stack trace."""
        self._number = 0
        """Counts its jobs, so that nothing is heard of an earlier one."""
        self._exit_code: int | None = None
        self._ending = False
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._process, self._pipe = self._spawn()

    @property
    def alive(self) -> bool:
        """Whether it can be given a job, as far as is known."""
        return not self._ending and self._transport is not None and self._process.returncode is None

    async def start(self, begin: Message) -> None:
        """Wait until it has imported its processors."""
        await self._loop.create_unix_connection(lambda: self, sock=self._pipe)
        self._send(begin)
        await asyncio.wait([self._answer], timeout=START_S)
        if not self._answer.done():
            raise ProcessCrashed(f"a child process did not import its processors within {START_S} s")
        answer = self._answer.result()
        if isinstance(answer, ProcessCrashed):
            raise answer
        if "broken" in answer:
            raise revive(answer["broken"])

    async def run(self, function: int, job: Job) -> Any:
        """Run a job there; its value, or its error, is ours."""
        self._number += 1
        self.begun, self.where = False, ""
        self._job, self._answer = job, self._loop.create_future()
        fields = job.record.fields
        self._send({"do": "run", "n": self._number, "function": function, "id": job.id, "fields": fields})
        try:
            try:
                await asyncio.wait([self._answer])
            except asyncio.CancelledError:
                await self._stop()
                if isinstance(answer := self._answer.result(), ProcessCrashed):
                    raise
                if "cancelled" in answer:
                    self.where = answer["cancelled"]
                    raise
            answer = self._answer.result()
        finally:
            self._job = None
        if isinstance(answer, ProcessCrashed):
            raise answer
        if "done" in answer:
            return wire.decode(answer["done"])
        if answer["failed"]["kind"] == "MemoryError":
            self.end()  # who knows what state it is in
        raise revive(answer["failed"])

    async def _stop(self) -> None:
        """Make the job end: it is asked to, and then its process is killed, which is not waited for for ever."""
        self._send({"do": "stop", "n": self._number})
        try:
            await asyncio.wait([self._answer], timeout=GRACE_S)
        finally:  # if this is cancelled too, there is no more patience
            if not self._answer.done():
                self.kill()
                await asyncio.wait([self._answer], timeout=GRACE_S)
        if not self._answer.done():
            self._answer.set_result(ProcessCrashed(f"the child process {self._pid} was killed and does not end"))

    def end(self) -> None:
        """Let it go: politely, if it is idle."""
        if self._ending:
            return
        if self._transport is None or self._job is not None or not self._answer.done():
            self.kill()
            return
        self._ending = True
        self._send({"do": "end"})
        self._loop.call_later(END_S, self.kill)

    def kill(self) -> None:
        """End it, and whatever its job has started with it."""
        self._ending = True
        if self._process.returncode is None:
            _kill_group(self._process.pid)

    # ------------------------------------------------------------------------------------------ the process

    @property
    def _pid(self) -> int:
        return self._process.pid

    def _spawn(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair()
        path = json.dumps([*map(str, sys.path)])
        command = [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno()), path]
        try:
            # A session of its own: a Ctrl-C in the terminal is for the worker, which lets its jobs finish.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )
            try:
                threading.Thread(target=self._watch, args=(process,), name="oxcart-child", daemon=True).start()
            except RuntimeError as error:
                process.kill()
                process.wait()
                raise OSError(f"no thread can be started to watch it: {error}") from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return process, ours

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """In a thread: wait for its end. The end of the pipe says nothing, since others may hold it open."""
        code = process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(self._exited, code)

    def _exited(self, code: int) -> None:
        self._exit_code = code
        if self._transport is None:
            self._over()
        else:
            self._loop.call_later(LAST_WORDS_S, self._over)

    def _over(self) -> None:
        if self.gone.done():
            return
        self.gone.set_result(None)
        if self._transport is not None:
            self._transport.abort()
        if not self._answer.done():
            _kill_group(self._process.pid)  # what its job has started
            doing = "that ran the job" if self.begun else "that was to run jobs"
            self._answer.set_result(_crash(f"the child process {self._pid} {doing}", self._exit_code or 0))
        self._on_gone(self)

    # -------------------------------------------------------------------------------------------- the pipe

    def _send(self, message: Message) -> None:
        if self._transport is not None:
            self._transport.write(pack(message))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.gone.done():
            transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._unpacker.feed(data):
                self._heard(message)
        except ValueError:
            self.kill()
            if not self._answer.done():
                why = "wrote to the pipe between it and the worker, and was killed"
                self._answer.set_result(ProcessCrashed(f"the child process {self._pid} {why}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._exit_code is not None:
            self._over()
        else:
            self._loop.call_later(END_S, self.kill)  # it can't say any more how its job ends

    def _heard(self, message: Message) -> None:
        if message["n"] != self._number:
            return  # of an earlier job
        if self._job is not None:
            self._take_in(self._job, message)
        if "begun" in message:
            self.begun = True
        elif "where" in message:
            self.where = message["where"]
        elif "progress" not in message and not self._answer.done():
            self._answer.set_result(message)

    def _take_in(self, job: Job, message: Message) -> None:
        """What the job has changed of itself shows here too."""
        fields = message.get("fields", {})
        job.record.fields.update(fields)
        if "data" in fields:
            job.record.data = wire.decode(fields["data"])
        if "progress" in message and job.on_progress is not None:
            job.on_progress(job, wire.decode(message["progress"]))


def _unable(error: OSError) -> ProcessCrashed:
    unable = ProcessCrashed(f"no child process can be started, which is tried again and again: {error}")
    unable.__cause__ = error
    return unable


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _crash(who: str, code: int) -> ProcessCrashed:
    if code >= 0:
        return ProcessCrashed(f"{who} ended with exit code {code}", exit_code=code)
    name = name_of(-code)
    hint = ": by somebody, or by the system for want of memory" if name == "SIGKILL" else ""
    return ProcessCrashed(f"{who} was killed by {name}{hint}", signal=name)


# ---------------------------------------------------------------------------------------------- functions

MAIN = "__mp_main__"
"""What the main script is called in a child, as with multiprocessing: it is imported there and does not run."""


def reference(function: Callable[..., Any]) -> dict[str, str]:
    """Where a child imports this function from; an `OptionsError` if it can't."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise _not_importable(function, "it has no name of its own")
    if "<lambda>" in name:
        raise _not_importable(function, "it is a lambda")
    if "<locals>" in name:
        raise _not_importable(function, "it is defined inside a function")
    if module == "__main__":
        if main_script() is None:
            raise _not_importable(function, "it was typed in, so there is no file to import")
    elif module != MAIN and not _can_be_found(module):
        raise _not_importable(function, f"there is no module {module!r} to import")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found != function:
        raise _not_importable(function, f"{module}.{name} is something else")
    return {"module": MAIN if module == "__main__" else module, "name": name}


def _not_importable(function: object, why: str) -> OptionsError:
    return OptionsError(
        f"processor {function!r} can't be used with isolation='process': {why}. A child process has to import it: "
        "give a function that is defined at the top level of a module"
    )


def _can_be_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def main_script() -> dict[str, str] | None:
    """How a child finds the main script: by module name, or by path; None if there is no file."""
    main = sys.modules["__main__"]
    if (spec := main.__spec__) is not None and spec.name != "__main__":
        return {"module": spec.name}
    path = getattr(main, "__file__", None)
    return {"path": path} if path and os.path.isfile(path) else None


# ------------------------------------------------------------------------------------------------- errors


class ChildTrace(Exception):
    """The cause of an error that came from a child: its stack trace there, as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"in a child process\n{self.text}"


def revive(told: Message) -> Exception:
    """The error that a child has told of, with its name, message and plain attributes.

    Its class is a new one below the first of its classes that is known here, since how that one is made is not known.
    """
    for module, name in told["classes"]:
        if (kind := _known_class(module, name)) is not None:
            with contextlib.suppress(Exception):
                return _make(kind, told)
    return _make(Exception, told)


def _known_class(module: str, name: str) -> type[Exception] | None:
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not issubclass(found, Exception):
        return None
    return None if issubclass(found, StopIteration | StopAsyncIteration) else found  # a coroutine can't raise these


def _make(kind: type[Exception], told: Message) -> Exception:
    message: str = told["message"]

    def text(_: Exception) -> str:
        return message

    members: dict[str, Any] = {"__module__": told["classes"][0][0], "__str__": text}
    made = cast(type[Exception], type(told["kind"], (kind,), members))
    error = made.__new__(made, *told["args"])
    vars(error).update(told["state"])
    error.__cause__ = ChildTrace(told["trace"])
    return error
