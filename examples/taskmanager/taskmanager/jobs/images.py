"""Pictures are made small in a child process: what a picture does to it is done to nobody else."""

from __future__ import annotations

from functools import cache
from typing import TypedDict

from oxcart import Unrecoverable
from oxcart.sync import Job

from .. import pictures
from ..files import Files, put
from ..settings import Settings
from .ids import id_in


class Thumbnail(TypedDict):
    """How large a small picture has become."""

    width: int
    height: int
    bytes: int


def make_thumbnail(job: Job) -> Thumbnail:
    """Make a small form of a picture. Made again, it is written over the first one."""
    attachment_id = id_in(job, "attachmentId")
    try:
        content, width, height = pictures.thumbnail(files().picture(attachment_id))
    except (pictures.NoPicture, FileNotFoundError, ValueError) as error:
        raise Unrecoverable(f"picture {attachment_id}: {error}") from error
    put(files().thumbnail(attachment_id), content)
    return {"width": width, "height": height, "bytes": len(content)}


@cache
def files() -> Files:
    """Where pictures lie. A child process reads the settings by itself: nothing but the job is handed to it."""
    return Files(Settings().data_dir)
