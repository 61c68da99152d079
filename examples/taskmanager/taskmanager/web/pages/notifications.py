"""Notifications: which browsers want them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse
from pydantic import Field
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from ...models import PushSubscription
from ...vapid import is_auth_secret, is_public_key
from ..needs import NeedsPush, NeedsSession, NeedsUser
from ..shapes import Shape

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parents[2] / "static"

Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+=*$")]


class Keys(Shape):
    """What to encrypt notifications with."""

    p256dh: Annotated[Base64, Field(max_length=100)]
    auth: Annotated[Base64, Field(max_length=50)]


class Subscription(Shape):
    """What a browser's `PushSubscription` says."""

    endpoint: Annotated[str, Field(max_length=1000)]
    keys: Keys


class Endpoint(Shape):
    """Which subscription is meant."""

    endpoint: Annotated[str, Field(max_length=1000)]


@router.post("/push/subscriptions", status_code=204)
async def subscribe(new: Subscription, user: NeedsUser, session: NeedsSession, push: NeedsPush) -> None:
    """Remember a browser. One that somebody else used before is the newer one's now."""
    keys = new.keys
    if not push.may_send_to(new.endpoint) or not is_public_key(keys.p256dh) or not is_auth_secret(keys.auth):
        raise HTTPException(422, "notifications can't be sent there")
    told = {"user_id": user.id, "p256dh": keys.p256dh, "auth": keys.auth}
    session.add(PushSubscription(endpoint=new.endpoint, **told))
    try:
        await session.commit()
    except IntegrityError:  # it is there, perhaps since a moment ago
        await session.rollback()
        await session.execute(update(PushSubscription).where(PushSubscription.endpoint == new.endpoint).values(told))
        await session.commit()


@router.delete("/push/subscriptions", status_code=204)
async def unsubscribe(old: Endpoint, user: NeedsUser, session: NeedsSession) -> None:
    """Forget a browser."""
    mine = PushSubscription.user_id == user.id
    await session.execute(delete(PushSubscription).where(mine, PushSubscription.endpoint == old.endpoint))
    await session.commit()


@router.get("/sw.js")
async def service_worker() -> Response:
    """The part of our pages that runs without them. Here at the top: it can show pages below it only."""
    return FileResponse(STATIC / "sw.js", media_type="text/javascript", headers={"cache-control": "no-cache"})
