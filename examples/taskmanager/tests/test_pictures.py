"""Pictures: which are taken, what becomes of them, and what one that is made to do harm does: nothing."""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from pathlib import Path

import pytest
from conftest import Register, RunWorkers
from fastapi import FastAPI
from oxcart import Backoff, Queue
from pages import Visitor, picture
from PIL import Image
from waiting import wait_until

from taskmanager import pictures, worker
from taskmanager.demo.inbox import Inbox
from taskmanager.queues import Queues
from taskmanager.web.pages.attachments import shown_name
from taskmanager.worker import email_worker, image_worker


@pytest.fixture
def images(queues: Queues) -> Queue:
    found = queues.named("images")
    assert found is not None
    return found


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A file that says that it is a picture of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def test_a_picture_gets_a_small_form_soon(visitor: Visitor, images: Queue, run_workers: RunWorkers) -> None:
    task = await visitor.new_task()
    assert await visitor.upload(task, picture(1600, 1200), name="Holiday.png") == f"{task}#pictures"
    picture_id = await visitor.picture_of(task)
    assert "Making it small" in await visitor.page(task) and "Holiday.png" in await visitor.page(task)
    assert (await visitor.api.get(f"/attachments/{picture_id}/thumbnail")).status_code == 404

    await run_workers(image_worker)
    job = await images.job(picture_id)
    assert job is not None
    result = await job.result(60)
    assert (result["width"], result["height"]) == (480, 360)
    assert f"/attachments/{picture_id}/thumbnail" in await visitor.page(f"/attachments/{picture_id}/card")
    small = await visitor.api.get(f"/attachments/{picture_id}/thumbnail")
    assert small.headers["content-type"] == "image/webp" and len(small.content) == result["bytes"]
    assert Image.open(io.BytesIO(small.content)).size == (480, 360)
    whole = await visitor.api.get(f"/attachments/{picture_id}")
    assert whole.headers["content-type"] == "image/png" and whole.content == picture(1600, 1200)


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")])
async def test_a_picture_is_sent_as_what_it_is_and_not_as_what_it_was_called(
    visitor: Visitor, kind: str, media_type: str
) -> None:
    task = await visitor.new_task()
    await visitor.upload(task, picture(kind=kind), name="page.html")
    answer = await visitor.api.get(f"/attachments/{await visitor.picture_of(task)}")
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Only PNG, JPEG"),
        (b"<script>alert(1)</script>", "Only PNG, JPEG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "Only PNG, JPEG"),
        (b"%PDF-1.7", "Only PNG, JPEG"),
        (b"\x89PNG\r\n\x1a\n", "Only PNG, JPEG"),
        (picture(kind="BMP"), "Only PNG, JPEG"),
        (picture()[:200], "damaged"),
        (png(100_000, 100_000), "too large"),  # a few bytes that need 30 GB
        (png(10_000, 4_001), "too large"),
    ],
)
async def test_what_is_no_good_picture_is_refused(
    visitor: Visitor, images: Queue, data_dir: Path, content: bytes, said: str
) -> None:
    task = await visitor.new_task()
    assert said in await visitor.upload(task, content, status=422)
    assert await images.count() == 0
    assert not list((data_dir / "pictures").glob("*"))


async def test_what_is_too_much_is_refused_before_all_of_it_is_taken(app: FastAPI, visitor: Visitor) -> None:
    task = await visitor.new_task()
    app.state.settings.max_upload_bytes = 100_000
    assert "At most" in await visitor.upload(task, b"0" * 150_000, status=413)
    # The guard is told at the start how much it may be.
    assert "too large" in await visitor.upload(task, b"0" * 11_000_000, status=413)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.png", "a.png"),
        ("a\r\nb.png", "ab.png"),
        ("..", "picture"),
        ("", "picture"),
        (None, "picture"),
        ("x" * 300, "x" * 200),
    ],
)
def test_the_name_of_a_file_is_never_a_path(name: str | None, shown: str) -> None:
    assert shown_name(name) == shown


@pytest.mark.parametrize("attachment_id", ["../../etc/passwd", "/etc/passwd", "00000000-0000-0000-0000-000000000000"])
async def test_a_job_for_a_file_that_is_not_ours_fails_for_good(
    images: Queue, run_workers: RunWorkers, attachment_id: str
) -> None:
    job = await images.add("thumbnail", {"attachmentId": attachment_id})
    await run_workers(image_worker)
    await wait_until(lambda: is_failed(images, job.id))
    await job.refresh()
    assert job.attempts_made == 1


async def test_a_picture_that_needs_more_memory_than_there_is_harms_nobody_else(
    visitor: Visitor,
    register: Register,
    inbox: Inbox,
    images: Queue,
    run_workers: RunWorkers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "MEMORY_FOR_A_PICTURE", 110_000_000)
    task = await visitor.new_task()
    await visitor.upload(task, picture(6_000, 6_000))  # 108 MB when it is unpacked
    large = await visitor.picture_of(task)
    other = await visitor.new_task()
    await visitor.upload(other, picture())
    small = await visitor.picture_of(other)
    await images.add("thumbnail", {"attachmentId": large}, attempts=2, backoff=Backoff.fixed(0.01), job_id="again")
    await run_workers(image_worker, email_worker)

    await wait_until(lambda: is_failed(images, "again"), timeout=60)
    job = await images.job("again")
    assert job is not None and job.failed_reason is not None
    assert "memory" in job.failed_reason.lower() or "child process" in job.failed_reason
    found = await images.job(small)
    assert found is not None
    assert (await found.result(60))["width"] == 480
    await wait_until(lambda: inbox.mails)


async def test_a_picture_that_is_cut_off_is_tried_once_and_the_page_does_not_wait_for_ever(
    visitor: Visitor, images: Queue, run_workers: RunWorkers
) -> None:
    task = await visitor.new_task()
    content = picture(2000, 1500, "JPEG")
    await visitor.upload(task, content[: len(content) // 2])
    picture_id = await visitor.picture_of(task)
    await run_workers(image_worker)

    await wait_until(lambda: is_failed(images, picture_id))
    job = await images.job(picture_id)
    assert job is not None
    assert (job.attempts_made, job.failed_reason) == (1, f"picture {picture_id}: The picture is damaged.")
    card = await visitor.page(f"/attachments/{picture_id}/card")
    assert "No small picture" in card and "data-live" not in card


async def test_the_page_is_told_when_the_small_form_is_there(
    visitor: Visitor, images: Queue, run_workers: RunWorkers
) -> None:
    task = await visitor.new_task()
    await visitor.upload(task, picture())
    picture_id = await visitor.picture_of(task)
    await run_workers(image_worker)

    told: list[str] = []
    async with visitor.api.stream("GET", f"/attachments/{picture_id}/live", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = [line async for line in answer.aiter_lines() if line.startswith("data:")]
    assert '"over": true' in told[-1]
    assert (await visitor.api.get(f"/attachments/{picture_id}/thumbnail")).status_code == 200


def test_a_small_form_is_upright_and_says_nothing_of_where_it_was_taken() -> None:
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    exif[0x010E] = "at home"
    Image.new("RGB", (400, 200), "teal").save(content, "JPEG", exif=exif)
    content.seek(0)

    small, width, height = pictures.thumbnail(content)
    assert (width, height) == (200, 400)
    assert b"at home" not in small and not Image.open(io.BytesIO(small)).getexif()


def test_what_is_transparent_stays_so() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(content, "PNG")
    content.seek(0)
    small, _, _ = pictures.thumbnail(content)
    assert Image.open(io.BytesIO(small)).mode == "RGBA"


async def test_the_memory_is_enough_for_the_largest_picture_that_is_taken(
    visitor: Visitor, images: Queue, run_workers: RunWorkers
) -> None:
    side = int(pictures.MOST_PIXELS**0.5)
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    await asyncio.to_thread(Image.new("RGBA", (side, side)).save, content, "PNG", exif=exif, compress_level=1)
    task = await visitor.new_task()
    await visitor.upload(task, content.getvalue())
    await run_workers(image_worker)

    job = await images.job(await visitor.picture_of(task))
    assert job is not None
    assert (await job.result(60))["width"] == 480
    assert job.attempts_made <= 1


async def is_failed(queue: Queue, job_id: str) -> bool:
    return await queue.state(job_id) == "failed"
