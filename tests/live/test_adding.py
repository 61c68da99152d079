"""Adding jobs to a real server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from oxcart import (
    Backoff,
    Connection,
    ConnectionFailed,
    Flow,
    FlowProducer,
    JobOptions,
    JobSpec,
    JobState,
    OptionsError,
    PayloadError,
    Queue,
)
from oxcart.aio.adder import Adder
from oxcart.aio.transport import Link
from tests.conftest import RedisServer


async def test_a_job_waits_with_what_it_was_given(queue: Queue, redis: Redis) -> None:
    job = await queue.add("welcome", {"userId": "u1"}, attempts=3, backoff=Backoff.exponential(2))

    stored: dict[str, str] = await redis.hgetall(f"bull:{queue.name}:{job.id}")  # pyright: ignore
    opts = json.loads(stored.pop("opts"))
    assert stored.pop("timestamp").isdigit()
    assert stored == {"name": "welcome", "data": '{"userId":"u1"}', "delay": "0", "priority": "0"}
    assert opts == {"attempts": 3, "backoff": {"type": "exponential", "delay": 2000}}
    assert await job.state() is JobState.WAITING
    assert (await queue.counts())["waiting"] == 1


async def test_no_data_is_an_empty_object_and_none_is_null(queue: Queue) -> None:
    nothing, null = await queue.add("a"), await queue.add("a", None)
    assert (await queue.job(nothing.id)).data == {}  # pyright: ignore[reportOptionalMemberAccess]
    assert (await queue.job(null.id)).data is None  # pyright: ignore[reportOptionalMemberAccess]


async def test_jobs_go_where_their_options_say(queue: Queue) -> None:
    plain = await queue.add("plain")
    first = await queue.add("first", lifo=True)
    urgent = await queue.add("urgent", priority=1)
    later = await queue.add("later", delay=60)

    assert [job.id for job in await queue.jobs("waiting")] == [first.id, plain.id]
    assert [job.id for job in await queue.jobs("prioritized")] == [urgent.id]
    assert [job.id for job in await queue.jobs("delayed")] == [later.id]
    assert await queue.count() == 4


async def test_equal_priorities_keep_their_order(queue: Queue) -> None:
    jobs = await queue.add_bulk([JobSpec("x", priority=priority) for priority in (2, 1, 2, 1)])
    ids = [job.id for job in jobs]
    assert [job.id for job in await queue.jobs("prioritized")] == [ids[1], ids[3], ids[0], ids[2]]


async def test_many_jobs_due_in_the_same_millisecond_keep_their_order(queue: Queue) -> None:
    jobs = await queue.add_bulk([JobSpec("x", {"n": n}, delay=60) for n in range(300)])
    assert [job.id for job in await queue.jobs("delayed")] == [job.id for job in jobs]


async def test_an_id_that_exists_is_answered_and_nothing_is_added(queue: Queue) -> None:
    first = await queue.add("own", {"n": 1}, job_id="order-17")
    again = await queue.add("own", {"n": 2}, job_id="order-17")

    assert (first.was_duplicate, again.was_duplicate) == (False, True)
    assert (await queue.job("order-17")).data == {"n": 1}  # pyright: ignore[reportOptionalMemberAccess]
    assert await queue.count() == 1


async def test_the_id_counter_goes_up_for_every_add_as_in_node(queue: Queue) -> None:
    await queue.add("a", job_id="own")
    await queue.add("a", job_id="own")
    assert (await queue.add("a")).id == "3"


async def test_adds_of_one_moment_travel_in_one_call(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    await queue.add("first")
    calls: list[Any] = []
    post = Link.post

    def counted(link: Link, command: Any, timeout: float, answer: Any) -> None:
        calls.append(command)
        post(link, command, timeout, answer)

    monkeypatch.setattr(Link, "post", counted)
    jobs = await asyncio.gather(*(queue.add("x", {"n": n}) for n in range(100)))
    assert [job.id for job in jobs] == [str(n) for n in range(2, 102)]
    assert len(calls) == 1


async def test_a_bulk_larger_than_a_call_keeps_its_order(queue: Queue) -> None:
    jobs = await queue.add_bulk(JobSpec("x", {"n": n}) for n in range(1_000))
    assert [int(job.id) for job in jobs] == list(range(1, 1_001))
    assert [job.data["n"] for job in await queue.jobs("waiting")] == list(range(1_000))


async def test_nothing_of_a_bulk_is_sent_if_one_job_cannot_be(queue: Queue) -> None:
    with pytest.raises(PayloadError):
        await queue.add_bulk([JobSpec("good"), JobSpec("bad", object())])
    with pytest.raises(OptionsError):
        await queue.add_bulk([JobSpec("good"), JobSpec("bad", priority=-1)])
    assert await queue.add_bulk([]) == []
    assert await queue.count() == 0


async def test_the_queues_options_hold_where_a_job_says_nothing(redis_server: RedisServer, queue: Queue) -> None:
    defaults = JobOptions(attempts=3, priority=5)
    async with Queue(queue.name, connection=redis_server.url, default_job_options=defaults) as strict:
        job = await strict.add("x", priority=2)
    assert job.options["attempts"] == 3
    assert job.priority == 2


async def test_a_lost_answer_adds_nothing_twice(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    await queue.add("first")
    lost = {"left": 3}
    received = Link.data_received

    def lossy(link: Link, data: bytes) -> None:
        if lost["left"] and link._pending:  # pyright: ignore[reportPrivateUsage]
            lost["left"] -= 1
            link.abort("the wire was cut")
        else:
            received(link, data)

    monkeypatch.setattr(Link, "data_received", lossy)
    jobs = await asyncio.gather(*(queue.add("x", {"n": n}) for n in range(10)))
    assert lost["left"] == 0
    assert [job.id for job in jobs] == [str(n) for n in range(2, 12)]
    assert await queue.count() == 11


async def test_a_late_copy_of_an_add_call_adds_nothing(queue: Queue) -> None:
    from oxcart.protocol.calls.add import Preparer, add_jobs

    job = Preparer(None, lambda: 0).prepare("x", {}, {})
    connection = queue._connection  # pyright: ignore[reportPrivateUsage]
    first = await connection.run(add_jobs(queue.keys, [job], "me", 1))
    assert (await connection.run(add_jobs(queue.keys, [job], "me", 2))).ids == ["2"]
    late = await connection.run(add_jobs(queue.keys, [job], "me", 1))
    assert first.ids == ["1"]
    assert late.ids == ["2"], "the answer of the latest call: nobody waits for this one"
    assert await queue.count() == 2


async def test_scripts_that_the_server_forgot_are_sent_again(queue: Queue, redis: Redis) -> None:
    await queue.add("a")
    await redis.script_flush()  # pyright: ignore
    await queue.add("b")
    assert (await queue.counts("waiting"))["waiting"] == 2


async def test_an_add_without_redis_fails_in_time_and_says_where_it_looked() -> None:
    async with Queue("q", connection="redis://:secret@127.0.0.1:1/0", timeout=0.3) as queue:
        with pytest.raises(ConnectionFailed, match=r"the job could not be added: .*127\.0\.0\.1:1") as caught:
            await queue.add("x")
    assert "secret" not in str(caught.value)


async def test_an_add_to_a_frozen_server_fails_in_time_and_those_after_it_too(fragile_server: RedisServer) -> None:
    async with Queue("q", connection=fragile_server.url, timeout=1) as queue:
        await queue.add("before")
        fragile_server.freeze()
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(queue.add("x") for _ in range(3)), return_exceptions=True)
        late = asyncio.ensure_future(queue.add("y"))
        await asyncio.wait([late])
        assert asyncio.get_running_loop().time() - started < 4.5  # less than the deadline of a call
        assert [type(answer) for answer in [*answers, late.exception()]] == [ConnectionFailed] * 4
        fragile_server.thaw()


async def test_flows_and_schedulers_for_a_frozen_server_fail_in_time_too(fragile_server: RedisServer) -> None:
    async with (
        Queue("q", connection=fragile_server.url, timeout=1) as queue,
        FlowProducer(connection=fragile_server.url, timeout=1) as flows,
    ):
        await queue.add("before")
        await flows.add(Flow("q", "before"))
        fragile_server.freeze()
        started = asyncio.get_running_loop().time()
        answers = await asyncio.gather(
            flows.add(Flow("q", "x")), queue.upsert_scheduler("s", every=60), return_exceptions=True
        )
        assert asyncio.get_running_loop().time() - started < 4.5  # less than the deadline of a call
        assert [type(answer) for answer in answers] == [ConnectionFailed] * 2
        fragile_server.thaw()


async def test_a_flow_that_is_added_half_gets_the_time_of_a_call_for_the_rest(
    fragile_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Connection.run
    calls = 0

    async def slow(self: Connection, call: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            await asyncio.sleep(1.2)
        return await run(self, call)

    monkeypatch.setattr(Connection, "run", slow)
    async with FlowProducer(connection=fragile_server.url, timeout=1) as flows:
        node = await flows.add(Flow("q", "root", children=[Flow("q", "child") for _ in range(300)]))
    assert calls > 2
    assert len(node.children) == 300


async def test_an_add_by_choice_waits_for_redis(fragile_server: RedisServer) -> None:
    async with Queue("q", connection=fragile_server.url, timeout=None) as queue:
        await queue.add("before")
        fragile_server.kill()
        adding = asyncio.ensure_future(queue.add("while away"))
        await asyncio.sleep(0.2)
        assert not adding.done()
        fragile_server.start()
        assert (await adding).id == "2"


async def test_a_queue_made_outside_a_loop_works_in_two_loops_one_after_the_other(redis_server: RedisServer) -> None:
    def use() -> int:
        queue = Queue(f"loops-{id(asyncio)}", connection=redis_server.url)
        for _ in range(2):
            asyncio.run(_add(queue))
        return asyncio.run(_count_and_close(queue))

    assert await asyncio.to_thread(use) == 2


async def test_a_queue_is_closed_in_another_loop_than_the_one_that_ended_while_it_added(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue("q", connection=redis_server.url)

    async def leave_behind() -> None:
        await queue.count()
        monkeypatch.setattr(Link, "post", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType]
        asyncio.ensure_future(queue.add("never answered"))  # noqa: RUF006
        await asyncio.sleep(0.1)
        queue._connection.transport.drop("end of this loop")  # pyright: ignore[reportPrivateUsage]

    await asyncio.to_thread(asyncio.run, leave_behind())
    await asyncio.wait_for(queue.close(), 30)


async def _add(queue: Queue) -> None:
    await queue.add("x")
    queue._connection.transport.drop("end of this loop")  # pyright: ignore[reportPrivateUsage]


async def _count_and_close(queue: Queue) -> int:
    count = await queue.count()
    await queue.close()
    return count


async def test_an_abandoned_add_leaves_no_trace(queue: Queue) -> None:
    adding = asyncio.ensure_future(queue.add("x"))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    await queue.add("y")
    assert [job.name for job in await queue.jobs("waiting")][-1] == "y"
    assert Adder is not None
