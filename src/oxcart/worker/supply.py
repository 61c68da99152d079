"""Supply: what the last answers said about the jobs that are left, and so how many to ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..protocol.calls.work import Taken

SHARE_PAUSE_S = 0.001
"""How long a worker that took its share of a burst leaves the rest to others that were woken with it."""

SUSPECTS_WAIT_S = 0.5
"""How soon to look again when only jobs that stalled before are left, and one of them runs already."""

LONGEST_LIMIT_S = 5
"""How soon to look again, whatever a rate limit says: it may be lifted, and that wakes nobody."""


class Supply:
    """Decides when to ask for jobs: at once, after a pause, or when the marker says that there may be some.

    `slots` is how many jobs the worker can run; `go` is called when a pause is over.
    """

    def __init__(self, slots: int, largest: int, go: Callable[[], None]) -> None:
        self._slots = slots
        self._largest = largest
        self._go = go
        self.open = False
        """Whether the worker takes jobs at all."""
        self.idle = False
        """The last answer brought less than was asked for: the marker will tell when to ask again."""
        self.sharing = False
        """Other idle workers were woken too: ask for a share, one call at a time."""
        self.next_due_ms = 0
        """When the first delayed job is due; 0 if none is known."""
        self._pauses: dict[str, asyncio.TimerHandle] = {}
        self._unheard = False
        """Told to look again, and no call has been made since: the answer to an earlier one knows nothing of it."""

    def wanted(self, free: int, leaving: int, asking: bool) -> int:
        """How many jobs to ask for in a call that settles `leaving` attempts; `asking`: another call asks already."""
        if not self.open or "limit" in self._pauses or (self.sharing and asking):
            return 0
        # When nothing was left, or others shall have the rest, a freed slot asks along with its settling and no more.
        slots = leaving if self.idle or "share" in self._pauses else free + leaving
        wanted = max(min(slots, self._largest), 0)
        if wanted:
            self._unheard = False
        return wanted

    def judge(self, asked: int, taken: Taken) -> None:
        """Learn from the answer to a call that asked for jobs."""
        short = len(taken.jobs) < asked
        # A share, as long as there is more, but not so much that there is enough for all.
        self.sharing = self.sharing and bool(taken.jobs) and 0 < taken.left <= self._slots
        self.idle = short and not self.sharing and not self._unheard
        self.next_due_ms = taken.next_due_ms
        if self.sharing:
            self._pause("share", SHARE_PAUSE_S)
        if taken.limited_ms > 0:
            self._pause("limit", min(taken.limited_ms / 1000, LONGEST_LIMIT_S))
        if taken.suspects_left and short:
            # They wait for the one that runs, not for the marker, which would come back at once.
            self._pause("suspects", SUSPECTS_WAIT_S)

    def look_again(self, *, woken: bool) -> None:
        """There may be work: the marker was taken (`woken`), or it is time to look."""
        self.idle = False
        self.sharing = woken
        self._unheard = True

    def suspect_done(self) -> None:
        """The job that stalled before and ran here has ended: the next of its kind may be taken."""
        if "suspects" in self._pauses:
            self._over("suspects")

    def hungry(self, free: int) -> bool:
        """Whether there are free slots that only the marker can fill."""
        return self.open and self.idle and free > 0 and not self._pauses.keys() & {"limit", "suspects"}

    def close(self) -> None:
        """Stop all pauses."""
        for timer in self._pauses.values():
            timer.cancel()
        self._pauses.clear()

    def _pause(self, why: str, seconds: float) -> None:
        if why not in self._pauses:
            self._pauses[why] = asyncio.get_running_loop().call_later(seconds, self._over, why)

    def _over(self, why: str) -> None:
        self._pauses.pop(why).cancel()
        self.idle = self.idle and why == "share"
        self._go()
