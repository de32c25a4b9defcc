"""What the web side says to ingest: whom it watches, and which frames were pushed to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import redis.asyncio as redis
from django.conf import settings

from cameras.live.frames import pack
from cameras.live.hub import Hub

log = logging.getLogger(__name__)

REPEAT_S = 1.0
LIFE_S = 4  # a wish ends by itself when the process that had it dies
PUSHES = "sideline:pushes"


class Line(Protocol):
    """A way to ingest."""

    async def tell(self, watched: frozenset[str]) -> None:
        """Say which cameras have viewers here."""

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> bool:
        """Hand over a frame that a client sent; False where nobody takes it now."""


async def announce(hub: Hub, line: Line) -> None:
    """Tell ingest which cameras are watched: at once on a change, else every second, for ever."""
    while True:
        hub.changed.clear()
        try:
            await line.tell(hub.watched)
        except (redis.RedisError, OSError) as error:
            log.warning("demand could not be told (%s), retrying", error)
        try:
            await asyncio.wait_for(hub.changed.wait(), REPEAT_S)
        except TimeoutError:
            continue


def key(camera_id: str) -> str:
    """The Redis key that exists while any web process watches the camera."""
    return f"sideline:watched:{camera_id}"


class RedisLine:
    """Wishes as expiring keys, so that any number of web and ingest processes agree."""

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.REDIS_URL)

    async def tell(self, watched: frozenset[str]) -> None:
        """Renew the wishes; those no longer renewed expire."""
        async with self._client.pipeline(transaction=False) as pipe:
            for camera_id in watched:
                pipe.set(key(camera_id), 1, ex=LIFE_S)
            await pipe.execute()

    async def push(self, camera_id: str, timestamp: int, jpeg: bytes) -> bool:
        """Publish to every ingest process; the one that has the camera takes it."""
        header = {"type": "push", "camera": camera_id, "timestamp": timestamp}
        try:
            return bool(await self._client.publish(PUSHES, pack(header, jpeg)))
        except (redis.RedisError, OSError):
            return False
