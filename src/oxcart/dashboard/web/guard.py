"""Guard: what a request has to be like before anybody looks at what it asks for; and what answers tell browsers."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from starlette.requests import HTTPConnection

from ...errors import OptionsError
from ..ask import Refusal, too_many

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
MARK = "x-oxcart"
"""The header that requests which change something have to have: a page elsewhere can't send it without being asked."""
MAX_BODY = 5 * 2**20
MOST_KEYS = 10_000
READS, WRITES = (1800, 60), (300, 60)
"""How many requests of one user in how many seconds."""

_ORIGIN = re.compile(r"https?://[a-z0-9.\-_\[\]:]+", re.IGNORECASE)

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(:[0-9]{1,5})?")

# What a proxy adds, beside all that begins with x-forwarded: then the address of the client is the proxy's, and says
# nothing.
_FORWARDED = frozenset(
    "forwarded via x-real-ip x-client-ip x-cluster-client-ip x-original-forwarded-for x-envoy-external-address "
    "true-client-ip cf-connecting-ip fastly-client-ip".split()
)


class Buckets:
    """For each key, `most` uses in `seconds`, refilled steadily. Keys that were not seen for long are forgotten."""

    def __init__(self, most: float, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._rate = most / seconds
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, key: str) -> float:
        """How many seconds until there is one to take; 0 if there is."""
        left = self._level(key)
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def take(self, key: str) -> bool:
        """Take one, if there is one."""
        left = self._level(key)
        enough = left >= 1
        self._left[key] = (left - 1 if enough else left), self._now()
        self._left.move_to_end(key)
        while len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return enough

    def give_back(self, key: str) -> None:
        """Undo a `take`."""
        if key in self._left:
            self._left[key] = min(self._most, self._level(key) + 1), self._now()

    def _level(self, key: str) -> float:
        left, at = self._left.get(key, (self._most, self._now()))
        return min(self._most, left + (self._now() - at) * self._rate)


class Guard:
    """The rules about hosts, origins, bodies and rates. Raises `Refusal` for what breaks them."""

    def __init__(
        self,
        *,
        allowed_hosts: Sequence[str] | None = None,
        allowed_origins: Sequence[str] = (),
        frame_ancestors: Sequence[str] | None = None,
    ) -> None:
        self._hosts = None if allowed_hosts is None else [_host_pattern(host) for host in _words(allowed_hosts)]
        self._origins = frozenset(_origin(origin) for origin in _words(allowed_origins))
        self.headers = security_headers(frame_ancestors)
        self._reads = Buckets(*READS)
        self._writes = Buckets(*WRITES)

    def check_host(self, request: HTTPConnection) -> None:
        """Only the hosts that were named, if any were: else a page elsewhere may have its name lead here."""
        if self._hosts is None or self.is_named(request):
            return
        raise Refusal(403, "forbidden", f"This dashboard does not answer to the host {shown_host(request)}.")

    def is_named(self, request: HTTPConnection) -> bool:
        """Whether the host is one of `allowed_hosts`."""
        host = host_of(request)
        return any(_fits(host, pattern) for pattern in self._hosts or ())

    def is_local(self, request: HTTPConnection) -> bool:
        """Whether the client is this machine and calls it by a name that only this machine has."""
        if any(name in _FORWARDED or name.startswith("x-forwarded") for name in request.headers):
            return False
        client = request.client.host if request.client else ""
        return _is_loopback(client) and (_without_port(host_of(request)) in LOOPBACK_NAMES or self.is_named(request))

    def check_read(self, request: HTTPConnection, who: str) -> None:
        """Pages elsewhere may not have the browser of a user ask, even if they could not read the answer."""
        site = request.headers.get("sec-fetch-site")
        if site in ("cross-site", "same-site") and not self._origin_is_allowed(request):
            raise Refusal(403, "forbidden", "This was asked for by a page of another site.")
        self._check_rate(self._reads, who)

    def check_write(self, request: HTTPConnection, who: str) -> None:
        """What changes something comes from the dashboard's own page, or from a program that says so."""
        self._check_origin(request)
        if not request.headers.get(MARK):
            raise Refusal(403, "forbidden", f"Requests that change something need the header {MARK}: 1.")
        if _kind_of_body(request) != "application/json":
            raise Refusal(415, "invalid", "The body has to be JSON, with Content-Type: application/json.")
        self._check_rate(self._writes, who)

    def check_plain_write(self, request: HTTPConnection, who: str) -> None:
        """The same for routes whose callers know nothing of our header: Bull Board's page, and programs written for it.

        A page elsewhere can send a form without being asked, but then the browser says where it comes from, and what
        it has sent is no JSON.
        """
        self._check_origin(request)
        kind = _kind_of_body(request)
        has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
        if kind != "application/json" and (kind or has_body):
            raise Refusal(415, "invalid", "A body has to be JSON, with Content-Type: application/json.")
        self._check_rate(self._writes, who)

    def check_noted(self, who: str) -> None:
        """What is only read, but noted, counts as an action, too: it would fill the audit as fast as one may read."""
        self._check_rate(self._writes, who)

    def _check_origin(self, request: HTTPConnection) -> None:
        site = request.headers.get("sec-fetch-site")
        if site == "same-origin" or self._origin_is_allowed(request):
            return
        origin = request.headers.get("origin")
        if site is None and (origin is None or origin.partition("://")[2].lower() == host_of(request)):
            return  # an older browser, or a program
        raise Refusal(403, "forbidden", "This request comes from a page of another site.")

    def _origin_is_allowed(self, request: HTTPConnection) -> bool:
        return request.headers.get("origin", "").lower() in self._origins

    def _check_rate(self, buckets: Buckets, who: str) -> None:
        if not buckets.take(who):
            raise too_many("Too many requests.", buckets.wait(who))


def security_headers(frame_ancestors: Sequence[str] | None = None) -> dict[str, str]:
    """The headers of every answer: nothing is loaded from elsewhere, and nobody may put the page in a frame."""
    ancestors = _words(frame_ancestors or ())
    for word in ancestors:
        if word != "'self'":
            _origin(word)
    framed_by = " ".join(ancestors) or "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {framed_by}; "
        # Text can't become a script or markup in the page, whatever a mistake in it would do with the text.
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Robots-Tag": "noindex",
    }
    return headers if ancestors else {**headers, "X-Frame-Options": "DENY"}


def _kind_of_body(request: HTTPConnection) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def host_of(request: HTTPConnection) -> str:
    return request.headers.get("host", "").strip().lower()


def shown_host(request: HTTPConnection) -> str:
    """The host as it may stand in an answer."""
    return repr(host_of(request)[:100])


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _without_port(host: str) -> str:
    """The name or address; what is no host as it is, so that it is none that anybody has named."""
    found = _HOST.fullmatch(host)
    return host if found is None else found[1]


def _host_pattern(host: str) -> str:
    if (
        "/" in host
        or not host
        or host == "*"
        or "*" in host[1:]
        or (host.startswith("*") and not host.startswith("*."))
    ):
        raise OptionsError(f"allowed_hosts: {host!r}: a name such as 'jobs.example.com', or '*.example.com'")
    return host.lower()


def _fits(host: str, pattern: str) -> bool:
    """Compared as a whole, or by its end behind a dot; with the port only if the pattern has one."""
    bare = _without_port(host)
    if pattern.startswith("*."):
        return bare.endswith(pattern[1:])
    return pattern in (host, bare)


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise OptionsError(f"{text!r}: an origin such as 'https://admin.example.com', without a path")
    return text.lower()


def _words(given: Sequence[str]) -> list[str]:
    """A list of texts; one text alone would be taken apart into its letters."""
    if isinstance(given, str):
        raise OptionsError(f"{given!r}: a list of texts, such as [{given!r}]")
    return list(given)
