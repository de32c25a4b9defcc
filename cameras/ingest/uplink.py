"""Between an ingest process and the web: frames and states up, wishes and pushed frames down.

Two ways to speak, same packets: a socket inherited from `serve`, or Redis.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any, Protocol

import redis.asyncio as redis
from django.conf import settings

from cameras.live import channel_groups, demand
from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader, pack
from project.tasks import end

log = logging.getLogger(__name__)

Packet = tuple[dict[str, Any], bytes]
BACKLOG_BYTES = 2 * 1024 * 1024  # above this a frame is dropped; states are small and always go
CHUNK = 1 << 18
INBOX_PACKETS = 64
RECKON_S = 0.5  # how often it is looked whether a web process has fallen silent
RETRY_S = 1.0


class LinkLost(ConnectionError):
    """The other side is gone."""


class Link(Protocol):
    """What the supervisor needs of the web side."""

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Pass a worker's packet on; drops frames rather than wait, and says False then."""

    def receive(self) -> AsyncGenerator[Packet, None]:
        """`wishes` and `push` packets as they come; ends with `LinkLost`."""


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


class RedisLink:
    """Frames to the channel layer's groups; wishes and pushed frames by pub/sub.

    Bound: `INBOX_PACKETS` wait to be received; what comes while they do is dropped.
    """

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.REDIS_URL, protocol=2)
        self._ledger = demand.Ledger()
        self._new: dict[str, set[int]] = {}  # widths that were not passed on as such yet
        self._queue: asyncio.Queue[Packet] = asyncio.Queue(maxsize=INBOX_PACKETS)

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Publish; while Redis is away, frames and states are dropped; the leases log it."""
        try:
            await channel_groups.publish(header["camera"], header, payload)
            return True
        except (redis.RedisError, OSError):
            return False

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """For ever; a Redis that restarts is found again within a second.

        Raises what ended its own task, for that is a fault of ours.
        """
        inbox = asyncio.create_task(self._listen(), name="inbox")
        item: asyncio.Task[Packet] | None = None
        try:
            while True:
                yield self._wishes()
                item = item or asyncio.create_task(self._queue.get())
                await asyncio.wait(
                    {item, inbox}, timeout=RECKON_S, return_when=asyncio.FIRST_COMPLETED
                )
                if inbox.done():
                    inbox.result()
                if item.done():
                    packet, item = item.result(), None
                    if packet[0]["type"] != "wishes":  # those are in the ledger
                        yield packet
        finally:
            await end(inbox, *([item] if item else []))
            await self._client.aclose()

    def _wishes(self) -> Packet:
        """All wishes, and by camera the `new` widths: some process has none of their pictures."""
        new = {camera_id: [*widths] for camera_id, widths in self._new.items()}
        self._new.clear()
        return demand.wishes_packet(self._ledger.total(time.monotonic())) | {"new": new}, b""

    async def _listen(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as inbox:
                    await inbox.subscribe(demand.INBOX)
                    async for message in inbox.listen():
                        if message["type"] == "message":
                            self._take(message["data"])
            except (redis.RedisError, OSError):
                await asyncio.sleep(RETRY_S)

    def _take(self, data: bytes) -> None:
        """A packet as it was published; dropped where it is none, or too many wait."""
        try:
            for header, payload in PacketReader().feed(data):
                if header.get("type") == "wishes":
                    wishes = demand.read_wishes(header)
                    teller = str(header.get("teller"))
                    for camera_id, width in self._ledger.note(teller, wishes, time.monotonic()):
                        self._new.setdefault(camera_id, set()).add(width)
                elif not _is_push(header):
                    raise FrameError("packet", "The packet is neither a wish nor a pushed frame.")
                if not self._queue.full():
                    self._queue.put_nowait((header, payload))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("a bad packet was published to %s: %s", demand.INBOX, error)


def _is_push(header: dict[str, Any]) -> bool:
    return (
        header.get("type") == "push"
        and isinstance(header.get("camera"), str)
        and isinstance(header.get("timestamp"), int)
    )


async def start(
    *command: str, environment: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], SocketLink]:
    """Run Python with these arguments and, after them, its end of the link.

    `environment` replaces ours, which is inherited otherwise.

    Raises `OSError` where the machine has no process or descriptor left; nothing stays open then.
    """
    ours, theirs = socket.socketpair()
    process = None
    try:
        with theirs:
            process = subprocess.Popen(  # nosec B603  # a list of our own words
                [sys.executable, *command, str(theirs.fileno())],
                cwd=settings.BASE_DIR,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for the parent, which ends this one
            )
        return process, await SocketLink.over(ours)
    except BaseException:
        ours.close()
        if process is not None:
            process.kill()
            process.wait()
        raise
