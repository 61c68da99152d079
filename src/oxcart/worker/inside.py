"""Inside: whose code is running, so that nobody is left to wait for its own end."""

from __future__ import annotations

from contextvars import ContextVar

LISTENER = "a listener"

inside: ContextVar[object] = ContextVar("oxcart_inside", default=None)
"""What the running code belongs to, with all that it awaits, starts or calls in threads: an attempt, or `LISTENER`."""
