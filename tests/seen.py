"""What Redis has seen of the workers of a queue: who waits for work, and when jobs were taken."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from oxcart import Queue
from tests.conftest import wait_until


async def idle(redis: Redis, queue: Queue, workers: int = 1) -> None:
    """Wait until so many workers of the queue wait for work."""
    name = queue.keys.client_name(None)

    async def waiting() -> bool:
        clients: list[dict[str, str]] = await redis.client_list()  # pyright: ignore
        return workers == sum(client["name"].startswith(name) and client["cmd"] == "bzpopmin" for client in clients)

    await wait_until(waiting)


async def taken_at(redis: Any, queue: Queue) -> list[int]:
    """When jobs of a queue were taken, in ms of the server's clock: where a limit holds, and no process is late."""
    events = await redis.xrange(f"bull:{queue.name}:events")
    return [int(entry.partition("-")[0]) for entry, fields in events if fields["event"] == "active"]
