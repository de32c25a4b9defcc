"""What is seen on a camera's pictures: found some times a second, and followed in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import COCO, select_labels
from cameras.ingest.worker.custom_detector import Own, OwnDetector
from cameras.ingest.worker.detector import Detector, Image
from cameras.ingest.worker.stream import Slot
from cameras.ingest.worker.tracker import Tracker
from cameras.live.frames import Detection

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


AGAIN_S = 3.0  # after a failure the shipped weights do it for so long


class Sight:
    """Detects, whatever becomes of the own model. Not thread-safe: one thread owns it.

    `blame` is told the model's id and a sentence for each failure that is the model's fault.
    """

    def __init__(
        self, threshold: float, classes: Iterable[str], blame: Callable[[str, str], None]
    ) -> None:
        self._threshold, self._classes = threshold, list(classes)
        self._blame = blame
        self._own: Own | None = None
        self._with: OwnDetector | None = None
        self._shipped: Detector | None = None
        self._not_before = 0.0

    def use(self, own: Own | None) -> None:
        """From the next picture on, detect with this one; None for the shipped weights."""
        if own != self._own:
            self._drop()
            self._own, self._not_before = own, 0.0

    def detect(self, image: Image) -> list[Detection]:
        """As `Detector.detect`."""
        if self._own is not None and time.monotonic() >= self._not_before:
            try:
                if self._with is None:
                    self._with = OwnDetector(self._own, self._threshold, self._classes)
                    self._shipped = None
                return self._with.detect(image)
            except ModelFailed as error:
                self._blame(self._own.id, error.sentence)
            except OSError:
                pass  # no file yet, or no process to be had: not the model's fault
            self._drop()
            self._not_before = time.monotonic() + AGAIN_S
        if self._shipped is None:
            self._shipped = Detector(self._threshold, select_labels(self._classes, COCO))
        return self._shipped.detect(image)

    def _drop(self) -> None:
        if self._with is not None:
            with suppress(OSError):
                self._with.close()
            self._with = None
