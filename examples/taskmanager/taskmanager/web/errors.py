"""Errors: what is said to a program, and what to people."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from oxcart import ConnectionFailed
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from ..db import Unstorable
from ..tries import TooMany
from .pages.frame import show, wants_page

log = logging.getLogger(__name__)


def handle(app: FastAPI) -> None:
    """Answer errors of all routes."""
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Unstorable, _unstorable)
    app.add_exception_handler(TooMany, _too_many)
    app.add_exception_handler(ConnectionFailed, _redis_away)
    # A driver that finds no database says so with an error of the system; a full disk is one, too.
    for kind in (DBAPIError, NoConnection, OSError):
        app.add_exception_handler(kind, _broken)


async def _unfit(request: Request, error: Exception) -> Response:
    """Say what is wrong with a request, without repeating it: it may hold a password, or no proper text at all."""
    assert isinstance(error, RequestValidationError)
    problems = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    if wants_page(request):
        texts = [f"{one['loc'][-1]}: {one['msg']}" for one in problems]
        return show(request, "error.html", 422, title="That can't be right", texts=texts)
    return JSONResponse({"detail": problems}, status_code=422)


async def _unstorable(request: Request, error: Exception) -> Response:
    return _said(request, 422, "That can't be right", str(error))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if wants_page(request):
        if error.status_code == 401:
            here = request.url.path if request.method == "GET" else "/"
            return RedirectResponse(f"/auth/login?next={here}", 303)
        return show(request, "error.html", error.status_code, title=error.detail, texts=[])
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)


async def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooMany)
    answer = _said(request, 429, "Not at the moment", str(error))
    answer.headers["retry-after"] = str(error.wait_s)
    return answer


async def _redis_away(request: Request, error: Exception) -> Response:
    return _said(request, 503, "Not at the moment", "the job queue can't be reached at the moment")


async def _broken(request: Request, error: Exception) -> Response:
    log.error("Request failed method=%s path=%r", request.method, request.url.path, exc_info=error)
    return _said(request, 503, "Not at the moment", "something that is needed for it does not work at the moment")


def _said(request: Request, status: int, title: str, text: str) -> Response:
    if wants_page(request):
        return show(request, "error.html", status, title=title, texts=[text])
    return JSONResponse({"detail": text}, status_code=status)
