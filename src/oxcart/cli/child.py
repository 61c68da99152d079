"""One worker process, started by the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable

import click

from ..errors import OptionsError
from ..worker import signals
from ..worker.worker import Worker
from .ending import ending
from .target import TargetError, load, select

USAGE = 64
"""The exit code that tells the supervisor that trying again can't help. Like the next one, no job's by chance."""

UNLOADABLE = 65
"""The exit code that tells the supervisor that the user's module raised something; what, has been said."""

SLOT_BYTES = 2
"""How long the number of a process is, which the supervisor hears through the lifeline when all could be loaded."""

INSIST = signal.SIGUSR1
"""The signal to give running jobs back at once. SIGTERM and SIGINT may come twice: from the supervisor, and to all of
its group from a terminal or from systemd. However often they come, they ask to stop, and no more."""

log = logging.getLogger("oxcart.worker")


@click.command()
@click.argument("target")
@click.option("--queue", "queues", multiple=True)
@click.option("--concurrency", type=int)
@click.option("--log-level", default="INFO")
@click.option("--lifeline", type=int, help="A socket that ends when the supervisor is gone.")
@click.option("--slot", type=int, default=0, help="Which of several processes this is.")
@click.option("--whole", is_flag=True, help="Tell where the module has raised something, not only what.")
def main(
    target: str,
    queues: tuple[str, ...],
    concurrency: int | None,
    log_level: str,
    lifeline: int | None,
    slot: int,
    whole: bool,
) -> None:
    """Run the workers that TARGET names until a signal."""
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as SIGTERM: nothing has begun yet
    if lifeline is not None:
        os.set_inheritable(lifeline, False)  # no business of what jobs start
    workers = _load(target, queues, whole=whole)
    if concurrency is not None:
        for worker in workers:
            worker.concurrency = concurrency
    if lifeline is not None:
        with contextlib.suppress(OSError):  # the supervisor may be gone
            os.write(lifeline, slot.to_bytes(SLOT_BYTES))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner, ending():
        try:
            runner.run(run_all(workers, lifeline))
        except Exception:  # Python would tell it after all threads have ended, which may be never
            log.critical("the process ends, and its workers with it", exc_info=True)
            sys.exit(1)


def _load(target: str, queues: tuple[str, ...], *, whole: bool) -> list[Worker]:
    """The workers to run; what is in the way is told, and ends the process."""
    try:
        return select(load(target), queues, target)
    except (TargetError, OptionsError) as error:
        click.echo(f"oxcart: {error}", err=True)
        sys.exit(USAGE)
    except BaseException as error:  # SystemExit too: the module may have said why
        _tell_unloadable(target, error, whole=whole)
        sys.exit(UNLOADABLE)


def _tell_unloadable(target: str, error: BaseException, *, whole: bool) -> None:
    """Say what the user's module has raised: where in it, and of what cause, but not how we came to it."""
    raised = traceback.TracebackException.from_exception(error)
    what = "".join(raised.format_exception_only()).rstrip()
    if isinstance(error, SyntaxError):
        what = what.splitlines()[-1]
    if whole:
        _leave_us_out(raised)
        if where := "".join(raised.format()).rstrip().removesuffix(what).rstrip():
            click.echo(where, err=True)
    click.echo(f"oxcart: {target} can't be loaded: {what}", err=True)


def _leave_us_out(raised: traceback.TracebackException) -> None:
    left = [raised]
    while left:
        one = left.pop()
        theirs = [step for step in one.stack if not step.filename.startswith(_OURS)]
        one.stack = traceback.StackSummary.from_list(theirs)
        left += filter(None, (one.__cause__, one.__context__, *(one.exceptions or ())))


_OURS = (__file__, load.__code__.co_filename, importlib.__file__, "<frozen importlib")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return None
    return uvloop.new_event_loop


async def run_all(workers: list[Worker], lifeline: int | None) -> None:
    """Run all workers of this process; when one ends of a bug, the others are stopped and the process fails."""
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop(timeout: float | None = None) -> None:
        if lifeline is not None:
            loop.remove_reader(lifeline)
        stopping.extend(asyncio.ensure_future(worker.close(timeout)) for worker in workers)

    signals.supervised = True
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(INSIST, stop, 0)
    signals.spare_forks()
    if lifeline is not None:
        os.set_blocking(lifeline, False)
        loop.add_reader(lifeline, stop)
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())
