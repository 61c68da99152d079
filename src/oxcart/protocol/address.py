"""Where Redis is: which URLs are understood, and how one is shown without its password."""

from __future__ import annotations

import os
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
    if scheme not in _SCHEMES or (scheme != "embedded" and "://" not in url):
        raise OptionsError(f"connection={masked(url)!r}: a URL starts with redis://, rediss://, unix:// or embedded:")
    if scheme in ("redis", "rediss"):
        try:
            parts = urlsplit(url)
            database, port = parts.path.strip("/"), parts.port
        except ValueError as error:
            raise OptionsError(f"connection={masked(url)!r}: {error}") from None
        if port == 0:
            raise OptionsError(f"connection={masked(url)!r}: 0 is no port")
        if database and not database.isdigit():
            raise OptionsError(f"connection={masked(url)!r}: the database after '/' is a number, not {database!r}")
    return url


def masked(url: str) -> str:
    """The URL with its password, if any, replaced."""
    scheme, separator, rest = url.partition("://")
    userinfo, at, host = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = userinfo.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}@{host}"
