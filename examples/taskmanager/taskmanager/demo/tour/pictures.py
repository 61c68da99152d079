"""The rule of pictures: what one of them does to its process, it does to no other."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import struct
import zlib

from oxcart import JobLocked, JobState
from PIL import Image

from ...contract import IMAGES
from ..quick import MEMORY_FOR_A_PICTURE
from ..stage import Stage
from ..visitor import Visitor
from ..watch import until
from .look import ensure

SIDE = 6_300
"""39.7 megapixels, just below the most that is taken: 159 MB unpacked, more than the tour's workers may have."""

TURNED = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
"""What a camera writes into a picture that was taken upright."""


async def memory_is_limited(stage: Stage) -> str:
    """A usual picture becomes a small one; a huge one runs out of its memory, and the next one is made small again."""
    async with stage.visitor("Paula Painter", "paula@example.com") as paula:
        task = await paula.create_task("Paint it")
        size = await made_small(stage, paula, task, "garden.png", usual_picture())
        huge = await asyncio.to_thread(huge_picture)
        await paula.attach(task, "wall.png", huge)
        reason = await out_of_memory(stage, (await pictures_of(paula, task))[-1])
        await made_small(stage, paula, task, "house.png", usual_picture())
    return (
        f"a small picture of {size} bytes; one of {SIDE} × {SIDE} in {len(huge) // 1000} kB ran into the limit of "
        f"{MEMORY_FOR_A_PICTURE // 1_000_000} MB in this tour ({reason}), and the next one was made small all the same"
    )


async def out_of_memory(stage: Stage, job_id: str) -> str:
    """Wait until the first attempt with a picture has failed, and answer why. There is no need for another one."""
    lines = stage.watch.lines
    await until(
        lambda: lines("Job failed", queue=IMAGES, id=job_id) or lines("Job completed", queue=IMAGES, id=job_id),
        "the huge picture is dealt with",
        45,
    )
    failed = lines("Job failed", queue=IMAGES, id=job_id)
    ensure(bool(failed), "a picture that needs more memory than it may have was made small")
    queue = stage.queues.named(IMAGES)
    assert queue is not None
    with contextlib.suppress(JobLocked):  # the next attempt has begun already
        await queue.remove_job(job_id)
    return failed[0].facts["error"]


async def made_small(stage: Stage, user: Visitor, task: str, name: str, picture: bytes) -> int:
    """Add a picture; how many bytes its small form has."""
    await user.attach(task, name, picture)
    attachment = (await pictures_of(user, task))[-1]
    await until(lambda: is_over(stage, attachment), f"{name} is made small", 45)
    small = (await user.ask("GET", f"/attachments/{attachment}/thumbnail")).content
    ensure(max(Image.open(io.BytesIO(small)).size) <= 480, "the small picture isn't small")
    return len(small)


async def pictures_of(user: Visitor, task: str) -> list[str]:
    """The ids of a task's pictures, oldest first."""
    page = (await user.ask("GET", f"/tasks/{task}", headers={"accept": "text/html"})).text
    return list(dict.fromkeys(re.findall(r"/attachments/([0-9a-f-]{36})", page)))


async def is_over(stage: Stage, job_id: str) -> bool:
    queue = stage.queues.named(IMAGES)
    assert queue is not None
    return await queue.state(job_id) in (JobState.COMPLETED, JobState.FAILED)


def usual_picture() -> bytes:
    """A picture as people have them."""
    content = io.BytesIO()
    Image.new("RGB", (1200, 900), "seagreen").save(content, "PNG")
    return content.getvalue()


def huge_picture() -> bytes:
    """A PNG with transparency, far smaller packed than unpacked; made line by line, so it needs no memory here."""
    packer = zlib.compressobj(1)
    line = bytes(1 + SIDE * 4)
    packed = b"".join(packer.compress(line) for _ in range(SIDE)) + packer.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    parts = (b"IHDR", head), (b"eXIf", TURNED), (b"IDAT", packed), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
