"""Inbox: a mail server for trying things out. It keeps what it gets, and refuses what it is told to refuse."""

from __future__ import annotations

import asyncio
import email
import email.policy
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"

Refuse = Callable[[EmailMessage], str | None]
"""The answer that refuses a mail, such as `451 try again later`; None takes it."""


def refuse_none(mail: EmailMessage) -> None:
    """Take every mail."""


def ignore(mail: EmailMessage) -> None:
    """Do nothing with it."""


async def at_once() -> None:
    """Don't let anybody wait."""


class Inbox:
    """A mail server on a free port of this machine.

    Example: `async with Inbox().open() as inbox: print(inbox.port, inbox.mails)`
    """

    def __init__(self, refuse: Refuse = refuse_none, on_arrival: Callable[[EmailMessage], None] = ignore) -> None:
        self.mails: list[EmailMessage] = []
        """What was taken, oldest first."""
        self.arrived_at: list[float] = []
        """When each of them came, by the monotonic clock."""
        self.refused = 0
        """How many mails were refused."""
        self.refuse = refuse
        self.before_answer: Callable[[], Awaitable[object]] = at_once
        """Awaited before each mail is answered, for a slow mail server."""
        self.port = 0
        self._on_arrival = on_arrival

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncGenerator[Inbox, None]:
        """Take mails while the block runs; on a free port unless one is named."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, hostname="localhost", loop=loop), HOST, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """What aiosmtpd calls for a mail; the answer to its sender."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        await self.before_answer()
        refusal = self.refuse(mail)
        if refusal is not None:
            self.refused += 1
            return refusal
        self.mails.append(mail)
        self.arrived_at.append(time.monotonic())
        self._on_arrival(mail)
        return "250 OK"
