"""Changed: what a route that changes something answers, and what the audit says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Changed:
    """The body of the answer, and a sentence for the audit. Without a body, the answer is 204."""

    text: str
    body: Any = None
