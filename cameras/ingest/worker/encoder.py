"""Encoding of captured pictures as frames: scaled, encoded once per size, with detections."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2

from cameras.ingest.worker.picture import Picture
from cameras.live.frames import Detection, Frame
from cameras.live.variants import NATIVE, Pace


class Encoder:
    """Encodes a camera's pictures in the requested widths, each at its own maximum rate.

    Widths that result in the same size share one encoded JPEG. Thread-safe.
    """

    def __init__(self, fps: float, width: int | None, quality: int) -> None:
        """`fps`, `width` (pixels or None) and `quality` (1-100) are the camera's own limits."""
        self._fps, self._width, self._quality = fps, width, quality
        self._paces: dict[int, Pace | None] = {}
        self._lock = threading.Lock()
        self.encodes = 0

    def set_rates(self, rates: Iterable[tuple[int, int]]) -> list[int]:
        """Set the requested (width, maximum frames per second) pairs; return the new widths.

        The rate `NATIVE` means every picture, at the rate of the camera or the pushing device.
        """
        with self._lock:
            wanted = dict(rates)
            new = [width for width in wanted if width not in self._paces]
            for width in self._paces.keys() - wanted.keys():
                del self._paces[width]
            for width, fps in wanted.items():
                pace = self._paces.get(width)
                if fps == NATIVE:
                    self._paces[width] = None
                elif pace is None or pace.fps != fps:
                    self._paces[width] = Pace(fps)
        return new

    @property
    def rate(self) -> float:
        """The frames per second to capture for these rates; 0 if there are none."""
        with self._lock:
            rates = [self._fps if pace is None else pace.fps for pace in self._paces.values()]
        return min(self._fps, max(rates, default=0.0))

    def due_widths(self, now_ms: int) -> list[int]:
        """Return the widths in which a picture at that monotonic time in ms is due."""
        with self._lock:
            return [
                width for width, pace in self._paces.items() if pace is None or pace.takes(now_ms)
            ]

    def encode(
        self, picture: Picture, widths: list[int], objects: list[Detection] | None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield each width with its frame, numbered 0; nothing if the picture cannot be decoded."""
        by_size: dict[int, Frame] = {}
        for width in widths:
            target = min(width or picture.width, self._width or picture.width, picture.width)
            if target not in by_size:
                frame = encode_picture(picture, target, self._quality, objects)
                if frame is None:
                    return
                self.encodes += frame.jpeg is not picture.jpeg
                by_size[target] = frame
            yield width, by_size[target]

    def encode_still(self, picture: Picture, objects: list[Detection] | None) -> Frame | None:
        """Return the picture in the camera's own width; None if it cannot be decoded."""
        return next((frame for _, frame in self.encode(picture, [NATIVE], objects)), None)


def encode_picture(
    picture: Picture, width: int | None, quality: int, objects: list[Detection] | None
) -> Frame | None:
    """Encode a picture, at most `width` pixels wide, as a JPEG of `quality` (1-100), numbered 0.

    `objects` are in pixels of the captured picture; the frame's detections are in its own. A pushed
    JPEG that needs no scaling is passed on unchanged. None if the picture cannot be decoded.
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
    found = None if objects is None else [_scale(each, picture, size).to_dict() for each in objects]
    return Frame(jpeg, picture.timestamp, 0, *size, found, picture.run, picture.captured_at)


def _scale(detection: Detection, picture: Picture, size: tuple[int, int]) -> Detection:
    """Scale each side by its own factor, because the frame's size is rounded to whole pixels."""
    across, down = size[0] / picture.width, size[1] / picture.height
    x, y, width, height = detection.bbox
    return replace(detection, bbox=(x * across, y * down, width * across, height * down))
