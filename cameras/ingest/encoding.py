"""From a captured picture to the frame that is delivered: reduced, encoded once, with objects."""

from __future__ import annotations

from dataclasses import replace

import cv2

from cameras.ingest.pictures import Picture
from cameras.live.frames import Detection, Frame


def deliver(
    picture: Picture, width: int | None, quality: int, objects: list[Detection] | None
) -> Frame | None:
    """The picture at most `width` pixels wide as JPEG of `quality` (1-100), numbered 0.

    `objects` are in the captured picture's pixels and come out in the delivered one's. A pushed
    JPEG that need not be reduced stays as it is. None where the picture cannot be decoded.
    """
    size, jpeg = (picture.width, picture.height), picture.jpeg
    scale = 1.0 if width is None else min(1.0, width / picture.width)
    if scale < 1 or jpeg is None:
        image = picture.pixels()
        if image is None:
            return None
        encoded = image
        if scale < 1:
            size = (round(picture.width * scale), max(1, round(picture.height * scale)))
            encoded = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        jpeg = cv2.imencode(".jpg", encoded, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    found = None if objects is None else [_scaled(each, picture, size).wire() for each in objects]
    return Frame(jpeg, picture.timestamp, 0, *size, found, picture.arrived)


def _scaled(detection: Detection, picture: Picture, size: tuple[int, int]) -> Detection:
    """Each side by its own scale: the delivered size is rounded to whole pixels."""
    across, down = size[0] / picture.width, size[1] / picture.height
    x, y, width, height = detection.bbox
    return replace(detection, bbox=(x * across, y * down, width * across, height * down))
