"""Options: what is accepted, and that what can't be right is refused by name before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxcart import Backoff, Flow, FlowProducer, JobOptions, Keep, OptionsError, Queue, RateLimit, Worker
from oxcart.options import check, check_job_id
from oxcart.protocol.address import check_url, masked
from oxcart.protocol.calls.add import Preparer


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"retrys": 3}, "unknown option 'retrys'"),
        ({"atempts": 3}, "did you mean 'attempts'"),
        ({"attempts": -1}, "attempts=-1"),
        ({"attempts": 2.5}, "attempts=2.5"),
        ({"attempts": True}, "attempts=True"),
        ({"priority": 1.5}, "priority=1.5"),
        ({"priority": -1}, "priority=-1"),
        ({"priority": 2**21}, "between 0 and 2097151"),
        ({"delay": -1}, "can't be negative"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"delay": "5"}, "delay='5'"),
        ({"delay": 1e15}, "delay="),
        ({"delay": datetime(2030, 1, 1)}, "needs a timezone"),
        ({"timestamp": datetime(2030, 1, 1)}, "needs a timezone"),
        ({"timestamp": 17}, "aware datetime"),
        ({"timestamp": datetime(1969, 12, 31, tzinfo=UTC)}, "a job can't be from before 1970"),
        ({"backoff": "soon"}, "backoff='soon'"),
        ({"backoff": "exponential"}, "Backoff.exponential(2), which is 2 s, 4 s, 8 s"),
        ({"backoff": {"type": "exponential", "delay": 1000}}, "Backoff.exponential(2), which is 2 s, 4 s, 8 s"),
        ({"retries": 3}, "unknown option 'retries': attempts= says how often a job may run in all"),
        ({"max_retries": 3}, "so 3 retries are attempts=4"),
        ({"countdown": 3}, "unknown option 'countdown': delay= takes seconds or a timedelta"),
        ({"eta": datetime(2030, 1, 1)}, "unknown option 'eta': delay= takes an aware datetime too"),
        ({"backoff": -1}, "can't be negative"),
        ({"remove_on_complete": "all"}, "remove_on_complete"),
        ({"remove_on_fail": -2}, "remove_on_fail"),
        ({"lifo": 1}, "lifo=1"),
        ({"keep_logs": -1}, "keep_logs"),
        ({"size_limit": "1k"}, "size_limit"),
        ({"job_id": 7}, "job_id=7"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_by_name(options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionsError) as caught:
        check(options)
    assert text in str(caught.value)


@pytest.mark.parametrize("job_id", ["0", "0:x", "0:a:b", "123", "-5", "a:b", "a:b:c:d", ":", "meta", "wait", "id"])
@pytest.mark.parametrize("_", [0])
def test_an_id_that_would_break_the_queue_is_refused(job_id: str, _: int) -> None:
    assert check_job_id(job_id)


@pytest.mark.parametrize("job_id", ["stalled-check", "metrics:completed:data", "de:x:y", "priority", "\ud800"])
def test_the_names_of_the_queues_own_keys_are_no_ids(job_id: str) -> None:
    assert check_job_id(job_id)


@pytest.mark.parametrize("job_id", ["007", "1.5", "12a", "a:b:c", "", "order-17", "ü", "-", "+5", " 5"])
def test_other_ids_are_accepted_as_by_node(job_id: str) -> None:
    assert check_job_id(job_id) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: Backoff.fixed(1, jitter=2),
        lambda: Backoff.exponential(-1),
        lambda: Backoff.custom("fixed"),
        lambda: Keep(count=-2),
        lambda: Keep(age=-1),
        lambda: Keep(limit=0),
        lambda: RateLimit(0, 1),
        lambda: RateLimit(1, 0),
        lambda: Queue(""),
        lambda: Queue("a:b"),
        lambda: Queue("q", prefix=""),
        lambda: Queue("q", timeout=0),
        lambda: Queue("q", connection="localhost:6379"),
        lambda: Queue("q", connection="http://localhost"),
        lambda: Queue("q", connection="redis://localhost/zero"),
        lambda: Queue("q", connection="redis://localhost:99999"),
        lambda: Queue("q", connection="redis+cluster://localhost:1"),
        lambda: Queue("q", default_job_options=JobOptions(job_id="x")),
        lambda: Worker("q", print, concurrency=0),
        lambda: Worker("q", print, lock_duration=0),
        lambda: Worker("q", print, max_stalled_count=-1),
        lambda: Worker("q", {}),
        lambda: Worker("q", "not a function"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_objects_refuse_what_cannot_be_right(make: Any) -> None:
    with pytest.raises(OptionsError):
        make()


def test_an_options_error_is_also_a_value_error() -> None:
    assert issubclass(OptionsError, ValueError)


def test_a_url_is_shown_without_its_password() -> None:
    assert masked("redis://ada:secret@host:1/0") == "redis://ada:***@host:1/0"
    with pytest.raises(OptionsError) as caught:
        check_url("redis://ada:secret@host:1/zero")
    assert "secret" not in str(caught.value)


def test_durations_are_seconds_or_timedeltas() -> None:
    assert Backoff.exponential(2) == Backoff.exponential(timedelta(seconds=2))


def prepare(**options: Any) -> Any:
    return Preparer(None, lambda: 1_000_000).prepare("x", {}, options).shape


def test_options_travel_under_the_wires_names_and_in_its_units() -> None:
    import json

    shape = prepare(
        attempts=3,
        backoff=Backoff.exponential(2, jitter=0.5),
        remove_on_complete=Keep(count=100, age=60),
        remove_on_fail=True,
        keep_logs=5,
        delay=1.5,
        lifo=True,
        priority=7,
        stack_trace_limit=2,
    )
    assert json.loads(shape.opts) == {
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 2000, "jitter": 0.5},
        "removeOnComplete": {"count": 100, "age": 60},
        "removeOnFail": True,
        "kl": 5,
        "delay": 1500,
        "lifo": True,
        "priority": 7,
        "stackTraceLimit": 2,
    }
    assert (shape.delay_ms, shape.priority, shape.lifo) == (1500, 7, True)


def test_attempts_are_always_stored() -> None:
    assert prepare().opts == '{"attempts":0}'


def test_a_delay_may_be_a_moment() -> None:
    assert prepare(delay=datetime.fromtimestamp(1_005, UTC)).delay_ms == 5_000
    assert prepare(delay=datetime.fromtimestamp(1, UTC)).delay_ms == 0


def test_a_bare_backoff_is_a_fixed_wait_in_seconds() -> None:
    assert '"backoff":{"type":"fixed","delay":2000}' in prepare(backoff=2).opts


def test_a_limiter_that_is_no_rate_limit_is_refused_with_what_to_write() -> None:
    with pytest.raises(OptionsError, match=r"limiter=\(10, 1\): RateLimit\(max, duration\)"):
        Worker("q", print, limiter=(10, 1))  # pyright: ignore[reportArgumentType]


async def test_what_is_no_flow_or_no_job_is_refused_by_its_type() -> None:
    async with FlowProducer(connection="redis://localhost:1") as flows, Queue("q", connection="redis://x:1") as queue:
        with pytest.raises(OptionsError, match=r"a flow consists of Flow\(queue, name, .*, not dict"):
            await flows.add({"name": "x"})  # pyright: ignore[reportArgumentType]
        with pytest.raises(OptionsError, match=r"a flow consists of Flow\(queue, name, .*, not dict"):
            await flows.add(Flow("q", "x", children=[{"name": "y"}]))  # pyright: ignore[reportArgumentType]
        with pytest.raises(OptionsError, match=r"add_bulk takes JobSpec\(name, data, …\), not tuple"):
            await queue.add_bulk([("x", {})])  # pyright: ignore[reportArgumentType]


def test_a_call_s_options_win_over_the_queues() -> None:
    preparer = Preparer(JobOptions(attempts=3, priority=2), lambda: 0)
    assert preparer.prepare("x", {}, {"priority": 9}).shape.priority == 9
    assert '"attempts":3' in preparer.prepare("x", {}, {}).shape.opts


def test_equal_options_are_encoded_once() -> None:
    preparer = Preparer(None, lambda: 0)
    assert preparer.prepare("x", {}, {"attempts": 2}).shape is preparer.prepare("x", {}, {"attempts": 2}).shape


def test_one_and_true_are_not_mixed_up_by_the_cache() -> None:
    preparer = Preparer(None, lambda: 0)
    assert preparer.prepare("x", {}, {"remove_on_complete": 1}).shape.opts == '{"attempts":0,"removeOnComplete":1}'
    assert (
        preparer.prepare("x", {}, {"remove_on_complete": True}).shape.opts == '{"attempts":0,"removeOnComplete":true}'
    )
