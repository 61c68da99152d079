"""`oxcart worker` when things go wrong around it: signals to all, exits by jobs, threads that hang, broken code."""

from __future__ import annotations

import asyncio
import os
import queue as queue_module
import re
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from oxcart import Queue
from oxcart.cli import changes, ending, supervisor
from tests.cli.conftest import Command, active, alive, completed, run, write
from tests.conftest import RedisServer, wait_until

HARD = """
import asyncio, multiprocessing, os, subprocess, time
from oxcart import Worker

def run_on(begun):
    begun.set()
    time.sleep(1000)

def fork(job):
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run_on, args=(begun := fork.Event(),))
    process.start()
    begun.wait()
    process.terminate()
    process.join()

def work(job):
    with open("pid.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid.new", "pid")
    if "exit" in job.data:
        os._exit(job.data["exit"])
    while "until" in job.data and not os.path.exists(job.data["until"]):
        time.sleep(0.01)

async def work_aside(job):
    await asyncio.to_thread(work, job)

async def block(job):
    sleeping = subprocess.Popen(["sleep", "1000"])
    with open("pid.new", "w") as file:
        file.write(str(sleeping.pid))
    os.rename("pid.new", "pid")
    time.sleep(1000)

async def tidy(job):
    hanging = asyncio.ensure_future(asyncio.to_thread(time.sleep, 1000))
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(3)

class Failing(Worker):
    async def run(self):
        hanging = asyncio.ensure_future(asyncio.to_thread(time.sleep, 1000))
        raise ZeroDivisionError("a bug ends this worker")

options = {{"connection": {url!r}, "shutdown_timeout": 0.2}}
worker = Worker({queue!r}, work, **options)
aside = Worker({queue!r}, work_aside, **options)
forking = Worker({queue!r}, fork, **options)
isolated = Worker({queue!r}, work, **options | {{"isolation": "process", "shutdown_timeout": 30}})
blocking = Worker({queue!r}, block, connection={url!r})
tidying = Worker({queue!r}, tidy, connection={url!r})
failing = Failing({queue!r}, work, **options)
forking_isolated = Worker({queue!r}, fork, **options, isolation="process")
"""


@pytest.fixture
def hard(folder: Path, queue_name: str, redis_server: RedisServer) -> Path:
    (folder / "hard.py").write_text(HARD.format(queue=queue_name, url=redis_server.url))
    return folder


# ----------------------------------------------------------------------------------------------------- signals


async def test_a_signal_to_all_processes_lets_jobs_finish(folder: Path, queue: Queue, commands: list[Command]) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    go = folder / "go"
    job = await queue.add("x", {"until": str(go)})
    await wait_until(lambda: active(job))
    os.kill(command.pids()[0], signal.SIGTERM)
    await wait_until(lambda: "asked to stop" in command.said())
    command.process.terminate()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(command.pids()[0], number)
    go.touch()
    assert await command.ends() == 0
    assert await job.state() == "completed"


async def test_two_signals_at_once_are_one(folder: Path, queue: Queue, commands: list[Command]) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    go = folder / "go"
    job = await queue.add("x", {"until": str(go)})
    await wait_until(lambda: active(job))
    for number in (signal.SIGINT, signal.SIGTERM):
        command.process.send_signal(number)
    await wait_until(lambda: "asked to stop" in command.said())
    go.touch()
    assert await command.ends() == 0
    assert await job.state() == "completed"


async def test_a_third_signal_kills_also_what_jobs_have_started_and_the_loss_is_told(
    hard: Path, queue: Queue, commands: list[Command], allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I9")  # nobody waits here until that job has stalled
    commands.append(command := Command(hard, ["hard:blocking"]))
    await queue.add("x")
    await wait_until((hard / "pid").exists)
    await command.interrupt("running jobs may finish;")
    await command.interrupt("running jobs are given back;")
    await command.interrupt("stopping: the processes are killed")
    assert await command.ends() == 1
    lost = "worker process 0 was ended by SIGKILL: jobs it still had come back when they have stalled"
    assert command.said().count(lost) == 1
    await wait_until(lambda: not alive(int((hard / "pid").read_text())))


async def test_a_second_signal_leaves_time_for_an_orderly_end(
    hard: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(hard, ["hard:tidying"]))
    job = await queue.add("x")
    await wait_until(lambda: active(job))
    await command.interrupt("running jobs may finish;")
    await command.interrupt("running jobs are given back;")
    assert await command.ends() == 0
    assert "does not end; the process ends without it" in command.said()
    assert await job.state() == "waiting"


async def test_signals_change_nothing_once_all_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert await supervisor.Supervisor(["nowhere:worker"], processes=1).run() == 2
    assert {signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} == {signal.SIG_IGN}


async def test_one_signal_after_the_code_has_changed_lets_jobs_finish(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker", "--reload"]))
    go = folder / "go"
    job = await queue.add("x", {"until": str(go)})
    await wait_until(lambda: active(job))
    source = folder / "jobs.py"
    write(source, source.read_text() + "# changed")
    await wait_until(lambda: "asked to stop" in command.said())
    command.process.send_signal(signal.SIGINT)
    go.touch()
    assert await command.ends() == 0
    assert await job.state() == "completed"


async def test_a_signal_does_not_end_the_child_that_runs_an_isolated_job(
    hard: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(hard, ["hard:isolated"]))
    go = hard / "go"
    job = await queue.add("x", {"until": str(go)})
    await wait_until((hard / "pid").exists)
    os.kill(int((hard / "pid").read_text()), signal.SIGTERM)
    command.process.terminate()
    go.touch()
    assert await command.ends() == 0
    assert await job.state() == "completed"


@pytest.mark.parametrize("worker", ["forking", "forking_isolated"])
async def test_a_job_can_end_the_process_that_it_forks(
    hard: Path, queue: Queue, commands: list[Command], worker: str
) -> None:
    commands.append(command := Command(hard, [f"hard:{worker}"]))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0


IGNORING = """exec "$1" -c '
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
' "$@"
"""


async def test_a_stop_is_clean_also_if_the_parent_ignores_the_ends_of_children(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker"], shell=IGNORING))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0
    assert "Unknown child process" not in command.said()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
async def test_streams_may_be_closed(folder: Path, queue: Queue, commands: list[Command], closed: str) -> None:
    commands.append(command := Command(folder, ["jobs:worker"], shell=f'exec "$@" {closed}'))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0


# -------------------------------------------------------------------------------------------- ends of processes


@pytest.mark.parametrize("code", [2, 3, 64, 65])
async def test_a_job_that_ends_its_process_ends_nothing_else(
    hard: Path, queue: Queue, commands: list[Command], code: int, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I9")  # nobody waits here until that job has stalled
    commands.append(command := Command(hard, ["hard:worker"]))
    await queue.add("x", {"exit": code})
    await wait_until(lambda: f"worker process 0 ended with exit code {code}; a new one starts" in command.said())
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0


async def test_a_process_may_be_ended_by_a_signal_without_a_name(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    await wait_until(command.pids)
    os.kill(command.pids()[0], 40)
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    assert "worker process 0 was ended by signal 40; a new one starts" in command.said()
    command.process.terminate()
    assert await command.ends() == 0


async def test_a_thread_that_hangs_does_not_keep_a_process_alive(
    hard: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(hard, ["hard:aside"]))
    job = await queue.add("x", {"until": str(hard / "never")})
    await wait_until((hard / "pid").exists)
    command.process.terminate()
    assert await command.ends() == 0
    assert "does not end; the process ends without it" in command.said()
    assert "time.sleep(0.01)" in command.said()
    assert await job.state() == "waiting"


async def test_what_ends_a_worker_is_told_although_a_thread_still_runs(
    hard: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(hard, ["hard:failing"]))
    await wait_until(lambda: "worker process 0 ended with exit code 1; a new one starts" in command.said())
    assert "ZeroDivisionError: a bug ends this worker" in command.said()
    assert "does not end; the process ends without it" in command.said()


class EndsAtTheLook(threading.Thread):
    """It is alive when that is asked, and has ended when one looks where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def run(self) -> None:
        self.asked.wait()

    def is_alive(self) -> bool:
        self.asked.set()
        self.join()
        return True


def test_a_thread_that_has_just_ended_is_not_said_to_hang(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended: queue_module.SimpleQueue[int] = queue_module.SimpleQueue()
    monkeypatch.setattr(ending, "GRACE_S", 0)
    monkeypatch.setattr(os, "_exit", ended.put)
    thread = EndsAtTheLook()
    thread.start()
    with ending.ending():
        pass
    assert ended.get(timeout=30) == 0
    assert "thread MainThread does not end" in caplog.text
    assert thread.name not in caplog.text and "_end_hard" not in caplog.text


@pytest.fixture
def no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can be started, and tries follow each other at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.01)


@pytest.mark.usefixtures("no_python")
async def test_a_process_that_cannot_be_started_is_tried_again_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "MOST_SHORT_LIVES", 2)
    assert await supervisor.Supervisor(["jobs:worker"], processes=1).run() == 1
    assert caplog.text.count("could not be started: [Errno 2]") == 3
    assert caplog.text.count("a new one starts") == 2


@pytest.mark.usefixtures("no_python")
async def test_a_process_that_cannot_be_started_is_tried_again_also_under_reload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    running = asyncio.create_task(supervisor.Supervisor(["jobs:worker"], processes=1, reload=True).run())
    again = "could not be started: [Errno 2]"
    await wait_until(lambda: caplog.text.count(again) > supervisor.MOST_SHORT_LIVES + 1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


# ------------------------------------------------------------------------------------------------------ loading


async def test_files_named_as_modules_of_the_standard_library_take_nobodys_place(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    for name in ("email.py", "queue.py", "select.py"):
        (folder / name).write_text("raise RuntimeError('not this one')")
    commands.append(command := Command(folder, ["jobs:worker"]))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0


INHERITS = """
import os, sys
lifeline = int(sys.argv[sys.argv.index("--lifeline") + 1])
raise RuntimeError(f"inherited: {os.get_inheritable(lifeline)}")
"""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import sys; sys.exit('set DATABASE_URL')", "SystemExit: set DATABASE_URL"),
        ("import oxcart; raise oxcart.ConnectionFailed('no server')", "oxcart.errors.ConnectionFailed: no server"),
        (
            "raise RuntimeError('no database:\\n\\n  is it running?')",
            "RuntimeError: no database:\n\n  is it running?\n",
        ),
        ("def find(:", "SyntaxError: invalid syntax\n"),
        (INHERITS, "RuntimeError: inherited: False"),  # the lifeline: what jobs start must not hold it
    ],
)
async def test_whatever_a_module_raises_is_told(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    answer = await run(tmp_path, "broken:worker")
    assert answer.returncode == 1
    assert f"oxcart: broken:worker can't be loaded: {told}" in answer.stderr
    assert answer.stderr.count(told.strip()) == 1
    assert "a new one starts" not in answer.stderr


CAUSED = """
try:
    {}["DATABASE_URL"]
except KeyError as error:
    raise RuntimeError("settings") from error
"""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (CAUSED, "KeyError: 'DATABASE_URL'\n\nThe above exception was the direct cause"),
        ("def find(:", 'broken.py", line 1\n    def find(:'),
        ("raise ExceptionGroup('several', [ValueError('no server')])", "ValueError: no server"),
    ],
)
async def test_where_and_why_a_module_raises_is_told(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "broken.py").write_text(source)
    answer = await run(tmp_path, "broken:worker")
    assert told in answer.stderr
    assert "importlib" not in answer.stderr and "target.py" not in answer.stderr


async def test_where_a_module_raises_is_told_by_any_process_later(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    source = folder / "jobs.py"
    good = source.read_text()
    commands.append(command := Command(folder, ["jobs:worker", "--processes", "2"]))
    await wait_until(lambda: command.said().count("working, up to 2 jobs at once") == 2)
    write(source, "def find():\n    return {}['key']\n\n\nfind()\n")
    [pid] = re.findall(r"worker process 1 started \(pid (\d+)\)", command.said())
    os.kill(int(pid), signal.SIGKILL)
    await wait_until(lambda: "return {}['key']" in command.said())
    write(source, good)
    await wait_until(lambda: command.said().count("working, up to 2 jobs at once") == 3)
    command.process.terminate()
    assert await command.ends() == 0


FIRST_IN_ONE = """
import os, sys, time
if sys.argv[sys.argv.index("--slot") + 1] == "1" and not os.path.exists("tried"):
    open("tried", "w").close()
    raise RuntimeError("the port is taken")
while not os.path.exists("tried"):
    time.sleep(0.01)
"""


async def test_what_one_process_can_load_the_others_try_again(folder: Path, commands: list[Command]) -> None:
    source = folder / "jobs.py"
    source.write_text(FIRST_IN_ONE + source.read_text())
    commands.append(command := Command(folder, ["jobs:worker", "--processes", "2"]))
    await wait_until(lambda: "worker process 1 ended with exit code 65; a new one starts" in command.said())
    await wait_until(lambda: command.said().count("working, up to 2 jobs at once") == 2)
    command.process.terminate()
    assert await command.ends() == 0


# ---------------------------------------------------------------------------------------------------- reloading


async def test_the_folder_may_be_removed_and_made_again(folder: Path, queue: Queue, commands: list[Command]) -> None:
    shutil.copytree(folder, app := folder / "app")
    commands.append(command := Command(app, ["jobs:worker", "--reload"]))
    await wait_until(lambda: "working" in command.said())
    shutil.rmtree(app)
    await wait_until(lambda: "waiting for a change" in command.said())
    app.mkdir()
    write(app / "jobs.py", (folder / "jobs.py").read_text().replace("return os.getpid()", "return 'new'"))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    await job.refresh()
    assert job.return_value == "new"
    command.process.terminate()
    assert await command.ends() == 0


async def test_changes_are_seen_behind_links_to_packages_that_may_lead_in_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "LOOK_EVERY_S", 0.01)
    (app := tmp_path / "app").mkdir()
    (beside := tmp_path / "beside").mkdir()
    (heap := tmp_path / "heap").mkdir()
    for package in (app, beside):
        (package / "__init__.py").touch()
    (app / "linked").symlink_to(beside)
    (app / "data").symlink_to(heap)
    (beside / "back").symlink_to(app)
    seen: list[str] = []

    async def watch() -> None:
        async for changed in changes.changes(str(app)):
            seen.extend(changed)

    watching = asyncio.create_task(watch())
    for number in range(1000):
        (heap / "no_package.py").write_text(f"# {number}")
        (beside / "code.py").write_text(f"# {number}")
        if seen:
            break
        await asyncio.sleep(0.01)
    watching.cancel()
    assert set(seen) == {"linked/code.py"}


async def test_the_end_of_the_watch_for_changes_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(folder: str) -> AsyncIterator[list[str]]:
        raise RuntimeError("no more threads")
        yield []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "changes", broken)
    running = asyncio.create_task(supervisor.Supervisor(["nowhere:worker"], processes=1, reload=True).run())
    await wait_until(lambda: "changes in the code are not noticed any more" in caplog.text)
    os.kill(os.getpid(), signal.SIGTERM)
    await running
