"""What a camera's worker detects with: the organization's own model, or the shipped weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from cameras.ingest.boxes import Image
from cameras.ingest.detector import Detector
from cameras.ingest.labels import COCO, chosen
from cameras.ingest.own.detector import Own, OwnDetector
from cameras.ingest.own.terms import ModelFailed
from cameras.live.frames import Detection

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
            self._shipped = Detector(self._threshold, chosen(self._classes, COCO))
        return self._shipped.detect(image)

    def _drop(self) -> None:
        if self._with is not None:
            with suppress(OSError):
                self._with.close()
            self._with = None
