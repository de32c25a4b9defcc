"""The Redis channel layer, with a receiver made for pictures.

`channels_redis` receives through redis-py, which costs a frame several tasks and a time-out, and
asks ten times a second whether there is something. Here a connection that redis-py opened (so that
every kind of address, password and encryption works) is handed to a protocol that feeds hiredis.
Sending, groups and channels are those of `channels_redis`; what is relied
upon is pinned by `tests/cameras/live/test_redis_layer.py`.
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

log = logging.getLogger(__name__)

READ_BYTES = 256 * 1024
RETRY_S = 0.5
SILENCE_S = 5.0  # after so long Redis is asked whether it is there, after twice that it is not


class FrameLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """`RedisPubSubChannelLayer`, receiving as above. Bound: none on a channel; drain it."""

    def _get_layer(self) -> Any:
        loop = asyncio.get_running_loop()
        known = loop in self._layers
        layer = super()._get_layer()
        if not known:
            layer._shards = [Shard(shard.host, layer) for shard in layer._shards]
        return layer


class Shard(RedisSingleShardConnection):  # type: ignore[misc]
    """The connections to one Redis: a pool to publish with, and one that is subscribed.

    Subscribing never fails: while Redis is away it is noted, and done when it is back.
    """

    def __init__(self, host: dict[str, Any], layer: RedisPubSubLoopLayer) -> None:
        super().__init__(host, layer)
        self._redis: Any = None
        self._receive_task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    async def subscribe(self, channel: str) -> None:
        """Receive what is published there from now on."""
        if channel not in self._subscribed_to:
            self._subscribed_to.add(channel)
            self._say("SUBSCRIBE", channel)
        if self._receive_task is None:
            self._receive_task = asyncio.create_task(self._listen(), name="channel layer")

    async def unsubscribe(self, channel: str) -> None:
        """No longer."""
        if channel in self._subscribed_to:
            self._subscribed_to.remove(channel)
            self._say("UNSUBSCRIBE", channel)

    def _say(self, *words: str) -> None:
        if self._transport is not None:
            self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type]

    async def _listen(self) -> None:
        """For ever: connect, subscribe to everything again, take what comes."""
        pool = create_pool(self.host)
        away = False
        while True:
            connection = pool.make_connection()
            connection.retry = Retry(NoBackoff(), 0)
            try:
                await connection.connect()
                if away:
                    log.info("the channel layer has Redis again")
                away = False
                await self._receive_by(connection)
                raise ConnectionError("it closed the connection")
            except (redis.RedisError, OSError) as error:
                if not away:
                    log.warning("the channel layer has lost Redis, trying again: %s", error)
                away = True
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(RETRY_S)

    async def _receive_by(self, connection: Any) -> None:
        """Until the connection is lost, or Redis does not answer."""
        transport = connection._writer.transport
        inbox = Inbox(self._receive_message)
        transport.set_protocol(inbox)
        self._transport = transport
        if self._subscribed_to:
            self._say("SUBSCRIBE", *self._subscribed_to)
        try:
            while not inbox.lost.done():
                heard = inbox.heard
                await asyncio.wait({inbox.lost}, timeout=SILENCE_S)
                if inbox.heard == heard and not inbox.lost.done():
                    self._say("PING")
                    await asyncio.wait({inbox.lost}, timeout=SILENCE_S)
                    if inbox.heard == heard:
                        return
        finally:
            self._transport = None
            transport.abort()

    def _ensure_redis(self) -> None:
        """What publishes; its pool is not the receiver's."""
        if self._redis is None:
            self._redis = redis.Redis(connection_pool=create_pool(self.host))


class Inbox(asyncio.BufferedProtocol):
    """Reads Redis's messages into one buffer. `heard` counts reads; `lost` ends with it."""

    def __init__(self, take: Callable[[dict[str, Any]], None]) -> None:
        self._take = take
        self._buffer = bytearray(READ_BYTES)
        self._reader = hiredis.Reader()
        self.heard = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.heard += 1
        reader = self._reader
        reader.feed(self._buffer, 0, nbytes)  # type: ignore[arg-type]
        while (reply := reader.gets()) is not False:
            if isinstance(reply, list) and reply[0] == b"message":
                self._take({"channel": reply[1], "data": reply[2]})

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
