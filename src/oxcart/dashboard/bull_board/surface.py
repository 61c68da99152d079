"""The surface: finds the route, asks whether the user may, notes what was changed, and sends the answer."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .. import audit
from ..access import Access
from ..ask import Ask
from ..board import Board
from ..noting import noting
from ..paths import Table
from ..routes import Route
from ..web.answers import json_response
from ..web.bodies import read_body
from .asked import check_may
from .changed import Changed
from .routes import ROUTES

_TABLE = Table(ROUTES)


async def answer(board: Board, request: Request, rest: tuple[str, ...], access: Access) -> Response:
    """The answer to a request below `api`. Its origin and its rate were checked."""
    route, path = _TABLE.find(request.method, rest)
    body = dict[str, Any]() if route.method == "GET" else await read_body(request, access.may(route.action))
    ask = Ask(access, path, dict(request.query_params), body)
    if route.method == "GET":
        check_may(ask, route.action)
        return json_response(await route.handler(board, ask), request)
    changed = await _change(board, route, ask)
    if changed.body is None:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return json_response(changed.body, request)


async def _change(board: Board, route: Route, ask: Ask) -> Changed:
    """Change something, and note it."""
    with noting(board, ask, _action_of(route), _target_of(ask)) as outcome:
        check_may(ask, route.action)
        changed: Changed = await route.handler(board, ask)
        outcome.result = changed.text
        return changed


def _action_of(route: Route) -> str:
    words = audit.action_of(route.path).split()
    return " ".join("scheduler" if word == "job-schedulers" else word.replace("-", " ") for word in words) or "change"


def _target_of(ask: Ask) -> str:
    """What it was about: a job, a scheduler, a state, or what is new."""
    for name in ("id", "scheduler", "status"):
        if name in ask.path:
            return ask.path[name]
    body: dict[str, Any] = {name: value for name, value in ask.body.items() if name != "jobData"}
    return audit.target_of(ask.path, body)
