"""Accounts: registering, logging in and out, and what one may choose for oneself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from ... import logins, work
from ...models import User
from ..cookies import delete_cookie, set_cookie
from ..needs import NeedsPush, NeedsQueues, NeedsSession, NeedsSettings, NeedsUser, Visitor
from ..users import NewUser
from .frame import FormUser, go_to, show

router = APIRouter(include_in_schema=False)

PROBLEMS = {
    "name": "Please tell us your name.",
    "email": "That is no e-mail address.",
    "password": "A password has at least 8 characters.",
}


@router.get("/auth/register")
async def register_page(request: Request, visitor: Visitor) -> Response:
    return go_to("/") if visitor else show(request, "register.html", problem="", name="", email="")


@router.post("/auth/join")
async def register(
    request: Request,
    session: NeedsSession,
    queues: NeedsQueues,
    settings: NeedsSettings,
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """As `POST /auth/register`, for the form."""

    def again(problem: str) -> Response:
        return show(request, "register.html", 422, problem=problem, name=name, email=email)

    try:
        new = NewUser.model_validate({"name": name, "email": email, "password": password})
    except ValidationError as error:
        return again(PROBLEMS[str(error.errors()[0]["loc"][0])])
    try:
        _, token, _ = await work.register(session, queues, name=new.name, email=new.email, password=password)
    except work.Taken:
        return again("This e-mail address is registered already: log in instead.")
    response = go_to("/")
    set_cookie(response, token, settings)
    return response


@router.get("/auth/login")
async def login_page(request: Request, visitor: Visitor, next: str = "/") -> Response:
    return go_to(inside(next)) if visitor else show(request, "login.html", problem="", email="", next=inside(next))


@router.post("/auth/login")
async def log_in(
    request: Request,
    session: NeedsSession,
    settings: NeedsSettings,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Log in, and go on where one wanted to go."""
    token = await work.log_in(session, email, password)
    if token is None:
        problem = "The e-mail address or the password is wrong."
        return show(request, "login.html", 401, problem=problem, email=email, next=inside(next))
    response = go_to(inside(next))
    set_cookie(response, token, settings)
    return response


@router.post("/auth/logout")
async def log_out(request: Request, user: FormUser, session: NeedsSession, settings: NeedsSettings) -> Response:
    """Log out, in this browser."""
    await logins.log_out(session, request.cookies.get(logins.COOKIE, ""))
    await session.commit()
    response = go_to("/auth/login")
    delete_cookie(response, settings)
    return response


@router.get("/me")
async def me(request: Request, user: NeedsUser, push: NeedsPush) -> Response:
    return show(request, "me.html", user=user, push_key=push.public_key)


@router.post("/me")
async def change_me(user: FormUser, session: NeedsSession, digest: Annotated[bool, Form()] = False) -> Response:
    """Choose whether one wants the daily digest."""
    stored = await session.get_one(User, user.id)
    stored.wants_digest = digest
    await session.commit()
    return go_to("/me")


def inside(path: str) -> str:
    """The path if it is one of ours: no link may lead through our log-in to somewhere else."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
