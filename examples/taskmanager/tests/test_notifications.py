"""Notifications: sent to a push service as browsers have it, encrypted and signed, not too often."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest
from conftest import Register, RunWorkers
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from endpoint import Endpoint, Request, always
from oxcart import Backoff, Queue
from pages import Visitor
from sqlalchemy import select
from waiting import wait_until

from taskmanager import vapid
from taskmanager.db import Database
from taskmanager.models import PushSubscription
from taskmanager.push import Push
from taskmanager.queues import Queues
from taskmanager.settings import Settings
from taskmanager.worker import notification_worker


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Browser:
    """What a browser does with notifications: it makes keys, and decrypts what its vendor has for it."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"0123456789abcdef"

    @property
    def subscription(self) -> dict[str, Any]:
        form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        p256dh = text(self.key.public_key().public_bytes(*form))
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": {"p256dh": p256dh, "auth": text(self.auth)}}

    def read(self, request: Request) -> dict[str, str]:
        content: Any = http_ece.decrypt(  # pyright: ignore[reportUnknownMemberType]
            request.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"
        )
        return json.loads(content)


@pytest.fixture
async def vendor() -> AsyncIterator[Endpoint]:
    """Where the vendor of a browser takes notifications."""
    async with Endpoint().open() as vendor:
        yield vendor


@pytest.fixture
def notifications(queues: Queues) -> Queue:
    found = queues.named("notifications")
    assert found is not None
    return found


async def switch_on(api: httpx.AsyncClient, vendor: Endpoint, name: str = "one") -> Browser:
    """Switch notifications on for who is logged in, in a new browser."""
    browser = Browser(f"{vendor.url}/{name}")
    answer = await api.post("/push/subscriptions", json=browser.subscription)
    assert answer.status_code == 204, answer.text
    return browser


async def subscriptions(database: Database) -> list[str]:
    async with database.sessions() as session:
        return [urlsplit(endpoint).path for endpoint in await session.scalars(select(PushSubscription.endpoint))]


async def test_who_gets_a_task_is_notified_in_each_of_their_browsers(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, run_workers: RunWorkers, settings: Settings
) -> None:
    ada = await register()
    browsers = [await switch_on(api, vendor, name) for name in ("one", "two")]
    task = await Visitor(api).new_task("Write it down", assigneeId=ada["id"])
    await run_workers(notification_worker)

    await wait_until(lambda: len(vendor.requests) == 2)
    for browser in browsers:
        [request] = [one for one in vendor.requests if browser.endpoint.endswith(one.path)]
        said = browser.read(request)
        assert (said["title"], said["body"]) == ("A task for you", "Write it down")
        assert said["url"] == f"https://tasks.example.com{task}"
        assert request.headers["content-encoding"] == "aes128gcm" and int(request.headers["ttl"]) > 0
        assert is_signed_for(request, vendor, Push(settings).public_key)
        assert b"Write it down" not in request.body


def is_signed_for(request: Request, vendor: Endpoint, public_key: str) -> bool:
    """Whether the vendor can tell that we have sent it (RFC 8292)."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    head, claims, signature = parts["t"].split(".")
    assert scheme == "vapid" and parts["k"] == public_key
    assert json.loads(raw(claims))["aud"] == vendor.url and json.loads(raw(claims))["sub"].startswith("mailto:")
    r_s = raw(signature)
    der = utils.encode_dss_signature(int.from_bytes(r_s[:32], "big"), int.from_bytes(r_s[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw(public_key))
    key.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))  # raises if it isn't
    return True


async def test_of_the_same_task_one_is_notified_once_in_a_minute(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    visitor = Visitor(api)
    task = await visitor.new_task(assigneeId=ada["id"])
    for _ in range(3):
        await visitor.send(f"{task}/assignee", assignee="")
        await visitor.send(f"{task}/assignee", assignee=ada["id"])
    await visitor.new_task("Another one", assigneeId=ada["id"])
    assert len(await notifications.jobs("waiting")) == 2
    await run_workers(notification_worker)

    await wait_until(lambda: len(vendor.requests) == 2)
    held = await notifications.deduplication_job_id(f"{task.rpartition('/')[2]}-{ada['id']}")
    assert held is not None


async def test_who_has_lost_the_task_meanwhile_is_not_told_of_it(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    task = await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await Visitor(api).send(f"{task}/assignee", assignee="")
    await run_workers(notification_worker)

    told = await job.result(timeout=10)
    assert (told["sent"], "somebody else" in told["skipped"]) == (0, True)
    assert vendor.requests == []


async def test_vendors_get_no_more_than_ten_in_a_second(
    api: httpx.AsyncClient,
    register: Register,
    vendor: Endpoint,
    queues: Queues,
    notifications: Queue,
    run_workers: RunWorkers,
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    visitor = Visitor(api)
    tasks = [(await visitor.new_task(f"Task {number}")).rpartition("/")[2] for number in range(21)]
    for task in tasks:
        await queues.add_notification("task-commented", ada["id"], task)
    await run_workers(notification_worker, notification_worker)

    async def all_told() -> bool:
        return (await notifications.counts("completed"))["completed"] == 21

    await wait_until(all_told, timeout=60)
    assert len(vendor.requests) == 21
    # When they were taken: how long each of them takes is another matter.
    at = sorted(job.processed_at.timestamp() for job in await notifications.jobs("completed") if job.processed_at)
    # The first ten are of one second, the eleventh is of the next one. They may be late, and never early.
    assert at[20] - at[0] > 1.5
    assert at[10] - at[0] > 0.5


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
async def test_a_browser_that_is_no_more_is_forgotten(
    api: httpx.AsyncClient,
    register: Register,
    vendor: Endpoint,
    database: Database,
    notifications: Queue,
    run_workers: RunWorkers,
    status: str,
) -> None:
    ada = await register()
    await switch_on(api, vendor, "gone")
    await switch_on(api, vendor, "here")

    def answer(request: Request) -> str:
        return status if request.path == "/gone" else "201 Created"

    vendor.answer = answer
    await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await run_workers(notification_worker)

    assert await job.result(30) == {"sent": 1, "gone": 1}
    assert await subscriptions(database) == ["/here"]


async def test_a_vendor_that_is_down_is_tried_again_and_the_others_are_not_told_twice(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor, "down")
    await switch_on(api, vendor, "up")
    calls: list[str] = []

    def down_at_first(request: Request) -> str:
        calls.append(request.path)
        return "503 Busy" if calls.count("/down") == 1 and request.path == "/down" else "201 Created"

    vendor.answer = down_at_first
    task = (await Visitor(api).new_task()).rpartition("/")[2]
    data = {"userId": ada["id"], "taskId": task}
    job = await notifications.add("task-commented", data, backoff=Backoff.fixed(0.01))
    await run_workers(notification_worker)

    assert await job.result(30) == {"sent": 2, "gone": 0}
    assert sorted(calls) == ["/down", "/down", "/up"]


async def test_a_vendor_that_has_had_too_many_gets_its_rest(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor)

    def too_many_at_first(request: Request) -> str:
        return "429 Too Many\r\nRetry-After: 2" if len(vendor.requests) == 1 else "201 Created"

    vendor.answer = too_many_at_first
    await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await run_workers(notification_worker)

    assert await job.result(30) == {"sent": 1, "gone": 0}
    first, second = vendor.requests
    assert second.at - first.at > 1.9
    await job.refresh()
    assert job.attempts_made == 1  # to be asked to wait is no failure


async def test_who_gets_too_many_does_not_hold_up_the_others(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, run_workers: RunWorkers
) -> None:
    def too_many_for_ada(request: Request) -> str:
        return "429 Too Many\r\nRetry-After: 600" if request.path == "/ada" else "201 Created"

    vendor.answer = too_many_for_ada
    for name in ("ada", "grace"):
        user = await register(email=f"{name}@example.com")
        await switch_on(api, vendor, name)
        await Visitor(api).new_task(assigneeId=user["id"])
        await run_workers(notification_worker)
        await wait_until(lambda name=name: [request for request in vendor.requests if request.path == f"/{name}"])


async def test_why_a_vendor_can_not_be_reached_does_not_say_where_the_browser_is(
    api: httpx.AsyncClient, register: Register, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    browser = Browser("http://127.0.0.1:1/known-to-nobody-else")
    assert (await api.post("/push/subscriptions", json=browser.subscription)).status_code == 204
    task = (await Visitor(api).new_task()).rpartition("/")[2]
    job = await notifications.add("task-commented", {"userId": ada["id"], "taskId": task}, attempts=1)
    await run_workers(notification_worker)

    await wait_until(lambda: is_failed(notifications, job.id))
    await job.refresh()
    assert "can't be reached" in (job.failed_reason or "")
    assert "known-to-nobody-else" not in f"{job.failed_reason} {job.stacktrace}"


async def test_a_browser_that_may_not_be_called_any_more_is_forgotten(
    api: httpx.AsyncClient,
    register: Register,
    vendor: Endpoint,
    database: Database,
    notifications: Queue,
    run_workers: RunWorkers,
    settings: Settings,
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    settings.push_hosts = "fcm.googleapis.com"
    await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await run_workers(notification_worker)

    assert await job.result(30) == {"sent": 0, "gone": 1}
    assert (await subscriptions(database), vendor.requests) == ([], [])


async def test_a_vendor_that_refuses_us_is_not_asked_again(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    vendor.answer = always("403 Forbidden")
    await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await run_workers(notification_worker)

    await wait_until(lambda: is_failed(notifications, job.id))
    assert len(vendor.requests) == 1


async def test_nobody_can_send_us_on_to_somewhere_else(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, notifications: Queue, run_workers: RunWorkers
) -> None:
    ada = await register()
    await switch_on(api, vendor)
    vendor.answer = always(f"307 Elsewhere\r\nLocation: {vendor.url}/inside")
    await Visitor(api).new_task(assigneeId=ada["id"])
    [job] = await notifications.jobs("waiting")
    await run_workers(notification_worker)

    await wait_until(lambda: is_failed(notifications, job.id))
    assert [request.path for request in vendor.requests] == ["/one"]


async def is_failed(queue: Queue, job_id: str) -> bool:
    return await queue.state(job_id) == "failed"


# -------------------------------------------------------------------------------------------- switching on


async def test_a_browser_is_the_one_of_who_switched_it_on_last(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, database: Database
) -> None:
    await register()
    await switch_on(api, vendor)
    grace = await register(email="grace@example.com")
    await switch_on(api, vendor)

    async with database.sessions() as session:
        assert list(await session.scalars(select(PushSubscription.user_id))) == [grace["id"]]


async def test_one_switches_off_ones_own_browsers_only(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, database: Database
) -> None:
    await register()
    browser = await switch_on(api, vendor)
    await register(email="grace@example.com")
    body = {"endpoint": browser.endpoint}
    assert (await api.request("DELETE", "/push/subscriptions", json=body)).status_code == 204
    assert await subscriptions(database) == ["/one"]

    await api.post("/auth/session", json={"email": "ada@example.com", "password": "engine-1843"})
    assert (await api.request("DELETE", "/push/subscriptions", json=body)).status_code == 204
    assert await subscriptions(database) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.2/push",
        "http://localhost/push",
        "https://127.0.0.1.evil.example/push",
        "https://evil.example/127.0.0.1",
        "file:///etc/passwd",
        "https://[broken",
        "https://evil.example\\@127.0.0.1/push",  # one parser finds this host in it, another one that
        "https://evil.example@127.0.0.1/push",
        "http://127.0.0.1\\@evil.example/push",
        "https://127.0.0.1/\npush",
        "",
    ],
)
async def test_nobody_can_have_us_call_whatever_they_like(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, endpoint: str
) -> None:
    await register()
    body = Browser(vendor.url).subscription | {"endpoint": endpoint}
    assert (await api.post("/push/subscriptions", json=body)).status_code == 422


@pytest.mark.parametrize("keys", [{"p256dh": "BAAA"}, {"p256dh": "!"}, {"auth": "A"}, {"auth": "AAAA"}, {"auth": ""}])
async def test_keys_that_can_not_be_right_are_refused(
    api: httpx.AsyncClient, register: Register, vendor: Endpoint, keys: dict[str, str]
) -> None:
    await register()
    good = Browser(f"{vendor.url}/one").subscription
    body = good | {"keys": good["keys"] | keys}
    assert (await api.post("/push/subscriptions", json=body)).status_code == 422


@pytest.mark.parametrize(
    ("endpoint", "known"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/abc", True),
        ("https://web.push.apple.com/abc", True),
        ("https://wns2-par02p.notify.windows.com/w/?token=abc", True),
        ("http://fcm.googleapis.com/fcm/send/abc", False),
        ("https://tasks.example.com/push", False),
    ],
)
def test_the_vendors_are_known(endpoint: str, known: bool) -> None:
    assert Push(Settings()).may_send_to(endpoint) is known


def test_in_development_all_processes_find_the_same_key_and_in_production_none() -> None:
    assert Push(Settings()).public_key == Push(Settings()).public_key != ""
    assert Push(Settings(environment="production")).public_key == ""


def test_a_key_that_is_set_is_the_one_that_is_used() -> None:
    key = vapid.new_private_key()
    assert Push(Settings.model_validate({"vapid_private_key": key})).public_key == vapid.public_key(key)
    assert vapid.is_public_key(vapid.public_key(key))
