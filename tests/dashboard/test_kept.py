"""What is kept is of use for a while, and then it is gone."""

from __future__ import annotations

import asyncio

import pytest

from oxcart.dashboard.reading import kept as module
from oxcart.dashboard.reading.kept import Kept


class Maker:
    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> int:
        self.made += 1
        await asyncio.sleep(0)
        return self.made


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    kept, make = Kept(), Maker()
    assert await asyncio.gather(*(kept.get("x", 60, make) for _ in range(5))) == [1] * 5
    assert await kept.get("x", 60, make) == 1
    assert await kept.get("x", 0, make) == 2


async def test_answers_that_are_of_no_use_any_more_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_S", 0)
    kept = Kept()
    await kept.get("for long", 60, Maker())
    for number in range(200):  # as a page asks whose range of time moves on
        await kept.get(("stats", number), 0.001, Maker())
        await asyncio.sleep(0.0005)
    assert "for long" in kept._made and len(kept._made) < 50


async def test_what_very_many_queues_have_is_all_kept() -> None:
    kept, make = Kept(), Maker()
    for _ in range(2):
        for number in range(5000):
            await kept.get(("row", number), 60, make)
    assert make.made == 5000
