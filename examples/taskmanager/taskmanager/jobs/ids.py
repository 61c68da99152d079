"""What jobs carry: ids. Any program may have added a job, so nothing of it is taken for granted."""

from __future__ import annotations

from typing import Any, Protocol, cast

from oxcart import Unrecoverable


class HasData(Protocol):
    """A job, of whichever kind."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def data(self) -> Any: ...


def id_in(job: HasData, field: str) -> str:
    """An id that the job carries; `Unrecoverable` if it lacks it, since it will do so the next time as well."""
    data: Any = job.data
    found = cast(dict[str, Any], data).get(field) if isinstance(data, dict) else None
    if not isinstance(found, str) or not found:
        raise Unrecoverable(f"job {job.id} ({job.name!r}) carries no {field}")
    return found
