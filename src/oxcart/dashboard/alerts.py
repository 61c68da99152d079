"""Alerts: rules that are looked at while the dashboard runs, and whom they tell when they begin and cease to hold."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, cast, get_args

from .. import JobState, OptionsError, OxcartError, Queue
from ..errors import ScriptError
from ..tally import HOUR_MS, MINUTE_MS
from . import shapes
from .access import Access
from .ask import Ask, Refusal, not_found
from .board import Board
from .handlers import queues
from .handlers.overview import length_in_words
from .reading import direct, rows
from .reading.connected import worker_count
from .reading.each import of_each
from .reading.recorded import ask_redis, counted_since, with_recorder
from .sending import Destination, Message, Send, destination, send

log = logging.getLogger("oxcart.dashboard.alerts")

Kind = Literal["failures", "waiting", "oldest_waiting", "no_workers", "stalled", "paused"]

EVERY_S = 30
"""How often the rules are looked at."""

LOCK_MS = 150_000
"""For how long a process that looks at a rule keeps others from it: longer than a round takes, with all its sending."""

KEEP_MS = 30 * 24 * HOUR_MS
LONGEST_WITHIN_S = 86_400
SETTLE_MS = 25_000
"""That workers are missing is told when it is so for longer: at a deploy they all go for a moment."""

GIVE_UP = 10
"""After so many rounds in which the end of an alert could not be told, it is let go."""

_EVERYBODY = Access(role="admin")


@dataclass(frozen=True)
class Alert:
    """A rule: whom to tell when it begins to hold for a queue, and when it ceases to.

    `kind`: `failures` (more than `over` jobs failed for good in the last `within` seconds), `waiting` (more than `over`
    jobs wait), `oldest_waiting` (the next job has waited for more than `over` seconds), `no_workers` (more than `over`
    jobs wait and no worker is connected), `stalled` (more than `over` jobs are active and no worker is connected) or
    `paused` (a queue is paused and more than `over` jobs wait, with 0 also if none does). `queues` is a pattern of
    names. `to`: `webhook(url)`, `slack(url)`, or functions, plain or async, that take the message as a dict.

    Raises `OptionsError` for what can't be right.
    Example: `Alert("failures", queues="email*", over=10, within=300, to=[slack(os.environ["SLACK_URL"])])`
    """

    kind: Kind
    queues: str = "*"
    over: int = 0
    within: int = 300
    to: Sequence[Destination | Send] = ()
    name: str | None = None
    """Told along in messages, such as "mail is down"."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise OptionsError(f"Alert({self.kind!r}): one of {', '.join(get_args(Kind))}")
        if not isinstance(cast(object, self.queues), str) or not self.queues:
            raise OptionsError(f"queues={self.queues!r}: a pattern of names of queues, such as 'email*'")
        for word, value, least, most in (("over", self.over, 0, 2**53), ("within", self.within, 1, LONGEST_WITHIN_S)):
            if isinstance(value, bool) or not isinstance(cast(object, value), int) or not least <= value <= most:
                raise OptionsError(f"{word}={value!r}: a whole number between {least} and {most}")
        to = cast(object, self.to)
        several = isinstance(to, Sequence) and not isinstance(to, str)
        if not several or not all(isinstance(one, Destination) or callable(one) for one in self.to):
            raise OptionsError(f"to={to!r}: a list of webhook(url), slack(url) or functions, such as to=[tell_me]")

    @property
    def id(self) -> str:
        """The same in all processes that have this rule."""
        text = json.dumps([self.kind, self.queues, self.over, self.within, self.name])
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @property
    def words(self) -> str:
        """The rule as a sentence."""
        where = "any queue" if self.queues == "*" else self.queues
        jobs = f"more than {self.over:,} {'job' if self.over == 1 else 'jobs'}" if self.over else "jobs"
        said = {
            "failures": f"{jobs} failed within {length_in_words(1000 * self.within)} in {where}",
            "waiting": f"{jobs} wait in {where}",
            "oldest_waiting": f"the next job has waited for more than {length_in_words(1000 * self.over)} in {where}",
            "no_workers": f"{jobs} wait in {where}, but no worker is connected",
            "stalled": f"{jobs} are active in {where}, but no worker is connected",
            "paused": f"{where} is paused" + (f", and {jobs} wait" if self.over else ""),
        }
        return said[self.kind]


# ----------------------------------------------------------------------------------------------------- the facts


class Facts:
    """What rules have to know of queues: each fact is asked for once in a round, whatever the number of rules."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._known: dict[tuple[str, ...], asyncio.Future[Any]] = {}

    async def holds(self, rule: Alert, queue: Queue) -> int | None:
        """The number by which a rule holds for a queue; None if it doesn't."""
        if rule.kind == "paused" and rule.over == 0:
            counts, paused = await self._state(queue)  # also if nothing waits
            return counts[JobState.WAITING] + counts[JobState.PRIORITIZED] if paused else None
        value = await self._value(rule, queue)
        return value if value is not None and value > rule.over else None

    async def _value(self, rule: Alert, queue: Queue) -> int | None:
        """The number that a rule is about; None if it doesn't hold whatever the number is."""
        if rule.kind == "failures":
            return await self._once(
                ("failures", queue.name, str(rule.within)), lambda: self._failed(queue, rule.within)
            )
        counts, paused = await self._state(queue)
        waiting = counts[JobState.WAITING] + counts[JobState.PRIORITIZED]
        if rule.kind == "waiting":
            return waiting
        if rule.kind == "paused":
            return waiting if paused else None
        if rule.kind == "oldest_waiting":
            since = None if paused else await queues.oldest_waiting(self._board, queue)
            return None if since is None else max(self._board.clock() - since, 0) // 1000
        # Redis may not let us list its clients: then nothing is known of workers.
        if await worker_count(self._board, queue) != 0 or (rule.kind == "no_workers" and paused):
            return None
        return waiting if rule.kind == "no_workers" else counts[JobState.ACTIVE]

    async def _state(self, queue: Queue) -> tuple[dict[str, int], bool]:
        async def ask() -> tuple[dict[str, int], bool]:
            return await asyncio.gather(queue.counts(), queue.is_paused())

        return await self._once(("state", queue.name), ask)

    async def _failed(self, queue: Queue, within_s: int) -> int:
        """How many jobs failed for good in the last so many seconds.

        Those that are kept tell it exactly, for workers of BullMQ too. Of those that are not kept, workers that count
        by minute tell, or those with a recorder. None of the three tells of more than there were, so the most holds.
        """
        board, now = self._board, self._board.clock()
        since = now - 1000 * within_s
        kept = await direct.finished_between(board, queue, "failed", f"({since}", "+inf")
        minutes = within_s // 60
        counted = sum((await queues.minutes_of(board, queue, minutes))["failed"]) if minutes else 0
        recorded = 0
        if within_s <= 3600 and await with_recorder(board, [queue]):
            first = -(-since // MINUTE_MS) * MINUTE_MS
            recorded = (await counted_since(board, queue, first, now + 1)).failed
        return max(kept, counted, recorded)

    async def _once(self, key: tuple[str, ...], make: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(make())
        return await self._known[key]


def sentence(rule: Alert, queue: str, value: int) -> str:
    """What is the matter with a queue, in a sentence."""
    jobs = f"{value:,} {'job' if value == 1 else 'jobs'}"
    said = {
        "failures": f"{jobs} failed within {length_in_words(1000 * rule.within)} in {queue}",
        "waiting": f"{jobs} waiting in {queue}",
        "oldest_waiting": f"the next job in {queue} has waited for {length_in_words(1000 * value)}",
        "no_workers": f"{jobs} waiting in {queue}, but no worker is connected",
        "stalled": f"{jobs} active in {queue}, but no worker is connected",
        "paused": f"{queue} is paused",
    }
    return said[rule.kind]


# ---------------------------------------------------------------------------------------------- what is remembered


@dataclass(slots=True)
class Firing:
    """A queue that a rule holds for."""

    since: int
    value: int
    told: list[str] = field(default_factory=list[str])
    """The destinations that know of it."""
    over: int = 0
    """For how many rounds it has been over, while that could not be told."""


@dataclass(slots=True)
class State:
    """What all processes know of a rule, in Redis."""

    firing: dict[str, Firing] = field(default_factory=dict[str, Firing])
    last: int | None = None
    problem: str | None = None

    def as_text(self) -> str:
        firing = {name: [one.since, one.value, one.told, one.over] for name, one in self.firing.items()}
        return json.dumps({"firing": firing, "last": self.last, "problem": self.problem})

    @classmethod
    def from_text(cls, text: object) -> State:
        """What was kept; nothing if it can't be read."""
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            kept: Any = json.loads(str(text))
            firing = {
                str(name): Firing(int(since), int(value), [str(one) for one in told], int(over))
                for name, (since, value, told, over) in kept["firing"].items()
            }
            last, problem = kept["last"], kept["problem"]
            return cls(firing, None if last is None else int(last), None if problem is None else str(problem))
        return cls()


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


def usual_alerts(to: Sequence[Destination | Send]) -> list[Alert]:
    """Rules that fit most queues, for who doesn't want to write any."""
    return [
        Alert("failures", over=10, within=300, to=to),
        Alert("no_workers", to=to),
        Alert("stalled", to=to),
        Alert("oldest_waiting", over=600, to=to),
    ]


def check_alerts(rules: Sequence[Alert]) -> tuple[Alert, ...]:
    """The rules of a dashboard. Raises an `OptionsError` for what are none."""
    if isinstance(rules, Alert) or not all(isinstance(cast(object, rule), Alert) for rule in rules):
        raise OptionsError("alerts: a list of Alert(…)")
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        raise OptionsError("alerts: two rules are the same; give one of them another name, or both ways in one `to`")
    return tuple(rules)


# ---------------------------------------------------------------------------------------------------- for the page


async def listed(board: Board, ask: Ask) -> shapes.Alerts:
    """The rules that are about queues that the user sees, and for which of them they hold."""
    names = await board.names(ask)
    found: list[shapes.AlertRule] = []
    for rule in _rules_for(board, ask, names):
        state = await watch(board).state(rule)
        found.append(
            {
                "id": rule.id,
                "words": f"{rule.name}: {rule.words}" if rule.name else rule.words,
                "kind": rule.kind,
                "queues": rule.queues,
                "over": rule.over,
                "to": [destination(one).label for one in rule.to],
                "firing": sorted(name for name, one in state.firing.items() if not one.over and name in names),
                "last": state.last,
                "problem": state.problem,
            }
        )
    return {"now": board.clock(), "rules": found}


def _rules_for(board: Board, ask: Ask, names: Sequence[str]) -> list[Alert]:
    """The rules that are there for a user who sees these queues."""
    rules, all_of_them = watch(board).rules, ask.access.sees_all
    return [rule for rule in rules if all_of_them or any(fnmatchcase(name, rule.queues) for name in names)]


async def test(board: Board, ask: Ask) -> shapes.Done:
    """Send a message that says it is a test to all that a rule tells: `{id}`."""
    wanted = ask.given("id", str)
    rules = _rules_for(board, ask, await board.names(ask))
    rule = next((rule for rule in rules if rule.id == wanted), None)
    if rule is None:
        raise not_found("There is no such rule (any more).")
    reached, problems = await watch(board).test(rule)
    if problems:
        raise Refusal(409, "refused", f"It could not be sent to {'; '.join(problems)}.")
    if not rule.to:
        return {"done": 0, "text": "This rule tells nobody; it shows here and in the log only."}
    return {"done": reached, "text": f"A test was sent to {', '.join(destination(one).label for one in rule.to)}."}
