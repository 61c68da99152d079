"""The rule of reports: a flow, whose progress one can watch, and which ends with a mail."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable

from ...contract import REPORTS
from ..stage import Stage
from ..visitor import Visitor
from ..watch import until
from .look import ensure

PROJECTS = ("Engine", "Compiler", "Garden")


async def flow_with_progress(stage: Stage) -> str:
    """Somebody asks for a report and watches; then the link is in their inbox."""
    async with stage.visitor("Rosa Reader", "rosa@example.com") as rosa:
        for name in PROJECTS:
            await rosa.send_form("/projects/new", {"name": name})
        await rosa.create_task("Write it down", dueOn="2026-01-01")
        queue = stage.queues.named(REPORTS)
        assert queue is not None
        await queue.pause()  # it begins when somebody watches: else all of it may be over before
        try:
            report = await rosa.ask_for_report()
            answered_ms = rosa.last_s * 1000
            began = time.monotonic()
            percents = await watch(rosa, report, queue.resume)
        finally:
            await queue.resume()
        seconds = time.monotonic() - began
        pdf = (await rosa.ask("GET", f"/reports/{report}/file")).content
        ensure(pdf.startswith(b"%PDF"), "what was made is no PDF")
    ensure(percents == sorted(percents) and percents[-1] == 100 and len(percents) >= 3, f"it told {percents} %")
    job = await queue.job(report)
    assert job is not None
    ensure(
        job.progress == {"done": job.return_value["projects"], "of": job.return_value["projects"]},
        "no progress was told",
    )
    [mail] = await until(lambda: stage.mail.mails_to("rosa@example.com", "Your report is ready"), "the mail comes", 45)
    text = mail.get_body(("plain",))
    ensure(text is not None and f"/reports/{report}" in text.get_content(), "the mail has no link to the report")
    told = " → ".join(map(str, percents))
    return (
        f"asked for in {answered_ms:.0f} ms, a PDF of {len(pdf) / 1000:.1f} kB after {seconds:.1f} s; the page was "
        f"told {told} %; then its link was mailed"
    )


async def watch(reader: Visitor, report: str, begin: Callable[[], Awaitable[object]]) -> list[int]:
    """What the report's page is told of how far it is, as it happens; `begin` is called when it has been told first."""
    percents: list[int] = []
    async with reader.http.stream("GET", f"/reports/{report}/live") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                now = json.loads(line.removeprefix("data: "))
                percents.append(now["percent"])
                if len(percents) == 1:
                    await begin()
                if now["over"]:
                    break
    return percents
