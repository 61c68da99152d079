"""WSGI: the dashboard below a host that knows no ASGI, such as Flask. Its event loop runs in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote_to_bytes
from weakref import WeakMethod

from .guard import MAX_BODY

if TYPE_CHECKING:
    from ..app import Dashboard

ENVIRON = "wsgi_environ"
"""Where in a request's scope the WSGI environ is: its host's own log-in is found by it."""

PIECES = 4
"""How many pieces of an answer may wait to be sent."""
PIECE = 64 * 1024

Environ = dict[str, Any]
Message = dict[str, Any]


class StartResponse(Protocol):
    """What WSGI hands over: to be told the status and the headers."""

    def __call__(self, status: str, headers: list[tuple[str, str]], /) -> object: ...


class Wsgi:
    """A dashboard as a WSGI application: made by `Dashboard.wsgi`.

    All threads of a process share the event loop, which begins with the first request, after a fork too. There is no
    live stream, which would hold a thread for each open tab: the page asks every few seconds.
    """

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        if hasattr(os, "register_at_fork"):
            forget = WeakMethod(self._forget)
            os.register_at_fork(after_in_child=lambda: (found := forget()) and found())

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        answer = _Answer(self._running(), environ["REQUEST_METHOD"] == "HEAD")
        answer.begin(self._dashboard, scope_of(environ), _body_of(environ))
        status, headers = answer.head()
        start_response(status, headers)
        return answer

    def close(self) -> None:
        """Close the dashboard, and end the thread. A request after that begins a new one."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._dashboard.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="oxcart-dashboard", daemon=True)
                self._thread.start()
            return self._loop

    def _forget(self) -> None:
        """In a new process, the thread is not there, and the lock may have been somebody's."""
        self._lock, self._loop, self._thread = threading.Lock(), None, None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


class _Answer:
    """One answer on its way from the event loop to the thread that sends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, without_body: bool) -> None:
        self._loop = loop
        self._without_body = without_body
        self._pieces: queue.SimpleQueue[Message | Exception | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(PIECES)
        self._future: Future[None] | None = None
        self._ended = False

    def begin(self, app: Callable[..., Awaitable[None]], scope: dict[str, Any], body: bytes) -> None:
        """Have the application answer; what it says comes piece by piece."""
        self._future = asyncio.run_coroutine_threadsafe(self._ask(app, scope, body), self._loop)

    def head(self) -> tuple[str, list[tuple[str, str]]]:
        """The status and the headers, as WSGI wants them."""
        first = self._next()
        if first is None:
            raise RuntimeError("the dashboard has not answered")
        status = int(first["status"])
        phrase = next((known.phrase for known in HTTPStatus if known == status), "Other")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in first["headers"]]
        return f"{status} {phrase}", headers

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._ended:
            message = self._next()
            self._ended = message is None or not message.get("more_body", False)
            if message is not None and message.get("body") and not self._without_body:
                return message["body"]
        raise StopIteration

    def close(self) -> None:
        """The host calls it at the end, or when nobody reads any more: then nothing more has to be made."""
        if self._future is not None:
            self._future.cancel()

    def _next(self) -> Message | None:
        found = self._pieces.get()
        if isinstance(found, Exception):
            self._ended = True
            raise found
        with suppress(RuntimeError):  # the loop may have been closed meanwhile
            self._loop.call_soon_threadsafe(self._room.release)
        return found

    async def _ask(self, app: Callable[..., Awaitable[None]], scope: dict[str, Any], body: bytes) -> None:
        received = False

        async def receive() -> Message:
            nonlocal received
            if received:  # there is no way to hear that a client has gone
                await asyncio.Event().wait()
            received = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            await self._room.acquire()
            self._pieces.put(message)

        try:
            await app(scope, receive, send)
            self._pieces.put(None)
        except Exception as error:
            self._pieces.put(error)
        except BaseException:  # cancelled: the dashboard is closed, or nobody reads any more
            self._pieces.put(None)
            raise


# ---------------------------------------------------------------------------------------------------------- requests


def scope_of(environ: Environ) -> dict[str, Any]:
    """The scope of ASGI for a request of WSGI."""
    root, below = _text(environ.get("SCRIPT_NAME", "")), _text(environ.get("PATH_INFO", ""))
    address, port = environ.get("REMOTE_ADDR", ""), str(environ.get("REMOTE_PORT", ""))
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": str(environ.get("SERVER_PROTOCOL", "HTTP/1.1")).rpartition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": root + below,
        "root_path": root,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": list(_headers(environ)),
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
        "client": (address, int(port) if port.isdigit() else 0) if address else None,
        ENVIRON: environ,
    }
    if (raw := _raw_path(environ, root + below)) is not None:
        scope["raw_path"] = raw
    return scope


def _text(path: str) -> str:
    """WSGI gives the bytes of a path as if they were Latin-1."""
    return path.encode("latin-1").decode("utf-8", "surrogateescape")


def _raw_path(environ: Environ, path: str) -> bytes | None:
    """The path as it was sent, which most servers tell: only there a slash in the name of a queue is none of the path.

    It counts only if it is the same path, as hosts may have changed that.
    """
    sent = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "")
    raw = sent.partition("?")[0].encode("latin-1", "replace")
    return raw if unquote_to_bytes(raw) == path.encode("utf-8", "surrogateescape") else None


def _headers(environ: Environ) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_") and name not in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
            yield name[5:].replace("_", "-").lower().encode("latin-1"), value.encode("latin-1")
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").lower().encode("latin-1"), value.encode("latin-1")


def _body_of(environ: Environ) -> bytes:
    """The body, and no more of it than one byte above what is taken."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isascii() and length.isdigit():
        left = min(int(length), MAX_BODY + 1)
    else:
        left = MAX_BODY + 1 if environ.get("wsgi.input_terminated") else 0
    found = bytearray()
    while left > 0 and (some := environ["wsgi.input"].read(min(left, PIECE))):
        found += some
        left -= len(some)
    return bytes(found)
