"""A camera whose frames are sent to us: the same interface as `Capture`, without a connection."""

from __future__ import annotations

from cameras.ingest.freshness import Freshness, Health, now_ms
from cameras.ingest.pictures import Picture, Slot
from cameras.live.frames import FrameError, jpeg_size


class Push:
    """Takes JPEGs; keeps the newest. `rate` is there for the interface: every frame is shown."""

    def __init__(self) -> None:
        self.rate = 0.0
        self.slot = Slot()
        self._freshness = Freshness("offline", "Waiting for the first frame.", "No frame pushed")
        self._last = 0

    def start(self) -> None:
        """Nothing to start: frames come by `take`."""

    def take(self, timestamp: int, jpeg: bytes) -> bool:
        """A pushed frame, `timestamp` in unix ms. False where it is not newer, or not a JPEG."""
        if timestamp <= self._last:
            return False
        try:
            width, height = jpeg_size(jpeg)
        except FrameError:
            return False
        self._last = timestamp
        self._freshness.frame(timestamp, width, height)
        self.slot.put(Picture(timestamp, width, height, jpeg=jpeg, arrived=now_ms()))
        return True

    def health(self) -> Health:
        """What is true now."""
        return self._freshness.health()

    def stuck(self) -> str | None:
        """Never: there is no native code to be stuck in."""
        return None
