"""One job: all there is to know of it, its log, its flow."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from oxcart import Connection, Flow, FlowProducer, JobSpec, Keep, Queue
from oxcart.dashboard import shapes
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.bull_board import jobs as bull_jobs
from oxcart.dashboard.handlers import exporting, jobs, queues
from oxcart.dashboard.reading import direct, rows
from oxcart.dashboard.redact import MASK
from tests.conftest import RedisServer
from tests.dashboard.seed import BLIND, OPERATOR, Crew, asked, seeded


@pytest.fixture
async def shop(connection: Connection, redis_server: RedisServer) -> AsyncIterator[Board]:
    """A board of the seeded queues: only to be looked at."""
    board = Board(connection, prefix=await seeded(redis_server.url))
    yield board
    await board.close()


async def test_a_job_tells_its_life(shop: Board) -> None:
    job = await jobs.detail(shop, asked("email", id="three-attempts"))
    assert (job["state"], job["attempts_made"], job["attempts"], job["attempts_started"]) == ("failed", 3, 3, 3)
    assert job["data"] == {"to": "grace@example.com", "order": 4711}
    assert (job["data_size"], job["data_cut"], job["masked"]) == (39, False, False)
    assert [(one["number"], one["kind"]) for one in job["errors"]] == [(n, "ConnectionError") for n in (1, 2, 3)]
    assert [one["what"] for one in job["timeline"]] == ["added", "started", "failed"]
    assert job["options"]["backoff"] == {"type": "exponential", "delay": 1000}
    assert job["failed_reason_whole"] == "connect ETIMEDOUT 10.0.0.3:587"
    assert (job["parent"], job["children"], job["will_fail"]) == (None, None, None)


async def test_a_job_that_is_not_there_is_not_found(shop: Board) -> None:
    queries: list[dict[str, Any]] = [{"id": "nobody"}, {"id": "meta"}, {}]
    for query in queries:
        for handler in (jobs.detail, jobs.flow):
            with pytest.raises(Refusal) as told:
                await handler(shop, asked("email", **query))
            assert told.value.status == 404


async def test_a_delayed_job_is_due_at_a_time(shop: Board) -> None:
    job = await jobs.detail(shop, asked("email", id="next-attempt"))
    assert (job["state"], job["delay"]) == ("delayed", 3_600_000)
    assert job["due"] is not None and job["due"] > shop.clock()
    assert job["timeline"][-1] == {"what": "due", "at": job["due"], "text": "Due"}


async def test_large_data_are_cut_unless_all_are_asked_for(shop: Board) -> None:
    job = await jobs.detail(shop, asked("email", id="one-megabyte"))
    assert job["data_cut"] and job["data_size"] > 1_000_000
    assert job["data"]["text"].startswith("xxx")
    assert len(json.dumps(job)) < 600_000
    assert job["masked"]
    whole = await jobs.detail(shop, asked("email", id="one-megabyte", whole=1))
    assert not whole["data_cut"]
    assert len(whole["data"]["text"]) == 1_000_000
    assert len(whole["return_value"]["text"]) == 300_000


async def test_hostile_data_come_as_they_are_and_can_be_sent(shop: Board) -> None:
    for job_id in ("hostile-data", "deep", "one-megabyte"):
        job = await jobs.detail(shop, asked("email", id=job_id))
        json.dumps(job, ensure_ascii=False, allow_nan=False).encode()
    job = await jobs.detail(shop, asked("email", id="hostile-data"))
    assert job["data"]["html"].startswith("<script>")
    assert "hunter2" not in json.dumps(job)


async def test_secrets_are_masked_wherever_they_are(connection: Connection, redis: Redis, queue: Queue) -> None:
    job = await queue.add("token=hunter2", {"password": "hunter2"}, telemetry_metadata="secret=hunter2")
    crew = Crew(connection, queue, "token=hunter2")
    await crew.take(1, 1_800_000_000_000)
    await job.update_progress({"token": "hunter2"})
    await job.log("api_key=hunter2")
    await crew.fail(
        job.id, "password=hunter2", ["Error: password=hunter2\n    at secret=hunter2 (/a.js:1:1)"], 1_800_000_000_000
    )
    await redis.hset(job.keys.job(job.id), "returnvalue", '{"secret":"hunter2"}')
    board = Board(connection, queues=[queue.name])
    shown = await jobs.detail(board, asked(queue.name, id=job.id))
    assert shown["masked"]
    assert shown["data"] == {"password": MASK}
    logs = await jobs.logs(board, asked(queue.name, id=job.id))
    flow = await jobs.flow(board, asked(queue.name, id=job.id))
    assert "hunter2" not in json.dumps([shown, logs, flow])


async def test_who_may_not_see_data_sees_none(shop: Board) -> None:
    job = await jobs.detail(shop, asked("email", BLIND, id="three-attempts"))
    assert (job["data"], job["return_value"], job["preview"], job["masked"]) == (None, None, "", True)


async def test_odd_hashes_are_shown(
    connection: Connection, redis: Redis, queue: Queue, allowed_breaks: set[str]
) -> None:
    allowed_breaks.add("I12")
    job = await queue.add("x", job_id="odd")
    key = job.keys.job("odd")
    board = Board(connection, queues=[queue.name])
    odd: list[dict[Any, Any]] = [
        {"data": "{", "opts": "[", "progress": "{", "parent": "{", "returnvalue": "{", "stacktrace": "{"},
        {"timestamp": "x", "opts": '{"delay":"x","attempts":1e999,"removeOnComplete":{"count":"x"}}', "stc": "x"},
        {
            "opts": "[]",
            "stacktrace": '[1,null,{"a":1}]',
            "parentKey": ":::",
            "parent": "[]",
            "deid": "\ud800".encode("utf-8", "surrogatepass"),
        },
        {"data": "[" * 1000 + "]" * 1000, "returnvalue": '"\\ud800"', "opts": '{"backoff":[]}'},
    ]
    for fields in odd:
        await redis.hset(key, mapping=fields)
        shown = await jobs.detail(board, asked(queue.name, id="odd"))
        json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()
        await jobs.flow(board, asked(queue.name, id="odd", whole=1))
    await queue.remove_job("odd")


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (None, "all"),
        (False, "all"),
        (True, "none"),
        (0, "none"),
        (-1, "all"),
        (1500, "the newest 1,500"),
        (Keep(count=100), "the newest 100"),
        (Keep(age=7 * 86_400), "for 7 days"),
        (Keep(count=10, age=timedelta(hours=1)), "the newest 10, for 1 hour"),
        (Keep(), "all"),
        ({"odd": 1}, "all"),
    ],
)
def test_what_is_kept_is_said_in_words(keep: object, words: str) -> None:
    assert jobs.retention_in_words(keep) == words


async def test_in_what_is_large_secrets_are_looked_for_beside_the_event_loop(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, redacted = Board(connection, queues=[queue.name]), rows.redacted
    threads: set[int] = set()

    def noted(*given: Any) -> tuple[Any, bool]:
        threads.add(threading.get_ident())
        return redacted(*given)

    async def look(job_id: str) -> None:
        ask = Ask(OPERATOR, {"queue": queue.name, "id": job_id}, {"id": job_id, "ids": job_id, "q": "needle"})
        await bull_jobs.detail(board, ask)
        assert (await queues.search(board, ask))["jobs"]
        assert "needle" in "".join([piece async for piece in cast(Any, (await exporting.export(board, ask)).body)])

    monkeypatch.setattr(rows, "redacted", noted)
    job = await queue.add("x", {"text": "needle"})
    await look(job.id)
    assert threads == {threading.get_ident()}
    await queue.drain()
    threads.clear()
    monkeypatch.setattr(rows, "LARGE", 10)
    monkeypatch.setattr(rows, "LARGEST_DATA", 10)  # there is no preview
    job = await queue.add("x", {"text": "needle"})
    await look(job.id)
    assert threads and threading.get_ident() not in threads
    await queue.drain()


async def test_data_of_very_many_objects_are_cut_and_nobody_waits_for_it(
    connection: Connection, queue: Queue, redis: Redis
) -> None:
    job = await queue.add("x")
    text = '{"items":[' + ",".join(["{}", "[]"] * 400_000) + "]}"
    await redis.hset(f"bull:{queue.name}:{job.id}", "data", text)
    board = Board(connection, queues=[queue.name])
    main, threads = threading.get_ident(), list[int]()
    redacted = rows.redacted

    def noted(*given: Any) -> tuple[Any, bool]:
        threads.append(threading.get_ident())
        return redacted(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "redacted", noted)
        shown = await jobs.detail(board, asked(queue.name, id=job.id))
    assert shown["data_cut"] and shown["data_size"] == len(text)
    assert len(json.dumps(shown["data"])) < 3 * jobs.LARGEST
    assert main not in threads[:1]


# ------------------------------------------------------------------------------------------------------------ logs


async def test_logs_come_in_pages(connection: Connection, queue: Queue) -> None:
    job = await queue.add("x")
    for number in range(10):
        await job.log(f"line {number}")
    board = Board(connection, queues=[queue.name])

    async def lines(**query: Any) -> tuple[list[int], int, int]:
        found = await jobs.logs(board, asked(queue.name, id=job.id, **query))
        return [int(line.removeprefix("line ")) for line in found["lines"]], found["start"], found["total"]

    assert await lines() == (list(range(10)), 0, 10)
    assert await lines(start=4, count=3) == ([4, 5, 6], 4, 10)
    assert await lines(start=-3) == ([7, 8, 9], 7, 10)
    assert await lines(start=-30, count=2) == ([0, 1], 0, 10)
    assert await lines(start=50) == ([], 50, 10)


async def test_of_long_lines_fewer_are_read(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await queue.add("x")
    for number in range(6):
        await job.log(f"{number} " + "é" * 100)
    board = Board(connection, queues=[queue.name])
    monkeypatch.setattr(direct, "LOG_BUDGET", 500)
    monkeypatch.setattr(direct, "LONGEST_LINE", 300)

    async def lines(**query: Any) -> tuple[str, int, int]:
        found = await jobs.logs(board, asked(queue.name, id=job.id, **query))
        return "".join(line[0] for line in found["lines"]), found["start"], found["total"]

    assert await lines() == ("012", 0, 6)
    assert await lines(start=3) == ("345", 3, 6)
    assert await lines(start=-5, count=5) == ("345", 3, 6)
    assert await lines(start=-5, count=4) == ("123", 1, 6)
    monkeypatch.setattr(direct, "LOG_BUDGET", 1)
    assert await lines(start=-5, count=5) == ("5", 5, 6)
    ask = Ask(Access("ada"), {"queue": queue.name, "id": job.id})
    assert [line[:3] for line in await bull_jobs.logs(board, ask)] == ["… (", "5 é"]


# ------------------------------------------------------------------------------------------------------------ flow


def drawn(node: shapes.FlowNode) -> Any:
    """The ids of a tree, with how many more children there are."""
    return {node["id"]: [*map(drawn, node["children"]), *([f"+{node['more']}"] if node["more"] else [])]}


async def test_a_flow_is_shown_from_its_root(shop: Board) -> None:
    flow = await jobs.flow(shop, asked("email", id="figure-0-1", whole=1))
    assert flow["of"] == {"queue": "email", "id": "figure-0-1"}
    figures = [{f"chapter-{n}": [{f"figure-{n}-0": []}, {f"figure-{n}-1": []}]} for n in (0, 1)]
    assert drawn(flow["root"]) == {"yearly": [*figures, {"chapter-2": []}, {"chapter-3": []}]}
    assert {child["id"]: child["state"] for child in flow["root"]["children"]}["chapter-3"] == "failed"
    itself = await jobs.flow(shop, asked("email", id="figure-0-1"))
    assert drawn(itself["root"]) == {"figure-0-1": []}


async def test_what_is_left_out_of_a_flow_is_counted(shop: Board) -> None:
    flow = await jobs.flow(shop, asked("reports", id="yearly", depth=2))
    assert drawn(flow["root"])["yearly"][0] == {"chapter-0": ["+2"]}
    flow = await jobs.flow(shop, asked("reports", id="yearly", depth=1))
    assert drawn(flow["root"]) == {"yearly": ["+4"]}
    flow = await jobs.flow(shop, asked("reports", id="broadcast"))
    assert (len(flow["root"]["children"]), flow["root"]["more"]) == (20, 40)


async def test_queues_that_a_user_may_not_see_are_not_in_a_flow(shop: Board) -> None:
    access = Access("bob", queues=("reports",))
    flow = await jobs.flow(shop, asked("reports", access, id="yearly"))
    assert drawn(flow["root"])["yearly"][0] == {"chapter-0": ["+2"]}
    access = Access("bob", queues=("email",))
    flow = await jobs.flow(shop, asked("email", access, id="figure-0-1", whole=1))
    assert drawn(flow["root"]) == {"figure-0-1": []}
    job = await jobs.detail(shop, asked("email", access, id="figure-0-1"))
    assert job["parent"] is None and job["has_parent"]
    job = await jobs.detail(shop, asked("email", OPERATOR, id="figure-0-1"))
    assert job["parent"] == {"queue": "reports", "id": "chapter-0"}


async def test_a_flow_has_a_bounded_size(connection: Connection, queue: Queue, flows: FlowProducer) -> None:
    branches = [Flow(queue.name, "branch", children=[Flow(queue.name, "leaf") for _ in range(25)]) for _ in range(20)]
    root = await flows.add(Flow(queue.name, "root", children=branches))
    board = Board(connection, queues=[queue.name])
    flow = await jobs.flow(board, asked(queue.name, id=root.job.id, children=100))

    def size(node: shapes.FlowNode) -> int:
        return 1 + sum(map(size, node["children"]))

    def in_all(node: shapes.FlowNode) -> int:
        return 1 + node["more"] + sum(map(in_all, node["children"]))

    assert (size(flow["root"]), in_all(flow["root"])) == (jobs.MOST_NODES, 521)


async def test_a_circle_of_parents_ends(
    connection: Connection, redis: Redis, queue: Queue, allowed_breaks: set[str]
) -> None:
    await queue.add_bulk([JobSpec("x", job_id=name) for name in ("a", "b")])
    for name, other in (("a", "b"), ("b", "a")):
        parent = json.dumps({"id": other, "queueKey": f"bull:{queue.name}"})
        await redis.hset(queue.keys.job(name), mapping={"parentKey": queue.keys.job(other), "parent": parent})
        await redis.sadd(f"{queue.keys.job(name)}:dependencies", queue.keys.job(other))
    board = Board(connection, queues=[queue.name])
    flow = await jobs.flow(board, asked(queue.name, id="a", whole=1, depth=10))
    assert drawn(flow["root"]) in ({"a": [{"b": ["+1"]}]}, {"b": [{"a": ["+1"]}]})
    # Made whole again.
    await redis.delete(*(f"{queue.keys.job(name)}:dependencies" for name in "ab"))
    for name in "ab":
        await redis.hdel(queue.keys.job(name), "parentKey", "parent")


async def test_a_run_of_a_scheduler_says_what_time_it_is_for(connection: Connection, queue: Queue) -> None:
    job = await queue.upsert_scheduler("s", cron="0 8 * * *")
    shown = await jobs.detail(Board(connection, queues=[queue.name]), asked(queue.name, id=job.id))
    assert shown["scheduled_for"] is not None
    assert datetime.fromtimestamp(shown["scheduled_for"] / 1000, UTC).hour == 8
    assert shown["scheduler"] == "s"
    await queue.remove_scheduler("s")
