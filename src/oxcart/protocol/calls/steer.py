"""Steering a queue: pause and resume, how many at once, how many in a while."""

from __future__ import annotations

from typing import Any

from ..call import Call, Command, call, nothing
from ..keys import Keys
from ..wire import read_int

LARGEST_MERGE = 1000
"""How many jobs that version 5 put aside one call brings back."""

LIMITED_BY_HAND = 2**53 - 1
"""The count that stands for a limit set by hand."""


def pause(keys: Keys) -> Call[None]:
    """Give nothing away any more."""
    return call("pause", keys, nothing)


def resume(keys: Keys) -> Call[int]:
    """Give jobs away again; answers how many are still put aside, for which to call again."""
    return call("resume", keys, int, count=LARGEST_MERGE)


def is_paused(keys: Keys) -> Command[bool]:
    return Command(("HEXISTS", keys.one("meta"), "paused"), bool)


def set_concurrency(keys: Keys, limit: int | None) -> Call[None]:
    """How many jobs may be active at once; None: any number."""
    return call("set_concurrency", keys, nothing, limit=limit or 0)


def set_rate_limit(keys: Keys, limit: tuple[int, int] | None) -> Call[None]:
    """How many jobs may be taken in how many milliseconds; None: any number."""
    most, duration_ms = limit or (0, 0)
    return call("set_rate_limit", keys, nothing, max=most, duration_ms=duration_ms)


def limits(keys: Keys) -> Command[tuple[int | None, tuple[int, int] | None]]:
    """The global concurrency, and the global rate limit with its duration in milliseconds."""

    def read(reply: Any) -> tuple[int | None, tuple[int, int] | None]:
        concurrency, most, duration = (read_int(text) for text in reply)
        return concurrency if concurrency > 0 else None, (most, max(duration, 1)) if most > 0 else None

    return Command(("HMGET", keys.one("meta"), "concurrency", "max", "duration"), read)


def rate_limit(keys: Keys, duration_ms: int) -> Command[None]:
    """Give nothing away for so long."""
    return Command(("SET", keys.one("limiter"), LIMITED_BY_HAND, "PX", duration_ms), nothing)


def remove_rate_limit(keys: Keys) -> Command[bool]:
    """Forget what was taken in the present window; answers whether anything was."""
    return Command(("DEL", keys.one("limiter")), bool)


def rate_limit_ttl(keys: Keys, most: int | None) -> Call[int]:
    """For how many milliseconds nothing is given away, by the limit of the queue or, if given, by `most`."""
    return call("read_rate_limit", keys, int, max="" if most is None else most)
