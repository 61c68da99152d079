"""What is done through our routes is in Redis as if the real Bull Board had done it, and is answered alike."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from oxcart.dashboard import Dashboard, Redactor
from tests.conftest import RedisServer
from tests.dashboard.bull_board.compare import differences
from tests.dashboard.bull_board.conftest import plain_client
from tests.dumps import dump
from tests.interop.peer import Peer

pytestmark = pytest.mark.interop

LATER = 40_000_000
YEAR_2035 = 2_051_222_400_000


@dataclass
class Twins:
    """Two queues with the same jobs: one is for the real board, one for ours."""

    redis: Redis
    node: Peer
    theirs: httpx.AsyncClient
    ours: httpx.AsyncClient
    base: str

    @property
    def queues(self) -> tuple[tuple[httpx.AsyncClient, str], tuple[httpx.AsyncClient, str]]:
        return (self.theirs, f"{self.base}-a"), (self.ours, f"{self.base}-b")

    async def fill(self, op: str, **arguments: Any) -> None:
        """Do something with both, by Node."""
        for _, queue in self.queues:
            named = json.loads(json.dumps(arguments).replace("QUEUE", queue))
            await self.node(op, **({"queue": queue} if op != "flow" else {}), **named)

    async def add(self, job_id: str, **options: Any) -> None:
        await self.fill("add", name="job", data={"n": 1}, opts={"jobId": job_id, **options})

    async def finish(self, job_id: str, error: str | None = None) -> None:
        """Let a job that waits run, to its end."""
        await self.fill("take", token="t")
        if error is None:
            await self.fill("settle", id=job_id, method="moveToCompleted", args=["done", "t", False])
        else:
            await self.fill("settle", id=job_id, method="moveToFailed", error=error, args=["t", False])

    async def do(self, method: str, path: str, body: Any = None) -> list[httpx.Response]:
        """Do it once through each; `QUEUE` in the path is the name of the queue."""
        answers: list[httpx.Response] = []
        for client, queue in self.queues:
            where = path.replace("QUEUE", queue)
            kwargs = {} if body is None else {"json": body}
            answers.append(await client.request(method, where, **kwargs))
        return answers

    async def same(self, method: str, path: str, body: Any = None, keys: bool = True) -> Any:
        """Do it, and fail unless the answers are the same and so is what is in Redis; our answer."""
        theirs, ours = await self.do(method, path, body)
        assert theirs.status_code == ours.status_code, (theirs.text, ours.text)
        found = [json.loads(self._unnamed(answer.text)) if answer.text else None for answer in (theirs, ours)]
        for one in found:
            _without_times(one)
        assert not differences(found[0], found[1])
        if keys:
            assert not await self.differing_keys()
        return found[1]

    async def differing_keys(self, *but: str) -> list[str]:
        """Where Redis has something else in the two queues, apart from these keys."""
        dumps = [
            json.loads(self._unnamed(json.dumps(await dump(self.redis, "bull", queue)))) for _, queue in self.queues
        ]
        for keys in dumps:
            for name in but:
                keys.pop(name, None)
            _without_length_of_waiting(keys)
        return differences(*dumps)

    def _unnamed(self, text: str) -> str:
        for _, queue in self.queues:
            text = text.replace(queue, "QUEUE")
        return text


def _without_times(answer: Any) -> None:
    """Takes out the moment when a job was made, and members that Node only has once it has read the job again."""
    if not isinstance(answer, dict):
        return
    if isinstance(answer.get("error"), dict):  # pyright: ignore
        answer.pop("message", None)  # pyright: ignore
    job: Any = answer.get("job")  # pyright: ignore
    if isinstance(job, dict):
        for name in ("timestamp", "delay"):
            job.pop(name, None)  # pyright: ignore
        job["opts"].pop("timestamp", None)


def _without_length_of_waiting(keys: dict[str, Any]) -> None:
    """A run that a scheduler made a moment later waits some ms less for the same time."""
    for name, job in keys.items():
        if name.startswith("repeat:") and isinstance(job, dict) and "opts" in job:
            job.pop("delay", None)  # pyright: ignore
            job["opts"].pop("delay", None)
    delayed = keys.get("delayed", [])
    keys["delayed"] = [[job_id, "" if job_id.startswith("repeat:") else due] for job_id, due in delayed]


@pytest.fixture
async def twins(node6: Peer, redis: Redis, redis_server: RedisServer, queue_name: str) -> AsyncIterator[Twins]:
    names = [f"{queue_name}-a", f"{queue_name}-b"]
    for name in names:
        await node6("call", queue=name, method="getJobCounts")
    dashboard = Dashboard(names, connection=redis_server.url, redact=Redactor(()))
    port = await node6("board", names=names)
    theirs = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=60)
    async with theirs, plain_client(dashboard) as ours:
        yield Twins(redis, node6, theirs, ours, queue_name)
    await dashboard.close()


# ------------------------------------------------------------------------------------------------------------- queues


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "data": {"a": [1, None, "é"]}},
        {"name": "x", "data": {"a": 1}, "options": {"jobId": "mine", "priority": 3}},
        {
            "name": "x",
            "data": {},
            "options": {"delay": 60_000, "attempts": 3, "backoff": {"type": "fixed", "delay": 9}},
        },
        {"name": "x", "data": {}, "options": {"removeOnComplete": True, "removeOnFail": {"count": 5}, "lifo": True}},
        {"name": "x", "data": {}, "options": {"deduplication": {"id": "d", "ttl": 60_000}}},
        {"name": "x", "data": "text"},
        {"name": "x", "data": [1]},
        {"name": 5},
    ],
)
async def test_a_job_is_added_as_bull_board_adds_it(twins: Twins, body: dict[str, Any]) -> None:
    await twins.same("POST", "/queues/QUEUE/add", body)


async def test_a_job_of_an_id_that_is_there_is_not_added_again(twins: Twins) -> None:
    await twins.add("mine")
    await twins.same("POST", "/queues/QUEUE/add", {"name": "job", "data": {"n": 1}, "options": {"jobId": "mine"}})


@pytest.mark.parametrize("action", ["pause", "resume", "empty", "promote"])
async def test_what_is_done_to_a_queue_with_jobs_is_the_same(twins: Twins, action: str) -> None:
    for job_id, options in {"a": {}, "b": {"delay": LATER}, "c": {"priority": 4}, "d": {}}.items():
        await twins.add(job_id, **options)
    if action == "resume":
        await twins.fill("call", method="pause")
    for _ in range(2):
        await twins.same("PUT", f"/queues/QUEUE/{action}", keys=False)
        wrong = await twins.differing_keys()
        # Node leaves the delay in a job that is promoted with all others, though it waits no more.
        assert [text for text in wrong if action != "promote" or not text.startswith(".b.delay: ")] == []
    await twins.same("PUT", f"/queues/nope/{action}", keys=False)


async def test_all_queues_are_paused_and_go_on(twins: Twins) -> None:
    await twins.add("a")
    for _, queue in twins.queues:
        await twins.redis.delete(f"bull:{queue}:events")
    answer = await twins.theirs.put("/queues/pause")
    assert (answer.status_code, answer.json()) == (200, {})
    paused = [await twins.redis.hget(f"bull:{name}:meta", "paused") for _, name in twins.queues]  # pyright: ignore
    assert paused == ["1", "1"]
    answer = await twins.ours.put("/queues/resume")
    assert (answer.status_code, answer.json()) == (200, {})
    answer = await twins.ours.put("/queues/pause")
    paused = [await twins.redis.hget(f"bull:{name}:meta", "paused") for _, name in twins.queues]  # pyright: ignore
    assert paused == ["1", "1"]
    await twins.theirs.put("/queues/resume")
    assert not await twins.differing_keys()


@pytest.mark.parametrize("status", ["failed", "completed", "waiting"])
async def test_all_that_failed_or_completed_runs_again(twins: Twins, status: str) -> None:
    for number in range(3):
        await twins.add(f"f{number}", **({"priority": 5} if number == 1 else {}))
        await twins.finish(f"f{number}", "boom")
        await twins.add(f"c{number}")
        await twins.finish(f"c{number}")
    await twins.same("PUT", f"/queues/QUEUE/retry/{status}", keys=False)
    # Node begins with the newest, we with the oldest; what is in which list is the same.
    assert not await twins.differing_keys("events", "wait")
    waiting = [await twins.redis.lrange(f"bull:{queue}:wait", 0, -1) for _, queue in twins.queues]
    assert waiting[0] == waiting[1][::-1]


@pytest.mark.parametrize("status", "completed failed wait waiting delayed prioritized active bogus".split())
async def test_a_state_is_cleaned(twins: Twins, status: str) -> None:
    for number in range(2):
        await twins.add(f"f{number}")
        await twins.finish(f"f{number}", "boom")
        await twins.add(f"c{number}")
        await twins.finish(f"c{number}")
    for job_id, options in {"a": {}, "b": {"delay": LATER}, "c": {"priority": 4}}.items():
        await twins.add(job_id, **options)
    await _make_older(twins)
    await twins.same("PUT", f"/queues/QUEUE/clean/{status}", keys=False)
    # Node tells that nothing was cleaned of a state that there is not.
    assert not await twins.differing_keys(*(["events"] if status == "bogus" else []))


async def _make_older(twins: Twins) -> None:
    """Only what is some seconds old is cleaned: put all moments back by a minute."""
    for _, queue in twins.queues:
        async for key in twins.redis.scan_iter(f"bull:{queue}:*"):  # pyright: ignore
            if await twins.redis.type(key) == "hash":
                for field in ("timestamp", "finishedOn", "processedOn"):
                    if await twins.redis.hexists(key, field):  # pyright: ignore
                        await twins.redis.hincrby(key, field, -60_000)  # pyright: ignore
        for state in ("completed", "failed"):
            for member in await twins.redis.zrange(f"bull:{queue}:{state}", 0, -1):  # pyright: ignore
                await twins.redis.zincrby(f"bull:{queue}:{state}", -60_000, str(member))  # pyright: ignore


async def test_a_queue_is_obliterated_when_it_is_paused_and_has_no_active_jobs(twins: Twins) -> None:
    await twins.add("a")
    await twins.fill("take", token="t")
    await twins.add("b", delay=LATER)
    await twins.same("PUT", "/queues/QUEUE/obliterate")
    await twins.same("PUT", "/queues/QUEUE/pause")
    await twins.same("PUT", "/queues/QUEUE/obliterate", {"force": "x"})
    await twins.same("PUT", "/queues/QUEUE/obliterate", {}, keys=False)
    assert not await twins.differing_keys("events")  # Node pauses it once more before it refuses
    await twins.same("PUT", "/queues/QUEUE/obliterate", {"force": True})


async def test_limits_are_set_and_removed(twins: Twins) -> None:
    for value in (5, 0, -1, None, 1.5, "5"):
        await twins.same("PUT", "/queues/QUEUE/concurrency", {"concurrency": value})
    await twins.same("PUT", "/queues/QUEUE/concurrency", {})
    limits: list[dict[str, Any]] = [
        {"max": 5, "duration": 1000},
        {"max": None},
        {"max": 0, "duration": 1000},
        {"max": 5},
        {"max": 5, "duration": 0},
        {"max": 7, "duration": 9},
        {},
    ]
    for body in limits:
        await twins.same("PUT", "/queues/QUEUE/rate-limit", body)
    await twins.same("PUT", "/queues/QUEUE/rate-limit/release")


# --------------------------------------------------------------------------------------------------------------- jobs


async def test_a_finished_job_runs_again(twins: Twins) -> None:
    await twins.add("f")
    await twins.finish("f", "boom")
    await twins.add("c", priority=3)
    await twins.finish("c")
    await twins.add("w")
    for job_id in ("f", "c", "f", "w", "nojob"):
        await twins.same("PUT", f"/queues/QUEUE/{job_id}/retry")


async def test_a_job_is_removed_unless_it_is_active(twins: Twins) -> None:
    await twins.add("a")
    await twins.fill("take", token="t")
    await twins.add("w")
    await twins.add("d", delay=LATER)
    for job_id in ("w", "d", "a", "nojob"):
        await twins.same("PUT", f"/queues/QUEUE/{job_id}/clean")


async def test_a_delayed_job_is_promoted(twins: Twins) -> None:
    await twins.add("d", delay=LATER)
    await twins.same("PUT", "/queues/QUEUE/d/promote")
    await twins.same("PUT", "/queues/QUEUE/nojob/promote")


async def test_a_job_that_is_not_delayed_is_refused_as_not_delayed(twins: Twins) -> None:
    await twins.add("w")
    theirs, ours = await twins.do("PUT", "/queues/QUEUE/w/promote")
    assert theirs.status_code == 500  # it doesn't look before it asks Redis
    assert ours.status_code == 400
    assert ours.json()["error"] == {"key": "ERRORS.JOB_NOT_DELAYED", "options": {"status": "waiting"}}
    assert not await twins.differing_keys()


async def test_data_are_replaced(twins: Twins) -> None:
    await twins.add("w")
    for data in ({"a": 5}, "x", [1], None, {"a": {"b": "é"}}):
        await twins.same("PATCH", "/queues/QUEUE/w/update-data", {"jobData": data})
    await twins.same("PATCH", "/queues/QUEUE/w/update-data", {})
    await twins.same("PATCH", "/queues/QUEUE/nojob/update-data", {"jobData": {}})


async def test_a_delayed_job_runs_at_another_time(twins: Twins) -> None:
    await twins.add("d", delay=LATER)
    await twins.add("w")
    for at in ("x", None):
        await twins.same("PATCH", "/queues/QUEUE/d/delay", {"runAt": at})
    await twins.same("PATCH", "/queues/QUEUE/d/delay", {})
    await twins.same("PATCH", "/queues/QUEUE/w/delay", {"runAt": 1})
    await twins.same("PATCH", "/queues/QUEUE/nojob/delay", {"runAt": 1})
    await twins.same("PATCH", "/queues/QUEUE/d/delay", {"runAt": YEAR_2035}, keys=False)
    dues = [int(await twins.redis.zscore(f"bull:{queue}:delayed", "d") or 0) // 4096 for _, queue in twins.queues]
    # It is told how long to wait, and that begins a moment later.
    assert all(0 <= due - YEAR_2035 < 60_000 for due in dues)
    await twins.same("PATCH", "/queues/QUEUE/d/delay", {"runAt": 1})


async def test_a_job_gets_another_priority(twins: Twins) -> None:
    await twins.add("w")
    await twins.add("p", priority=5)
    for job_id in ("w", "p", "nojob"):
        for value in (9, 0, 2**21 - 1, 2**21, -1, 1.5, None):
            await twins.same("PATCH", f"/queues/QUEUE/{job_id}/priority", {"priority": value})


async def test_children_that_wait_are_removed(twins: Twins) -> None:
    child = {"name": "child", "queueName": "QUEUE", "data": {}}
    children = [child | {"opts": {"jobId": f"k{number}"}} for number in range(3)]
    tree = {"name": "top", "queueName": "QUEUE", "data": {}, "opts": {"jobId": "top"}, "children": children}
    await twins.fill("flow", tree=tree)
    for job_id in ("top", "top", "nojob"):
        await twins.same("PUT", f"/queues/QUEUE/{job_id}/remove-unprocessed-children", keys=False)
        assert not await twins.differing_keys("events")  # they have no order


# --------------------------------------------------------------------------------------------------------- schedulers


@pytest.fixture
async def scheduled(twins: Twins) -> Twins:
    """The twins with a scheduler that runs on the first of January."""
    template = {"name": "run", "data": {"z": 1}, "opts": {"attempts": 2, "keepLogs": 3}}
    repeat = {"pattern": "0 0 1 1 *", "tz": "UTC", "limit": 9}
    await twins.fill("call", method="upsertJobScheduler", args=["yearly", repeat, template])
    return twins


async def test_a_scheduler_runs_now_beside_its_own_runs(scheduled: Twins) -> None:
    await scheduled.same("PUT", "/queues/QUEUE/job-schedulers/yearly/run")
    await scheduled.same("PUT", "/queues/QUEUE/job-schedulers/nope/run")


async def test_a_scheduler_is_removed_but_not_its_run_alone(scheduled: Twins) -> None:
    [run] = await scheduled.redis.zrange(f"bull:{scheduled.base}-a:delayed", 0, -1)
    await scheduled.same("PUT", f"/queues/QUEUE/{run}/clean")
    await scheduled.same("PUT", "/queues/QUEUE/job-schedulers/yearly/remove")
    await scheduled.same("PUT", "/queues/QUEUE/job-schedulers/yearly/remove")


@pytest.mark.parametrize(
    "body",
    [
        {"pattern": "0 5 2 2 *", "tz": "Europe/Berlin", "limit": 4, "endDate": YEAR_2035},
        {"pattern": "0 5 2 2 *"},
        {"every": 1000, "pattern": "* * * * *"},
        {},
        {"every": 0},
        {"every": 5000, "limit": 0},
        {"every": 5000, "endDate": 5},
        {"every": 5000, "tz": None},
        {"pattern": 5},
    ],
)
async def test_a_scheduler_is_edited(scheduled: Twins, body: dict[str, Any]) -> None:
    await scheduled.same("PATCH", "/queues/QUEUE/job-schedulers/yearly", body, keys=False)
    # Without a zone, each worker of Node takes its own; ours is UTC, and is written down.
    assert [text for text in await scheduled.differing_keys() if not text.endswith(".tz: only in ours: UTC")] == []
    await scheduled.same("PATCH", "/queues/QUEUE/job-schedulers/nope", body, keys=False)


@pytest.mark.parametrize("body", [{"pattern": "bad pattern"}, {"pattern": "0 5 * * *", "tz": "Mars/Base"}])
async def test_a_pattern_that_can_not_be_read_is_refused(scheduled: Twins, body: dict[str, Any]) -> None:
    await scheduled.same("PATCH", "/queues/QUEUE/job-schedulers/yearly", body)


async def test_a_scheduler_gets_an_interval(scheduled: Twins) -> None:
    await scheduled.same("PATCH", "/queues/QUEUE/job-schedulers/yearly", {"every": 3_600_000}, keys=False)
    listed = [
        (await client.get("/job-schedulers", params={"queueName": queue})).json()["schedulers"][0]
        for client, queue in scheduled.queues
    ]
    for one in listed:
        for name in ("next", "nextRunJobId", "queueName", "offset"):
            one.pop(name, None)
    assert not differences(*listed)
