"""Shuttle: hands finished jobs in and brings new ones out, many in one trip, two trips at a time.

While a trip is under way, attempts that end gather for the next one; when it returns, all of them go out together with
a request for as many jobs as there are free slots. A lone job waits for nobody. Nothing is taken beyond free slots.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import hiredis

from ..aio.connection import Connection
from ..aio.transport import Link
from ..backoff import growing_pauses
from ..clock import Clock
from ..errors import RECONNECT_CODES, ConnectionFailed, OxcartError, ScriptError, ServerRefused, server_error
from ..protocol.call import Call
from ..protocol.calls import work
from ..protocol.calls.work import Limits, Order, Taken
from ..protocol.keys import Keys
from ..protocol.record import JobRecord
from .execution import Outcome
from .supply import Supply

BROKEN = -20
"""The code of an attempt that could not be settled, since keys are damaged."""

LARGEST_TRIP = 60
"""How many attempts are settled, and how many jobs taken, in one call at most: Redis is never held for long."""

TRIPS = 2
"""How many calls may be under way: Redis works on one while the answer of the other is read."""

ADOPT_AGAIN_S = 5
"""A server that was frozen may still run a call whose connection is gone: its jobs are looked for once more."""


@dataclass(frozen=True, slots=True)
class Ear:
    """Who is told what the shuttle learns."""

    on_taken: Callable[[JobRecord, str, bool, bool], None]
    """A job is ours: record, token, whether it stalled before, whether there is room for it."""
    on_settled: Callable[[Outcome, int], None]
    """An attempt is settled, with its code."""
    on_poison: Callable[[str, str], None]
    """An id could not be run, and why."""
    on_trouble: Callable[[BaseException], None]
    """Redis can't be reached, or refuses."""
    on_recovered: Callable[[], None]
    on_idle: Callable[[], None]
    """There is nothing left to take."""
    on_quiet: Callable[[], None]
    """Nothing is left to settle or under way."""


@dataclass(slots=True, eq=False)
class _Trip:
    """One call under way."""

    link: Link
    call: Call[Taken]
    token: str
    outcomes: list[Outcome]
    asked: int
    lane: bool
    """Whether it may bring a job that stalled before."""


class Shuttle:
    """The one place through which a worker's jobs come and go. Lives on one event loop; nothing here waits."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        worker_token: str,
        concurrency: int,
        limits: Limits,
        held: dict[str, str],
        clock: Clock,
        ear: Ear,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._worker_token = worker_token
        self._concurrency = concurrency
        self._batch = min(LARGEST_TRIP, max(1, (concurrency + 1) // 2))
        self._singly = 0  # so many attempts are sent one by one: a call with one of them broke
        self._limits = limits
        self._held = held
        self._clock = clock
        self._ear = ear

        self._outbox: deque[Outcome] = deque()
        self._trips: set[_Trip] = set()
        self._calls = 0
        self._busy = 0  # slots with a running attempt, or with one that is done but not sent
        self._asked = 0  # jobs that trips under way may bring
        self._suspect_held = False  # a job that stalled before runs here, or may come with a trip under way
        self._told_idle = False
        self._scheduled = False

        self.supply = Supply(concurrency, self._batch, self.pump_soon)
        self._resting: asyncio.TimerHandle | None = None
        self._lost: set[str] = set()  # tokens of trips that asked for jobs and whose answer was lost
        self._adopted: set[tuple[str, str]] = set()  # (id, token) of jobs that came with them and were found
        self._arriving = False
        self._troubled = False
        self._pauses = growing_pauses()
        self._mender: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self.hungry = asyncio.Event()
        """Set while there are free slots and nothing to fill them."""
        self.settled = asyncio.Event()
        """Set while nothing is left to settle or under way."""

    # ------------------------------------------------------------------------------------------- from outside

    def start(self) -> None:
        """Begin to take jobs."""
        self.supply.open = True
        self.pump_soon()

    def stop_taking(self) -> None:
        """Take no more; what is held is settled as it ends."""
        self.supply.open = False
        self._update()

    def hand_in(self, outcome: Outcome) -> None:
        """An attempt has ended: settle it with the others of this moment."""
        self._outbox.append(outcome)
        if self._busy <= len(self._outbox) and not self._arriving:
            self._pump()  # nothing else runs here that could end in this moment too
        else:
            self.pump_soon()

    def drop(self, outcome: Outcome) -> None:
        """An attempt has ended whose job isn't ours any more: its slot is free, and nothing is written."""
        self._release(outcome)
        self._busy -= 1
        self.pump_soon()

    def look_again(self, *, woken: bool) -> None:
        """There may be work: the marker was taken, or its time has come."""
        self.supply.look_again(woken=woken)
        self._pump()  # at once: someone has just added a job, and waits for its start

    @property
    def asking(self) -> bool:
        """Whether a call under way may still bring jobs."""
        return self._asked > 0

    @property
    def room(self) -> int:
        """How many slots are free."""
        return self._concurrency - self._busy - self._asked

    def pump_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def close(self) -> None:
        """Stop all timers and tasks of its own."""
        self.supply.close()
        for timer in (self._resting, self._again):
            if timer is not None:
                timer.cancel()
        if self._mender is not None:
            self._mender.cancel()

    # ------------------------------------------------------------------------------------------------- going

    def _pump(self) -> None:
        self._scheduled = False
        link = self._connection.transport.current
        if link is None:
            self._mend()
        while link is not None and link.up and self._resting is None and self._mender is None:
            if len(self._trips) >= TRIPS:
                break
            size = min(len(self._outbox), 1 if self._singly else self._batch)
            outcomes = [self._outbox.popleft() for _ in range(size)]
            self._singly = max(self._singly - size, 0)
            asked = self.supply.wanted(self.room, len(outcomes), any(trip.asked for trip in self._trips))
            if not outcomes and not asked:
                break
            self._send(link, outcomes, asked)
        self._update()

    def _send(self, link: Link, outcomes: list[Outcome], asked: int) -> None:
        self._calls += 1
        token = f"{self._worker_token}:{self._calls}"
        lane = asked > 0 and not self._suspect_held
        order = Order(token, asked, share=self.supply.sharing, suspects=int(lane))
        settlements = [(outcome.settlement, self._was_cut_off(outcome)) for outcome in outcomes]
        call = work.settle_and_take(self._keys, self._clock(), self._limits, order, settlements)
        self._post(_Trip(link, call, token, outcomes, asked, lane), call.command())

    def _was_cut_off(self, outcome: Outcome) -> bool:
        attempt = outcome.attempt
        return attempt.sent or attempt.refused or attempt.taken_in != self._connection.transport.opened

    def _post(self, trip: _Trip, command: Any) -> None:
        self._trips.add(trip)
        self._busy -= len(trip.outcomes)
        self._asked += trip.asked
        if trip.lane:
            self._suspect_held = True
        trip.link.post(command, self._connection.transport.timeout, partial(self._returned, trip))

    # ---------------------------------------------------------------------------------------------- returning

    def _returned(self, trip: _Trip, reply: Any, error: OxcartError | None) -> None:
        self._trips.discard(trip)
        self._asked -= trip.asked
        if isinstance(reply, hiredis.ReplyError):
            if str(reply).startswith("NOSCRIPT"):
                # It ran nothing: the same trip once more, with the whole script.
                self._busy += len(trip.outcomes)
                self._free_lane(trip)
                self._post(trip, trip.call.command_with_source())
                return
            error = server_error(str(reply), trip.link.address)
        if error is not None:
            self._failed(trip, error)
            return
        self._arrived(trip, trip.call.read(reply))
        self._pump()

    def _arrived(self, trip: _Trip, taken: Taken) -> None:
        self._arriving = True  # nothing goes out before all that came is counted
        try:
            self._take_in(trip, taken)
        finally:
            self._arriving = False

    def _take_in(self, trip: _Trip, taken: Taken) -> None:
        self._recovered()
        for problem in taken.problems:
            self._ear.on_trouble(ScriptError(trip.call.script.explain(problem)))
        codes = taken.codes or (0,) * len(trip.outcomes)
        for outcome, code in zip(trip.outcomes, codes, strict=True):
            self._settle(outcome, code)
        for record in taken.jobs:
            self._accept(record, trip.token)
        if trip.lane and not any(map(_is_suspect, taken.jobs)):
            self._suspect_held = False
        for job_id, reason in taken.poison:
            self._ear.on_poison(job_id, reason)
        if trip.asked:
            self.supply.judge(trip.asked, taken)
            if any(outcome.attempt.suspect for outcome in trip.outcomes):
                self.supply.suspect_done()  # this trip could not bring the next of its kind yet, but one may go now
            self._tell_idle(taken)

    def _tell_idle(self, taken: Taken) -> None:
        """Tell once that nothing is left to take and nothing runs."""
        nothing = self.supply.idle and not taken.jobs and not taken.left and not taken.limited_ms
        if nothing and not self._busy and not self._told_idle:
            self._ear.on_idle()
        self._told_idle = (self._told_idle or (nothing and not self._busy)) and not taken.jobs

    def _settle(self, outcome: Outcome, code: int) -> None:
        if outcome.attempt.sent and code in (-1, -2, -3, -6):
            code = 0  # it was settled by a call whose answer was lost
        if code in (-4, -9):
            # Refused for its children: the job is still ours and holds its slot again.
            self._busy += 1
        else:
            self._release(outcome)
        self._ear.on_settled(outcome, code)

    def _release(self, outcome: Outcome) -> None:
        job_id, token = outcome.settlement.job_id, outcome.settlement.token
        if self._held.get(job_id) == token:  # else it was taken again meanwhile, and that is another attempt's
            del self._held[job_id]
        if outcome.attempt.suspect:
            self._suspect_held = False
            self.supply.suspect_done()

    def _accept(self, record: JobRecord, token: str, *, room: bool = True) -> None:
        suspect = _is_suspect(record)
        self._busy += 1
        self._held[record.id] = token
        if suspect:
            self._suspect_held = True
        self._ear.on_taken(record, token, suspect, room)

    def _free_lane(self, trip: _Trip) -> None:
        if trip.lane:
            self._suspect_held = False

    # ------------------------------------------------------------------------------------------------ trouble

    def _failed(self, trip: _Trip, error: BaseException) -> None:
        """A trip did not come back. Its attempts go out again, and answers of "not yours" then mean "done already"."""
        self._free_lane(trip)
        if isinstance(error, ScriptError):
            self._broken(trip, ScriptError(trip.call.script.explain(str(error))))
            return
        refused = isinstance(error, ServerRefused)  # then it did not run, and nothing is uncertain
        for outcome in trip.outcomes:
            outcome.attempt.refused = True
            outcome.attempt.sent = outcome.attempt.sent or not refused
        self._busy += len(trip.outcomes)
        self._outbox.extendleft(reversed(trip.outcomes))
        if trip.asked and not refused:
            self._lost.add(trip.token)
        self.trouble(error)
        if isinstance(error, ServerRefused) and error.code not in RECONNECT_CODES and trip.link.up:
            self._rest()
        else:
            trip.link.abort(str(error))
            self._mend()

    def _broken(self, trip: _Trip, error: OxcartError) -> None:
        """The script itself failed: a bug, or keys that someone damaged. One attempt must not hold up the others."""
        self._ear.on_trouble(error)
        if len(trip.outcomes) > 1:
            self._busy += len(trip.outcomes)
            self._outbox.extendleft(reversed(trip.outcomes))
            self._singly = len(trip.outcomes)  # each goes alone, so that only the one at fault is given up
        else:
            # Its lock is let go: another worker will have it when it has stalled, and count that.
            for outcome in trip.outcomes:
                self._release(outcome)
                self._ear.on_settled(outcome, BROKEN)
        if trip.asked:
            self._lost.add(trip.token)
            self._adopt_later()
        self._rest()

    def _rest(self) -> None:
        """Try again after a pause that grows."""
        if self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(next(self._pauses), self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._pump()

    def trouble(self, error: BaseException) -> None:
        """Redis can't be reached, or refuses: tell it once, until a call comes back again."""
        if not self._troubled:
            self._troubled = True
            self._ear.on_trouble(error)

    def _recovered(self) -> None:
        if self._troubled:
            self._troubled = False
            self._ear.on_recovered()
        self._pauses = growing_pauses()

    def _mend(self) -> None:
        """Get a new connection, once every call on the old one has failed: a late answer could give a job twice."""
        if self._mender is None and not self._trips:
            self._mender = asyncio.ensure_future(self._reconnect())
            self._mender.add_done_callback(self._mended)

    def _mended(self, task: asyncio.Task[None]) -> None:
        self._mender = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._ear.on_trouble(error)
            self._rest()
        else:
            self.supply.idle = False
            self._pump()

    async def _reconnect(self) -> None:
        pauses = growing_pauses()
        while True:
            try:
                await self._connection.transport.link()
                if self._lost:
                    await self._adopt()
                    self._adopt_later()
                return
            except ConnectionFailed as error:
                self.trouble(error)
            await asyncio.sleep(next(pauses))

    async def _adopt(self) -> None:
        """Take over the jobs that came with a lost answer: only those, since all others are known or were settled."""
        for record, token in await self._connection.run(work.own_jobs(self._keys, f"{self._worker_token}:")):
            if token not in self._lost or (record.id, token) in self._adopted or not record.fields:
                continue
            self._adopted.add((record.id, token))
            self._accept(record, token, room=self.room > 0)

    def _adopt_later(self) -> None:
        """Look once more: a server that was frozen may run a lost call long after its connection is gone."""
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(ADOPT_AGAIN_S, self._adopt_again)

    def _adopt_again(self) -> None:
        self._again = None
        looked_for = frozenset(self._lost)
        task = asyncio.ensure_future(self._adopt())
        task.add_done_callback(partial(self._looked_again, looked_for))

    def _looked_again(self, looked_for: frozenset[str], task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        if task.exception() is not None:
            self._adopt_later()
            return
        self._lost -= looked_for
        if not self._lost:
            self._adopted.clear()

    # ---------------------------------------------------------------------------------------------- being waited for

    def _update(self) -> None:
        """Tell those who wait for a state of the shuttle."""
        _set(self.hungry, self._mender is None and self.supply.hungry(self.room))
        quiet = not self._outbox and not self._trips
        if quiet and not self.settled.is_set():
            self._ear.on_quiet()
        _set(self.settled, quiet)


def _is_suspect(record: JobRecord) -> bool:
    """Whether it stalled before, and may have crashed its worker; not if it is only to be failed."""
    return "stc" in record.fields and "defa" not in record.fields


def _set(event: asyncio.Event, value: bool) -> None:
    if value:
        event.set()
    else:
        event.clear()
