"""Reports: counted by project, drawn in a child process, mailed; and watched while that goes on."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from conftest import Alerts, Register, RunWorkers
from oxcart import FlowNode, JobFailed, JobState, Queue
from pages import Visitor
from sqlalchemy import delete
from waiting import wait_until

from taskmanager.db import Database
from taskmanager.demo.inbox import Inbox
from taskmanager.files import Files, put
from taskmanager.models import Project
from taskmanager.queues import Queues
from taskmanager.web.pages import live
from taskmanager.worker import alert_worker, email_worker, report_worker

SUBJECT = "Your report is ready"


@pytest.fixture
def reports(queues: Queues) -> Queue:
    found = queues.named("reports")
    assert found is not None
    return found


async def new_project(visitor: Visitor, name: str) -> str:
    return (await visitor.send("/projects/new", name=name)).partition("=")[2]


async def told(visitor: Visitor, report: str) -> list[dict[str, Any]]:
    """What a page that watches is told, to the end."""
    async with visitor.api.stream("GET", f"{report}/live", timeout=60) as answer:
        lines = [line async for line in answer.aiter_lines()]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def mails(inbox: Inbox, subject: str) -> list[EmailMessage]:
    return [mail for mail in inbox.mails if mail["Subject"] == subject]


async def test_a_report_is_counted_by_project_drawn_and_mailed(
    visitor: Visitor, reports: Queue, inbox: Inbox, run_workers: RunWorkers
) -> None:
    website = await new_project(visitor, "Website")
    done = await visitor.new_task("Done", projectId=website)
    await visitor.send(f"{done}/state", state="done")
    await visitor.new_task("Too late – Łódź, Αθήνα", projectId=website, dueOn="2020-01-01")
    report = await visitor.send("/reports/new")
    await run_workers(email_worker, report_worker)

    seen = await told(visitor, report)
    assert seen[-1] == {"percent": 100, "text": "Ready", "over": True}
    percents = [now["percent"] for now in seen]
    assert percents == sorted(percents)
    render = await reports.job(report.rpartition("/")[2])
    assert render is not None
    result = await render.result(30)
    assert (result["projects"], result["pages"]) == (2, 1)
    numbers = {value["project"]: value for value in (await render.children_values()).values()}
    assert numbers["Website"] | {"late": []} == {
        "project": "Website",
        **{"open": 1, "doing": 0, "done": 1, "overdue": 1, "late": []},
    }
    assert numbers["Website"]["late"] == ["Too late – Łódź, Αθήνα"]
    await render.refresh()
    assert render.progress == {"done": 2, "of": 2}
    # It was drawn in a child process: what draws has never been in that of the workers.
    assert "fpdf" not in sys.modules

    pdf = await visitor.api.get(f"{report}/file")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.content.startswith(b"%PDF-")
    assert len(pdf.content) == result["bytes"]
    assert "Your report is ready" in await visitor.page(report)
    [mail] = await wait_until(lambda: mails(inbox, SUBJECT))
    body = mail.get_body(("plain",))
    assert body is not None and f"https://tasks.example.com{report}" in body.get_content()


async def test_it_is_a_flow_and_each_of_its_jobs_is_tried_once(visitor: Visitor, queues: Queues) -> None:
    await new_project(visitor, "Website")
    report_id = (await visitor.send("/reports/new")).rpartition("/")[2]

    flow = await queues.flows.get("email", report_id)
    assert flow is not None

    def shape(node: FlowNode) -> Any:
        return node.job.name, node.job.queue_name, sorted(shape(child) for child in node.children)

    collects: list[Any] = [("collect", "reports", [])] * 2
    assert shape(flow) == ("report-ready", "email", [("render", "reports", collects)])
    [render] = flow.children
    assert [child.job.options.get("attempts", 1) for child in (render, *render.children)] == [1, 1, 1]
    # The mail may be tried again, as any other.
    assert flow.job.options.get("attempts") == 3


async def test_the_page_of_a_report_says_how_far_it_is(visitor: Visitor) -> None:
    for name in ("Website", "Office"):
        await new_project(visitor, name)
    report = await visitor.send("/reports/new")
    assert "Counting: 0 of 3 projects" in await visitor.page(report)
    assert 'value="0"' in await visitor.page(report)


async def test_a_report_that_is_made_while_one_looks_is_not_said_to_have_failed(
    visitor: Visitor, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await visitor.send("/reports/new")

    async def completed_meanwhile(queue: Queue, job_id: str) -> JobState:
        put(Files(data_dir).report(job_id), b"%PDF-")
        return JobState.COMPLETED

    monkeypatch.setattr(Queue, "state", completed_meanwhile)
    assert "Your report is ready" in await visitor.page(report)


async def test_who_watches_hears_of_what_no_event_has_told(
    visitor: Visitor, data_dir: Path, reports: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await visitor.send("/reports/new")
    monkeypatch.setattr(live, "STILL_HERE_S", 0.05)
    watching = asyncio.create_task(told(visitor, report))
    await asyncio.sleep(0.2)
    put(Files(data_dir).report(report.rpartition("/")[2]), b"%PDF-")
    assert (await asyncio.wait_for(watching, 20))[-1]["text"] == "Ready"


async def test_only_who_has_asked_sees_it(visitor: Visitor, register: Register, run_workers: RunWorkers) -> None:
    report = await visitor.send("/reports/new")
    await run_workers(report_worker)
    await told(visitor, report)
    await register(email="grace@example.com")
    for path in ("", "/file", "/live", "/card"):
        assert (await visitor.api.get(f"{report}{path}")).status_code == 404
    assert report not in await visitor.page("/reports")


async def test_a_report_that_can_not_be_made_is_tried_once_and_its_owner_is_told(
    visitor: Visitor, reports: Queue, inbox: Inbox, database: Database, run_workers: RunWorkers, alerts: Alerts
) -> None:
    project = await new_project(visitor, "Website")
    report = await visitor.send("/reports/new")
    async with database.sessions() as session:
        await session.execute(delete(Project).where(Project.id == project))
        await session.commit()
    await run_workers(email_worker, report_worker, alert_worker)

    assert (await told(visitor, report))[-1] == {"percent": 0, "text": "It could not be made", "over": True}
    assert "could not be made" in await visitor.page(report)
    render = await reports.job(report.rpartition("/")[2])
    assert render is not None
    with pytest.raises(JobFailed):
        await render.result(30)
    await wait_until(lambda: mails(inbox, "Your report could not be made"))
    # Those who look after the application hear of the cause, and of what came of it.
    assert len(await wait_until(lambda: len(alerts()) == 2 and alerts())) == 2
    assert any(f"project {project} does not exist any more" in reason for _, reason in alerts())


async def test_a_report_that_is_made_twice_is_one_file(
    visitor: Visitor, reports: Queue, data_dir: Path, run_workers: RunWorkers
) -> None:
    report = await visitor.send("/reports/new")
    await run_workers(report_worker)
    await told(visitor, report)
    render = await reports.job(report.rpartition("/")[2])
    assert render is not None
    await render.result(30)
    await render.refresh()
    await render.retry()
    await wait_until(lambda: is_completed(reports, render.id))
    assert [file.name for file in (data_dir / "reports").iterdir()] == [f"{render.id}.pdf"]


async def is_completed(queue: Queue, job_id: str) -> bool:
    return await queue.state(job_id) == "completed"


async def test_without_redis_one_is_told_that_it_can_not_be_made_now(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        return None

    monkeypatch.setattr(Queues, "add_report", away)
    assert "at the moment" in await visitor.send("/reports/new", status=503)
    assert not re.search(r'href="/reports/[\w-]+"', await visitor.page("/reports"))
