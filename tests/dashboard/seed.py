"""Seeds queues with jobs in every state, as a shop's would be after some hours, for tests and for pictures.

`python -m tests.dashboard.seed redis://localhost:6379/9` fills `email`, `reports` and `notifications`; with `--work`
workers go on working on what is added all the time, until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from oxcart import (
    Backoff,
    Connection,
    Deduplication,
    Flow,
    FlowProducer,
    Job,
    JobOptions,
    JobSpec,
    Keep,
    Queue,
    Unrecoverable,
    Worker,
)
from oxcart.dashboard.access import Access
from oxcart.dashboard.ask import Ask
from oxcart.protocol.calls.work import Limits, Order, Settlement, settle_and_take
from tests.dashboard.seed_history import seed_history

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TOKEN = "seed"
DAY = 1440
"""Minutes that are counted."""

RTL = "\u202egnp.exe\u202c \u2066hidden\u2069"
CONTROL = "bell \x07, escape \x1b[31mred\x1b[0m, null \x00, tab \t, line\nbreak, lone \ufffd"
HOSTILE = {
    "html": "<script>alert('xss')</script><img src=x onerror=alert(1)>",
    "rtl": RTL,
    "control": CONTROL,
    "link": "javascript:alert(1)",
    "__proto__": {"polluted": True},
    "emoji": "👩‍👩‍👧‍👦 zalgo Z̷̢̛a̸̡l̵g̶o̷",
    "big": 9007199254740993,
}

PYTHON_TRACE = """ConnectionError: connect ETIMEDOUT {ip}:587
Traceback (most recent call last):
  File "/usr/lib/python3.12/smtplib.py", line 341, in connect
    self.sock = self._get_socket(host, port, self.timeout)
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.12/socket.py", line 865, in create_connection
    raise exceptions[0]
TimeoutError: timed out

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/oxcart/worker/execution.py", line 164, in _call
    return await run(attempt.job)
           ^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/jobs/email.py", line 42, in send_welcome
    await mailer.deliver(message)
  File "/srv/shop/mail/client.py", line 118, in deliver
    raise ConnectionError(f"connect ETIMEDOUT {{host}}:{{port}}") from error
ConnectionError: connect ETIMEDOUT {ip}:587"""

NODE_TRACE = """Error: 550 5.1.1 mailbox {email} unavailable
    at SMTPConnection._formatError (/srv/app/node_modules/nodemailer/lib/smtp-connection/index.js:809:19)
    at SMTPConnection._actionRCPT (/srv/app/node_modules/nodemailer/lib/smtp-connection/index.js:1639:34)
    at async sendMail (file:///srv/app/src/mail/send.ts:57:5)
    at async Worker.processFn (/srv/app/src/workers/email.ts:23:10)
    at async /srv/app/node_modules/bullmq/dist/cjs/classes/worker.js:514:28"""

NODE_TYPE_ERROR = """TypeError: Cannot read properties of undefined (reading 'address')
    at renderInvoice (/srv/app/src/reports/invoice.ts:88:31)
    at Array.map (<anonymous>)
    at buildReport (/srv/app/src/reports/build.ts:31:20)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async Worker.processJob (/srv/app/node_modules/bullmq/dist/cjs/classes/worker.js:514:28)"""

PYTHON_KEY_ERROR = """KeyError: 'tenant_id'
Traceback (most recent call last):
  File "/srv/venv/lib/python3.12/site-packages/oxcart/worker/execution.py", line 164, in _call
    return await run(attempt.job)
  File "/srv/shop/jobs/push.py", line 19, in push
    tenant = job.data["tenant_id"]
             ~~~~~~~~^^^^^^^^^^^^^
KeyError: 'tenant_id'"""

FIRST = "Ada Grace Linus Margaret Alan Barbara Donald Radia Edsger Frances".split()


class Crew:
    """A worker by hand, whose clock says what it is told: so that jobs can have run hours ago."""

    def __init__(self, connection: Connection, queue: Queue, worker: str) -> None:
        self._connection = connection
        self._queue = queue
        self._limits = Limits(3_600_000, worker=worker, metric_points=DAY)

    async def take(self, count: int, now: int) -> list[str]:
        """Take up to so many jobs at this time; their ids."""
        call = settle_and_take(self._queue.keys, now, self._limits, Order(TOKEN, count, suspects=100), [])
        return [record.id for record in (await self._connection.run(call)).jobs]

    async def finish(self, job_id: str, value: Any, now: int) -> None:
        await self._settle(Settlement(job_id, TOKEN, "completed", json.dumps(value)), now)

    async def fail(
        self, job_id: str, reason: str, traces: Sequence[str], now: int, retry_in: int | None = None
    ) -> None:
        """Fail a job for good, or let it be tried again after so many ms."""
        outcome, number = ("failed", 1) if retry_in is None else ("delayed", retry_in)
        stacktrace = json.dumps(list(traces))
        await self._settle(Settlement(job_id, TOKEN, outcome, reason, stacktrace, number=number), now)

    async def _settle(self, settlement: Settlement, now: int) -> None:
        call = settle_and_take(
            self._queue.keys, now, self._limits, Order(TOKEN, 0, suspects=100), [(settlement, False)]
        )
        assert (await self._connection.run(call)).codes is None


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def seed(url: str, prefix: str = "bull", *, scale: int = 1, begin: int | None = None) -> None:
    """Fill the queues `email`, `reports` and `notifications`; `scale` times as many finished jobs as usual."""
    now = time.time_ns() // 1_000_000 if begin is None else begin
    dice = random.Random(7)
    async with Connection(url) as connection:
        queues = {
            name: Queue(name, connection=connection, prefix=prefix) for name in ("email", "reports", "notifications")
        }
        await _history(connection, queues["email"], dice, now, 120 * scale, "mailer-1", _email_failures(dice))
        await _history(connection, queues["reports"], dice, now, 40 * scale, "reporter-1", _report_failures())
        await _history(connection, queues["notifications"], dice, now, 90 * scale, "push-1", _push_failures())
        await _hostile(connection, queues["email"], now)
        await _retried(connection, queues["email"], now)
        await _running(connection, queues["email"], now)
        await _flows(connection, prefix, queues["reports"], now)
        await _waiting(queues, dice, now)
        await _schedulers(queues, now)
        await queues["notifications"].pause()
        await queues["email"].set_global_concurrency(20)
        await queues["email"].set_global_rate_limit(600, 60)


Failures = Sequence[tuple[int, str, str]]
"""Of 100 jobs so many fail, with this reason and this trace."""


def _email_failures(dice: random.Random) -> Failures:
    ip, person = f"10.0.{dice.randrange(9)}.{dice.randrange(250)}", dice.choice(FIRST).lower()
    return (
        (8, "connect ETIMEDOUT {ip}:587", PYTHON_TRACE),
        (5, "550 5.1.1 mailbox {email} unavailable", NODE_TRACE),
        (2, f"no account for user {dice.randrange(10**6)}", f"Error: no account at {ip} for {person}"),
    )


def _report_failures() -> Failures:
    return ((10, "Cannot read properties of undefined (reading 'address')", NODE_TYPE_ERROR),)


def _push_failures() -> Failures:
    return ((6, "'tenant_id'", PYTHON_KEY_ERROR),)


NAMES = {
    "email": ("welcome", "receipt", "reset-password", "newsletter"),
    "reports": ("invoice", "monthly", "export-csv"),
    "notifications": ("push", "sms", "digest"),
}


def _data(queue: str, name: str, dice: random.Random) -> dict[str, Any]:
    who = dice.choice(FIRST)
    user = {"id": f"u{dice.randrange(10**5)}", "name": who, "email": f"{who.lower()}@example.com"}
    if queue == "email":
        data = {"to": user["email"], "user": user, "template": name, "locale": dice.choice(["en", "de", "fr"])}
        return data | ({"token": f"tok_{dice.randrange(10**9)}"} if name == "reset-password" else {})
    if queue == "reports":
        items = [{"sku": f"A-{dice.randrange(1000)}", "quantity": dice.randrange(1, 9)} for _ in range(3)]
        return {
            "month": f"2026-{dice.randrange(1, 12):02}",
            "user": user,
            "items": items,
            "total": dice.randrange(10**4),
        }
    return {"userId": user["id"], "title": "Your order has shipped", "badge": dice.randrange(5), "api_key": "key-123"}


async def _history(
    connection: Connection,
    queue: Queue,
    dice: random.Random,
    now: int,
    count: int,
    worker: str,
    failures: Failures,
) -> None:
    """Jobs that ran in the last hours, most of them in the last one, in the order of time."""
    crew = Crew(connection, queue, worker)
    times = sorted(now - int(HOUR_MS * dice.choice((0.95, 0.95, 0.95, 8)) * dice.random()) - 2000 for _ in range(count))
    for at in times:
        name = dice.choice(NAMES[queue.name])
        wait, run = int(dice.expovariate(1 / 900)), int(dice.expovariate(1 / 1400)) + 12
        await queue.add(
            name,
            _data(queue.name, name, dice),
            timestamp=_at(at - wait - run),
            attempts=dice.choice((1, 3)),
            remove_on_complete=Keep(count=5000, age=7 * 86_400),
        )
        [job_id] = await crew.take(1, at - run)
        percent, said = dice.randrange(100), False
        for share, reason, trace in failures:
            if percent < share and not said:
                values = {
                    "ip": f"10.0.{dice.randrange(9)}.{dice.randrange(250)}",
                    "email": f"{dice.choice(FIRST)}@x.org",
                }
                filled = [trace.format(**values) if "{ip}" in trace or "{email}" in trace else trace]
                await crew.fail(job_id, reason.format(**values) if "{" in reason else reason, filled, at)
                said = True
            percent -= share
        if not said:
            await crew.finish(job_id, {"messageId": f"m-{dice.randrange(10**9)}", "ms": run}, at)


async def _hostile(connection: Connection, queue: Queue, now: int) -> None:
    """What an attacker, or an accident, may put into a job."""
    crew = Crew(connection, queue, "<b>mailer</b>")
    await queue.add("<img src=x onerror=alert(1)>", HOSTILE, job_id="hostile-data", timestamp=_at(now - 9000))
    await queue.add("large", {"text": "x" * 1_000_000, "token": "t"}, job_id="one-megabyte", timestamp=_at(now - 9000))
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"deeper": deep}
    await queue.add("deep", deep, job_id="deep", timestamp=_at(now - 9000))
    for job_id in await crew.take(3, now - 8000):
        if job_id == "one-megabyte":
            await crew.finish(job_id, {"text": "y" * 300_000}, now - 7000)
            continue
        reason = f"<script>alert('reason')</script> {RTL} password=hunter2"
        trace = f"Error: {reason}\n    at <script>alert(1)</script> (/srv/app/<b>x</b>.js:1:1)"
        await crew.fail(job_id, reason, [trace], now - 7000)
    job = await queue.job("hostile-data")
    assert job is not None
    for line in ("<script>alert('log')</script>", CONTROL, RTL, "token=abcdef next", "plain line"):
        await job.log(line)


async def _retried(connection: Connection, queue: Queue, now: int) -> None:
    """A job that failed three times, each time for another reason; and one that waits for its next attempt."""
    crew = Crew(connection, queue, "mailer-2")
    backoff = Backoff.exponential(1)
    data = {"to": "grace@example.com", "order": 4711}
    await queue.add("receipt", data, job_id="three-attempts", attempts=3, backoff=backoff, timestamp=_at(now - 60_000))
    at, traces = now - 60_000, list[str]()
    for number, ip in enumerate(("10.0.0.1", "10.0.0.2", "10.0.0.3")):
        [job_id] = await crew.take(1, at + 10)
        traces.append(PYTHON_TRACE.format(ip=ip))
        reason = f"connect ETIMEDOUT {ip}:587"
        await crew.fail(job_id, reason, traces, at + 500, retry_in=1000 if number < 2 else None)
        at += 2000
    await queue.add("receipt", data, job_id="next-attempt", attempts=5, backoff=backoff, timestamp=_at(now - 5000))
    [job_id] = await crew.take(1, now - 4000)
    await crew.fail(
        job_id, "connect ETIMEDOUT 10.0.0.9:587", [PYTHON_TRACE.format(ip="10.0.0.9")], now - 3000, 3_600_000
    )


async def _running(connection: Connection, queue: Queue, now: int) -> None:
    """Jobs that a worker is working on, with progress and logs."""
    crew = Crew(connection, queue, "mailer-1")
    for number in range(3):
        await queue.add("newsletter", {"issue": 40 + number, "password": "hunter2"}, timestamp=_at(now - 30_000))
    for number, job_id in enumerate(await crew.take(3, now - 20_000 * 1)):
        job = await queue.job(job_id)
        assert job is not None
        await job.update_progress((35, {"sent": 1200, "of": 4000, "step": "sending"}, 80)[number])
        for line in range(12):
            await job.log(f"2026-11-26T09:{line:02}:00Z sent batch {line} of 40")


async def _flows(connection: Connection, prefix: str, reports: Queue, now: int) -> None:
    """A flow of three levels, partly done, with a failed child; and one with many children."""
    async with FlowProducer(connection=connection, prefix=prefix) as flows:
        chapters = [
            Flow(
                "reports",
                "chapter",
                {"n": n},
                job_id=f"chapter-{n}",
                on_child_failure="ignore",
                children=[Flow("email", "figure", {"n": n, "m": m}, job_id=f"figure-{n}-{m}") for m in range(2)]
                if n < 2
                else [],
            )
            for n in range(4)
        ]
        await flows.add(Flow("reports", "yearly", {"year": 2026}, job_id="yearly", children=chapters))
        parts = [Flow("notifications", "part", {"n": n}) for n in range(60)]
        await flows.add(Flow("reports", "broadcast", {"parts": 60}, job_id="broadcast", children=parts))
    crew = Crew(connection, reports, "reporter-1")
    for number, job_id in enumerate(await crew.take(2, now - 1500)):
        if number:
            await crew.fail(
                job_id, "Cannot read properties of undefined (reading 'address')", [NODE_TYPE_ERROR], now - 900
            )
        else:
            await crew.finish(job_id, {"pages": 12}, now - 1000)


async def _waiting(queues: dict[str, Queue], dice: random.Random, now: int) -> None:
    """Jobs that are still to be done: waiting, prioritized, delayed."""
    for name, queue in queues.items():
        specs: list[JobSpec] = []
        for number in range(14):
            job = dice.choice(NAMES[name])
            options: JobOptions = {"timestamp": _at(now - 20_000 * (14 - number))}
            if number % 4 == 1:
                options["priority"] = 1 + number
            if number % 4 == 2:
                options["delay"] = 600 * (number + 1)
            if number % 5 == 3:
                options["attempts"] = 4
                options["backoff"] = Backoff.exponential(2, jitter=0.5)
            specs.append(JobSpec(job, _data(name, job, dice), **options))
        await queue.add_bulk(specs)
    debounced = Deduplication("user-7", ttl=3600)
    await queues["email"].add("digest", {"userId": "user-7"}, delay=1800, deduplication=debounced)


async def _schedulers(queues: dict[str, Queue], now: int) -> None:
    reports, email, push = queues["reports"], queues["email"], queues["notifications"]
    options = JobOptions(attempts=3, backoff=Backoff.fixed(30), remove_on_complete=Keep(count=30))
    secret = {"account": "main", "api_key": "sk-live-123"}
    await reports.upsert_scheduler(
        "monthly-report", cron="0 8 1 * *", tz="Europe/Berlin", name="monthly", data=secret, options=options
    )
    await reports.upsert_scheduler(
        "weekdays", cron="30 7 * * 1-5", tz="America/New_York", overlap="skip", missed="skip"
    )
    await email.upsert_scheduler("digest", every=900, name="digest", jitter=30, data={"kind": "daily"})
    await email.upsert_scheduler("campaign", every=3600, limit=5, end=_at(now) + timedelta(days=30), name="newsletter")
    await push.upsert_scheduler("heartbeat", every=30)


# ------------------------------------------------------------------------------------------------------- for tests

_SEEDED: dict[str, str] = {}


async def seeded(url: str) -> str:
    """The prefix of seeded queues on a server, seeded once: for tests that only look."""
    if url not in _SEEDED:
        prefix = f"shop{secrets.token_hex(4)}"
        await seed(url, prefix)
        _SEEDED[url] = prefix
    return _SEEDED[url]


ADMIN = Access("ada", role="admin")
OPERATOR = Access("bob", role="operate")
BLIND = Access("eve", actions=frozenset({"view"}))
"""Sees that there are jobs, but not their data."""


def asked(queue: str | None = None, access: Any = ADMIN, /, *, body: Any = None, **query: Any) -> Ask:
    """A request: `asked("email", state="failed")`. What is no name in Python has an underscore behind it: `from_`."""
    path = {} if queue is None else {"queue": queue}
    return Ask(access, path, {name.rstrip("_"): str(value) for name, value in query.items()}, body or {})


# ---------------------------------------------------------------------------------------------- a live demonstration


async def work(url: str, prefix: str = "bull") -> None:
    """Add jobs and work on them, some of them badly, until it is cancelled or the process is told to end."""
    dice = random.Random()

    async def process(job: Job) -> Any:
        for step in range(1, 5):
            await asyncio.sleep(dice.uniform(0.05, 0.6))
            await job.update_progress(step * 25)
            await job.log(f"step {step} of 4")
        if dice.random() < 0.08:
            raise Unrecoverable(f"no account for user {dice.randrange(10**6)}")
        return {"ok": True}

    async with Connection(url) as connection:
        queues = [Queue(name, connection=connection, prefix=prefix) for name in NAMES]
        workers = [
            Worker(
                queue.name,
                process,
                connection=url,
                prefix=prefix,
                name=f"demo-{queue.name}",
                concurrency=3,
                metrics=DAY * 60,
                recorder=True,
                version="1.5.0",
            )
            for queue in queues
        ]
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            while not any(task.done() for task in tasks):  # Ctrl-C is told to the workers
                queue = dice.choice(queues)
                name = dice.choice(NAMES[queue.name])
                await queue.add(name, _data(queue.name, name, dice), delay=dice.choice((0, 0, 5)))
                await asyncio.sleep(dice.uniform(0.2, 1))
        finally:
            for worker in workers:
                await worker.close(timeout=2)
            await asyncio.gather(*tasks)


def main() -> None:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if not words:
        raise SystemExit("python -m tests.dashboard.seed URL [PREFIX] [--work]")
    prefix = words[1] if len(words) > 1 else "bull"
    asyncio.run(seed(words[0], prefix))
    asyncio.run(seed_history(words[0], prefix))
    print("seeded: email, reports, notifications")
    if "--work" in sys.argv:
        with suppress(KeyboardInterrupt):
            asyncio.run(work(words[0], prefix))


if __name__ == "__main__":
    main()
