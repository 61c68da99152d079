"""Attachments: pictures are looked at before they are taken, and made small by a worker."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import PurePath

from fastapi import APIRouter, HTTPException, Request, Response, UploadFile
from fastapi.responses import FileResponse
from oxcart import JobState
from sqlalchemy.ext.asyncio import AsyncSession

from ... import pictures, work
from ...contract import IMAGES
from ...models import Attachment
from ..needs import NeedsFiles, NeedsQueues, NeedsSession, NeedsSettings, NeedsUser
from .frame import FormUser, go_to, show
from .live import Now, stream
from .tasks import task_or_404

router = APIRouter(include_in_schema=False)


@router.post("/tasks/{task_id}/attachments")
async def upload(
    task_id: str,
    picture: UploadFile,
    user: FormUser,
    session: NeedsSession,
    queues: NeedsQueues,
    files: NeedsFiles,
    settings: NeedsSettings,
) -> Response:
    """Take a picture, if it is one."""
    task = await task_or_404(session, task_id)
    if (picture.size or 0) > settings.max_upload_bytes:
        raise HTTPException(413, f"At most {settings.max_upload_bytes // 1_000_000} MB, please.")
    try:
        look = await asyncio.to_thread(pictures.look_at, picture.file)
    except pictures.NoPicture as error:
        raise HTTPException(422, str(error)) from error
    attachment_id = str(uuid.uuid4())
    await picture.seek(0)
    # The file first: a job or a page that knows of the picture finds it.
    with files.picture(attachment_id).open("xb") as place:
        await asyncio.to_thread(shutil.copyfileobj, picture.file, place)
    await work.attach(session, queues, attachment_id, task, user, shown_name(picture.filename), look)
    return go_to(f"/tasks/{task_id}#pictures")


@router.get("/attachments/{attachment_id}")
async def whole(attachment_id: str, user: NeedsUser, session: NeedsSession, files: NeedsFiles) -> Response:
    """The picture itself."""
    found = await attachment_or_404(session, attachment_id)
    return sent(files.picture(found.id), found.media_type)


@router.get("/attachments/{attachment_id}/thumbnail")
async def small(attachment_id: str, user: NeedsUser, session: NeedsSession, files: NeedsFiles) -> Response:
    """Its small form, once there is one."""
    place = files.thumbnail((await attachment_or_404(session, attachment_id)).id)
    if not place.exists():
        raise HTTPException(404, "There is no small picture yet.")
    return sent(place, "image/webp")


@router.get("/attachments/{attachment_id}/card")
async def card(
    request: Request, attachment_id: str, user: NeedsUser, session: NeedsSession, files: NeedsFiles
) -> Response:
    """The part of a task's page that shows a picture. It is asked for when it is known what has come of it."""
    found = await attachment_or_404(session, attachment_id)
    ready = files.thumbnail(found.id).exists()
    return show(request, "_picture.html", user=user, picture=found, ready=ready, over=True)


@router.get("/attachments/{attachment_id}/live")
async def live(attachment_id: str, user: NeedsUser, queues: NeedsQueues, files: NeedsFiles) -> Response:
    """Tells when the small picture is there, or when it is known that there will be none."""
    queue = queues.named(IMAGES)
    assert queue is not None

    async def now() -> Now:
        state = await queue.state(attachment_id)
        waits = state not in (JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN)
        return Now(percent=0, text="Making it small", over=not waits)

    return stream(queues.events(IMAGES), lambda event: event.job_id == attachment_id, now)


async def attachment_or_404(session: AsyncSession, attachment_id: str) -> Attachment:
    if (found := await session.get(Attachment, attachment_id)) is None:
        raise HTTPException(404, "There is no such picture (any more).")
    return found


def sent(place: object, media_type: str) -> Response:
    """A file whose content never changes, for the one who may see it."""
    return FileResponse(
        str(place), media_type=media_type, headers={"cache-control": "private, max-age=604800, immutable"}
    )


def shown_name(name: str | None) -> str:
    """What a file is called, without a path or what can't be shown."""
    last = PurePath((name or "").replace("\\", "/")).name
    shown = "".join(letter for letter in last if letter.isprintable())[:200]
    return shown if shown.strip(". ") else "picture"
