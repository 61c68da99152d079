"""What requests and answers have in common: camelCase outside, and text that can be shown."""

from __future__ import annotations

from typing import Annotated

from oxcart import Job
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """The base of all JSON objects of the API."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class JobLink(Shape):
    """Where to ask for a job: `GET /jobs/{queue}/{id}`."""

    queue: str
    id: str

    @classmethod
    def to(cls, job: Job | None) -> JobLink | None:
        """The link to a job; None if it could not be added."""
        return None if job is None else cls(queue=job.queue_name, id=job.id)


def _printable(text: str) -> str:
    # Line breaks and other control characters have no place in a name that is put into the head of a mail.
    if not text.isprintable():
        raise ValueError("has characters that can't be shown")
    return text


OneLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_printable)]
"""A line of text with something on it."""
