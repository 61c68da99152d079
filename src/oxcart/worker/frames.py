"""What a worker and its child processes say to each other: messages as JSON, each with a mark and its length in front.

A job can write to the pipe what is no message, such as a text for a descriptor that it takes for another one. By the
mark, which is part of no text, that is found out before anybody waits for as many bytes as it seems to announce.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

Message = dict[str, Any]

_MARK = b"\xff\x00OX"
_HEAD = struct.Struct("!4sQ")


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as bytes to send."""
    try:
        text = orjson.dumps(message)
    except TypeError:  # a stored text that is no UTF-8, or a number of more than 64 bits
        text = json.dumps(message).encode()
    return _HEAD.pack(_MARK, len(text)) + text


class Unpacker:
    """Finds the messages in what has come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now. A ValueError if this isn't what `pack` makes."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD.size:
            mark, length = _HEAD.unpack_from(buffer)
            if mark != _MARK:
                raise ValueError(f"no message begins with {mark!r}")
            end = _HEAD.size + length
            if len(buffer) < end:
                return
            text = bytes(buffer[_HEAD.size : end])
            del buffer[:end]
            yield _read(text)


def _read(text: bytes) -> Message:
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
