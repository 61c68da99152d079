"""The frame of all pages: templates, who looks at them, and the token that their forms carry."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ... import logins
from ...models import User
from ..needs import NeedsUser

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parents[2] / "templates" / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def show(request: Request, template: str, status: int = 200, *, user: User | None = None, **facts: Any) -> HTMLResponse:
    """A page."""
    token = request.cookies.get(logins.COOKIE)
    frame = {
        "user": user,
        "form_token": logins.form_token(token) if token else "",
        "path": request.url.path,
        "dashboard": request.app.state.settings.shows_dashboard,
    }
    html = _environment.get_template(template).render(frame | facts)
    # Nothing of a log-in is kept where another one could see it.
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def go_to(path: str) -> RedirectResponse:
    """Where a form leads to when it is done, so that to load the page again doesn't do it again."""
    return RedirectResponse(path, 303)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something to be shown, and not a script or a program."""
    return "text/html" in request.headers.get("accept", "")


async def _from_our_form(request: Request, user: NeedsUser) -> User:
    form = await request.form()
    if not logins.is_form_token(str(form.get("csrf", "")), request.cookies.get(logins.COOKIE, "")):
        raise HTTPException(403, "This form is not ours, or too old. Load the page again, please.")
    return user


FormUser = Annotated[User, Depends(_from_our_form)]
"""Who has sent one of our forms."""


# ---------------------------------------------------------------------------------------------- for templates


def initials(name: str) -> str:
    """Two letters that stand for somebody."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def hue(text: str) -> int:
    """One of eight colours, always the same for the same text."""
    return sum(text.encode()) % 8


def day(day: date) -> str:
    """A day, as one says it."""
    this_year = day.year == datetime.now(UTC).year
    return f"{day.day} {day:%B}" if this_year else f"{day.day} {day:%B %Y}"


def moment(at: datetime) -> str:
    """A moment, as one says it."""
    return f"{at.day} {at:%B}, {at:%H:%M} UTC"


_filters: dict[str, Any] = _environment.filters
_filters |= {"initials": initials, "hue": hue, "day": day, "moment": moment}
