"""Pictures: what is one, and how it is made small."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}

MOST_PIXELS = 40_000_000
"""A few kilobytes can say that they are a picture of any size, and need gigabytes when they are unpacked."""

SMALL = (480, 480)


class NoPicture(Exception):
    """It can't be taken; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is."""

    media_type: str
    width: int
    height: int


def look_at(file: BinaryIO | Path) -> Look:
    """What a picture is, without unpacking it; raises `NoPicture` if it is none, or too large to be unpacked."""
    with _opened(file) as picture:
        found = Look(TYPES[picture.format or ""], *picture.size)
        try:
            picture.verify()
        except Exception as error:  # each format has its own
            raise NoPicture("The picture is damaged.") from error
    return found


def thumbnail(file: BinaryIO | Path) -> tuple[bytes, int, int]:
    """A small form of a picture, upright, without what the camera wrote into it; its width and height."""
    with _opened(file) as picture:
        _make_small(picture)
        small = ImageOps.exif_transpose(picture)
        content = io.BytesIO()
        small.convert("RGBA" if "A" in small.getbands() or "transparency" in small.info else "RGB").save(
            content, "WEBP", quality=80
        )
    return content.getvalue(), *small.size


def _make_small(picture: Image.Image) -> None:
    """Unpack it, which tells for the first time of some formats whether all of it is there."""
    try:
        picture.draft("RGB", SMALL)  # lets a JPEG be unpacked at a fraction of its size
        picture.thumbnail(SMALL)  # first: to turn it makes a copy
    except MemoryError:
        raise
    except Exception as error:  # each format has its own
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, which may be better the next time
        raise NoPicture("The picture is damaged.") from error


def _opened(file: BinaryIO | Path) -> Image.Image:
    try:
        with warnings.catch_warnings(action="ignore"):
            picture = Image.open(file, formats=list(TYPES))
    except Image.DecompressionBombError as error:
        raise NoPicture("The picture is too large.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise NoPicture("Only PNG, JPEG, WebP and GIF pictures can be added.") from error
    if picture.width * picture.height > MOST_PIXELS:
        picture.close()
        raise NoPicture(f"The picture is too large: at most {MOST_PIXELS // 1_000_000} megapixels, please.")
    return picture
