"""Does steps on both sides, and compares after each: what was answered, and all that is in Redis."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from typing import Any

from oxcart.errors import OptionsError, OxcartError, PayloadError, Refused, refusal
from tests.interop.peer import NodeError
from tests.interop.test_same_traces import differences
from tests.invariants import CHECKS, Snapshot, _take

from .canonical import NOW, Found, canonical
from .deviations import DEVIATIONS
from .operations import OPERATIONS, Locked
from .sides import PREFIX, Clock, Node, Ours, Side, Step

UNNUMBERED = {
    r"could not be removed because it is locked": -21,
    r"Cannot obliterate queue with active jobs": -32,
    r"^JobId cannot be|^Custom Id cannot|jobId.startsWith|exceeds the limit|^Priority should|^Jitter should": "options",
    r"^Deduplication id must|^End date must": "options",
}
"""What Node refuses without a number; and ours, or that it is refused before anything is sent."""


class Differs(AssertionError):
    """The steps up to the one after which the sides differ, and what does."""

    def __init__(self, steps: Iterable[Step], found: Iterable[str]) -> None:
        told = [*(f"  {at}. {step}" for at, step in enumerate(steps, 1)), *(f"→ {line}" for line in found)]
        super().__init__("\n".join(["after", *told]))


class Machine:
    """Two sides that are kept alike. `queues` are those that steps are about."""

    def __init__(self, node: Node, ours: Ours, queues: tuple[str, ...] = ("q",)) -> None:
        self.node = node
        self.ours = ours
        self.queues = queues
        self.steps: list[Step] = []
        self.found: dict[str, Found] = {}
        """What is in Node's queues."""
        self.deviations = DEVIATIONS
        self.clock = node.clock = ours.clock = Clock()

    async def do(self, name: str, /, **arguments: Any) -> Any:
        """Do one operation on both sides; what Node answered."""
        return await self.run(Step(name, arguments))

    async def run(self, step: Step) -> Any:
        """The same for a step."""
        operation = OPERATIONS[step.name]
        before = self.found.get(step.queue, {})
        self.steps.append(step)
        theirs = await self._answer(operation.node, self.node, step, operation.result)
        mine = await self._answer(operation.ours, self.ours, step, operation.result)
        await self._go_on()
        found = [*differences(theirs, mine, "answer")]
        for deviation in self.deviations:
            if found and deviation.excuse is not None and deviation.excuse(step, theirs, mine, before):
                found = []
            if deviation.amend is not None:
                await deviation.amend(step, theirs, before, self.node)
        # The children of a job are a set, whose order is that of a hash of their keys, with the queue's name in them.
        found += await self._compare(unordered=step.name in ("remove", "remove_job"))
        if found:
            raise Differs(self.steps, found)
        return theirs

    async def _go_on(self) -> None:
        """To the next millisecond, so that times tell the order of the steps, in which both sides then agree."""
        if self.clock.set_to is not None:
            await self._set_clock(self.clock.set_to + 1)
            return
        now = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == now:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)

    async def _set_clock(self, now: int | None) -> None:
        self.clock.set_to = now
        await self.node.peer("clock", now=now)

    def avoids(self, step: Step) -> str:
        """The name of the deviation for which a step can't be compared now, or nothing."""
        found = self.found.get(step.queue, {})
        for deviation in self.deviations:
            if deviation.avoid is not None and deviation.avoid(step, found):
                return deviation.name
        return ""

    async def start(self, now: int | None = None) -> None:
        """Begin with empty queues, whatever was in them.

        With `now` it is then this time, and a millisecond later with each step, so that both sides have the same times.
        """
        await self._set_clock(now)
        for side in (self.node, self.ours):
            for queue in self.queues:
                await side.peer("forget", queue=side.name(queue))
                own = self.ours.queue(queue).keys.own
                patterns = (side.key(queue, "*"), f"{own}*")
                keys = [key for each in patterns async for key in side.redis.scan_iter(each, count=1000)]
                if keys:
                    await side.redis.unlink(*keys)
        self.ours.taken.clear()
        self.steps.clear()
        await self._compare()

    @staticmethod
    async def _answer(doing: Any, side: Side, step: Step, show: Any) -> Any:
        try:
            answer = show(await doing(side, step.queue, step.rest))
        except (NodeError, Locked, OxcartError) as error:
            answer = {"refused": _code(error)}
        # As JSON, in which it came from Node; and without the names of the queues.
        return json.loads(json.dumps(answer).replace(side.base, "side"))

    async def _compare(self, unordered: bool = False) -> list[str]:
        found: list[str] = []
        for queue in self.queues:
            theirs, their_snapshot = await self._look(self.node, queue)
            mine, snapshot = await self._look(self.ours, queue)
            for deviation in self.deviations:
                if deviation.hide is not None:
                    deviation.hide(theirs, mine)
            before = len(self.found.get(queue, {}).get("events", ()))
            found += _events_apart(theirs, mine, queue, before, unordered)
            found += differences(theirs | {"events": 0}, mine | {"events": 0}, queue)
            if not found:
                found += _only_ours(their_snapshot, snapshot)
            self.found[queue] = theirs
        return found

    async def _look(self, side: Side, queue: str) -> tuple[Found, Snapshot]:
        snapshot = await _take(side.redis, f"{PREFIX}:{side.name(queue)}:")
        exact = self.clock.set_to is not None
        found = json.loads(json.dumps(canonical(snapshot, exact)).replace(side.base, "side"))
        return found | ({NOW: self.clock()} if exact else {}), snapshot


def _events_apart(theirs: Found, mine: Found, queue: str, before: int, unordered: bool) -> list[str]:
    """What is told otherwise since there were so many events."""
    one, other = theirs.get("events", []), mine.get("events", [])
    # A stream that became shorter was trimmed, or is a new one.
    one, other = (new[before:] if len(new) >= before else new for new in (one, other))
    if unordered:
        one, other = (sorted(new, key=str) for new in (one, other))
    if one == other:
        return []
    at = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return [f"{queue}/events: Node {one[at:]}, ours {other[at:]}"]


def _only_ours(theirs: Snapshot, mine: Snapshot) -> list[str]:
    """What doesn't hold for our keys, and does for Node's."""
    common = {(broken.name, broken.key) for check in CHECKS for broken in check(theirs)}
    return [str(broken) for check in CHECKS for broken in check(mine) if (broken.name, broken.key) not in common]


def _code(error: Exception) -> Any:
    """The number that the wire has for it, which is what has to be the same; or what was said."""
    if isinstance(error, Refused):
        right = type(refusal(error.code, "", "")) is type(error)
        return error.code if right else f"{error.code} as {type(error).__name__}"
    if isinstance(error, Locked):
        return -21
    if isinstance(error, OptionsError | PayloadError):
        return "options"
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    return next((number for said, number in UNNUMBERED.items() if re.search(said, str(error))), str(error))
