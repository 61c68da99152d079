"""When a worker asks for jobs: what it learns from answers, and from being woken."""

from __future__ import annotations

import asyncio

import pytest

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


async def test_a_long_rate_limit_is_asked_for_again_as_soon_as_an_idle_worker_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have been lifted, which wakes nobody."""
    pauses: list[float] = []
    loop = asyncio.get_running_loop()
    later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda wait, *rest: pauses.append(wait) or later(wait, *rest))  # pyright: ignore
    for limited_ms in (60_000, 1000):
        supply = Supply(5, 100, lambda: None)
        supply.open = True
        supply.judge(5, Taken(None, [], 0, limited_ms, 0, 0, [], []))
        assert supply.wanted(5, 0, asking=False) == 0
        supply.close()
    assert pauses == [5, 1]  # 5 s is the usual `drain_delay`
