"""Alerts: rules that tell once when they begin to hold, and once when they cease to."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, OptionsError, Queue
from oxcart.dashboard import Access, Alert, Dashboard, alerts, slack, webhook
from oxcart.dashboard.alerts import page, sending, watching
from oxcart.dashboard.alerts.facts import Facts
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.board import Board
from tests.conftest import RedisServer, wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.seed import Crew, asked

Told = list[dict[str, Any]]


class Hooks(HTTPServer):
    """A receiver of webhooks: remembers what it got, and answers as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Hooks)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, dict(self.headers.items()), body))
        self.send_response(server.answers.pop(0) if server.answers else 200)
        if self.path == "/away":
            self.send_header("Location", f"{server.url}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    server = Hooks()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def shop(redis_server: RedisServer, redis: Redis, queue_name: str) -> AsyncIterator[tuple[Board, Queue]]:
    """A board of one queue with a prefix of its own."""
    prefix = f"al{queue_name}"
    async with Connection(redis_server.url) as connection:
        board = Board(connection, prefix=prefix, queues=["email"])
        yield board, board.open("email")
        await alerts.close(board)
        await board.close()
    async for key in redis.scan_iter(f"*{prefix}:*"):
        await redis.delete(key)


async def fail(board: Board, queue: Queue, count: int) -> None:
    await queue.add_bulk([JobSpec("push") for _ in range(count)])
    crew, now = Crew(board.connection, queue, "w"), time.time_ns() // 1_000_000
    for job_id in await crew.take(count, now):
        await crew.fail(job_id, "boom", ["Error: boom"], now)


async def test_a_rule_tells_once_when_it_begins_to_hold_and_once_when_it_is_over(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    told: Told = []
    rule = Alert("failures", queues="em*", over=2, to=[told.append], name="mail")
    watch = alerts.Watch(board, [rule])
    await fail(board, queue, 2)
    await watch.look()
    assert told == []
    await fail(board, queue, 1)
    for _ in range(3):
        await watch.look()
    [message] = told
    assert message["event"] == "alert"
    assert message["text"] == "mail: 3 jobs failed within 5 min in email"
    assert message["rule"] == {"id": rule.id, "name": "mail", "kind": "failures", "words": rule.words, "over": 2}
    assert [(one["name"], one["value"]) for one in message["queues"]] == [("email", 3)]
    await alerts.Watch(board, [rule])._let_go(rule)  # not its own: stays
    await watch.close()
    again = alerts.Watch(board, [rule])  # after a restart it is known what was told
    await again.look()
    assert len(told) == 1
    await queue.clean(0, state="failed")
    for _ in range(3):
        await again.look()
    assert [message["event"] for message in told] == ["alert", "resolved"]
    assert (await again.state(rule)).firing == {}


async def test_of_many_processes_one_looks(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    told: Told = []
    rule = Alert("failures", to=[told.append])
    watches = [alerts.Watch(board, [rule]) for _ in range(4)]
    await fail(board, queue, 1)
    await asyncio.gather(*(watch.look() for watch in watches))
    assert len(told) == 1
    assert sum([await watch._may_look(rule) for watch in watches]) == 1


async def test_every_kind_of_rule_sees_what_it_is_about(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    rules = {
        "waiting": Alert("waiting", over=4),
        "no_workers": Alert("no_workers"),
        "paused": Alert("paused"),
        "paused and full": Alert("paused", over=5),
        "stalled": Alert("stalled"),
        "oldest_waiting": Alert("oldest_waiting", over=60),
    }

    async def holding() -> set[str]:
        facts = Facts(board)
        return {name for name, rule in rules.items() if await facts.holds(rule, queue) is not None}

    assert await holding() == set()
    await queue.pause()
    assert await holding() == {"paused"}
    await queue.add_bulk([JobSpec("push") for _ in range(6)])
    assert await holding() == {"waiting", "paused", "paused and full"}
    await queue.resume()
    assert await holding() == {"waiting", "no_workers"}
    await Crew(board.connection, queue, "w").take(2, time.time_ns() // 1_000_000)
    assert await holding() == {"no_workers", "stalled"}
    board.clock = lambda: time.time_ns() // 1_000_000 + 120_000

    async def old() -> bool:
        return "oldest_waiting" in await holding()

    await wait_until(old)


async def test_that_workers_are_missing_for_a_moment_is_not_told(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    told: Told = []
    watch = alerts.Watch(board, [Alert("no_workers", to=[told.append])])
    await queue.add("x")
    await watch.look()
    assert told == []
    later = time.time_ns() // 1_000_000 + watching.SETTLE_MS
    board.clock = lambda: later
    await watch.look()
    assert [message["text"] for message in told] == ["1 job waiting in email, but no worker is connected"]


async def test_a_webhook_gets_signed_json_and_slack_a_text(shop: tuple[Board, Queue], hooks: Hooks) -> None:
    board, queue = shop
    to = [webhook(f"{hooks.url}/jobs?key=abc", secret="s3"), slack(f"{hooks.url}/services/T0/B0/xyz")]
    rule = Alert("failures", to=to)
    await fail(board, queue, 1)
    await alerts.Watch(board, [rule]).look()
    got = {path: (headers, body) for path, headers, body in hooks.got}
    headers, body = got["/jobs?key=abc"]
    assert headers["X-Oxcart-Signature"] == f"sha256={hmac.new(b's3', body, hashlib.sha256).hexdigest()}"
    assert json.loads(body)["queues"][0]["name"] == "email"
    assert json.loads(got["/services/T0/B0/xyz"][1]) == {"text": "1 job failed within 5 min in email"}


async def test_what_can_t_be_sent_is_tried_again_and_shown_without_secrets(
    shop: tuple[Board, Queue], hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0, 0))
    board, queue = shop
    rule = Alert("failures", to=[webhook(f"{hooks.url}/secret-path")])
    watch = alerts.watch(board, [rule])
    hooks.answers = [500, 503, 500]
    await fail(board, queue, 1)
    await watch.look()
    assert len(hooks.got) == 3
    [shown] = (await page.listed(board, asked()))["rules"]
    assert shown["problem"] == "webhook 127.0.0.1: answered 500 Internal Server Error"
    assert shown["to"] == ["webhook 127.0.0.1"] and "secret" not in json.dumps(shown)
    assert shown["firing"] == ["email"] and shown["last"] is None
    await watch.look()
    [shown] = (await page.listed(board, asked()))["rules"]
    assert len(hooks.got) == 4 and shown["problem"] is None and shown["last"] is not None


@pytest.mark.parametrize(("path", "answers", "tries"), [("/x", [404], 1), ("/away", [302], 1), ("/x", [500, 200], 2)])
async def test_what_can_t_get_better_is_not_tried_again(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, path: str, answers: list[int], tries: int
) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0, 0))
    hooks.answers = list(answers)
    failed = await sending.send(webhook(f"{hooks.url}{path}"), {"text": "x"})
    assert (failed is None) == (answers[-1] == 200)
    assert [got[0] for got in hooks.got] == [path] * tries


async def test_nobody_there_is_told_without_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0, 0))
    failed = await sending.send(webhook("http://127.0.0.1:1/secret"), {"text": "x"})
    assert failed == "can't be reached: Connection refused"


async def test_a_function_that_raises_harms_nothing(shop: tuple[Board, Queue], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PAUSES_S", (0, 0))
    board, queue = shop
    told: Told = []

    async def broken(message: dict[str, Any]) -> None:
        raise ValueError("token=abc123")

    async def works(message: dict[str, Any]) -> None:
        told.append(message)

    rule = Alert("failures", to=[broken, works])
    watch = alerts.watch(board, [rule])
    await fail(board, queue, 1)
    await watch.look()
    assert len(told) == 1
    [shown] = (await page.listed(board, asked()))["rules"]
    assert shown["problem"] == "function broken: raised ValueError: token=•••"
    await watch.look()
    assert len(told) == 1


async def test_rules_show_to_who_sees_their_queues(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    rules = [Alert("failures", queues="email"), Alert("failures", queues="reports")]
    watch = alerts.watch(board, rules)
    await fail(board, queue, 1)
    await watch.look()
    bob = Access("bob", queues=("email",))
    found = (await page.listed(board, asked(None, bob)))["rules"]
    assert [(rule["queues"], rule["firing"]) for rule in found] == [("email", ["email"])]
    assert len((await page.listed(board, asked()))["rules"]) == 2


async def test_only_rules_about_queues_that_a_user_sees_can_be_tried(shop: tuple[Board, Queue]) -> None:
    board, _ = shop
    told: Told = []
    mine, other = Alert("failures", queues="email", to=[told.append]), Alert("failures", queues="x*", to=[told.append])
    alerts.watch(board, [mine, other])
    bob = Access("bob", role="admin", queues=("email",))
    assert (await page.test(board, asked(None, bob, body={"id": mine.id})))["done"] == 1
    with pytest.raises(Refusal) as refused:
        await page.test(board, asked(None, bob, body={"id": other.id}))
    assert refused.value.status == 404 and len(told) == 1


async def test_a_rule_can_be_tried(shop: tuple[Board, Queue], hooks: Hooks) -> None:
    board, _ = shop
    rule, silent = Alert("paused", to=[webhook(hooks.url)]), Alert("stalled")
    alerts.watch(board, [rule, silent])
    done = await page.test(board, asked(body={"id": rule.id}))
    assert done["done"] == 1 and json.loads(hooks.got[0][2])["event"] == "test"
    assert (await page.test(board, asked(body={"id": silent.id})))["done"] == 0
    hooks.answers = [500]
    with pytest.raises(Refusal, match="500"):
        await page.test(board, asked(body={"id": rule.id}))
    with pytest.raises(Refusal):
        await page.test(board, asked(body={"id": "nothing"}))


async def test_failures_that_are_not_kept_count_if_workers_count(
    redis_server: RedisServer, shop: tuple[Board, Queue]
) -> None:
    from oxcart import Job, Worker

    async def process(job: Job) -> None:
        raise ValueError("boom")

    board, queue = shop
    await queue.add_bulk([JobSpec("x", remove_on_fail=True) for _ in range(3)])
    worker = Worker("email", process, connection=redis_server.url, prefix=board.prefix, recorder=True)
    task = asyncio.create_task(worker.run())

    async def gone() -> bool:
        return not any((await queue.counts()).values())

    await wait_until(gone)
    await worker.close()
    await task
    assert await Facts(board).holds(Alert("failures"), queue) == 3


async def test_rules_are_looked_at_while_a_dashboard_runs(
    redis_server: RedisServer, shop: tuple[Board, Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERY_S", 0.02)
    board, queue = shop
    told: Told = []
    dashboard = Dashboard(
        ["email"], connection=redis_server.url, prefix=board.prefix, alerts=[Alert("failures", to=[told.append])]
    )
    await dashboard.start()
    await fail(board, queue, 1)
    await wait_until(lambda: told)
    await dashboard.close()


async def test_over_http(open_dashboard: Open) -> None:
    client: httpx.AsyncClient = open_dashboard(alerts=[Alert("failures", over=10, within=300)])
    rules = (await client.get("/api/v1/alerts")).json()["rules"]
    assert [rule["words"] for rule in rules] == ["more than 10 jobs failed within 5 min in any queue"]
    assert (await client.post("/api/v1/alerts/test", json={"id": rules[0]["id"]})).status_code == 200


@pytest.mark.parametrize(
    "make",
    [
        lambda: Alert("nothing"),  # pyright: ignore
        lambda: Alert("failures", over=-1),
        lambda: Alert("failures", within=0),
        lambda: Alert("failures", queues=""),
        lambda: Alert("failures", to=["https://x"]),  # pyright: ignore
        lambda: Alert("failures", to=print),  # pyright: ignore
        lambda: Alert("failures", to=slack("https://x")),  # pyright: ignore
        lambda: Alert("failures", to=None),  # pyright: ignore
        lambda: Alert("failures", to=(one for one in [print])),  # pyright: ignore
        lambda: Dashboard(alerts=[Alert("failures"), Alert("failures")]),
        lambda: Dashboard(alerts=Alert("failures")),  # pyright: ignore
        lambda: webhook("ftp://x"),
        lambda: webhook("https://"),
        lambda: webhook("https://x", secret=""),
        lambda: slack("https://[x"),
    ],
)
def test_what_can_t_be_right_is_told_at_once(make: Any) -> None:
    with pytest.raises(OptionsError):
        make()


async def test_the_same_rule_for_other_queues_is_looked_at_too(
    redis_server: RedisServer, shop: tuple[Board, Queue]
) -> None:
    board, email = shop
    async with Connection(redis_server.url) as connection:
        other = Board(connection, prefix=board.prefix, queues=["video"])
        await email.add("x")
        await other.open("video").add("x")
        told: Told = []
        rule = Alert("waiting", to=[told.append])
        watches = [alerts.Watch(board, [rule]), alerts.Watch(other, [rule])]
        for watch in [*watches, *watches]:
            await watch.look()
        for watch in watches:
            await watch.close()
    assert [queue["name"] for message in told for queue in message["queues"]] == ["email", "video"]


async def test_the_same_rule_that_tells_others_tells_them_too(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    await queue.add("x")
    told: list[str] = []

    def mail(message: dict[str, Any]) -> None:
        told.append("mail")

    def phone(message: dict[str, Any]) -> None:
        told.append("phone")

    watches = [alerts.Watch(board, [Alert("waiting", to=[to])]) for to in (mail, phone)]
    for watch in [*watches, *watches]:
        await watch.look()
    for watch in watches:
        await watch.close()
    assert told == ["mail", "phone"]


async def test_what_is_not_found_yet_after_a_start_is_not_over(
    connection: Connection, shop: tuple[Board, Queue]
) -> None:
    board, queue = shop
    await queue.add("x")
    told: list[str] = []
    rule = Alert("waiting", to=[lambda message: told.append(message["event"])])
    for names in (("email",), ("another",), ("email",)):
        started = Board(connection, prefix=board.prefix)
        started._found, started._found_once, started._found_at = names, True, time.monotonic()
        watch = alerts.Watch(started, [rule])
        await watch.look()
        await watch.close()
        await started.close()
    assert told == ["alert"]


async def test_what_holds_for_long_without_a_change_is_not_forgotten(
    redis: Redis, shop: tuple[Board, Queue], monkeypatch: pytest.MonkeyPatch
) -> None:
    board, queue = shop
    await queue.pause()
    watch = alerts.Watch(board, [Alert("paused", to=[lambda _: None])])
    await watch.look()
    await redis.pexpire(watch._key, 5000)
    await watch.look()
    assert await redis.pttl(watch._key) > 5000
    await watch.close()


def test_a_dashboard_that_is_used_by_one_event_loop_after_another_holds_only_the_last(
    redis_server: RedisServer,
) -> None:
    dashboard = Dashboard(connection=redis_server.url, alerts=[Alert("waiting", to=[lambda _: None])])
    before = len(watching._WATCHES)
    for _ in range(3):
        asyncio.run(dashboard.start())
    assert len(watching._WATCHES) == before + 1
    asyncio.run(dashboard.close())
    assert len(watching._WATCHES) == before


async def test_one_that_can_t_be_sent_does_not_hold_up_the_others(shop: tuple[Board, Queue]) -> None:
    board, queue = shop
    await queue.add("x")
    told: Told = []

    async def endless(message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    watch = alerts.Watch(board, [Alert("waiting", to=[endless]), Alert("waiting", over=0, name="b", to=[told.append])])
    look = asyncio.create_task(watch.look())
    await wait_until(lambda: told)
    assert not look.done()
    look.cancel()
    await asyncio.wait([look])
    await watch.close()


async def test_a_function_that_never_comes_back_holds_one_thread_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.5)  # three times as long for a function: its thread has to begin
    go_on, calls = threading.Event(), 0

    def stuck(message: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        go_on.wait()

    where = sending.destination(stuck)
    assert await sending.send(where, {}) == "took too long"
    assert await sending.send(where, {}) == "has not come back from the last time"
    assert calls == 1
    go_on.set()
    await wait_until(lambda: not any(call.runs for call in sending._LEFT.values()))
    monkeypatch.setattr(sending, "TIMEOUT_S", 10)
    assert await sending.send(where, {}) is None


async def test_a_function_that_had_no_thread_in_time_is_called_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.1)
    told: list[Any] = []
    where = sending.destination(told.append)
    free = threading.Event()
    asyncio.get_running_loop().set_default_executor(threads := ThreadPoolExecutor(1))
    threads.submit(free.wait)
    assert await sending.send(where, {}) == "took too long"
    free.set()
    monkeypatch.setattr(sending, "TIMEOUT_S", 10)
    assert await sending.send(where, {}) is None
    assert told == [{}]
