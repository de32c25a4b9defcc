"""Frames and statuses as they leave ingest and cross processes. Django-free.

packets.py has the bytes between processes, formats.py those for viewers.
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

    def to_dict(self) -> dict[str, Any]:
        """The seed's `Detection`: `class`, `confidence` 0-1, `bbox`, and `track_id` if known.

        A box inside the picture stays inside it: rounding never increases x + width.
        """
        x, y, width, height = self.bbox
        x, width = _round_down(x, width)
        y, height = _round_down(y, height)
        detection: dict[str, Any] = {
            "class": self.label,
            "confidence": round(self.confidence, 3),
            "bbox": [x, y, width, height],
        }
        if self.track_id is not None:
            detection["track_id"] = self.track_id
        return detection


def _round_down(start: float, length: float) -> tuple[float, float]:
    """Round both edges down to one decimal. The sum of start and length does not increase."""
    first = math.floor(start * 10 + 1e-6)  # 383.99999999 is 384
    last = math.floor((start + length) * 10 + 1e-6)
    tenths = last - first
    if first / 10 + tenths / 10 > last / 10:  # by an ulp
        tenths -= 1
    return first / 10, tenths / 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera. `timestamp` is capture time in unix ms, rising per camera.

    `detections` holds `Detection.to_dict()`s, or None if detection is off. `arrived` is when a
    pushed picture reached us, in unix ms of our clock; None for a picture that we captured.
    `mask_version` is that of its privacy masks, see mask_versions.py.
    """

    jpeg: bytes
    timestamp: int
    seq: int
    width: int
    height: int
    detections: list[dict[str, Any]] | None = None
    arrived: int | None = None
    mask_version: str = ""

    def age_ms(self, now_ms: int) -> int:
        """Its age by our clock, independent of the device's; at least 0."""
        return max(0, now_ms - (self.timestamp if self.arrived is None else self.arrived))

    def header(self) -> dict[str, Any]:
        """The fields that viewers get with the picture, ready for JSON."""
        header: dict[str, Any] = {
            "timestamp": self.timestamp,
            "seq": self.seq,
            "width": self.width,
            "height": self.height,
        }
        if self.detections is not None:
            header["detections"] = self.detections
        return header

    def packet_header(self) -> dict[str, Any]:
        """The header of a worker's packet: `header()`, and `arrived` if known."""
        return self.header() | ({} if self.arrived is None else {"arrived": self.arrived})

    @classmethod
    def from_header(cls, header: dict[str, Any], jpeg: bytes) -> Frame:
        """The inverse of `packet_header()`, to which ingest added the mask version as `mark`."""
        return cls(
            jpeg=jpeg,
            timestamp=header["timestamp"],
            seq=header["seq"],
            width=header["width"],
            height=header["height"],
            detections=header.get("detections"),
            arrived=header.get("arrived"),
            mask_version=header.get("mask_version", ""),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a camera. Times are unix ms; `reason` is a plain sentence or empty.

    `viewers` counts those of all processes. `mask_version` is that of the pictures that follow.
    Both are None if ingest did not report them.
    """

    state: str
    since: int
    reason: str = ""
    last_frame: int | None = None
    viewers: int | None = None
    mask_version: str | None = None

    @classmethod
    def from_header(cls, header: dict[str, Any]) -> Status:
        """Read the header of a state packet."""
        return cls(
            header["state"],
            header["since"],
            header["reason"],
            header["last_frame"],
            header.get("viewers"),
            header.get("mask_version"),
        )

    @property
    def visible_state(self) -> tuple[object, ...]:
        """The part that viewers get a message about when it changes."""
        return self.state, self.since, self.reason, self.viewers

    def to_message(self) -> dict[str, Any]:
        """The `sideline.v1` status message."""
        connecting = self.state == "connecting"  # the contract has no such state
        message = {
            "type": "status",
            "state": "offline" if connecting else self.state,
            "since": self.since,
            "reason": self.reason or ("Connecting." if connecting else ""),
            "last_frame": self.last_frame,
        }
        return message if self.viewers is None else message | {"viewers": self.viewers}
