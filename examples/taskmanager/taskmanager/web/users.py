"""Users: registering."""

from __future__ import annotations

from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, HTTPException
from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy.exc import IntegrityError

from .. import passwords
from ..models import User
from .needs import NeedsQueues, NeedsSession
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


@router.post("/auth/register", status_code=201)
async def register(new: NewUser, session: NeedsSession, queues: NeedsQueues) -> RegisteredUser:
    """Register a user. The answer doesn't wait for the welcome mail: a worker sends it."""
    user = User(
        name=new.name,
        email=new.email,
        password_hash=await passwords.hashed(new.password.get_secret_value()),
        wants_digest=new.wants_digest,
    )
    session.add(user)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "this e-mail address is registered already") from None
    # After the commit: a job that is added before may run before the user can be read.
    job = await queues.add_welcome(user.id)
    return RegisteredUser(id=user.id, name=user.name, email=user.email, job=JobLink.to(job))
