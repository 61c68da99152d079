"""Access: what a user may do, and what such a value refuses to be."""

from __future__ import annotations

from typing import Any

import pytest

from oxcart import OptionsError
from oxcart.dashboard import Access


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys])
def test_actions_and_queues_may_be_any_collection(kind: Any) -> None:
    access = Access("ada", actions=kind(["view", "pause"]), queues=kind(["mail-*"]))
    assert access == Access("ada", actions=frozenset({"pause", "view"}), queues=("mail-*",))
    assert access.may("pause") and not access.may("view_data")
    assert access.sees("mail-1") and not access.sees("shop")
    assert hash(access)


def test_what_was_given_can_not_be_changed_afterwards() -> None:
    actions, queues = ["view"], ["mail"]
    access = Access(actions=actions, queues=queues)
    actions.append("obliterate")
    queues.append("*")
    assert not access.may("obliterate") and not access.sees("shop")


@pytest.mark.parametrize(
    "wrong",
    [
        {"queues": "mail*"},  # by its letters, its "*" would be every queue
        {"queues": 1},
        {"queues": ["mail", 1]},
        {"queues": None},
        {"actions": "view"},
        {"actions": 1},
        {"actions": [["view"]]},
        {"actions": ["view", "fly"]},
        {"role": "root"},
    ],
)
def test_what_can_not_be_right_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionsError, match=next(iter(wrong))):
        Access(**wrong)
