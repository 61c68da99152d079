"""`oxcart dashboard`: the dashboard alone, in a server of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .. import Connection, ConnectionFailed, OptionsError, OxcartError

if TYPE_CHECKING:
    from ..dashboard import Dashboard

LEAVE_S = 5
"""How long requests under way may take when the server is to stop."""

RETRY_S = 1
"""After how long a Redis that can't be reached at the start is tried again."""

MISSING = "the dashboard needs some more packages: pip install 'oxcart[dashboard]'"


@click.command()
@click.option("--redis", "url", metavar="URL", help="Where Redis is: else OXCART_REDIS_URL, REDIS_URL, or localhost.")
@click.option("--prefix", default="bull", show_default=True, help="What the names of the queues' keys begin with.")
@click.option("--queue", "queues", multiple=True, help="Only this queue (may be repeated); else all that are there.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; others than this machine need --auth."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8100, show_default=True, help="0 takes any that is free."
)
@click.option("--read-only", is_flag=True, help="Looking only: nobody can change anything.")
@click.option(
    "--auth",
    multiple=True,
    metavar="USER:PASS",
    envvar="OXCART_DASHBOARD_AUTH",
    help="Who may come in (may be repeated). Safer in OXCART_DASHBOARD_AUTH, as others see command lines.",
)
@click.option(
    "--alert-webhook",
    "webhooks",
    multiple=True,
    metavar="URL",
    envvar="OXCART_ALERT_WEBHOOK",
    help="Where to tell of many failures, missing workers and old jobs (may be repeated).",
)
@click.option("--environment", metavar="WORD", help="A word for a strip across the top, such as staging.")
def dashboard(
    url: str | None,
    prefix: str,
    queues: tuple[str, ...],
    host: str,
    port: int,
    read_only: bool,
    auth: tuple[str, ...],
    webhooks: tuple[str, ...],
    environment: str | None,
) -> None:
    """See and steer queues in a browser, those of BullMQ for Node too.

    Without --auth it answers this machine only. Ctrl-C or SIGTERM stops it.
    """
    try:
        import uvicorn as _  # noqa: F401

        from ..dashboard import Dashboard, basic, webhook
        from ..dashboard.alerts import usual_alerts
    except ImportError:
        raise click.ClickException(MISSING) from None
    users = _users(auth)
    if not users and not _is_this_machine(host):
        raise click.UsageError(
            f"--host {host}: other machines could come in, and nobody would ask them who they are: "
            "give --auth USER:PASS too, or set OXCART_DASHBOARD_AUTH"
        )
    try:
        connection = Connection(url)
        made = Dashboard(
            queues or None,
            connection=connection,
            prefix=prefix,
            auth=basic(users) if users else None,
            read_only=read_only,
            environment=environment,
            alerts=usual_alerts([webhook(url) for url in webhooks]) if webhooks else (),
        )
    except OptionsError as error:
        raise click.UsageError(str(error)) from None
    _serve(made, connection, host, port)


def _users(given: Sequence[str]) -> dict[str, str]:
    users: dict[str, str] = {}
    for pair in given:
        name, colon, password = pair.partition(":")
        if not colon or not name or not password:
            raise click.UsageError("--auth: write USER:PASS, such as ada:engine-1843")
        users[name] = password
    return users


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # Connections have it from here: asyncio sets it only where the protocol is named, which it isn't here. Without
        # it each answer, sent in two pieces, waits for 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise click.ClickException(f"can't listen on {host} port {port}: {error.strerror or error}") from None


async def _tell_of_redis(connection: Connection) -> None:
    """Tell if Redis can't be reached at the start, and when it can: the page says so only to who opens it."""
    told = ""
    while True:
        try:
            await connection.transport.execute("PING")
            break
        except ConnectionFailed as error:
            if told != (told := str(error)):  # it may be there then, and want a log-in
                click.echo(f"oxcart: {told.rstrip('.')}. The dashboard waits for it.", err=True)
            await asyncio.sleep(RETRY_S)
        except OxcartError:
            break  # it is there, and doesn't like the question
    if told:
        click.echo("oxcart: Redis is there.", err=True)


def _serve(app: Dashboard, connection: Connection, host: str, port: int) -> None:
    """Answer requests until a signal. The first ends it in order, a second Ctrl-C at once."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            shown = f"[{host}]" if ":" in host else host
            click.echo(f"The dashboard is at http://{shown}:{listening.getsockname()[1]}  (Ctrl-C stops it)")
            self._telling = asyncio.create_task(_tell_of_redis(connection), name="oxcart-redis")

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            self._telling.cancel()
            await app.close()  # first, as it would wait for every open tab
            await super().shutdown(sockets)
            await connection.close()

    listening = _listen(host, port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=LEAVE_S,
    )
    # It raises the signal again when it has stopped; to be stopped is no failure.
    before = [(number, signal.signal(number, _stay)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        asyncio.run(Server(config).serve(sockets=[listening]))
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        listening.close()


def _stay(number: int, frame: object) -> None:
    """What a signal does after the server has heeded it: nothing."""
