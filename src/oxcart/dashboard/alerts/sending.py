"""Sending: how the messages of alerts leave the server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import inspect
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from ... import OptionsError, __version__

TIMEOUT_S = 10
PAUSES_S = (1, 3)
"""How long to wait before the second and the third try."""

SIGNATURE = "X-Oxcart-Signature"

Message = dict[str, Any]
"""What is told: `event` (`alert`, `resolved` or `test`), `at`, `text`, `rule`, `queues` and `dashboard`."""

Send = Callable[[Message], Awaitable[None] | None]
"""A function that tells somebody."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go. `label` says so without secrets: the rest of an address may be one."""

    label: str
    url: str = ""
    secret: str | None = None
    slack: bool = False
    function: Send | None = None

    def __repr__(self) -> str:
        return f"<{self.label}>"


def webhook(url: str, *, secret: str | None = None) -> Destination:
    """POST messages as JSON to an address. With a `secret` they are signed, so that the receiver can trust them.

    The header `X-Oxcart-Signature` is `sha256=` and the HMAC of the body in hex.
    Example: `webhook("https://hooks.example.com/jobs", secret=os.environ["HOOK_SECRET"])`
    """
    if secret is not None and (not isinstance(cast(object, secret), str) or not secret):
        raise OptionsError("secret: a text that is not empty")
    return Destination(f"webhook {_host_of(url)}", url, secret)


def slack(url: str) -> Destination:
    """Send messages to an incoming webhook of Slack, or of what understands the same (Mattermost, Discord `/slack`)."""
    return Destination(f"slack {_host_of(url)}", url, slack=True)


def destination(given: Destination | Send) -> Destination:
    """A destination as it is; a function as one."""
    if isinstance(given, Destination):
        return given
    return Destination(f"function {getattr(given, '__name__', type(given).__name__)}", function=given)


def _host_of(url: object) -> str:
    parts = None
    if isinstance(url, str):
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionsError("an alert goes to a URL such as 'https://hooks.example.com/…'")
    return parts.hostname


async def send(where: Destination, message: Message, tries: int = 1 + len(PAUSES_S)) -> str | None:
    """Send a message; None if it arrived, else why not, without secrets."""
    failed = None
    for number in range(tries):
        if number:
            await asyncio.sleep(PAUSES_S[number - 1])
        failed, again = await (_call(where.function, message) if where.function else _post(where, message))
        if failed is None or not again:
            break
    return failed


class _Call:
    """A call of a function in a thread. One that nobody waits for any more may run on, and hold the thread."""

    runs = False

    def __init__(self, function: Send) -> None:
        self._function = function

    def __call__(self, message: Message) -> object:
        self.runs = True
        try:
            return self._function(message)
        finally:
            self.runs = False


_LEFT: dict[int, _Call] = {}
"""Of functions that took too long, that call. While it runs, its function is not gone, and no other has its number."""


async def _call(function: Send, message: Message) -> tuple[str | None, bool]:
    if (left := _LEFT.get(id(function))) is not None and left.runs:
        return "has not come back from the last time", False
    _LEFT.pop(id(function), None)
    call = _Call(function)
    try:
        async with asyncio.timeout(3 * TIMEOUT_S):
            if inspect.iscoroutinefunction(function):
                await function(message)
            else:
                answer = await asyncio.to_thread(call, message)  # it may block
                if inspect.isawaitable(answer):
                    await answer
    except TimeoutError:
        if call.runs:
            _LEFT[id(function)] = call
        return "took too long", False
    except Exception as error:
        return f"raised {type(error).__name__}: {error}", True
    return None, False


async def _post(where: Destination, message: Message) -> tuple[str | None, bool]:
    body = json.dumps({"text": message["text"]} if where.slack else message).encode()
    headers = {"Content-Type": "application/json", "User-Agent": f"oxcart/{__version__}"}
    if where.secret is not None:
        headers[SIGNATURE] = f"sha256={hmac.new(where.secret.encode(), body, hashlib.sha256).hexdigest()}"
    return await asyncio.to_thread(_request, where.url, body, headers)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A message goes where it was sent to and nowhere else."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any) -> None:
        return None


def _request(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[str | None, bool]:
    """Why it failed, if it did, and whether to try again. Texts of errors may have the address in them: not told."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_S) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        what = "redirects are not followed" if 300 <= error.code < 400 else http.client.responses.get(error.code, "")
        return f"answered {error.code} {what}".rstrip(), error.code >= 500 or error.code in (408, 429)
    except urllib.error.URLError as error:
        reason = error.reason
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        return f"can't be reached: {text}", True
    except TimeoutError:
        return "no answer in time", True
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"can't be reached: {type(error).__name__}", True
    return None, False
