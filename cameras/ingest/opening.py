"""The one place that opens `cv2.VideoCapture`."""

from __future__ import annotations

import os
from typing import Any

import cv2

from cameras.ingest.addresses import Opening

OPEN_TIMEOUT = 5.0  # seconds; FFmpeg's own
READ_TIMEOUT = 7.5  # a camera that shows less than a frame in this time is opened again
OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def open_capture(opening: Opening, timeout: float = OPEN_TIMEOUT) -> Any:
    """A `cv2.VideoCapture`, opened or not. One thread of a process at a time: see OPTIONS."""
    if isinstance(opening.target, int):
        device = cv2.VideoCapture(opening.target, cv2.CAP_V4L2)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return device
    cv2.utils.logging.setLogLevel(
        0
    )  # OpenCV's and FFmpeg's complaints name the URL, password and all
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
