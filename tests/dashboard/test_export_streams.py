"""Exports over a real connection: they end when nobody reads them, and what breaks half-way is not taken for whole."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from uvicorn import Config, Server

from oxcart import Job, JobSpec, Queue
from oxcart.dashboard import Dashboard
from oxcart.dashboard.handlers import exporting
from oxcart.dashboard.web import answers
from tests.conftest import RedisServer, wait_until

LARGE = "x" * 200_000


class QuietServer(Server):
    """A server inside of a test: signals are none of its business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that is served on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = QuietServer(Config(app, log_level="critical"))
    running = asyncio.create_task(server.serve([listening]))
    try:
        await wait_until(lambda: server.started)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        await running
        listening.close()


async def fill(url: str, name: str, count: int = 100) -> None:
    async with Queue(name, connection=url) as queue:
        for _ in range(0, count, 50):
            await queue.add_bulk([JobSpec("x", LARGE) for _ in range(50)])


def running() -> int:
    return sum(places.total() for places in exporting._RUNNING.values())  # pyright: ignore[reportPrivateUsage]


async def test_it_ends_when_the_client_goes_away(fragile_server: RedisServer) -> None:
    await fill(fragile_server.url, "q")
    async with served(Dashboard(["q"], connection=fragile_server.url)) as client:
        async with client.stream("GET", "/api/v1/queues/q/export?format=ndjson") as answer:
            await anext(answer.aiter_bytes())
            await wait_until(lambda: running() == 1)
        await wait_until(lambda: running() == 0)
        whole = await client.get("/api/v1/queues/q/export?format=json")
        assert len(whole.json()) == 100


async def test_it_is_broken_off_when_nobody_reads_it(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "READ_S", 0.5)
    await fill(fragile_server.url, "q", 200)
    async with (
        served(Dashboard(["q"], connection=fragile_server.url)) as client,
        client.stream("GET", "/api/v1/queues/q/export?format=ndjson") as answer,
    ):
        await wait_until(lambda: running() == 1)
        await wait_until(lambda: running() == 0)
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in answer.aiter_bytes():
                pass


async def test_jobs_are_read_no_faster_than_the_client_takes_them(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(fragile_server.url, "q", 200)
    written: list[str] = []
    make = exporting.exported

    def counted(*given: Any) -> exporting.Exported:
        written.extend(one.id for one in given if isinstance(one, Job))
        return make(*given)

    async def waits() -> bool:
        before = len(written)
        await asyncio.sleep(0.3)
        return 0 < before == len(written)

    monkeypatch.setattr(exporting, "exported", counted)
    async with served(Dashboard(["q"], connection=fragile_server.url)) as client:
        async with client.stream("GET", "/api/v1/queues/q/export?format=ndjson") as answer:
            await wait_until(waits)
            assert len(written) < 150
            lines = [line async for line in answer.aiter_lines()]
        assert len(lines) == len(written) == 200


@pytest.mark.parametrize("kind", exporting.FORMATS)
async def test_what_breaks_half_way_is_not_taken_for_whole(fragile_server: RedisServer, kind: str) -> None:
    await fill(fragile_server.url, "q")
    async with served(Dashboard(["q"], connection=fragile_server.url)) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("GET", f"/api/v1/queues/q/export?format={kind}", timeout=30) as answer:
                assert answer.status_code == 200
                pieces = answer.aiter_bytes()
                await anext(pieces)
                fragile_server.kill()
                async for _ in pieces:
                    pass
        await wait_until(lambda: running() == 0)
        away = await client.get(f"/api/v1/queues/q/export?format={kind}", timeout=30)
        assert (away.status_code, away.json()["error"]) == (503, "redis_away")
        assert "attachment" not in away.headers.get("content-disposition", "")
        fragile_server.start()
        assert (await client.get(f"/api/v1/queues/q/export?format={kind}", timeout=30)).status_code == 200
