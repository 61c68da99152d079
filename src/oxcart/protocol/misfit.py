"""Misfit: finds what in a value JSON can't carry, and says where it is. Nothing here is fast: it is for errors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, cast

import orjson

DEEPEST = 254
"""How many levels the encoder goes down."""

LONGEST_KEY = 40
NO_NUMBER = "which is no number that JSON has"


def find(value: Any, root: str, plain: Callable[[Any], object]) -> str | None:
    """The first misfit with its place below `root`, such as `data.a[2] is of type set, …`; None if all fits.

    `plain` turns a model into what it stands for, and raises for all else.
    """
    return _find(value, root, plain, ())


def _find(value: Any, place: str, plain: Callable[[Any], object], above: tuple[int, ...]) -> str | None:
    if id(value) in above:
        return f"{place} contains itself"
    if len(above) >= DEEPEST:
        return f"{place[:100]}… is nested too deeply"
    for why in filter(None, map(_wrong_key, _keys(value))):
        return f"{place} has a key that {why}"
    inner = _inside(value, plain)
    if inner is None:
        return _wrong_leaf(value, place, plain)
    for name, item in inner:
        if found := _find(item, f"{place}{name}", plain, (*above, id(value))):
            return found
    return None


def _keys(value: object) -> list[Any]:
    return list(cast(dict[Any, Any], value)) if isinstance(value, dict) else []


def _inside(value: Any, plain: Callable[[Any], object]) -> Iterable[tuple[str, Any]] | None:
    """What a value consists of, each with how it is reached; None for what has no parts."""
    if isinstance(value, dict):
        return [(_step(key), item) for key, item in cast(dict[str, Any], value).items()]
    if isinstance(value, list | tuple):
        return [(f"[{at}]", item) for at, item in enumerate(cast(list[Any], value))]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{field.name}", getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Decimal) or _fits(value, None):
        return None
    try:
        stands_for = plain(value)
    except Exception:
        return None
    return [("", stands_for)]


def _step(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{key[:LONGEST_KEY]!r}]"


def _wrong_key(key: Any) -> str:
    if not isinstance(key, str):
        return f"isn't a text: {repr(key)[:LONGEST_KEY]}"
    return "" if _fits({key: None}, None) else "has half a character in it (a lone surrogate), or is no plain text"


def _wrong_leaf(value: Any, place: str, plain: Callable[[Any], object]) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place} is {value}, {NO_NUMBER}"
    if isinstance(value, Decimal) and not value.is_finite():
        return f"{place} is Decimal('{value}'), {NO_NUMBER}"
    if _fits(value, plain):
        return None
    if isinstance(value, int):
        return f"{place} is a whole number of more than 64 bits: send it as text"
    if isinstance(value, str):
        return f"{place} has half a character in it (a lone surrogate)"
    return f"{place} is of type {type(value).__name__}, which JSON doesn't have"


def _fits(value: Any, plain: Callable[[Any], object] | None) -> bool:
    try:
        orjson.dumps(value, default=plain)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
