"""How long who reads events waits for more of them."""

from __future__ import annotations

from oxcart.errors import OxcartError
from oxcart.protocol.backlog import BLOCK_MS, DOZE_MS, GLANCE_MS, MANY, Backlog, Batch, block_ms
from oxcart.protocol.calls.watch import Entry


def full() -> Backlog:
    backlog = Backlog("events", "0-0")
    backlog.take_in(Batch([Entry(f"{n}-0", {}) for n in range(1, MANY + 2)]))
    assert not backlog.hungry
    return backlog


def test_with_nobody_behind_a_read_waits_long() -> None:
    assert block_ms([]) == block_ms([Backlog("a", "0-0"), Backlog("b", "0-0")]) == BLOCK_MS


def test_beside_somebody_who_reads_slowly_it_only_glances() -> None:
    slow = full()
    slow.pop()
    slow.pop()
    slow.take_in(Batch([Entry(f"{n}-0", {}) for n in range(MANY + 2, MANY + 10)]))
    both = [slow, full(), Backlog("b", "0-0")]
    assert [block_ms(both) for _ in range(3)] == [GLANCE_MS, 2 * GLANCE_MS, 4 * GLANCE_MS]
    for _ in range(9):  # until it has room
        slow.pop()
    slow.take_in(Batch([Entry(f"{n}-0", {}) for n in range(MANY + 10, MANY + 20)]))
    assert block_ms(both) == GLANCE_MS, "something was taken meanwhile"


def test_beside_somebody_who_takes_nothing_it_does_not_spin() -> None:
    both = [full(), Backlog("b", "0-0")]
    waits = [block_ms(both) for _ in range(1200)]
    assert sum(waits[:6]) < 2 * DOZE_MS
    assert set(waits[6:]) == {DOZE_MS}


def test_beside_a_stream_that_can_not_be_read_it_waits_long() -> None:
    broken = Backlog("a", "0-0")
    broken.error = OxcartError("no stream")
    assert block_ms([broken, Backlog("b", "0-0")]) == BLOCK_MS
