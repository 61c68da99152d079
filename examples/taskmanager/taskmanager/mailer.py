"""Mailer: writes a mail, and hands it to the mail server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib
from oxcart import Job, Unrecoverable

from .settings import Settings

SENDER = '"Task Manager" <noreply@taskmanager.io>'
DOMAIN = "taskmanager.io"

TIMEOUT_S = 30
TLS_FROM_THE_START = 465
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Letter:
    """What one mail says, and to whom."""

    name: str
    address: str
    subject: str
    text: str
    html: str


class NotNow(Exception):
    """The mail server refuses a mail for now (4xx); trying again later may help."""


class Mailer:
    """Sends mails through the server that the settings name.

    Example: `await Mailer(Settings()).send(letter, message_id)`
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, letter: Letter, message_id: str) -> None:
        """Hand a letter to the mail server.

        Raises `Unrecoverable` if the server refuses it for good (5xx), `NotNow` if it does so for now. Whatever else
        goes wrong (no connection, a time-out) is raised as it is, so that the job is tried again.
        """
        try:
            await self._deliver(written(letter, message_id))
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(error.recipients[0]) from error  # a letter has one recipient
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(error) from error

    async def _deliver(self, message: EmailMessage) -> None:
        settings = self._settings
        from_the_start = settings.smtp_port == TLS_FROM_THE_START
        # A password never travels in clear over a network, whatever the server says it can do.
        insist = bool(settings.smtp_user) and settings.smtp_host not in LOOPBACK
        await aiosmtplib.send(
            message,
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_pass.get_secret_value() if settings.smtp_user else None,
            use_tls=from_the_start,
            start_tls=False if from_the_start else True if insist else None,
            timeout=TIMEOUT_S,
        )


def written(letter: Letter, message_id: str) -> EmailMessage:
    """The letter as a mail, in plain text and in HTML."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = Address(letter.name, addr_spec=letter.address)
    message["Subject"] = letter.subject
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday notice answers it
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def message_id_of(job: Job) -> str:
    """The Message-ID of a job's mail: the same at every attempt.

    A worker may die after the server took the mail and before the job was settled. The job then runs again, and the
    receiver can tell that the second mail is the first one. The time is part of it: a new Redis counts from 1 again.
    """
    created = job.created_at.isoformat() if job.created_at else ""
    digest = hashlib.sha256(f"{job.queue_name}\0{job.id}\0{created}".encode()).hexdigest()[:32]
    return f"<{digest}@{DOMAIN}>"


def _refusal(error: aiosmtplib.SMTPResponseException) -> Exception:
    said = f"{error.code} {error.message}"
    if error.code >= 500:
        return Unrecoverable(f"the mail server refused it for good: {said}")
    return NotNow(f"the mail server refused it for now: {said}")
