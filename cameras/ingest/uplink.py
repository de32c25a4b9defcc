"""Between an ingest process and the web: frames and states up, wishes and pushed frames down.

Two ways to speak, same packets: a socket inherited from `serve`, or Redis.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol

import redis.asyncio as redis
from django.conf import settings

from cameras.live import demand, groups
from cameras.live.frames import FrameError, PacketReader, pack

log = logging.getLogger(__name__)

Packet = tuple[dict[str, Any], bytes]
BACKLOG_BYTES = 2 * 1024 * 1024  # above this a frame is dropped; states are small and always go
CHUNK = 1 << 18


class LinkLost(ConnectionError):
    """The other side is gone."""


class Uplink(Protocol):
    """What the supervisor needs of the web side."""

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Pass a worker's packet on; drops frames rather than wait, and says False then."""

    def receive(self) -> AsyncGenerator[Packet, None]:
        """`watched` and `push` packets as they come; ends with `LinkLost`."""


class SocketLink:
    """One end of a local socket that speaks packets. Bound: `BACKLOG_BYTES` waiting to be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> SocketLink:
        """A link over a connected socket, which it owns from now on."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Write without waiting; a packet with a payload is dropped while the backlog is long.

        Says whether it was taken. Raises `LinkLost` where the link is closed.
        """
        if self._writer.is_closing():
            raise LinkLost("The link is closed.")
        if payload and self._writer.transport.get_write_buffer_size() >= BACKLOG_BYTES:
            return False
        self._writer.write(pack(header, payload))
        return True

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """Packets until the other side ends; then `LinkLost`."""
        packets = PacketReader()
        while True:
            try:
                data = await self._reader.read(CHUNK)
                if not data:
                    raise LinkLost("The other side closed the link.")
                for packet in packets.feed(data):
                    yield packet
            except (FrameError, ConnectionError) as error:
                raise LinkLost(str(error)) from None

    def close(self) -> None:
        """Hang up; the other side sees the end of the stream."""
        self._writer.close()


class RedisUplink:
    """Frames to the channel layer's groups; wishes from expiring keys; pushed frames by pub/sub."""

    def __init__(self, cameras: Callable[[], list[str]]) -> None:
        self._cameras = cameras
        self._client = redis.Redis.from_url(settings.REDIS_URL)
        self._queue: asyncio.Queue[Packet] = asyncio.Queue(maxsize=64)

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Publish; while Redis is away, frames and states are dropped; the leases log it."""
        try:
            await groups.publish(header["camera"], header, payload)
            return True
        except (redis.RedisError, OSError):
            return False

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """For ever; a Redis that restarts is found again within a second.

        Raises what ended one of its own tasks, for that is a fault of ours.
        """
        tasks = {asyncio.create_task(self._poll()), asyncio.create_task(self._pushes())}
        item = asyncio.create_task(self._queue.get())
        try:
            while True:
                await asyncio.wait({item, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    if task.done():
                        task.result()
                if item.done():
                    packet = item.result()
                    item = asyncio.create_task(self._queue.get())
                    yield packet
        finally:
            for each in {item, *tasks}:
                each.cancel()
            await asyncio.gather(item, *tasks, return_exceptions=True)
            await self._client.aclose()

    async def _poll(self) -> None:
        while True:
            try:
                cameras = self._cameras()
                keys = [demand.key(camera_id) for camera_id in cameras]
                found = await self._client.mget(keys) if keys else []
                wanted = [pk for pk, value in zip(cameras, found, strict=True) if value]
                await self._queue.put(({"type": "watched", "cameras": wanted}, b""))
            except (redis.RedisError, OSError):
                await asyncio.sleep(1)
            await asyncio.sleep(0.25)

    async def _pushes(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as inbox:
                    await inbox.subscribe(demand.PUSHES)
                    async for message in inbox.listen():
                        if message["type"] == "message":
                            self._offer(message["data"])
            except (redis.RedisError, OSError):
                await asyncio.sleep(1)

    def _offer(self, data: bytes) -> None:
        """A pushed frame as it was published; dropped where it is none, or the queue is full."""
        try:
            for header, payload in PacketReader().feed(data):
                if not (
                    header.get("type") == "push"
                    and isinstance(header.get("camera"), str)
                    and isinstance(header.get("timestamp"), int)
                ):
                    raise FrameError("packet", "The packet is not a pushed frame.")
                if not self._queue.full():
                    self._queue.put_nowait((header, payload))
        except ValueError as error:
            log.warning("a bad packet was published to %s: %s", demand.PUSHES, error)
