"""A camera whose frames are pushed by a device: the interface of `Capture` without a connection."""

from __future__ import annotations

import threading

from cameras.ingest.worker.capture import Picture, Slot
from cameras.ingest.worker.freshness import Freshness, Health, now_ms
from cameras.ingest.worker.masks import Masks
from cameras.live.jpeg import FrameError, jpeg_size


class Push:
    """Takes JPEGs; keeps the newest. `rate` is there for the interface: every frame is shown.

    With masks, a thread decodes and paints the newest one, and only pixels come into `slot`: what
    cannot be decoded is not shown at all.
    """

    def __init__(self, masks: Masks | None = None) -> None:
        self.rate = 0.0
        self.slot = Slot()
        self._masks = masks or Masks()
        self._sent = Slot() if self._masks else self.slot
        self._freshness = Freshness("offline", "Waiting for the first frame.", "No frame pushed")
        self._last = 0

    def start(self) -> None:
        """Frames come by `take`; what is to be started is the painting."""
        if self._masks:
            threading.Thread(target=self._paint, name="masks", daemon=True).start()

    def take(self, timestamp: int, jpeg: bytes) -> bool:
        """A pushed frame, `timestamp` in unix ms. False where it is not newer, or not a JPEG."""
        if timestamp <= self._last:
            return False
        try:
            width, height = jpeg_size(jpeg)
        except FrameError:
            return False
        self._last = timestamp
        self._freshness.record_frame(timestamp, width, height)
        self._sent.put(Picture(timestamp, width, height, jpeg=jpeg, arrived=now_ms()))
        return True

    def _paint(self) -> None:
        seen = 0
        while True:
            sent = self._sent.newest(seen, timeout=1.0)
            if sent is None:
                continue
            seen, image = sent.timestamp, sent.pixels()
            if image is not None:
                self._masks.paint(image)
                height, width = image.shape[:2]  # a JPEG may say that it is to be turned
                self.slot.put(Picture(seen, width, height, image, arrived=sent.arrived))

    def health(self) -> Health:
        """What is true now."""
        return self._freshness.health()

    def stuck(self) -> str | None:
        """Never: there is no native code to be stuck in."""
        return None
