"""The packets between ingest processes and web processes. Django-free.

A *packet* is two big-endian uint32 (header length, payload length), a UTF-8 JSON header, the
payload.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

from cameras.live.jpeg import MAX_JPEG_BYTES, FrameError

MAX_HEADER_BYTES = 1024 * 1024

_PACKET = struct.Struct(">II")


def dump(value: object) -> bytes:
    """Return compact UTF-8 JSON. Raises `ValueError` for NaN and infinity."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """Return the bytes of one packet."""
    head = dump(header)
    return b"".join((_PACKET.pack(len(head), len(payload)), head, payload))


class PacketReader:
    """Splits a byte stream into packets. Bound: one incomplete packet.

    Raises `FrameError` if a packet is too large or its header is no JSON object: then the
    connection must be closed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Add received bytes and yield each complete `(header, payload)`."""
        self._buffer += data
        while len(self._buffer) >= _PACKET.size:
            head, body = _PACKET.unpack_from(self._buffer)
            if head > MAX_HEADER_BYTES or body > MAX_JPEG_BYTES:
                raise FrameError("packet", "The packet is larger than any frame may be.")
            end = _PACKET.size + head + body
            if len(self._buffer) < end:
                return
            header = _parse_header(self._buffer[_PACKET.size : _PACKET.size + head])
            payload = bytes(self._buffer[_PACKET.size + head : end])
            del self._buffer[:end]
            yield header, payload


def _parse_header(head: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(head)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise FrameError("packet", "The packet's header is not a JSON object.")
    return header
