"""A camera whose pictures the test chooses, and who looks at it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.variants import Variant

NATIVE = Variant()


def picture(timestamp: int, age_s: float = 0.0) -> Frame:
    """A frame that a device took then, in unix ms, 4×3 pixels; it came so many seconds ago."""
    arrived = int((time.time() - age_s) * 1000)
    return Frame(b"\xff\xd8\xff\xd9", timestamp, timestamp, 4, 3, arrived=arrived)


class Camera:
    """A source whose items the test chooses. `lost` raises in it once."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Frame | Status | Exception] = asyncio.Queue()
        self.opened = 0

    async def __call__(self, camera_id: str, width: int) -> AsyncGenerator[Frame | Status, None]:
        self.opened += 1
        while True:
            item = await self.items.get()
            if isinstance(item, Exception):
                raise item
            yield item

    async def say(self, *items: Frame | Status | Exception) -> None:
        """Hand over and let the feed take them."""
        for item in items:
            self.items.put_nowait(item)
        while not self.items.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def look(hub: Hub, variant: Variant = NATIVE, known: Status | None = None) -> Viewer:
    """A viewer who waits for pictures."""
    return hub.join("a", lambda feed: Viewer(feed, variant), variant.width, known)
