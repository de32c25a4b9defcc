"""Pictures with noise in the masked area, and checks that none of it shows through."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np

from tests.sockets import pixels

WIDTH, HEIGHT = 640, 360
MASKS = [[[0.3, 0.15], [0.8, 0.3], [0.7, 0.85], [0.2, 0.7]]]
GREY = 112

Image = np.ndarray[Any, Any]


def area(width: int, height: int) -> Image:
    """Return a bitmap [height, width] that is True inside MASKS."""
    filled = np.zeros((height, width), np.uint8)
    for polygon in MASKS:
        corners = np.rint(np.array(polygon) * (width, height) - 0.5).astype(np.int32)
        cv2.fillPoly(filled, [corners], 255)
    return filled > 0


@cache
def scene(secret: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Return a gradient with high-contrast noise inside the masks; `secret` seeds the noise."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    picture = np.dstack((across, down, 255 - across)).astype(np.uint8)
    cells = np.random.default_rng(secret).integers(0, 2, (height // 4 + 1, width // 4 + 1, 3)) * 255
    noise = cells.repeat(4, 0).repeat(4, 1)[:height, :width].astype(np.uint8)
    inside = area(width, height)
    picture[inside] = noise[inside]
    return picture


@cache
def secret_jpeg(secret: int, sampling: int = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420) -> bytes:
    """Return the scene as a JPEG, as a device would send it."""
    how = [cv2.IMWRITE_JPEG_QUALITY, 70, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return bytes(cv2.imencode(".jpg", scene(secret), how)[1])


def is_covered(picture: Image | bytes | str) -> bool:
    """Whether everything inside MASKS is grey, at any picture size.

    The tolerance allows for ringing at the mask's edge after encoding, strongest in small sizes.
    """
    image = pixels(picture) if isinstance(picture, bytes | str) else picture
    inside = image[area(image.shape[1], image.shape[0])].astype(int)
    return bool((abs(inside - GREY) <= 16).all())


def is_loud(picture: Image | bytes | str) -> bool:
    """Whether the noise is visible inside the masks."""
    image = pixels(picture) if isinstance(picture, bytes | str) else picture
    return bool(image[area(image.shape[1], image.shape[0])].astype(int).std() > 60)


def likeness(picture: Image | bytes, secret: int) -> float:
    """Return the correlation, 0 to 1, of the picture in and around the masks with a secret.

    What does not depend on the secret is subtracted first.
    """
    image = pixels(picture) if isinstance(picture, bytes) else picture
    height, width = image.shape[:2]
    kept = cv2.dilate(area(width, height).astype(np.uint8), np.ones((81, 81), np.uint8)) > 0
    noise = scene(secret, width, height).astype(float) - scene(secret + 1000, width, height)
    blurred = cv2.GaussianBlur(image.astype(float), (0, 0), 8)
    left, right = (image - blurred)[kept].ravel(), noise[kept].ravel()
    left, right = left - left.mean(), right - right.mean()
    return float(abs(left @ right) / (np.linalg.norm(left) * np.linalg.norm(right) + 1e-9))
