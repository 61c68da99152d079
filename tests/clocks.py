"""A clock that stands still, for tests of what happens at certain times."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


class Clock:
    """It is always `NOW` until it is set; schedulers of a queue that has it are made by its time."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return ms(self.now)
