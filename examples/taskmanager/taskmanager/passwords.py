"""Passwords: kept as argon2id hashes, never as they are."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The least cost that OWASP asks for: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$YJUeBbGJVTNgPl0XRGHYKdVbPKmSe6VbTnYVAlJDEUs"
"""A hash that no password has, for names that nobody has."""


async def hashed(password: str) -> str:
    """The hash of a password, with its own salt and cost. Takes some 30 ms, in a thread."""
    return await asyncio.to_thread(_hasher.hash, password)


async def fits(password: str, stored: str | None) -> bool:
    """Whether it is the password of this hash. With None it is not, and that takes as long to be found out."""
    return await asyncio.to_thread(_fits, password, stored or _NOBODYS)


def _fits(password: str, stored: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
