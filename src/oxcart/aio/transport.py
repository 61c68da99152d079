"""The bytes to and from Redis: a pipelined connection, found and opened by redis-py, read by hiredis.

redis-py connects, authenticates, speaks TLS and selects the database. Then its socket is taken over by `Link`, since
sending through redis-py costs more than all the rest of a small call.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .. import embedded
from ..errors import ConnectionFailed, OptionsError, ServerRefused, is_demoted, log_in_refused, server_error
from ..protocol.address import masked, silence_hint, tls_defaults
from ..protocol.call import Argument

# What connecting may raise; all of it means that the server can't be used now.
_CONNECT_ERRORS = (redis.exceptions.RedisError, OSError, TimeoutError, ValueError)


Answer = Callable[[Any, ConnectionFailed | None], None]
"""Who is told a command's reply, or why there is none."""


class Link(asyncio.Protocol):
    """One connection that is up. Replies come in the order of the commands; each has a deadline."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape", notEnoughData=_NOT_YET)
        self._pending: deque[tuple[Answer, float]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._opened_by: object = None
        self.up = False
        self.client_id = 0
        """The server's number for this connection, if it was asked for."""

    def take_over(self, connection: Any) -> None:
        """Become the protocol of a socket that redis-py has opened and logged in."""
        writer = connection._writer
        transport = cast(asyncio.Transport, writer.transport)
        # The writer closes its socket when it is collected: keep it, and let redis-py forget it.
        self._opened_by = (connection, writer)
        connection._reader = connection._writer = None
        transport.set_protocol(self)
        self._transport = transport
        self.up = True
        if not transport.is_reading():
            transport.resume_reading()

    def send(self, command: Sequence[Argument], timeout: float) -> asyncio.Future[Any]:
        """Send a command; its reply, or why there is none, comes with the future. Error replies are results too."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def answer(reply: Any, error: ConnectionFailed | None) -> None:
            if future.done():
                return  # whoever waited is gone; the reply had to be read all the same
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(reply)

        self.post(command, timeout, answer)
        return future

    def post(self, command: Sequence[Argument], timeout: float, answer: Answer) -> None:
        """Send a command, and call `answer` the moment its reply is there: no future, no turn of the loop between."""
        if self._transport is None or not self.up:
            error = ConnectionFailed(f"not connected to Redis at {self.address}")
            self._loop.call_soon(answer, None, error)
            return
        packed = _pack(command)  # before anything else: what can't be packed must not be waited for
        deadline = self._loop.time() + timeout
        self._pending.append((answer, deadline))
        self._transport.write(packed)
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._check_deadline)

    def abort(self, reason: str) -> None:
        """Drop the connection; whoever waits for a reply is told that it will not come."""
        self.up = False
        if self._loop.is_closed():
            return  # it went with its loop
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        waiting, self._pending = self._pending, deque()
        for answer, _ in waiting:
            # Not at once: who drops a connection must not find itself in the middle of what follows from it.
            self._loop.call_soon(answer, None, ConnectionFailed(f"{reason} (Redis at {self.address})"))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOT_YET:
                answer, _ = self._pending.popleft()
                self._deliver(answer, reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.abort(f"an answer that is not Redis's: {error}")
        if not self._pending and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deliver(self, answer: Answer, reply: Any) -> None:
        try:
            answer(reply, None)
        except Exception as error:  # a bug in who asked must not cost the others their connection
            context = {"message": "an answer of Redis could not be taken in", "exception": error}
            self._loop.call_exception_handler(context)

    def eof_received(self) -> None:
        self.abort("the connection was closed by the server")

    def connection_lost(self, exc: Exception | None) -> None:
        self.abort(f"the connection was lost: {exc}" if exc else "the connection was closed")

    def _check_deadline(self) -> None:
        self._timer = None
        if not self._pending:
            return
        # A blocking read may have a later deadline than what was sent after it: the earliest counts.
        earliest = min(deadline for _, deadline in self._pending)
        if earliest <= self._loop.time():
            self.abort("no answer in time")
        else:
            self._timer = self._loop.call_at(earliest, self._check_deadline)


_NOT_YET: Any = object()


# Its stub says that a command has one word.
_pack_command = cast(Callable[[tuple[Argument, ...]], bytes], hiredis.pack_command)


def _pack(command: Sequence[Argument]) -> bytes:
    try:
        return _pack_command(tuple(command))
    except UnicodeEncodeError:
        # Bytes that were no UTF-8 when they were read go back as they came.
        raw = [arg.encode("utf-8", "surrogateescape") if isinstance(arg, str) else arg for arg in command]
        return _pack_command(tuple(raw))


class Transport:
    """Opens a `Link` when one is needed, and again after it was lost. Bound to the event loop that uses it."""

    def __init__(self, url: str, *, timeout: float = 5, connect_timeout: float = 3, client_name: str = "") -> None:
        self.url = url
        self.timeout = timeout
        self._connect_timeout = connect_timeout
        self._client_name = client_name
        self._link: Link | None = None
        self.opened = 0
        """How many links there were: what began over an earlier one may have been lost meanwhile, as locks are."""
        self._opening: asyncio.Task[Link] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: embedded.Server | None = None

    @property
    def current(self) -> Link | None:
        """The link, if it is up."""
        link = self._link
        # A link of another event loop than this one is none.
        usable = link is not None and link.up and self._loop is asyncio.get_running_loop()
        return link if usable else None

    async def link(self) -> Link:
        """A link that is up; a `ConnectionFailed` if none can be had now."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Another event loop than before: what was opened there can't be used here.
            self._loop, self._link, self._opening = loop, None, None
        if self._link is not None and self._link.up:
            return self._link
        # All who want the link share one attempt; whoever is cancelled leaves it to the others.
        if self._opening is None or self._opening.done():
            self._opening = loop.create_task(self._open())
            self._opening.add_done_callback(_retrieve)
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if opening.cancelled() and task is not None and not task.cancelling():
                # It is not we who were cancelled: `close` has given the attempt up.
                raise ConnectionFailed(f"the connection to Redis at {masked(self.url)} was closed") from None
            raise

    async def execute(self, *command: Argument, timeout: float | None = None) -> Any:
        """Run one command. Error replies are raised, by class."""
        return await self.execute_on(await self.link(), *command, timeout=timeout)

    async def execute_on(self, link: Link, *command: Argument, timeout: float | None = None) -> Any:
        """The same on a link that was had before: it is sent at once."""
        reply = await link.send(command, self.timeout if timeout is None else timeout)
        if isinstance(reply, hiredis.ReplyError):
            error = server_error(str(reply), link.address)
            if is_demoted(error) and link is self._link:
                self.drop("the server takes no writes")
            raise error
        return reply

    async def close(self) -> None:
        """Drop the connection, and leave an embedded server."""
        if self._opening is not None and self._loop is asyncio.get_running_loop():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self.drop("closed")
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.release)

    def drop(self, reason: str) -> None:
        """Drop the connection; the next command opens a new one."""
        link, self._link = self._link, None
        if link is not None:
            link.abort(reason)

    async def _open(self) -> Link:
        address = masked(self.url)
        url = await self._find_server()
        connection: Any = None
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = self._make(url)
                await connection.connect()
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, _CONNECT_ERRORS):
                raise _unreachable(address, error) from error
            raise
        link = Link(address)
        link.take_over(connection)
        if self._client_name:
            # A name that Redis refuses (spaces, non-ASCII) hides the worker from lists and harms nothing else.
            try:
                _, number = await asyncio.gather(
                    link.send(("CLIENT", "SETNAME", self._client_name), self.timeout),
                    link.send(("CLIENT", "ID"), self.timeout),
                )
                link.client_id = number if isinstance(number, int) else 0
            except BaseException:
                link.abort("given up while it was opened")
                raise
        self._link = link
        self.opened += 1
        return link

    def check(self) -> None:
        """Raise an `OptionsError` for a URL with words that nobody knows; opens nothing."""
        if not embedded.is_embedded(self.url):
            try:
                self._make(self.url)
            except (TypeError, ValueError, AttributeError, redis.exceptions.RedisError) as error:
                raise OptionsError(f"connection={masked(self.url)!r}: {error}") from None

    def _make(self, url: str) -> Any:
        pool: Any = redis.asyncio.ConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            protocol=2,
            socket_connect_timeout=self._connect_timeout,
            retry=Retry(NoBackoff(), 0),
            **tls_defaults(url),
        )
        return pool.make_connection()

    async def _find_server(self) -> str:
        if not embedded.is_embedded(self.url):
            return self.url
        try:
            server = self._server or await self._acquire()
        except (embedded.ServerNotFound, embedded.ServerFailed, OSError) as error:
            raise ConnectionFailed(str(error)) from error
        return server.url

    async def _acquire(self) -> embedded.Server:
        acquiring = asyncio.ensure_future(asyncio.to_thread(embedded.acquire, embedded.directory_of(self.url)))
        try:
            self._server = server = await asyncio.shield(acquiring)
        except asyncio.CancelledError:
            acquiring.add_done_callback(_give_back)  # a thread can't be stopped, and may take long
            raise
        return server


def _give_back(acquiring: asyncio.Future[embedded.Server]) -> None:
    """Leave an embedded server that came too late."""
    if not acquiring.cancelled() and acquiring.exception() is None:
        acquiring.get_loop().run_in_executor(None, acquiring.result().release)


# What OpenSSL says, in one version or another, to an answer that is no TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "record layer failure")


def _unreachable(address: str, error: Exception) -> ConnectionFailed:
    """Why there is no connection: nobody there, or somebody who refuses."""
    text = str(error) or type(error).__name__
    # redis-py tells of a wrong password by another class in each version, or by a cause.
    if isinstance(error, redis.exceptions.AuthenticationError) or "username-password" in text:
        return log_in_refused(address, text)
    if isinstance(error, redis.exceptions.ResponseError | redis.exceptions.BusyLoadingError):
        return ServerRefused(text.split(" ", 1)[0], f"Redis at {address} can't serve for now: {text}")
    if isinstance(error, TimeoutError):
        text = f"no answer in time{silence_hint(address)}"
    if any(sign in text for sign in _NO_TLS):
        text += silence_hint(address)
    return ConnectionFailed(f"can't connect to Redis at {address}: {text}")


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Look at a task's error, so that nobody complains if all who waited are gone."""
    if not task.cancelled():
        task.exception()
