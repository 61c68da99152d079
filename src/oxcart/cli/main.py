"""The command line's entrance: groups the commands, and makes every failure one line."""

from __future__ import annotations

import asyncio
import logging
import sys

import click

from ..errors import OxcartError
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
    arguments = [target, "--log-level", log_level.upper()]
    arguments += [word for queue in queues for word in ("--queue", queue)]
    arguments += ["--concurrency", str(concurrency)] if concurrency is not None else []
    sys.exit(asyncio.run(_supervise(arguments, processes, reload)))


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
