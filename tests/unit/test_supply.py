"""When a worker asks for jobs: what it learns from answers, and from being woken."""

from __future__ import annotations

from oxcart.protocol.calls.work import Taken
from oxcart.worker.supply import Supply

NOTHING = Taken(None, [], 0, 0, 0, 0, [], [])


def idle_supply() -> Supply:
    supply = Supply(5, 100, lambda: None)
    supply.open = True
    assert supply.wanted(5, 0, asking=False) == 5
    supply.judge(5, NOTHING)
    assert supply.hungry(5)
    return supply


def test_a_wake_up_while_a_call_is_under_way_is_not_forgotten() -> None:
    """The answer was made before the job was added, and the marker is taken: nobody would look again."""
    supply = idle_supply()
    assert supply.wanted(4, 1, asking=False) == 1  # a freed slot asks along with its settling
    supply.look_again(woken=True)
    assert supply.wanted(4, 0, asking=True) == 0
    supply.judge(1, NOTHING)
    assert not supply.hungry(5)
    assert supply.wanted(5, 0, asking=False) == 5
    supply.judge(5, NOTHING)
    assert supply.hungry(5)
