"""The Redis server under both sides: what it is, how much CPU time it has used, and removing what a run has left."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import redis

from .. import ConnectionFailed

SCAN = 1000


class Server:
    """A connection to the server, for everything around the runs.

    With `ours` it is one that nobody else uses, and it keeps no file: clients and Redis are measured, not the disk.
    """

    def __init__(self, url: str, ours: bool) -> None:
        self.url = url
        # Loosely typed by redis-py.
        self._redis: Any = cast(Any, redis.Redis).from_url(url, decode_responses=True)
        with _one_line():
            if ours:
                self._redis.config_set("appendonly", "no")
            facts: dict[str, Any] = self._redis.info("server")
            valkey = facts.get("valkey_version")
            self.version = f"Valkey {valkey}" if valkey else f"Redis {facts['redis_version']}"
            self.persistent = bool(self._redis.info("persistence").get("aof_enabled"))

    def cpu_s(self) -> float:
        """CPU time of the server so far, all its threads."""
        with _one_line():
            used: dict[str, float] = self._redis.info("cpu")
        return used["used_cpu_user"] + used["used_cpu_sys"]

    def forget(self, queue: str) -> None:
        """Remove all keys of a queue, whatever state it is in. Nothing else on the server is touched."""
        with _one_line():
            for prefix in ("bull:", "oxcart:bull:"):
                found: list[str] = []
                for key in self._redis.scan_iter(match=f"{prefix}{queue}:*", count=SCAN):
                    found.append(key)
                    if len(found) >= SCAN:
                        self._redis.unlink(*found)
                        found.clear()
                if found:
                    self._redis.unlink(*found)

    def close(self) -> None:
        self._redis.close()


@contextmanager
def _one_line() -> Generator[None, None, None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise ConnectionFailed(f"Redis: {error}") from None
