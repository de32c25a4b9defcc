"""Frames through the channel layer of one process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cameras.live import channel_groups
from cameras.live.frames import Frame
from tests.waiting import soon


@pytest.mark.parametrize("later", [0, 90_000, 10_000_000])
async def test_feed_is_heard_for_ever_whatever_the_wall_clock_does(
    settings: Any, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    """The layer forgets members of a group after a day, unless told otherwise."""
    monkeypatch.setattr(channel_groups, "get_channel_layer", lambda: layer)
    from channels.layers import InMemoryChannelLayer

    layer = InMemoryChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    followed = channel_groups.follow("c", 0)
    coming = asyncio.ensure_future(anext(followed))
    await soon(lambda: layer.groups)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + later)
    header = {"type": "frame", "timestamp": 1, "seq": 1, "width": 2, "height": 2}
    await channel_groups.publish("c", header, b"x")
    async with asyncio.timeout(30):
        frame = await coming
    assert isinstance(frame, Frame)
    await followed.aclose()
