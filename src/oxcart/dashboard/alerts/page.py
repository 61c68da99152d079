"""Page: what the API says of alerts, and the message that says it is a test."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from .. import shapes
from ..ask import Ask, Refusal, not_found
from ..board import Board
from .rules import Alert
from .sending import destination
from .watching import watch


async def listed(board: Board, ask: Ask) -> shapes.Alerts:
    """The rules that are about queues that the user sees, and for which of them they hold."""
    names = await board.names(ask)
    found: list[shapes.AlertRule] = []
    for rule in _rules_for(board, ask, names):
        state = await watch(board).state(rule)
        found.append(
            {
                "id": rule.id,
                "words": f"{rule.name}: {rule.words}" if rule.name else rule.words,
                "kind": rule.kind,
                "queues": rule.queues,
                "over": rule.over,
                "to": [destination(one).label for one in rule.to],
                "firing": sorted(name for name, one in state.firing.items() if not one.over and name in names),
                "last": state.last,
                "problem": state.problem,
            }
        )
    return {"now": board.clock(), "rules": found}


def _rules_for(board: Board, ask: Ask, names: Sequence[str]) -> list[Alert]:
    """The rules that are there for a user who sees these queues."""
    rules, all_of_them = watch(board).rules, ask.access.sees_all
    return [rule for rule in rules if all_of_them or any(fnmatchcase(name, rule.queues) for name in names)]


async def test(board: Board, ask: Ask) -> shapes.Done:
    """Send a message that says it is a test to all that a rule tells: `{id}`."""
    wanted = ask.given("id", str)
    rules = _rules_for(board, ask, await board.names(ask))
    rule = next((rule for rule in rules if rule.id == wanted), None)
    if rule is None:
        raise not_found("There is no such rule (any more).")
    reached, problems = await watch(board).test(rule)
    if problems:
        raise Refusal(409, "refused", f"It could not be sent to {'; '.join(problems)}.")
    if not rule.to:
        return {"done": 0, "text": "This rule tells nobody; it shows here and in the log only."}
    return {"done": reached, "text": f"A test was sent to {', '.join(destination(one).label for one in rule.to)}."}
