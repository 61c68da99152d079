"""Errors: what is said to a program, and what to people."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from oxcart import ConnectionFailed
from starlette.exceptions import HTTPException

from .pages.frame import show, wants_page


def handle(app: FastAPI) -> None:
    """Answer errors of all routes."""
    app.add_exception_handler(RequestValidationError, _unfit)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(ConnectionFailed, _redis_away)


async def _unfit(request: Request, error: Exception) -> Response:
    """Say what is wrong with a request, without repeating it: it may hold a password, or no proper text at all."""
    assert isinstance(error, RequestValidationError)
    problems = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    if wants_page(request):
        texts = [f"{one['loc'][-1]}: {one['msg']}" for one in problems]
        return show(request, "error.html", 422, title="That can't be right", texts=texts)
    return JSONResponse({"detail": problems}, status_code=422)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if wants_page(request):
        if error.status_code == 401:
            here = request.url.path if request.method == "GET" else "/"
            return RedirectResponse(f"/auth/login?next={here}", 303)
        return show(request, "error.html", error.status_code, title=error.detail, texts=[])
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)


async def _redis_away(request: Request, error: Exception) -> Response:
    text = "the job queue can't be reached at the moment"
    if wants_page(request):
        return show(request, "error.html", 503, title="Not at the moment", texts=[text])
    return JSONResponse({"detail": text}, status_code=503)
