"""Frames and states through the channel layer: one group per camera, one message per frame."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from channels.layers import get_channel_layer

from cameras.live.frames import Frame
from cameras.live.hub import Status


def group(camera_id: str) -> str:
    """The group that a camera's frames are published to."""
    return f"camera.{camera_id}"


async def publish(camera_id: str, header: dict[str, Any], jpeg: bytes) -> None:
    """Send what an ingest packet says (`frame` or `state`) to every process that watches."""
    message = {"type": "camera.packet", "header": header, "jpeg": jpeg}
    await get_channel_layer().group_send(group(camera_id), message)


async def follow(camera_id: str) -> AsyncGenerator[Frame | Status, None]:
    """What is published for a camera from now on; drained without pause by the caller."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group(camera_id), channel)
    try:
        while True:
            message = await layer.receive(channel)
            header = message["header"]
            if header["type"] == "frame":
                yield Frame.from_header(header, message["jpeg"])
            else:
                yield Status(
                    header["state"], header["since"], header["reason"], header["last_frame"]
                )
    finally:
        await layer.group_discard(group(camera_id), channel)
