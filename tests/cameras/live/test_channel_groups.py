"""Frames in the channel layer of one process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cameras.live import channel_groups
from cameras.live.frames import Frame
from tests.waiting import until_async


@pytest.mark.parametrize("later", [0, 90_000, 10_000_000])
async def test_subscription_does_not_expire_when_the_wall_clock_changes(
    settings: Any, monkeypatch: pytest.MonkeyPatch, later: int
) -> None:
    """By default the layer drops members of a group after a day."""
    monkeypatch.setattr(channel_groups, "get_channel_layer", lambda: layer)
    from channels.layers import InMemoryChannelLayer

    layer = InMemoryChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    subscription = channel_groups.subscribe("c", 0)
    next_item = asyncio.ensure_future(anext(subscription))
    await until_async(lambda: layer.groups)
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + later)
    header = {"type": "frame", "timestamp": 1, "seq": 1, "width": 2, "height": 2}
    await channel_groups.publish("c", header, b"x")
    async with asyncio.timeout(30):
        frame = await next_item
    assert isinstance(frame, Frame)
    await subscription.aclose()
