"""Objects in one picture: NanoDet (COCO, 80 classes) through OpenCV's DNN module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.boxes import Canvas, Numbers
from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.live.frames import Detection

Image = NDArray[np.uint8]

WEIGHTS = Path(__file__).resolve().parent.parent / "data" / "nanodet_g_256x416_fp16.onnx"
WIDTH, HEIGHT = 416, 256

VEHICLES = frozenset({"car", "truck", "bus"})  # one vehicle is often seen as two of these


class Detector:
    """Finds objects of the chosen classes. Not thread-safe: one thread owns it.

    `threshold` is a confidence from 0 to 1. Unknown class names are ignored. Raises `cv2.error`
    where the weights cannot be read.
    """

    def __init__(self, threshold: float = 0.40, classes: Iterable[str] = DEFAULT_CLASSES) -> None:
        cv2.setNumThreads(1)
        self.threshold = threshold
        wanted = set(classes)
        self._classes = np.array([i for i, name in enumerate(COCO) if name in wanted], dtype=int)
        self._groups = groups(COCO)
        self._net: Any = cv2.dnn.readNetFromONNX(str(WEIGHTS))
        self._canvas = Canvas(WIDTH, HEIGHT)

    def detect(self, image: Image) -> list[Detection]:
        """Objects in a BGR image [height, width, 3], best first; boxes in its pixels, inside it."""
        if not len(self._classes):
            return []
        self._canvas.fit(image)
        self._net.setInput(cv2.dnn.blobFromImage(self._canvas.pixels))
        boxes, scores, classes = self._candidates(self._net.forward()[0])
        return self._canvas.settle(boxes, scores, classes, self._groups, COCO, self.threshold)

    def _candidates(self, output: NDArray[np.float32]) -> tuple[Numbers, Numbers, NDArray[np.int_]]:
        """Boxes [n, 4] on the canvas, scores [n] and class indices [n] above the threshold.

        `output` is [84, cells]: centre x, centre y, width, height, then a score per class.
        """
        among = output[4:][self._classes]
        best = among.argmax(axis=0)
        top = among[best, np.arange(among.shape[1])]
        chosen = top >= self.threshold
        boxes = output[:4, chosen].T.astype(np.float64)
        return boxes, top[chosen].astype(np.float64), self._classes[best[chosen]]


def groups(labels: Iterable[str]) -> NDArray[np.int_]:
    """For NMS each class is a group of its own; vehicles share one."""
    names = list(labels)
    vehicles = [at for at, name in enumerate(names) if name in VEHICLES]
    made = np.arange(len(names))
    made[vehicles] = vehicles[:1]
    return made
