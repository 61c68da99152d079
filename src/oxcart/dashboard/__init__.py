"""The dashboard: see and steer every queue in a browser. Needs the extra `dashboard`."""

from importlib.util import find_spec

if find_spec("starlette") is None:
    raise ImportError("oxcart.dashboard needs Starlette: pip install 'oxcart[dashboard]'")

from .access import Access
from .alerts import Alert, slack, webhook
from .app import Dashboard
from .redact import Redactor
from .web.auth import any_of, basic, hash_password, hash_token, tokens

__all__ = [
    "Access",
    "Alert",
    "Dashboard",
    "Redactor",
    "any_of",
    "basic",
    "hash_password",
    "hash_token",
    "slack",
    "tokens",
    "webhook",
]
