"""The ready-made log-ins."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from oxcart import OptionsError
from oxcart.dashboard import Access, any_of, basic, hash_password, hash_token, tokens
from oxcart.dashboard.ask import Refusal
from oxcart.dashboard.web.auth import ask, challenge_of


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


async def test_after_many_wrong_passwords_an_address_has_to_wait_but_not_who_is_in_already() -> None:
    auth = basic({"ada": "right"})
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: basic({}),
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
    auth = basic({"ada": hash_password("right")})
    tries = [auth(login("ada", f"wrong {number}")) for number in range(30)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Refusal) for one in told) == 10
    elsewhere = [auth(login("ada", "right", client="10.0.0.8")) for _ in range(50)]
    assert all(isinstance(one, Access) for one in await asyncio.gather(*elsewhere))
    assert auth._wrong.wait("10.0.0.8") == 0 and not auth._checked


async def test_right_passwords_take_nothing_away() -> None:
    auth = basic({f"user{number}": "right" for number in range(40)})
    for number in range(40):
        assert await auth(login(f"user{number}", "right")) is not None
