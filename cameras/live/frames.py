"""Frames and statuses as they leave ingest and cross processes. Django-free.

packets.py has the bytes between processes, formats.py those for viewers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FRESH_S = 3.0  # an older picture is not shown as live
RUN_BITS = 20  # of a run's number within one lease; the fence is above them


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
    """One picture of one camera. `timestamp` is capture time in unix ms, rising within a `run`.

    A new run begins where a clock was set, or another process reads the camera. Frames are ordered
    by `order`. `captured_at` is when the picture was captured or, if a device pushed it, when it
    reached us: seconds of this host's `time.monotonic`, see ages.py. `detections` holds
    `Detection.to_dict()`s, or None if detection is off. `mask_version` is that of its privacy
    masks, see mask_versions.py. `interval` is the time to the next frame in seconds, of a camera
    that sends less than one a second; else 0.
    """

    jpeg: bytes
    timestamp: int
    seq: int
    width: int
    height: int
    detections: list[dict[str, Any]] | None = None
    run: int = 0
    captured_at: float = field(default_factory=time.monotonic)
    mask_version: str = ""
    interval: float = 0.0

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the frames of the camera."""
        return self.run, self.seq

    @property
    def age_ms(self) -> int:
        """Its age now, independent of every wall clock."""
        return round((time.monotonic() - self.captured_at) * 1000)

    @property
    def is_fresh(self) -> bool:
        """True if it may be shown as live now: also of a slow camera, until two are missing."""
        return time.monotonic() - self.captured_at <= max(FRESH_S, 2 * self.interval)

    def header(self) -> dict[str, Any]:
        """The fields that viewers get with the picture, ready for JSON."""
        header: dict[str, Any] = {
            "timestamp": self.timestamp,
            "run": self.run,
            "seq": self.seq,
            "width": self.width,
            "height": self.height,
        }
        if self.detections is not None:
            header["detections"] = self.detections
        return header

    @classmethod
    def from_packet(cls, header: Mapping[str, Any], jpeg: bytes, captured_at: float) -> Frame:
        """Return the frame of a packet: `header()`, to which ingest added more.

        Packets of older versions have no `run`: then each lease is one.
        """
        return cls(
            jpeg=jpeg,
            timestamp=header["timestamp"],
            seq=header["seq"],
            width=header["width"],
            height=header["height"],
            detections=header.get("detections"),
            run=header.get("run", header.get("fence", 0) << RUN_BITS),
            captured_at=captured_at,
            mask_version=header.get("mask_version", ""),
            interval=header.get("interval", 0.0),
        )


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a camera. Times are unix ms; `reason` is a plain sentence or empty.

    `viewers` counts those of all processes. `mask_version` is that of the pictures that follow.
    Both are None if ingest did not report them. `fence` is that of the lease under which it was
    reported. `interval` is as that of a frame.
    """

    state: str
    since: int
    reason: str = ""
    last_frame: int | None = None
    viewers: int | None = None
    mask_version: str | None = None
    fence: int = 0
    interval: float = 0.0

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
            header.get("fence", 0),
            header.get("interval", 0.0),
        )

    @property
    def visible_state(self) -> tuple[object, ...]:
        """The part that viewers get a message about when it changes."""
        return self.state, self.since, self.reason, self.viewers, self.interval

    def to_message(self) -> dict[str, Any]:
        """The `sideline.v1` status message."""
        connecting = self.state == "connecting"  # the contract has no such state
        message: dict[str, Any] = {
            "type": "status",
            "state": "offline" if connecting else self.state,
            "since": self.since,
            "reason": self.reason or ("Connecting." if connecting else ""),
            "last_frame": self.last_frame,
        }
        if self.interval:
            message["interval"] = self.interval
        return message if self.viewers is None else message | {"viewers": self.viewers}
