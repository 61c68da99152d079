"""Rules of registering: the answer comes before the work is done, and the password is kept as a hash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from ...app import create_app
from ...models import User
from ..stage import Stage
from ..watch import until
from .look import all_jobs, ensure, median_ms

USERS = 5

HELD_S = 2.0
"""How long the mail server takes for each mail."""

PAIRS = 12
MORE_MS = 5.0
"""How much longer an answer may take than one without any mail."""

ROUNDS = 8
"""So often it is measured at most, if other programs of this machine get between: then it takes longer to settle."""

PASSWORD = "the-engine-of-1843"


async def answer_comes_first(stage: Stage) -> str:
    """The mail server holds each mail for 2 s. Who registers must not notice."""
    async with stage.mail.slow(HELD_S):
        answered = [await registered(stage, f"first{number}@example.com") for number in range(USERS)]
        alone_ms, with_mail_ms, more_ms = await beside_one_without_mail(stage)
        arrived = await until(lambda: arrivals(stage), "the welcome mails arrive", 40)
    ensure(more_ms <= MORE_MS, f"p50 {with_mail_ms:.1f} ms with the mail, {alone_ms:.1f} ms without it")
    later = min(came - at for came, (at, _) in zip(arrived, answered, strict=True))
    ensure(later > 0, "a mail was there before the answer")
    p50_ms = median_ms([took for _, took in answered])
    return (
        f"the mail server takes {HELD_S:g} s; POST /auth/register takes {p50_ms:.0f} ms, the mail comes {later:.1f} s "
        f"later. In one process, p50: {with_mail_ms:.1f} ms with the mail, {alone_ms:.1f} ms without "
        f"({more_ms:+.1f} ms from one to the next, at most +{MORE_MS:g})"
    )


async def registered(stage: Stage, email: str) -> tuple[float, float]:
    """Register somebody; when the answer came, and how many seconds it took."""
    async with stage.visitor() as user:
        user.password = PASSWORD
        await user.register("Ada Lovelace", email)
        return time.monotonic(), user.last_s


def arrivals(stage: Stage) -> list[float] | None:
    """When the mails of these came, once all are there."""
    inbox = stage.mail.inbox
    came = {str(mail["To"]): at for mail, at in zip(inbox.mails, inbox.arrived_at, strict=True)}
    found = [at for number in range(USERS) for to, at in came.items() if f"first{number}@" in to]
    return found if len(found) == USERS else None


async def beside_one_without_mail(stage: Stage) -> tuple[float, float, float]:
    """The p50 of registering without and with the mail, and of the difference, in ms.

    It is the same application twice; they are taken in turn, and begin in turn.
    """
    times: tuple[list[float], list[float]] = ([], [])
    more_ms = 0.0
    async with application(stage) as plain, application(stage) as usual:
        plain[0].state.queues.add_welcome = nothing
        for attempt in range(ROUNDS):
            for number in range(PAIRS):
                pair = list(enumerate((plain, usual)))
                for kind, (_, api) in pair[:: -1 if number % 2 else 1]:
                    times[kind].append(await timed(api, f"user{attempt}-{number}-{kind}@example.com"))
            more_ms = median_ms([usually - alone for alone, usually in zip(*times, strict=True)])
            if more_ms <= MORE_MS or more_ms > HELD_S * 500:  # it is so, or it does wait for the mail
                break
    return median_ms(times[0]), median_ms(times[1]), more_ms


@asynccontextmanager
async def application(stage: Stage) -> AsyncGenerator[tuple[Any, httpx.AsyncClient], None]:
    """The web application, in this process: nothing else is measured then."""
    app = create_app(stage.settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tour") as api,
    ):
        yield app, api


async def nothing(user_id: str) -> None:
    """Add no job."""


async def timed(api: httpx.AsyncClient, email: str) -> float:
    started = time.perf_counter()
    answer = await api.post("/auth/register", json={"name": "Somebody", "email": email, "password": PASSWORD})
    took = time.perf_counter() - started
    ensure(answer.status_code == 201, f"registering was answered with {answer.status_code}")
    return took


# ---------------------------------------------------------------------------------------------------- passwords


async def passwords_are_hashed(stage: Stage) -> str:
    """A password is in no file and in no job; its hash is one that is slow to guess."""
    async with stage.database.sessions() as session:
        hashes = list(await session.scalars(select(User.password_hash)))
    ensure(len(hashes) > 0, "nobody has registered")
    bad = [one for one in hashes if not one.startswith(("$argon2id$", "$scrypt$", "scrypt$"))]
    ensure(not bad, f"{len(bad)} of {len(hashes)} are no hashes of argon2id or scrypt")
    ensure(len(set(hashes)) == len(hashes), "two users with the same password have the same hash: there is no salt")
    files = [path for path in stage.folder.rglob("*") if path.is_file()]
    holding = [path.name for path in files if await asyncio.to_thread(holds, path, PASSWORD.encode())]
    ensure(not holding, f"the password is in {', '.join(holding)}")
    jobs = await all_jobs(stage)
    ensure(not any(PASSWORD in str(job.data) for job in jobs), "the password is in a job")
    kind = " ".join(hashes[0].split("$")[1:4])
    return (
        f"{len(hashes)} hashes ({kind}), each with its own salt; the text is in none of {len(files)} files and "
        f"{len(jobs)} jobs"
    )


def holds(path: Path, text: bytes) -> bool:
    """Whether a file has these bytes in it."""
    try:
        return text in path.read_bytes()
    except FileNotFoundError:
        return False
