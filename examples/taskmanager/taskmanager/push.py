"""Push: notifications that a browser shows, even if no page of ours is open. Its vendor takes them for it."""

from __future__ import annotations

import asyncio
import re
from fnmatch import fnmatchcase
from typing import Any

from oxcart import Reschedule, Unrecoverable

from . import vapid
from .models import PushSubscription
from .settings import Settings

TIMEOUT_S = 10
KEPT_FOR_S = 24 * 3600
"""For how long a notification is kept for a browser that is switched off."""

USUAL_REST_S, LONGEST_REST_S = 10, 600
"""How long to rest if a vendor says "too many", and doesn't say for how long; and if it says for very long."""

ENDPOINT = re.compile(r"(https?)://([a-z0-9.-]+)(:[0-9]{1,5})?/[!-\[\]-~]*")
"""What endpoints look like. Where a URL may be odd, two parsers find two hosts in it, and ours would be asked first."""


class Gone(Exception):
    """The browser wants no more notifications, or is no more."""


class Push:
    """Sends notifications, signed with the key that the settings name.

    Example: `await Push(Settings()).send(subscription, '{"title": "Hello"}')`
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = vapid.private_key(settings)
        self.public_key = vapid.public_key(self._key) if self._key else ""
        """What browsers need to subscribe; empty if there are no notifications."""

    def may_send_to(self, endpoint: str) -> bool:
        """Whether an endpoint is one of a vendor that we know. A browser names it, so it could be anything."""
        if (url := ENDPOINT.fullmatch(endpoint)) is None:
            return False
        scheme, host, _ = url.groups()
        known = any(fnmatchcase(host, pattern) for pattern in self._settings.push_hosts.split())
        # Without TLS only where it doesn't leave this machine: for trying things out.
        return known and (scheme == "https" or host == "127.0.0.1")

    async def send(self, to: PushSubscription, content: str) -> None:
        """Send a notification, encrypted for its browser.

        Raises `Gone`; `Reschedule` if the vendor has had too many; `Unrecoverable` if it takes none from us; and
        `ConnectionError` if it can't be reached, which may be better the next time.
        """
        if not self.may_send_to(to.endpoint):
            raise Gone  # it was remembered when the list was another one
        if not self._key:
            raise Unrecoverable("there is no VAPID_PRIVATE_KEY, so nobody can be notified")
        status, wait = await asyncio.to_thread(self._send, to, content)
        if status in (404, 410):
            raise Gone
        if status == 429:
            # This job alone: `RateLimited` would hold up the whole queue, for what may be one browser's own fault.
            raise Reschedule(delay=min(int(wait), LONGEST_REST_S) if wait.isdecimal() else USUAL_REST_S)
        if 300 <= status < 500:
            raise Unrecoverable(f"the push service refuses it: {status}")
        if status >= 500:
            raise ConnectionError(f"the push service does not work: {status}")

    def _send(self, to: PushSubscription, content: str) -> tuple[int, str]:
        """The status, and how long we are to wait."""
        # Imported here: it takes half a second, and the web application never sends anything.
        import requests
        from pywebpush import WebPushException, webpush  # pyright: ignore

        with requests.Session() as http:
            http.trust_env = False  # no log-in from a .netrc for whoever a browser names
            http.max_redirects = 0  # and nobody sends us on to somewhere else
            try:
                webpush(
                    {"endpoint": to.endpoint, "keys": {"p256dh": to.p256dh, "auth": to.auth}},
                    content,
                    vapid_private_key=self._key,
                    vapid_claims={"sub": self._settings.vapid_contact},
                    timeout=TIMEOUT_S,
                    ttl=KEPT_FOR_S,
                    requests_session=http,
                )
            except requests.TooManyRedirects:
                return 300, ""
            except requests.RequestException as error:
                # Not as it is: it has the whole URL in it, and whoever knows that can send to this browser.
                raise ConnectionError(f"the push service can't be reached: {type(error).__name__}") from None
            except WebPushException as error:
                answer: Any = getattr(error, "response", None)
                if answer is None:
                    raise
                return answer.status_code, answer.headers.get("retry-after", "")
        return 201, ""
