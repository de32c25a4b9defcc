"""Frames and states in the channel layer: one message per frame and width."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from channels.layers import get_channel_layer

from cameras.live.ages import Ages
from cameras.live.frames import Frame, Status
from cameras.live.mask_versions import MasksChanged
from cameras.live.variants import NATIVE

_ages = Ages()


def frame_group(camera_id: str, width: int) -> str:
    """The name of the group for the frames of one width of a camera."""
    return f"camera.{camera_id}" if width == NATIVE else f"camera.{camera_id}.{width}"


def state_group(camera_id: str) -> str:
    """The name of the group for a camera's states."""
    return f"camera.{camera_id}.states"


async def publish(camera_id: str, header: dict[str, Any], jpeg: bytes) -> None:
    """Send an ingest packet (`frame`, `state` or `masks`) to every subscribed process.

    A frame's header has its width under `variant`, unless it is native.
    """
    is_frame = header["type"] == "frame"
    group = (
        frame_group(camera_id, header.get("variant", NATIVE))
        if is_frame
        else state_group(camera_id)
    )
    message = {"type": "camera.packet", "header": header, "jpeg": jpeg}
    await get_channel_layer().group_send(group, message)


async def subscribe(
    camera_id: str, width: int
) -> AsyncGenerator[Frame | Status | MasksChanged, None]:
    """Yield what is published from now on for a width of a camera. Must be read without pause."""
    layer = get_channel_layer()
    channel = await layer.new_channel()
    groups = frame_group(camera_id, width), state_group(camera_id)
    try:
        for group in groups:
            await layer.group_add(group, channel)
        while True:
            message = await layer.receive(channel)
            header = message["header"]
            captured_at = _ages.captured_at(header)  # of states, too: each shows what is quick
            if header["type"] == "frame":
                yield Frame.from_packet(header, message["jpeg"], captured_at)
            elif header["type"] == "masks":
                yield MasksChanged(header["mask_version"])
            else:
                yield Status.from_header(header)
    finally:
        for group in groups:
            await layer.group_discard(group, channel)
