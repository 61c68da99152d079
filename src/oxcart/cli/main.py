"""The command line's entrance: groups the commands, and makes every failure one line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import click

from ..errors import OptionsError, OxcartError
from .cancel import cancel
from .dashboard import dashboard
from .schedulers import schedulers
from .supervisor import Supervisor
from .target import TargetError, check_shape


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="oxcart")
def cli() -> None:
    """Background jobs for Python on Redis, sharing queues with BullMQ for Node."""


@cli.command()
@click.argument("target", metavar="MODULE:TARGET")
@click.option("--queue", "queues", multiple=True, help="Only the workers of this queue (may be repeated).")
@click.option("--concurrency", type=click.IntRange(min=1), help="Jobs at once in each process, for every worker.")
@click.option("--processes", type=click.IntRange(min=1), default=1, show_default=True, help="Worker processes.")
@click.option("--reload", is_flag=True, help="Start anew when a Python file below this folder changes.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
def worker(
    target: str, queues: tuple[str, ...], concurrency: int | None, processes: int, reload: bool, log_level: str
) -> None:
    """Run workers: a Worker, a list of them, or a function that returns either.

    The first SIGTERM or Ctrl-C lets running jobs finish, the second gives them back at once.
    """
    try:
        check_shape(target)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="MODULE:TARGET") from None
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    while (spare := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(spare, True)  # stdin, stdout or stderr was closed: nothing else must take its place
    os.close(spare)
    arguments = [target, "--log-level", log_level.upper()]
    arguments += [word for queue in queues for word in ("--queue", queue)]
    arguments += ["--concurrency", str(concurrency)] if concurrency is not None else []
    sys.exit(asyncio.run(_supervise(arguments, processes, reload)))


@cli.command()
@click.option(
    "--redis", "url", metavar="URL", help="Where to measure: else OXCART_REDIS_URL, REDIS_URL, or a server for it."
)
@click.option(
    "--node-modules",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where BullMQ for Node is: else ./node_modules or tests/interop/node/node_modules.",
)
@click.option("--pairs", type=click.IntRange(min=1), help="Runs of each side, in turn.  [default: 3, quick: 1]")
@click.option("--only", metavar="NAME", multiple=True, help="Only this measure, such as process-100 (may be repeated).")
@click.option("--quick", is_flag=True, help="A few seconds instead of minutes: shows that it runs, not how fast.")
@click.option("--json", "form", flag_value="json", help="For programs.")
@click.option("--markdown", "form", flag_value="markdown", help="The table of benchmarks/README.md.")
def bench(
    url: str | None, node_modules: Path | None, pairs: int | None, only: tuple[str, ...], quick: bool, form: str | None
) -> None:
    """Measure how fast jobs are added and processed here, beside BullMQ for Node if it is there.

    The queues of the measurement have names of their own and are removed afterwards; nothing else is touched.
    """
    from ..bench.run import bench as measure  # it and its needs are loaded for nobody else

    def tell(line: str) -> None:
        if sys.stderr.isatty():
            click.echo(line, err=True)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is measured on is tidied first, as for Ctrl-C
    try:
        report = measure(url, node_modules, pairs or (1 if quick else 3), quick, only, tell)
    except OptionsError as error:
        raise click.UsageError(str(error)) from None
    click.echo({"json": report.as_json, "markdown": report.as_markdown}.get(form or "", report.as_table)())


cli.add_command(cancel)
cli.add_command(dashboard)
cli.add_command(schedulers)


async def _supervise(arguments: list[str], processes: int, reload: bool) -> int:
    return await Supervisor(arguments, processes, reload).run()


def main() -> None:
    """Run a command; a failure is one line on stderr and exit code 1, wrong usage 2."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as usage:
        click.echo(usage.format_message())
        sys.exit(2)
    except click.UsageError as error:
        click.echo(f"oxcart: {error.format_message()}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"oxcart: {error.format_message()}", err=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except OxcartError as error:
        click.echo(f"oxcart: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
