"""A captured picture, and the slot that holds the newest one."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from cameras.ingest.worker.decoding import timed
from cameras.ingest.worker.upright import UprightFrame

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A captured picture; `timestamp` is its capture time in unix ms, rising within a `run`.

    It holds a decoded frame, or BGR pixels [height, width, 3], or the JPEG a device sent, which is
    upright then. `captured_at` is when it was captured or, if a device sent it, when it came to us:
    seconds of `time.monotonic`.
    """

    timestamp: int
    width: int
    height: int
    image: Image | None = None
    jpeg: bytes | None = None
    run: int = 0
    captured_at: float = field(default_factory=time.monotonic)
    frame: UprightFrame | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the pictures of this process."""
        return self.run, self.timestamp

    @property
    def monotonic_ms(self) -> int:
        """`captured_at` in whole milliseconds, for whatever measures between pictures."""
        return int(self.captured_at * 1000)

    def pixels(self) -> Image | None:
        """The pixels, made where need be; None where a JPEG cannot be decoded.

        Raises `Unconvertible` for a frame that no picture can be made of.
        """
        if self.frame is not None:
            return self.frame.pixels()
        if self.image is not None or self.jpeg is None:
            return self.image
        with timed():
            made = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return None if made is None else made.astype(np.uint8, copy=False)

    def luma(self, width: int, height: int) -> Image | None:
        """Brightness [height, width] of the whole picture, scaled; None as for `pixels`.

        Of a decoded frame it costs a tenth of the pixels.
        """
        if self.frame is not None:
            return self.frame.luma(width, height)
        image = self.pixels()
        if image is None:
            return None
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


class Slot:
    """Holds one picture; the newest wins. Any number of readers, each with its own position."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._changed = threading.Condition()

    def put(self, picture: Picture) -> None:
        """Replace what is there."""
        with self._changed:
            self._picture = picture
            self._changed.notify_all()

    def newest(self, after: Picture | None = None, timeout: float = 0.0) -> Picture | None:
        """The newest picture if it is not `after`; waits up to `timeout` seconds for another."""
        with self._changed:
            self._changed.wait_for(lambda: self._picture is not after, timeout)
            return None if self._picture is after else self._picture
