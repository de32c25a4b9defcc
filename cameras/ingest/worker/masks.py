"""Privacy masks: areas of a camera's picture that are painted over before anything looks at it.

Painted is what the areas touch and `MARGIN` pixels around it, because a picture that came
compressed shows traces of each of its blocks (16 × 16 pixels in JPEG and H.264, and what smoothing
carries over a block's edge) anywhere in that block.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Polygon = Sequence[Sequence[float]]

MARGIN = 18  # pixels: the rest of a block, and 3 beyond it
GREY = 112
STRIP = 64  # rows that are painted at a time: so much grey is kept
_SHIFT = 8  # fractional bits of a corner's place


class Masks:
    """The masks of one camera. Not thread-safe: one thread paints.

    `polygons` have corners `[x, y]` from 0 to 1 of the picture as it is shown. False where there
    are none. Keeps what is to be painted for the size that came last.
    """

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._polygons = polygons
        self._size = (0, 0)
        self._left = self._top = 0
        self._where: Image = np.zeros((0, 0), np.uint8)
        self._grey: Image = np.zeros((0, 0, 3), np.uint8)

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def paint(self, image: Image) -> None:
        """Paint over the areas in BGR pixels [height, width, 3], in place."""
        if not self._polygons:
            return
        height, width = image.shape[:2]
        if (width, height) != self._size:
            self._prepare(width, height)
        right = self._left + self._where.shape[1]
        for row in range(0, self._where.shape[0], STRIP):
            where = self._where[row : row + STRIP]
            top = self._top + row
            part = image[top : top + len(where), self._left : right]
            painted = cv2.copyTo(self._grey[: len(where)], where, part)
            if not np.shares_memory(painted, part):
                raise ValueError("The picture's pixels cannot be painted in place.")

    def _prepare(self, width: int, height: int) -> None:
        whole = np.zeros((height, width), np.uint8)
        for polygon in self._polygons:
            whole |= _filled(polygon, width, height)
        reach = 2 * MARGIN + 1
        whole = cv2.dilate(whole, np.ones((reach, reach), np.uint8))  # type: ignore[assignment]
        left, top, across, down = cv2.boundingRect(whole)
        self._size, self._left, self._top = (width, height), left, top
        self._where = whole[top : top + down, left : left + across].copy()
        self._grey = np.full((min(STRIP, down), across, 3), GREY, np.uint8)


def _filled(polygon: Polygon, width: int, height: int) -> Image:
    """255 [height, width] inside and on the outline, and in whatever the outline encloses.

    OpenCV's own filling leaves holes where an outline crosses itself.
    """
    made: Image = np.zeros((height, width), np.uint8)
    places = (np.array(polygon, np.float64) * (width, height) - 0.5) * (1 << _SHIFT)
    corners = [np.rint(places).astype(np.int32)]
    cv2.fillPoly(made, corners, 255, shift=_SHIFT)
    cv2.polylines(made, corners, True, 255, shift=_SHIFT)
    outlines, _ = cv2.findContours(made, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(made, outlines, -1, 255, cv2.FILLED)
    return made
