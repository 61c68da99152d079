"""`oxcart cancel`: stop a job that runs, wherever its worker is."""

from __future__ import annotations

import asyncio

import click

from .. import OptionsError, Queue


@click.command()
@click.argument("queue")
@click.argument("job_id", metavar="ID")
@click.option("--reason", default="", help="Why: the job fails with it.")
@click.option("--redis", "url", metavar="URL", help="Where Redis is: else OXCART_REDIS_URL, REDIS_URL, or localhost.")
@click.option("--prefix", default="bull", show_default=True, help="What the names of the queue's keys begin with.")
def cancel(queue: str, job_id: str, reason: str, url: str | None, prefix: str) -> None:
    """Ask the worker that runs a job to cancel it. The job fails for good; workers of BullMQ can't be asked."""
    try:
        seconds = asyncio.run(_ask(queue, job_id, reason, url, prefix))
    except OptionsError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"asked: its worker hears of it within {max(seconds, 0.1):.3g} s")


async def _ask(name: str, job_id: str, reason: str, url: str | None, prefix: str) -> float:
    async with Queue(name, connection=url, prefix=prefix) as queue:
        return await queue.cancel_job(job_id, reason)
