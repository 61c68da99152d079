"""Users: registering, logging in and out."""

from __future__ import annotations

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import AfterValidator, Field, SecretStr

from .. import logins, work
from .cookies import delete_cookie, set_cookie
from .needs import NeedsQueues, NeedsSession, NeedsSettings
from .shapes import JobLink, OneLine, Shape

router = APIRouter(tags=["users"])


def _mailbox(address: str) -> str:
    """The address as it is stored and written to; it isn't asked whether the domain exists."""
    try:
        # Not every mail server takes SMTPUTF8; `.test` is meant for people who try things out.
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    return (found.ascii_email or found.normalized).lower()


class NewUser(Shape):
    """Somebody who registers."""

    name: Annotated[OneLine, Field(max_length=100)]
    email: Annotated[str, Field(max_length=254), AfterValidator(_mailbox)]
    password: Annotated[SecretStr, Field(min_length=8, max_length=128)]
    wants_digest: bool = True


class RegisteredUser(Shape):
    """A user, and the job that greets them."""

    id: str
    name: str
    email: str
    job: JobLink | None


class Credentials(Shape):
    """What somebody logs in with."""

    email: str
    password: SecretStr


@router.post("/auth/register", status_code=201)
async def register(
    new: NewUser, response: Response, session: NeedsSession, queues: NeedsQueues, settings: NeedsSettings
) -> RegisteredUser:
    """Register a user, and log them in. The answer doesn't wait for the welcome mail: a worker sends it."""
    try:
        user, token, job = await work.register(
            session,
            queues,
            name=new.name,
            email=new.email,
            password=new.password.get_secret_value(),
            wants_digest=new.wants_digest,
        )
    except work.Taken:
        raise HTTPException(409, "this e-mail address is registered already") from None
    set_cookie(response, token, settings)
    return RegisteredUser(id=user.id, name=user.name, email=user.email, job=JobLink.to(job))


@router.post("/auth/session", status_code=204)
async def log_in(who: Credentials, response: Response, session: NeedsSession, settings: NeedsSettings) -> None:
    """Log in: the answer sets a cookie."""
    token = await work.log_in(session, who.email, who.password.get_secret_value())
    if token is None:
        raise HTTPException(401, "the e-mail address or the password is wrong")
    set_cookie(response, token, settings)


@router.delete("/auth/session", status_code=204)
async def log_out(request: Request, response: Response, session: NeedsSession, settings: NeedsSettings) -> None:
    """Log out, in this browser."""
    await logins.log_out(session, request.cookies.get(logins.COOKIE, ""))
    await session.commit()
    delete_cookie(response, settings)
