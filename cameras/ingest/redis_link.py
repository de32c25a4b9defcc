"""The link between an ingest process and the web processes over Redis.

Frames and states go up through the channel layer; demand and pushed frames come down by pub/sub.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import redis.asyncio as redis
from django.conf import settings

from cameras.ingest.links import Packet
from cameras.live import channel_groups, demand
from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader
from cameras.live.redis_clients import TIMEOUT_S, connect
from cameras.live.variants import NATIVE
from project.tasks import URGENT_S, end, supervise, suppress_and_log

log = logging.getLogger(__name__)

INBOX_PACKETS = 64
DEMAND_S = 0.5  # how often demand is recomputed: that of a silent web process expires
RETRY_S = 1.0
SILENCE_S = 5.0  # without a packet for this long: PING; for twice as long: connection lost


class RedisLink:
    """Sends to the channel layer's groups; receives demand and pushed frames by pub/sub.

    Bounds: `INBOX_PACKETS` unread packets; newer ones are dropped. Unsent ones: of each camera one
    of each type and width; the newest wins.
    """

    def __init__(self) -> None:
        self._client = connect(settings.REDIS_URL)
        self._unsent: dict[tuple[str, str, int], Packet] = {}  # by camera, type and width
        self._has_unsent = asyncio.Event()
        self._demand_table = demand.DemandTable()
        self._new: dict[str, set[int]] = {}  # widths not yet reported as new
        self._queue: asyncio.Queue[Packet] = asyncio.Queue(maxsize=INBOX_PACKETS)

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        """Queue a packet, without waiting for Redis. False if it replaces an unsent one."""
        key = header["camera"], header["type"], header.get("variant", NATIVE)
        is_replaced = key in self._unsent
        self._unsent[key] = header, payload
        self._has_unsent.set()
        return not is_replaced

    async def _publish(self) -> None:
        """Publish what is queued, until cancelled. It is dropped while Redis is down or hangs.

        The leases log that.
        """
        while True:
            while self._unsent:
                header, payload = self._unsent.pop(next(iter(self._unsent)))
                with suppress_and_log("camera %s: a packet was not published", header["camera"]):
                    try:
                        async with asyncio.timeout(TIMEOUT_S):
                            await channel_groups.publish(header["camera"], header, payload)
                    except (redis.RedisError, OSError):
                        await asyncio.sleep(0)  # let the workers replace what has become old
            await self._has_unsent.wait()
            self._has_unsent.clear()

    async def receive(self) -> AsyncGenerator[Packet, None]:
        """Yield packets until closed; reconnect within a second after a Redis restart."""
        tasks = (
            supervise(self._listen, "ingest inbox", max_pause_s=URGENT_S),
            supervise(self._publish, "ingest outbox", max_pause_s=URGENT_S),
        )
        try:
            while True:
                yield self._demand_packet()
                packet = None
                with suppress(TimeoutError):
                    async with asyncio.timeout(DEMAND_S):
                        packet = await self._queue.get()
                # Those of demand only wake us: the table has them.
                if packet is not None and packet[0]["type"] != "demand":
                    yield packet
        finally:
            await end(*tasks)
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
                    async with asyncio.timeout(TIMEOUT_S):
                        await inbox.subscribe(demand.INBOX)
                    while (message := await _next_message(inbox)) is not None:
                        if message["type"] == "message":
                            with suppress_and_log("a packet of a web process was not read"):
                                self._enqueue(message["data"])
            except (redis.RedisError, OSError):
                await asyncio.sleep(RETRY_S)

    def _enqueue(self, data: bytes) -> None:
        """Queue a published packet; drop it if it is malformed or the queue is full."""
        try:
            for header, payload in PacketReader().feed(data):
                if header.get("type") == "demand":
                    demanded = demand.read_demand(header)
                    sender, now = str(header.get("sender")), time.monotonic()
                    for camera_id, width in self._demand_table.update(sender, demanded, now):
                        self._new.setdefault(camera_id, set()).add(width)
                elif not _is_push(header):
                    raise FrameError("packet", "The packet is neither demand nor a pushed frame.")
                if not self._queue.full():
                    self._queue.put_nowait((header, payload))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("a bad packet was published to %s: %s", demand.INBOX, error)


async def _next_message(inbox: Any) -> dict[str, Any] | None:
    """Return the next message of a subscription; None if Redis does not answer any more."""
    message: dict[str, Any] | None = await inbox.get_message(timeout=SILENCE_S)
    if message is None:
        async with asyncio.timeout(TIMEOUT_S):
            await inbox.ping()
        message = await inbox.get_message(timeout=SILENCE_S)
    return message


def _is_push(header: dict[str, Any]) -> bool:
    return (
        header.get("type") == "push"
        and isinstance(header.get("camera"), str)
        and isinstance(header.get("timestamp"), int)
    )
