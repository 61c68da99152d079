"""`python -m taskmanager.make_admin EMAIL`: lets a user see the dashboard of the queues."""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import update

from .db import Database
from .models import User
from .settings import Settings


async def make_admin(database: Database, email: str) -> bool:
    """Make the user with this address an admin; whether there is one."""
    async with database.sessions() as session:
        found = await session.execute(
            update(User).where(User.email == email.lower()).values(is_admin=True).returning(User.id)
        )
        ids = found.all()
        await session.commit()
    return bool(ids)


async def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m taskmanager.make_admin EMAIL", file=sys.stderr)
        return 2
    database = Database(Settings().database_url)
    try:
        await database.create_tables()
        found = await make_admin(database, arguments[0])
    finally:
        await database.close()
    if not found:
        print(f"nobody has registered as {arguments[0]}", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
