"""Sends new jobs: those of one moment together, and each call again until it is answered, without adding twice."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..backoff import growing_pauses
from ..errors import ConnectionFailed, said_again, stays_refused
from ..protocol.address import masked, silence_hint
from ..protocol.call import Call
from ..protocol.calls.add import LARGEST_CALL, Added, NewJob, add_jobs, first_refusal
from ..protocol.keys import Keys
from .connection import Connection


@dataclass(slots=True)
class _Request:
    """Some jobs of one caller, who waits for their ids."""

    jobs: Sequence[NewJob]
    answer: asyncio.Future[list[tuple[str, bool]]]
    deadline: float | None
    """By the loop's clock, when to give up."""


@dataclass(slots=True)
class _Lane:
    """One of the calls that may be under way at a time. Its receipt in Redis names the last one."""

    producer: str
    number: int = 0
    requests: list[_Request] = field(default_factory=list[_Request])
    """What is under way; empty if nothing is."""


@dataclass(slots=True)
class _Parcel:
    """The requests that travel in one call."""

    lane: _Lane
    requests: list[_Request]
    call: Call[Added]
    timer: asyncio.TimerHandle | None = None
    again: asyncio.Task[None] | None = None
    """What sends it again, after its answer was lost."""
    error: ConnectionFailed | None = None


class Adder:
    """Groups what is added in one turn of the event loop into calls, of which two may be under way.

    `timeout` is how long to insist when Redis is away, in seconds; None insists for ever.
    """

    def __init__(self, connection: Connection, keys: Keys, timeout: float | None) -> None:
        self._connection = connection
        self._keys = keys
        self._timeout = timeout
        self._lanes: list[_Lane] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requests: deque[_Request] = deque()
        self._scheduled = False
        self._insisting: set[asyncio.Task[None]] = set()

    async def add(self, jobs: Sequence[NewJob]) -> list[tuple[str, bool]]:
        """Send jobs; the id of each, and whether it existed already."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._start_over(loop)
        answers: list[asyncio.Future[list[tuple[str, bool]]]] = []
        deadline = None if self._timeout is None else loop.time() + self._timeout
        for start in range(0, len(jobs), LARGEST_CALL):
            request = _Request(jobs[start : start + LARGEST_CALL], loop.create_future(), deadline)
            self._requests.append(request)
            answers.append(request.answer)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        if len(answers) == 1:
            return await answers[0]
        return await self._all_of(answers, len(jobs))

    async def close(self) -> None:
        """Wait until what was handed in is sent or given up; not for what went with another event loop."""
        if self._loop is not asyncio.get_running_loop():
            return
        waiting = [request.answer for request in self._requests]
        waiting += [request.answer for lane in self._lanes for request in lane.requests]
        if waiting:
            await asyncio.wait(waiting)

    @staticmethod
    async def _all_of(answers: list[asyncio.Future[list[tuple[str, bool]]]], total: int) -> list[tuple[str, bool]]:
        added: list[tuple[str, bool]] = []
        done = await asyncio.gather(*answers, return_exceptions=True)
        for answer in done:
            if isinstance(answer, ConnectionFailed):
                text = f"{answer}; at least {len(added)} of the {total} jobs were added"
                raise said_again(answer, text) from answer
            if isinstance(answer, BaseException):
                raise answer
            added += answer
        return added

    def _start_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another event loop than before: whoever waited on the old one is gone with it.

        The lanes get new names, since it may be another process too, forked from the one that made this object.
        """
        self._loop = loop
        name = uuid.uuid4().hex
        # Two: Redis works on one while the answer of the other is read.
        self._lanes = [_Lane(f"{name}:{at}") for at in range(2)]
        self._requests.clear()
        self._insisting.clear()
        self._scheduled = False

    def _flush(self) -> None:
        self._scheduled = False
        # While a call is sent again, later ones wait: jobs keep their order.
        while self._requests and not self._insisting:
            lane = next((lane for lane in self._lanes if not lane.requests), None)
            if lane is None:
                return
            requests = self._load()
            if not requests:
                continue
            try:
                self._post(lane, requests)
            except Exception as error:  # a bug of ours must not leave the callers waiting
                lane.requests = []
                _refuse(requests, error)

    def _load(self) -> list[_Request]:
        """As many requests as fit in one call; those that nobody waits for any more are left out."""
        requests: list[_Request] = []
        size = 0
        while self._requests and size + len(self._requests[0].jobs) <= LARGEST_CALL:
            request = self._requests.popleft()
            if not request.answer.done():
                requests.append(request)
                size += len(request.jobs)
        return requests

    def _post(self, lane: _Lane, requests: list[_Request]) -> None:
        lane.requests = requests
        lane.number += 1
        jobs = requests[0].jobs if len(requests) == 1 else [job for request in requests for job in request.jobs]
        parcel = _Parcel(lane, requests, add_jobs(self._keys, jobs, lane.producer, lane.number))
        if (deadline := requests[0].deadline) is not None:
            parcel.timer = asyncio.get_running_loop().call_at(deadline, self._give_up, parcel)
        link = self._connection.transport.current
        if link is None:
            self._insist(parcel)
            return
        link.post(parcel.call.command(), self._connection.transport.timeout, partial(self._replied, parcel))

    def _replied(self, parcel: _Parcel, reply: Any, error: ConnectionFailed | None) -> None:
        if isinstance(reply, list):
            self._answer(parcel, parcel.call.read(reply))
        else:
            # Lost, or an error: NOSCRIPT, a server that is loading, …
            parcel.error = error
            self._insist(parcel)

    def _answer(self, parcel: _Parcel, added: Added) -> None:
        at = 0
        for request in parcel.requests:
            end = at + len(request.jobs)
            refused = {n - at: added.refused[n] for n in range(at, end) if n in added.refused} if added.refused else {}
            error = first_refusal(self._keys, request.jobs, refused)
            if request.answer.done():
                pass  # given up
            elif error is not None:
                request.answer.set_exception(error)
            else:
                request.answer.set_result([(added.ids[n], n in added.duplicates) for n in range(at, end)])
            at = end
        self._done_with(parcel)

    def _insist(self, parcel: _Parcel) -> None:
        if all(request.answer.done() for request in parcel.requests):
            self._done_with(parcel)  # given up already
            return
        parcel.again = asyncio.ensure_future(self._send_again(parcel))
        self._insisting.add(parcel.again)
        parcel.again.add_done_callback(partial(self._insisted, parcel))

    async def _send_again(self, parcel: _Parcel) -> None:
        """Send a call until it is answered; its receipt makes sure that it adds once."""
        pauses = growing_pauses()
        while True:
            try:
                self._answer(parcel, await self._connection.run(parcel.call))
                return
            except ConnectionFailed as error:
                parcel.error = error
                if stays_refused(error):
                    raise said_again(error, f"{_what(parcel)} could not be added: {error}") from error
            await asyncio.sleep(next(pauses))

    def _insisted(self, parcel: _Parcel, task: asyncio.Task[None]) -> None:
        self._insisting.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self._flush()
        else:
            _refuse(parcel.requests, error)
            self._done_with(parcel)

    def _give_up(self, parcel: _Parcel) -> None:
        """The time of some is over: they are told. When nobody waits any more, it is not sent again."""
        loop = asyncio.get_running_loop()
        late = [request for request in parcel.requests if request.deadline is not None]
        error = self._given_up(parcel)
        for request in late:
            if request.deadline is not None and request.deadline <= loop.time() and not request.answer.done():
                request.answer.set_exception(error)
        waiting = [request.deadline for request in late if request.deadline and not request.answer.done()]
        if waiting:
            parcel.timer = loop.call_at(min(waiting), self._give_up, parcel)
        elif parcel.again is not None:
            parcel.again.cancel()

    def _given_up(self, parcel: _Parcel) -> ConnectionFailed:
        if parcel.error is not None:
            return said_again(parcel.error, f"{_what(parcel)} could not be added: {parcel.error}")
        url, within = self._connection.url, f"{self._timeout or 0:g} s"
        hint = "" if self._connection.transport.current else silence_hint(url)
        silence = f"no answer from Redis at {masked(url)} within {within}{hint}"
        return ConnectionFailed(f"{_what(parcel)} could not be added: {silence}")

    def _done_with(self, parcel: _Parcel) -> None:
        if parcel.timer is not None:
            parcel.timer.cancel()
        parcel.lane.requests = []
        if self._requests:
            self._flush()


def _refuse(requests: Sequence[_Request], error: BaseException) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)


def _what(parcel: _Parcel) -> str:
    count = sum(len(request.jobs) for request in parcel.requests)
    return "the job" if count == 1 else f"{count} jobs"
