"""A camera whose frames are pushed by a device: the interface of `Capture` without a connection."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from cameras.ingest.worker.freshness import Freshness, Health
from cameras.ingest.worker.masks import Masks
from cameras.ingest.worker.picture import Picture, Slot
from cameras.live.jpeg import FrameError, jpeg_orientation, jpeg_size

# Accepted frames overtake each other by less; an older one means that a clock was set back.
DEVICE_SET_BACK_MS = 30_000


class Push:
    """Takes JPEGs; keeps the newest. `rate` is there for the interface: every frame is shown.

    With masks, or where a JPEG says that it is turned, a thread decodes the newest one, and only
    its upright, painted pixels come into `slot`: what cannot be decoded is not shown at all.
    """

    def __init__(self, masks: Masks | None = None) -> None:
        self.rate = 0.0
        self.slot = Slot()
        self._masks = masks or Masks()
        self._unprepared = Slot()
        self._freshness = Freshness("offline", "Waiting for the first frame.", "Nothing was sent")
        self._run, self._last = 0, 0

    def start(self) -> None:
        """Frames come by `take`; what is to be started is their decoding."""
        threading.Thread(target=self._prepare, name="push", daemon=True).start()

    def take(self, timestamp: int, jpeg: bytes, captured_at: float | None = None) -> bool:
        """A pushed frame, `timestamp` in unix ms. False where it is not newer, or not a JPEG.

        `captured_at` is when it came to us, in seconds of `time.monotonic`; None is now.
        """
        is_set_back = timestamp < self._last - DEVICE_SET_BACK_MS
        if timestamp <= self._last and not is_set_back:
            return False
        try:
            width, height = jpeg_size(jpeg)
        except FrameError:
            return False
        self._run, self._last = self._run + is_set_back, timestamp
        at = time.monotonic() if captured_at is None else captured_at
        orientation = jpeg_orientation(jpeg)
        if orientation >= 5:
            width, height = height, width
        self._freshness.record_frame(timestamp, width, height, at)
        slot = self._unprepared if self._masks or orientation != 1 else self.slot
        slot.put(Picture(timestamp, width, height, jpeg=jpeg, run=self._run, captured_at=at))
        return True

    def _prepare(self) -> None:
        seen: Picture | None = None
        while True:
            sent = self._unprepared.newest(seen, timeout=1.0)
            if sent is None:
                continue
            seen, image = sent, sent.pixels()
            if image is not None:
                self._masks.paint(image)
                height, width = image.shape[:2]
                painted = replace(sent, width=width, height=height, image=image, jpeg=None)
                self.slot.put(painted)

    @property
    def interval(self) -> float:
        """Seconds between two frames, of a camera that sends less than one a second; else 0."""
        return self._freshness.slow_interval

    def health(self) -> Health:
        """What is true now."""
        return self._freshness.health()

    def stuck(self) -> str | None:
        """Never: there is no native code to be stuck in."""
        return None
