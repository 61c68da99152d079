"""Access: who asks, and what that user may see and do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from ..errors import OptionsError

Role = Literal["view", "operate", "admin"]

VIEW = frozenset({"view", "view_data"})
OPERATE = VIEW | {
    "add",
    "retry",
    "promote",
    "cancel",
    "edit",
    "pause",
    "schedulers",
    "remove",
    "bulk",
    "export",
    "mark",
}
ADMIN = OPERATE | {"drain", "obliterate", "limits", "reveal", "audit", "redis", "alerts"}
ACTIONS = ADMIN
"""All that can be allowed. Each route of the API needs one of them."""

LOOKING = VIEW | {"export", "reveal", "audit", "redis"}
"""The actions that change nothing: what is left of a user's in a dashboard that is read only."""

_ROLES: dict[str, frozenset[str]] = {"view": VIEW, "operate": OPERATE, "admin": ADMIN}


@dataclass(frozen=True, slots=True)
class Access:
    """What a user may do: by `role`, or by exactly these `actions`; in `queues` whose names match one of the patterns.

    An `auth` function of yours answers one of these, or None for "not known": then the request is refused.
    Example: `Access("ada", role="operate", queues=("email", "shop-*"))`
    """

    user: str | None = None
    role: Role = "view"
    actions: Collection[str] | None = None
    queues: Collection[str] = ("*",)

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise OptionsError(f"role={self.role!r}: one of {', '.join(_ROLES)}")
        # Kept as what nobody changes afterwards, whatever they were given as.
        object.__setattr__(self, "queues", tuple(_texts("queues", self.queues)))
        if self.actions is None:
            return
        actions = frozenset(_texts("actions", self.actions))
        if unknown := actions - ACTIONS:
            raise OptionsError(f"actions: {', '.join(sorted(unknown))}: known are {', '.join(sorted(ACTIONS))}")
        object.__setattr__(self, "actions", actions)

    @property
    def allowed(self) -> frozenset[str]:
        return _ROLES[self.role] if self.actions is None else frozenset(self.actions)

    def may(self, action: str) -> bool:
        return action in self.allowed

    @property
    def sees_all(self) -> bool:
        """Whether every queue exists for the user."""
        return "*" in self.queues

    def sees(self, queue: str) -> bool:
        """Whether this queue exists for the user."""
        return any(fnmatchcase(queue, pattern) for pattern in self.queues)


def _texts(name: str, given: Collection[str]) -> Collection[str]:
    """Several texts; one alone would be taken apart into its letters, of which a `*` allows everything."""
    if isinstance(given, str):
        raise OptionsError(f"{name}={given!r}: a list of texts, such as {name}=[{given!r}]")
    found = cast(object, given)
    if not isinstance(found, Collection) or not all(isinstance(one, str) for one in cast(Collection[object], found)):
        raise OptionsError(f"{name}={given!r}: a list of texts")
    return given
