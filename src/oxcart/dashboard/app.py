"""Dashboard: the ASGI application. Checks who asks and whether that may be, then hands over to the table of routes."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .. import Connection, JobNotFound, OptionsError, PayloadError, Refused, __version__
from ..errors import ConnectionFailed
from . import alerts as alerting
from . import audit, bull_board, mcp, openapi, shapes
from .access import LOOKING, Access
from .ask import Ask, Refusal, not_found
from .board import Board
from .forms import Forms
from .handlers import bulk
from .live import Live
from .noting import noting
from .paths import Place, Table, place_of
from .redact import SECRET_WORDS, Redactor
from .routes import ROUTES, Route
from .web import assets
from .web.answers import File, file_response, json_response
from .web.auth import Auth, ask, challenge_of
from .web.bodies import read_body, read_small_body
from .web.guard import Guard, shown_host
from .web.wsgi import ENVIRON, Wsgi

log = logging.getLogger("oxcart.dashboard")

_TABLE = Table(ROUTES)

STREAM_S = 600
"""How long a live stream lasts; the browser opens the next one, and is asked again who it is."""

CLOSED = "This dashboard has no log-in, so it answers this machine only."
HOW_TO_OPEN = """from oxcart.dashboard import Dashboard, basic

Dashboard(auth=basic({"ada": os.environ["ADA_PASSWORD"]}))

# or, from a shell:
oxcart dashboard --auth ada:PASSWORD --host 0.0.0.0"""


class Running:
    """What a dashboard needs while it answers: made for the event loop of the first request."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.live = Live(board)
        self.loop = asyncio.get_running_loop()


class Dashboard:
    """See and steer queues in a browser: an ASGI application, mounted in another one or run alone.

    `queues` are the names of those to show; all with this `prefix` if not given. `connection` is a URL or a
    `Connection` shared with others. `auth` is called with each request and answers an `Access`, or None for a user not
    known; `basic` and `tokens` make such functions. Without it, only this machine is answered. `read_only` takes all
    actions but looking from everybody. `redact` are words for names of secrets, beside the usual ones, or a `Redactor`.
    With `enabled=False` there is nothing here but 404. `environment` is a word for a strip across the top.
    `allowed_hosts` are the names that it may be called by (`*.example.com` for all below), any if not given;
    `allowed_origins` whose pages may send actions besides its own, such as `https://admin.example.com`;
    `frame_ancestors` whose pages may show it in a frame. `schemas` say what the data of jobs have to be like, by queue
    and name: a Pydantic model, a dataclass, a typed dict, or a JSON Schema. The page makes forms of them.
    `alerts` are rules (`Alert`) that are looked at while it runs: see `start`.

    Raises `OptionsError` for what can't be right. Example: `app.mount("/admin/queues", Dashboard(auth=who_is_it))`
    """

    def __init__(
        self,
        queues: Sequence[str] | None = None,
        *,
        connection: Connection | str | None = None,
        prefix: str = "bull",
        auth: Auth | None = None,
        read_only: bool = False,
        redact: Sequence[str] | Redactor | None = None,
        enabled: bool = True,
        title: str = "Oxcart",
        environment: str | None = None,
        allowed_hosts: Sequence[str] | None = None,
        allowed_origins: Sequence[str] = (),
        frame_ancestors: Sequence[str] | None = None,
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
        alerts: Sequence[alerting.Alert] = (),
    ) -> None:
        if isinstance(queues, str) or not all(isinstance(cast(object, name), str) for name in queues or ()):
            raise OptionsError("queues: a list of names of queues, or None for all")
        if auth is not None and not callable(auth):
            raise OptionsError("auth: a function (request) that answers an Access or None; see basic() and tokens()")
        self._queues = None if queues is None else tuple(queues)
        self._connection = connection if isinstance(connection, Connection) else None
        # Nothing is opened yet, but a URL that can't be right is told now.
        self._url = connection.url if isinstance(connection, Connection) else Connection(connection).url
        self._prefix = prefix
        self._auth = auth
        self._read_only = read_only
        self._redactor = _redactor(redact)
        self._enabled = enabled
        self._title = title
        self._environment = environment
        self._guard = Guard(
            allowed_hosts=allowed_hosts, allowed_origins=allowed_origins, frame_ancestors=frame_ancestors
        )
        self._assets = assets.Assets()
        self._journal = audit.Journal()
        self._forms = Forms(schemas)
        self._alerts = alerting.check_alerts(alerts)
        self._running: Running | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)

    async def start(self) -> None:
        """Begin to look at the rules of `alerts`. Without them it does nothing.

        An application that is run alone does it at its start. One that is mounted does it at the first request, unless
        it is told earlier, such as in the lifespan of the application that it is mounted in.
        """
        if self._enabled:
            self._run()

    async def close(self) -> None:
        """End live streams, and close the connection unless it is shared. A request after that opens it again.

        An application that is run alone does it at its end. One that is mounted has to be told.
        """
        running, self._running = self._running, None
        if running is None:
            return
        if running.loop is not asyncio.get_running_loop():
            alerting.forget(running.board)
            return
        await running.live.close()
        await alerting.close(running.board)
        await bulk.close(running.board)
        await running.board.close()
        if self._connection is None:
            await running.board.connection.close()

    def wsgi(self) -> Wsgi:
        """The same as a WSGI application, for Flask and others that know no ASGI. Its `close` closes the dashboard.

        Example: `app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/admin/queues": dashboard.wsgi()})`
        """
        return Wsgi(self)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _run(self) -> Running:
        if self._running is None or self._running.loop is not asyncio.get_running_loop():
            if self._running is not None:
                alerting.forget(self._running.board)  # gone with its event loop
            self._running = Running(
                Board(
                    self._connection or Connection(self._url),
                    prefix=self._prefix,
                    queues=self._queues,
                    redactor=self._redactor,
                    title=self._title,
                    environment=self._environment,
                    read_only=self._read_only,
                    journal=self._journal,
                    forms=self._forms,
                )
            )
            alerting.watch(self._running.board, self._alerts).start()
        return self._running

    # ------------------------------------------------------------------------------------------------ answering

    async def _answer(self, request: Request) -> Response:
        if not self._enabled:
            return PlainTextResponse("Not Found", 404)
        place = place_of(request.scope)
        try:
            response = await self._respond(request, place)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            response = self._problem(error, request, place)
        for name, value in self._guard.headers.items():
            response.headers.setdefault(name, value)
        return response

    async def _respond(self, request: Request, place: Place) -> Response:
        self._guard.check_host(request)
        if place.is_static:
            file = self._assets.file("/".join(place.rest))
            if file is None or request.method not in ("GET", "HEAD"):
                raise not_found("There is no such file.")
            return assets.send(file, request)
        access = await self._access(request)
        if place.is_api:
            return await self._api(request, place, access)
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "invalid", "Pages can only be read.")
        config = {"base": place.mount, "title": self._title, "version": __version__, "environment": self._environment}
        return assets.send(self._assets.page({**config, "live": ENVIRON not in request.scope}), request)

    async def _access(self, request: Request) -> Access:
        """Who asks. Raises a `Refusal` if nobody knows."""
        if self._auth is None:
            if not self._guard.is_local(request):
                raise Refusal(403, "forbidden", f"{CLOSED} Give it auth=…, or call it as localhost from there.")
            access = Access(role="admin")
        else:
            found = await ask(self._auth, request)
            if found is None:
                raise Refusal(401, "unauthorized", "Log in first.")
            access = found
        if not self._read_only:
            return access
        return Access(access.user, access.role, access.allowed & LOOKING, access.queues)

    async def _api(self, request: Request, place: Place, access: Access) -> Response:
        who = access.user or (request.client.host if request.client else "")
        if place.is_bull_board:
            return await self._bull_board(request, place, access, who)
        if place.rest == ("mcp",):
            return await self._mcp(request, access, who)
        if request.method == "POST":
            self._guard.check_write(request, who)
        else:
            self._guard.check_read(request, who)
        if place.rest == ("openapi.json",):
            return json_response(openapi.document(place.mount, ROUTES), request)
        if place.rest == ("live",) and request.method == "GET":
            return self._live(request, access)
        route, path = _TABLE.find(request.method, place.rest)
        if route.is_noted and request.method != "POST":
            self._guard.check_noted(who)
        query = _query_of(request)
        may = access.may(route.action)
        body = await read_body(request, may) if request.method == "POST" else dict[str, Any]()
        return _answer_of(await self._dispatch(route, Ask(access, path, query, body)), request)

    async def _dispatch(self, route: Route, asked: Ask) -> Any:
        """Answer what a route answers, if the user may ask for it; what changes something is noted."""
        board = self._run().board
        if not route.is_noted:
            _check_may(asked.access, route.action)
            return await route.handler(board, asked)
        target = audit.target_of(asked.path, asked.body or asked.query)
        with noting(board, asked, audit.action_of(route.path), target) as outcome:
            _check_may(asked.access, route.action)
            answer = await route.handler(board, asked)
            said = answer.text if isinstance(answer, File) else str(answer.get("text") or "ok")
            outcome.queue = None if isinstance(answer, File) else answer.get("queue")
            outcome.result = None if route.path == audit.NOTES_ITSELF and said == "ok" else said
            return answer

    async def _bull_board(self, request: Request, place: Place, access: Access, who: str) -> Response:
        if request.method in ("GET", "HEAD"):
            self._guard.check_read(request, who)
        else:
            self._guard.check_plain_write(request, who)
        return await bull_board.answer(self._run().board, request, place.rest, access)

    async def _mcp(self, request: Request, access: Access, who: str) -> Response:
        if request.method != "POST":
            raise Refusal(405, "invalid", "Messages of MCP are POSTed; there is no stream here.")
        self._guard.check_plain_write(request, who)
        # Whose tools can only look has no use for a large one.
        message = await read_body(request) if access.allowed - LOOKING else await read_small_body(request)
        answer = await mcp.answer(message, access, self._dispatch, self._explain)
        return Response(status_code=202) if answer is None else json_response(answer, request)

    def _live(self, request: Request, access: Access) -> Response:
        _check_may(access, "view")
        if ENVIRON in request.scope:
            return Response(status_code=204)  # which a browser takes for an end
        stream = self._run().live.stream(Ask(access, query=dict(request.query_params)))
        headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        return StreamingResponse(_while_served(stream), media_type="text/event-stream", headers=headers)

    # ------------------------------------------------------------------------------------------------ problems

    def _problem(self, error: Exception, request: Request, place: Place) -> Response:
        status, problem = self._explain(error)
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if isinstance(error, Refusal) and error.after_s is not None:
            headers["Retry-After"] = str(error.after_s)
        if isinstance(error, Refusal) and error.status == 405:
            headers["Allow"] = "GET, POST" if place.is_api else "GET"
        # Only a page makes the browser ask: a request of the script would show its dialog out of nowhere.
        asks = self._auth is not None and challenge_of(self._auth)
        if status == 401 and asks and "x-oxcart" not in request.headers and "www-authenticate" not in headers:
            headers["WWW-Authenticate"] = asks
        if place.is_bull_board:
            told = bull_board.shape_of(error, status, problem["message"], request.method)
            return json_response(told, request, status, headers)
        if place.is_api or place.is_static:
            return json_response(problem, request, status, headers)
        return self._problem_page(status, problem, request, place, headers)

    def _problem_page(
        self, status: int, problem: shapes.Problem, request: Request, place: Place, headers: dict[str, str]
    ) -> Response:
        title, words, code = "This can't be shown", [problem["message"]], ""
        if status == 401:
            title = "Who are you?"
        elif status == 403 and self._auth is None:
            title, code = "This dashboard is closed", HOW_TO_OPEN
            words = [CLOSED, f"You called it as {shown_host(request)}. Say who may see it:"]
        elif "id" in problem:
            words.append(f"The log says what it was, by the id {problem['id']}.")
        headers = {"Cache-Control": "no-store", **headers}
        return HTMLResponse(assets.plain_page(place.mount, title, words, code), status, headers)

    def _explain(self, error: Exception) -> tuple[int, shapes.Problem]:
        """Status and body for an error. What we didn't foresee is told by an id only, under which the log has it."""
        match error:
            case Refusal():
                status, word, text = error.status, error.error, error.message
            case HTTPException():
                status, text = error.status_code, str(error.detail)
                word = "unauthorized" if status == 401 else "forbidden"
            case JobNotFound():
                status, word, text = 404, "not_found", str(error)
            case OptionsError() | PayloadError():
                status, word, text = 400, "invalid", str(error)
            case ConnectionFailed():
                status, word, text = 503, "redis_away", str(error)
            case Refused():
                status, word, text = 409, "refused", str(error)
            case _:
                seen = secrets.token_hex(4)
                log.error("a request to the dashboard broke, id=%s", seen, exc_info=error)
                text = "Something went wrong here. The log of the server has the reason."
                return 500, {"error": "broken", "message": text, "id": seen}
        return status, {"error": word, "message": _sentence(self._redactor.text(text))}


async def _while_served(stream: AsyncIterator[str]) -> AsyncIterator[str]:
    """A stream that ends when its server wants to, which would otherwise wait for every open tab."""
    ends = time.monotonic() + STREAM_S
    upcoming: asyncio.Future[str] | None = None
    try:
        while time.monotonic() < ends and not _server_is_leaving():
            upcoming = upcoming or asyncio.ensure_future(anext(stream))
            await asyncio.wait({upcoming}, timeout=1)
            if upcoming.done():
                text, upcoming = upcoming.result(), None
                yield text
    except StopAsyncIteration:
        return
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await cast(Any, stream).aclose()


def _answer_of(answer: Any, request: Request) -> Response:
    """A shape as JSON; a file as it is."""
    if not isinstance(answer, File):
        return json_response(answer, request)
    if not isinstance(answer.body, str):
        answer = replace(answer, body=_unless_left(answer.body))
    return file_response(answer, request)


async def _unless_left(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """A file, broken off when the server ends, which would otherwise wait for it."""
    try:
        async for piece in pieces:
            yield piece
            if _server_is_leaving():
                raise ConnectionAbortedError("the server ends: a file that it was sending is broken off")
    finally:
        await cast(Any, pieces).aclose()


def _server_is_leaving() -> bool:
    """Whether uvicorn has had its signal: it is the one that handles signals then, and knows it before we are told."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return getattr(server, "should_exit", False) is True


def _query_of(request: Request) -> dict[str, str]:
    """The words of the query. What is said twice can't be meant."""
    words = request.query_params.multi_items()
    query = dict(words)
    if len(query) < len(words):
        raise Refusal(400, "invalid", "The query says something more than once.")
    return query


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".")


def _check_may(access: Access, action: str) -> None:
    if not access.may(action):
        raise Refusal(403, "forbidden", f"You may not do this: it needs the right {action!r}.")


def _redactor(given: Sequence[str] | Redactor | None) -> Redactor:
    if isinstance(given, Redactor):
        return given
    if isinstance(given, str):
        raise OptionsError(f"redact={given!r}: a list of words, such as [{given!r}], or a Redactor")
    return Redactor((*SECRET_WORDS, *(given or ())))
