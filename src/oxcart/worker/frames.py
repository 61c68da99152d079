"""What a worker and its child processes say to each other: messages as JSON, each with its length in front."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

Message = dict[str, Any]

_LENGTH = struct.Struct("!Q")


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as bytes to send."""
    try:
        text = orjson.dumps(message)
    except TypeError:  # a stored text that is no UTF-8, or a number of more than 64 bits
        text = json.dumps(message).encode()
    return _LENGTH.pack(len(text)) + text


class Unpacker:
    """Finds the messages in what has come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now. A ValueError if this isn't what `pack` makes."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
            if len(buffer) < end:
                return
            text = bytes(buffer[_LENGTH.size : end])
            del buffer[:end]
            yield _read(text)


def _read(text: bytes) -> Message:
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
