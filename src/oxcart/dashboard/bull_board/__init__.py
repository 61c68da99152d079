"""The REST surface of Bull Board 9, so that its page, and scripts that were written for it, work over these queues.

It is below `api` where the dashboard is mounted, beside our own `api/v1`. Names of queues and ids are segments of the
path; errors are `{"error": {"key": "ERRORS.…"}}`. Rights, redaction, limits and the audit are those of our own API.
"""

from .surface import answer
from .trouble import shape_of

__all__ = ["answer", "shape_of"]
