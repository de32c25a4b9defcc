"""A source whose items the test chooses, and viewers of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from cameras.live.frames import Frame, Status
from cameras.live.hub import Hub, Viewer
from cameras.live.mask_versions import MasksChanged
from cameras.live.variants import Variant

NATIVE = Variant()
Item = Frame | Status | MasksChanged


def picture(timestamp: int, age_s: float = 0.0) -> Frame:
    """A frame of 4×3 pixels with this timestamp and number, captured `age_s` ago."""
    captured_at = time.monotonic() - age_s
    return Frame(b"\xff\xd8\xff\xd9", timestamp, timestamp, 4, 3, captured_at=captured_at)


class Camera:
    """The source of a feed. Raises an exception that is sent as an item."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Item | Exception] = asyncio.Queue()
        self.opened = 0

    async def __call__(self, camera_id: str, width: int) -> AsyncGenerator[Item, None]:
        self.opened += 1
        while True:
            item = await self.items.get()
            if isinstance(item, Exception):
                raise item
            yield item

    async def send(self, *items: Item | Exception) -> None:
        """Send items and wait until the feed has processed them."""
        for item in items:
            self.items.put_nowait(item)
        while not self.items.empty():
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def join(hub: Hub, variant: Variant = NATIVE, known: Status | None = None) -> Viewer:
    """A viewer without a writer."""
    return hub.join("a", lambda feed: Viewer(feed, variant), variant.width, known)
