"""The cookie of a log-in: no script can read it, and no page of somebody else's has a form sent with it."""

from __future__ import annotations

from fastapi import Response

from ..logins import COOKIE, LASTS
from ..settings import Settings


def set_cookie(response: Response, token: str, settings: Settings) -> None:
    """Have the browser remember a log-in."""
    response.set_cookie(
        COOKIE, token, max_age=int(LASTS.total_seconds()), httponly=True, samesite="lax", secure=settings.over_tls
    )


def delete_cookie(response: Response, settings: Settings) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=settings.over_tls)
