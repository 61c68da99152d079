"""Recorder: counts in memory what becomes of jobs, and now and then adds it to what all workers have counted."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..aio.connection import Connection
from ..clock import Clock
from ..errors import ConnectionFailed, OxcartError, ServerRefused
from ..protocol import wire
from ..protocol.call import Call
from ..protocol.calls import stats
from ..protocol.keys import Keys
from ..tally import HOUR_MS, LAST_BUCKET, MINUTE_MS, MOST_NAMES, OTHER, Tally, bucket_of
from ..traces import LONGEST_MESSAGE, fingerprint, in_python_library, normalised, parse, place_of
from .children import ChildTrace
from .execution import Outcome, Verdict

log = logging.getLogger("oxcart.worker")

FLUSH_S = 10
"""How often what was counted is written."""

LONGEST_NAME = 200
MOST_COUNTS = 2000
"""So many are kept while Redis is away; then the oldest minutes become one."""

MOST_FAILURES = 500
"""So many kinds of failures are told apart between two writes."""

LONGEST_EXAMPLE = 4 * LONGEST_MESSAGE

# A count is a list, which is the fastest: these come first, then the buckets of run times, then those of waits.
_DONE, _BAD, _AGAIN, _RUN_MS, _WAIT_MS, _RUN = range(6)
_WAIT = _RUN + LAST_BUCKET + 1
_WIDTH = _WAIT + LAST_BUCKET + 1

_SHORT = 4096
_RUN_AT = tuple(_RUN + bucket_of(ms) for ms in range(_SHORT))
_WAIT_AT = tuple(_WAIT + bucket_of(ms) for ms in range(_SHORT))
"""Where most times are counted, found at once."""

# Members of an enum are found more slowly than globals.
_COMPLETED, _FAILED, _RETRY, _DELAYED = Verdict.COMPLETED, Verdict.FAILED, Verdict.RETRY, Verdict.DELAYED

Count = list[int]


def as_tally(count: Count) -> Tally:
    """A count as it is written."""
    run, wait = count[_RUN:_WAIT], count[_WAIT:]
    return Tally(
        count[_DONE],
        count[_BAD],
        count[_AGAIN],
        {bucket: number for bucket, number in enumerate(run) if number},
        {bucket: number for bucket, number in enumerate(wait) if number},
        count[_RUN_MS],
        count[_WAIT_MS],
    )


@dataclass(slots=True)
class _Seen:
    """Failures of one kind in one hour."""

    count: int
    last: int
    example: str


class Recorder:
    """Counts the jobs of one worker. What is counted for each job costs a few additions; nothing is sent for it.

    While Redis is away it goes on counting, within bounds. Whatever goes wrong here harms no job.
    """

    def __init__(self, connection: Connection, keys: Keys, clock: Clock, tell: Callable[[BaseException], None]) -> None:
        self._connection = connection
        self._keys = keys
        self._clock = clock
        self._tell = tell
        self._worker = uuid.uuid4().hex
        self._minutes: dict[int, dict[str, Count]] = {}
        self._names: dict[str, Count] = {}
        """Those of the present minute."""
        self._minute = -1
        self._until = float("-inf")
        """When the present minute ends, as `time.perf_counter` tells it: a clock that is cheap, and never set."""
        self._failures: dict[int, dict[str, _Seen]] = {}
        self._outgoing: deque[Call[int]] = deque()
        self._calls = 0

    # ----------------------------------------------------------------------------------------------- counting

    def note(self, outcome: Outcome, ran_s: float, ended: float) -> None:
        """An attempt that ran for so long is settled. `ended`: when, by `time.perf_counter`.

        A bug in here must not harm the job, which is done.
        """
        try:
            # This runs for every job: what is looked up twice, or called, is felt.
            if ended >= self._until:
                self._turn(ended)
            fields = outcome.attempt.job.record.fields
            name = fields.get("name", "")
            count = self._names.get(name)
            if count is None:
                count = self._new(name)
            verdict = outcome.verdict
            if verdict is _COMPLETED:
                count[_DONE] += 1
            elif verdict is _FAILED:
                count[_BAD] += 1
                self._note_failure(outcome)
            elif verdict is _RETRY or verdict is _DELAYED:
                count[_AGAIN] += 1
            else:
                return  # put back on purpose: the attempt does not count
            ran_ms = int(ran_s * 1000)
            count[_RUN_MS] += ran_ms
            count[_RUN_AT[ran_ms] if ran_ms < _SHORT else _RUN + bucket_of(ran_ms)] += 1
            if fields.get("ats") == "1":
                waited_ms = waited(fields)
                if waited_ms >= 0:
                    count[_WAIT_MS] += waited_ms
                    count[_WAIT_AT[waited_ms] if waited_ms < _SHORT else _WAIT + bucket_of(waited_ms)] += 1
        except Exception as error:
            self._tell(error)

    def _turn(self, ended: float) -> None:
        """Count in the minute that it is now."""
        now = self._clock()
        self._minute = now // MINUTE_MS
        self._until = ended + (MINUTE_MS - now % MINUTE_MS) / 1000
        self._names = self._minutes.setdefault(self._minute, {})

    def _new(self, name: str) -> Count:
        """The count of a name that is new in this minute."""
        known = name[:LONGEST_NAME] if len(self._names) < MOST_NAMES else OTHER
        if sum(map(len, self._minutes.values())) >= MOST_COUNTS:
            self._shrink()
        return self._names.setdefault(known, [0] * _WIDTH)

    def _shrink(self) -> None:
        """Put the oldest minute into the one after it: late is better than lost, and memory has an end."""
        while len(self._minutes) > 1 and sum(map(len, self._minutes.values())) >= MOST_COUNTS:
            oldest, later = sorted(self._minutes)[:2]
            if oldest == self._minute:
                oldest, later = later, oldest  # the clock was set back
            into = self._minutes[later]
            for name, count in self._minutes.pop(oldest).items():
                known = name if name in into or len(into) < MOST_NAMES else OTHER
                into[known] = [a + b for a, b in zip(into[known], count, strict=True)] if known in into else count

    def _note_failure(self, outcome: Outcome) -> None:
        record, reason, now = outcome.attempt.record, outcome.settlement.text, self._clock()
        kind, place = origin(outcome)
        what = fingerprint(kind, normalised(reason[:LONGEST_EXAMPLE]), place)
        hour = self._failures.setdefault(now // HOUR_MS, {})
        seen = hour.get(what)
        if seen is None:
            if sum(map(len, self._failures.values())) >= MOST_FAILURES:
                what, example = OTHER, ""
            else:
                name = record.name[:LONGEST_NAME]
                parts = {"kind": kind, "place": place, "reason": reason[:LONGEST_EXAMPLE], "name": name}
                example = wire.sendable(json.dumps(parts | {"id": record.id, "at": now}, ensure_ascii=False))
            seen = hour.setdefault(what, _Seen(0, now, example))
        seen.count += 1
        seen.last = now

    # ------------------------------------------------------------------------------------------------ writing

    async def run(self) -> None:
        """Write for ever, now and then."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted until now. What can't be written is kept for the next time."""
        if await self._send():  # what is left from the last time goes first: calls are numbered
            self._pack()
            await self._send()

    async def _send(self) -> bool:
        """Send the calls that were made; whether all went."""
        while self._outgoing:
            try:
                await self._connection.run(self._outgoing[0])
            except ConnectionFailed as error:
                if isinstance(error, ServerRefused):
                    self._tell(error)
                return False  # that Redis is away is told by others; a call that ran all the same will count once
            except OxcartError as error:
                self._tell(error)  # keys that somebody damaged: what can't be added must not hold up the rest
            self._outgoing.popleft()
        return True

    def _pack(self) -> None:
        """Make calls of what was counted, and count from nothing."""
        minutes, self._minutes, self._names, self._until = self._minutes, {}, {}, float("-inf")
        failures, self._failures = self._failures, {}
        for minute, names in minutes.items():
            some = list(names.items())
            for start in range(0, len(some), stats.LARGEST_CALL):
                part = {name: as_tally(count) for name, count in some[start : start + stats.LARGEST_CALL]}
                self._outgoing.append(stats.add(self._keys, self._worker, self._number(), minute * MINUTE_MS, part))
        for hour, kinds in failures.items():
            seen = [(what, one.count, one.last, one.example) for what, one in kinds.items()]
            for start in range(0, len(seen), stats.LARGEST_CALL):
                part = seen[start : start + stats.LARGEST_CALL]
                call = stats.add_failures(self._keys, self._worker, self._number(), hour * HOUR_MS, part)
                self._outgoing.append(call)

    def _number(self) -> int:
        self._calls += 1
        return self._calls


def waited(fields: Mapping[str, str]) -> int:
    """How many milliseconds a job waited from being due to being taken, if this is its first attempt; -1 if unknown.

    Of later attempts it can't be told since when they waited.
    """
    try:
        waited_ms = int(fields["processedOn"]) - int(fields["timestamp"])
    except (KeyError, ValueError):
        return -1  # it was not stored by a queue
    if '"delay"' in fields["opts"]:
        delay = wire.stored_options(fields["opts"]).raw.get("delay")
        if isinstance(delay, int | float) and delay <= waited_ms:  # else it was promoted
            waited_ms -= int(delay)
    return waited_ms if waited_ms > 0 else 0


def origin(outcome: Outcome) -> tuple[str, str]:
    """The class of a failure's error, and where in the user's code it was raised; as its stack trace tells both."""
    error = outcome.error
    if error is None or outcome.settlement.stacktrace == "[]":
        return "", ""
    if isinstance(error, BaseExceptionGroup) or isinstance(error.__cause__, ChildTrace):
        traces = wire.stacktrace(outcome.settlement.stacktrace)
        parsed = parse(traces[-1] if traces else "")
        return parsed.kind, place_of(parsed.frames)
    inner, own, step = "", "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        inner = f"{code.co_filename}\n{code.co_name}"
        if not in_python_library(code.co_filename):
            own = inner
        step = step.tb_next
    return type(error).__name__, own or inner
