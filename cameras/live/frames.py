"""Frames as they leave ingest and cross processes. Django-free.

One format lives here, the *packet*: two big-endian uint32 (header length, payload length), a UTF-8
JSON header, the payload. What viewers read is in messages.py.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cameras.live.jpeg import MAX_JPEG_BYTES, FrameError, jpeg_size

__all__ = [
    "Detection", "Frame", "FrameError", "PacketReader",
    "dump", "jpeg_size", "pack",
]  # fmt: skip

MAX_HEADER_BYTES = 1024 * 1024

_PACKET = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in one frame. `bbox` is x, y, width, height in pixels of the delivered image."""

    label: str
    confidence: float
    bbox: tuple[float, float, float, float]
    track_id: int | None = None

    def wire(self) -> dict[str, Any]:
        """The seed's `Detection`: `class`, `confidence` 0-1, `bbox`; `track_id` where known.

        A box inside the picture stays inside it: x + width never exceeds what it was here.
        """
        x, y, width, height = self.bbox
        (left, across), (top, down) = _tenths(x, width), _tenths(y, height)
        made: dict[str, Any] = {
            "class": self.label,
            "confidence": round(self.confidence, 3),
            "bbox": [left, top, across, down],
        }
        if self.track_id is not None:
            made["track_id"] = self.track_id
        return made


def _tenths(start: float, length: float) -> tuple[float, float]:
    """A start and a length of one decimal, from both edges rounded down; their sum is no larger."""
    first = math.floor(start * 10 + 1e-6)  # 383.99999999 is 384
    last = math.floor((start + length) * 10 + 1e-6)
    tenths = last - first
    if first / 10 + tenths / 10 > last / 10:  # by an ulp
        tenths -= 1
    return first / 10, tenths / 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera. `timestamp` is capture time in unix ms, rising per camera.

    `detections` holds wire dictionaries, or None where detection is off. `arrived` is when our side
    got a picture that a device sent, in unix ms of our clock; None where we captured it ourselves.
    `mark` names the privacy masks that it has, see marks.py.
    """

    jpeg: bytes
    timestamp: int
    seq: int
    width: int
    height: int
    detections: list[dict[str, Any]] | None = None
    arrived: int | None = None
    mark: str = ""

    def age_ms(self, now_ms: int) -> int:
        """Its age by our clock, whatever the device's clock says; never below 0."""
        return max(0, now_ms - (self.timestamp if self.arrived is None else self.arrived))

    def header(self) -> dict[str, Any]:
        """What a viewer is told beside the picture, as JSON-ready values."""
        made: dict[str, Any] = {
            "timestamp": self.timestamp,
            "seq": self.seq,
            "width": self.width,
            "height": self.height,
        }
        if self.detections is not None:
            made["detections"] = self.detections
        return made

    def packet_header(self) -> dict[str, Any]:
        """What a worker says of it: `header()`, and the arrival where known."""
        return self.header() | ({} if self.arrived is None else {"arrived": self.arrived})

    @classmethod
    def from_header(cls, header: dict[str, Any], jpeg: bytes) -> Frame:
        """The inverse of `packet_header()`, to which the worker's reader has added the mark."""
        return cls(
            jpeg=jpeg,
            timestamp=header["timestamp"],
            seq=header["seq"],
            width=header["width"],
            height=header["height"],
            detections=header.get("detections"),
            arrived=header.get("arrived"),
            mark=header.get("mark", ""),
        )


def dump(value: object) -> bytes:
    """Compact UTF-8 JSON; refuses NaN and infinity."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def pack(header: dict[str, Any], payload: bytes = b"") -> bytes:
    """One packet of the ingest link."""
    head = dump(header)
    return b"".join((_PACKET.pack(len(head), len(payload)), head, payload))


class PacketReader:
    """Cuts packets out of a byte stream. Holds at most one unfinished packet.

    Raises `FrameError` where a length is absurd or a header is no JSON object: the peer is broken
    and the link must be closed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each complete `(header, payload)` once."""
        self._buffer += data
        while len(self._buffer) >= _PACKET.size:
            head, body = _PACKET.unpack_from(self._buffer)
            if head > MAX_HEADER_BYTES or body > MAX_JPEG_BYTES:
                raise FrameError("packet", "The packet is larger than any frame may be.")
            end = _PACKET.size + head + body
            if len(self._buffer) < end:
                return
            header = _loaded(self._buffer[_PACKET.size : _PACKET.size + head])
            payload = bytes(self._buffer[_PACKET.size + head : end])
            del self._buffer[:end]
            yield header, payload


def _loaded(head: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(head)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise FrameError("packet", "The packet's header is not a JSON object.")
    return header
