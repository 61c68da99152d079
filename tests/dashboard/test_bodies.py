"""Bodies: read only as far as the user may do something with them, and in a time that others can wait."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from oxcart import Queue
from oxcart.dashboard import Access
from oxcart.dashboard.redact import MASK, has_mask
from oxcart.dashboard.web import bodies
from oxcart.dashboard.web.bodies import MOST_BRACKETS
from tests.dashboard.conftest import Open

WIDE = b'{"name": "n", "data": [' + b"{}," * 1_500_000 + b"{}]}"
JSON = {"content-type": "application/json"}


def _with(role: Any) -> Any:
    async def auth(request: object) -> Access:
        return Access("ada", role=role)

    return auth


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were read as JSON, each time."""
    sizes: list[int] = []

    class Json:
        @staticmethod
        def loads(text: bytes, **options: Any) -> Any:
            sizes.append(len(text))
            return json.loads(text, **options)

    monkeypatch.setattr(bodies, "json", Json)
    return sizes


@pytest.mark.parametrize("path", ["api/v1/queues/{}/add", "api/queues/{}/add", "api/v1/mcp"])
async def test_a_body_of_very_many_objects_is_refused_unread(
    open_dashboard: Open, queue: Queue, parsed: list[int], path: str
) -> None:
    await queue.add("x")
    for role in ("view", "operate"):
        answer = await open_dashboard(auth=_with(role)).post(path.format(queue.name), content=WIDE, headers=JSON)
        assert answer.status_code in (400, 403, 405, 413)
    assert not parsed


async def test_nothing_large_is_read_of_a_user_who_may_not_do_it(
    open_dashboard: Open, queue: Queue, parsed: list[int]
) -> None:
    await queue.add("x")
    large = {"name": "n", "data": "x" * 1_000_000}
    viewer = open_dashboard(auth=_with("view"))
    assert (await viewer.post(f"api/v1/queues/{queue.name}/add", json=large)).status_code == 403
    assert (await viewer.post(f"api/queues/{queue.name}/add", json=large)).status_code == 405
    assert (
        await viewer.post("api/v1/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping", "x": large})
    ).status_code == 413
    assert not parsed
    operator = open_dashboard(auth=_with("operate"))
    assert (await operator.post(f"api/v1/queues/{queue.name}/add", json=large)).status_code == 200
    assert len(parsed) == 1


async def test_what_may_be_stored_is_looked_through_while_others_hardly_wait(
    api: httpx.AsyncClient, queue: Queue
) -> None:
    await queue.add("x")
    body = {"name": "n", "data": [[]] * (MOST_BRACKETS - 10)}
    longest, done = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    watching = asyncio.create_task(watch())
    assert (await api.post(f"/api/v1/queues/{queue.name}/add", json=body)).status_code == 200
    done.set()
    await watching
    assert longest < 1.5


def test_a_mask_is_found_wherever_it_is() -> None:
    deep: Any = MASK
    for _ in range(5000):
        deep = [{"a": deep}]
    assert has_mask(deep) and has_mask({"a": [1, f"x {MASK}"]})
    assert not has_mask({MASK: [1, "x", None, {"a": {}}]})
