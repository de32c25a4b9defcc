"""Objects in one picture: NanoDet (COCO, 80 classes) through OpenCV's DNN module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.live.frames import Detection

Image = NDArray[np.uint8]

WEIGHTS = Path(__file__).resolve().parent.parent / "data" / "nanodet_g_256x416_fp16.onnx"
WIDTH, HEIGHT = 416, 256
PAD = 114
NMS_OVERLAP = 0.5

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
        # For NMS each class is a group of its own; vehicles share one.
        self._groups = np.arange(len(COCO))
        self._groups[[COCO.index(name) for name in VEHICLES]] = COCO.index("car")
        self._net: Any = cv2.dnn.readNetFromONNX(str(WEIGHTS))
        self._canvas = np.full((HEIGHT, WIDTH, 3), PAD, np.uint8)

    def detect(self, image: Image) -> list[Detection]:
        """Objects in a BGR image [height, width, 3], best first; boxes in its pixels, inside it."""
        if not len(self._classes):
            return []
        height, width = image.shape[:2]
        scale, left, top = self._letterbox(image)
        self._net.setInput(cv2.dnn.blobFromImage(self._canvas))
        boxes, scores, labels = self._candidates(self._net.forward()[0])
        boxes[:, (0, 2)] = ((boxes[:, (0, 2)] - left) / scale).clip(0, width)
        boxes[:, (1, 3)] = ((boxes[:, (1, 3)] - top) / scale).clip(0, height)
        sides = boxes[:, 2:] - boxes[:, :2]
        sound = np.isfinite(boxes).all(axis=1) & (sides >= 1).all(axis=1)
        boxes, sides, scores, labels = boxes[sound], sides[sound], scores[sound], labels[sound]
        if not len(boxes):
            return []
        kept = cv2.dnn.NMSBoxesBatched(
            np.hstack((boxes[:, :2], sides)).tolist(),
            scores.tolist(),
            self._groups[labels].tolist(),
            self.threshold,
            NMS_OVERLAP,
        )
        return [
            Detection(
                COCO[labels[i]],
                float(scores[i]),
                (float(boxes[i, 0]), float(boxes[i, 1]), float(sides[i, 0]), float(sides[i, 1])),
            )
            for i in np.asarray(kept, dtype=int).ravel()
        ]

    def _letterbox(self, image: Image) -> tuple[float, int, int]:
        """Fit the image into the canvas, centred; the scale and the offset of its corner."""
        height, width = image.shape[:2]
        scale = min(WIDTH / width, HEIGHT / height)
        new_width = min(WIDTH, max(1, round(width * scale)))
        new_height = min(HEIGHT, max(1, round(height * scale)))
        left, top = (WIDTH - new_width) // 2, (HEIGHT - new_height) // 2
        self._canvas[:] = PAD
        self._canvas[top : top + new_height, left : left + new_width] = cv2.resize(
            image, (new_width, new_height), interpolation=cv2.INTER_LINEAR
        )
        return scale, left, top

    def _candidates(
        self, output: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int_]]:
        """Corners [n, 4] in canvas pixels, scores [n] and class indices [n] above the threshold.

        `output` is [84, cells]: centre x, centre y, width, height, then a score per class.
        """
        among = output[4:][self._classes]
        best = among.argmax(axis=0)
        top = among[best, np.arange(among.shape[1])]
        chosen = top >= self.threshold
        cx, cy, width, height = output[:4, chosen].astype(np.float64)
        corners = np.stack(
            (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2), axis=1
        )
        return corners, top[chosen].astype(np.float64), self._classes[best[chosen]]
