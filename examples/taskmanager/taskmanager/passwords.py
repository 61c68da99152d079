"""Passwords: kept as argon2id hashes, never as they are."""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher

# The least cost that OWASP asks for: 19 MiB, two passes, one lane.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


async def hashed(password: str) -> str:
    """The hash of a password, with its own salt and cost. Takes some 30 ms, in a thread."""
    return await asyncio.to_thread(_hasher.hash, password)
