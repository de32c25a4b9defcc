"""The picture that every server sends, and the messages that the peers build from it.

A JPEG of about 40 KB. Its comment segment, right after the start, holds the time stamp of a tick:
FFD8 FFFE 0012 and 16 hex digits.
"""

from __future__ import annotations

import base64
import struct
import time
from pathlib import Path

from cameras.live.jpeg import jpeg_size

SIZE = 40_000
WIDTH, HEIGHT = 640, 360
_OPENING = b"\xff\xd8\xff\xfe\x00\x12"


def make(path: Path) -> None:
    """Write a picture of `SIZE` bytes ± 3 %: noise on a ramp, with the JPEG quality that fits."""
    import cv2
    import numpy as np

    ramp = np.linspace(40, 200, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))
    noise = np.random.default_rng(7).normal(0, 12, (HEIGHT, WIDTH, 3))
    pixels = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    jpegs = [
        cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for quality in range(20, 96)
    ]
    plain = min(jpegs, key=lambda jpeg: abs(len(jpeg) - SIZE))
    path.write_bytes(_OPENING + b"0" * 16 + plain[2:])


class Picture:
    """Builds one message per tick, which is sent to all viewers of a camera.

    A tick is 20 hex digits: the stamp and the number of the camera.
    """

    def __init__(self, path: Path) -> None:
        self._jpeg = path.read_bytes()
        self.width, self.height = jpeg_size(self._jpeg)
        self._after_stamp = self._jpeg[len(_OPENING) + 16 :]
        self._seq = 0

    def stamped(self, tick: bytes) -> bytes:
        """Return the JPEG with the time stamp of this tick."""
        return _OPENING + tick[:16] + self._after_stamp

    def json(self, tick: bytes) -> bytes:
        """Return the seed's message, the same bytes as `json.dumps` produces."""
        frame = base64.b64encode(self.stamped(tick))
        return b'{"frame":"%b","timestamp":%d,"camera_id":"%d"}' % (
            frame, _now_ms(), int(tick[16:], 16)
        )  # fmt: skip

    def binary(self, tick: bytes) -> bytes:
        """Return the `sideline.v1` message."""
        self._seq += 1
        head = b'{"timestamp":%d,"seq":%d,"width":%d,"height":%d,"camera_id":"%d","age_ms":0}' % (
            _now_ms(),
            self._seq,
            self.width,
            self.height,
            int(tick[16:], 16),
        )
        return struct.pack(">I", len(head)) + head + self.stamped(tick)


def camera_of(tick: bytes) -> int:
    """Return the number of the tick's camera."""
    return int(tick[16:], 16)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
