"""`oxcart worker`: processes kept alive, signals passed on, mistakes told in a line."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from oxcart import JobSpec, Queue
from oxcart.cli import supervisor
from tests.cli.conftest import Command, active, alive, completed, run, write
from tests.conftest import wait_until


async def test_several_processes_work_and_a_signal_ends_them(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker", "--processes", "2", "--concurrency", "1"]))
    go = folder / "go"
    await queue.add_bulk([JobSpec("x", {"until": str(go)}) for _ in range(2)])

    async def both_work() -> bool:  # one job each
        return (await queue.counts("active"))["active"] == 2

    async def by_both() -> bool:
        return len({job.return_value for job in await queue.jobs("completed")}) == 2

    await wait_until(both_work)
    go.touch()
    await wait_until(by_both)
    command.process.terminate()
    assert await command.ends() == 0
    assert not any(alive(pid) for pid in command.pids())


async def test_a_process_that_crashes_is_started_again_and_its_job_is_not_lost(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    await wait_until(command.pids)
    os.kill(command.pids()[0], signal.SIGKILL)
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    assert "was ended by SIGKILL; a new one starts" in command.said()
    command.process.terminate()
    assert await command.ends() == 0


async def test_the_first_signal_lets_jobs_finish(folder: Path, queue: Queue, commands: list[Command]) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    go = folder / "go"
    job = await queue.add("x", {"until": str(go)})
    await wait_until(lambda: active(job))
    command.process.send_signal(signal.SIGINT)
    await wait_until(lambda: "asked to stop" in command.said())
    go.touch()
    assert await command.ends() == 0
    assert await job.state() == "completed"


async def test_the_second_signal_insists_and_jobs_are_given_back(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    job = await queue.add("x", {"until": str(folder / "never")})
    await wait_until(lambda: active(job))
    await command.interrupt("stopping: running jobs may finish; a second signal gives them back")
    await wait_until(lambda: "asked to stop" in command.said())
    before = time.monotonic()
    await command.interrupt("stopping: running jobs are given back; a third signal kills the processes")
    assert await command.ends() == 0
    assert time.monotonic() - before < 20  # jobs have half a minute otherwise
    assert await job.state() == "waiting"


async def test_workers_do_not_outlive_a_killed_supervisor(folder: Path, queue: Queue, commands: list[Command]) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    await wait_until(command.pids)
    [pid] = command.pids()
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.kill()
    await wait_until(lambda: not alive(pid))


@pytest.mark.parametrize("short_life_s", [5, 0])
async def test_a_worker_that_cannot_be_kept_alive_ends_the_command_however_long_it_takes_to_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_life_s: float
) -> None:
    (tmp_path / "broken.py").write_text("import os; os._exit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(supervisor, "SHORT_LIFE_S", short_life_s)
    monkeypatch.setattr(supervisor, "MOST_SHORT_LIVES", 2)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.01)
    async with asyncio.timeout(60):
        assert await supervisor.Supervisor(["broken:worker"], processes=1).run() == 1


async def test_deaths_after_work_are_not_counted(
    folder: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(supervisor, "SHORT_LIFE_S", 0)
    monkeypatch.setattr(supervisor, "MOST_SHORT_LIVES", 0)
    caplog.set_level("INFO", "oxcart.supervisor")
    running = asyncio.create_task(supervisor.Supervisor(["jobs:worker"], processes=1).run())
    for _ in range(2):
        job = await queue.add("x")
        await wait_until(lambda job=job: completed(job))
        await job.refresh()
        os.kill(job.return_value, signal.SIGKILL)
        await wait_until(lambda pid=job.return_value: not alive(pid))
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert caplog.text.count("was ended by SIGKILL; a new one starts in 0.1 s") == 2


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_a_module_that_raises_at_the_first_start_is_told_once_and_ends_the_command(
    tmp_path: Path, processes: str
) -> None:
    (tmp_path / "broken.py").write_text("import inner\n")
    (tmp_path / "inner.py").write_text("def find():\n    return {}['key']\n\n\nfind()\n")
    answer = await run(tmp_path, "broken:worker", "--processes", processes)
    assert answer.returncode == 1
    assert answer.stderr.count("return {}['key']") == 1
    assert "oxcart: broken:worker can't be loaded: KeyError: 'key'" in answer.stderr
    assert "importlib" not in answer.stderr and "a new one starts" not in answer.stderr


SLOW_TO_FAIL = """
import os, pathlib, sys, time

other = pathlib.Path("other.pid")
if sys.argv[sys.argv.index("--slot") + 1] == "1":
    other.with_suffix(".new").write_text(str(os.getpid()))
    other.with_suffix(".new").rename(other)
else:
    while not other.exists():
        time.sleep(0.01)
    try:
        while True:  # until the supervisor has seen its end
            os.kill(int(other.read_text()), 0)
            time.sleep(0.01)
    except ProcessLookupError:
        time.sleep(0.3)
raise RuntimeError("the table is missing")
"""


async def test_a_module_that_raises_in_another_process_first_is_still_told_whole(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(SLOW_TO_FAIL)
    answer = await run(tmp_path, "broken:worker", "--processes", "2")
    assert answer.returncode == 1
    assert answer.stderr.count('raise RuntimeError("the table is missing")') == 1
    assert "a new one starts" not in answer.stderr


async def test_a_module_that_raises_later_is_tried_again(folder: Path, queue: Queue, commands: list[Command]) -> None:
    source = folder / "jobs.py"
    good = source.read_text()
    commands.append(command := Command(folder, ["jobs:worker"]))
    first = await queue.add("x")
    await wait_until(lambda: completed(first))
    write(source, "raise RuntimeError('the disk is full')")
    os.kill(command.pids()[0], signal.SIGKILL)
    await wait_until(lambda: "can't be loaded: RuntimeError: the disk is full" in command.said())
    write(source, good)
    second = await queue.add("x")
    await wait_until(lambda: completed(second))
    command.process.terminate()
    assert await command.ends() == 0


async def test_the_command_shows_where_it_works_and_which_attempts_fail(
    folder: Path, queue: Queue, commands: list[Command]
) -> None:
    commands.append(command := Command(folder, ["jobs:worker"]))
    await queue.add("x", {"s": "no number"})
    await wait_until(lambda: f"{queue.name}: job 1 (x), attempt 1 of 1: TypeError: " in command.said())
    assert f"{queue.name}: working, up to 2 jobs at once, with Redis at unix://" in command.said()
    command.process.terminate()
    assert await command.ends() == 0


async def test_changed_code_starts_the_workers_anew(folder: Path, queue: Queue, commands: list[Command]) -> None:
    commands.append(command := Command(folder, ["jobs:worker", "--reload"]))
    await wait_until(command.pids)
    first = await queue.add("x")
    await wait_until(lambda: completed(first))
    source = folder / "jobs.py"
    write(source, source.read_text().replace("return os.getpid()", "return 'new'"))
    await wait_until(lambda: len(command.pids()) == 2)
    second = await queue.add("x")

    async def new() -> bool:
        await second.refresh()
        return second.return_value == "new"

    await wait_until(new)
    command.process.terminate()
    assert await command.ends() == 0


async def test_broken_code_is_waited_for_under_reload(folder: Path, queue: Queue, commands: list[Command]) -> None:
    source = folder / "jobs.py"
    good = source.read_text()
    source.write_text("this is no Python")
    commands.append(command := Command(folder, ["jobs:worker", "--reload"]))
    await wait_until(lambda: "waiting for a change" in command.said())
    write(source, good)
    job = await queue.add("x")
    await wait_until(lambda: completed(job))
    command.process.terminate()
    assert await command.ends() == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["jobs"], "write MODULE:TARGET"),
        (["jobs.py:worker"], "'jobs.py:worker': a module is named without .py and with dots: jobs:worker"),
        (["./app/jobs.py:worker"], "a module is named without .py and with dots: app.jobs:worker"),
        (["nowhere:worker"], "there is no module 'nowhere'"),
        (["jobs:nobody"], "has no 'nobody'"),
        (["email:worker"], "email:worker: 'email' is another module (of the standard library, /"),
        (["json.jobs:worker"], "json.jobs:worker: 'json' is another module (of the standard library, /"),
        (["time:worker"], "'time' is another module (of the standard library, built in): give your file another name"),
        (["click:worker"], "'click' is another module (/"),
        (["jobs:twice"], "jobs:twice: names a worker twice"),
        (["jobs:text"], "a Worker, a list of them, or a function that returns either, not str"),
        (["jobs:both", "--queue", "third"], "--queue third: jobs:both has workers for"),
        (["jobs:worker", "--processes", "0"], "--processes"),
        (["jobs:worker", "--concurrency", "none"], "--concurrency"),
        ([], "Missing argument"),
    ],
)
async def test_a_mistake_is_one_line_and_exit_code_2(folder: Path, arguments: list[str], text: str) -> None:
    (folder / "json").mkdir()
    for name in ("email.py", "json/jobs.py", "time.py", "click.py"):
        (folder / name).touch()
    answer = await run(folder, "--log-level", "WARNING", *arguments)
    assert answer.returncode == 2
    [line] = answer.stderr.strip().splitlines()
    assert line.startswith("oxcart: ")
    assert text in line


def test_a_list_and_a_function_are_targets_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oxcart.cli import target

    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "jobs", raising=False)
    workers = target.load("jobs:both")
    assert len(workers) == 2
    assert [worker.queue_name for worker in target.select(workers, ("other",), "jobs:both")] == ["other"]
    sys.path.remove(str(folder))
