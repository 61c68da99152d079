"""MCP: the API's routes as tools, with the same rights, masks and notes."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from oxcart import Queue
from oxcart.dashboard import Access, Dashboard, hash_token, tokens
from oxcart.dashboard.mcp import TOOLS, VERSIONS
from oxcart.dashboard.routes import ROUTES
from tests.conftest import RedisServer
from tests.dashboard.conftest import Open
from tests.dashboard.seed import seeded

URL = "/api/v1/mcp"
PROGRAM = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def program(open_dashboard: Open) -> httpx.AsyncClient:
    """A client that sends nothing that only the page sends."""
    return _plain(open_dashboard())


def _plain(client: httpx.AsyncClient) -> httpx.AsyncClient:
    for name in ("x-oxcart", "origin", "sec-fetch-site"):
        del client.headers[name]
    client.headers.update(PROGRAM)
    return client


async def call(client: httpx.AsyncClient, method: str, **params: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = await client.post(URL, json=message)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    found = response.json()
    assert found["jsonrpc"] == "2.0" and found["id"] == 7
    return found


async def use(client: httpx.AsyncClient, tool: str, **arguments: Any) -> tuple[Any, bool]:
    result = (await call(client, "tools/call", name=tool, arguments=arguments))["result"]
    [content] = result["content"]
    assert content["type"] == "text"
    return json.loads(content["text"]), result["isError"]


async def test_it_says_who_it_is_in_a_version_that_both_know(program: httpx.AsyncClient) -> None:
    found = (await call(program, "initialize", protocolVersion="2025-06-18", capabilities={}))["result"]
    assert found["protocolVersion"] == "2025-06-18" and found["serverInfo"]["name"] == "oxcart"
    found = (await call(program, "initialize", protocolVersion="1999-01-01"))["result"]
    assert found["protocolVersion"] == VERSIONS[0]
    assert (await call(program, "ping"))["result"] == {}


async def test_notifications_and_answers_want_no_answer(program: httpx.AsyncClient) -> None:
    for message in ({"method": "notifications/initialized"}, {"id": 1, "result": {}}):
        response = await program.post(URL, json={"jsonrpc": "2.0", **message})
        assert response.status_code == 202 and response.content == b""


async def test_there_is_no_stream_to_be_had(program: httpx.AsyncClient) -> None:
    response = await program.get(URL)
    assert response.status_code == 405 and "POST" in response.headers["allow"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({}, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": {}, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "about", "arguments": []}}, None),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "about", "arguments": [1]}}, -32602),
    ],
)
async def test_what_is_no_call_is_told_by_a_code(
    program: httpx.AsyncClient, message: dict[str, Any], code: int | None
) -> None:
    found = (await program.post(URL, json=message)).json()
    assert found.get("error", {}).get("code") == code


async def test_tools_have_schemas_and_say_what_they_do(program: httpx.AsyncClient) -> None:
    tools = {tool["name"]: tool for tool in (await call(program, "tools/list"))["result"]["tools"]}
    assert set(tools) == set(TOOLS)
    for name, tool in tools.items():
        assert re.fullmatch(r"[a-z_]{3,40}", name) and tool["description"].endswith("."), tool
        assert "GET /" not in tool["description"] and tool["inputSchema"]["type"] == "object"
        assert tool["annotations"]["readOnlyHint"] == (TOOLS[name].route.method == "GET" or name in ("preview_bulk",))
    assert tools["list_jobs"]["inputSchema"]["required"] == ["queue", "state"]
    assert tools["obliterate_queue"]["annotations"]["destructiveHint"]


def test_every_route_but_files_is_a_tool() -> None:
    missing = {route.path for route in ROUTES} - {tool.route.path for tool in TOOLS.values()}
    assert missing == {"/prometheus", "/queues/{queue}/export"}


async def test_a_tool_answers_what_its_route_answers(open_dashboard: Open, redis_server: RedisServer) -> None:
    prefix = await seeded(redis_server.url)
    client = _plain(open_dashboard(prefix=prefix))
    found, failed = await use(client, "list_jobs", queue="email", state="failed", count=3)
    assert not failed
    same = (await client.get("/api/v1/queues/email/jobs?state=failed&count=3")).json()
    assert found["jobs"] == same["jobs"] and len(found["jobs"]) == 3
    job, _ = await use(client, "get_job", queue="email", id=found["jobs"][0]["id"], whole=True)
    assert job["id"] == found["jobs"][0]["id"]
    assert "hunter2" not in json.dumps((await use(client, "list_jobs", queue="email", state="active"))[0])


async def test_what_is_refused_is_the_tool_s_answer(program: httpx.AsyncClient, queue: Queue) -> None:
    await queue.add("x")
    for arguments in ({}, {"queue": queue.name}, {"queue": 3, "id": "1"}, {"queue": queue.name, "id": "1", "x": 1}):
        problem, failed = await use(program, "get_job", **arguments)
        assert failed and problem["error"] == "invalid", problem
    problem, failed = await use(program, "get_job", queue=queue.name, id="nobody")
    assert failed and problem["error"] == "not_found"


async def test_an_action_is_done_and_noted(program: httpx.AsyncClient, queue: Queue) -> None:
    await queue.add("x", delay=60)
    found, failed = await use(program, "promote_job", queue=queue.name, id="1")
    assert not failed and found["done"] == 1
    assert await queue.state("1") == "waiting"
    audit, _ = await use(program, "list_audit", queue=queue.name)
    assert [(entry["action"], entry["target"]) for entry in audit["entries"]] == [("promote", "1")]


async def test_only_what_the_user_may_do_is_there(open_dashboard: Open, queue: Queue) -> None:
    await queue.add("x")
    key = "a-token-that-is-long-enough"
    client = _plain(open_dashboard(auth=tokens({hash_token(key): Access("bob", queues=("other",))})))
    assert (await client.post(URL, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 401
    client.headers["authorization"] = f"Bearer {key}"
    tools = {tool["name"] for tool in (await call(client, "tools/list"))["result"]["tools"]}
    assert "list_jobs" in tools and not tools & {"add_job", "remove_job", "get_redis", "list_audit", "reveal_job"}
    assert (await call(client, "tools/call", name="pause_queue", arguments={"queue": queue.name}))["error"][
        "code"
    ] == -32602
    problem, failed = await use(client, "list_jobs", queue=queue.name, state="waiting")
    assert failed and problem["error"] == "not_found"


async def test_a_read_only_dashboard_has_tools_that_look_only(open_dashboard: Open) -> None:
    client = _plain(open_dashboard(read_only=True))
    tools = (await call(client, "tools/list"))["result"]["tools"]
    assert {tool["name"] for tool in tools if not tool["annotations"]["readOnlyHint"]} == {"reveal_job"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
        {"host": "evil.example"},
    ],
)
async def test_pages_of_others_can_t_call_it(program: httpx.AsyncClient, headers: dict[str, str]) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    response = await program.post(URL, content=body, headers={"content-type": "application/json", **headers})
    assert response.status_code in (403, 415)


async def test_the_official_client_gets_along_with_it(redis_server: RedisServer) -> None:
    httpx2 = pytest.importorskip("httpx2")
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamable_http_client  # pyright: ignore

    dashboard = Dashboard(connection=redis_server.url, prefix=await seeded(redis_server.url))
    transport: Any = httpx2.ASGITransport(app=dashboard, client=("127.0.0.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        stream: Any = streamable_http_client("http://localhost/api/v1/mcp", http_client=http)
        async with mcp.Client(stream) as client:
            tools: Any = await client.list_tools()
            assert {tool.name for tool in tools.tools} == set(TOOLS)
            result: Any = await client.call_tool("overview", {})
            assert {row["name"] for row in json.loads(result.content[0].text)["queues"]} >= {"email", "reports"}
            result = await client.call_tool("get_job", {"queue": "email", "id": "nobody"})
            assert result.is_error
    await dashboard.close()
