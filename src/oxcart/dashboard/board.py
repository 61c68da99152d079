"""Board: what a dashboard is about: a connection, its queues, its rules. Nothing here is global."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from .. import Connection, Queue, find_queues
from ..clock import Clock, system_clock
from ..errors import ConnectionFailed, OptionsError, OxcartError, ScriptError, ServerRefused
from .access import Access
from .ask import Ask, not_found
from .audit import Journal
from .forms import Forms
from .pulse import Pulse
from .redact import Redactor

log = logging.getLogger("oxcart.dashboard")

FRESH_S, LONGEST_FRESH_S = 10, 300
"""How long the names of queues that were found are taken for true: longer where all keys take long to look through."""

SHARE = 100
"""Of so many seconds one is spent with looking: nothing else at rest costs as much, and new queues are rare."""

MOST_NOTED = 1000
"""How many names are noted for the next process."""


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
        journal: Journal | None = None,
        forms: Forms | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.connection = connection
        self.prefix = prefix
        self.redactor = redactor or Redactor()
        self.title = title
        self.environment = environment
        self.read_only = read_only
        self.clock = clock
        self.journal = journal or Journal()
        self.forms = forms or Forms()
        self.pulse = Pulse()
        self.named = None if queues is None else tuple(queues)
        """Those that it is about; None if it finds them by itself."""
        self._found: tuple[str, ...] = ()
        self._found_once = False
        self._found_at = float("-inf")
        self._fresh_s: float = FRESH_S
        self._search: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._noted: frozenset[str] | None = None
        """The names that are noted in Redis, as far as we know."""
        self._queues: dict[str, Queue] = {}
        self._erased: dict[str, float] = {}
        """Which were erased since a search began that may still bring them."""

    async def names(self, ask: Ask) -> list[str]:
        """The queues that this user sees, in alphabetical order."""
        return sorted(name for name in await self._all() if ask.access.sees(name))

    async def chosen(self, ask: Ask) -> list[str]:
        """The same, or only the one that `?queue=` names; as not found if the user doesn't see it."""
        names = await self.names(ask)
        wanted = ask.text("queue")
        if wanted is None:
            return names
        if wanted not in names:
            raise not_found(f"There is no queue {wanted!r} here.")
        return [wanted]

    async def queue(self, ask: Ask) -> Queue:
        """The queue that the path names; as not found if the user doesn't see it."""
        name = ask.path["queue"]
        if not ask.access.sees(name) or not await self._is_there(name):
            raise not_found(f"There is no queue {name!r} here.")
        return self.open(name)

    def shows(self, access: Access, name: str) -> bool:
        """Whether a queue, if it is there, is one of this board's and exists for the user."""
        return (self.named is None or name in self.named) and access.sees(name)

    def shows_all(self, access: Access) -> bool:
        """Whether every queue that there may be does."""
        return self.named is None and access.sees_all

    def open(self, name: str) -> Queue:
        """A queue over the shared connection."""
        if name not in self._queues:
            self._queues[name] = Queue(name, connection=self.connection, prefix=self.prefix, clock=self.clock)
        return self._queues[name]

    def forget(self, name: str) -> None:
        """A queue was erased."""
        self._erased[name] = time.monotonic()
        self._found = tuple(other for other in self._found if other != name)

    async def close(self) -> None:
        """Look for queues no more."""
        for task in (self._search, self._noting):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _all(self) -> tuple[str, ...]:
        """The names, which are looked for in the background: that takes long in a Redis with many keys."""
        if self.named is not None:
            return self.named
        if time.monotonic() - self._found_at > self._fresh_s and (self._search is None or self._search.done()):
            self._search = asyncio.create_task(self._find())
        if self._search is not None and not self._found_once:
            await self._noted_or_found(self._search)
        if self._search is not None and self._search.done():
            await self._search
        return self._found

    async def _noted_or_found(self, search: asyncio.Task[None]) -> None:
        """Begin with the names that were found last time, by whatever process, while all keys are looked through."""
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._read_noted())
        await asyncio.wait({search, self._noting}, return_when=asyncio.FIRST_COMPLETED)
        if not search.done() and not self._found_once:
            await asyncio.shield(search)

    async def _find(self) -> None:
        begun = time.monotonic()
        try:
            names = await find_queues(self.connection, self.prefix)
            found = [name for name in names if self._erased.get(name, begun) <= begun]
            self._erased.clear()
            there = set(names)
            self._queues = {name: queue for name, queue in self._queues.items() if name in there}
            await self._note(found)
            self._found = tuple(found)
            self._found_once = True
        except ConnectionFailed:
            if not self._found_once:
                raise
            log.warning("the names of the queues can't be looked for: Redis is away")
        self._found_at = time.monotonic()
        self._fresh_s = min(max(FRESH_S, SHARE * (self._found_at - begun)), LONGEST_FRESH_S)

    async def _read_noted(self) -> None:
        """The names that are noted in Redis, of queues that are still there."""
        execute = self.connection.transport.execute
        try:
            noted: list[str] = await execute("SMEMBERS", self._noted_at)
            self._noted = frozenset(noted)
            names = [name for name in sorted(noted)[:MOST_NOTED] if name and ":" not in name]
            there = await asyncio.gather(*(execute("EXISTS", self.open(name).keys.one("meta")) for name in names))
        except OxcartError as error:
            log.debug("the names that were noted can't be read: %s", error)
            return
        found = tuple(name for name, one in zip(names, there, strict=True) if one)
        if found and not self._found_once:
            self._found, self._found_once = found, True

    async def _note(self, found: Sequence[str]) -> None:
        """For whoever looks next: only what has changed, and nothing in a dashboard that is for looking only."""
        if self.read_only:
            return
        execute = self.connection.transport.execute
        try:
            if self._noted is None:
                self._noted = frozenset(await execute("SMEMBERS", self._noted_at))
            here = frozenset(found[:MOST_NOTED])
            for command, names in (("SADD", here - self._noted), ("SREM", self._noted - here)):
                if names:
                    await execute(command, self._noted_at, *sorted(names))
            self._noted = here
        except (ServerRefused, ScriptError) as error:
            log.debug("the names of the queues can't be noted: %s", error)

    @property
    def _noted_at(self) -> str:
        """No queue has a key of this name: those of queues have another part behind."""
        return f"oxcart:{self.prefix}:queues"

    async def _is_there(self, name: str) -> bool:
        """Whether a queue is one of ours; also one that has come since we looked last."""
        if self.named is not None:
            return name in self.named
        if name in await self._all():
            return True
        try:
            key = self.open(name).keys.one("meta")
        except OptionsError:
            return False
        if not await self.connection.transport.execute("EXISTS", key):
            self._queues.pop(name, None)
            return False
        self._found = (*self._found, name)
        return True
