"""Live: tells open tabs what happens, from one reader of events for all of them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Literal

from .. import ConnectionFailed, Event, OxcartError, QueueEvents
from ..errors import is_forbidden
from .access import Access
from .ask import Ask, Refusal
from .board import Board
from .reading import rows
from .shapes import Counts, TickJob, TickQueue

log = logging.getLogger("oxcart.dashboard")

MOST_JOBS = 50
"""How many jobs a tick tells of, for each queue."""
MOST_QUEUES = 100
"""How many queues a tick tells of; the others come with the next."""
LISTEN_AT_ONCE = 500
"""How many queues it begins to listen to in one go: of more, the last answers would not come in time."""
READ_PAUSE_S = 0.25
"""How long events gather before they are read: in a busy queue, one read brings many."""
LONGEST_PROGRESS = 300
"""How many characters of a job's progress are told."""
MOST_TABS = 1000
"""How many streams there may be in all, whoever asks."""

_EVERYBODY = Ask(Access(role="admin"))

_STATES: dict[str, str | None] = {
    "added": None,
    "waiting": "waiting",
    "active": "active",
    "delayed": "delayed",
    "progress": None,
    "completed": "completed",
    "failed": "failed",
    "stalled": "waiting",
    "waiting-children": "waiting-children",
    "removed": "removed",
}
"""Where a job is after an event of this kind; None if it does not say."""

_OF_THE_QUEUE = frozenset({"paused", "resumed", "cleaned", "drained"})


Word = Literal["hello", "away", "back"]


class Change:
    """What happened in a queue since the last tick, with its numbers. Its texts are made once for all tabs."""

    def __init__(self, name: str, counts: Counts, paused: bool, jobs: dict[str, TickJob]) -> None:
        self.name = name
        self.counts = counts
        self.paused = paused
        self.jobs = jobs
        self._texts: dict[tuple[bool, bool], str] = {}

    def after(self, earlier: Change | None) -> Change:
        """This and an earlier one that was not sent yet: the newest of each job, and not more of them than of one."""
        if earlier is None or not earlier.jobs:
            return self
        jobs = dict(earlier.jobs)
        for job in self.jobs.values():
            _keep(jobs, job)
        return Change(self.name, self.counts, self.paused, jobs)

    def text(self, with_jobs: bool, with_data: bool) -> str:
        """As JSON; progress is what a program says, so only who may see data gets more of it than a number."""
        kind = (with_jobs, with_data)
        if kind not in self._texts:
            jobs = list(self.jobs.values()) if with_jobs else []
            if not with_data:
                jobs = [_without_words(job) for job in jobs]
            shape: TickQueue = {"name": self.name, "counts": self.counts, "paused": self.paused, "jobs": jobs}
            self._texts[kind] = _as_json(shape)
        return self._texts[kind]


class Tab:
    """An open stream: what it has not been sent yet. It holds the last of each queue and job, however slow it is."""

    def __init__(self, access: Access, queue: str | None) -> None:
        self.access = access
        self.queue = queue
        """The queue whose jobs it shows; of others it gets numbers only. None: the jobs of all."""
        self.behind_since: float | None = None
        self.ended = False
        self._changes: dict[str, Change] = {}
        self.greeted = False
        self._words: list[Word] = []
        self._news = asyncio.Event()

    def put(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if self.access.sees(change.name):
                self._changes[change.name] = change.after(self._changes.get(change.name))
        if self._changes:
            self._ring()

    def say(self, word: Word) -> None:
        """Of whether Redis is there only the newest is told."""
        replaced = ("hello",) if word == "hello" else ("away", "back")
        self._words = [*(one for one in self._words if one not in replaced), word]
        self._ring()

    def greet(self) -> None:
        """From here on nothing is missed: what came before, the tab has to ask for."""
        self.greeted = True
        self.say("hello")

    def end(self) -> None:
        self.ended = True
        self._news.set()

    async def next(self, now: Callable[[], int], timeout_s: float) -> str:
        """What to send next: all there is to tell, or after a while only that the stream is alive."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return ": still here\n\n"
        self._news.clear()
        self.behind_since = None
        return self._take(now())

    def _ring(self) -> None:
        if self.behind_since is None:
            self.behind_since = asyncio.get_running_loop().time()
        self._news.set()

    def _take(self, now: int) -> str:
        words, self._words = self._words, []
        changes, self._changes = self._changes, {}
        text = "".join(_message(word, _as_json({"now": now})) for word in words)
        if changes:
            with_data = self.access.may("view_data")
            texts = [change.text(self.queue in (None, change.name), with_data) for change in changes.values()]
            text += _message("tick", f'{{"now":{now},"queues":[{",".join(texts)}]}}')
        return text


class Live:
    """The live part of a dashboard. It reads events while a tab is open, and `linger_s` longer.

    All tabs share what is read: Redis has the same work with one as with a hundred. A queue's numbers are read when
    something happened in it, once for each tick, at most one tick in `tick_s`.
    """

    def __init__(
        self,
        board: Board,
        *,
        streams_per_user: int = 20,
        tick_s: float = 1,
        heartbeat_s: float = 15,
        linger_s: float = 10,
        patience_s: float = 30,
        discover_s: float = 10,
        probe_s: float = 5,
    ) -> None:
        self._board = board
        self._streams_per_user = streams_per_user
        self._tick_s = tick_s
        self._heartbeat_s = heartbeat_s
        self._linger_s = linger_s
        self._patience_s = patience_s
        self._discover_s = discover_s
        self._probe_s = probe_s
        self._tabs: set[Tab] = set()
        self._open: set[Tab] = set()
        """Also those that are dropped since they take nothing: their connections are still there."""
        self._task: asyncio.Task[None] | None = None
        self._listeners: dict[str, tuple[QueueEvents, asyncio.Task[None]]] = {}
        self._broken: set[str] = set()
        """Queues whose events can't be read: told once."""
        self._happened: dict[str, dict[str, TickJob]] = {}
        self._away = False
        self._left_at = 0.0
        self._discover_at = 0.0
        self._answered_at = 0.0
        """When Redis answered last."""

    @property
    def is_listening(self) -> bool:
        """Whether events are read."""
        return self._task is not None

    @property
    def tabs(self) -> int:
        """How many streams are open."""
        return len(self._tabs)

    def stream(self, ask: Ask) -> AsyncIterator[str]:
        """Server-sent events for one tab, for as long as it is read; `?queue=` says whose jobs the tab shows.

        Raises a `Refusal` at once, before anything is read, for who has too many streams.
        """
        user = ask.access.user
        own = sum(1 for tab in self._open if tab.access.user == user)
        if own >= self._streams_per_user or len(self._open) >= MOST_TABS:
            raise Refusal(429, "too_many", f"{own} live tabs are open: close some, or reload by hand")
        return self._messages(Tab(ask.access, ask.text("queue")))

    async def close(self) -> None:
        """End all streams, and read no more."""
        for tab in list(self._tabs):
            tab.end()
        self._tabs.clear()
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        await self._stop_listening()

    # -------------------------------------------------------------------------------------------------------- tabs

    async def _messages(self, tab: Tab) -> AsyncIterator[str]:
        self._enter(tab)
        try:
            yield "retry: 3000\n\n"
            while not tab.ended:
                text = await tab.next(self._board.clock, self._heartbeat_s)
                if text and not tab.ended:
                    yield text
        finally:
            self._open.discard(tab)
            self._leave(tab)

    def _enter(self, tab: Tab) -> None:
        self._tabs.add(tab)
        self._open.add(tab)
        self._discover_at = 0.0  # it may see queues that nobody has looked at so far
        if self._away:
            tab.say("away")
        if self._task is None or self._task.done() or self._task.get_loop() is not asyncio.get_running_loop():
            self._start()

    def _leave(self, tab: Tab) -> None:
        was_there = tab in self._tabs
        self._tabs.discard(tab)
        if was_there and not self._tabs:
            self._left_at = asyncio.get_running_loop().time()

    def _drop_the_slow(self, now: float) -> None:
        """A tab that takes nothing is no tab: its browser will come again if it is still there."""
        for tab in list(self._tabs):
            if tab.behind_since is not None and now - tab.behind_since > self._patience_s:
                log.info("a live stream of %s is dropped: it takes nothing", tab.access.user or "nobody in particular")
                tab.end()
                self._leave(tab)

    # ------------------------------------------------------------------------------------------------------- ticks

    def _start(self) -> None:
        self._listeners, self._happened, self._away = {}, {}, False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._tabs or loop.time() - self._left_at < self._linger_s:
            begun = loop.time()
            try:
                await self._step(begun)
            except ConnectionFailed as error:
                self._tell_away(error)
            except Exception:  # a bug, or a queue that nobody foresaw: the tabs shall not pay
                log.exception("a live tick broke")
            # What costs much time is done less often, so that it never takes more than a fifth of it.
            await asyncio.sleep(max(self._tick_s, 4 * (loop.time() - begun)) if not self._away else self._tick_s * 2)
        self._task = None  # from here on a new tab starts anew
        await self._stop_listening()

    async def _step(self, now: float) -> None:
        self._drop_the_slow(now)
        if not self._tabs:
            self._happened.clear()
            return
        if self._away:
            await self._probe()
        if now >= self._discover_at:
            new = [tab for tab in self._tabs if not tab.greeted]
            await self._discover(news=not new)
            for tab in new:
                tab.greet()
        if self._happened:
            self._tell(await self._changes())
            self._answered_at = now
        elif now - self._answered_at > self._probe_s:
            await self._probe()
            self._answered_at = now

    async def _changes(self) -> list[Change]:
        names = [name for name in self._happened if self._is_seen(name)][:MOST_QUEUES]
        for name in [name for name in self._happened if not self._is_seen(name)]:
            del self._happened[name]
        taken = {name: self._happened.pop(name) for name in names}
        try:
            found = await asyncio.gather(*(self._change(name, jobs) for name, jobs in taken.items()))
        except ConnectionFailed:
            for name, jobs in taken.items():  # to be told when Redis is back
                self._happened[name] = jobs | self._happened.get(name, {})
            raise
        return [change for change in found if change is not None]

    async def _change(self, name: str, jobs: dict[str, TickJob]) -> Change | None:
        queue = self._board.open(name)
        try:
            counts, paused = await asyncio.gather(queue.counts(), queue.is_paused())
        except OxcartError as error:
            if isinstance(error, ConnectionFailed) and not is_forbidden(error):
                raise
            log.warning("the numbers of %s can't be read: %s", name, error)
            return None
        return Change(name, rows.counts_of(counts), paused, jobs)

    def _tell(self, changes: list[Change]) -> None:
        for tab in self._tabs:
            tab.put(changes)

    async def _probe(self) -> None:
        """Ask Redis for something small, to see whether it is there."""
        for name in self._listeners:
            await self._board.open(name).is_paused()
            break
        else:
            await self._board.names(_EVERYBODY)
        if self._away:
            self._away = False
            log.info("Redis is back; live goes on")
            for tab in self._tabs:
                tab.say("back")
            for name in self._listeners:
                self._board.pulse.listen(name)
                self._happened.setdefault(name, {})

    def _tell_away(self, error: ConnectionFailed) -> None:
        if not self._away:
            self._away = True
            for name in self._listeners:
                self._board.pulse.deafen(name)
            log.warning("live has to wait: %s", error)
            for tab in self._tabs:
                tab.say("away")

    # ------------------------------------------------------------------------------------------------------ events

    def _is_seen(self, name: str) -> bool:
        return any(tab.access.sees(name) for tab in self._tabs)

    async def _discover(self, news: bool) -> None:
        """Listen to queues that are new, and no longer to those that are gone.

        `news`: new ones are told, since something may have happened in them before anybody listened.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        self._discover_at = float("inf")  # a tab that comes meanwhile makes it 0, and is seen to next
        try:
            wanted = {name for name in await self._board.names(_EVERYBODY) if self._is_seen(name)}
            # Many at once: so they find the reader before it has begun to read, and needn't interrupt it.
            fresh = sorted(wanted - set(self._listeners))
            for start in range(0, len(fresh), LISTEN_AT_ONCE):
                await asyncio.gather(*map(self._listen, fresh[start : start + LISTEN_AT_ONCE]))
            for name in set(self._listeners) - wanted:
                await self._unlisten(name)
        except BaseException:
            self._discover_at = 0.0
            raise
        for name in fresh if news else ():
            self._happened.setdefault(name, {})
        if self._discover_at:
            # Finding queues looks through all keys: with very many of them, less often.
            self._discover_at = loop.time() + max(self._discover_s, 20 * (loop.time() - begun))

    async def _listen(self, name: str) -> None:
        events = QueueEvents(name, connection=self._board.connection, prefix=self._board.prefix, pause=READ_PAUSE_S)
        try:
            await events.open()
        except OxcartError as error:
            if isinstance(error, ConnectionFailed) and not is_forbidden(error):
                raise
            self._tell_broken(name, error)
        else:
            if name in self._listeners:  # one that was begun before, when another queue's failed, was slower
                await events.close()
                return
            self._board.pulse.listen(name)
            self._listeners[name] = (events, asyncio.create_task(self._follow(name, events)))

    async def _unlisten(self, name: str) -> None:
        events, task = self._listeners.pop(name)
        self._board.pulse.deafen(name)
        await events.close()
        await asyncio.wait([task])

    async def _stop_listening(self) -> None:
        listeners, self._listeners = self._listeners, {}
        for name in listeners:  # before anything is awaited: a new tab may begin to listen meanwhile
            self._board.pulse.deafen(name)
        for events, task in listeners.values():
            await events.close()
            await asyncio.wait([task])

    async def _follow(self, name: str, events: QueueEvents) -> None:
        try:
            async for event in events:
                self._note(name, event)
        except OxcartError as error:
            self._tell_broken(name, error)
            self._board.pulse.deafen(name)
            self._listeners.pop(name, None)  # tried again when queues are looked for
            await events.close()

    def _tell_broken(self, name: str, error: OxcartError) -> None:
        if name not in self._broken:
            self._broken.add(name)
            log.warning("the events of %s can't be read, so it is not live: %s", name, error)

    def _note(self, name: str, event: Event) -> None:
        """Keep what an event says until the next tick."""
        self._board.pulse.beat(name)
        if event.kind in _OF_THE_QUEUE:
            self._happened.setdefault(name, {})
        elif event.kind in _STATES and event.job_id is not None:
            job: TickJob = {"id": event.job_id, "state": _STATES[event.kind], "progress": None}
            if event.kind == "progress":
                job["progress"] = self._shown(getattr(event, "progress", None), name)
            _keep(self._happened.setdefault(name, {}), job)

    def _shown(self, progress: Any, queue: str) -> Any:
        """A job's progress as it may be seen: masked, and short."""
        masked, _ = rows.redacted(self._board, queue, rows.shortened(progress, rows.LARGEST_WHOLE))
        if masked is None or isinstance(masked, bool | int):
            return masked
        text = _as_json(masked)
        return masked if len(text) <= LONGEST_PROGRESS else text[:LONGEST_PROGRESS] + "…"


def _keep(jobs: dict[str, TickJob], job: TickJob) -> None:
    """Add what is new of a job to what is known of it; the jobs that nothing happened to for longest make room."""
    earlier = jobs.pop(job["id"], None)
    if earlier is not None:
        state = earlier["state"] if job["state"] is None else job["state"]
        progress = earlier["progress"] if job["progress"] is None else job["progress"]
        job = {"id": job["id"], "state": state, "progress": progress}
    jobs[job["id"]] = job
    while len(jobs) > MOST_JOBS:
        del jobs[next(iter(jobs))]


def _without_words(job: TickJob) -> TickJob:
    progress = job["progress"]
    return {**job, "progress": progress if isinstance(progress, int | float) else None}


def _as_json(value: Any) -> str:
    """In one line of ASCII, so that nothing in it can end a message early."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:  # NaN and infinities, which JSON has no words for
        return json.dumps(_finite(value), separators=(",", ":"))


def _finite(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def _message(event: str, data: str) -> str:
    return f"event: {event}\ndata: {data}\n\n"
