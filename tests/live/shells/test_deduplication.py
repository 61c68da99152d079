"""Jobs with a deduplication id: which are added, which stand for them, and when the id is free again."""

from __future__ import annotations

from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import Deduplication, JobSpec, OptionsError
from tests.hands import Hands
from tests.live.shells.shell import Queue


async def told(redis: Redis, queue: Queue, kind: str) -> list[dict[str, Any]]:
    entries: Any = await redis.xrange(f"bull:{queue.name}:events")
    return [fields for _, fields in entries if fields["event"] == kind]


async def test_a_second_job_is_dropped_until_the_first_is_finished(queue: Queue, redis: Redis, hands: Hands) -> None:
    first = await queue.add("x", 1, deduplication=Deduplication("d"))
    assert (first.was_duplicate, first.deduplication_id) == (False, "d")
    second = await queue.add("x", 2, deduplication=Deduplication("d"))
    assert (second.was_duplicate, second.id) == (True, first.id)
    assert await told(redis, queue, "deduplicated") == [
        {"event": "deduplicated", "jobId": first.id, "deduplicationId": "d", "deduplicatedJobId": "2"}
    ]
    assert await queue.deduplication_job_id("d") == first.id
    hands.work()
    assert await queue.deduplication_job_id("d") is None
    third = await queue.add("x", deduplication=Deduplication("d"))
    assert (third.was_duplicate, third.id) == (False, "3")


async def test_throttling_outlives_the_job(queue: Queue, redis: Redis, hands: Hands) -> None:
    """Trap 29 of part 2."""
    first = await queue.add("x", deduplication=Deduplication("d", ttl=60))
    hands.work()
    assert (await queue.add("x", deduplication=Deduplication("d", ttl=60))).id == first.id
    assert 50_000 < await redis.pttl(f"bull:{queue.name}:de:d") <= 60_000
    assert await queue.remove_deduplication("d")
    assert not await queue.remove_deduplication("d")
    assert not (await queue.add("x", deduplication=Deduplication("d", ttl=60))).was_duplicate


async def test_an_extended_ttl_counts_from_the_last(queue: Queue, redis: Redis) -> None:
    for extend, shortest in ((False, 0), (True, 50_000)):
        name = f"extend {extend}"
        await queue.add("x", deduplication=Deduplication(name, ttl=60, extend=extend))
        await redis.pexpire(f"bull:{queue.name}:de:{name}", 5_000)
        await queue.add("x", deduplication=Deduplication(name, ttl=60, extend=extend))
        assert shortest < await redis.pttl(f"bull:{queue.name}:de:{name}") <= (60_000 if extend else 5_000)


async def test_debouncing_runs_the_last_one(queue: Queue, redis: Redis, hands: Hands) -> None:
    """Trap 28 of part 2: `jobId` is the one that stays."""
    debounce = Deduplication("d", ttl=60, extend=True, replace=True)
    one, two, three = [await queue.add("x", n, delay=60, deduplication=debounce) for n in range(3)]
    assert [job.was_duplicate for job in (one, two, three)] == [False] * 3
    assert [job.id for job in await queue.jobs("delayed")] == [three.id]
    assert await told(redis, queue, "removed") == [
        {"event": "removed", "jobId": job.id, "prev": "delayed"} for job in (one, two)
    ]
    assert [(fields["jobId"], fields["deduplicatedJobId"]) for fields in await told(redis, queue, "deduplicated")] == [
        (two.id, one.id),
        (three.id, two.id),
    ]
    await three.promote()
    hands.work()


async def test_a_job_that_is_not_delayed_is_not_replaced(queue: Queue, redis: Redis) -> None:
    """Trap 27 of part 2: and no event tells it."""
    first = await queue.add("x", 1, deduplication=Deduplication("d", replace=True))
    second = await queue.add("x", 2, deduplication=Deduplication("d", replace=True))
    assert (second.id, second.was_duplicate) == (first.id, True)
    assert await told(redis, queue, "deduplicated") == []


async def test_replacing_keeps_the_rest_of_the_ttl(queue: Queue, redis: Redis) -> None:
    await queue.add("x", delay=60, deduplication=Deduplication("d", ttl=60, replace=True))
    await redis.pexpire(f"bull:{queue.name}:de:d", 5_000)
    last = await queue.add("x", delay=60, deduplication=Deduplication("d", ttl=60, replace=True))
    assert await redis.get(f"bull:{queue.name}:de:d") == last.id
    assert await redis.pttl(f"bull:{queue.name}:de:d") <= 5_000


async def test_the_last_of_those_that_came_while_it_was_active_runs_afterwards(
    queue: Queue, redis: Redis, hands: Hands
) -> None:
    """Trap 30 of part 2."""
    keep = Deduplication("d", ttl=60, keep_last_if_active=True)
    first = await queue.add("x", 1, deduplication=keep)
    hands.take()
    for n in (2, 3):
        assert (await queue.add("y", n, priority=n, deduplication=keep)).id == first.id
    assert await redis.pttl(f"bull:{queue.name}:de:d") == -1
    hands.complete(first.id)
    [last] = await queue.jobs("prioritized")
    assert (last.name, last.data, last.priority, last.id) == ("y", 3, 3, "3")
    assert await queue.deduplication_job_id("d") == "3"
    hands.work()
    assert await queue.deduplication_job_id("d") is None


async def test_an_id_held_by_a_job_that_is_gone_is_free(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    await redis.set(f"bull:{queue.name}:de:d", "gone")
    await redis.hset(f"bull:{queue.name}:dn:d", "name", "x")
    job = await queue.add("x", deduplication=Deduplication("d"))
    assert not job.was_duplicate
    assert await queue.deduplication_job_id("d") == job.id
    assert not await redis.exists(f"bull:{queue.name}:dn:d")


async def test_a_removed_job_frees_its_id(queue: Queue, redis: Redis) -> None:
    job = await queue.add("x", deduplication=Deduplication("d", ttl=60))
    await job.remove()
    assert await queue.deduplication_job_id("d") is None
    for clean in (lambda: queue.drain(), lambda: queue.clean(0, state="waiting")):
        await queue.add("x", deduplication=Deduplication("d"))
        await clean()
        assert await queue.deduplication_job_id("d") is None


async def test_a_job_frees_only_an_id_that_it_holds(queue: Queue) -> None:
    job = await queue.add("x", deduplication=Deduplication("d"))
    assert not await (await queue.add("y")).remove_deduplication()
    assert await job.remove_deduplication()
    other = await queue.add("x", deduplication=Deduplication("d"))
    assert not await job.remove_deduplication()
    assert await queue.deduplication_job_id("d") == other.id


async def test_in_a_bulk_each_job_is_judged_in_its_turn(queue: Queue) -> None:
    jobs = await queue.add_bulk(
        [
            JobSpec("x", 0, deduplication=Deduplication("d")),
            JobSpec("x", 1, deduplication=Deduplication("d")),
            JobSpec("x", 2),
            JobSpec("x", 3, job_id="own", deduplication=Deduplication("e")),
            JobSpec("x", 4, job_id="own", deduplication=Deduplication("e")),
        ]
    )
    assert [(job.id, job.was_duplicate) for job in jobs] == [
        ("1", False),
        ("1", True),
        ("3", False),
        ("own", False),
        ("own", True),
    ]
    assert await queue.count() == 3


async def test_the_options_are_kept_with_the_job(queue: Queue) -> None:
    given = Deduplication("d", ttl=5, extend=True, keep_last_if_active=True)
    await queue.add("x", deduplication=given)
    [job] = await queue.jobs()
    assert job.options["deduplication"] == given
    assert job.deduplication_id == "d"


async def test_deduplication_that_cannot_be_right_is_refused(queue: Queue) -> None:
    for wrong, text in (
        (lambda: Deduplication(""), r"Deduplication\(id=''\): a non-empty string"),
        (lambda: Deduplication("d", extend=True), "extends the ttl: give one"),
        (lambda: Deduplication("d", ttl=0), "at least a millisecond"),
    ):
        with pytest.raises(OptionsError, match=text):
            wrong()
    with pytest.raises(OptionsError, match=r"Deduplication\(id, …\)"):
        await queue.add("x", deduplication="d")  # pyright: ignore[reportArgumentType]
