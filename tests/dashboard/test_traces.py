"""Stack traces of Python and V8 are read, and the same failures are found to be the same."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oxcart.dashboard.reading import traces
from oxcart.dashboard.redact import Redactor
from oxcart.traces import LARGEST, normalised, parse
from oxcart.worker.execution import describe
from tests.dashboard import seed

BOARD: Any = SimpleNamespace(redactor=Redactor())


def frames(raw: str) -> list[tuple[str, int | None, str, bool]]:
    return [(one["file"], one["line"], one["function"], one["library"]) for one in parse(raw).frames]


def test_a_trace_of_python_is_read_innermost_first() -> None:
    parsed = parse(seed.PYTHON_KEY_ERROR)
    assert (parsed.kind, parsed.message) == ("KeyError", "'tenant_id'")
    assert frames(seed.PYTHON_KEY_ERROR) == [
        ("/srv/shop/jobs/push.py", 19, "push", False),
        ("/srv/venv/lib/python3.12/site-packages/oxcart/worker/execution.py", 164, "_call", True),
    ]
    assert [frame["code"] for frame in parsed.frames] == [
        'tenant = job.data["tenant_id"]',
        "return await run(attempt.job)",
    ]


def test_of_a_chain_of_errors_the_last_one_counts() -> None:
    assert [place[0] for place in frames(seed.PYTHON_TRACE)][:2] == [
        "/srv/shop/mail/client.py",
        "/srv/shop/jobs/email.py",
    ]


def test_what_a_worker_stores_is_read() -> None:
    raw = ""

    def inner() -> None:
        raise ValueError("first line\nsecond: line")

    try:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError("no: luck") from error
    except RuntimeError as error:
        _, raw = describe(error)
    parsed = parse(raw)
    assert (parsed.kind, parsed.message) == ("RuntimeError", "no: luck")
    assert [(Path(one["file"]).name, one["library"]) for one in parsed.frames] == [("test_traces.py", False)]
    try:
        inner()
    except ValueError as error:
        _, raw = describe(error)
    parsed = parse(raw)
    assert (parsed.kind, parsed.message) == ("ValueError", "first line\nsecond: line")
    assert parsed.frames[0]["function"] == "inner"


def test_a_group_of_errors_is_read() -> None:
    raw = ""
    try:
        raise ExceptionGroup("many", [ValueError("one")])
    except ExceptionGroup as error:
        _, raw = describe(error)
    parsed = parse(raw)
    assert parsed.kind == "ExceptionGroup"
    assert parsed.frames


def test_a_trace_of_node_is_read() -> None:
    parsed = parse(seed.NODE_TRACE)
    assert (parsed.kind, parsed.message) == ("Error", "550 5.1.1 mailbox {email} unavailable")
    assert frames(seed.NODE_TRACE)[0][3] is True
    assert frames(seed.NODE_TRACE)[2:] == [
        ("/srv/app/src/mail/send.ts", 57, "sendMail", False),
        ("/srv/app/src/workers/email.ts", 23, "Worker.processFn", False),
        ("/srv/app/node_modules/bullmq/dist/cjs/classes/worker.js", 514, "", True),
    ]
    assert [place[2:] for place in frames(seed.NODE_TYPE_ERROR)][:2] == [("renderInvoice", False), ("Array.map", True)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    at new Mailer (/a/b.js:3:4)", ("/a/b.js", 3, "new Mailer", False)),
        ("    at Object.<anonymous> (C:\\app\\x.js:3:4)", ("C:\\app\\x.js", 3, "Object.<anonymous>", False)),
        ("    at Foo.bar [as baz] (/a/b.js:3:4)", ("/a/b.js", 3, "Foo.bar [as baz]", False)),
        ("    at async Promise.all (index 0)", ("index 0", None, "Promise.all", True)),
        ("    at /a/b.js:3:4", ("/a/b.js", 3, "", False)),
        ("    at node:internal/x:1:2", ("node:internal/x", 1, "", True)),
        ("    at JSON.parse (<anonymous>)", ("<anonymous>", None, "JSON.parse", True)),
        (
            "    at eval (eval at run (/a/b.js:1:2), <anonymous>:1:7)",
            ("eval at run (/a/b.js:1:2), <anonymous>", 1, "eval", True),
        ),
    ],
)
def test_lines_of_v8_are_read(line: str, expected: tuple[str, int | None, str, bool]) -> None:
    assert frames(f"Error: x\n{line}") == [expected]


@pytest.mark.parametrize(
    "raw", ["", "\n", "x" * 10, "boom", "Traceback (most recent call last):", "\x00\ud800", "Error:"]
)
def test_what_is_no_trace_does_no_harm(raw: str) -> None:
    parsed = parse(raw)
    assert parsed.frames == []
    assert len(traces.attempts(BOARD, [raw], 1)) == 1


@pytest.mark.parametrize(
    "raw",
    [
        "Error: x\n" + "    at a (" * 30_000,
        "Error: x\n" + "    at a (b:1:1)\n" * 30_000,
        "Traceback (most recent call last):\n" + '  File "' * 20_000,
        "a." * 100_000,
        "0-" * 100_000,
        "1.1.1." * 50_000,
        "ab:" * 100_000,
        "'" * 100_000,
        "a@" * 100_000,
    ],
)
def test_hostile_traces_take_no_time(raw: str) -> None:
    begin = time.process_time()  # what else the machine does is no matter
    traces.failure(BOARD, raw, raw)
    traces.attempts(BOARD, [raw], 1)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("connect ETIMEDOUT 10.0.3.7:587", "connect ETIMEDOUT <ip>:587"),
        ("550 5.1.1 mailbox ada@x.org unavailable", "550 5.1.1 mailbox <email> unavailable"),
        ("no user 17", "no user <n>"),
        ("took 1.5 s of -3", "took <n> s of <n>"),
        ("HTTP 503 from https://api.example.com/v1/users/7?x=1", "HTTP 503 from <url>"),
        ("status code 404 for 12", "status code 404 for <n>"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 is gone", "id <uuid> is gone"),
        ("at 0x7f3a9c bad", "at <hex> bad"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <id>"),
        (
            "Cannot read properties of undefined (reading 'address')",
            "Cannot read properties of undefined (reading 'address')",
        ),
        ("no file 'report 7.pdf'", "no file <text>"),
        ("expired 2026-11-26T10:00:00Z", "expired <time>"),
        ("at 12:30:45 sharp", "at <time> sharp"),
        ("order ord_12ab-99 is odd", "order <id> is odd"),
        ("listen ::1 and fe80::1ff:fe23:4567:890a", "listen <ip> and <ip>"),
        ("first\nsecond", "first"),
        ("Python3 is not utf8", "Python3 is not utf8"),
    ],
)
def test_what_varies_is_replaced(message: str, expected: str) -> None:
    assert normalised(message) == expected


def test_failures_are_the_same_by_class_message_and_own_frame() -> None:
    one = traces.failure(BOARD, "connect ETIMEDOUT 10.0.0.1:587", seed.PYTHON_TRACE.format(ip="10.0.0.1"))
    same = traces.failure(BOARD, "connect ETIMEDOUT 10.9.9.9:587", seed.PYTHON_TRACE.format(ip="10.9.9.9"))
    assert (one.kind, one.fingerprint) == ("ConnectionError", same.fingerprint)
    elsewhere = seed.PYTHON_TRACE.format(ip="10.0.0.1").replace("/srv/shop/mail/client.py", "/srv/shop/other.py")
    assert traces.failure(BOARD, "connect ETIMEDOUT 10.0.0.1:587", elsewhere).fingerprint != one.fingerprint
    later = seed.PYTHON_TRACE.format(ip="10.0.0.1").replace("line 118", "line 131")  # the file was edited
    assert traces.failure(BOARD, "connect ETIMEDOUT 10.0.0.1:587", later).fingerprint == one.fingerprint


def test_a_reason_that_the_trace_says_nothing_of_stands_for_itself() -> None:
    stalled = traces.failure(BOARD, "job stalled more than allowable limit", seed.PYTHON_KEY_ERROR)
    assert stalled.kind == ""
    assert stalled.fingerprint == traces.failure(BOARD, "job stalled more than allowable limit", "").fingerprint


def test_secrets_are_masked_in_all_parts() -> None:
    raw = "Error: login failed password=hunter2\n    at a (redis://u:hunter2@host/x.js:1:2)"
    [attempt] = traces.attempts(BOARD, [raw], 1)
    assert "hunter2" not in str(attempt)
    assert "hunter2" not in str(traces.failure(BOARD, "login failed password=hunter2", raw))


def test_no_half_of_a_secret_shows_where_a_trace_is_cut() -> None:
    text = "Error: x\n" + "y" * (LARGEST - 40) + " redis://user:hunter2secret@host"
    [attempt] = traces.attempts(BOARD, [text], 1)
    assert "hunter2" not in str(attempt)


def test_attempts_are_numbered_as_they_were() -> None:
    assert [one["number"] for one in traces.attempts(BOARD, ["a", "b"], 5)] == [4, 5]
    assert [one["number"] for one in traces.attempts(BOARD, ["a", "b"], 2)] == [1, 2]
