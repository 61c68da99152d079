"""What can be asked of a queue: numbers, settings, workers, a search."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import JobSpec, OptionsError
from oxcart.protocol.calls.work import Limits
from tests.conftest import RedisServer
from tests.hands import LOCK_MS, Hands
from tests.live.shells.shell import Queue, QueueView, find_queues

MINUTE = 60_000


async def test_waiting_jobs_are_counted_by_priority(queue: Queue) -> None:
    await queue.add_bulk([JobSpec("x", priority=priority) for priority in (0, 0, 1, 2, 2, 2)])
    assert await queue.counts_per_priority(0, 1, 2, 3) == {0: 2, 1: 1, 2: 3, 3: 0}
    with pytest.raises(OptionsError, match="priority=-1"):
        await queue.counts_per_priority(-1)


async def test_metrics_count_each_minute_that_is_over(queue: Queue, redis_server: RedisServer) -> None:
    """Part 1, appendix A12, and trap 42: the present minute is never in the list."""
    hands = Hands(redis_server.url, queue.name, limits=Limits(LOCK_MS, metric_points=5))
    start = 29_000_000 * MINUTE
    for minute, wanted in ((0, []), (0, []), (0, []), (1, [3]), (1, [3]), (4, [0, 0, 2, 3]), (104, [0, 0, 0, 0, 1])):
        job = await queue.add("x")
        hands.take(now_ms=start)
        hands.complete(job.id, now_ms=start + minute * MINUTE + 7, keep="0::")
        assert (await queue.metrics("completed")).points == wanted
    metrics = await queue.metrics("completed", 0, 1)
    assert (metrics.count, metrics.points, metrics.total_points) == (7, [0, 0], 5)
    assert metrics.last_point_at is not None
    assert (await queue.metrics("failed")).count == 0
    with pytest.raises(OptionsError, match=r"metrics\('active'\)"):
        await queue.metrics("active")
    hands.close()


async def test_numbers_for_prometheus_have_the_names_of_bullmq(queue: Queue) -> None:
    await queue.add("x", delay=60)
    lines = (await queue.prometheus({"env": 'a"b\\c\n'})).split("\n")
    assert lines[:2] == [
        "# HELP bullmq_job_count Number of jobs in the queue by state",
        "# TYPE bullmq_job_count gauge",
    ]
    own = f'queue="{queue.name}"'
    assert f'bullmq_job_count{{{own}, state="delayed", env="a\\"b\\\\c\\n"}} 1' in lines
    assert lines[-1] == f'bullmq_job_failed_total{{{own}, env="a\\"b\\\\c\\n"}} 0'
    assert len(lines) == 2 + 7 + 3 + 3
    wrongs: list[tuple[dict[Any, Any], str]] = [
        ({"a-b": "x"}, "label 'a-b'"),
        ({"queue": "x"}, "each line has one of its own"),
        ({"env": 5}, "label env=5: text"),
    ]
    for wrong, text in wrongs:
        with pytest.raises(OptionsError, match=text):
            await queue.prometheus(wrong)


async def test_a_search_finds_text_in_id_name_data_and_failure(queue: Queue, hands: Hands) -> None:
    by_name = await queue.add("Welcome-mail")
    by_data = await queue.add("x", {"user": {"email": "ada@welcome.org"}, "items": [{"sku": "A7"}]})
    await queue.add("x", {"user": {"email": "bob@example.org"}}, delay=60)
    failed = await queue.add("y")
    hands.take(9)
    hands.complete(by_name.id)
    hands.complete(by_data.id)
    hands.fail(failed.id, "no WELCOME here")
    page = await queue.search("welcome")
    assert {job.id for job in page.jobs} == {by_name.id, by_data.id, failed.id}
    assert (page.cursor, page.looked_at) == (None, 4)
    assert [job.id for job in (await queue.search(failed.id, limit=1)).jobs] == [failed.id]
    assert [job.id for job in (await queue.search("welcome", state="failed")).jobs] == [failed.id]
    assert [job.id for job in (await queue.search("ADA", path="user.email")).jobs] == [by_data.id]
    assert [job.id for job in (await queue.search("a7", path="$.items[0].sku")).jobs] == [by_data.id]
    assert len((await queue.search(path="user.email")).jobs) == 2
    assert (await queue.search(by_data.id, state="failed")).jobs == []
    assert len((await queue.search("1", limit=1)).jobs) == 1
    assert (await queue.search("ada", path="user.name")).jobs == []


async def test_a_loop_over_jobs_gets_all_that_were_there_whatever_it_does(queue: Queue, hands: Hands) -> None:
    ids = [job.id for job in await queue.add_bulk([JobSpec("x") for _ in range(250)])]
    for _ in range(3):
        hands.work(fails=True)
    seen: list[str] = []
    async for job in queue.iter_jobs("failed"):
        await job.retry()
        seen.append(job.id)
    assert sorted(seen, key=int) == ids
    seen.clear()
    async for job in queue.iter_jobs("waiting"):
        seen.append(job.id)
        await queue.add("later")
        await job.remove()
    assert sorted(seen, key=int) == ids


async def test_a_search_goes_on_where_it_stopped_and_says_how_much_it_saw(queue: Queue) -> None:
    await queue.add_bulk([JobSpec("x", {"n": n}, delay=60 if n % 2 else 0) for n in range(250)])
    found: list[str] = []
    looked, pages, cursor = 0, 0, None
    while True:
        page = await queue.search("x", limit=60, cursor=cursor)
        found += [job.id for job in page.jobs]
        looked, pages, cursor = looked + page.looked_at, pages + 1, page.cursor
        if cursor is None:
            break
    assert sorted(found, key=int) == [str(n) for n in range(1, 251)]
    assert (looked, pages) == (250, 5)


async def test_one_search_looks_at_two_thousand_jobs(queue: Queue) -> None:
    await queue.add_bulk([JobSpec("x", job_id=f"job {n}") for n in range(2500)])
    page = await queue.search("nowhere")
    assert (page.jobs, page.looked_at) == ([], 2000)
    rest = await queue.search("nowhere", cursor=page.cursor)
    assert (rest.cursor, rest.looked_at) == (None, 500)


async def test_a_search_that_cannot_be_right_is_refused(queue: Queue) -> None:
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"path": "a..b"}, "path='a..b'"),
        ({"path": "$"}, r"path='\$': at least one name"),
        ({"state": "paused"}, "state='paused': one of"),
        ({"cursor": "x"}, "the cursor of an earlier page"),
        ({"limit": 0}, "limit=0: a whole number, 1 or more"),
        ({"path": 5}, "path=5: a string"),
    ]
    for wrong, text in wrongs:
        with pytest.raises(OptionsError, match=text):
            await queue.search("x", **wrong)


async def test_queues_are_found_by_their_prefix(queue: Queue, redis_server: RedisServer, redis: Redis) -> None:
    await queue.add("x")
    prefix = f"p*[{queue.name}]"
    async with Queue("b", connection=redis_server.url, prefix=prefix) as other:
        await other.add("x", job_id="meta-like")
        async with Queue("a", connection=redis_server.url, prefix=prefix) as third:
            await third.pause()
            assert await find_queues(redis_server.url, prefix) == ["a", "b"]
            await third.obliterate()
        await other.obliterate()
    assert queue.name in await find_queues(redis_server.url)


async def test_a_view_looks_and_changes_nothing(queue: Queue, redis_server: RedisServer) -> None:
    job = await queue.add("x")
    async with QueueView(queue.name, connection=redis_server.url) as view:
        assert (await view.counts())["waiting"] == 1
        assert await view.state(job.id) == "waiting"
        assert not hasattr(view, "add")
        assert await view.job("meta") is None
        assert await view.version() is None


async def test_a_search_reads_data_as_it_was_meant(queue: Queue, redis: Redis) -> None:
    job = await queue.add("x")
    data = '{"place": "caf\\u00e9 \\"Ada\\"", "big": 123456789012345678901234567890, "odd": "\\ud800"}'
    await redis.hset(f"bull:{queue.name}:{job.id}", "data", data)
    for text, path in (("CAFÉ", None), ('"ada"', None), ("3456789012345", "big")):
        assert [found.id for found in (await queue.search(text, path=path)).jobs] == [job.id]


async def test_settings_that_are_no_numbers_count_as_none(queue: Queue, redis: Redis, allowed_breaks: set[str]) -> None:
    allowed_breaks.update(("I31", "I33"))
    await redis.hset(f"bull:{queue.name}:meta", mapping={"concurrency": "x", "max": "0", "duration": "y"})
    await redis.hset(f"bull:{queue.name}:metrics:completed", mapping={"count": "x", "prevTS": "a", "prevCount": "-"})
    await redis.rpush(f"bull:{queue.name}:metrics:completed:data", "a", "5")
    assert (await queue.global_concurrency(), await queue.global_rate_limit()) == (None, None)
    metrics = await queue.metrics("completed")
    assert (metrics.count, metrics.points) == (0, [0, 5])


async def test_paused_jobs_are_the_waiting_ones_of_a_paused_queue(queue: Queue, redis: Redis) -> None:
    ids = [(await queue.add("x")).id for _ in range(3)]
    assert await queue.jobs("paused") == []
    await queue.pause()
    assert [job.id for job in await queue.jobs("paused")] == ids
    await redis.rename(f"bull:{queue.name}:wait", f"bull:{queue.name}:paused")  # as version 5 does
    late = (await queue.add("x")).id
    assert [job.id for job in await queue.jobs("waiting")] == [*ids, late]
    assert [job.id for job in await queue.jobs("waiting", start=2, end=3)] == [ids[2], late]
    assert [job.id for job in await queue.jobs("waiting", start=1, end=2, ascending=False)] == [ids[2], ids[1]]
    assert [job.id async for job in queue.iter_jobs("paused")] == [*ids, late]
    for wrong in ("unknown", []):
        with pytest.raises(OptionsError):
            await queue.jobs(wrong)  # pyright: ignore
    await queue.resume()


async def test_settings_are_none_where_nothing_is_set(queue: Queue) -> None:
    assert await queue.global_concurrency() is None
    assert await queue.global_rate_limit() is None
    await queue.set_global_rate_limit(5, timedelta(seconds=1.5))
    limit = await queue.global_rate_limit()
    assert limit is not None and (limit.max, limit.duration) == (5, 1.5)
