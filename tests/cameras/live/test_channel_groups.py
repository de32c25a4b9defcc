"""Frames in the channel layer of one process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cameras.live import ages, channel_groups
from cameras.live.frames import RUN_BITS, Frame
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


FRAME = {"type": "frame", "timestamp": 1, "seq": 1, "width": 2, "height": 2}


async def received(header: dict[str, Any], monkeypatch: pytest.MonkeyPatch, later: float) -> Frame:
    """Publish a frame; return it as a process gets it that was stopped for `later` seconds."""
    subscription = channel_groups.subscribe("c", 0)
    next_item = asyncio.ensure_future(anext(subscription))
    group = channel_groups.frame_group("c", 0)
    await until_async(lambda: group in channel_groups.get_channel_layer().groups)
    await channel_groups.publish("c", header, b"x")
    now = time.monotonic()
    with monkeypatch.context() as clock:
        clock.setattr(ages.time, "monotonic", lambda: now + later)
        async with asyncio.timeout(30):
            frame = await next_item
        assert isinstance(frame, Frame)
        assert not later or frame.age_ms >= later * 1000
        assert frame.is_fresh is (later < 3)
    await subscription.aclose()
    return frame


@pytest.mark.parametrize("later", [0, 8])
async def test_frame_that_waited_while_this_process_was_stopped_is_old(
    monkeypatch: pytest.MonkeyPatch, later: float
) -> None:
    """Also if the clock of the process that captured it is an hour ahead."""
    taken = int(time.time() * 1000) + 3_600_000
    await received(FRAME | {"timestamp": taken, "run": 1} | ages.stamp(), monkeypatch, later)


async def test_frame_of_an_older_ingest_process_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = await received(FRAME | {"fence": 3}, monkeypatch, 0)
    assert frame.run == 3 << RUN_BITS, "its lease is in the place of its run"
