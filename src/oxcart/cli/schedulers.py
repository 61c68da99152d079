"""`oxcart schedulers`: what comes again and again in a queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .. import OptionsError, Queue, Scheduler, SchedulerError
from ..words import in_words


@click.command()
@click.argument("queue")
@click.option("--redis", "url", metavar="URL", help="Where Redis is: else OXCART_REDIS_URL, REDIS_URL, or localhost.")
@click.option("--prefix", default="bull", show_default=True, help="What the names of the queue's keys begin with.")
@click.option("--convert-legacy", is_flag=True, help="First turn repeated jobs of BullMQ 5 into schedulers.")
@click.option("--pause", "pause", metavar="ID", help="First pause this one: it makes no runs until it is resumed.")
@click.option("--resume", "resume", metavar="ID", help="First let this one go on, which is paused.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def schedulers(
    queue: str, url: str | None, prefix: str, convert_legacy: bool, pause: str | None, resume: str | None, as_json: bool
) -> None:
    """List the schedulers of a queue, the next to run first."""
    try:
        converted, found = asyncio.run(_ask(queue, url, prefix, convert_legacy, pause, resume))
    except OptionsError as error:
        raise click.UsageError(str(error)) from None
    except SchedulerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        answer: dict[str, Any] = {"schedulers": [_as_json(scheduler) for scheduler in found]}
        click.echo(json.dumps(answer | ({"converted": converted} if convert_legacy else {})))
        return
    for old, new in converted.items():
        click.echo(f"converted {old} into {new}")
    if convert_legacy and (left := sum(scheduler.legacy for scheduler in found)):
        click.echo(f"{left} could not be converted now: their runs are active, or not there; try again later")
    click.echo("\n".join(table(found, datetime.now(UTC))) if found else f"no schedulers in {queue}")


async def _ask(
    name: str, url: str | None, prefix: str, convert_legacy: bool, pause: str | None, resume: str | None
) -> tuple[dict[str, str], list[Scheduler]]:
    async with Queue(name, connection=url, prefix=prefix) as queue:
        converted = await queue.convert_legacy_schedulers() if convert_legacy else {}
        if pause is not None and not await queue.pause_scheduler(pause):
            raise click.ClickException(f"{name} has no scheduler {_plain(pause)} that runs")
        if resume is not None and await queue.resume_scheduler(resume) is None:
            raise click.ClickException(f"{name} has no scheduler {_plain(resume)} that is paused")
        return converted, [*await queue.schedulers(ascending=True), *await queue.paused_schedulers()]


def table(found: Sequence[Scheduler], now: datetime) -> list[str]:
    """The lines of the list: a head, and one for each scheduler."""
    head = ("ID", "JOB", "NEXT RUN (UTC)", "IN", "RUNS", "WHEN")
    rows = [head, *(_row(scheduler, now) for scheduler in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(scheduler: Scheduler, now: datetime) -> tuple[str, ...]:
    due = "" if scheduler.next is None else f"{scheduler.next.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    wait = "" if scheduler.next is None else "ended" if scheduler.ended else _span(scheduler.next - now)
    if scheduler.paused_at is not None:
        wait = "paused"
    runs = "version 5" if scheduler.legacy else str(scheduler.iterations)
    if scheduler.limit is not None and not scheduler.legacy:
        runs += f" of {scheduler.limit}"
    return _plain(scheduler.id), _plain(scheduler.name), due, wait, runs, _plain(in_words(scheduler))


def _span(span: timedelta) -> str:
    """A length of time, short: `2d 3h`, `5m`; a time that has passed is over."""
    seconds = int(span.total_seconds())
    if seconds < 0:
        return "due"
    sizes = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in sizes:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def _plain(text: str) -> str:
    """Text that can't steer a terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)


def _as_json(scheduler: Scheduler) -> dict[str, Any]:
    def moment(value: datetime | None) -> str | None:
        return None if value is None else value.isoformat()

    return {
        "id": scheduler.id,
        "name": scheduler.name,
        "next": moment(scheduler.next),
        "next_job_id": scheduler.next_job_id,
        "words": in_words(scheduler),
        "cron": scheduler.cron,
        "every": scheduler.every,
        "tz": scheduler.tz,
        "limit": scheduler.limit,
        "start": moment(scheduler.start),
        "end": moment(scheduler.end),
        "offset": scheduler.offset,
        "iterations": scheduler.iterations,
        "data": scheduler.data,
        "overlap": scheduler.overlap,
        "missed": scheduler.missed,
        "jitter": scheduler.jitter,
        "runs_left": scheduler.runs_left,
        "ended": scheduler.ended,
        "paused_at": moment(scheduler.paused_at),
        "legacy": scheduler.legacy,
    }
