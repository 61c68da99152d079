"""Workers with `isolation="process"`: what runs in child processes, and what their ends do, one fact each."""

from __future__ import annotations

import asyncio
import errno
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis

from oxcart import Backoff, Job, JobSpec, OptionsError, Queue, Unrecoverable, Worker
from oxcart.errors import ProcessCrashed
from oxcart.worker import children, frames
from tests.conftest import RedisServer, RunWorker, wait_until
from tests.live import isolated_processors as processors
from tests.live.test_working import ends

ROOT = Path(__file__).parents[2]


def child_processes(pid: int | None = None) -> list[psutil.Process]:
    """The children of this process, or another one, that run jobs."""
    found: list[psutil.Process] = []
    for process in psutil.Process(pid).children():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and any("oxcart.worker.child" in w for w in process.cmdline()):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


async def told_pid(queue: Queue, job: Job) -> int:
    """The pid that a job tells in its log."""

    async def first_line() -> list[str]:
        return await queue.logs(job.id)

    return int((await wait_until(first_line))[0].split()[-1])


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --------------------------------------------------------------------------------------------- running jobs


async def test_a_coroutine_function_runs_in_a_child(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.double, isolation="process")
    job = await ends(await queue.add("x", {"n": 21}), "completed")
    assert job.return_value["twice"] == 42
    assert job.return_value["pid"] != os.getpid()


async def test_a_plain_function_runs_in_the_main_thread_of_a_child(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.double_blocking, isolation="process")
    job = await ends(await queue.add("x", {"n": 21}), "completed")
    assert job.return_value["twice"] == 42
    assert job.return_value["pid"] != os.getpid()
    assert job.return_value["main"]


async def test_a_child_runs_one_job_after_the_other(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.double, isolation="process")
    pids = [(await ends(await queue.add("x", {"n": n}), "completed")).return_value["pid"] for n in range(3)]
    assert len(set(pids)) == 1


async def test_there_are_as_many_children_as_jobs_at_a_time(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.sleep, isolation="process", concurrency=3)
    jobs = await queue.add_bulk([JobSpec("x", {"s": 0.2}) for _ in range(9)])
    pids = {(await ends(job, "completed")).return_value for job in jobs}
    assert 2 <= len(pids) <= 3
    assert len(child_processes()) == len(pids)


async def test_a_mapping_chooses_by_the_jobs_name(queue: Queue, run_worker: RunWorker) -> None:
    table = {"async": processors.double, "plain": processors.double_blocking, "static": processors.Tools.run}
    await run_worker(table | {"class": processors.Tools.make}, isolation="process")
    names = ["async", "plain", "static", "class", "none"]
    jobs = await queue.add_bulk([JobSpec(name, {"n": 1}) for name in names])
    assert (await ends(jobs[0], "completed")).return_value["twice"] == 2
    assert (await ends(jobs[1], "completed")).return_value["main"]
    assert (await ends(jobs[2], "completed")).return_value == "static"
    assert (await ends(jobs[3], "completed")).return_value == "Tools"
    failed = await ends(jobs[4], "failed")
    assert failed.failed_reason == "no processor for jobs named 'none'; known: async, class, plain, static"


@pytest.mark.parametrize("process", [processors.use_the_job, processors.use_the_job_blocking])
async def test_the_job_in_the_child_is_a_real_one(queue: Queue, run_worker: RunWorker, process: Any) -> None:
    heard: list[Any] = []
    shown: list[Any] = []
    worker = await run_worker(process, isolation="process")
    worker.on("progress")(lambda job, value: heard.append((job.id, value, job.progress)))
    worker.on("completed")(lambda job, value: shown.append((job.data, job.progress, value)))
    job = await ends(await queue.add("x", {"n": 7}), "completed")
    assert job.return_value == "x 7 active False"
    assert (job.progress, job.data) == (100, {"n": 7, "seen": True})
    assert await queue.logs(job.id) == ["a line"]
    await wait_until(lambda: shown)
    assert heard == [(job.id, {"half": True}, {"half": True}), (job.id, 100, 100)]
    assert shown == [({"n": 7, "seen": True}, 100, "x 7 active False")]


async def test_context_variables_of_one_job_are_not_those_of_the_next(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.leave_a_trail, isolation="process")
    for _ in range(2):
        assert (await ends(await queue.add("x"), "completed")).return_value == "clean"


async def test_a_plain_function_may_run_a_loop_of_its_own_or_give_something_to_await(
    queue: Queue, run_worker: RunWorker
) -> None:
    await run_worker({"loop": processors.run_a_loop, "later": processors.give_awaitable}, isolation="process")
    loop, later = await queue.add_bulk([JobSpec("loop"), JobSpec("later")])
    assert (await ends(loop, "completed")).return_value == 42
    assert (await ends(later, "completed")).return_value == "awaited"


async def test_large_data_and_results_pass(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.crash, isolation="process")
    text = "ü" * 3_000_000
    job = await ends(await queue.add("give back", text), "completed")
    assert job.return_value == text


async def test_large_results_pass_though_new_sockets_have_a_timeout(queue: Queue, run_worker: RunWorker) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)
    try:
        await run_worker(processors.crash, isolation="process")
        text = "x" * 3_000_000
        assert (await ends(await queue.add("give back", text), "completed")).return_value == text
    finally:
        socket.setdefaulttimeout(before)


async def test_what_children_print_goes_where_the_worker_prints(
    queue: Queue, run_worker: RunWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    await run_worker(processors.say, isolation="process")
    await ends(await queue.add("x"), "completed")
    out, err = capfd.readouterr()
    assert out == "said on stdout\n"
    assert err == "said on stderr\n"


# ------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("process", [processors.fail, processors.fail_async])
async def test_an_error_comes_back_with_name_message_and_trace(
    queue: Queue, run_worker: RunWorker, process: Any
) -> None:
    asked: list[Any] = []
    heard: list[BaseException] = []

    def strategy(made: int, error: BaseException, job: Job) -> float:
        asked.append(error)
        return getattr(error, "retry_after", -1)

    worker = await run_worker(process, isolation="process", backoff_strategies={"mine": strategy})
    worker.on("failed")(lambda job, error: heard.append(error))
    job = await ends(await queue.add("x", attempts=2, backoff=Backoff.custom("mine")), "failed")
    assert job.failed_reason == "payment failed with 402"
    assert job.attempts_made == 2
    for trace in job.stacktrace:
        assert trace.startswith("PaymentFailed: payment failed with 402\nTraceback (most recent call last):")
        assert "raise PaymentFailed(402, retry_after=0.25)" in trace
        assert "worker/child.py" not in trace
    assert isinstance(asked[0], processors.PaymentFailed)
    assert asked[0].code == 402
    await wait_until(lambda: len(heard) == 2)
    assert str(heard[1]) == "payment failed with 402"
    assert "raise PaymentFailed" in str(heard[1].__cause__)


async def test_errors_of_every_kind_fail_the_job_and_nothing_else(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.raise_odd, isolation="process")
    expected = {
        "SystemExit": "3",
        "KeyboardInterrupt": "KeyboardInterrupt",
        "StopIteration": "stop",
        "ExceptionGroup": "many (1 sub-exception)",
        "UnicodeDecodeError": "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        "CancelledError": "mine",
        "KeyError": "'a key'",
        "FileNotFoundError": "[Errno 2] No such file or directory: '/does/not/exist'",
    }
    for kind, reason in expected.items():
        job = await ends(await queue.add("x", kind), "failed")
        assert job.failed_reason == reason
        assert job.stacktrace[0].startswith(f"{kind}: {reason}\n")
    assert len(child_processes()) == 1


async def test_what_a_processor_raises_to_steer_keeps_its_meaning(queue: Queue, run_worker: RunWorker) -> None:
    heard: list[BaseException] = []
    worker = await run_worker(processors.steer, isolation="process")
    worker.on("failed")(lambda job, error: heard.append(error))
    names = ["unrecoverable", "subclass", "reschedule", "requeue"]
    jobs = await queue.add_bulk([JobSpec(name, attempts=5) for name in names])
    for job, reason in zip(jobs[:2], ("no such user", "u1"), strict=True):
        await ends(job, "failed")
        assert (job.failed_reason, job.attempts_made) == (reason, 1)
    for job in jobs[2:]:
        await ends(job, "completed")
        assert (job.return_value, job.attempts_made, job.attempts_started) == ("at last", 1, 2)
    await wait_until(lambda: len(heard) == 2)
    assert all(isinstance(error, Unrecoverable) for error in heard)
    assert jobs[1].stacktrace[0].startswith("NoSuchUser: u1")


async def test_a_result_that_is_not_json_fails_the_job(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.not_json, isolation="process")
    job = await ends(await queue.add("x"), "failed")
    why = "result is of type set, which JSON doesn't have"
    assert job.failed_reason == f"the result of job {job.id} can't be sent as JSON: {why}"


async def test_fields_that_are_no_utf8_do_no_harm(queue: Queue, run_worker: RunWorker, redis: Redis) -> None:
    job = await queue.add("x", {"n": 1})
    await redis.hset(f"bull:{queue.name}:{job.id}", "failedReason", b"\xff\xfe")
    await run_worker(processors.double, isolation="process")
    assert (await ends(job, "completed")).return_value["twice"] == 2


def test_messages_come_out_as_they_went_in_however_they_are_cut() -> None:
    messages = [{"n": 1, "text": "ü" * 100}, {"odd": "\udcff"}, {"big": 2**70}, {}]
    stream = b"".join(map(frames.pack, messages))
    for size in (1, 7, 64, len(stream)):
        unpacker = frames.Unpacker()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [message for piece in pieces for message in unpacker.feed(piece)] == messages


@pytest.mark.parametrize("noise", [b"said where nobody reads\n", b"\n", b"\0" * 20])
def test_what_is_no_message_is_refused_and_not_waited_for(noise: bytes) -> None:
    unpacker = frames.Unpacker()
    assert list(unpacker.feed(frames.pack({"n": 1}))) == [{"n": 1}]
    with pytest.raises(ValueError, match="no message begins with"):
        list(unpacker.feed(noise + frames.pack({"n": 2})))


# ------------------------------------------------------------------------------------------------- crashes


async def test_crashes_fail_their_own_attempts_and_all_other_jobs_complete(queue: Queue, run_worker: RunWorker) -> None:
    errors: dict[str, BaseException] = {}
    worker = await run_worker(processors.crash, isolation="process", concurrency=3, isolation_memory=200 << 20)
    worker.on("failed")(lambda job, error: errors.setdefault(job.name, error))
    crashing = ["exit", "segfault", "kill", "abort", "memory", "small memory", "raise", "close"]
    fine = [f"fine {n}" for n in range(12)]
    mixed = [name for pair in zip(crashing, fine, strict=False) for name in pair] + fine[len(crashing) :]
    jobs = await queue.add_bulk([JobSpec(name, name) for name in mixed])
    for job in jobs:
        await ends(job, "failed" if job.name in crashing else "completed", timeout=60)
        if job.name in fine:
            assert (job.return_value, job.attempts_started) == (job.name, 1)
    reasons = {job.name: job.failed_reason or "" for job in jobs if job.name in crashing}
    assert reasons["exit"].endswith("that ran the job ended with exit code 3")
    assert reasons["segfault"].endswith("that ran the job was killed by SIGSEGV")
    assert "was killed by SIGKILL" in reasons["kill"]
    assert reasons["abort"].endswith("was killed by SIGABRT")
    assert reasons["raise"] == "boom"
    assert "the child process" in reasons["close"]
    assert isinstance(errors["memory"], MemoryError)
    assert isinstance(errors["small memory"], MemoryError | ProcessCrashed)
    assert isinstance(errors["exit"], ProcessCrashed)
    assert errors["exit"].exit_code == 3
    assert isinstance(errors["segfault"], ProcessCrashed)
    assert errors["segfault"].signal == "SIGSEGV"
    assert (await ends(await queue.add("after all", "that"), "completed")).return_value == "that"


async def test_a_crashed_attempt_is_tried_again_in_another_child(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.crash, isolation="process")
    job = await ends(await queue.add("exit", attempts=2), "failed")
    assert job.attempts_made == 2
    assert [text.splitlines()[0].rpartition(" ")[2] for text in job.stacktrace] == ["3", "3"]
    first, second = (text.split(" that ran")[0] for text in job.stacktrace)
    assert first != second


async def test_an_idle_child_that_dies_is_replaced(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.double, isolation="process")
    first = await ends(await queue.add("x", {"n": 1}), "completed")
    os.kill(first.return_value["pid"], signal.SIGKILL)
    await wait_until(lambda: not child_processes())
    second = await ends(await queue.add("x", {"n": 1}), "completed")
    assert second.return_value["pid"] != first.return_value["pid"]


async def test_a_child_that_dies_before_it_begins_with_a_job_does_the_job_no_harm(
    queue: Queue, run_worker: RunWorker
) -> None:
    worker = await run_worker(processors.double, isolation="process")
    first = await ends(await queue.add("x", {"n": 1}), "completed")
    [child] = child_processes()
    child.suspend()
    job = await queue.add("x", {"n": 2})
    await wait_until(lambda: job.id in worker._attempts)
    child.kill()
    await ends(job, "completed")
    assert job.return_value["pid"] != first.return_value["pid"]
    assert job.attempts_started == 1


async def test_a_crash_is_noticed_though_another_process_holds_the_pipe(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.fork_and_die, isolation="process")
    job = await ends(await queue.add("x"), "failed")
    assert (job.failed_reason or "").endswith("ended with exit code 4")
    forked = await told_pid(queue, job)
    await wait_until(lambda: not runs(forked))  # it goes with the child


async def test_a_fork_that_comes_back_from_a_job_has_no_say_in_how_it_ends(
    queue: Queue, run_worker: RunWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    await run_worker(processors.fork_and_come_back, isolation="process")
    expected: list[tuple[str, Any, int]] = [
        ("return", None, 0),
        ("raise", None, 1),
        ("exit", None, 0),
        ("exit", 3, 3),
        ("exit", 2**40, 0),
        ("exit", 1.5, 1),
        ("exit", "for a reason", 1),
        ("exit for", "no room", 1),
    ]
    for name, data, code in expected:
        assert (await ends(await queue.add(name, data), "completed")).return_value == code, (name, data)
    said = capfd.readouterr().err
    assert all(text in said for text in ("ValueError: in the fork", "for a reason\n", "no room\n"))


async def test_forks_of_a_job_end_as_soon_as_they_are_told_to(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.end_forks_at_once, isolation="process")
    job = await ends(await queue.add("x"), "completed")
    assert job.return_value == [-signal.SIGTERM] * 20


@pytest.mark.parametrize("text", ["said", "said where a child listens\n", "x" * 100_000])
async def test_a_job_that_writes_to_its_childs_pipe_fails_and_the_next_one_runs(
    queue: Queue, run_worker: RunWorker, text: str
) -> None:
    table = {"write": processors.write_to_the_pipe, "fine": processors.double}
    await run_worker(table, isolation="process")
    job = await ends(await queue.add("write", text), "failed")
    assert (job.failed_reason or "").endswith(" wrote to the pipe between it and the worker, and was killed")
    await ends(await queue.add("fine", {"n": 1}), "completed")


async def test_a_file_named_as_one_of_pythons_modules_stands_in_no_childs_way(
    queue: Queue, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("email", "queue", "json"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is no place for it')\n")
    monkeypatch.syspath_prepend(tmp_path)
    await run_worker(processors.double, isolation="process")
    await ends(await queue.add("x", {"n": 1}), "completed")


async def test_a_module_that_fails_in_the_child_fails_the_job_with_its_error(
    queue: Queue, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picky_module.py").write_text(
        "import os\nif os.environ.get('PICKY'):\n    raise RuntimeError('not here')\nasync def work(job): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import picky_module  # pyright: ignore[reportMissingImports]

    monkeypatch.setenv("PICKY", "1")
    errors: list[str] = []
    worker = await run_worker(picky_module.work, isolation="process")
    worker.on("error")(lambda error: errors.append(str(error)))
    await wait_until(lambda: errors == ["not here"])  # told at the start, before any job
    job = await ends(await queue.add("x"), "failed")
    assert job.failed_reason == "not here"
    assert "picky_module.py" in job.stacktrace[0]
    monkeypatch.delenv("PICKY")
    await ends(await queue.add("x"), "completed")


def no_program(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    return "No such file or directory"


def no_descriptors(monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(children.socket, "socketpair", refuse)
    return "Too many open files"


def no_threads(monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(**options: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(children, "threading", SimpleNamespace(Thread=refuse))
    return "can't start new thread"


@pytest.mark.parametrize("hinder", [no_program, no_descriptors, no_threads])
async def test_where_no_child_can_be_started_that_is_told_once_and_jobs_wait_until_one_can(
    queue: Queue, run_worker: RunWorker, monkeypatch: pytest.MonkeyPatch, hinder: Callable[[pytest.MonkeyPatch], str]
) -> None:
    pauses: list[float] = []

    def short_pauses() -> Iterator[float]:
        while True:
            pauses.append(0.01)
            yield 0.01

    monkeypatch.setattr(children, "growing_pauses", short_pauses)
    errors: list[str] = []
    with monkeypatch.context() as hindered:
        why = hinder(hindered)
        worker = await run_worker(processors.double, isolation="process", concurrency=2)
        worker.on("error")(lambda error: errors.append(str(error)))
        jobs = await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(5)])
        await wait_until(lambda: len(worker._attempts) == 2 and len(pauses) > 20)
        cancelled = await queue.job(next(iter(worker._attempts)))
        assert cancelled is not None
        assert worker.cancel_job(cancelled.id)
        await ends(cancelled, "failed")
    for job in jobs:
        if job.id != cancelled.id:
            await ends(job, "completed")
            assert (job.attempts_started, job.attempts_made) == (1, 1)
    assert len(errors) == 1
    assert errors[0].startswith("no child process can be started, ")
    assert why in errors[0]


async def test_a_worker_that_closes_while_no_child_can_be_started_gives_its_job_back(
    queue: Queue, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_program(monkeypatch)
    worker = Worker(queue.name, processors.double, connection=redis_server.url, isolation="process")
    running = asyncio.create_task(worker.run())
    job = await queue.add("x", {"n": 1})
    await wait_until(lambda: worker._attempts)
    await worker.close(timeout=0)
    await running
    assert await job.state() == "waiting"


async def test_a_memory_limit_that_is_too_small_to_start_with_is_told(queue: Queue, run_worker: RunWorker) -> None:
    await run_worker(processors.double, isolation="process", isolation_memory=1 << 20)
    job = await ends(await queue.add("x", {"n": 1}), "failed", timeout=30)
    assert job.failed_reason


# ------------------------------------------------------------------------------------- timeouts, cancelling


@pytest.mark.parametrize("process", [processors.loop_forever, processors.block_the_loop, processors.refuse_to_end])
async def test_an_endless_job_is_killed_at_its_time_limit(queue: Queue, run_worker: RunWorker, process: Any) -> None:
    table = {"x": process, "fine": processors.double}
    await run_worker(table, isolation="process", timeout=2)
    await ends(await queue.add("fine", {"n": 1}), "completed")
    [before] = child_processes()
    job = await ends(await queue.add("x"), "failed")
    assert job.failed_reason == "timed out after 2 s"
    assert job.stacktrace[0].startswith("TimeoutError: timed out after 2 s")
    assert not before.is_running()
    if process is not processors.refuse_to_end:
        assert f"in {process.__name__}\n" in job.stacktrace[0]  # where it was
    await ends(await queue.add("fine", {"n": 1}), "completed")


async def test_a_job_that_ends_at_its_time_limit_tells_where_it_was_and_its_child_lives_on(
    queue: Queue, run_worker: RunWorker
) -> None:
    await run_worker(processors.wait_and_tidy_up, isolation="process", timeout=1.5)
    job = await ends(await queue.add("x", attempts=2), "failed")
    assert job.failed_reason == "timed out after 1.5 s"
    assert [text.splitlines()[0] for text in job.stacktrace] == ["TimeoutError: timed out after 1.5 s"] * 2
    assert "await asyncio.sleep(60)" in job.stacktrace[0]
    lines = await queue.logs(job.id)
    assert lines[1] == lines[3] == "tidied up"
    assert lines[0] == lines[2]


async def test_the_time_limit_does_not_count_the_start_of_a_child(
    queue: Queue, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_module.py").write_text(
        "import os, time\ntime.sleep(float(os.environ.get('SLOW', 0)))\nasync def work(job): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import slow_module  # pyright: ignore[reportMissingImports]

    monkeypatch.setenv("SLOW", "3")
    await run_worker(slow_module.work, isolation="process", timeout=1.5)
    await ends(await queue.add("x"), "completed")


async def test_a_job_cancelled_while_its_child_starts_leaves_it_to_the_next(
    queue: Queue, run_worker: RunWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sluggish_module.py").write_text(
        "import os, time\ntime.sleep(float(os.environ.get('SLOW', 0)))\nasync def work(job): return os.getpid()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import sluggish_module  # pyright: ignore[reportMissingImports]

    monkeypatch.setenv("SLOW", "3")
    worker = await run_worker(sluggish_module.work, isolation="process")
    first = await queue.add("x")
    await wait_until(lambda: worker.cancel_job(first.id))
    [child] = await wait_until(child_processes)
    await ends(first, "failed")
    assert (await ends(await queue.add("x"), "completed")).return_value == child.pid


async def test_a_cancelled_coroutine_tidies_up_and_its_child_lives_on(queue: Queue, run_worker: RunWorker) -> None:
    worker = await run_worker(processors.wait_and_tidy_up, isolation="process")
    job = await queue.add("x", attempts=3)
    pid = await told_pid(queue, job)
    assert worker.cancel_job(job.id, "not wanted any more")
    await ends(job, "failed")
    assert job.failed_reason == "cancelled: not wanted any more"
    assert (await queue.logs(job.id))[1:] == ["tidied up"]
    assert runs(pid)


async def test_a_coroutine_that_ends_well_when_it_is_cancelled_has_completed(
    queue: Queue, run_worker: RunWorker
) -> None:
    worker = await run_worker(processors.end_well_when_cancelled, isolation="process")
    job = await queue.add("x")
    await told_pid(queue, job)
    assert worker.cancel_job(job.id)
    assert (await ends(job, "completed")).return_value == "ended well"


@pytest.mark.parametrize("process", [processors.refuse_to_end, processors.sleep])
async def test_a_cancelled_job_that_does_not_end_is_killed(queue: Queue, run_worker: RunWorker, process: Any) -> None:
    worker = await run_worker(process, isolation="process")
    job = await queue.add("x", {"s": 60})
    pid = await told_pid(queue, job)
    assert worker.cancel_job(job.id)
    await ends(job, "failed")
    assert job.failed_reason == "cancelled"
    assert not runs(pid)


async def test_a_plain_function_sees_that_it_is_cancelled(queue: Queue, run_worker: RunWorker) -> None:
    worker = await run_worker(processors.look_at_cancelled, isolation="process")
    job = await queue.add("x")
    pid = await told_pid(queue, job)
    assert worker.cancel_job(job.id)
    await ends(job, "failed")
    assert job.failed_reason == "cancelled"
    assert (await queue.logs(job.id))[1:] == ["saw it"]
    assert runs(pid)


async def test_what_a_killed_job_has_started_ends_with_it(queue: Queue, run_worker: RunWorker) -> None:
    worker = await run_worker(processors.start_a_program, isolation="process")
    job = await queue.add("x")
    program = await told_pid(queue, job)
    assert runs(program)
    worker.cancel_job(job.id)
    await ends(job, "failed")
    await wait_until(lambda: not runs(program))


# -------------------------------------------------------------------------------------------------- stopping


async def test_a_worker_that_closes_waits_for_its_jobs_and_leaves_no_child(
    queue: Queue, redis_server: RedisServer
) -> None:
    worker = Worker(queue.name, processors.sleep, connection=redis_server.url, isolation="process", concurrency=3)
    running = asyncio.create_task(worker.run())
    jobs = await queue.add_bulk([JobSpec("x", {"s": 0.5}), JobSpec("x", {"s": 0})])
    await told_pid(queue, jobs[0])
    await worker.close()
    await running
    assert child_processes() == []
    for job in jobs[:1]:
        assert await job.state() == "completed"


async def test_a_stop_that_can_wait_no_longer_gives_jobs_back_and_leaves_no_child(
    queue: Queue, redis_server: RedisServer
) -> None:
    worker = Worker(queue.name, processors.loop_forever, connection=redis_server.url, isolation="process")
    running = asyncio.create_task(worker.run())
    job = await queue.add("x")
    await wait_until(lambda: worker._attempts)
    await worker.close(timeout=0)
    await running
    assert child_processes() == []
    assert await job.state() == "waiting"


PROGRAM = """
import asyncio, os, sys, time
from oxcart import Worker

def work(job):
    job.log(f"waiting in {os.getpid()}")
    if job.data["s"] < 0:
        while True: pass
    time.sleep(job.data["s"])
    return __name__

worker = Worker(
    sys.argv[1], work, connection=sys.argv[2], isolation="process", concurrency=2, lock_duration=1, stalled_interval=1
)

if __name__ == "__main__":
    asyncio.run(worker.run())
"""


@contextmanager
def program(folder: Path, *arguments: str, text: str = PROGRAM, run: str = "script.py") -> Iterator[Popen[bytes]]:
    """A worker in a process of its own, its processor defined in its main script; killed afterwards."""
    (folder / "script.py").write_text(text)
    with Popen([sys.executable, *run.split(), *arguments], cwd=folder, start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("run", ["script.py", "-m script"])
async def test_a_processor_of_the_main_script_is_found(
    queue: Queue, redis_server: RedisServer, tmp_path: Path, run: str
) -> None:
    with program(tmp_path, queue.name, redis_server.url, run=run):
        job = await ends(await queue.add("x", {"s": 0}), "completed")
    assert job.return_value == "__mp_main__"


async def test_children_end_when_the_worker_is_killed(
    queue: Queue, redis_server: RedisServer, run_worker: RunWorker, tmp_path: Path
) -> None:
    with program(tmp_path, queue.name, redis_server.url) as worker_process:
        jobs = await queue.add_bulk([JobSpec("x", {"s": 60}), JobSpec("x", {"s": -1})])
        pids = [await told_pid(queue, job) for job in jobs]
        assert all(runs(pid) for pid in pids)
        worker_process.kill()
        await wait_until(lambda: not any(runs(pid) for pid in pids))
    worker = await run_worker(lambda job: "elsewhere", lock_duration=1, stalled_interval=1)
    assert worker
    for job in jobs:
        assert (await ends(job, "completed")).return_value == "elsewhere"


async def test_a_signal_to_the_whole_group_lets_running_jobs_finish(
    queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    with program(tmp_path, queue.name, redis_server.url) as worker_process:
        job = await queue.add("x", {"s": 1})
        pid = await told_pid(queue, job)
        os.killpg(worker_process.pid, signal.SIGINT)
        os.kill(pid, signal.SIGINT)  # even if it were in the group
        assert await asyncio.to_thread(worker_process.wait, 10) == 0
        assert not runs(pid)
    await ends(job, "completed")


async def test_a_script_without_a_guard_is_told_to_have_one(
    queue: Queue, redis_server: RedisServer, tmp_path: Path
) -> None:
    unguarded = PROGRAM.replace('if __name__ == "__main__":', "if True:")
    with program(tmp_path, queue.name, redis_server.url, text=unguarded):
        job = await ends(await queue.add("x", {"s": 0}), "failed")
        assert "if __name__ == '__main__':" in (job.failed_reason or "")


async def test_children_find_redis_again_after_it_was_away(fragile_server: RedisServer, queue_name: str) -> None:
    table = {"async": processors.use_the_job, "plain": processors.use_the_job_blocking}
    worker = Worker(queue_name, table, connection=fragile_server.url, isolation="process")
    running = asyncio.create_task(worker.run())
    async with Queue(queue_name, connection=fragile_server.url) as queue:
        for _ in range(2):
            for name in table:
                await ends(await queue.add(name, {"n": 1}), "completed")
            fragile_server.kill()
            fragile_server.start()
        assert len(child_processes()) == 1
        await worker.close()
        await running


# -------------------------------------------------------------------------------------------------- options


def _local() -> Any:
    def local(job: Job) -> None: ...

    return local


@pytest.mark.parametrize(
    ("process", "why"),
    [
        (lambda job: None, "it is a lambda"),
        (processors.nameless, "it is a lambda"),
        (_local(), "it is defined inside a function"),
        (functools.partial(processors.double), "it has no name of its own"),
        (processors.Tools().method, "is something else"),
        ({"fine": processors.double, "not": lambda job: None}, "it is a lambda"),
    ],
)
def test_a_processor_that_a_child_cannot_import_is_refused(process: Any, why: str) -> None:
    with pytest.raises(OptionsError, match=why) as caught:
        Worker("q", process, isolation="process")
    assert "top level of a module" in str(caught.value)


def test_a_function_of_an_interactive_session_is_refused() -> None:
    code = "from oxcart import Worker\ndef f(job): ...\nWorker('q', f, isolation='process')"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "it was typed in, so there is no file to import" in answer.stderr


@pytest.mark.parametrize(
    "options", [{"isolation": "thread"}, {"isolation_memory": 1 << 30}, {"isolation": "process", "isolation_memory": 0}]
)
def test_options_that_cannot_be_right_are_refused(options: Any) -> None:
    with pytest.raises(OptionsError, match="isolation"):
        Worker("q", processors.double, **options)


def test_a_function_whose_module_cannot_be_found_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(job: Job) -> None: ...

    monkeypatch.setattr(work, "__module__", "made_up")
    monkeypatch.setattr(work, "__qualname__", "work")
    with pytest.raises(OptionsError, match="there is no module 'made_up' to import"):
        children.reference(work)
