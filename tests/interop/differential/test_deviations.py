"""What is listed as a deviation still is one."""

from __future__ import annotations

import pytest

from .deviations import DEVIATIONS, Deviation
from .machine import Differs, Machine

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("deviation", [one for one in DEVIATIONS if one.example], ids=lambda one: one.name)
async def test_a_deviation_is_one(machine: Machine, deviation: Deviation) -> None:
    machine.deviations = tuple(one for one in DEVIATIONS if one is not deviation)
    await machine.start(deviation.start_ms)
    for step in deviation.example[:-1]:
        await machine.run(step)
    with pytest.raises(Differs):
        await machine.run(deviation.example[-1])


@pytest.mark.parametrize("deviation", [one for one in DEVIATIONS if one.example], ids=lambda one: one.name)
async def test_a_deviation_is_hidden(machine: Machine, deviation: Deviation) -> None:
    await machine.start(deviation.start_ms)
    for step in deviation.example:
        if name := machine.avoids(step):
            assert name == deviation.name
        else:
            await machine.run(step)
