"""The Redis channel layer, with a receiver made for pictures.

`channels_redis` receives through redis-py, which takes several tasks and a timeout per frame and
polls ten times a second. Here redis-py opens the connection (so that every kind of address,
password and encryption works), and then an asyncio protocol reads it into hiredis. Sending, groups
and channels are those of `channels_redis`; `tests/cameras/live/test_redis_layer.py` covers the
internals that this module uses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import hiredis
import redis.asyncio as redis
from channels_redis.pubsub import (
    RedisPubSubChannelLayer,
    RedisPubSubLoopLayer,
    RedisSingleShardConnection,
)
from channels_redis.utils import create_pool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from project.tasks import URGENT_S, supervise

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
RETRY_S = 0.5
SILENCE_S = 5.0  # without data for this long: PING; for twice as long: connection lost


class FrameLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """`RedisPubSubChannelLayer` with this receiver. Bound: none per channel; keep reading it."""

    def _get_layer(self) -> Any:
        loop = asyncio.get_running_loop()
        known = loop in self._layers
        layer = super()._get_layer()
        if not known:
            layer._shards = [Shard(shard.host, layer) for shard in layer._shards]
        return layer


class Shard(RedisSingleShardConnection):  # type: ignore[misc]
    """The connections to one Redis: a pool for publishing, and one for subscriptions.

    Subscribing never fails: without Redis it takes effect on reconnect.
    """

    def __init__(self, host: dict[str, Any], layer: RedisPubSubLoopLayer) -> None:
        super().__init__(host, layer)
        self._redis: Any = None
        self._receive_task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def subscribe(self, channel: str) -> None:
        """Receive what is published to the channel. Idempotent."""
        if channel not in self._subscribed_to:
            self._subscribed_to.add(channel)
            self._send_command("SUBSCRIBE", channel)
        if self._receive_task is None:
            self._receive_task = supervise(self._run, "channel layer", max_pause_s=URGENT_S)

    async def unsubscribe(self, channel: str) -> None:
        """Stop receiving from the channel. Idempotent."""
        if channel in self._subscribed_to:
            self._subscribed_to.remove(channel)
            self._send_command("UNSUBSCRIBE", channel)

    def _send_command(self, *arguments: str) -> None:
        if self._transport is not None:
            self._transport.write(hiredis.pack_command(arguments))  # type: ignore[arg-type]

    async def _run(self) -> None:
        """Connect, subscribe to everything and receive; reconnect, until cancelled."""
        pool = create_pool(self.host)
        is_lost = False
        while True:
            connection = pool.make_connection()
            connection.retry = Retry(NoBackoff(), 0)
            try:
                await connection.connect()
                if is_lost:
                    log.info("the channel layer is connected to Redis again")
                is_lost = False
                await self._receive_until_lost(connection)
                raise ConnectionError("Redis closed the connection")
            except (redis.RedisError, OSError) as error:
                if not is_lost:
                    log.warning("the channel layer has lost Redis, retrying: %s", error)
                is_lost = True
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RETRY_S)

    async def _receive_until_lost(self, connection: Any) -> None:
        """Receive until the connection is lost or Redis does not answer a PING."""
        transport = connection._writer.transport
        protocol = PubSubProtocol(self._receive_message)
        transport.set_protocol(protocol)
        self._transport = transport
        if self._subscribed_to:
            self._send_command("SUBSCRIBE", *self._subscribed_to)
        try:
            while not protocol.lost.done():
                reads = protocol.reads
                await asyncio.wait({protocol.lost}, timeout=SILENCE_S)
                if protocol.reads == reads and not protocol.lost.done():
                    self._send_command("PING")
                    await asyncio.wait({protocol.lost}, timeout=SILENCE_S)
                    if protocol.reads == reads:
                        return
        finally:
            self._transport = None
            transport.abort()

    def _ensure_redis(self) -> None:
        """Create the client that publishes; it does not share the receiver's pool."""
        if self._redis is None:
            self._redis = redis.Redis(connection_pool=create_pool(self.host))


class PubSubProtocol(asyncio.BufferedProtocol):
    """Parses Redis's pub/sub messages, through one read buffer.

    `reads` counts reads; `lost` is done when the connection is.
    """

    def __init__(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._on_message = on_message
        self._buffer = bytearray(READ_BYTES)
        self._reader = hiredis.Reader()
        self.reads = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.reads += 1
        reader = self._reader
        reader.feed(self._buffer, 0, nbytes)  # type: ignore[arg-type]
        while (reply := reader.gets()) is not False:
            if isinstance(reply, list) and reply[0] == b"message":
                self._on_message({"channel": reply[1], "data": reply[2]})

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
