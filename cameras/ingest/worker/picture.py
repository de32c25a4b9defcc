"""One captured picture, the slot in which it waits, and a limit on the time of its decoding."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LIMIT_S = 4.0  # seconds for one picture; a whole 40 megapixels take about one
OVERDUE = "A picture took too long to decode; its reader is being restarted."

Image = NDArray[np.uint8]

_running: dict[int, float] = {}  # when a decode began, monotonic, by the thread that waits for it


@contextmanager
def timed() -> Iterator[None]:
    """Around a decode, which nothing in this process can end: see `overdue`."""
    thread = threading.get_ident()
    _running[thread] = time.monotonic()
    try:
        yield
    finally:
        del _running[thread]


def overdue() -> bool:
    """Whether one takes longer than `LIMIT_S`; only ending the process helps."""
    began = min(list(_running.values()), default=None)
    return began is not None and time.monotonic() - began > LIMIT_S


@dataclass(frozen=True, slots=True)
class Picture:
    """A captured picture; `timestamp` is its capture time in unix ms.

    `arrived` is when a picture that a device sent came to us, by our clock in unix ms.
    It holds BGR pixels [height, width, 3], or the JPEG a device sent.
    """

    timestamp: int
    width: int
    height: int
    image: Image | None = None
    jpeg: bytes | None = None
    arrived: int | None = None

    def pixels(self) -> Image | None:
        """The pixels, decoded from the JPEG where need be; None where it cannot be decoded."""
        if self.image is not None or self.jpeg is None:
            return self.image
        with timed():
            made = cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR)
        return None if made is None else made.astype(np.uint8, copy=False)


class Slot:
    """Holds one picture; the newest wins. Any number of readers, each with its own place."""

    def __init__(self) -> None:
        self._picture: Picture | None = None
        self._changed = threading.Condition()

    def put(self, picture: Picture) -> None:
        """Replace what is there."""
        with self._changed:
            self._picture = picture
            self._changed.notify_all()

    def newest(self, after: int = 0, timeout: float = 0.0) -> Picture | None:
        """The newest picture taken after that unix ms; waits up to `timeout` seconds for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready(after), timeout)
            return self._picture if self._ready(after) else None

    def _ready(self, after: int) -> bool:
        return self._picture is not None and self._picture.timestamp > after
