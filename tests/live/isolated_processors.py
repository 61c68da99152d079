"""Processors for `test_isolated.py`, which child processes import."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import oxcart
from oxcart import Job, Requeue, Reschedule, Unrecoverable
from oxcart.sync.job import Job as SyncJob

trail = contextvars.ContextVar("trail", default="clean")


class PaymentFailed(ValueError):
    def __init__(self, code: int, *, retry_after: float) -> None:
        super().__init__(f"payment failed with {code}")
        self.code = code
        self.retry_after = retry_after


class NoSuchUser(Unrecoverable): ...


async def give_async(job: Job) -> Any:
    return job.data


async def double(job: Job) -> Any:
    return {"twice": job.data["n"] * 2, "pid": os.getpid()}


def double_blocking(job: SyncJob) -> Any:
    main = threading.current_thread() is threading.main_thread()
    return {"twice": job.data["n"] * 2, "pid": os.getpid(), "main": main}


async def use_the_job(job: Job) -> str:
    assert isinstance(job, oxcart.Job)
    await job.update_progress({"half": True})
    await job.log("a line")
    await job.update_progress(100)
    await job.update_data(job.data | {"seen": True})
    await job.refresh()
    return f"{job.name} {job.data['n']} {await job.state()} {job.cancelled}"


def use_the_job_blocking(job: SyncJob) -> str:
    assert isinstance(job, SyncJob)
    job.update_progress({"half": True})
    job.log("a line")
    job.update_progress(100)
    job.update_data(job.data | {"seen": True})
    job.refresh()
    return f"{job.name} {job.data['n']} {job.state()} {job.cancelled}"


def fail(job: SyncJob) -> None:
    raise PaymentFailed(402, retry_after=0.25)


async def fail_async(job: Job) -> None:
    raise PaymentFailed(402, retry_after=0.25)


def raise_odd(job: SyncJob) -> None:
    """What is raised seldom, by name."""
    match job.data:
        case "SystemExit":
            sys.exit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "StopIteration":
            raise StopIteration("stop")
        case "ExceptionGroup":
            raise ExceptionGroup("many", [ValueError("one")])
        case "UnicodeDecodeError":
            b"\xff".decode()
        case "CancelledError":
            raise asyncio.CancelledError("mine")
        case "KeyError":
            raise KeyError("a key")
        case _:
            os.stat("/does/not/exist")


async def steer(job: Job) -> str:
    if job.attempts_started > 1:
        return "at last"
    match job.name:
        case "unrecoverable":
            raise Unrecoverable("no such user")
        case "subclass":
            raise NoSuchUser("u1")
        case "reschedule":
            raise Reschedule(0.3)
        case _:
            raise Requeue


def not_json(job: SyncJob) -> Any:
    return {1, 2}


def crash(job: SyncJob) -> Any:
    """Crash in the way that the job's name says."""
    match job.name:
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "abort":
            os.abort()
        case "memory":
            return len([bytearray(1 << 20) for _ in range(10_000)])
        case "small memory":
            kept: list[Any] = []
            while True:
                kept.append([None])
        case "raise":
            raise ValueError("boom")
        case "close":
            os.closerange(3, 100)
            time.sleep(60)
        case _:
            return job.data


def loop_forever(job: SyncJob) -> None:
    while True:
        pass


async def block_the_loop(job: Job) -> None:
    while True:
        pass


async def wait_and_tidy_up(job: Job) -> None:
    try:
        await job.log(f"waiting in {os.getpid()}")
        await asyncio.sleep(60)
    finally:
        await job.log("tidied up")


async def refuse_to_end(job: Job) -> None:
    said = False
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            if not said:
                await job.log(f"waiting in {os.getpid()}")
                said = True
            await asyncio.sleep(60)


async def end_well_when_cancelled(job: Job) -> str:
    try:
        await job.log(f"waiting in {os.getpid()}")
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "ended well"
    return ""


def look_at_cancelled(job: SyncJob) -> str:
    job.log(f"waiting in {os.getpid()}")
    while not job.cancelled:
        time.sleep(0.005)
    job.log("saw it")
    return "ignored"


def sleep(job: SyncJob) -> int:
    job.log(f"waiting in {os.getpid()}")
    time.sleep(job.data["s"])
    return os.getpid()


def start_a_program(job: SyncJob) -> None:
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    job.log(f"waiting in {program.pid}")
    program.wait()


def fork_and_die(job: SyncJob) -> None:
    """The forked process holds the pipe's end open."""
    if (pid := os.fork()) == 0:
        time.sleep(60)
        os._exit(0)
    job.log(f"waiting in {pid}")
    os._exit(4)


def fork_and_come_back(job: SyncJob) -> Any:
    """What a fork says that comes back from here, too, is not the job's word."""
    if (pid := os.fork()) == 0:
        if job.name == "raise":
            raise ValueError("in the fork")
        if job.name == "exit":
            sys.exit(job.data)
        if job.name == "exit for":
            raise SystemExit(ValueError(job.data))
        return "the fork"
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end_forks_at_once(job: SyncJob) -> list[int | None]:
    """As `multiprocessing` does with its pools."""
    forks = [multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,)) for _ in range(20)]
    for fork in forks:
        fork.start()
        fork.terminate()
    for fork in forks:
        fork.join(10)
    return [fork.exitcode for fork in forks]


def write_to_the_pipe(job: SyncJob) -> str:
    """As code does that takes the descriptor for another one."""
    os.write(int(sys.orig_argv[-2]), job.data.encode())
    return "it went well"


async def leave_a_trail(job: Job) -> str:
    before = trail.get()
    trail.set("dirty")
    return before


def run_a_loop(job: SyncJob) -> int:
    async def answer() -> int:
        return 42

    return asyncio.run(answer())


def give_awaitable(job: SyncJob) -> Any:
    async def later() -> str:
        await asyncio.sleep(0)
        return "awaited"

    return later()


def say(job: SyncJob) -> None:
    print("said on stdout")
    print("said on stderr", file=sys.stderr)


class Tools:
    @staticmethod
    def run(job: SyncJob) -> str:
        return "static"

    @classmethod
    def make(cls, job: SyncJob) -> str:
        return cls.__name__

    def method(self, job: SyncJob) -> None: ...


nameless = lambda job: None  # noqa: E731
