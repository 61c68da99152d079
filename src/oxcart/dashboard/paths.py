"""Paths: where the dashboard is mounted, and which route a path means."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .ask import Refusal, not_found
from .routes import Route

API = ("api", "v1")
STATIC = ("static",)


@dataclass(frozen=True, slots=True)
class Place:
    """A request's path: where the dashboard is, and what is asked of it."""

    mount: str
    """Without a slash at its end; empty at the root."""
    is_api: bool
    is_static: bool
    rest: tuple[str, ...]
    """The segments behind the mount, and behind `api/v1` or `static`; a slash in a name is part of its segment."""
    is_bull_board: bool = False
    """Whether it is below `api` but not of our own API: as Bull Board has its routes."""


def place_of(scope: MutableMapping[str, Any]) -> Place:
    """Read the path as it came, since in the decoded one a slash in the name of a queue can't be told from others."""
    root = str(scope.get("root_path", "")).rstrip("/")
    path = str(scope["path"])
    # Some servers and frameworks have all of it in the path, some only what is below a proxy's path, some nothing.
    below = root.removeprefix(str(scope.get("app_root_path", "")).rstrip("/"))
    ahead = next((one for one in (root, below) if one and (path == one or path.startswith(one + "/"))), "")
    raw = scope.get("raw_path")
    text = path if raw is None else raw.split(b"?", 1)[0].decode("latin-1")
    parts = text.split("/")[1:]
    found = tuple(parts if raw is None else map(_unquoted, parts))
    mounted = tuple(ahead.split("/")[1:])
    if found[: len(mounted)] != mounted:
        # What was a slash to the host is none here: rules that it has for the paths below would be passed by.
        return Place(root, True, False, ())
    segments = found[len(mounted) :]
    if segments[:2] == API:
        return Place(root, True, False, segments[2:])
    if segments[:1] == API[:1]:
        return Place(root, True, False, segments[1:], is_bull_board=True)
    if segments[:1] == STATIC:
        return Place(root, False, True, segments[1:])
    return Place(root, False, False, segments)


class Table:
    """The routes, found by their method and segments."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._rows = [(route, tuple(route.path.strip("/").split("/"))) for route in routes]

    def find(self, method: str, segments: tuple[str, ...]) -> tuple[Route, Mapping[str, str]]:
        """The route, and what the variable parts of its path are."""
        method = "GET" if method == "HEAD" else method
        others = False
        for route, pattern in self._rows:
            found = _match(pattern, segments)
            if found is not None and route.method == method:
                return route, found
            others = others or found is not None
        if others:
            raise Refusal(405, "invalid", f"{method} is not for this.")
        raise not_found("The API has nothing at this path.")


def _match(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    found: dict[str, str] = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{"):
            found[part.strip("{}")] = segment
        elif part != segment:
            return None
    return found if all(found.values()) else None


def _unquoted(part: str) -> str:
    return unquote(part, errors="surrogateescape")
