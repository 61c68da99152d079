"""Log-ins: a random token in a cookie, and its hash in the database."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from .models import Login, User

COOKIE = "taskmanager"
LASTS = timedelta(days=30)


async def log_in(session: AsyncSession, user: User) -> str:
    """Remember a browser as this user's; the token for its cookie. The caller commits."""
    token = secrets.token_urlsafe(32)
    await session.execute(delete(Login).where(Login.expires_at < datetime.now(UTC)))
    session.add(Login(id=_hash(token), user_id=user.id, expires_at=datetime.now(UTC) + LASTS))
    return token


async def log_out(session: AsyncSession, token: str) -> None:
    """Forget a browser. The caller commits."""
    await session.execute(delete(Login).where(Login.id == _hash(token)))


async def user_of(session: AsyncSession, token: str | None) -> User | None:
    """Whose browser this is."""
    if not token:
        return None
    mine = select(User).join(Login).where(Login.id == _hash(token), Login.expires_at > datetime.now(UTC))
    return await session.scalar(mine)


def form_token(token: str) -> str:
    """What each form of this log-in carries, so that no page of somebody else's can send it."""
    return hmac.digest(token.encode(), b"form", "sha256").hex()


def is_form_token(found: str, token: str) -> bool:
    """Whether a form came from one of our pages, made for this log-in."""
    return hmac.compare_digest(found.encode(), form_token(token).encode())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
