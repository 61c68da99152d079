"""Measures the dashboard beside Bull Board, over one Redis, in one run, and prints Markdown. `make dashboards`.

Seven queues, one of them with 100,000 jobs; Bull Board on Express, ours as `oxcart dashboard` serves it; each page is
opened in Chromium with an empty cache. Needs Chromium, and the Node packages of `tests/interop/node` and `frontend`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, Page, async_playwright
from redis import Redis

from oxcart import Connection, JobSpec, Queue, Worker, embedded
from tests.dashboard.browser.conftest import AXE, chromium
from tests.dashboard.bull_board.real import RealBoard
from tests.dashboard.seed import NODE_TRACE, seed

QUEUES = ("email", "reports", "notifications", "images", "billing.invoices", "billing.refunds", "events")
LARGE = "events"
LOADED = "images"
BATCH = 2000
PER_SECOND = 20
VISITS = 5
ASKED = 50
SETTLE_S = 10
"""How long after opening and closing tabs nothing is counted."""
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]

# When a word is in the page for the first time: then it shows what it is about, and not that it loads.
WATCH = """
((word) => {
  const look = () => {
    if (document.body?.textContent.includes(word)) globalThis.thereAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})(%s);
"""


@dataclass(frozen=True)
class View:
    """A page of both: where it is, and a word that it shows when it is there."""

    name: str
    theirs: str
    ours: str
    word: str


VIEWS = (
    View("overview", "/", "/", "billing.refunds"),
    View("failed list", f"/queue/{LARGE}?status=failed", f"/queues/{LARGE}?state=failed", "mailbox"),
    View("job", "/queue/email/three-attempts", "/queues/email/job?id=three-attempts", "10.0.0.3"),
    View("schedulers", "/job-schedulers", "/schedulers", "heartbeat"),
)


@dataclass
class Visit:
    """What opening a page took."""

    wire: int = 0
    """Bytes of scripts and styles, as they came."""
    whole: int = 0
    """The same, unpacked."""
    requests: int = 0
    elsewhere: int = 0
    """How many of the requests went to other hosts."""
    paint_ms: float = 0
    there_ms: float = 0
    nodes: int = 0
    faults: int = 0
    """How many elements axe complains of."""


@dataclass
class Side:
    """One of the two dashboards, and what was measured of it."""

    name: str
    address: str
    asks: tuple[str, str]
    """What its page asks for the overview, and for a list."""
    visits: dict[str, Visit] = field(default_factory=dict[str, Visit])
    commands: dict[tuple[str, int], float] = field(default_factory=dict[tuple[str, int], float])
    """Of Redis in a minute, by what goes on and how many tabs are open."""
    answers: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Milliseconds, and bytes, of each of `asks`."""


# ------------------------------------------------------------------------------------------------------------ seeding


async def fill(url: str, jobs: int) -> None:
    """The queues: six small ones, and one with so many jobs, of which 60 % wait, 30 % are done and 10 % failed."""
    await seed(url)
    async with Connection(url) as connection:
        for name in ("images", "billing.invoices", "billing.refunds"):
            queue = Queue(name, connection=connection)
            await queue.add_bulk([JobSpec("job", {"n": n}) for n in range(40)])
        large = Queue(LARGE, connection=connection)
        for first in range(0, jobs * 6 // 10, BATCH):
            await large.add_bulk([JobSpec("event", {"n": n, "kind": "click"}) for n in range(first, first + BATCH)])
    with Redis.from_url(url) as redis:  # pyright: ignore[reportUnknownMemberType]
        _fill_finished(redis, "completed", jobs * 3 // 10)
        _fill_finished(redis, "failed", jobs // 10)


def _fill_finished(redis: Redis, state: str, count: int) -> None:
    """Finished jobs as a worker leaves them, written directly, since running so many takes long."""
    start, now = f"bull:{LARGE}:", int(time.time() * 1000) - 3_600_000
    reason = "550 5.1.1 mailbox unavailable"
    ending = {"returnvalue": "null"} if state == "completed" else {"failedReason": reason}
    if state == "failed":
        ending["stacktrace"] = json.dumps([NODE_TRACE.format(email="ada@example.com")])
    for first in range(0, count, BATCH):
        with redis.pipeline(transaction=False) as pipe:
            for n in range(first, min(first + BATCH, count)):
                at = now + n
                fields: dict[Any, Any] = {"name": "event", "data": f'{{"n":{n}}}', "opts": '{"attempts":0}'}
                times = {"timestamp": at - 900, "processedOn": at - 200, "finishedOn": at, "delay": 0, "priority": 0}
                pipe.hset(f"{start}{state}-{n}", mapping={**fields, **times, "ats": 1, "atm": 1, **ending})
                pipe.zadd(f"{start}{state}", {f"{state}-{n}": at})
            pipe.execute()


async def load(url: str) -> None:
    """Add so many jobs a second, and work them, until this process is ended."""

    async def process(job: object) -> str:
        await asyncio.sleep(0.05)
        return "done"

    worker = Worker(LOADED, process, connection=url, concurrency=10, remove_on_complete=50)
    running = asyncio.create_task(worker.run())
    begun, added = time.monotonic(), 0
    async with Queue(LOADED, connection=url) as queue:
        while not running.done():
            await queue.add("thumbnail", {"width": 200})
            added += 1
            await asyncio.sleep(max(begun + added / PER_SECOND - time.monotonic(), 0))


# ------------------------------------------------------------------------------------------------------------ opening


async def visit(browser: Browser, address: str, word: str, with_axe: bool) -> Visit:
    """Open a page in a browser that has seen nothing yet."""
    found, kinds = Visit(), dict[str, str]()
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.add_init_script(WATCH % json.dumps(word))
    await _count(page, found, kinds, address)
    await page.goto(address)
    await _settled(page, found)
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    found.paint_ms, found.there_ms = await page.evaluate(f"[{paint}, globalThis.thereAt]")
    found.nodes = await page.evaluate("document.querySelectorAll('*').length")
    if with_axe:
        await page.evaluate(AXE.read_text() + "\n;undefined")
        options = json.dumps({"resultTypes": ["violations"], "runOnly": AXE_TAGS})
        faults = await page.evaluate(
            f"axe.run(document, {options}).then(({{violations}}) => violations.flatMap((one) => "
            "one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 120)}`)))"
        )
        found.faults = len(faults)
        print(*faults[:3], sep="\n", file=sys.stderr)
    await context.close()
    return found


async def _settled(page: Page, found: Visit) -> None:
    """Wait until it shows what it is about, and has loaded what it loads when it has time for it."""
    deadline, seen = time.monotonic() + 60, (0, 0)
    while await page.evaluate("globalThis.thereAt ?? 0") == 0:
        assert time.monotonic() < deadline, f"{page.url} does not show what it is about"
        await asyncio.sleep(0.05)
    while seen != (now := (found.requests, await page.evaluate("document.querySelectorAll('*').length"))):
        seen = now
        await asyncio.sleep(1.5)


async def _count(page: Page, found: Visit, kinds: dict[str, str], address: str) -> None:
    """Count what the browser asks for, as its debugger tells."""
    session = await page.context.new_cdp_session(page)
    host = "/".join(address.split("/")[:3]) + "/"

    def asked(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("data:"):
            return
        kinds[event["requestId"]] = event.get("type", "")
        found.requests += 1
        found.elsewhere += not event["request"]["url"].startswith(host)

    def is_code(event: dict[str, Any]) -> bool:
        return kinds.get(event["requestId"]) in ("Script", "Stylesheet")

    def came(event: dict[str, Any]) -> None:
        found.whole += event["dataLength"] if is_code(event) else 0

    def ended(event: dict[str, Any]) -> None:
        found.wire += round(event["encodedDataLength"]) if is_code(event) else 0

    session.on("Network.requestWillBeSent", asked)
    session.on("Network.dataReceived", came)
    session.on("Network.loadingFinished", ended)
    await session.send("Network.enable")


async def open_all(browser: Browser, side: Side) -> None:
    """Each page some times: the times are the medians, the rest is that of the first."""
    for view in VIEWS:
        where = side.address + (view.ours if side.name == "Oxcart" else view.theirs)
        visits = [await visit(browser, where, view.word, number == 0) for number in range(VISITS)]
        first = visits[0]
        first.paint_ms = statistics.median(one.paint_ms for one in visits)
        first.there_ms = statistics.median(one.there_ms for one in visits)
        side.visits[view.name] = first
        print(f"{side.name}, {view.name}: {first}", file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------------------------------- counting


def commands_of(redis: Redis) -> int:
    """How many commands Redis has run, but for those of this tool. What scripts call counts too."""
    stats: dict[str, dict[str, Any]] = redis.info("commandstats")  # pyright: ignore
    return sum(int(one["calls"]) for name, one in stats.items() if name not in ("cmdstat_info", "cmdstat_ping"))


async def a_minute(redis: Redis, seconds: int) -> float:
    """How many commands a minute Redis runs now."""
    before, begun = commands_of(redis), time.monotonic()
    await asyncio.sleep(seconds)
    return (commands_of(redis) - before) * 60 / (time.monotonic() - begun)


async def count_tabs(browser: Browser, redis: Redis, side: Side, what: str, seconds: int) -> None:
    """What open tabs cost Redis beyond what goes on without them."""
    without = await a_minute(redis, seconds)
    for tabs in (1, 5):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        for _ in range(tabs):
            page = await context.new_page()
            await page.goto(side.address + "/")
        await asyncio.sleep(SETTLE_S)
        side.commands[what, tabs] = max(await a_minute(redis, seconds) - without, 0)
        print(f"{side.name}, {what}, {tabs} tabs: {side.commands[what, tabs]:.0f}", file=sys.stderr, flush=True)
        await context.close()
        await asyncio.sleep(SETTLE_S)


async def ask(side: Side) -> None:
    """How long what the pages ask for takes to be answered: medians."""
    async with httpx.AsyncClient(timeout=60) as client:
        for path in side.asks:
            took: list[float] = []
            size = 0
            for _ in range(ASKED):
                begun = time.perf_counter()
                answer = await client.get(side.address + path)
                took.append((time.perf_counter() - begun) * 1000)
                answer.raise_for_status()
                size = len(answer.content)
            side.answers.append((statistics.median(took), size))


# ------------------------------------------------------------------------------------------------------------- serving


@contextmanager
def ours(url: str) -> Iterator[str]:
    """`oxcart dashboard` in a process of its own."""
    code = "import sys; from oxcart.cli.main import main; sys.argv[0] = 'oxcart'; main()"
    command = [sys.executable, "-c", code, "dashboard", "--redis", url, "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            line = next(line for line in process.stdout if "http://" in line)
            yield "http://" + line.partition("http://")[2].split()[0].rstrip("/")
        finally:
            process.terminate()


@contextmanager
def loaded(url: str) -> Iterator[None]:
    """While it lasts, jobs come and are done."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.dashboard", "--load", url]) as process:
        try:
            with Redis.from_url(url) as redis:  # pyright: ignore[reportUnknownMemberType]
                # Until it has caught up: what was there before is done, and new jobs are.
                while redis.zcard(f"bull:{LOADED}:completed") < 50 or redis.llen(f"bull:{LOADED}:wait") > 2:  # pyright: ignore
                    time.sleep(0.2)
            yield
        finally:
            process.terminate()


@asynccontextmanager
async def chrome() -> AsyncIterator[Browser]:
    """Chromium that finds no host but this one, as behind a firewall: nothing waits for the Internet."""
    args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    args.append("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=args)
        yield browser
        await browser.close()


async def measure(url: str, sides: list[Side], seconds: int) -> None:
    """All of it, one after another, so that nothing measures beside something else."""
    redis = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
    for side in sides:
        await ask(side)
    async with chrome() as browser:
        for side in sides:
            await open_all(browser, side)
        for side in sides:
            await count_tabs(browser, redis, side, "idle", seconds)
        with loaded(url):
            for side in sides:
                await count_tabs(browser, redis, side, "busy", seconds)
    redis.close()


# ------------------------------------------------------------------------------------------------------------ telling


def tables(theirs: Side, mine: Side, jobs: int) -> str:
    """Both tables as Markdown. In each cell: Bull Board → Oxcart."""

    def cells(show: Any) -> str:
        return " | ".join(f"{show(theirs.visits[view.name])} → **{show(mine.visits[view.name])}**" for view in VIEWS)

    rows = {
        "JavaScript and CSS, as sent": lambda one: f"{one.wire / 1000:,.0f} KB",
        "JavaScript and CSS, unpacked": lambda one: f"{one.whole / 1000:,.0f} KB",
        "requests": lambda one: one.requests,
        "requests to other hosts": lambda one: one.elsewhere,
        "first paint": lambda one: f"{one.paint_ms:,.0f} ms",
        "what it is about is there": lambda one: f"{one.there_ms:,.0f} ms",
        "DOM nodes": lambda one: f"{one.nodes:,}",
        "faults that axe finds": lambda one: one.faults,
    }
    lines = [
        f"Seven queues, one with {jobs:,} jobs. In each cell: Bull Board → **Oxcart**.",
        "",
        f"| | {' | '.join(view.name for view in VIEWS)} |",
        f"|---|{'---|' * len(VIEWS)}",
        *(f"| {name} | {cells(show)} |" for name, show in rows.items()),
        "",
        "| | Bull Board | Oxcart |",
        "|---|---|---|",
    ]
    words = {"idle": "nothing goes on", "busy": f"{PER_SECOND} jobs a second"}
    for (what, tabs), count in theirs.commands.items():
        name = f"Redis commands a minute, {tabs} open tab{'s' if tabs > 1 else ''}, {words[what]}"
        lines.append(f"| {name} | {count:,.0f} | **{mine.commands[what, tabs]:,.0f}** |")
    for number, name in enumerate(("the overview", f"a page of failed jobs of {jobs:,}")):
        shown = [
            f"{side.answers[number][0]:.1f} ms, {side.answers[number][1] / 1000:,.1f} KB" for side in (theirs, mine)
        ]
        lines.append(f"| time to answer, and size: {name} | {shown[0]} | **{shown[1]}** |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000, help="how many jobs the large queue has")
    parser.add_argument("--seconds", type=int, default=60, help="how long commands are counted, each time")
    parser.add_argument("--load", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        asyncio.run(load(given.load))
        return
    with tempfile.TemporaryDirectory(prefix="ox") as folder, embedded.running(Path(folder) / "redis") as url:
        asyncio.run(fill(url, given.jobs))
        board = RealBoard({"path": url.removeprefix("unix://")}, "bull", list(QUEUES))
        try:
            with ours(url) as address:
                listed = f"/api/queues?activeQueue={LARGE}&status=failed&page=1&jobsPerPage=10"
                theirs = Side("Bull Board", board.address, ("/api/queues?page=1&jobsPerPage=10", listed))
                asks = ("/api/v1/overview", f"/api/v1/queues/{LARGE}/jobs?state=failed&count=50")
                mine = Side("Oxcart", address, asks)
                asyncio.run(measure(url, [theirs, mine], given.seconds))
        finally:
            board.close()
    print(tables(theirs, mine, given.jobs))


if __name__ == "__main__":
    main()
