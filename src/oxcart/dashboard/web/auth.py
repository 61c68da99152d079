"""Ready-made log-ins: names with passwords, and tokens for programs. Passwords are compared in constant time."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast, get_args

from starlette.requests import HTTPConnection

from ...errors import OptionsError
from ..access import Access, Role
from ..ask import Refusal, too_many
from .guard import Buckets
from .wsgi import ENVIRON

Auth = Callable[[HTTPConnection], "Access | Awaitable[Access | None] | None"]
"""(request) → what that user may do, or None for "not known"; plain or async. The request is Starlette's."""

_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_REMEMBERED = 1000
"""How many log-ins that were right are remembered, so that each request does not pay for a slow hash."""
_SLOW_AT_ONCE, _MOST_AT_ONCE = 2, 100
"""How many slow hashes are made at once, each of which takes 16 MB and a core; and how many log-ins wait for theirs."""
_TRIES, _TRIES_S = 20, 60
"""How many wrong passwords for one name one address may send in how many seconds."""
_TRIES_IN_ALL = 200
"""How many for all names: more, since behind a proxy all users may have one address, and one must not keep all out."""


def hash_password(password: str) -> str:
    """A password as `basic` also takes it, for a settings file: slow to guess from.

    Example: `python -c "from oxcart.dashboard import hash_password; print(hash_password('…'))"`
    """
    salt = secrets.token_bytes(16)
    found = _scrypt(password, salt, _SCRYPT_N, _SCRYPT_R, _SCRYPT_P)
    return f"scrypt${_SCRYPT_N}${_SCRYPT_R}${_SCRYPT_P}${salt.hex()}${found.hex()}"


def hash_token(token: str) -> str:
    """A token as `tokens` takes it. Make tokens with `secrets.token_urlsafe()`: a short one can be guessed."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


class Basic:
    """Names and passwords, which the browser asks for. Made by `basic`."""

    challenge = 'Basic realm="Oxcart", charset="UTF-8"'

    def __init__(self, users: Mapping[str, str], access: Access | Role | Mapping[str, Access | Role] = "admin") -> None:
        if not isinstance(cast(object, users), Mapping) or not users:
            raise OptionsError('basic(…): a dict of names and passwords, such as {"ada": os.environ["ADA"]}')
        # A key of this process: what is remembered of passwords is of no use elsewhere.
        self._key = secrets.token_bytes(32)
        self._users: dict[str, tuple[Callable[[str], bool], Access, bool]] = {}
        for name, password in users.items():
            if not all(isinstance(cast(object, one), str) and one for one in (name, password)) or ":" in name:
                raise OptionsError(f"user {name!r}: a name without ':' and a password that is not empty")
            slow = password.startswith("scrypt$")
            check = _hash_checker(password) if slow else self._plain_checker(password)
            self._users[name] = check, _access_of(name, access), slow
        # Who is not known costs as much as who is: the time must not say which names there are.
        hashed = next((password for password in users.values() if password.startswith("scrypt$")), None)
        self._nobody = None if hashed is None else _hash_checker(f"{hashed.rpartition('$')[0]}${secrets.token_hex(32)}")
        self._threads = ThreadPoolExecutor(_SLOW_AT_ONCE, "oxcart-passwords")
        self._right: dict[bytes, Access] = {}
        self._checked: dict[bytes, asyncio.Task[Access | None]] = {}
        """Log-ins that are being looked at: the first requests of a page come all at once."""
        self._wrong = Buckets(_TRIES_IN_ALL, _TRIES_S)
        self._wrong_by_name = Buckets(_TRIES, _TRIES_S)

    async def __call__(self, request: HTTPConnection) -> Access | None:
        header = request.headers.get("authorization", "")
        if header[:6].lower() != "basic ":
            return None  # nobody's password, but maybe a token that somebody else knows
        seen = self._digest(header)
        if (known := self._right.get(seen)) is not None:
            return known
        task = self._checked.get(seen)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            if len(self._checked) >= _MOST_AT_ONCE:
                raise Refusal(429, "too_many", "Too many log in at once. Try again in a moment.")
            # Counted as wrong before it is looked at, which takes a while: else many could be tried meanwhile.
            name, address = self._take_try(request, header)
            task = self._checked[seen] = asyncio.ensure_future(self._look(seen, header, name, address))
        return await asyncio.shield(task)

    def _take_try(self, request: HTTPConnection, header: str) -> tuple[str, str]:
        """Count a try; by what it was counted. Raises a `Refusal` if there were too many."""
        address = request.client.host if request.client else ""
        name = self._digest(f"{address} {_credentials(header)[0]}").hex()
        if not self._wrong_by_name.take(name):
            raise too_many("Too many wrong passwords.", self._wrong_by_name.wait(name))
        if not self._wrong.take(address):
            self._wrong_by_name.give_back(name)
            raise too_many("Too many wrong passwords.", self._wrong.wait(address))
        return name, address

    async def _look(self, seen: bytes, header: str, name: str, address: str) -> Access | None:
        try:
            access = await self._check(header)
        finally:
            self._checked.pop(seen, None)
        if access is not None:
            self._wrong_by_name.give_back(name)
            self._wrong.give_back(address)
            if len(self._right) >= _REMEMBERED:
                self._right.clear()
            self._right[seen] = access
        return access

    async def _check(self, header: str) -> Access | None:
        name, password = _credentials(header)
        check, access, slow = self._users.get(name, (_never, None, False))
        right = await self._slowly(check, password) if slow else check(password)
        if not right and not slow and self._nobody is not None:
            await self._slowly(self._nobody, password)
        return access if right else None

    async def _slowly(self, check: Callable[[str], bool], password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, check, password)

    def _plain_checker(self, password: str) -> Callable[[str], bool]:
        wanted = self._digest(password)
        return lambda given: hmac.compare_digest(self._digest(given), wanted)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")


class Tokens:
    """Tokens of programs, sent as `Authorization: Bearer …`. Made by `tokens`."""

    def __init__(self, known: Mapping[str, Access | Role]) -> None:
        is_dict = isinstance(cast(object, known), Mapping)
        if not is_dict or not all(key.startswith("sha256:") and len(key) == 71 for key in known):
            raise OptionsError("tokens({…}): its keys are hashes of tokens, as hash_token makes them")
        # One without a name has the start of its hash as one: for the audit, and to have limits of its own.
        self._known = {key: _access_of(f"token {key[7:15]}", access) for key, access in known.items()}

    def __call__(self, request: HTTPConnection) -> Access | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        # Looked up by its hash: how long that takes says nothing of the token.
        return self._known.get(hash_token(token.strip()))


def basic(users: Mapping[str, str], access: Access | Role | Mapping[str, Access | Role] = "admin") -> Basic:
    """Let in who knows a name and its password: as it is, or as `hash_password` made it.

    `access` is what all of them may do, or says it for each name. Use it with TLS only, as passwords travel with each
    request. Example: `Dashboard(auth=basic({"ada": os.environ["ADA"]}, access={"ada": "operate"}))`
    """
    return Basic(users, access)


def tokens(known: Mapping[str, Access | Role]) -> Tokens:
    """Let in programs that send one of these tokens, which are given as `hash_token` made them.

    Example: `tokens({"sha256:9f86d0…": Access("ci", role="view")})`
    """
    return Tokens(known)


def any_of(*auths: Auth) -> Auth:
    """Ask one after the other; the first that knows the user decides. Example: `any_of(basic(…), tokens(…))`"""

    async def ask_all(request: HTTPConnection) -> Access | None:
        for auth in auths:
            if (access := await ask(auth, request)) is not None:
                return access
        return None

    ask_all.challenge = next((found for one in auths if (found := challenge_of(one))), None)  # pyright: ignore[reportFunctionMemberAccess]
    return ask_all


async def ask(auth: Auth, request: HTTPConnection) -> Access | None:
    """What an auth function says, whether it is async or not. Anything but an `Access` or None is its bug.

    Under WSGI a plain one has a thread to itself: it may ask a database, and the event loop is everybody's.
    """
    in_thread = ENVIRON in request.scope and not _is_async(auth)
    answer = await asyncio.to_thread(auth, request) if in_thread else auth(request)
    found = cast(object, await answer if inspect.isawaitable(answer) else answer)
    if found is not None and not isinstance(found, Access):
        raise TypeError(f"auth answered {type(found).__name__}: it has to be an Access, or None for a user not known")
    return found


def _is_async(auth: Auth) -> bool:
    return inspect.iscoroutinefunction(auth) or inspect.iscoroutinefunction(getattr(auth, "__call__", None))  # noqa: B004


def challenge_of(auth: Auth) -> str | None:
    """What a browser has to be told so that it asks for a password; None if the log-in is elsewhere."""
    return getattr(auth, "challenge", None)


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    name, _, password = text.partition(":")
    return name, password


def _never(given: str) -> bool:
    return False


def _hash_checker(text: str) -> Callable[[str], bool]:
    try:
        _, n, r, p, salt, wanted = text.split("$")
        parts = int(n), int(r), int(p), bytes.fromhex(salt), bytes.fromhex(wanted)
    except ValueError:
        raise OptionsError("a password that starts with 'scrypt$' has to be one that hash_password made") from None

    def check(given: str) -> bool:
        n, r, p, salt, wanted = parts
        return hmac.compare_digest(_scrypt(given, salt, n, r, p), wanted)

    return check


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt, n=n, r=r, p=p, maxmem=2**26, dklen=32)


def _access_of(name: str, access: Access | Role | Mapping[str, Access | Role]) -> Access:
    if isinstance(access, Mapping):
        if name not in access:
            raise OptionsError(f"access: says nothing of the user {name!r}")
        access = access[name]
    if isinstance(access, Access):
        return access if access.user is not None else _named(access, name)
    if access not in get_args(Role):
        raise OptionsError(f"access={access!r}: an Access, or one of {', '.join(get_args(Role))}")
    return Access(name or None, role=access)


def _named(access: Access, name: str) -> Access:
    return Access(name or None, access.role, access.actions, access.queues)


__all__ = ["Auth", "Basic", "Tokens", "any_of", "ask", "basic", "challenge_of", "hash_password", "hash_token", "tokens"]
