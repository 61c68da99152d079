"""The keys of a queue as they are in Redis: to look at them, and to write by hand what others would write."""

from __future__ import annotations

import json
import time
from typing import Any

from redis.asyncio import Redis

from oxcart import Job, JobState, Queue, Worker
from oxcart.protocol.calls import work
from oxcart.protocol.calls.work import Settlement, Taken
from tests.conftest import wait_until
from tests.hands import TOKEN, Hands

MINUTE = 60_000


class Wire:
    """One queue. Names of keys are those of the wire, without what they all start with."""

    def __init__(self, redis: Redis, queue: str, prefix: str = "bull") -> None:
        self.redis: Any = redis
        self.queue_key = f"{prefix}:{queue}"

    def key(self, name: str) -> str:
        return f"{self.queue_key}:{name}"

    async def members(self, name: str) -> list[str]:
        """Of a list from left to right, of a sorted set by score; empty if there is no such key."""
        if await self.redis.type(self.key(name)) == "list":
            return await self.redis.lrange(self.key(name), 0, -1)
        return await self.redis.zrange(self.key(name), 0, -1)

    async def scores(self, name: str) -> dict[str, float]:
        return dict(await self.redis.zrange(self.key(name), 0, -1, withscores=True))

    async def score(self, name: str, member: str) -> str | None:
        """A score as the text that Redis gives for it."""
        return await self.redis.eval("return redis.call('ZSCORE', KEYS[1], ARGV[1])", 1, self.key(name), member)

    async def set(self, name: str) -> set[str]:
        return set(await self.redis.smembers(self.key(name)))

    async def text(self, name: str) -> str | None:
        return await self.redis.get(self.key(name))

    async def fields(self, name: str) -> dict[str, str]:
        return await self.redis.hgetall(self.key(name))

    async def write(self, key: str, /, **fields: Any) -> None:
        """Set fields of a hash."""
        await self.redis.hset(self.key(key), mapping=fields)

    async def delete(self, *names: str) -> None:
        await self.redis.delete(*map(self.key, names))

    async def names(self) -> set[str]:
        """The names of all its keys."""
        start = self.key("")
        return {str(key).removeprefix(start) async for key in self.redis.scan_iter(f"{start}*", count=1000)}

    async def events(self) -> list[dict[str, str]]:
        return [fields for _, fields in await self.redis.xrange(self.key("events"))]

    async def told(self, job_id: str) -> list[str]:
        """The kinds of the events about a job, in their order, with `kind<prev` where they say where it came from."""
        mine = [event for event in await self.events() if event.get("jobId") == job_id]
        return ["<".join([event["event"], *filter(None, [event.get("prev")])]) for event in mine]

    async def opts(self, job_id: str) -> dict[str, Any]:
        return json.loads((await self.fields(job_id))["opts"])

    async def series(self, scheduler: str, slot_ms: int, fields: dict[str, Any], run: dict[str, Any]) -> str:
        """A scheduler and its next run, which is due, as others leave them; the run's id."""
        job_id = f"repeat:{scheduler}:{slot_ms}"
        if fields:
            await self.write(f"repeat:{scheduler}", **fields)
        await self.redis.zadd(self.key("repeat"), {scheduler: slot_ms})
        opts = {"jobId": job_id, "timestamp": slot_ms, "delay": 0, "attempts": 0, **run.pop("opts")}
        stored = {"name": "s", "data": "{}", "timestamp": slot_ms, "delay": 0, "priority": 0, "rjk": scheduler}
        await self.write(job_id, **stored | run | {"opts": json.dumps(opts)})
        for kind in ("added", "waiting"):
            await self.redis.xadd(self.key("events"), {"event": kind, "jobId": job_id, "name": "s"})
        await self.redis.lpush(self.key("wait"), job_id)
        await self.redis.zadd(self.key("marker"), {"0": 0})
        return job_id

    # ------------------------------------------------------------------------------------------------------- families

    async def parent(self, job_id: str, *, state: str = "waiting-children", **fields: Any) -> str:
        """A parent as a flow leaves it, without its children yet; its reference."""
        made = now()
        stored = {
            "name": "parent",
            "data": "{}",
            "opts": '{"attempts":0}',
            "timestamp": made,
            "delay": 0,
            "priority": 0,
        }
        await self.write(job_id, **stored | fields)
        await self.redis.xadd(self.key("events"), {"event": "added", "jobId": job_id, "name": "parent"})
        if state == "waiting-children":
            await self.redis.zadd(self.key(state), {job_id: made})
            await self.redis.xadd(self.key("events"), {"event": state, "jobId": job_id})
        return self.key(job_id)

    async def child(self, parent: str, job: Job, **policy: bool) -> str:
        """Make a job the child of a parent: what an add with a parent writes; the child's reference."""
        queue_key, _, parent_id = parent.rpartition(":")
        link = {"id": parent_id, "queueKey": queue_key, **policy}
        await self.write(job.id, parentKey=parent, parent=json.dumps(link))
        await self.redis.sadd(f"{parent}:dependencies", self.key(job.id))
        return self.key(job.id)


def now() -> int:
    return time.time_ns() // 1_000_000


def settle(hands: Hands, job_id: str, outcome: str, *, take: int = 0, now_ms: int | None = None, **more: Any) -> Taken:
    """End an attempt by hand in any of the ways there are, and take up to `take` jobs in the same call."""
    return hands.trip([Settlement(job_id, TOKEN, outcome, **more)], take, now_ms)


def check_stalled(hands: Hands, most: int = 1, interval_ms: int = MINUTE) -> list[str]:
    """One look for stalled jobs, as a worker does it; the ids given back."""
    return hands._connection.run(work.recover_stalled(hands.keys, now(), interval_ms, most))


async def lose(hands: Hands, wire: Wire, *ids: str, most: int = 1) -> None:
    """As if the worker of these active jobs were gone for two checks."""
    for job_id in ids:
        await wire.delete(f"{job_id}:lock")
    for _ in range(2):
        await wire.delete("stalled-check")
        check_stalled(hands, most)


async def idle(worker: Worker) -> None:
    """Wait until a worker has looked for jobs and found none."""
    await wait_until(lambda: worker._shuttle is not None and worker._shuttle.supply.idle)


async def is_finished(queue: Queue, job_id: str) -> bool:
    return await queue.state(job_id) in (JobState.COMPLETED, JobState.FAILED)
