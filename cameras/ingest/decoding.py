"""Limits of native code that decodes strangers' pictures: how large, and how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cameras.live.jpeg import MAX_PIXELS, MAX_SIDE

LIMIT_S = 4.0  # seconds for one picture; a whole 40 megapixels take about one
OVERDUE = "A picture took too long to decode; its reader is being restarted."

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
