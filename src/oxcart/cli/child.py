"""One worker process, started by the supervisor: `python -m oxcart.cli.child MODULE:TARGET …`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import traceback

import click

from ..errors import OxcartError
from ..worker.worker import Worker
from .target import TargetError, load, select

USAGE = 2
"""The exit code that tells the supervisor that trying again can't help."""

UNLOADABLE = 3
"""The exit code that tells the supervisor that the user's module raised something; what, has been said."""


@click.command()
@click.argument("target")
@click.option("--queue", "queues", multiple=True)
@click.option("--concurrency", type=int)
@click.option("--log-level", default="INFO")
@click.option("--lifeline", type=int, help="A descriptor that ends when the supervisor is gone.")
@click.option("--slot", type=int, default=0, help="Which of several processes this is.")
def main(
    target: str, queues: tuple[str, ...], concurrency: int | None, log_level: str, lifeline: int | None, slot: int
) -> None:
    """Run the workers that TARGET names until a signal."""
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        workers = select(load(target), queues, target)
    except (TargetError, OxcartError) as error:
        click.echo(f"oxcart: {error}", err=True)
        sys.exit(USAGE)
    except Exception as error:
        _tell_unloadable(target, error, whole=slot == 0)  # the others have the same to say
        sys.exit(UNLOADABLE)
    if concurrency is not None:
        for worker in workers:
            worker.concurrency = concurrency
    with contextlib.suppress(ImportError):
        import uvloop  # pyright: ignore[reportMissingTypeStubs]

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_all(workers, lifeline))
        return
    asyncio.run(run_all(workers, lifeline))


def _tell_unloadable(target: str, error: Exception, *, whole: bool) -> None:
    """Say what the user's module has raised: where in it, but not how we came to it."""
    if whole:
        steps = traceback.extract_tb(error.__traceback__)
        theirs = [step for step in steps if step.filename not in _OURS and "importlib" not in step.filename]
        click.echo("".join(traceback.format_list(theirs)), err=True, nl=False)
    [line, *_] = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1:]
    click.echo(f"oxcart: {target} can't be loaded: {line}", err=True)


_OURS = frozenset({__file__, load.__code__.co_filename})


async def run_all(workers: list[Worker], lifeline: int | None) -> None:
    """Run all workers of this process; when one ends of a bug, the others are stopped and the process fails."""
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        asyncio.get_running_loop().remove_reader(lifeline or 0)
        stopping.extend(asyncio.ensure_future(worker.close()) for worker in workers)

    if lifeline is not None:
        os.set_blocking(lifeline, False)
        asyncio.get_running_loop().add_reader(lifeline, stop)
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())


if __name__ == "__main__":
    main()
