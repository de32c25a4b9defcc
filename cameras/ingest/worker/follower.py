"""Detection a few times a second, and tracking of the objects in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import COCO, select_labels
from cameras.ingest.worker.custom_detector import CustomDetector, CustomModel
from cameras.ingest.worker.detector import Detector, Image
from cameras.ingest.worker.picture import Picture, Slot
from cameras.ingest.worker.tracker import Tracker
from cameras.live.frames import Detection

DETECTIONS_PER_SECOND = 5.0
WEAK_RATIO = 0.6  # of the threshold: weaker detections may continue a track but not start one


class Follower:
    """Detects on the newest picture of `slot` and feeds `tracker`, which predicts boxes in between.

    `on_model_failure` is called with a custom model's id and a sentence for each of its failures.
    """

    def __init__(
        self, slot: Slot, config: dict[str, Any], on_model_failure: Callable[[str, str], None]
    ) -> None:
        self._slot, self._on_model_failure = slot, on_model_failure
        self._threshold = float(config.get("threshold", 0.4))
        self._classes = list(config.get("classes") or ())
        self._model = CustomModel.from_config(config.get("model"))
        self.tracker = Tracker(self._threshold)

    def set_model(self, model: dict[str, Any] | None) -> None:
        """Use this custom model from the next picture on; None for the built-in detector."""
        self._model = CustomModel.from_config(model)

    def run(self) -> None:
        """Detect on the newest picture and update the tracker, until the process ends."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)  # Linux: this thread only
        detector = FallbackDetector(
            self._threshold * WEAK_RATIO, self._classes, self._on_model_failure
        )
        last: Picture | None = None
        while True:
            picture = self._slot.newest(last, timeout=1.0)
            if picture is None:
                continue
            began, last = time.monotonic(), picture
            image = picture.pixels()
            if image is not None:
                size = (picture.width, picture.height)
                detector.set_model(self._model)
                self.tracker.update(detector.detect(image), picture.monotonic_ms, size)
            time.sleep(max(0.0, began + 0.95 / DETECTIONS_PER_SECOND - time.monotonic()))


RETRY_S = 3.0  # after a failure the built-in detector takes over for this long


class FallbackDetector:
    """Detects with the custom model, or with the built-in detector while that one fails.

    Not thread-safe: one thread owns it. `on_model_failure` is called with the model's id and a
    sentence for each failure that is the model's fault.
    """

    def __init__(
        self,
        threshold: float,
        classes: Iterable[str],
        on_model_failure: Callable[[str, str], None],
    ) -> None:
        self._threshold, self._classes = threshold, list(classes)
        self._on_model_failure = on_model_failure
        self._model: CustomModel | None = None
        self._custom: CustomDetector | None = None
        self._builtin: Detector | None = None
        self._retry_at = 0.0

    def set_model(self, model: CustomModel | None) -> None:
        """Use this custom model from the next picture on; None for the built-in detector."""
        if model != self._model:
            self._close_custom()
            self._model, self._retry_at = model, 0.0

    def detect(self, image: Image) -> list[Detection]:
        """Like `Detector.detect`."""
        if self._model is not None and time.monotonic() >= self._retry_at:
            try:
                if self._custom is None:
                    self._custom = CustomDetector(self._model, self._threshold, self._classes)
                    self._builtin = None
                return self._custom.detect(image)
            except ModelFailed as error:
                self._on_model_failure(self._model.id, error.sentence)
            except OSError:
                pass  # no file yet, or no process left on the machine: not the model's fault
            self._close_custom()
            self._retry_at = time.monotonic() + RETRY_S
        if self._builtin is None:
            self._builtin = Detector(self._threshold, select_labels(self._classes, COCO))
        return self._builtin.detect(image)

    def _close_custom(self) -> None:
        if self._custom is not None:
            with suppress(OSError):
                self._custom.close()
            self._custom = None
