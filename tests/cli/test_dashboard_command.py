"""`oxcart dashboard`: a server of its own, closed to others unless somebody may log in."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from oxcart import Queue
from oxcart.cli.dashboard import _listen  # pyright: ignore[reportPrivateUsage]
from tests.conftest import RedisServer, wait_until

WRITES = {"x-oxcart": "1"}

PATIENCE_S = 60
"""How long a program may take to start, or to answer, on a machine that does much else."""


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "oxcart.cli.main",
        "dashboard",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )


async def refused(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and line of a command that is to be refused."""
    process = await start(*arguments, **environment)
    _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode or 0, err.decode()


@asynccontextmanager
async def running(*arguments: str, **environment: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The command, and the address that it prints."""
    process = await start("--port", "0", *arguments, **environment)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode()
        found = re.search(r"http://\S+", line)
        assert found, line
        yield process, found.group()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_shows_queues_at_the_address_it_prints_until_a_signal(
    queue: Queue, redis_server: RedisServer, number: signal.Signals
) -> None:
    await queue.add("x")
    async with running("--redis", redis_server.url, "--environment", "staging") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:

            async def shown() -> bool:  # it begins with the names that an earlier one has found
                return queue.name in (await client.get("/api/v1/board")).json()["queues"]

            await wait_until(shown, PATIENCE_S)
            assert "staging" in (await client.get("/")).text
            assert (await client.get("/", headers={"host": "evil.example.com"})).status_code == 403
            answer = await client.post(f"/api/v1/queues/{queue.name}/pause", json={}, headers=WRITES)
            assert answer.status_code == 200
            async with client.stream("GET", "/api/v1/live") as live:  # an open tab must not hold it up
                await anext(live.aiter_text())
                process.send_signal(number)
                assert await asyncio.wait_for(process.wait(), 10) == 0


def test_an_answer_in_two_pieces_is_not_held_back() -> None:
    with _listen("127.0.0.1", 0) as listening:
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_it_is_read_only_on_demand_and_shows_only_what_is_named(queue: Queue, redis_server: RedisServer) -> None:
    await queue.add("x")
    arguments = ("--redis", redis_server.url, "--read-only", "--queue", queue.name)
    async with running(*arguments) as (_, address), httpx.AsyncClient(base_url=address) as client:
        board = (await client.get("/api/v1/board", timeout=PATIENCE_S)).json()
        assert board["queues"] == [queue.name] and "pause" not in board["can"]


async def test_it_tells_a_webhook_of_the_usual_alerts_and_refuses_an_address_that_is_none(
    redis_server: RedisServer,
) -> None:
    arguments = ("--redis", redis_server.url, "--alert-webhook", "http://127.0.0.1:1/secret")
    async with running(*arguments) as (_, address), httpx.AsyncClient(base_url=address) as client:
        rules = (await client.get("/api/v1/alerts", timeout=PATIENCE_S)).json()["rules"]
        assert {rule["kind"] for rule in rules} == {"failures", "no_workers", "stalled", "oldest_waiting"}
        assert all(rule["to"] == ["webhook 127.0.0.1"] for rule in rules)
    code, err = await refused("--redis", redis_server.url, "--alert-webhook", "hooks")
    assert code == 2 and "https://hooks.example.com" in err


async def test_with_users_it_may_listen_to_other_machines(redis_server: RedisServer) -> None:
    arguments = ("--redis", redis_server.url, "--host", "0.0.0.0")
    users = "ada:engine bob:b:c"
    async with running(*arguments, OXCART_DASHBOARD_AUTH=users) as (_, address), httpx.AsyncClient() as client:
        path = address.replace("0.0.0.0", "127.0.0.1") + "/api/v1/board"
        assert (await client.get(path, timeout=PATIENCE_S)).status_code == 401
        for user in (("ada", "engine"), ("bob", "b:c")):
            assert (await client.get(path, auth=user, timeout=PATIENCE_S)).json()["user"] == user[0]


async def test_other_machines_are_not_let_in_without_a_log_in() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "jobs.example.com"):
        code, err = await refused("--host", host)
        assert code == 2 and err.count("\n") == 1
        assert err.startswith(f"oxcart: --host {host}: other machines") and "--auth USER:PASS" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--auth", "ada"), 2, "USER:PASS"),
        (("--auth", "ada:"), 2, "USER:PASS"),
        (("--redis", "http://x"), 2, "http://x"),
        (("--port", "99999"), 2, "--port"),
    ],
)
async def test_wrong_usage_is_one_line(arguments: tuple[str, ...], code: int, says: str) -> None:
    found, err = await refused(*arguments)
    assert found == code and says in err and "Traceback" not in err


async def test_a_port_that_is_taken_is_told() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    code, err = await refused("--port", port)
    server.close()
    await server.wait_closed()
    assert code == 1 and f"can't listen on 127.0.0.1 port {port}" in err and "Traceback" not in err


async def test_a_redis_that_can_not_be_reached_is_told_and_waited_for(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    later = tmp_path / "later"
    async with running("--redis", f"unix://{later}") as (process, address):
        assert process.stderr is not None
        told = (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).decode()
        assert told.startswith("oxcart: can't connect to Redis at unix://") and "waits for it" in told
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            assert (await client.get("/api/v1/overview")).json()["error"] == "redis_away"
        later.symlink_to(redis_server.socket)
        while told != "oxcart: Redis is there.\n":  # others may have something to tell, too
            told = (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).decode()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_without_its_packages_it_says_what_to_install() -> None:
    hide = "import sys; sys.modules['uvicorn'] = None; from oxcart.cli.main import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", hide, "dashboard", stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert (process.returncode, err.decode()) == (
        1,
        "oxcart: the dashboard needs some more packages: pip install 'oxcart[dashboard]'\n",
    )
