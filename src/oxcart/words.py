"""Says in words when a scheduler runs, for people. Without the extra `words`, patterns stay patterns."""

from __future__ import annotations

import contextlib

from .cron import pattern_fields
from .errors import OptionsError
from .protocol.series import Scheduler

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def in_words(scheduler: Scheduler) -> str:
    """When it runs, such as "Every 5 minutes" or "At 08:00, Monday through Friday (Europe/Berlin)".

    Example: `print(in_words(await emails.scheduler("digest")))`
    """
    if scheduler.cron is not None:
        return _cron_in_words(scheduler.cron) + (f" ({scheduler.tz})" if scheduler.tz else "")
    return _interval_in_words(scheduler.every or 0)


def _cron_in_words(pattern: str) -> str:
    plain = f"cron {pattern}"
    try:
        from cron_descriptor import Options, get_description  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        return plain
    with contextlib.suppress(OptionsError):
        options = Options()
        options.use_24hour_time_format = True
        options.locale_code = "en_US"
        # The library guesses what six fields are by looking for a year: with a year of its own there is no guess.
        fields = [*pattern_fields(pattern), "*"]
        if "L" in fields[5].upper() and "," in fields[5]:
            return plain  # of `1,3L` it would say that both are the last ones
        with contextlib.suppress(Exception):  # a pattern that is right here and that it doesn't know, such as H
            return str(get_description(" ".join(fields), options))
    return plain


def _interval_in_words(seconds: float) -> str:
    for size, unit in _UNITS:
        count = seconds / size
        if count >= 1 and count == int(count):
            return f"Every {unit}" if count == 1 else f"Every {int(count)} {unit}s"
    return f"Every {seconds:g} seconds"
