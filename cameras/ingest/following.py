"""What is seen on a camera's pictures: found some times a second, and followed in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from cameras.ingest.own.detector import Own
from cameras.ingest.own.sight import Sight
from cameras.ingest.pictures import Slot
from cameras.ingest.tracker import Tracker

DETECTIONS_PER_SECOND = 5.0
WEAK = 0.6  # of the threshold: detections that may continue a track but not start one


class Follower:
    """Detects on the newest picture of `slot`; `tracker` knows where the objects are in between.

    `blame` is told a model's id and a sentence for each failure that is the model's fault.
    """

    def __init__(
        self, slot: Slot, config: dict[str, Any], blame: Callable[[str, str], None]
    ) -> None:
        self._slot, self._blame = slot, blame
        self._threshold = float(config.get("threshold", 0.4))
        self._classes = list(config.get("classes") or ())
        self._own = Own.read(config.get("model"))
        self.tracker = Tracker(self._threshold)

    def use(self, model: dict[str, Any] | None) -> None:
        """From the next picture on, detect with this one; None for the shipped weights."""
        self._own = Own.read(model)

    def follow(self) -> None:
        """Detect on the newest picture and hand the result to the tracker."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)  # Linux: this thread only
        sight = Sight(self._threshold * WEAK, self._classes, self._blame)
        seen = 0
        while True:
            picture = self._slot.newest(seen, timeout=1.0)
            if picture is None:
                continue
            began, seen = time.monotonic(), picture.timestamp
            image = picture.pixels()
            if image is not None:
                size = (picture.width, picture.height)
                sight.use(self._own)
                self.tracker.update(sight.detect(image), picture.timestamp, size)
            time.sleep(max(0.0, began + 0.95 / DETECTIONS_PER_SECOND - time.monotonic()))
