"""The Redis channel layer with a receiver of its own, against a real Redis."""

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
from tests.waiting import soon


@pytest.fixture
async def layer(redis: RedisServer) -> AsyncIterator[FrameLayer]:
    made = FrameLayer(hosts=[{"address": redis.url + "?protocol=2"}])
    yield made
    await made.flush()


async def joined(layer: FrameLayer, *groups: str) -> str:
    """A channel in these groups, from when Redis knows of it."""
    channel: str = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
        await reached(layer, group)
    return channel


async def reached(layer: FrameLayer, group: str) -> None:
    """Until Redis would hand over what is sent to the group."""
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


async def received(layer: FrameLayer, channel: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        message: dict[str, Any] = await layer.receive(channel)
        return message


async def test_it_works(layer: FrameLayer) -> None:
    one, other = await joined(layer, "a"), await joined(layer, "a", "b")
    await layer.group_send("a", {"type": "t", "jpeg": b"\xff\xd8"})
    assert await received(layer, one) == {"type": "t", "jpeg": b"\xff\xd8"}
    assert await received(layer, other) == {"type": "t", "jpeg": b"\xff\xd8"}
    await layer.group_send("b", {"type": "u"})
    assert await received(layer, other) == {"type": "u"}


@pytest.mark.parametrize("size", [0, 65_000, 256 * 1024, 8 * 1024 * 1024])
async def test_pictures_of_every_size_arrive_whole_and_in_order(
    layer: FrameLayer, size: int
) -> None:
    channel = await joined(layer, "a")
    for number in range(3):
        await layer.group_send("a", {"type": "t", "n": number, "jpeg": bytes([number]) * size})
    for number in range(3):
        message = await received(layer, channel)
        assert message["n"] == number
        assert message["jpeg"] == bytes([number]) * size


async def test_who_left_a_group_hears_no_more(layer: FrameLayer) -> None:
    channel = await joined(layer, "a", "b")
    await layer.group_discard("a", channel)
    await layer.group_send("a", {"type": "t"})
    await layer.group_send("b", {"type": "u"})
    assert (await received(layer, channel))["type"] == "u"


async def test_receiver_comes_back_by_itself_and_says_so_once(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    await comes_back(layer, redis, caplog, 0)
    assert caplog.text.count("has lost Redis") == 1
    assert caplog.text.count("has Redis again") == 1
    assert "Traceback" not in caplog.text


@pytest.mark.timing
async def test_receiver_comes_back_within_four_seconds(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert await comes_back(layer, redis, caplog, 1.5) < 4


async def comes_back(
    layer: FrameLayer, redis: RedisServer, caplog: pytest.LogCaptureFixture, away: float
) -> float:
    """Seconds from the return of a Redis that was away for at least so many."""
    caplog.set_level(logging.INFO, "cameras.live.redis_layer")
    await joined(layer, "a")
    redis.stop()
    late = await layer.new_channel()
    await layer.group_add("late", late)  # while Redis is away: it is noted
    await soon(lambda: "has lost Redis" in caplog.text, 30)
    await asyncio.sleep(away)
    redis.start()
    began = time.monotonic()
    await reached(layer, "late")
    took = time.monotonic() - began
    await layer.group_send("late", {"type": "t"})
    assert (await received(layer, late))["type"] == "t"
    await soon(lambda: "has Redis again" in caplog.text, 30)
    return took


async def test_address_with_a_password_and_a_database_is_understood(redis: RedisServer) -> None:
    async with redis_client.Redis(port=redis.port) as admin:
        await admin.config_set("requirepass", "hunter2")
        address = f"redis://:hunter2@127.0.0.1:{redis.port}/3?protocol=2"
        layer = FrameLayer(hosts=[{"address": address}])
        try:
            channel = await joined(layer, "a")
            await layer.group_send("a", {"type": "t"})
            assert (await received(layer, channel))["type"] == "t"
        finally:
            await layer.flush()
            async with redis_client.Redis(port=redis.port, password="hunter2") as other:
                await other.config_set("requirepass", "")


async def test_silent_redis_is_left_and_found_again(
    layer: FrameLayer, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine is gone without a goodbye: nothing ends the connection but ourselves."""
    monkeypatch.setattr("cameras.live.redis_layer.SILENCE_S", 0.2)
    channel = await joined(layer, "a")
    shard = layer._get_layer()._shards[0]
    former = shard._transport
    former.pause_reading()  # what Redis answers is not heard
    async with asyncio.timeout(30):
        while shard._transport in (former, None):
            await asyncio.sleep(0.02)
    await reached(layer, "a")
    await layer.group_send("a", {"type": "t"})
    assert (await received(layer, channel))["type"] == "t"
