"""Publishes a frame to the channel layer for each tick, like an ingest process without a camera.

`python -m tests.bench.feeder TICKS PICTURE CAMERA...` with the environment of the installation, or
with BENCH_LAYER for the naive consumer. Prints `ready`. Bound: `MAX_TICKS` pending ticks; later
ones are dropped.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from cameras.ingest.worker.freshness import Health
from cameras.live.ages import stamp
from cameras.live.frames import Frame
from tests.bench.picture import Picture, camera_of
from tests.bench.servers.ticks import Ticks

MAX_TICKS = 64
STATE_S = 1.0

Publish = Callable[[int, int, bytes], Awaitable[None]]  # camera's number, unix ms, JPEG


class Ours:
    """Publishes as `RedisLink` does: frames, and a state each second."""

    def __init__(self, picture: Picture, cameras: list[str]) -> None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        import django

        django.setup()
        from cameras.live import channel_groups

        self._publish = channel_groups.publish
        self._size = picture.width, picture.height
        self._cameras = cameras
        self._seq = 0
        self._since = time.time_ns() // 1_000_000

    async def frame(self, number: int, timestamp: int, jpeg: bytes) -> None:
        """Publish a frame."""
        self._seq += 1
        camera = self._cameras[number]
        header = Frame(jpeg, timestamp, self._seq, *self._size).header()
        await self._publish(camera, header | {"type": "frame", "camera": camera} | stamp(), jpeg)

    async def states(self) -> None:
        """Publish each second that all cameras are live."""
        while True:
            now = time.time_ns() // 1_000_000
            state = Health("live", self._since, "", 15.0, *self._size, now, 0).packet()
            for camera in self._cameras:
                await self._publish(camera, state | {"camera": camera}, b"")
            await asyncio.sleep(STATE_S)


class Naive:
    """One `group_send` per frame."""

    def __init__(self) -> None:
        from channels.layers import get_channel_layer

        from tests.bench.servers.naive import group

        self._layer, self._group = get_channel_layer(), group

    async def frame(self, number: int, timestamp: int, jpeg: bytes) -> None:
        """Publish a frame."""
        message = {"type": "frame", "jpeg": jpeg, "timestamp": timestamp}
        await self._layer.group_send(self._group(str(number)), message)

    async def states(self) -> None:
        """Do nothing."""


async def feed(port: int, picture: Picture, cameras: list[str]) -> None:
    """Publish a frame per tick, in order, until cancelled."""
    publisher = Naive() if "BENCH_LAYER" in os.environ else Ours(picture, cameras)
    waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_TICKS)

    def take(tick: bytes) -> None:
        if not waiting.full():
            waiting.put_nowait(tick)

    await Ticks.listen(port, take)
    print("ready", flush=True)
    states = asyncio.create_task(publisher.states())
    last = [0] * len(cameras)
    while True:
        tick = await waiting.get()
        number = camera_of(tick)
        last[number] = max(last[number] + 1, time.time_ns() // 1_000_000)
        await publisher.frame(number, last[number], picture.stamped(tick))
        if states.done():
            states.result()


if __name__ == "__main__":
    asyncio.run(feed(int(sys.argv[1]), Picture(Path(sys.argv[2])), sys.argv[3:]))
