"""Tries: how often somebody may guess at the password of one address."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .db import one_at_a_time
from .models import Try

MOST = 10
WITHIN = timedelta(minutes=15)

CHECKED_WITHIN = timedelta(seconds=5)
"""How long it may take until a try is found right; then none before it counts any more."""


class TooMany(Exception):
    """There are too many tries for this address, lately or at once; says how long to wait."""

    def __init__(self, wait: timedelta) -> None:
        self.wait_s: int = max(1, int(wait.total_seconds()))
        super().__init__("too many tries at once or wrong passwords for this address; wait a while and try again")


async def begin(session: AsyncSession, email: str) -> None:
    """Count a try, or refuse it with `TooMany`; refused ones don't count, so that waiting helps. Commits.

    It counts before anybody knows whether it is right, so that many at once are no more than one after the other.
    """
    of = _id(email)
    await one_at_a_time(await session.connection(), int(of[:15], 16))
    now = datetime.now(UTC)
    # Before it counts, not after it: from here on, SQLite lets nobody else write.
    await session.execute(delete(Try).where(Try.made_at < now - WITHIN))
    count, oldest = (await session.execute(select(func.count(), func.min(Try.made_at)).where(Try.address == of))).one()
    if count >= MOST:
        await session.commit()
        raise TooMany(_wait(now - oldest))
    session.add(Try(address=of, made_at=now))
    await session.commit()


async def forget(session: AsyncSession, email: str) -> None:
    """The password was right: nobody has guessed. The caller commits."""
    await session.execute(delete(Try).where(Try.address == _id(email)))


def _wait(age: timedelta) -> timedelta:
    """How long until the oldest try has been checked, and if it was, until it doesn't count any more."""
    return (CHECKED_WITHIN if age < CHECKED_WITHIN else WITHIN) - age


def _id(email: str) -> str:
    """A hash: in that field stands what anybody typed, now and then a password."""
    return hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()
