"""Forms: what their fields have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def _nothing(value: Any) -> Any:
    return None if value == "" else value


MaybeEmpty = BeforeValidator(_nothing)
"""A field that is sent as an empty text if nothing was chosen."""

OptionalId = Annotated[str | None, MaybeEmpty]
