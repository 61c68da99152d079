"""Compares two JSON values, member by member."""

from __future__ import annotations

from typing import Any, cast


def differences(theirs: Any, ours: Any, at: str = "") -> list[str]:
    """Where they are not the same, and what is there."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        mine, other = cast(dict[str, Any], ours), cast(dict[str, Any], theirs)
        found: list[str] = []
        for name in sorted(other.keys() | mine.keys()):
            if name in other and name in mine:
                found += differences(other[name], mine[name], f"{at}.{name}")
            else:
                whose = "theirs" if name in other else "ours"
                found.append(f"{at}.{name}: only in {whose}: {str(other.get(name, mine.get(name)))[:200]}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        mine, other = cast(list[Any], ours), cast(list[Any], theirs)
        if len(mine) != len(other):
            return [f"{at}: theirs has {len(other)}, ours {len(mine)}: {str(other)[:200]} and {str(mine)[:200]}"]
        pairs = enumerate(zip(other, mine, strict=True))
        return [text for number, pair in pairs for text in differences(*pair, f"{at}[{number}]")]
    same = theirs == ours and isinstance(theirs, bool) == isinstance(ours, bool)
    return [] if same else [f"{at}: theirs is {str(theirs)[:200]}, ours {str(ours)[:200]}"]


def in_order(value: Any) -> Any:
    """The same with lists sorted that have no order of their own: queues, schedulers, and children in a flow."""
    if isinstance(value, list):
        return [in_order(item) for item in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {name: in_order(item) for name, item in cast(dict[str, Any], value).items()}
    for name in ("queues", "schedulers", "children"):
        if isinstance(found.get(name), list):
            found[name] = sorted(found[name], key=_identity)
    return found


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    return str(item.get("queueName", "")), str(item.get("id", item.get("name")))
