"""The names of a queue's keys in Redis."""

from __future__ import annotations

import base64

from ..errors import OptionsError

# What a script's header calls a key → how the key ends. Names of ours that are no BullMQ key start with `ox_`.
SUFFIXES = {
    "id": "id",
    "wait": "wait",
    "paused": "paused",
    "active": "active",
    "prioritized": "prioritized",
    "pc": "pc",
    "delayed": "delayed",
    "waiting_children": "waiting-children",
    "completed": "completed",
    "failed": "failed",
    "stalled": "stalled",
    "stalled_check": "stalled-check",
    "limiter": "limiter",
    "marker": "marker",
    "meta": "meta",
    "events": "events",
    "schedulers": "repeat",
}

JOB_KEYS = ("logs", "dependencies", "processed", "failed", "unsuccessful")
"""The keys beside a job's hash that belong to it; `:lock` is the sixth and goes its own way."""


class Keys:
    """The keys of one queue. `prefix` is what each of them starts with, such as `bull:email:`."""

    __slots__ = ("_lists", "name", "own", "prefix", "queue_prefix")

    def __init__(self, queue: str, prefix: str = "bull") -> None:
        self.name = check_queue_name(queue)
        self.queue_prefix = check_prefix(prefix)
        self.prefix = f"{prefix}:{queue}:"
        self.own = f"oxcart:{self.prefix}"
        """What the keys that only Oxcart knows start with; hash-tagged as the queue's own."""
        self._lists: dict[tuple[str, ...], tuple[str, ...]] = {}

    def __repr__(self) -> str:
        return f"Keys({self.name!r}, {self.queue_prefix!r})"

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The keys with these names, in this order."""
        found = self._lists.get(names)
        if found is None:
            found = self._lists[names] = tuple(self.prefix + SUFFIXES[name] for name in names)
        return found

    def one(self, name: str) -> str:
        """The key with this name."""
        return self.prefix + SUFFIXES[name]

    def job(self, job_id: str) -> str:
        """The hash of a job."""
        return self.prefix + job_id

    def receipt(self, producer: str) -> str:
        """Where a producer's last add call leaves its receipt, so that it can be sent again safely."""
        return f"{self.own}receipt:{producer}"

    def run(self, scheduler_id: str, slot_ms: int) -> str:
        """The id of the job that is a scheduler's run at a time."""
        return f"repeat:{scheduler_id}:{slot_ms}"

    @property
    def policies(self) -> str:
        """A hash of what only Oxcart knows of schedulers: by the scheduler's id, as JSON."""
        return f"{self.own}policies"

    @property
    def running(self) -> str:
        """A hash of the runs that were taken last, of schedulers that skip when one is not finished: by their ids."""
        return f"{self.own}running"

    @property
    def paused_schedulers(self) -> str:
        """A hash of the schedulers that are paused, by their ids, as JSON: all that they were."""
        return f"{self.own}paused-schedulers"

    @property
    def schedulers_check(self) -> str:
        """Says for a while that the schedulers have been looked through."""
        return f"{self.own}schedulers-check"

    def step(self, letter: str, at_ms: int) -> str:
        """A hash of what workers counted in a step of time that begins then, by the names of jobs: see `tally`."""
        return f"{self.own}stats:{letter}:{at_ms // 1000}"

    @property
    def step_total(self) -> str:
        """The same since it began."""
        return f"{self.own}stats:total"

    def failures(self, hour_ms: int) -> str:
        """A hash of the failures that workers counted in an hour, by what they are."""
        return f"{self.own}stats:failures:{hour_ms // 1000}"

    def counted(self, worker: str) -> str:
        """The number of the last call by which a worker added what it had counted."""
        return f"{self.own}stats:receipt:{worker}"

    @property
    def marks(self) -> str:
        """A sorted set of what happened when, such as deploys; one for all queues with this prefix."""
        return f"oxcart:{self.queue_prefix}:marks"

    @property
    def versions(self) -> str:
        """A hash of the versions that the workers of each queue had last."""
        return f"oxcart:{self.queue_prefix}:versions"

    @property
    def alerts(self) -> str:
        """A hash of what dashboards have told of their alerts; one for all queues with this prefix."""
        return f"oxcart:{self.queue_prefix}:alerts"

    def presence(self, connection: int) -> str:
        """What a worker says of itself, for as long as it is connected; the number is that of Redis's client list."""
        return f"{self.own}worker:{connection}"

    @property
    def cancels(self) -> str:
        """Says for a while that somebody has asked to cancel a job; who and why is in keys below it."""
        return f"{self.own}cancel"

    def client_name(self, worker: str | None) -> str:
        """The connection name by which Node and dashboards list a worker of this queue."""
        name = f"{self.queue_prefix}:{base64.b64encode(self.name.encode()).decode()}"
        return f"{name}:w:{worker}" if worker else name

    @property
    def reader_name(self) -> str:
        """The connection name by which Node lists a reader of this queue's events."""
        return f"{self.client_name(None)}:qe"


def check_queue_name(name: object) -> str:
    """The name, if a queue can have it."""
    if not isinstance(name, str) or not name:
        raise OptionsError(f"queue name {name!r}: a queue's name is a non-empty string")
    if ":" in name:
        raise OptionsError(f"queue name {name!r}: a queue's name can't contain ':'")
    return _unicode("queue name", name)


def check_prefix(prefix: object) -> str:
    """The prefix, if keys can start with it."""
    if not isinstance(prefix, str) or not prefix:
        raise OptionsError(f"prefix {prefix!r}: a prefix is a non-empty string")
    return _unicode("prefix", prefix)


def _unicode(what: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OptionsError(f"{what} {text!r}: not valid Unicode") from None
    return text


def glob_literal(text: str) -> str:
    """A text as a pattern that matches nothing else."""
    return "".join(f"\\{char}" if char in "\\*?[]^" else char for char in text)
