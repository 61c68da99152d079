"""The database: one engine for each process, one session for each request or job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import URL, event, func, make_url, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from .models import GENERAL, Base, Project

ASYNC_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

LOCKED_S = 10
"""How long to wait for another process that writes to the same SQLite file."""

CREATING = 8_000_800
"""The number of the lock that is held while tables are created; any will do."""


class Unstorable(Exception):
    """A text has a NUL in it, which PostgreSQL can't store. On SQLite it is refused, too: both answer alike."""


class Database:
    """Where users and tasks are. Nothing is opened before the first use.

    Example: `async with database.sessions() as session: user = await session.get(User, user_id)`
    """

    def __init__(self, url: str) -> None:
        # What goes into a statement stays out of errors, and so out of the log and of jobs: a hash of a password, say.
        # And a connection is tried before it is used: after a restart of the server all of them are dead.
        self.engine: AsyncEngine = create_async_engine(with_async_driver(url), hide_parameters=True, pool_pre_ping=True)
        event.listen(self.engine.sync_engine, "before_cursor_execute", _refuse_nul)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _set_up_sqlite)
        # What was committed stays readable: a request commits first, then adds its job, then answers.
        self.sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(self.engine, expire_on_commit=False)

    async def create_tables(self) -> None:
        """Create what is missing; several processes may do so at once."""
        if self.engine.dialect.name == "sqlite":
            await self._let_read_while_written()
        async with self.engine.begin() as connection:
            # In PostgreSQL "if not exists" looks first and creates then: two at once would get into each other's way.
            await one_at_a_time(connection, CREATING)
            for table in Base.metadata.sorted_tables:
                await connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    await connection.execute(CreateIndex(index, if_not_exists=True))
        await self._create_general_project()

    async def _create_general_project(self) -> None:
        async with self.sessions() as session:
            if await session.scalar(select(Project.id).where(Project.id == GENERAL)):
                return
            session.add(Project(id=GENERAL, name="General"))
            with contextlib.suppress(IntegrityError):  # another process was quicker
                await session.commit()

    async def _let_read_while_written(self) -> None:
        """Switch the file to a write-ahead log, so that readers and the writer don't wait for each other."""
        async with asyncio.timeout(LOCKED_S):
            while True:
                try:
                    async with self.engine.connect() as connection:
                        await connection.execution_options(isolation_level="AUTOCOMMIT")
                        await connection.execute(text("PRAGMA journal_mode=WAL"))
                    return
                except OperationalError as error:
                    # SQLite doesn't wait by itself while another process makes the same switch.
                    if "locked" not in str(error.orig):
                        raise
                    await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def one_at_a_time(connection: AsyncConnection, number: int) -> None:
    """Until this transaction ends, let nobody into one with this number. SQLite has all who write take turns anyway."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(number)))


def with_async_driver(url: str) -> URL:
    """The URL with an async driver, where it names none."""
    parsed = make_url(url)
    return parsed.set(drivername=ASYNC_DRIVERS.get(parsed.drivername, parsed.drivername))


def _refuse_nul(_: object, __: object, ___: object, parameters: Any, context: object, many: bool) -> None:
    """In one place, and not at each field that somebody may fill in."""
    if _has_nul(parameters):
        raise Unstorable("texts can't have a NUL in them")


def _has_nul(value: Any) -> bool:
    """Look into a row, or many of them: rows inserted with one statement come as one, with all their values."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(map(_has_nul, cast(Mapping[str, Any], value).values()))
    return isinstance(value, list | tuple) and any(map(_has_nul, cast(Sequence[Any], value)))


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Let the web application and the workers write to one file: they wait for each other in turn."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={LOCKED_S * 1000}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
