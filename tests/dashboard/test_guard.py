"""The guard: hosts, origins, bodies, rates, and what browsers are told with each answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from oxcart import Queue
from oxcart.dashboard import Access, hash_token, tokens
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.web import guard
from oxcart.dashboard.web.guard import MAX_BODY, MOST_KEYS, Buckets, Guard, security_headers
from tests.dashboard.conftest import Open

JSON = {"content-type": "application/json"}


def request(client: str | None = "127.0.0.1", host: str = "localhost", **headers: str) -> HTTPConnection:
    """A request with these headers: `request(sec_fetch_site="same-origin")`."""
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope: dict[str, Any] = {"type": "http", "headers": [(k.encode(), v.encode()) for k, v in named.items()]}
    return HTTPConnection(scope | {"client": None if client is None else (client, 1)})


def refused(guard: Guard, asked: HTTPConnection) -> int:
    """The status that a write is refused with; 0 if it isn't."""
    try:
        guard.check_write(asked, "ada")
    except Refusal as refusal:
        return refusal.status
    return 0


# ------------------------------------------------------------------------------------------------------- hosts


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8100", "127.0.0.1:1", "[::1]", "[::1]:8100"])
def test_this_machine_is_known_by_its_address_and_its_name(client: str, host: str) -> None:
    assert Guard().is_local(request(client, host))


@pytest.mark.parametrize(
    ("client", "host"),
    [
        ("127.0.0.1", "evil.example.com"),  # a name that its owner has lead to this machine
        ("127.0.0.1", "localhost.evil.example.com"),
        ("127.0.0.1", "127.0.0.1.evil.example.com"),
        ("127.0.0.1", "[::1]evil.example.com"),
        ("127.0.0.1", "localhost:evil.example.com"),
        ("127.0.0.1", "localhost:8100:evil"),
        ("127.0.0.1", "127.0.0.1:123456"),
        ("127.0.0.1", ""),
        ("10.0.0.7", "localhost"),
        ("::ffff:10.0.0.7", "localhost"),
        ("testclient", "localhost"),
        (None, "localhost"),  # a unix socket: whoever is before it
    ],
)
def test_others_are_not_this_machine(client: str | None, host: str) -> None:
    assert not Guard().is_local(request(client, host))


@pytest.mark.parametrize(
    "header",
    "x_forwarded_for x_forwarded_proto x_forwarded_server x_forwarded_port x_forwarded_prefix x_forwarded forwarded "
    "x_real_ip via true_client_ip x_client_ip x_cluster_client_ip cf_connecting_ip".split(),
)
def test_who_comes_through_a_proxy_is_not_this_machine(header: str) -> None:
    assert not Guard().is_local(request(**{header: "127.0.0.1"}))


async def test_hosts_are_compared_as_a_whole(open_dashboard: Open) -> None:
    client = open_dashboard(
        auth=lambda _: Access("ada"),  # pyright: ignore[reportUnknownLambdaType]
        allowed_hosts=["jobs.example.com", "*.internal.example.com", "odd:8100"],
    )
    for host, status in {
        "jobs.example.com": 200,
        "JOBS.example.com:8443": 200,
        "a.internal.example.com": 200,
        "odd:8100": 200,
        "odd:8101": 403,
        "jobs.example.com:evil.org": 403,
        "jobs.example.com:8443:8443": 403,
        "internal.example.com": 403,
        "jobs.example.com.evil.org": 403,
        "xjobs.example.com": 403,
        "evilinternal.example.com": 403,
    }.items():
        assert (await client.get("/api/v1/board", headers={"host": host})).status_code == status, host


# ----------------------------------------------------------------------------------------------- other sites' pages


def test_an_action_of_the_dashboards_own_page_is_let_through() -> None:
    own = {"x_oxcart": "1", "content_type": "application/json; charset=utf-8"}
    assert refused(Guard(), request(sec_fetch_site="same-origin", origin="http://localhost", **own)) == 0
    # A browser that doesn't say where it comes from, and a program.
    assert refused(Guard(), request(origin="http://localhost", **own)) == 0
    assert refused(Guard(), request(host="db:8100", origin="https://db:8100", **own)) == 0
    assert refused(Guard(), request(**own)) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": "http://localhost"},
        {"origin": "http://evil.example.com"},
        {"origin": "http://localhost.evil.example.com"},
        {"origin": "http://localhost:3000"},
        {"origin": "null"},
    ],
)
def test_an_action_of_another_page_is_refused(headers: dict[str, str]) -> None:
    assert refused(Guard(), request(x_oxcart="1", content_type="application/json", **headers)) == 403


def test_the_header_and_the_kind_of_body_that_no_form_can_send_are_wanted() -> None:
    assert refused(Guard(), request(content_type="application/json")) == 403
    for kind in ("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"):
        assert refused(Guard(), request(x_oxcart="1", content_type=kind)) == 415


def test_pages_that_were_allowed_may_send_actions() -> None:
    guard = Guard(allowed_origins=["https://Admin.example.com"])
    headers = {"x_oxcart": "1", "content_type": "application/json", "sec_fetch_site": "cross-site"}
    assert refused(guard, request(origin="https://admin.example.com", **headers)) == 0
    assert refused(guard, request(origin="https://admin.example.com.evil.org", **headers)) == 403
    assert refused(guard, request(origin="http://admin.example.com", **headers)) == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_form_of_another_site_adds_no_job(open_dashboard: Open, queue: Queue, kind: str) -> None:
    await queue.add("x")
    client = open_dashboard()
    client.headers = httpx.Headers({"origin": "https://evil.example.com", "sec-fetch-site": "cross-site"})
    path = f"/api/v1/queues/{queue.name}/add"
    answer = await client.post(path, content='{"name": "y"}', headers={"content-type": kind})
    assert answer.status_code == 403
    assert await queue.count() == 1


async def test_another_sites_page_can_not_even_ask(api: httpx.AsyncClient) -> None:
    for site, status in {"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200}.items():
        answer = await api.get("/api/v1/board", headers={"sec-fetch-site": site})
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


# ------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"1", 400),
        (b'{"name": NaN}', 400),
        (b'{"name": "\xff"}', 400),
        (b'{"a":' + b"[" * 200_000, 400),
        (b'{"name": "' + b"x" * MAX_BODY + b'"}', 413),
    ],
)
async def test_bodies_that_are_no_object_or_too_large_are_refused(
    api: httpx.AsyncClient, queue: Queue, body: bytes, status: int
) -> None:
    await queue.add("x")
    answer = await api.post(f"/api/v1/queues/{queue.name}/add", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid")


# -------------------------------------------------------------------------------------------------------- rates


def test_a_bucket_is_empty_after_so_many_and_fills_steadily() -> None:
    now = 0.0
    buckets = Buckets(3, 60, lambda: now)
    assert [buckets.take("ada") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("bob")
    assert 19 < buckets.wait("ada") <= 20
    now = 20.1
    assert [buckets.take("ada") for _ in range(2)] == [True, False]
    now = 1000
    assert [buckets.take("ada") for _ in range(4)].count(True) == 3


def test_buckets_do_not_grow_with_those_who_ask() -> None:
    buckets = Buckets(3, 60)
    for number in range(MOST_KEYS + 50):
        buckets.take(str(number))
    assert len(buckets._left) == MOST_KEYS


async def test_too_many_actions_are_refused_for_a_while(
    open_dashboard: Open, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.add("x")
    monkeypatch.setattr(guard, "WRITES", (3, 10**9))
    client = open_dashboard()
    path = f"/api/v1/queues/{queue.name}/job/promote"
    found = [(await client.post(path, json={"id": "none"})).status_code for _ in range(5)]
    assert found == [404, 404, 404, 429, 429]
    assert (await client.get("/api/v1/board")).status_code == 200
    assert int((await client.post(path, json={"id": "none"})).headers["retry-after"]) > 1000


async def test_what_is_read_but_noted_counts_as_an_action(
    open_dashboard: Open, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.add("x")
    monkeypatch.setattr(guard, "WRITES", (3, 10**9))
    client = open_dashboard(auth=lambda _: Access("eve"))  # pyright: ignore[reportUnknownLambdaType]
    found = [(await client.get(f"/api/v1/queues/{queue.name}/export")).status_code for _ in range(5)]
    assert found == [403, 403, 403, 429, 429]
    assert (await client.get(f"/api/v1/queues/{queue.name}")).status_code == 200


async def test_tokens_without_a_name_do_not_share_their_limits(
    open_dashboard: Open, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.add("x")
    monkeypatch.setattr(guard, "WRITES", (3, 10**9))
    client = open_dashboard(auth=tokens({hash_token("a"): "view", hash_token("b"): "view"}))
    path = f"/api/v1/queues/{queue.name}/pause"
    for token in "ab":
        headers = {"authorization": f"Bearer {token}"}
        found = [(await client.post(path, json={}, headers=headers)).status_code for _ in range(4)]
        assert found == [403, 403, 403, 429]


# ------------------------------------------------------------------------------------------------------ headers


async def test_every_answer_says_that_nothing_may_be_loaded_from_elsewhere(open_dashboard: Open) -> None:
    client = open_dashboard()
    for path in ("/", "/static/icon.svg", "/api/v1/board", "/api/v1/nothing", "/static/nothing"):
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy and "trusted-types 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
    page = (await client.get("/")).text
    assert "style=" not in page and "<style" not in page and "<base" not in page
    assert page.count("<script") == page.count("<script type=") + page.count("<script id=")


def test_who_may_show_it_in_a_frame_can_be_named() -> None:
    headers = security_headers(["'self'", "https://admin.example.com"])
    assert "frame-ancestors 'self' https://admin.example.com" in headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in headers
