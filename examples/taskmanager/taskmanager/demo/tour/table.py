"""The table of rules: they are looked at one after the other, or at once where they don't disturb each other."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import textwrap
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .. import Unexpected
from ..screen import Colour, Screen
from ..stage import Stage
from . import answers, crons, dashboards, events, mails, notifications, payloads, pictures, processes, reports, servers
from .look import NotHere

WITHIN_S = 120
"""How long the look at one rule may take."""

LEFT, MOST_WIDE = 38, 130
"""How wide the column of rules is, and the whole table at most."""

Look = Callable[[Stage], Awaitable[str]]
"""Looks at a rule: answers what was measured, or raises `Unexpected` with what is wrong."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the lesson, and how it is looked at."""

    says: str
    look: Look


@dataclass(frozen=True, slots=True)
class Found:
    """What was found. `holds` is None for what could not be looked at."""

    says: str
    holds: bool | None
    measured: str


ROUNDS: tuple[tuple[Rule, ...], ...] = (
    (Rule("The answer doesn't wait for the work", answers.answer_comes_first),),
    (
        Rule("Passwords are stored as hashes only", answers.passwords_are_hashed),
        Rule("Workers are processes of their own", processes.workers_are_apart),
    ),
    (Rule("A worker that crashes takes nothing down, and is started again", processes.crash_takes_nothing_down),),
    (
        Rule("A job whose worker was lost is run by another one", processes.lost_job_is_run_again),
        Rule("Notifications: 10 a second at most, and one for a task in a minute", notifications.limited_and_once),
        Rule("A report is made step by step, with progress, and mailed", reports.flow_with_progress),
        Rule("Pictures are made small in a child process with a memory limit", pictures.memory_is_limited),
    ),
    (
        Rule("A mail is tried again until the mail server is back", mails.retried_until_it_is_back),
        Rule("A job that fails for good alerts once", mails.alerts_once),
        Rule("Jobs carry ids, not documents", payloads.ids_only),
        Rule("The dashboard is for admins, and off in production", dashboards.admins_only),
    ),
    (Rule("Cron fires once, whatever the number of workers, and survives restarts", crons.fires_once),),
    (Rule("Jobs survive a restart of Redis", servers.jobs_survive),),
    (Rule("What becomes of jobs is logged: completed, failed, stalled", events.are_logged),),
)


async def go(stage: Stage, rounds: Sequence[Sequence[Rule]] = ROUNDS) -> bool:
    """Look at all rules and print the table; whether all of them hold."""
    found: list[Found] = []
    for rules in rounds:
        for one in await asyncio.gather(*(look_at(stage, rule) for rule in rules)):
            found.append(one)
            stage.screen.event("tour", f"{sign(one)} {one.says}", colour(one))
    print_table(stage.screen, found)
    return all(one.holds is not False for one in found)


async def look_at(stage: Stage, rule: Rule) -> Found:
    """Look at one rule. Whatever goes wrong is told in its line, and the others are looked at all the same."""
    started = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            return Found(rule.says, True, await rule.look(stage))
    except NotHere as reason:
        return Found(rule.says, None, str(reason))
    except TimeoutError:
        return Found(rule.says, False, f"not done after {time.monotonic() - started:.0f} s")
    except Unexpected as error:
        return Found(rule.says, False, str(error))
    except Exception as error:
        return Found(rule.says, False, f"{type(error).__name__}: {error}")


# ----------------------------------------------------------------------------------------------------- as text


def print_table(screen: Screen, found: Sequence[Found]) -> None:
    """The table, and how many rules hold."""
    right = max(min(shutil.get_terminal_size((MOST_WIDE, 0)).columns, MOST_WIDE) - LEFT - 5, 30)
    screen.say()
    for one in found:
        says, measured = textwrap.wrap(one.says, LEFT), textwrap.wrap(one.measured, right)
        for number, (rule, value) in enumerate(itertools.zip_longest(says, measured, fillvalue="")):
            mark = sign(one) if number == 0 else " "
            screen.say(f"{screen.painted(f'{mark} {rule:<{LEFT}}', colour(one))}   {value}")
    holds = sum(one.holds is True for one in found)
    looked = sum(one.holds is not None for one in found)
    screen.say()
    screen.say(f"{holds} of {looked} rules hold, in {screen.seconds:.0f} s.", "green" if holds == looked else "red")


def sign(one: Found) -> str:
    return {True: "✔", False: "✘", None: "–"}[one.holds]


def colour(one: Found) -> Colour:
    colours: dict[bool | None, Colour] = {True: "green", False: "red", None: "dim"}
    return colours[one.holds]
