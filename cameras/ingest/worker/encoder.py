"""From a captured picture to the frames that are delivered: reduced, encoded once, with objects."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2

from cameras.ingest.worker.stream import Picture
from cameras.live.frames import Detection, Frame
from cameras.live.variants import NATIVE, Pace


class Encoder:
    """What viewers want made of a camera's pictures: some widths, each at most so often.

    A picture is encoded once for each size in which it is due, however many widths come to the
    same size. Thread-safe.
    """

    def __init__(self, fps: float, width: int | None, quality: int) -> None:
        """`fps`, `width` and `quality` (1-100) are the camera's own bounds."""
        self._fps, self._width, self._quality = fps, width, quality
        self._paces: dict[int, Pace | None] = {}
        self._lock = threading.Lock()
        self.encodes = 0

    def wish(self, rates: Iterable[tuple[int, int]]) -> list[int]:
        """From now on make these: width, and frames a second at most. Returns the new widths.

        `NATIVE` is every picture that comes: a camera is captured at its own rate, and a device
        pushes at what rate it likes.
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
        """Pictures a second that are to be captured for them; 0 where nobody looks."""
        with self._lock:
            rates = [self._fps if pace is None else pace.fps for pace in self._paces.values()]
        return min(self._fps, max(rates, default=0.0))

    def due(self, now_ms: int) -> list[int]:
        """The widths in which the picture that comes at that monotonic ms is wanted."""
        with self._lock:
            return [
                width for width, pace in self._paces.items() if pace is None or pace.takes(now_ms)
            ]

    def of(
        self, picture: Picture, widths: list[int], objects: list[Detection] | None
    ) -> Iterator[tuple[int, Frame]]:
        """The picture in these widths, numbered 0; nothing where it cannot be decoded."""
        made: dict[int, Frame] = {}
        for width in widths:
            most = min(width or picture.width, self._width or picture.width, picture.width)
            if most not in made:
                frame = deliver(picture, most, self._quality, objects)
                if frame is None:
                    return
                self.encodes += frame.jpeg is not picture.jpeg
                made[most] = frame
            yield width, made[most]

    def still(self, picture: Picture, objects: list[Detection] | None) -> Frame | None:
        """The picture as the camera's settings have it; None where it cannot be decoded."""
        return next((frame for _, frame in self.of(picture, [NATIVE], objects)), None)


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
    found = (
        None if objects is None else [_scaled(each, picture, size).to_dict() for each in objects]
    )
    return Frame(jpeg, picture.timestamp, 0, *size, found, picture.arrived)


def _scaled(detection: Detection, picture: Picture, size: tuple[int, int]) -> Detection:
    """Each side by its own scale: the delivered size is rounded to whole pixels."""
    across, down = size[0] / picture.width, size[1] / picture.height
    x, y, width, height = detection.bbox
    return replace(detection, bbox=(x * across, y * down, width * across, height * down))
