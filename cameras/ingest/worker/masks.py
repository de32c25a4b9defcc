"""Privacy masks: areas of a camera's picture that are painted over before anything else uses it.

Each area is painted with a margin of `MARGIN` pixels: in a compressed picture, traces of a pixel
may appear anywhere in its block (16 × 16 pixels in JPEG and H.264) and, through smoothing, a little
beyond the block's edge.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Polygon = Sequence[Sequence[float]]

MARGIN = 18  # pixels: the rest of a block, and 3 beyond it
SMALL_MARGIN = 2  # the same of a picture scaled down to 200 pixels or so
GREY = 112
STRIP = 64  # rows painted at a time, which bounds the grey buffer
_SHIFT = 8  # fractional bits of a corner's coordinates


class Masks:
    """The masks of one camera; false if there are none. Thread-safe.

    `polygons` have corners `[x, y]`, from 0 to 1 of the picture as it is shown. The bitmaps of the
    last sizes are cached.
    """

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._polygons = polygons
        self._lock = threading.Lock()
        self._size = (0, 0)
        self._left = self._top = 0
        self._bitmap: Image = np.zeros((0, 0), np.uint8)
        self._grey: Image = np.zeros((0, 0, 3), np.uint8)
        self._small: Image = np.zeros((0, 0), np.uint8)

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def paint(self, image: Image) -> None:
        """Paint over the areas in BGR pixels [height, width, 3], in place.

        Raises `ValueError` if the array cannot be painted in place.
        """
        if self._polygons:
            with self._lock:
                self._paint(image)

    def paint_luma(self, luma: Image) -> None:
        """The same for brightness [height, width], scaled down."""
        if self._polygons:
            with self._lock:
                if luma.shape != self._small.shape:
                    self._small = self._filled(luma.shape[1], luma.shape[0], SMALL_MARGIN)
                luma[self._small > 0] = GREY

    def _paint(self, image: Image) -> None:
        height, width = image.shape[:2]
        if (width, height) != self._size:
            self._prepare(width, height)
        right = self._left + self._bitmap.shape[1]
        for row in range(0, self._bitmap.shape[0], STRIP):
            bitmap = self._bitmap[row : row + STRIP]
            top = self._top + row
            part = image[top : top + len(bitmap), self._left : right]
            painted = cv2.copyTo(self._grey[: len(bitmap)], bitmap, part)
            if not np.shares_memory(painted, part):
                raise ValueError("The picture's pixels cannot be painted in place.")

    def _filled(self, width: int, height: int, margin: int) -> Image:
        whole = np.zeros((height, width), np.uint8)
        for polygon in self._polygons:
            whole |= _fill(polygon, width, height)
        reach = 2 * margin + 1
        return np.asarray(cv2.dilate(whole, np.ones((reach, reach), np.uint8)), np.uint8)

    def _prepare(self, width: int, height: int) -> None:
        whole = self._filled(width, height, MARGIN)
        left, top, across, down = cv2.boundingRect(whole)
        self._size, self._left, self._top = (width, height), left, top
        self._bitmap = whole[top : top + down, left : left + across].copy()
        self._grey = np.full((min(STRIP, down), across, 3), GREY, np.uint8)


def _fill(polygon: Polygon, width: int, height: int) -> Image:
    """Return [height, width] with 255 inside and on the outline, else 0.

    OpenCV's own filling leaves holes if an outline crosses itself, so its contour is filled too.
    """
    filled: Image = np.zeros((height, width), np.uint8)
    points = (np.array(polygon, np.float64) * (width, height) - 0.5) * (1 << _SHIFT)
    corners = [np.rint(points).astype(np.int32)]
    cv2.fillPoly(filled, corners, 255, shift=_SHIFT)
    cv2.polylines(filled, corners, True, 255, shift=_SHIFT)
    outlines, _ = cv2.findContours(filled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, outlines, -1, 255, cv2.FILLED)
    return filled
