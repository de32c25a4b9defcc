"""A web process in the test's own process, which gets frames over Redis."""

from __future__ import annotations

import asyncio
import contextlib

from cameras.live import channel_groups, demand
from cameras.live.frames import Frame, Status
from cameras.live.variants import Demand


class Web:
    """A web process that watches camera “c” and repeats its demand."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.states: list[str] = []

    async def watch(self) -> None:
        """Receive until cancelled."""
        async for item in channel_groups.subscribe("c", 0):
            if isinstance(item, Frame):
                self.frames.append(item)
            elif isinstance(item, Status):
                self.states.append(item.state)

    async def want(self) -> None:
        """Send the demand until cancelled."""
        link = demand.RedisIngestLink()
        try:
            while True:
                with contextlib.suppress(demand.redis.RedisError, OSError):
                    await link.send_demand({"c": [Demand(0, 0, 1)]})
                await asyncio.sleep(0.3)
        finally:
            await link._client.aclose()
