"""The history of Bull Board's page comes from what workers with a recorder counted."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from oxcart import JobSpec, Queue
from tests.conftest import RunWorker, wait_until
from tests.dashboard.conftest import Open

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
async def client(open_dashboard: Open, queue: Queue, run_worker: RunWorker) -> httpx.AsyncClient:
    """A dashboard whose queue has had five good jobs and two bad ones, with a recorder."""

    async def process(job: Any) -> None:
        if job.name == "bad":
            raise ValueError("no")

    await queue.add_bulk([JobSpec("good")] * 5 + [JobSpec("bad")] * 2)
    worker = await run_worker(process, recorder=True)

    async def done() -> bool:
        counts = await queue.counts()
        return (counts["completed"], counts["failed"]) == (5, 2)

    await wait_until(done)
    await worker.close()
    client = open_dashboard(queues=[queue.name])
    client.base_url = httpx.URL("http://localhost/api")
    return client


def _range(**more: Any) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {"from": now - DAY_MS, "to": now, "granularity": "hour", **more}


async def test_what_ended_is_told_by_hour_and_by_day(client: httpx.AsyncClient, queue: Queue) -> None:
    for granularity in ("hour", "day"):
        query = _range(granularity=granularity, queue=queue.name)
        found = (await client.get("/metrics/history", params=query)).json()
        assert {name: sum(point["value"] for point in points) for name, points in found.items()} == {
            "completed": 5,
            "failed": 2,
        }
        step = HOUR_MS if granularity == "hour" else DAY_MS
        assert {point["ts"] % step for point in found["failed"]} == {0}


async def test_one_kind_only_can_be_asked_for(client: httpx.AsyncClient) -> None:
    for metric in ("completed", "failed", "queueage"):
        found = (await client.get("/metrics/history", params=_range(metric=metric))).json()
        assert list(found) == [metric]


@pytest.mark.parametrize("metric", ["runtime", "waittime"])
@pytest.mark.parametrize("granularity", ["hour", "day", "range"])
async def test_how_long_it_took_is_told_in_percentiles(
    client: httpx.AsyncClient, metric: str, granularity: str
) -> None:
    query = _range(metric=metric, granularity=granularity, percentiles="50,95,12")
    found = (await client.get("/metrics/latency", params=query)).json()
    assert sum(point["count"] for point in found) == 7
    assert all(set(point["values"]) == {"50", "95"} for point in found)
    assert len(found) == 1 or granularity != "range"


@pytest.mark.parametrize(
    ("path", "change", "field"),
    [
        ("history", {"from": "x"}, "from"),
        ("history", {"to": ""}, "to"),
        ("history", {"granularity": "week"}, "granularity"),
        ("history", {"metric": "x"}, "metric"),
        ("history", {"from": 9 * 10**12}, "from"),
        ("latency", {"metric": "x"}, "metric"),
        ("latency", {"granularity": ""}, "granularity"),
    ],
)
async def test_what_can_not_be_right_is_told_by_its_name(
    client: httpx.AsyncClient, path: str, change: dict[str, Any], field: str
) -> None:
    query = _range(**({"metric": "runtime"} if path == "latency" else {})) | change
    answer = await client.get(f"/metrics/{path}", params=query)
    assert (answer.status_code, answer.json()["error"]["options"]) == (400, {"field": field})


async def test_a_queue_that_a_user_does_not_see_has_no_history(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics/history", params=_range(queue="other"))
    assert (answer.status_code, answer.json()["error"]["key"]) == (404, "ERRORS.QUEUE_NOT_FOUND")
