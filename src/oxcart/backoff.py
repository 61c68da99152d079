"""How long to wait before the next attempt."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

LONGEST_MS = 2**53 // 4096 // 2
"""The longest delay that the wire can carry beside today's date, in milliseconds."""


def fixed_ms(delay_ms: float, jitter: float, rand: Callable[[], float] = random.random) -> int:
    """Always the same wait, less a random part of at most `jitter` (0…1) of it."""
    if jitter <= 0:
        return int(delay_ms)
    return math.floor(rand() * delay_ms * jitter + delay_ms * (1 - jitter))


def exponential_ms(delay_ms: float, jitter: float, attempt: int, rand: Callable[[], float] = random.random) -> int:
    """`delay_ms` after the first failed attempt, twice as long after each further one."""
    # 2.0 ** 1100 overflows; nobody waits that long.
    doubled = min(delay_ms * 2.0 ** min(attempt - 1, 60), float(LONGEST_MS))
    return fixed_ms(round(doubled), jitter, rand)


def growing_pauses(first_s: float = 0.05, longest_s: float = 0.8) -> Iterator[float]:
    """How long to wait before each new try to reach Redis, in seconds: ever longer, but never long enough to notice.

    A random part keeps many clients from coming back in step.
    """
    pause = first_s
    while True:
        yield pause * random.uniform(0.75, 1)
        pause = min(pause * 2, longest_s)
