"""The Redis channel layer with its own receiver, against a real Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis_client

from cameras.live.redis_layer import FrameLayer
from tests.redis import RedisServer
from tests.waiting import until_async


@pytest.fixture
async def layer(redis: RedisServer) -> AsyncIterator[FrameLayer]:
    layer = FrameLayer(hosts=[{"address": redis.url + "?protocol=2"}])
    yield layer
    await layer.flush()


async def joined_channel(layer: FrameLayer, *groups: str) -> str:
    """Return a new channel in these groups, once Redis knows the subscriptions."""
    channel: str = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
        await wait_for_subscriber(layer, group)
    return channel


async def wait_for_subscriber(layer: FrameLayer, group: str) -> None:
    """Wait until Redis has a subscriber for the group."""
    name = layer._get_layer()._get_group_channel_name(group)
    client = layer._get_layer()._shards[0]
    async with asyncio.timeout(30):
        while True:
            client._ensure_redis()
            try:
                if (await client._redis.pubsub_numsub(name))[0][1]:
                    return
            except (OSError, redis_client.RedisError):
                pass
            await asyncio.sleep(0.02)


async def receive(layer: FrameLayer, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        message: dict[str, Any] = await layer.receive(channel)
        return message


async def test_it_works(layer: FrameLayer) -> None:
    one, other = await joined_channel(layer, "a"), await joined_channel(layer, "a", "b")
    await layer.group_send("a", {"type": "t", "jpeg": b"\xff\xd8"})
    assert await receive(layer, one) == {"type": "t", "jpeg": b"\xff\xd8"}
    assert await receive(layer, other) == {"type": "t", "jpeg": b"\xff\xd8"}
    await layer.group_send("b", {"type": "u"})
    assert await receive(layer, other) == {"type": "u"}


@pytest.mark.parametrize("size", [0, 65_000, 256 * 1024, 8 * 1024 * 1024])
async def test_pictures_of_any_size_arrive_complete_and_in_order(
    layer: FrameLayer, size: int
) -> None:
    channel = await joined_channel(layer, "a")
    for number in range(3):
        await layer.group_send("a", {"type": "t", "n": number, "jpeg": bytes([number]) * size})
    for number in range(3):
        message = await receive(layer, channel)
        assert message["n"] == number
        assert message["jpeg"] == bytes([number]) * size


async def test_channel_that_left_a_group_receives_nothing_from_it(layer: FrameLayer) -> None:
    channel = await joined_channel(layer, "a", "b")
    await layer.group_discard("a", channel)
    await layer.group_send("a", {"type": "t"})
    await layer.group_send("b", {"type": "u"})
    assert (await receive(layer, channel))["type"] == "u"


async def test_receiver_reconnects_and_logs_it_once(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await reconnect(layer, redis, caplog, 0)
    assert caplog.text.count("has lost Redis") == 1
    assert caplog.text.count("is connected to Redis again") == 1
    assert "Traceback" not in caplog.text


@pytest.mark.timing
async def test_receiver_reconnects_within_four_seconds(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert await reconnect(layer, redis, caplog, 1.5) < 4


async def reconnect(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture, away: float
) -> float:
    """Stop Redis for at least `away` seconds. Return the seconds from its start to a message."""
    caplog.set_level(logging.INFO, "cameras.live.redis_layer")
    await joined_channel(layer, "a")
    redis.stop()
    late = await layer.new_channel()
    await layer.group_add("late", late)  # takes effect on reconnect
    await until_async(lambda: "has lost Redis" in caplog.text, 30)
    await asyncio.sleep(away)
    redis.start()
    began = time.monotonic()
    await wait_for_subscriber(layer, "late")
    took = time.monotonic() - began
    await layer.group_send("late", {"type": "t"})
    assert (await receive(layer, late))["type"] == "t"
    await until_async(lambda: "is connected to Redis again" in caplog.text, 30)
    return took


async def test_address_may_have_a_password_and_a_database(redis: RedisServer) -> None:
    async with redis_client.Redis(port=redis.port) as admin:
        await admin.config_set("requirepass", "hunter2")
        address = f"redis://:hunter2@127.0.0.1:{redis.port}/3?protocol=2"
        layer = FrameLayer(hosts=[{"address": address}])
        try:
            channel = await joined_channel(layer, "a")
            await layer.group_send("a", {"type": "t"})
            assert (await receive(layer, channel))["type"] == "t"
        finally:
            await layer.flush()
            async with redis_client.Redis(port=redis.port, password="hunter2") as other:
                await other.config_set("requirepass", "")


async def test_connection_to_a_silent_redis_is_replaced(
    layer: FrameLayer, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host vanished without closing the connection, so the receiver has to."""
    monkeypatch.setattr("cameras.live.redis_layer.SILENCE_S", 0.2)
    channel = await joined_channel(layer, "a")
    shard = layer._get_layer()._shards[0]
    former = shard._transport
    former.pause_reading()  # Redis's answers do not arrive
    async with asyncio.timeout(30):
        while shard._transport in (former, None):
            await asyncio.sleep(0.02)
    await wait_for_subscriber(layer, "a")
    await layer.group_send("a", {"type": "t"})
    assert (await receive(layer, channel))["type"] == "t"
