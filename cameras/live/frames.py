"""Frames as bytes: what leaves ingest, what crosses processes, what a viewer reads.

Django-free. Three formats live here:

- a *packet*: two big-endian uint32 (header length, payload length), a UTF-8 JSON header, the
  payload; spoken between ingest processes and the web server;
- the seed's JSON message: `{frame, timestamp, camera_id, detections?}`;
- the `sideline.v1` message: uint32 header length, JSON header, JPEG bytes.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MAX_JPEG_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
MAX_HEADER_BYTES = 1024 * 1024

_PACKET = struct.Struct(">II")
_HEADER = struct.Struct(">I")


class FrameError(ValueError):
    """Bytes that are not what their door asks for. `field` names the part, the text says why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in one frame. `bbox` is x, y, width, height in pixels of the delivered image."""

    label: str
    confidence: float
    bbox: tuple[float, float, float, float]
    track_id: int | None = None

    def wire(self) -> dict[str, Any]:
        """The seed's `Detection`: `class`, `confidence` 0-1, `bbox`; `track_id` where known."""
        made: dict[str, Any] = {
            "class": self.label,
            "confidence": round(self.confidence, 3),
            "bbox": [round(value, 1) for value in self.bbox],
        }
        if self.track_id is not None:
            made["track_id"] = self.track_id
        return made


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera. `timestamp` is capture time in unix ms, rising per camera.

    `detections` holds wire dictionaries, or None where detection is off.
    """

    jpeg: bytes
    timestamp: int
    seq: int
    width: int
    height: int
    detections: list[dict[str, Any]] | None = None

    def header(self) -> dict[str, Any]:
        """Everything but the picture, as JSON-ready values."""
        made: dict[str, Any] = {
            "timestamp": self.timestamp,
            "seq": self.seq,
            "width": self.width,
            "height": self.height,
        }
        if self.detections is not None:
            made["detections"] = self.detections
        return made

    @classmethod
    def from_header(cls, header: dict[str, Any], jpeg: bytes) -> Frame:
        """The inverse of `header()`."""
        return cls(
            jpeg=jpeg,
            timestamp=header["timestamp"],
            seq=header["seq"],
            width=header["width"],
            height=header["height"],
            detections=header.get("detections"),
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

    Raises `FrameError` where a length is absurd: the peer is broken and the link must be closed.
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
            header = json.loads(self._buffer[_PACKET.size : _PACKET.size + head])
            payload = bytes(self._buffer[_PACKET.size + head : end])
            del self._buffer[:end]
            yield header, payload


def seed_message(frame: Frame, camera_id: str) -> str:
    """The seed's `FrameData` as JSON text. `camera_id` is the string of the viewer's URL."""
    data: dict[str, Any] = {
        "frame": base64.b64encode(frame.jpeg).decode("ascii"),
        "timestamp": frame.timestamp,
        "camera_id": camera_id,
    }
    if frame.detections is not None:
        data["detections"] = frame.detections
    return json.dumps(data, separators=(",", ":"))


def v1_message(frame: Frame, camera_id: str, age_ms: int) -> bytes:
    """A `sideline.v1` binary message: uint32 header length, JSON header, JPEG bytes."""
    head = dump(frame.header() | {"camera_id": camera_id, "age_ms": age_ms})
    return b"".join((_HEADER.pack(len(head)), head, frame.jpeg))


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG, read from its header without decoding.

    Raises `FrameError("frame", ...)` for what is not a whole JPEG or is larger than the limits.
    """
    if len(data) > MAX_JPEG_BYTES:
        raise FrameError("frame", "The picture is larger than 8 MiB.")
    if data[:3] != b"\xff\xd8\xff":
        raise FrameError("frame", "The picture is not a JPEG.")
    if data.rstrip(b"\x00")[-2:] != b"\xff\xd9":
        raise FrameError("frame", "The JPEG is truncated: its end marker is missing.")
    width, height = _start_of_frame(data)
    if not width or not height:
        raise FrameError("frame", "The JPEG has no size.")
    if max(width, height) > MAX_SIDE:
        raise FrameError("frame", f"The picture is {width}×{height}; a side may be 16,384 pixels.")
    if width * height > MAX_PIXELS:
        raise FrameError("frame", f"The picture is {width}×{height}; 40 megapixels are the limit.")
    return width, height


def _start_of_frame(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte before a marker
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
            continue
        if marker in (0xD9, 0xDA):  # end, or scan data before any frame header
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    raise FrameError("frame", "The JPEG has no frame header.")
