"""Frames and statuses as they leave ingest and cross processes. Django-free.

The bytes in which they cross are in packets.py, what viewers read is in formats.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, slots=True)
class Status:
    """Times are unix ms; `reason` is a plain sentence or empty.

    `viewers` is how many watch, in all processes together; None where ingest has not said.
    `mark` names the privacy masks of pictures that follow, see marks.py; None likewise.
    """

    state: str
    since: int
    reason: str = ""
    last_frame: int | None = None
    viewers: int | None = None
    mark: str | None = None

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> Status:
        """What the header of a state packet says."""
        return cls(
            header["state"],
            header["since"],
            header["reason"],
            header["last_frame"],
            header.get("viewers"),
            header.get("mark"),
        )

    @property
    def news(self) -> tuple[object, ...]:
        """What a viewer must be told of when it changes."""
        return self.state, self.since, self.reason, self.viewers

    def wire(self) -> dict[str, Any]:
        """The `sideline.v1` status message."""
        connecting = self.state == "connecting"  # not a word of the contract
        made = {
            "type": "status",
            "state": "offline" if connecting else self.state,
            "since": self.since,
            "reason": self.reason or ("Connecting." if connecting else ""),
            "last_frame": self.last_frame,
        }
        return made if self.viewers is None else made | {"viewers": self.viewers}
