"""Rules: what somebody wants to be told of, and how it is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from ... import OptionsError
from ..handlers.overview import length_in_words
from ..shapes import AlertKind
from .sending import Destination, Send

LONGEST_WITHIN_S = 86_400


@dataclass(frozen=True)
class Alert:
    """A rule: whom to tell when it begins to hold for a queue, and when it ceases to.

    `kind`: `failures` (more than `over` jobs failed for good in the last `within` seconds), `waiting` (more than `over`
    jobs wait), `oldest_waiting` (the next job has waited for more than `over` seconds), `no_workers` (more than `over`
    jobs wait and no worker is connected), `stalled` (more than `over` jobs are active and no worker is connected) or
    `paused` (a queue is paused and more than `over` jobs wait, with 0 also if none does). `queues` is a pattern of
    names. `to`: `webhook(url)`, `slack(url)`, or functions, plain or async, that take the message as a dict.

    Raises `OptionsError` for what can't be right.
    Example: `Alert("failures", queues="email*", over=10, within=300, to=[slack(os.environ["SLACK_URL"])])`
    """

    kind: AlertKind
    queues: str = "*"
    over: int = 0
    within: int = 300
    to: Sequence[Destination | Send] = ()
    name: str | None = None
    """Told along in messages, such as "mail is down"."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(AlertKind):
            raise OptionsError(f"Alert({self.kind!r}): one of {', '.join(get_args(AlertKind))}")
        if not isinstance(cast(object, self.queues), str) or not self.queues:
            raise OptionsError(f"queues={self.queues!r}: a pattern of names of queues, such as 'email*'")
        for word, value, least, most in (("over", self.over, 0, 2**53), ("within", self.within, 1, LONGEST_WITHIN_S)):
            if isinstance(value, bool) or not isinstance(cast(object, value), int) or not least <= value <= most:
                raise OptionsError(f"{word}={value!r}: a whole number between {least} and {most}")
        to = cast(object, self.to)
        several = isinstance(to, Sequence) and not isinstance(to, str)
        if not several or not all(isinstance(one, Destination) or callable(one) for one in self.to):
            raise OptionsError(f"to={to!r}: a list of webhook(url), slack(url) or functions, such as to=[tell_me]")

    @property
    def id(self) -> str:
        """The same in all processes that have this rule."""
        text = json.dumps([self.kind, self.queues, self.over, self.within, self.name])
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    @property
    def words(self) -> str:
        """The rule as a sentence."""
        where = "any queue" if self.queues == "*" else self.queues
        jobs = f"more than {self.over:,} {'job' if self.over == 1 else 'jobs'}" if self.over else "jobs"
        said = {
            "failures": f"{jobs} failed within {length_in_words(1000 * self.within)} in {where}",
            "waiting": f"{jobs} wait in {where}",
            "oldest_waiting": f"the next job has waited for more than {length_in_words(1000 * self.over)} in {where}",
            "no_workers": f"{jobs} wait in {where}, but no worker is connected",
            "stalled": f"{jobs} are active in {where}, but no worker is connected",
            "paused": f"{where} is paused" + (f", and {jobs} wait" if self.over else ""),
        }
        return said[self.kind]


def sentence(rule: Alert, queue: str, value: int) -> str:
    """What is the matter with a queue, in a sentence."""
    jobs = f"{value:,} {'job' if value == 1 else 'jobs'}"
    said = {
        "failures": f"{jobs} failed within {length_in_words(1000 * rule.within)} in {queue}",
        "waiting": f"{jobs} waiting in {queue}",
        "oldest_waiting": f"the next job in {queue} has waited for {length_in_words(1000 * value)}",
        "no_workers": f"{jobs} waiting in {queue}, but no worker is connected",
        "stalled": f"{jobs} active in {queue}, but no worker is connected",
        "paused": f"{queue} is paused",
    }
    return said[rule.kind]


def usual_alerts(to: Sequence[Destination | Send]) -> list[Alert]:
    """Rules that fit most queues, for who doesn't want to write any."""
    return [
        Alert("failures", over=10, within=300, to=to),
        Alert("no_workers", to=to),
        Alert("stalled", to=to),
        Alert("oldest_waiting", over=600, to=to),
    ]


def check_alerts(rules: Sequence[Alert]) -> tuple[Alert, ...]:
    """The rules of a dashboard. Raises an `OptionsError` for what are none."""
    if isinstance(rules, Alert) or not all(isinstance(cast(object, rule), Alert) for rule in rules):
        raise OptionsError("alerts: a list of Alert(…)")
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        raise OptionsError("alerts: two rules are the same; give one of them another name, or both ways in one `to`")
    return tuple(rules)
