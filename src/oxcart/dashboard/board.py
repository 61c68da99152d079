"""Board: what a dashboard is about: a connection, its queues, its rules. Nothing here is global."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import Connection, Queue, find_queues
from ..clock import Clock, system_clock
from .ask import Ask, not_found
from .redact import Redactor

FRESH_S = 10
"""How long the names of queues that were found are taken for true."""


class Board:
    """The queues of a dashboard, and what is the same for all requests."""

    def __init__(
        self,
        connection: Connection,
        *,
        prefix: str = "bull",
        queues: Sequence[str] | None = None,
        redactor: Redactor | None = None,
        title: str = "Oxcart",
        environment: str | None = None,
        read_only: bool = False,
        clock: Clock = system_clock,
    ) -> None:
        self.connection = connection
        self.prefix = prefix
        self.redactor = redactor or Redactor()
        self.title = title
        self.environment = environment
        self.read_only = read_only
        self.clock = clock
        self._named = None if queues is None else tuple(queues)
        self._found: tuple[str, ...] = ()
        self._found_at = float("-inf")
        self._queues: dict[str, Queue] = {}

    async def names(self, ask: Ask) -> list[str]:
        """The queues that this user sees, in alphabetical order."""
        return sorted(name for name in await self._all() if ask.access.sees(name))

    async def queue(self, ask: Ask) -> Queue:
        """The queue that the path names; as not found if the user doesn't see it."""
        name = ask.path["queue"]
        if name not in await self._all() or not ask.access.sees(name):
            raise not_found(f"there is no queue {name!r} here")
        if name not in self._queues:
            self._queues[name] = self.open(name)
        return self._queues[name]

    def open(self, name: str) -> Queue:
        """A queue over the shared connection."""
        if name not in self._queues:
            self._queues[name] = Queue(name, connection=self.connection, prefix=self.prefix, clock=self.clock)
        return self._queues[name]

    async def _all(self) -> tuple[str, ...]:
        if self._named is not None:
            return self._named
        if time.monotonic() - self._found_at > FRESH_S:
            self._found = tuple(await find_queues(self.connection, self.prefix))
            self._found_at = time.monotonic()
        return self._found
