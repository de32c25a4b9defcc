"""FFmpeg through OpenCV: opening a video, and time limits for native code."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2

from cameras.ingest.sources.opening import Opening
from cameras.live.jpeg import MAX_PIXELS, MAX_SIDE

OPEN_TIMEOUT = 5.0  # seconds; FFmpeg's own
READ_TIMEOUT = 7.5  # a camera that shows less than a frame in this time is opened again
OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
LIMIT_S = 4.0  # seconds for one picture; a whole 40 megapixels take about one
OVERDUE = (
    "A picture took too long to decode; the process that reads this camera is being restarted."
)

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


def too_large(width: float, height: float) -> str | None:
    """A sentence where pictures of that size are not taken."""
    if max(width, height) <= MAX_SIDE and width * height <= MAX_PIXELS:
        return None
    return (
        f"The camera's pictures are {width:.0f}×{height:.0f} pixels; 40 megapixels and sides of "
        "16,384 are the limit."
    )


def open_capture(opening: Opening, timeout: float = OPEN_TIMEOUT) -> Any:
    """A `cv2.VideoCapture`, opened or not. One thread of a process at a time: see OPTIONS."""
    if isinstance(opening.target, int):
        device = cv2.VideoCapture(opening.target, cv2.CAP_V4L2)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return device
    # OpenCV's and FFmpeg's complaints name the URL, password and all.
    cv2.utils.logging.setLogLevel(0)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    settings = {  # accepted in the constructor only
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: int(timeout * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: int(READ_TIMEOUT * 1000),
        cv2.CAP_PROP_N_THREADS: 1,
    }
    flat = [value for pair in settings.items() for value in pair]
    os.environ[OPTIONS] = opening.environment  # read by the constructor, for the whole process
    try:
        return cv2.VideoCapture(opening.target, cv2.CAP_FFMPEG, flat)
    finally:
        del os.environ[OPTIONS]
