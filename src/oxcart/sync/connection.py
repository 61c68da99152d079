# Generated from aio/connection.py by tools/unasync.py: change that file instead.

"""The one door to Redis: runs calls."""

from __future__ import annotations

from typing import Any, TypeVar

from ..errors import ScriptError
from ..protocol.address import find_url, masked
from ..protocol.call import Call, Command
from .reader import Reader
from .transport import Transport

Reply = TypeVar("Reply")


class Connection:
    """A connection to Redis, to be shared by queues and workers.

    `url` is one of `redis://`, `rediss://`, `unix://`, `embedded:`; without it `OXCART_REDIS_URL`, `REDIS_URL` or
    `redis://localhost:6379/0`. `timeout` is how many seconds an answer may take. Nothing is opened before the first
    call; a lost connection is opened again by the next one.

    Raises `OptionsError` for a URL that can't be right; calls raise `ConnectionFailed` when Redis can't be reached.

    Example: `connection = Connection("redis://localhost"); emails = Queue("email", connection=connection)`
    """

    def __init__(self, url: str | None = None, *, timeout: float = 5, connect_timeout: float = 3) -> None:
        self.url = find_url(url)
        self.transport = Transport(self.url, timeout=timeout, connect_timeout=connect_timeout)
        self.transport.check()
        self.reader = Reader(self.transport)
        """Reads events for all who listen to queues over this connection."""

    def __repr__(self) -> str:
        return f"Connection({masked(self.url)!r})"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, call: Call[Reply] | Command[Reply]) -> Reply:
        """Run a call and read its answer. A script that the server doesn't know yet is sent whole."""
        try:
            reply = self.transport.execute(*call.command())
        except ScriptError as error:
            if isinstance(call, Command):
                raise
            reply = self._send_whole(call, error)
        return call.read(reply)

    def close(self) -> None:
        """Close it. An embedded server is stopped with its last user."""
        self.reader.close()
        self.transport.close()

    def _send_whole(self, call: Call[Any], error: ScriptError) -> Any:
        if not str(error).startswith("NOSCRIPT"):
            raise ScriptError(call.script.explain(str(error))) from None
        try:
            return self.transport.execute(*call.command_with_source())
        except ScriptError as second:
            raise ScriptError(call.script.explain(str(second))) from None


def connect(connection: Connection | str | None) -> tuple[Connection, bool]:
    """What `connection=` means: a connection, and whether it is the user's own to close."""
    if isinstance(connection, Connection):
        return connection, False
    return Connection(connection), True
