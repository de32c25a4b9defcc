"""Decoding of single pictures, and the time and size limits of native code."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from av import CodecContext, Packet, VideoFrame
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from cameras.live.jpeg import MAX_PIXELS, MAX_SIDE

LIMIT_S = 4.0  # seconds for one picture; a whole 40 megapixels take about one
OVERDUE = "A picture took too long to decode; connecting again."

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


class JPEGDecoder:
    """Decodes the JPEGs of a camera to planes: half of what `cv2.imdecode` costs.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._context = _context()

    def decode(self, jpeg: bytes) -> VideoFrame | None:
        """The frame, not yet turned upright; None where it cannot be decoded.

        `jpeg` has passed `live.jpeg.jpeg_size`.
        """
        try:
            with timed():
                frames = self._context.decode(Packet(jpeg))
        except FFmpegError:
            self._context = _context()
            return None
        return next((frame for frame in frames if isinstance(frame, VideoFrame)), None)


def _context() -> VideoCodecContext:
    context = CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    return context


def decode_still(data: bytes) -> NDArray[np.uint8] | None:
    """A JPEG, PNG or WebP as upright BGR [height, width, 3] of 8 bits; None where it is none."""
    with timed():
        made = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if made is None else made.astype(np.uint8, copy=False)
