"""The ready-made log-ins."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from oxcart import OptionsError
from oxcart.dashboard import Access, any_of, basic, hash_password, hash_token, tokens
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.web import auth as auth_module
from oxcart.dashboard.web.auth import Basic, ask, challenge_of


def request(authorization: str = "", client: str = "10.0.0.7") -> HTTPConnection:
    headers = [(b"authorization", authorization.encode("latin-1"))] if authorization else []
    return HTTPConnection({"type": "http", "headers": headers, "client": (client, 1)})


def login(user: str, password: str, client: str = "10.0.0.7") -> HTTPConnection:
    return request("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), client)


@pytest.mark.parametrize("stored", ["päss:word", hash_password("päss:word")])
async def test_a_password_is_right_or_not(stored: str) -> None:
    auth = basic({"ada": stored})
    assert await auth(login("ada", "päss:word")) == Access("ada", role="admin")
    for wrong in (
        login("ada", "pass:word"),
        login("ada", ""),
        login("bob", "päss:word"),
        login("ada", stored + "x"),
        request(),
        request("Basic"),
        request("Basic !!!"),
        request("Basic " + base64.b64encode(b"ada").decode()),
        request("Basic " + base64.b64encode(b"ada:\xff").decode()),
        request("Bearer x"),
    ):
        assert await auth(wrong) is None


async def test_a_stored_hash_is_no_password() -> None:
    stored = hash_password("engine-1843")
    assert stored != hash_password("engine-1843") and "engine" not in stored
    assert await basic({"ada": stored})(login("ada", stored)) is None


async def test_users_may_have_rights_of_their_own() -> None:
    auth = basic({"ada": "a", "bob": "b"}, access={"ada": "operate", "bob": Access(role="view", queues=("shop-*",))})
    assert await auth(login("ada", "a")) == Access("ada", role="operate")
    assert await auth(login("bob", "b")) == Access("bob", role="view", queues=("shop-*",))
    assert await basic({"ada": "a"}, "view")(login("ada", "a")) == Access("ada", role="view")


def at_one_moment(auth: Basic) -> Basic:
    """The same log-in, for which no time passes: else wrong passwords are forgotten on a slow machine."""
    for buckets in (auth._wrong, auth._wrong_by_name):
        buckets._now = lambda: 0.0
    return auth


async def test_after_many_wrong_passwords_an_address_has_to_wait_but_not_who_is_in_already() -> None:
    auth = at_one_moment(basic({"ada": "right"}))
    assert await auth(login("ada", "right")) is not None
    for _ in range(20):
        assert await auth(login("ada", "wrong")) is None
    with pytest.raises(Refusal) as refused:
        await auth(login("ada", "wrong again"))
    assert refused.value.status == 429
    with pytest.raises(Refusal):
        await auth(login("ada", "right ", "10.0.0.7"))
    assert await auth(login("ada", "right")) is not None
    assert await auth(login("ada", "wrong", client="10.0.0.8")) is None


def test_tokens_are_known_by_their_hashes() -> None:
    auth = tokens({hash_token("t-1234567890"): Access("ci", role="view")})
    assert auth(request("Bearer t-1234567890")) == Access("ci", role="view")
    assert auth(request("bearer  t-1234567890")) is not None
    for wrong in (request(), request("Bearer"), request("Bearer x"), request("Basic t-1234567890")):
        assert auth(wrong) is None
    assert auth(request("Bearer " + hash_token("t-1234567890"))) is None


async def test_several_ways_in_are_asked_one_after_the_other() -> None:
    auth = any_of(tokens({hash_token("t"): "view"}), basic({"ada": "a"}))
    assert (await ask(auth, request("Bearer t")) or Access()).role == "view"
    assert (await ask(auth, login("ada", "a")) or Access()).user == "ada"
    assert await ask(auth, request()) is None
    assert (challenge_of(auth) or "").startswith("Basic ")
    assert challenge_of(tokens({})) is None


async def test_a_token_is_no_wrong_password() -> None:
    programs, people = tokens({hash_token("t"): "view"}), basic({"bob": "right"})
    for auth in (any_of(people, programs), any_of(programs, people)):
        for _ in range(30):
            assert await ask(auth, request("Bearer t")) is not None
            assert await ask(auth, request("Bearer wrong")) is None
        assert await ask(auth, login("bob", "right")) is not None


async def test_it_takes_as_long_whether_a_name_is_known_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = basic({"ada": hash_password("right"), "bob": "right"})
    slow: list[str] = []
    scrypt = auth_module._scrypt  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(auth_module, "_scrypt", lambda given, *rest: slow.append(given) or scrypt(given, *rest))  # pyright: ignore
    for name in ("ada", "bob", "nobody"):
        assert await auth(login(name, f"wrong {name}")) is None
    assert slow == ["wrong ada", "wrong bob", "wrong nobody"]


async def test_few_slow_hashes_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    auth = basic({"ada": hash_password("right")})
    at_once, most, lock = 0, 0, threading.Lock()
    scrypt = auth_module._scrypt  # pyright: ignore[reportPrivateUsage]

    def slowly(given: str, salt: bytes, n: int, r: int, p: int) -> bytes:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        found = scrypt(given, salt, n, r, p)
        with lock:
            at_once -= 1
        return found

    monkeypatch.setattr(auth_module, "_scrypt", slowly)
    await asyncio.gather(*(auth(login("ada", f"wrong {n}", client=f"10.0.0.{n}")) for n in range(20)))
    assert 1 <= most <= 2
    monkeypatch.setattr(auth_module, "_MOST_AT_ONCE", 5)
    many = [auth(login("ada", f"again {n}", client=f"10.0.1.{n}")) for n in range(20)]
    told = await asyncio.gather(*many, return_exceptions=True)
    assert sum(isinstance(one, Refusal) for one in told) == 15


async def test_who_tries_one_name_keeps_nobody_else_of_the_address_out() -> None:
    auth = at_one_moment(basic({"ada": "a", "bob": "b"}))
    for number in range(300):
        try:
            await auth(login("ada", f"wrong {number}"))
        except Refusal as refused:
            assert refused.after_s is not None and 0 < refused.after_s <= 60
    with pytest.raises(Refusal):
        await auth(login("ada", "a"))
    assert await auth(login("bob", "b")) == Access("bob", role="admin")


async def test_an_address_may_not_try_all_names_there_are() -> None:
    auth = at_one_moment(basic({"ada": "a"}))
    told = [auth(login(f"user{number}", "wrong")) for number in range(230)]
    refused = [isinstance(one, Refusal) for one in [await _outcome(one) for one in told]]
    assert refused == [False] * 200 + [True] * 30
    assert await auth(login("ada", "a", client="10.0.0.8")) is not None


async def _outcome(asked: Awaitable[Access | None]) -> Access | Refusal | None:
    try:
        return await asked
    except Refusal as refused:
        return refused


def test_a_token_without_a_name_is_known_by_the_start_of_its_hash() -> None:
    auth = tokens({hash_token("a"): "view", hash_token("b"): Access(role="operate"), hash_token("c"): Access("ci")})
    found = [auth(request(f"Bearer {token}")) for token in "abc"]
    names = [None if access is None else access.user for access in found]
    assert names == [f"token {hash_token('a')[7:15]}", f"token {hash_token('b')[7:15]}", "ci"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: basic({}),
        lambda: basic("ada:x"),  # pyright: ignore[reportArgumentType]
        lambda: basic([("ada", "x")]),  # pyright: ignore[reportArgumentType]
        lambda: basic({"ada": 1}),  # pyright: ignore[reportArgumentType]
        lambda: basic({"ada": None}),  # pyright: ignore[reportArgumentType]
        lambda: tokens(hash_token("x")),  # pyright: ignore[reportArgumentType]
        lambda: tokens([hash_token("x")]),  # pyright: ignore[reportArgumentType]
        lambda: basic({"": "x"}),
        lambda: basic({"ada": ""}),
        lambda: basic({"a:b": "x"}),
        lambda: basic({"ada": "scrypt$nonsense"}),
        lambda: basic({"ada": "x"}, {"bob": "view"}),
        lambda: basic({"ada": "x"}, "root"),  # pyright: ignore[reportArgumentType]
        lambda: tokens({"plain": "view"}),
    ],
)
def test_log_ins_that_can_not_be_right_are_told_when_they_are_made(make: Any) -> None:
    with pytest.raises(OptionsError):
        make()


async def test_wrong_passwords_are_counted_though_they_come_all_at_once() -> None:
    auth = at_one_moment(basic({"ada": hash_password("right")}))
    tries = [auth(login("ada", f"wrong {number}")) for number in range(30)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Refusal) for one in told) == 10
    elsewhere = [auth(login("ada", "right", client="10.0.0.8")) for _ in range(50)]
    assert all(isinstance(one, Access) for one in await asyncio.gather(*elsewhere))
    assert auth._wrong.wait("10.0.0.8") == 0 and not auth._checked


async def test_right_passwords_take_nothing_away() -> None:
    auth = basic({f"user{number}": "right" for number in range(250)})
    for number in range(250):
        assert await auth(login(f"user{number}", "right")) is not None
    credentials = login("user1", "right").headers["authorization"].partition(" ")[2]
    for blanks in range(1, 30):  # not the same header again, which is remembered
        assert await auth(request(f"Basic {' ' * blanks}{credentials}")) is not None
