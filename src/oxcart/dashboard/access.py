"""Access: who asks, and what that user may see and do."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

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
    actions: frozenset[str] | None = None
    queues: tuple[str, ...] = ("*",)

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise OptionsError(f"role={self.role!r}: one of {', '.join(_ROLES)}")
        if self.actions is not None and (unknown := self.actions - ACTIONS):
            raise OptionsError(f"actions: {', '.join(sorted(unknown))}: known are {', '.join(sorted(ACTIONS))}")

    @property
    def allowed(self) -> frozenset[str]:
        return _ROLES[self.role] if self.actions is None else self.actions

    def may(self, action: str) -> bool:
        return action in self.allowed

    def sees(self, queue: str) -> bool:
        """Whether this queue exists for the user."""
        return any(fnmatchcase(queue, pattern) for pattern in self.queues)
