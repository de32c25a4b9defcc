"""What clients post to `actions/send`."""

from __future__ import annotations

import base64
import time
from typing import Any

from tests.sockets import jpeg


def now() -> int:
    """Unix ms."""
    return int(time.time() * 1000)


def picture(shade: int = 90) -> str:
    """A small grey JPEG as base64."""
    return base64.b64encode(jpeg(shade=shade)).decode()


def parcel(camera: str, **changes: Any) -> dict[str, Any]:
    """A good body for this camera or stream key; `...` as a value leaves the field out."""
    made = {
        "streamName": "webcam",
        "streamType": "frame",
        "frame": picture(),
        "timestamp": now(),
        "camera_id": camera,
    } | changes
    return {key: value for key, value in made.items() if value is not ...}
