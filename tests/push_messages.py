"""Request bodies for `actions/send`."""

from __future__ import annotations

import base64
import time
from typing import Any

from tests.sockets import jpeg


def now() -> int:
    """Return the current time in unix ms."""
    return int(time.time() * 1000)


def picture(shade: int = 90) -> str:
    """Return a small grey JPEG as base64."""
    return base64.b64encode(jpeg(shade=shade)).decode()


def send_body(camera: str, **changes: Any) -> dict[str, Any]:
    """Return a valid body for this camera or stream key; `...` as a value omits the field."""
    body = {
        "streamName": "webcam",
        "streamType": "frame",
        "frame": picture(),
        "timestamp": now(),
        "camera_id": camera,
    } | changes
    return {key: value for key, value in body.items() if value is not ...}
