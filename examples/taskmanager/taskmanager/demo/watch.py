"""Watch: what happens in the queues and what the processes log, as lines on the screen and to be asked for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast, overload

from oxcart import (
    AddedEvent,
    CompletedEvent,
    DeduplicatedEvent,
    Event,
    FailedEvent,
    OxcartError,
    ProgressEvent,
    StalledEvent,
)

from ..contract import ALERTS, QUEUES
from ..queues import Queues
from . import Unexpected
from .screen import Screen, short

LOGGED = re.compile(r"^(?P<at>\S+ \S+) (?P<level>[A-Z]+) (?P<logger>[\w.]+): (?P<text>.*)$")
FACT = re.compile(r"(\w+)=('[^']*'|\"[^\"]*\"|\S+)")
WEB_PID = re.compile(r"Started server process \[(\d+)\]")

LOOK_EVERY_S = 0.02

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log. `facts` are its `name=value`s, `at` is when it was written, which is before it is read."""

    at: float
    who: str
    level: str
    text: str
    facts: dict[str, str]


class Watch:
    """What has been seen so far."""

    def __init__(self, screen: Screen, queues: Queues, *, shows: bool) -> None:
        self.log: list[Line] = []
        self.web_pid = 0
        self._screen = screen
        self._queues = queues
        self._shows = shows
        self._names: dict[tuple[str, str], str] = {}
        self._events = [queues.events(name) for name in QUEUES]
        for events in self._events:
            events.on("*", self._show)

    async def open(self) -> None:
        """Begin to listen to the queues, if what happens there is to be shown."""
        for events in self._events if self._shows else ():
            await events.open()

    async def close(self) -> None:
        for events in self._events:
            await events.close()

    # ---------------------------------------------------------------------------------------- what was logged

    def hear(self, who: str, line: str) -> None:
        """A line of the web application or of a worker."""
        if found := WEB_PID.search(line):
            self.web_pid = int(found[1])
        if (logged := LOGGED.match(line)) is None:
            return
        facts = {name: value.strip("'\"") for name, value in FACT.findall(logged["text"])}
        self.log.append(Line(moment(logged["at"]), who, logged["level"], logged["text"], facts))
        if self._shows:
            self._show_line(self.log[-1])

    def lines(self, begin: str, **facts: str) -> list[Line]:
        """The lines that begin like this and say these facts."""
        return [line for line in self.log if line.text.startswith(begin) and facts.items() <= line.facts.items()]

    def worker_pids(self) -> list[int]:
        """The worker processes that have started so far, oldest first; each serves all queues."""
        ready = [int(line.facts["pid"]) for line in self.lines("Worker ready", queue=ALERTS)]
        return [pid for pid in ready if sum(line.facts["pid"] == str(pid) for line in self.lines("Worker ready")) >= 5]

    # ------------------------------------------------------------------------------------------ what is shown

    def _show_line(self, line: Line) -> None:
        facts = line.facts
        if line.text.startswith("Worker ready"):
            if facts["queue"] == ALERTS:
                self._screen.event("worker", f"ready (pid {facts['pid']})")
        elif line.text.startswith("Job failed") and facts["left"] != "0":
            what = f"attempt {facts['attempts'].replace('/', ' of ')} failed: {facts['error']}; it is tried again"
            self._screen.event(f"{facts['queue']} {facts['name']}", short(what), "yellow")
        elif line.text.startswith("Email skipped"):
            self._screen.event("worker", f"no mail: {short(facts['reason'])}")
        elif line.level in ("ERROR", "CRITICAL") or line.text.startswith("Job stalled"):
            self._screen.event(line.who, short(line.text), "red")

    async def _show(self, event: Event) -> None:
        if event.job_id is None:
            return
        key = (event.queue_name, event.job_id)
        if isinstance(event, AddedEvent):
            if key in self._names:
                return  # a scheduler that was found as it was
            self._names[key] = event.name
        who = f"{event.queue_name} {self._names.get(key) or await self._name_of(*key)}"
        match event:
            case AddedEvent():
                self._screen.event(who, f"added (job {short(event.job_id)})")
            case ProgressEvent():
                self._screen.event(who, f"says how far it is: {told(event.progress)}")
            case CompletedEvent():
                self._screen.event(who, f"completed, returned {short(str(event.return_value))}", "green")
            case FailedEvent():
                self._screen.event(who, f"failed for good: {short(event.failed_reason)}", "red")
            case DeduplicatedEvent():
                self._screen.event(who, "not added a second time", "dim")
            case StalledEvent():
                self._screen.event(who, "its worker was lost; it is run again", "yellow")
            case _ if event.kind == "active":
                self._screen.event(who, "active")
            case _:
                pass

    async def _name_of(self, queue: str, job_id: str) -> str:
        found = self._queues.named(queue)
        try:
            job = await found.job(job_id) if found else None
        except OxcartError:
            job = None
        self._names[queue, job_id] = job.name if job else "?"
        return self._names[queue, job_id]


def moment(text: str) -> float:
    """The time at the start of a line, in seconds."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f").timestamp()
    except ValueError:
        return time.time()


def told(progress: Any) -> str:
    """How far a job is, for people."""
    match progress:
        case {"done": done, "of": of}:
            return f"{done} of {of}"
        case _:
            return str(progress)


@overload
async def until(look: Callable[[], Awaitable[T | None]], what: str, within: float = 20) -> T: ...
@overload
async def until(look: Callable[[], T | None], what: str, within: float = 20) -> T: ...
async def until(look: Callable[[], Any], what: str, within: float = 20) -> Any:
    """Look until something is there, and answer it; `Unexpected` if that takes too long."""
    ends = time.monotonic() + within
    while True:
        found = look()
        seen = await cast(Awaitable[Any], found) if isinstance(found, Awaitable) else found
        if seen:
            return seen
        if time.monotonic() > ends:
            raise Unexpected(f"{what}: not within {within:g} s")
        await asyncio.sleep(LOOK_EVERY_S)
