"""What can be asked is answered as Bull Board answers it, over the same queues."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from oxcart.dashboard import Dashboard, Redactor
from tests.conftest import RedisServer
from tests.dashboard.bull_board.compare import differences, in_order
from tests.dashboard.bull_board.conftest import Both, plain_client
from tests.interop.peer import Peer

pytestmark = pytest.mark.interop

QUEUES = ("email", "reports", "notifications", "nope")
STATUSES = ("latest active waiting waiting-children prioritized completed failed delayed paused bogus".split(), "")
OF_QUEUES = "metrics default-job-options workers rate-limit job-data-schema nojob nojob/logs nojob/flow".split()
OF_JOBS = ("", "/logs", "/flow", "/flow?root=node", "/flow?depth=1", "/flow?depth=99&maxChildren=x&root=bogus")

# Bull Board reads whole numbers as JavaScript does.
EXACT, ROUNDED = 9007199254740993, 9007199254740992


def _same(theirs: Any, ours: Any) -> list[str]:
    return differences(in_order(theirs), in_order(_rounded(ours)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [_rounded(item) for item in value]  # pyright: ignore
    return ROUNDED if value == EXACT else value


async def _compare(both: Both, path: str) -> list[str]:
    theirs, ours = await both.get(path)
    if theirs.status_code != ours.status_code:
        return [f"{path}: theirs {theirs.status_code} {theirs.text[:200]}, ours {ours.status_code} {ours.text[:200]}"]
    return [f"{path}: {text}" for text in _same(theirs.json(), ours.json())]


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("status", [*STATUSES[0], STATUSES[1]])
async def test_lists_of_jobs_are_the_same(both: Both, queue: str, status: str) -> None:
    path = f"/queues?activeQueue={queue}&status={status}"
    assert not await _compare(both, f"{path}&page=1&jobsPerPage=300")
    assert not await _compare(both, f"{path}&page=2&jobsPerPage=3")


@pytest.mark.parametrize(
    "query",
    """page=2 page=0 page=x page=1.5 page=-1 jobsPerPage=0 jobsPerPage=300 jobsPerPage=301
    activeQueue=email&status=latest&page=3 activeQueue=email&status=failed&page=99&jobsPerPage=1""".split(),
)
async def test_pages_are_the_same_also_those_that_there_are_not(both: Both, query: str) -> None:
    assert not await _compare(both, f"/queues?{query}")


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("path", OF_QUEUES)
async def test_what_is_told_of_a_queue_is_the_same(both: Both, queue: str, path: str) -> None:
    assert not await _compare(both, f"/queues/{queue}/{path}")


@pytest.mark.parametrize("query", ["", "?queueName=email", "?queueName=nope", "?queueName="])
async def test_schedulers_are_the_same(both: Both, query: str) -> None:
    assert not await _compare(both, f"/job-schedulers{query}")


async def test_redis_is_the_same_but_for_its_numbers(both: Both) -> None:
    theirs, ours = (answer.json() for answer in await both.get("/redis/stats"))
    for found in (theirs, ours):
        del found["uptime"]
        for name in ("used", "peak", "fragmentationRatio"):
            assert found["memory"].pop(name) > 0
        assert found["clients"].pop("connected") > 0
    assert not differences(theirs, ours)


@pytest.mark.parametrize("queue", QUEUES[:3])
async def test_every_job_is_the_same_with_its_log_and_its_flow(both: Both, queue: str) -> None:
    found = (await both.theirs.get(f"/queues?activeQueue={queue}&status=latest&jobsPerPage=6")).json()["queues"]
    ids = [job["id"] for one in found for job in one["jobs"]]
    assert len(ids) > 20
    wrong: list[str] = []
    for job_id in ids:
        for path in OF_JOBS:
            wrong += await _compare(both, f"/queues/{queue}/{quote(job_id, safe='')}{path}")
    assert not wrong, wrong[:20]


async def test_a_flow_that_is_too_large_has_as_many_children_though_maybe_others(both: Both) -> None:
    theirs, ours = (answer.json() for answer in await both.get("/queues/reports/broadcast/flow?maxChildren=7"))
    for found in (theirs, ours):
        assert len(found["flowRoot"].pop("children")) == 7
    assert not differences(theirs, ours)
    assert ours["flowRoot"]["truncated"]


async def test_what_bull_board_has_not_is_not_there_either(both: Both) -> None:
    for path in ("/metrics/history/usage", "/nothing", "/queues/"):
        theirs, ours = await both.get(path)
        assert (theirs.status_code, ours.status_code) in ((404, 404), (200, 404)), path
        assert ours.json()["error"]["key"] == "ERRORS.NOT_FOUND"


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "late": {"delay": 500_000, "attempts": 4, "backoff": 500, "keepLogs": 5, "stackTraceLimit": 3, "sizeLimit": 500},
    "policy-1": {"failParentOnFailure": True, "lifo": True, "removeOnComplete": True, "removeOnFail": {"age": 5}},
    "policy-2": {"ignoreDependencyOnFailure": True, "priority": 7, "telemetry": {"metadata": "m", "omitContext": True}},
    "policy-3": {"continueParentOnFailure": True, "backoff": {"type": "exponential", "delay": 5, "jitter": 0.5}},
    "policy-4": {"removeDependencyOnFailure": True, "deduplication": {"id": "d", "ttl": 60_000, "extend": True}},
}


async def test_jobs_of_node_with_all_their_options_are_the_same(
    node6: Peer, redis_server: RedisServer, queue_name: str
) -> None:
    for job_id, options in OPTIONS.items():
        await node6("add", queue=queue_name, name="job", data={"n": 1}, opts={"jobId": job_id, **options})
    times = ({"every": 5000, "limit": 3}, {"pattern": "0 0 1 1 *", "tz": "Asia/Tokyo", "endDate": 4_000_000_000_000})
    for number, repeat in enumerate(times):
        template = {"name": "run", "data": {"n": number}, "opts": {"attempts": 2, "keepLogs": 3}}
        await node6("call", queue=queue_name, method="upsertJobScheduler", args=[f"s{number}", repeat, template])
    await node6("take", queue=queue_name, token="t")
    dashboard = Dashboard([queue_name], connection=redis_server.url, redact=Redactor(()))
    port = await node6("board", names=[queue_name])
    node = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=60)
    async with node as theirs, plain_client(dashboard) as ours:
        both = Both(theirs, ours)
        for status in STATUSES[0][:-1]:
            assert not await _compare(both, f"/queues?activeQueue={queue_name}&status={status}")
        assert not await _compare(both, "/job-schedulers")
        for job_id in OPTIONS:
            assert not await _compare(both, f"/queues/{queue_name}/{job_id}")
        for path in OF_QUEUES:
            # How long a worker has been connected goes on while we ask.
            wrong = await _compare(both, f"/queues/{queue_name}/{path}")
            assert not [text for text in wrong if ".age: " not in text]
    await dashboard.close()
