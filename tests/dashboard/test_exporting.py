"""Exports are whole, valid, redacted, and harmless to open."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx
import pytest
from redis.asyncio import Redis

from oxcart import Connection, JobSpec, Queue
from oxcart.dashboard import Access
from oxcart.dashboard.ask import Ask, Refusal
from oxcart.dashboard.board import Board
from oxcart.dashboard.handlers import exporting
from oxcart.dashboard.redact import MASK
from oxcart.dashboard.web.answers import File, attachment
from tests.conftest import wait_until
from tests.dashboard.conftest import Open, ask_for
from tests.dashboard.seed import Crew

NOW = 1_790_000_000_000


@pytest.fixture
def board(connection: Connection, queue: Queue) -> Board:
    return Board(connection, queues=[queue.name])


async def text_of(file: File) -> str:
    assert not isinstance(file.body, str)
    return "".join([piece async for piece in file.body])


async def table(board: Board, ask: Ask) -> list[dict[str, str]]:
    text = await text_of(await exporting.export(board, ask))
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def objects(board: Board, ask: Ask) -> list[dict[str, Any]]:
    return json.loads(await text_of(await exporting.export(board, ask)))


async def test_a_state_is_exported_newest_first(board: Board, queue: Queue, connection: Connection) -> None:
    await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(900)])
    crew = Crew(connection, queue, "w")
    for at, job_id in enumerate(await crew.take(3, NOW)):
        await crew.fail(job_id, f"boom {at}", [], NOW + at)
    failed = await table(board, ask_for(queue.name, state="failed"))
    assert [row["failed_reason"] for row in failed] == ["boom 2", "boom 1", "boom 0"]
    assert failed[0]["finished"] == "2026-09-21T14:13:20.002Z"
    assert json.loads(failed[0]["data"]) == {"n": 2}
    waiting = await table(board, ask_for(queue.name, state="waiting"))
    assert [json.loads(row["data"])["n"] for row in waiting] == list(range(899, 2, -1))
    everything = await objects(board, ask_for(queue.name, format="json"))
    assert len({row["id"] for row in everything}) == len(everything) == 900
    await queue.obliterate(force=True)


async def test_all_formats_say_the_same(board: Board, queue: Queue) -> None:
    data = {"text": 'a "quoted", one\r\nand more', "list": [1, None, True], "ä": "€"}
    job = await queue.add("x", data, delay=5, priority=3, attempts=4)
    ask = ask_for(queue.name, format="json")
    [whole] = await objects(board, ask)
    lines = (await text_of(await exporting.export(board, ask_for(queue.name, format="ndjson")))).splitlines()
    assert [json.loads(line) for line in lines] == [whole]
    [row] = await table(board, ask_for(queue.name))
    assert list(row) == list(whole) == list(exporting.COLUMNS)
    assert json.loads(row["data"]) == whole["data"] == data
    assert (row["id"], row["state"], row["priority"], row["attempts"]) == (job.id, "delayed", "3", "4")
    assert row["due"] == whole["due"] != "" and row["started"] == "" and whole["started"] is None
    text = await text_of(await exporting.export(board, ask_for(queue.name)))
    assert text.endswith("\r\n") and text.count("\r\n") == 2  # in data they are escaped
    await queue.drain(delayed=True)


async def test_an_empty_export_is_valid_too(board: Board, queue: Queue) -> None:
    assert await table(board, ask_for(queue.name)) == []
    assert await objects(board, ask_for(queue.name, format="json")) == []
    assert await text_of(await exporting.export(board, ask_for(queue.name, format="ndjson"))) == ""


async def test_a_filter_and_ids_choose(board: Board, queue: Queue) -> None:
    jobs = await queue.add_bulk([JobSpec("x", {"user": f"u{n}"}) for n in range(30)])
    odd = await queue.add("x", {}, job_id='a,"b')
    found = await objects(board, ask_for(queue.name, format="json", q="u17", path="user"))
    assert [row["data"] for row in found] == [{"user": "u17"}]
    by_id = await objects(board, ask_for(queue.name, format="json", ids=f"{jobs[3].id},nowhere,{jobs[3].id}"))
    assert [row["id"] for row in by_id] == [jobs[3].id]
    exact = await objects(board, ask_for(queue.name, format="json", ids=json.dumps([odd.id, jobs[0].id])))
    assert [row["id"] for row in exact] == [odd.id, jobs[0].id]
    file = await exporting.export(board, ask_for(queue.name, ids="1"))
    assert file.name is not None and file.name.startswith(f"{queue.name}-selected-2")
    await text_of(file)
    await queue.drain()


async def test_secrets_are_masked_everywhere(board: Board, queue: Queue, connection: Connection) -> None:
    await queue.add("x", {"password": "p4ssw0rd", "in": {"api_key": "p4ssw0rd"}})
    crew = Crew(connection, queue, "w")
    [job_id] = await crew.take(1, NOW)
    await crew.fail(job_id, "login failed: password=p4ssw0rd", [], NOW)
    for kind in exporting.FORMATS:
        text = await text_of(await exporting.export(board, ask_for(queue.name, format=kind)))
        assert "p4ssw0rd" not in text and MASK in json.dumps(text, ensure_ascii=False)
    await queue.obliterate()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r\n=1", "'\r\n'=1"),
        (" \n =cmd|' /C calc'!A0", "' \n '=cmd|' /C calc'!A0"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\x00=1", "'\\x00=1"),
        ("\x1b[31mred", "'\\x1b[31mred"),
        ("\x9b31mred", "'\\x9b31mred"),
        ("a\x9b31mred", "a\\x9b31mred"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u200b \u2060=1", "'\u200b \u2060=1"),
        # Where ";" or a tab separates, or a quote that is not the first of its line is none, this is a cell, or a line.
        ("x;=1+1", "x;'=1+1"),
        ("x; \ufeff@SUM(A1);-1", "x; \ufeff'@SUM(A1);'-1"),
        ("x\t+1", "x\t'+1"),
        ("x\n=1", "x\n'=1"),
        ("a; b = c", "a; b = c"),
        ("a=b", "a=b"),
        ("12", "12"),
        ("", ""),
        ('{"a":1}', '{"a":1}'),
    ],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert exporting.guarded(text) == cell


def test_a_text_of_separators_alone_is_gone_through_once() -> None:
    for text in (";" * 300_000, "\n \t" * 100_000, ";" + " " * 300_000, "\u200b" * 300_000):
        assert exporting.guarded(text).replace("'", "") == text


async def test_what_is_too_much_is_cut_and_said(board: Board, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST", 40)
    await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(100)])
    rows = await table(board, ask_for(queue.name))
    assert len(rows) == 41
    assert (rows[-1]["id"], rows[-1]["name"]) == ("", "Only the first 40 jobs are in this file.")
    found = await objects(board, ask_for(queue.name, format="json"))
    assert found[40:] == [{"cut": "Only the first 40 jobs are in this file."}]
    file = await exporting.export(board, ask_for(queue.name, format="ndjson"))
    assert file.headers == {"X-Oxcart-Total": "100", "X-Oxcart-Limit": "40"}
    assert len((await text_of(file)).splitlines()) == 41
    monkeypatch.setattr(exporting, "SECONDS", -60)
    late = await objects(board, ask_for(queue.name, format="json"))
    assert len(late) == 26 and late[-1]["cut"].startswith("It took more than -1 minutes")
    monkeypatch.setattr(exporting, "SECONDS", 600)
    monkeypatch.setattr(exporting, "MOST", 100)
    assert "cut" not in (await objects(board, ask_for(queue.name, format="json")))[-1]
    await queue.drain()


async def test_jobs_that_move_meanwhile_come_once(board: Board, queue: Queue, connection: Connection) -> None:
    """Waiting jobs are read from their end: none that stays is passed over, whatever workers take."""
    await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(1000)])
    file = await exporting.export(board, ask_for(queue.name, format="ndjson"))
    pieces = cast(AsyncIterator[str], file.body)
    text = await anext(pieces) + await anext(pieces)
    crew = Crew(connection, queue, "w")
    for at, job_id in enumerate(await crew.take(30, NOW)):
        await crew.finish(job_id, None, NOW + at)
    await queue.add_bulk([JobSpec("x", {"n": n}) for n in range(1000, 1050)])
    text += "".join([piece async for piece in pieces])
    found = [json.loads(line)["data"]["n"] for line in text.splitlines()]
    assert len(found) == len(set(found))
    assert set(range(1000)) <= set(found)
    await queue.obliterate(force=True)


@pytest.fixture
def large_cells() -> Iterator[None]:
    """Python's reader takes cells of 128 kB, unless it is told to take larger ones."""
    before = csv.field_size_limit(10**9)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("large_cells")
async def test_hostile_jobs_spoil_nothing(board: Board, queue: Queue, redis: Redis) -> None:
    for data in ({"a": "\x00 \u202e"}, {"big": "x" * 1_000_000}, "=1+1", None, [[]]):
        await queue.add("=\x1b]0;x\x07", data)
    for stored in ('{"a": NaN, "b": 1e999}', "[" * 3000 + "]" * 3000, "{broken", '"\\ud800"', str(2**80), ""):
        job = await queue.add("x")
        await redis.hset(queue.keys.job(job.id), "data", stored)
    damaged = await queue.add("x")
    await redis.hset(queue.keys.job(damaged.id), mapping={"opts": "{{", "timestamp": "9" * 16, "attemptsMade": "-"})
    rows = await table(board, ask_for(queue.name))
    assert len(rows) == 12
    assert all(len(row) == len(exporting.COLUMNS) and None not in row for row in rows)
    found = await objects(board, ask_for(queue.name, format="json"))
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert max(len(row["data"]) for row in rows) > 1_000_000
    await queue.obliterate()


async def test_what_can_t_be_right_is_refused(board: Board, queue: Queue) -> None:
    wrong: list[dict[str, Any]] = [
        {"format": "xls"}, {"state": "nowhere"}, {"ids": "[1]"}, {"ids": "[broken"}, {"ids": "[]"},
        {"ids": ","}, {"ids": ""}, {"ids": "[" * 100_000}, {"from": "yesterday"}, {"q": "x" * 501},
    ]  # fmt: skip
    for query in wrong:
        with pytest.raises(Refusal) as told:
            await exporting.export(board, ask_for(queue.name, **query))
        assert told.value.status == 400
    with pytest.raises(Refusal) as told:
        await exporting.export(board, ask_for(queue.name, ids=",".join(map(str, range(1001)))))
    assert told.value.status == 400
    with pytest.raises(Refusal) as told:
        await exporting.export(board, ask_for("nowhere"))
    assert told.value.status == 404


async def test_who_may_not_see_data_exports_none(board: Board, queue: Queue) -> None:
    blind = Access("eve", actions=frozenset({"view", "export"}))
    with pytest.raises(Refusal) as told:
        await exporting.export(board, Ask(blind, {"queue": queue.name}))
    assert told.value.status == 403
    elsewhere = Access("eve", role="admin", queues=("other-*",))
    with pytest.raises(Refusal) as told:
        await exporting.export(board, Ask(elsewhere, {"queue": queue.name}))
    assert told.value.status == 404


async def test_only_some_are_made_at_once(board: Board, queue: Queue) -> None:
    asks = [Ask(Access(user, role="admin"), {"queue": queue.name}) for user in ("ada", "ada", "bob")]
    begun = [await exporting.export(board, ask) for ask in asks]
    for file in begun:
        await anext(cast(AsyncIterator[str], file.body))
    with pytest.raises(Refusal) as told:
        await exporting.export(board, asks[-1])
    assert told.value.status == 429
    await cast(Any, begun.pop().body).aclose()
    with pytest.raises(Refusal):  # there is room, but not for one who has two
        await exporting.export(board, asks[0])
    for file in begun:
        await cast(Any, file.body).aclose()
    assert await table(board, ask_for(queue.name)) == []


def test_a_file_name_is_harmless_whatever_the_queue_is_called() -> None:
    assert attachment("email-failed.csv") == 'attachment; filename="email-failed.csv"'
    assert attachment('a/../"b"\r\n;.csv') == 'attachment; filename="a-..--b---;.csv"'
    assert attachment("почта.csv") == (
        "attachment; filename=\"-----.csv\"; filename*=UTF-8''%D0%BF%D0%BE%D1%87%D1%82%D0%B0.csv"
    )
    assert attachment("\ud800..") == 'attachment; filename="-"'
    # Shown from right to left, it would end in ".csv".
    assert attachment("a\u202evsc.exe\u200b\u2028") == 'attachment; filename="a-vsc.exe--"'


async def test_it_is_a_download_that_the_audit_tells_of(open_dashboard: Open, queue: Queue) -> None:
    await queue.add("x", {"n": 1})
    api = open_dashboard(queues=[queue.name], read_only=True)
    answer = await api.get(f"/api/v1/queues/{queue.name}/export?state=waiting")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"].startswith("no-store")
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{queue.name}-waiting-20')
    assert len(answer.text.splitlines()) == 2
    head = await api.head(f"/api/v1/queues/{queue.name}/export?state=waiting")
    assert (head.status_code, head.content) == (200, b"")
    refused = await api.get(f"/api/v1/queues/{queue.name}/export?state=nowhere")
    assert refused.status_code == 400
    entries = (await api.get("/api/v1/audit")).json()["entries"]
    assert [(one["action"], one["queue"]) for one in entries] == [("export", queue.name)] * 3
    assert entries[-1]["result"] == "csv, waiting: at most 1 jobs"
    assert "waiting" in entries[-1]["target"]
    await queue.drain()


async def test_a_viewer_may_not_export(open_dashboard: Open, queue: Queue) -> None:
    api: httpx.AsyncClient = open_dashboard(queues=[queue.name], auth=lambda request: Access("eve"))
    assert (await api.get(f"/api/v1/queues/{queue.name}/export")).status_code == 403


async def test_not_more_are_made_at_once_if_all_are_asked_for_at_once(board: Board, queue: Queue) -> None:
    await queue.add("x")
    path, running = {"queue": queue.name}, exporting._RUNNING.setdefault(board, Counter())
    users = [f"user{number // 4}" for number in range(12)]
    asked = (exporting.export(board, Ask(Access(user, role="admin"), path)) for user in users)
    found = await asyncio.gather(*asked, return_exceptions=True)
    files = [one for one in found if not isinstance(one, BaseException)]
    assert len(files) == exporting.MOST_AT_ONCE
    assert running == {"user0": exporting.MOST_OF_ONE, "user1": 1}
    del found, files, asked  # nobody has read any of them
    await wait_until(lambda: running.total() == 0)
    with pytest.raises(Refusal):
        await exporting.export(board, ask_for(queue.name, state="nonsense"))
    assert running.total() == 0
    await queue.drain()
