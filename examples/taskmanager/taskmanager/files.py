"""Files: where pictures and reports lie. Their names are ids that we made, so nothing from outside becomes a path."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

THUMBNAIL = ".thumbnail.webp"


class Files:
    """The data folder, which the web application and the workers share.

    Example: `Files(Path("data")).report(report_id)`
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def picture(self, attachment_id: str) -> Path:
        return self._place("pictures", attachment_id)

    def thumbnail(self, attachment_id: str) -> Path:
        return self._place("pictures", attachment_id, THUMBNAIL)

    def report(self, report_id: str) -> Path:
        return self._place("reports", report_id, ".pdf")

    def _place(self, kind: str, file_id: str, ending: str = "") -> Path:
        folder = self._folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        # Ids come out of jobs, which any program may have added.
        return folder / f"{uuid.UUID(file_id)}{ending}"


def put(path: Path, content: bytes) -> None:
    """Write a file as a whole: nobody ever sees half of it, and writing it twice does no harm."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.draft")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
