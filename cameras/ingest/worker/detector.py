"""The built-in detector, and the canvas that maps pictures to detector input and boxes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.live.frames import Detection

Image = NDArray[np.uint8]
Numbers = NDArray[np.float64]
PAD = 114
NMS_OVERLAP = 0.5  # IoU


class Canvas:
    """A detector's input, BGR [height, width, 3]: a picture scaled to fit, centred and padded."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Image = np.full((height, width, 3), PAD, np.uint8)
        self._picture = (0, 0)  # its width and height
        self._scale, self._left, self._top = 1.0, 0, 0

    def fit(self, image: Image) -> None:
        """Scale a BGR image [height, width, 3] into the canvas."""
        height, width = image.shape[:2]
        most_height, most_width = self.pixels.shape[:2]
        self._picture = width, height
        self._scale = min(most_width / width, most_height / height)
        new_width = min(most_width, max(1, round(width * self._scale)))
        new_height = min(most_height, max(1, round(height * self._scale)))
        self._left, self._top = (most_width - new_width) // 2, (most_height - new_height) // 2
        self.pixels[:] = PAD
        self.pixels[self._top : self._top + new_height, self._left : self._left + new_width] = (
            cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
        )

    def to_detections(
        self,
        boxes: Numbers,
        scores: Numbers,
        classes: NDArray[np.int_],
        groups: NDArray[np.int_],
        names: Sequence[str],
        threshold: float,
    ) -> list[Detection]:
        """Return the candidates that survive non-maximum suppression, best first.

        `boxes` [n, 4] are centre x, centre y, width, height on the canvas. `classes` [n] index
        `names` and `groups`; suppression works within a group. Returned boxes are in pixels of the
        last picture and inside it.
        """
        width, height = self._picture
        cx, cy, across, down = boxes.T
        corners = np.stack((cx - across / 2, cy - down / 2, cx + across / 2, cy + down / 2), axis=1)
        corners[:, (0, 2)] = ((corners[:, (0, 2)] - self._left) / self._scale).clip(0, width)
        corners[:, (1, 3)] = ((corners[:, (1, 3)] - self._top) / self._scale).clip(0, height)
        sides = corners[:, 2:] - corners[:, :2]
        valid = np.isfinite(corners).all(axis=1) & (sides >= 1).all(axis=1)
        corners, sides = corners[valid], sides[valid]
        scores, classes = scores[valid], classes[valid]
        if not len(corners):
            return []
        bboxes = np.hstack((corners[:, :2], sides))
        kept = cv2.dnn.NMSBoxesBatched(
            bboxes.tolist(), scores.tolist(), groups[classes].tolist(), threshold, NMS_OVERLAP
        )
        return [
            Detection(names[classes[i]], float(scores[i]), _to_bbox(bboxes[i]))
            for i in np.asarray(kept, dtype=int).ravel()
        ]


def _to_bbox(row: Numbers) -> tuple[float, float, float, float]:
    x, y, width, height = (float(value) for value in row)
    return x, y, width, height


WEIGHTS = Path(__file__).resolve().parents[2] / "data" / "nanodet_g_256x416_fp16.onnx"
WIDTH, HEIGHT = 416, 256
VEHICLES = frozenset({"car", "truck", "bus"})  # one vehicle is often detected as two of these


class Detector:
    """The built-in detector, NanoDet, for a choice of COCO classes. Not thread-safe.

    `threshold` is a confidence from 0 to 1. Unknown class names are ignored. Raises `cv2.error`
    if the weights cannot be read.
    """

    def __init__(self, threshold: float = 0.40, classes: Iterable[str] = DEFAULT_CLASSES) -> None:
        cv2.setNumThreads(1)
        self.threshold = threshold
        wanted = set(classes)
        self._classes = np.array([i for i, name in enumerate(COCO) if name in wanted], dtype=int)
        self._groups = nms_groups(COCO)
        self._net: Any = cv2.dnn.readNetFromONNX(str(WEIGHTS))
        self._canvas = Canvas(WIDTH, HEIGHT)

    def detect(self, image: Image) -> list[Detection]:
        """Return the objects in a BGR image [height, width, 3], best first; boxes in pixels."""
        if not len(self._classes):
            return []
        self._canvas.fit(image)
        self._net.setInput(cv2.dnn.blobFromImage(self._canvas.pixels))
        boxes, scores, classes = self._candidates(self._net.forward()[0])
        return self._canvas.to_detections(
            boxes, scores, classes, self._groups, COCO, self.threshold
        )

    def _candidates(self, output: NDArray[np.float32]) -> tuple[Numbers, Numbers, NDArray[np.int_]]:
        """Return boxes [n, 4] on the canvas, scores [n] and class indices [n] above the threshold.

        `output` is [84, cells]: centre x, centre y, width, height, then a score per class.
        """
        scores = output[4:][self._classes]
        best = scores.argmax(axis=0)
        top = scores[best, np.arange(scores.shape[1])]
        above = top >= self.threshold
        boxes = output[:4, above].T.astype(np.float64)
        return boxes, top[above].astype(np.float64), self._classes[best[above]]


def nms_groups(labels: Iterable[str]) -> NDArray[np.int_]:
    """Return the suppression group of each label: its own index; vehicles share one."""
    names = list(labels)
    vehicles = [at for at, name in enumerate(names) if name in VEHICLES]
    groups = np.arange(len(names))
    groups[vehicles] = vehicles[:1]
    return groups
