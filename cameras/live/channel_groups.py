"""Frames and states through the channel layer: one message per frame and width."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from channels.layers import get_channel_layer

from cameras.live.frames import Frame, Status
from cameras.live.mask_versions import Masked
from cameras.live.variants import NATIVE


def frames_of(camera_id: str, width: int) -> str:
    """The group that the frames of one width of a camera are published to."""
    return f"camera.{camera_id}" if width == NATIVE else f"camera.{camera_id}.{width}"


def states_of(camera_id: str) -> str:
    """The group that a camera's states are published to."""
    return f"camera.{camera_id}.states"


async def publish(camera_id: str, header: dict[str, Any], jpeg: bytes) -> None:
    """Send what an ingest packet says (`frame`, `state` or `masks`) to every process that watches.

    The header of a frame says under `variant` of which width it is, where it is not native.
    """
    is_frame = header["type"] == "frame"
    group = (
        frames_of(camera_id, header.get("variant", NATIVE)) if is_frame else states_of(camera_id)
    )
    message = {"type": "camera.packet", "header": header, "jpeg": jpeg}
    await get_channel_layer().group_send(group, message)


async def follow(camera_id: str, width: int) -> AsyncGenerator[Frame | Status | Masked, None]:
    """What is published for a width of a camera from now on; to be drained without pause."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    groups = frames_of(camera_id, width), states_of(camera_id)
    try:
        for group in groups:
            await layer.group_add(group, channel)
        while True:
            message = await layer.receive(channel)
            header = message["header"]
            if header["type"] == "frame":
                yield Frame.from_header(header, message["jpeg"])
            elif header["type"] == "masks":
                yield Masked(header["mark"])
            else:
                yield Status.from_header(header)
    finally:
        for group in groups:
            await layer.group_discard(group, channel)
