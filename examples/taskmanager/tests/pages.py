"""A visitor of the pages, without a browser: sends forms as one would, with what they carry hidden."""

from __future__ import annotations

import io
import re
from typing import Any

import httpx
from PIL import Image


class Visitor:
    """Somebody at the pages.

    Example: `await Visitor(api).send("/tasks/new", title="Write it down")`
    """

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def page(self, path: str, status: int = 200) -> str:
        """What a page shows."""
        answer = await self.api.get(path, headers={"accept": "text/html"})
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.text

    async def send(self, path: str, *, on: str = "/me", status: int = 303, files: Any = None, **fields: str) -> str:
        """Send a form as it stands on a page; where it leads to, or what is shown instead."""
        found = re.search(r'name="csrf" value="(\w+)"', await self.page(on))
        assert found
        data = {"csrf": found[1]} | fields
        answer = await self.api.post(path, data=data, files=files, headers={"accept": "text/html"})
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.headers["location"] if status == 303 else answer.text

    async def new_task(self, title: str = "Write it down", **fields: str) -> str:
        """Add a task; the path of its page."""
        return await self.send("/tasks/new", on="/me", status=303, files=None, title=title, **fields)

    async def upload(self, task: str, content: bytes, name: str = "a.png", status: int = 303) -> str:
        """Add a picture to a task."""
        return await self.send(f"{task}/attachments", status=status, files={"picture": (name, content, "image/png")})

    async def picture_of(self, task: str) -> str:
        """The id of the first picture on a task's page."""
        found = re.search(r'href="/attachments/([\w-]+)"', await self.page(task))
        assert found
        return found[1]


def picture(width: int = 640, height: int = 480, kind: str = "PNG", colour: str = "teal") -> bytes:
    """A picture, as a file."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(content, kind)
    return content.getvalue()
