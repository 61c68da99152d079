"""Ids, not documents: what jobs carry, and what keeps the rest out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from conftest import Register
from oxcart import Flow, Job, PayloadError
from pages import Visitor, picture

from taskmanager.contract import QUEUES
from taskmanager.queues import Queues, digest_flow

WORDS = "A title that has no place in a job"


async def everything_added(queues: Queues) -> list[Job]:
    """All jobs, wherever they wait."""
    found: list[Job] = []
    for name in QUEUES:
        queue = queues.named(name)
        assert queue is not None
        found += await queue.jobs("waiting", "prioritized", "delayed", "waiting-children")
    return found


def texts(data: Any) -> Iterator[tuple[str, str]]:
    """What a job carries, by name."""
    assert isinstance(data, dict)
    yield from data.items()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


async def test_whatever_one_does_jobs_carry_ids_only(
    api: httpx.AsyncClient, register: Register, queues: Queues
) -> None:
    ada = await register(name=WORDS)
    visitor = Visitor(api)
    task = await visitor.new_task(WORDS, description=WORDS, assigneeId=ada["id"])
    await visitor.upload(task, picture(), name=f"{WORDS}.png")
    await register(email="grace@example.com")
    await queues.named("notifications").remove_deduplication(f"{task.rpartition('/')[2]}-{ada['id']}")  # pyright: ignore
    await visitor.send(f"{task}/comments", text=WORDS)
    await visitor.send("/reports/new")
    await queues.flows.add(digest_flow("2026-11-27", [ada["id"]]))

    jobs = await everything_added(queues)
    assert {job.name for job in jobs} == {
        *("welcome", "task-assigned", "daily-digest", "digest-summary", "report-ready"),
        *("task-commented", "thumbnail", "collect", "render"),
    }
    for job in jobs:
        for name, value in texts(job.data):
            assert name.endswith("Id") and (len(value) == 36 or value == "general"), (job.name, name, value)


@pytest.mark.parametrize("name", QUEUES)
async def test_a_document_is_refused_before_it_is_sent(queues: Queues, name: str) -> None:
    queue = queues.named(name)
    assert queue is not None
    with pytest.raises(PayloadError):
        await queue.add("welcome", {"userId": "1" * 36, "body": WORDS * 100})
    with pytest.raises(PayloadError):
        await queues.flows.add(Flow(name, "parent", children=[Flow(name, "child", {"body": WORDS * 100})]))
    assert await everything_added(queues) == []
