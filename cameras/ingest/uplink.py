"""The link between an ingest process and the web: frames and states up, demand and pushes down.

Two transports carry the same packets: a socket inherited from `serve`, or Redis.
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
DEMAND_S = 0.5  # how often demand is recomputed: that of a silent web process expires
RETRY_S = 1.0


class LinkLost(ConnectionError):
    """The other side closed the link or broke the packet format."""


class Link(Protocol):
    """The supervisor's interface to the web processes."""

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Send a worker's packet without waiting. False if it was dropped."""

    def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield `wishes` and `push` packets. Raises `LinkLost` at the end."""


class SocketLink:
    """One end of a local socket that carries packets. Bound: `BACKLOG_BYTES` of unsent data."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def from_socket(cls, end: socket.socket) -> SocketLink:
        """Return a link over a connected socket and take ownership of the socket."""
        return cls(*await asyncio.open_connection(sock=end))

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Write without waiting. False if the backlog is full and a payload was dropped.

        Raises `LinkLost` if the link is closed.
        """
        if self._writer.is_closing():
            raise LinkLost("The link is closed.")
        if payload and self._writer.transport.get_write_buffer_size() >= BACKLOG_BYTES:
            return False
        self._writer.write(pack(header, payload))
        return True

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield packets. Raises `LinkLost` when the other side closes the link."""
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
        """Close the link; the other side reads end of file."""
        self._writer.close()


class RedisLink:
    """Sends to the channel layer's groups; receives demand and pushed frames by pub/sub.

    Bound: `INBOX_PACKETS` unread packets; newer ones are dropped.
    """

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(settings.REDIS_URL, protocol=2)
        self._demand_table = demand.DemandTable()
        self._new: dict[str, set[int]] = {}  # widths not yet reported as new
        self._queue: asyncio.Queue[Packet] = asyncio.Queue(maxsize=INBOX_PACKETS)

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Publish a packet. False while Redis is down (logged by the leases): it is dropped."""
        try:
            await channel_groups.publish(header["camera"], header, payload)
            return True
        except (redis.RedisError, OSError):
            return False

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield packets until closed; reconnect within a second after a Redis restart.

        Raises the exception that ended its own task.
        """
        inbox = asyncio.create_task(self._listen(), name="inbox")
        item: asyncio.Task[Packet] | None = None
        try:
            while True:
                yield self._demand_packet()
                item = item or asyncio.create_task(self._queue.get())
                await asyncio.wait(
                    {item, inbox}, timeout=DEMAND_S, return_when=asyncio.FIRST_COMPLETED
                )
                if inbox.done():
                    inbox.result()
                if item.done():
                    packet, item = item.result(), None
                    if (
                        packet[0]["type"] != "wishes"
                    ):  # those only wake us: the demand table has them
                        yield packet
        finally:
            await end(inbox, *([item] if item else []))
            await self._client.aclose()

    def _demand_packet(self) -> Packet:
        """The total demand, and by camera the widths that are `new` to some web process."""
        new = {camera_id: [*widths] for camera_id, widths in self._new.items()}
        self._new.clear()
        return demand.demand_packet(self._demand_table.total(time.monotonic())) | {"new": new}, b""

    async def _listen(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as inbox:
                    await inbox.subscribe(demand.INBOX)
                    async for message in inbox.listen():
                        if message["type"] == "message":
                            self._enqueue(message["data"])
            except (redis.RedisError, OSError):
                await asyncio.sleep(RETRY_S)

    def _enqueue(self, data: bytes) -> None:
        """Queue a published packet; drop it if it is malformed or the queue is full."""
        try:
            for header, payload in PacketReader().feed(data):
                if header.get("type") == "wishes":
                    wishes = demand.read_demand(header)
                    teller = str(header.get("teller"))
                    for camera_id, width in self._demand_table.update(
                        teller, wishes, time.monotonic()
                    ):
                        self._new.setdefault(camera_id, set()).add(width)
                elif not _is_push(header):
                    raise FrameError("packet", "The packet is neither demand nor a pushed frame.")
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


async def start_process(
    *command: str, environment: dict[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], SocketLink]:
    """Start a Python process with these arguments; the last one is its end of the link.

    `environment` replaces the inherited one.

    Raises `OSError` if the machine has no process or descriptor left; nothing stays open then.
    """
    ours, theirs = socket.socketpair()
    process = None
    try:
        with theirs:
            process = subprocess.Popen(  # nosec B603  # a fixed list of arguments
                [sys.executable, *command, str(theirs.fileno())],
                cwd=settings.BASE_DIR,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches only the parent, which ends this process
            )
        return process, await SocketLink.from_socket(ours)
    except BaseException:
        ours.close()
        if process is not None:
            process.kill()
            process.wait()
        raise
