"""Watching: looks at the rules, one process of many, and tells what begins and what is over."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase

from ... import OxcartError, Queue
from ...errors import ScriptError
from ...tally import HOUR_MS
from ..access import Access
from ..ask import Ask
from ..board import Board
from ..reading import rows
from ..reading.direct import ask_redis
from ..reading.each import of_each
from .facts import Facts
from .rules import Alert, sentence
from .sending import Destination, Message, destination, send
from .state import Firing, State

log = logging.getLogger("oxcart.dashboard.alerts")

EVERY_S = 30
"""How often the rules are looked at."""

LOCK_MS = 150_000
"""For how long a process that looks at a rule keeps others from it: longer than a round takes, with all its sending."""

KEEP_MS = 30 * 24 * HOUR_MS
SETTLE_MS = 25_000
"""That workers are missing is told when it is so for longer: at a deploy they all go for a moment."""

GIVE_UP = 10
"""After so many rounds in which the end of an alert could not be told, it is let go."""

_EVERYBODY = Access(role="admin")


class Watch:
    """Looks at the rules of a dashboard, for as long as it runs."""

    def __init__(self, board: Board, rules: Sequence[Alert]) -> None:
        self._board = board
        self.rules = tuple(rules)
        self._me = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._key = Queue("-", connection=board.connection, prefix=board.prefix).keys.alerts
        self._unreadable: set[tuple[str, str]] = set()
        """Rules and queues of which it was told that they can't be looked at."""

    def start(self) -> None:
        """Begin to look, unless that has begun."""
        if self.rules and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="oxcart-alerts")

    async def close(self) -> None:
        """Look no more. Other processes go on at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if not self.rules:
            return
        with suppress(OxcartError, TimeoutError):
            async with asyncio.timeout(1):
                for rule in self.rules:
                    await self._let_go(rule)

    async def _run(self) -> None:
        told = False
        while True:
            try:
                await self.look()
                told = False
            except OxcartError as error:  # Redis is away: rules about queues can't be looked at
                if not told:
                    log.warning("the rules of alerts can't be looked at: %s", error)
                told = True
            except Exception:
                log.exception("a bug in the alerts")
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Look at all rules that no other process looks at, and tell what is new."""
        facts = Facts(self._board)
        names = await self._board.names(Ask(_EVERYBODY))
        # All at once, as one that can't be sent takes a minute; and all to their end, so that no two rounds overlap.
        looks = (self._look_if_ours(rule, facts, names) for rule in self.rules)
        for result in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _look_if_ours(self, rule: Alert, facts: Facts, names: Sequence[str]) -> None:
        try:
            if await self._may_look(rule):
                await self._look_at(rule, facts, [name for name in names if fnmatchcase(name, rule.queues)])
        except ScriptError as error:  # keys that somebody damaged: the other rules have others
            log.warning("a rule of alerts can't be looked at (%s): %s", rule.words, error)

    async def _look_at(self, rule: Alert, facts: Facts, names: Sequence[str]) -> None:
        state = await self.state(rule)
        before = state.as_text()
        # Those that it holds for are looked at even if they are not found: right after a start not all may be.
        names = list(dict.fromkeys([*names, *state.firing]))
        answers = await of_each(names, lambda name: facts.holds(rule, self._board.open(name)))
        self._unreadable.difference_update((rule.id, name) for name, _ in answers.found)
        unreadable = self._tell_unreadable(rule, answers.unreadable)
        values = {name: value for name, value in answers.found if value is not None}
        now = self._board.clock()
        for name, value in values.items():
            one = state.firing.setdefault(name, Firing(now, value))
            one.value, one.over = value, 0
        for name in state.firing.keys() - values.keys() - unreadable:
            state.firing[name].over += 1
        await self._tell(rule, state)
        for name, one in list(state.firing.items()):
            if one.over and (not one.told or one.over >= GIVE_UP):
                del state.firing[name]
        execute = self._board.connection.transport.execute
        if state.as_text() != before:
            await execute("HSET", self._key, self._place(rule), state.as_text())
        if state.firing or state.as_text() != before:
            await execute("PEXPIRE", self._key, KEEP_MS)

    def _tell_unreadable(self, rule: Alert, told: Sequence[tuple[str, OxcartError]]) -> set[str]:
        """The queues of which nothing is known now, so that nothing begins or ceases there. Each is told once."""
        for name, error in told:
            if (rule.id, name) not in self._unreadable:
                self._unreadable.add((rule.id, name))
                log.warning("a rule of alerts (%s) can't be looked at for %s: %s", rule.words, name, error)
        return {name for name, _ in told}

    async def _tell(self, rule: Alert, state: State) -> None:
        """Tell each destination what it doesn't know yet: that it holds, or that it is over."""
        tasks: list[Awaitable[tuple[bool, str | None]]] = []
        for at, one in enumerate(rule.to):
            where = destination(one)
            tasks.append(self._tell_one(rule, state, where, f"{at} {where.label}"))
        results = await asyncio.gather(*tasks)
        if any(sent for sent, _ in results):
            state.last = self._board.clock()
        if any(sent or problem for sent, problem in results):
            state.problem = "; ".join(problem for _, problem in results if problem) or None
        if not rule.to:  # then the page and the log tell of it
            for name, one in state.firing.items():
                if one.over == 0 and not one.told:
                    one.told.append("log")
                    log.warning("alert: %s", sentence(rule, name, one.value))
                elif one.over:
                    one.told.clear()

    async def _tell_one(self, rule: Alert, state: State, where: Destination, key: str) -> tuple[bool, str | None]:
        latest = self._board.clock() - (SETTLE_MS if rule.kind in ("no_workers", "stalled") else 0)
        begun = {
            name: one
            for name, one in state.firing.items()
            if one.over == 0 and key not in one.told and one.since <= latest
        }
        ended = {name: one for name, one in state.firing.items() if one.over and key in one.told}
        sent, problem = False, None
        for event, some in (("alert", begun), ("resolved", ended)):
            if not some:
                continue
            failed = await send(where, self._message(rule, event, some))
            if failed is not None:
                problem = f"{where.label}: {self._board.redactor.text(failed)}"
                log.warning("an alert could not be sent to %s", problem)
                continue
            sent = True
            for one in some.values():
                one.told.append(key) if event == "alert" else one.told.remove(key)
        return sent, problem

    def _message(self, rule: Alert, event: str, firing: dict[str, Firing]) -> Message:
        board = self._board
        parts = [sentence(rule, name, one.value) for name, one in sorted(firing.items())]
        text = "; ".join(parts[:10]) + (f"; and {len(parts) - 10} more queues" if len(parts) > 10 else "")
        if event == "resolved":
            text = f"over: {rule.words}; it was so in {', '.join(sorted(firing)[:10])}"
        return {
            "event": event,
            "at": board.clock(),
            "text": board.redactor.text(f"{rule.name}: {text}" if rule.name else text),
            "rule": {"id": rule.id, "name": rule.name, "kind": rule.kind, "words": rule.words, "over": rule.over},
            "queues": [
                {"name": rows.sendable(name), "value": one.value, "since": one.since}
                for name, one in sorted(firing.items())
            ],
            "dashboard": {"title": board.title, "environment": board.environment},
        }

    async def test(self, rule: Alert) -> tuple[int, list[str]]:
        """Send a message that says it is a test; how many it reached, and what went wrong with the others."""
        message = self._message(rule, "test", {})
        message["text"] = self._board.redactor.text(f"a test of the alert: {rule.words}")
        wheres = [destination(one) for one in rule.to]
        failed = await asyncio.gather(*(send(where, message, tries=1) for where in wheres))
        problems = [f"{where.label}: {why}" for where, why in zip(wheres, failed, strict=True) if why is not None]
        return len(wheres) - len(problems), [self._board.redactor.text(problem) for problem in problems]

    async def state(self, rule: Alert) -> State:
        """What is known of a rule."""
        return State.from_text(await ask_redis(self._board, "HGET", self._key, self._place(rule)))

    def _place(self, rule: Alert) -> str:
        """Where it is kept what is known of a rule, and who looks at it.

        The same rule of a dashboard of other queues, or that tells others, is another one: each has to look by itself.
        """
        wheres = [destination(one) for one in rule.to]
        to = [[where.label, where.url, where.slack] for where in wheres]
        text = json.dumps([rule.id, None if self._board.named is None else sorted(self._board.named), to])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    # ------------------------------------------------------------------------------------- one process of many

    async def _may_look(self, rule: Alert) -> bool:
        """Whether this process is the one that looks at a rule, for now."""
        execute, key = self._board.connection.transport.execute, self._lock_of(rule)
        if await execute("SET", key, self._me, "NX", "PX", LOCK_MS):
            return True
        if await execute("GET", key) != self._me:
            return False
        await execute("PEXPIRE", key, LOCK_MS)
        return True

    def _lock_of(self, rule: Alert) -> str:
        return f"{self._key}:lock:{self._place(rule)}"

    async def _let_go(self, rule: Alert) -> None:
        execute, key = self._board.connection.transport.execute, self._lock_of(rule)
        if await execute("GET", key) == self._me:
            await execute("DEL", key)


# Each holds its board, so it has to be taken out by hand: see `close`.
_WATCHES: dict[Board, Watch] = {}


def watch(board: Board, rules: Sequence[Alert] = ()) -> Watch:
    """What looks at the rules of a board; made with these rules at the first call."""
    found = _WATCHES.get(board)
    if found is None:
        found = _WATCHES[board] = Watch(board, rules)
    return found


def forget(board: Board) -> None:
    """Hold a board no more whose event loop is gone."""
    _WATCHES.pop(board, None)


async def close(board: Board) -> None:
    """Look at the rules of a board no more."""
    found = _WATCHES.pop(board, None)
    if found is not None:
        await found.close()
