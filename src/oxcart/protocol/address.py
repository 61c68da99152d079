"""Where Redis is: which URLs are understood, and how one is shown without its password."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from ..errors import OptionsError

DEFAULT = "redis://localhost:6379/0"
_SCHEMES = ("redis", "rediss", "unix", "embedded")
_LATER = ("redis+sentinel", "redis+cluster")


def find_url(url: str | None) -> str:
    """The URL given, else `OXCART_REDIS_URL`, else `REDIS_URL`, else a local server's."""
    return check_url(url or os.environ.get("OXCART_REDIS_URL") or os.environ.get("REDIS_URL") or DEFAULT)


def check_url(url: object) -> str:
    """The URL, if it can be one of ours; an `OptionsError` that names it without its password otherwise."""
    if not isinstance(url, str):
        raise OptionsError(f"connection={url!r}: a URL such as {DEFAULT!r}, or a Connection")
    scheme = url.partition(":")[0]
    if scheme in _LATER:
        raise OptionsError(f"connection={masked(url)!r}: {scheme} is not supported yet; name one server directly")
    if scheme not in _SCHEMES or (":" if scheme == "embedded" else "://") not in url:
        raise OptionsError(f"connection={masked(url)!r}: a URL starts with redis://, rediss://, unix:// or embedded:")
    if scheme == "unix" and not urlsplit(url).path:
        raise OptionsError(f"connection={masked(url)!r}: the socket's path begins with a slash: unix:///run/redis.sock")
    if scheme in ("redis", "rediss"):
        try:
            parts = urlsplit(url)
            database, port = parts.path.strip("/"), parts.port
        except ValueError:
            # Its text may show a part of the password.
            text = (
                "the port is a number, and other characters of a password than letters and digits are percent-encoded"
            )
            raise OptionsError(f"connection={masked(url)!r}: {text}") from None
        if port == 0:
            raise OptionsError(f"connection={masked(url)!r}: 0 is no port")
        if database and not database.isdigit():
            raise OptionsError(f"connection={masked(url)!r}: the database after '/' is a number, not {database!r}")
    return url


def masked(url: str) -> str:
    """The URL with its password, if any, replaced."""
    url = re.sub(r"([?&](?:ssl_)?password=)[^&]*", r"\1***", url)
    scheme, separator, rest = url.partition("://")
    # A password may have slashes and worse, which it shouldn't: better hide too much.
    userinfo, at, host = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = userinfo.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}@{host}"


def silence_hint(url: str) -> str:
    """What else may be wrong where nobody answers to a URL; empty if nothing in particular."""
    # A server without TLS waits for the rest of what it takes for a command.
    return "; if the server has no TLS, its URL begins with redis://" if url.startswith("rediss://") else ""


def tls_defaults(url: str) -> dict[str, bool]:
    """What TLS should do if the URL says nothing of it: check the server's name too, as older clients don't."""
    checked = url.startswith("rediss://") and "ssl_check_hostname" not in url and "ssl_cert_reqs=none" not in url
    return {"ssl_check_hostname": True} if checked else {}
