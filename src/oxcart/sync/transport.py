"""The bytes to and from Redis, blocking: redis-py's pool, which is safe in threads and after a fork."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import weakref
from typing import Any

import redis
import redis.exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from .. import embedded
from ..errors import ConnectionFailed, OptionsError, OxcartError, is_demoted, log_in_refused, server_error
from ..protocol.address import masked, silence_hint, tls_defaults
from ..protocol.call import Argument


class Transport:
    """Runs commands over a pool of connections. A lost reply is never asked for again behind the caller's back."""

    def __init__(self, url: str, *, timeout: float = 5, connect_timeout: float = 3, client_name: str = "") -> None:
        self.url = url
        self.timeout = timeout
        self._connect_timeout = connect_timeout
        self._client_name = client_name
        self._client: redis.Redis | None = None
        self._server: embedded.Server | None = None
        self._lock = threading.Lock()
        self._inherited: list[redis.Redis] = []
        _transports.add(self)

    def check(self) -> None:
        """Raise an `OptionsError` for a URL with words that nobody knows; opens nothing."""
        if not embedded.is_embedded(self.url):
            try:
                pool: Any = self._make(self.url).connection_pool
                pool.make_connection()
            except (TypeError, ValueError, AttributeError, redis.exceptions.RedisError) as error:
                raise OptionsError(f"connection={masked(self.url)!r}: {error}") from None

    def start_over(self) -> None:
        """Just forked: what was opened belongs to the parent, and a lock that another thread held is never let go."""
        self._lock = threading.Lock()
        if self._client is not None:
            self._inherited.append(self._client)  # not closed: its locks may be held too
            self._client = None

    def execute(self, *command: Argument) -> Any:
        """Run one command. Error replies are raised, by class."""
        client = self._client or self._open()
        try:
            return client.execute_command(*command)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        except tuple(_CODES) as error:
            if self._client_name and ("setname" in str(error) or "'client'" in str(error)):
                # Not allowed to (old servers don't say what): without a name it is listed nowhere, and works.
                self._client_name = ""
                self.start_over()
                return self.execute(*command)
            raise self._refused(client, error) from error
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as error:
            text = str(error) or type(error).__name__
            if "max number of clients" in text:
                raise server_error(text, masked(self.url)) from error
            if isinstance(error, redis.exceptions.AuthenticationError) or "username-password" in text:
                raise log_in_refused(masked(self.url), text) from error
            if "Timeout connecting" in text or any(sign in text for sign in _NO_TLS):
                text += silence_hint(self.url)
            raise ConnectionFailed(f"no answer from Redis at {masked(self.url)}: {text}") from error
        except redis.exceptions.NoScriptError:
            raise server_error("NOSCRIPT no matching script") from None
        except redis.exceptions.RedisError as error:
            raise self._refused(client, error) from error
        finally:
            if client is not self._client:
                client.close()  # as `close` meanwhile could not, if this connection was still being opened

    def _refused(self, client: redis.Redis, error: redis.exceptions.RedisError) -> OxcartError:
        """The error for what the server said. One that has been demoted is left: another may be at its address."""
        told = server_error(_with_code(error), masked(self.url))
        if is_demoted(told):
            client.connection_pool.disconnect(inuse_connections=False)
        return told

    def interrupt(self) -> None:
        """End what is waited for at this moment, in whichever thread: it fails with `ConnectionFailed`."""
        client = self._client
        if client is None:
            return
        # Not by disconnecting, which would take the connection's parts away from under whoever uses it: the socket is
        # shut down, and its user finds that out.
        pool: Any = client.connection_pool
        with contextlib.suppress(RuntimeError, OSError):  # it changed while we looked; it was closed already
            for connection in list(pool._in_use_connections):
                if (used := getattr(connection, "_sock", None)) is not None:
                    used.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connections, and leave an embedded server."""
        with self._lock:
            client, self._client = self._client, None
            server, self._server = self._server, None
        if client is not None:
            client.close()
        if server is not None:
            server.release()

    def _open(self) -> redis.Redis:
        with self._lock:
            if self._client is None:
                client = self._make(self._find_server())
                # Replies as they come, as the other shell has them: one reading serves both.
                client.response_callbacks.clear()
                self._client = client
            return self._client

    def _make(self, url: str) -> redis.Redis:
        named = self._client_name.isascii() and " " not in self._client_name
        return redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            protocol=2,
            client_name=(self._client_name or None) if named else None,
            decode_responses=True,
            encoding_errors="surrogateescape",
            socket_timeout=self.timeout,
            socket_connect_timeout=self._connect_timeout,
            retry=Retry(NoBackoff(), 0),
            **tls_defaults(url),
        )

    def _find_server(self) -> str:
        if not embedded.is_embedded(self.url):
            return self.url
        if self._server is None:
            try:
                self._server = embedded.acquire(embedded.directory_of(self.url))
            except (embedded.ServerNotFound, embedded.ServerFailed, OSError) as error:
                raise ConnectionFailed(str(error)) from error
        return self._server.url


# What OpenSSL says, in one version or another, to an answer that is no TLS.
_NO_TLS = ("WRONG_VERSION_NUMBER", "record layer failure")

# redis-py drops the first word of some error replies and makes it a class instead.
_CODES: dict[type[redis.exceptions.RedisError], str] = {
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.BusyLoadingError: "LOADING",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
    redis.exceptions.TryAgainError: "TRYAGAIN",
    redis.exceptions.MovedError: "MOVED",
    redis.exceptions.ClusterCrossSlotError: "CROSSSLOT",
    redis.exceptions.OutOfMemoryError: "OOM",
}


def _with_code(error: redis.exceptions.RedisError) -> str:
    text = str(error)
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "")
    return text if not code or text.startswith(code) else f"{code} {text}"


_transports: weakref.WeakSet[Transport] = weakref.WeakSet()


def _start_over() -> None:
    for transport in list(_transports):
        transport.start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
