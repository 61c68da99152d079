"""The daily digest: a batch that hands over one mail for each user, and a summary of what became of them."""

from __future__ import annotations

import logging
from typing import TypedDict

from oxcart import FlowProducer, Job
from sqlalchemy import select

from ..db import Database
from ..models import User
from ..queues import digest_flow

log = logging.getLogger(__name__)


class Batch(TypedDict):
    """What a batch returns: the job that sums it up, and how many digests that one waits for."""

    summary: str
    digests: int


class Summary(TypedDict):
    """How many digests were sent, were not needed, and failed for good."""

    sent: int
    skipped: int
    failed: int


async def fan_out(batch: Job, *, database: Database, flows: FlowProducer) -> Batch:
    """Add a digest for each user who wants one, all under one summary."""
    # Nobody gets a day's digest twice: a step that is done is not done again when the batch is retried. A crash may
    # come between the adding and the storing of the step; then the ids, one for each user and day, do the same.
    return await batch.step("fan-out", add_digests, day_of(batch), database, flows)


async def sum_up(summary: Job) -> Summary:
    """Count what became of the digests."""
    returned = (await summary.children_values()).values()
    sent = sum(result["messageId"] is not None for result in returned)
    counts = Summary(sent=sent, skipped=len(returned) - sent, failed=len(await summary.ignored_failures()))
    log.info("Digests done id=%s sent=%d skipped=%d failed=%d", summary.id, *counts.values())
    return counts


async def add_digests(day: str, database: Database, flows: FlowProducer) -> Batch:
    """Add the digests of a day, as a flow."""
    async with database.sessions() as session:
        users = list(await session.scalars(select(User.id).where(User.wants_digest)))
    summary = await flows.add(digest_flow(day, users))
    return {"summary": summary.job.id, "digests": len(users)}


def day_of(batch: Job) -> str:
    """The day that a batch is for, which stays the same when it runs late or is retried after midnight."""
    moment = batch.scheduled_for or batch.created_at  # the second, if somebody has added it by hand
    assert moment is not None
    return moment.date().isoformat()
