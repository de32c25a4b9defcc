"""Between processes: what cannot start is tried again, what is no packet does no harm."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import child, uplink
from cameras.ingest.child import IngestChild
from cameras.ingest.uplink import BACKLOG_BYTES, LinkLost, RedisLink, SocketLink, start
from cameras.live import demand
from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader, pack
from cameras.live.variants import Wish
from tests.redis import RedisServer
from tests.waiting import soon

ECHO = (  # says one state, then waits for its end
    "import socket, sys\n"
    "from cameras.live.packets import pack\n"
    "link = socket.socket(fileno=int(sys.argv[1]))\n"
    "link.sendall(pack({'type': 'state', 'camera': 'c'}))\n"
    "link.recv(1)\n"
)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_machine_without_a_process_left_leaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = descriptors()
    monkeypatch.setattr(uplink.subprocess, "Popen", refuse)
    for _ in range(3):
        with pytest.raises(OSError, match="temporarily"):
            await start("-c", "pass")
    assert descriptors() == before


async def test_ingest_that_cannot_start_is_started_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, refused, heard = subprocess.Popen, [], []

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        if len(refused) < 2:
            refused.append(1)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*args, **kwargs)

    async def publish(camera_id: str, header: dict[str, Any], payload: bytes) -> None:
        heard.append(camera_id)

    monkeypatch.setattr(uplink.subprocess, "Popen", sometimes)
    monkeypatch.setattr(child, "RESTART_S", 0.05)
    monkeypatch.setattr(child, "COMMAND", ("-c", ECHO))
    monkeypatch.setattr(child.channel_groups, "publish", publish)
    line = IngestChild()
    assert not await line.push("c", 1, b"jpeg"), "nobody is there to take it"
    owner = asyncio.create_task(line.run())
    try:
        await soon(lambda: heard)
        assert await line.push("c", 1, b"jpeg")
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
    assert not await line.push("c", 2, b"jpeg")
    assert caplog.text.count("could not be started") == 2


async def test_a_link_says_what_it_did_not_take() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        link = await SocketLink.over(ours)
        assert await link.send({"n": 1}, b"jpeg")
        await link.send({"n": 2}, bytes(2 * BACKLOG_BYTES))
        assert not await link.send({"n": 3}, b"jpeg")
        assert await link.send({"n": 4}, b""), "words always go"
        link.close()
        with pytest.raises(LinkLost):
            await link.send({"n": 5}, b"jpeg")


@pytest.mark.parametrize("head", [b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_a_header_that_is_no_json_object_is_refused(head: bytes) -> None:
    with pytest.raises(FrameError, match="not a JSON object"):
        list(PacketReader().feed(struct.pack(">II", len(head), 0) + head))


async def subscribed(publisher: Any) -> None:
    async with asyncio.timeout(60):
        while not (await publisher.pubsub_numsub(demand.INBOX))[0][1]:
            await asyncio.sleep(0.01)


async def all_of(first: Any, packets: Any) -> None:
    """Receive for ever."""
    await first
    async for _ in packets:
        pass


async def test_bad_packets_are_passed_over(
    redis: RedisServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = redis.url
    packets = RedisLink().receive()
    good = {"type": "push", "camera": "c", "timestamp": 5}
    publisher = uplink.redis.Redis.from_url(redis.url)
    try:
        assert (await anext(packets))[0]["type"] == "wishes"
        waiting = asyncio.create_task(anext(packets))
        await subscribed(publisher)
        wish = {"type": "wishes", "teller": "t"}
        bad = [
            {"type": "push"}, {"camera": "c"}, good | {"timestamp": "now"}, good | {"camera": 1},
            wish, wish | {"cameras": 1}, wish | {"cameras": {"c": [1]}},
            wish | {"cameras": {"c": [["wide", 0, 1]]}},
        ]  # fmt: skip
        junk = [b"junk and more junk", struct.pack(">II", 1, 0) + b"{", *map(pack, bad)]
        for data in (*junk, pack(good, b"jpeg")):
            await publisher.publish(demand.INBOX, data)
        async with asyncio.timeout(60):
            packet = await waiting
            while packet[0]["type"] != "push":
                packet = await anext(packets)
        assert packet == (good, b"jpeg")
        assert caplog.text.count("a bad packet was published") == len(junk)
    finally:
        await packets.aclose()
        await publisher.aclose()


async def test_wishes_of_all_web_processes_are_added_up(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    packets = RedisLink().receive()
    publisher = uplink.redis.Redis.from_url(redis.url)
    try:
        assert demand.read_wishes((await anext(packets))[0]) == {}
        waiting = asyncio.create_task(anext(packets))
        await subscribed(publisher)
        one, other = demand.RedisIngestLink(), demand.RedisIngestLink()
        await one.tell({"c": [Wish(320, 5, 3)], "d": [Wish(0, 0, 1)]})
        await other.tell({"c": [Wish(320, 10, 1), Wish(0, 1, 1)]})
        expected = {"c": [Wish(320, 10, 4), Wish(0, 1, 1)], "d": [Wish(0, 0, 1)]}
        async with asyncio.timeout(60):
            packet = await waiting
            while demand.read_wishes(packet[0]) != expected:
                packet = await anext(packets)
        for line in (one, other):
            await line._client.aclose()
    finally:
        await packets.aclose()
        await publisher.aclose()


async def test_a_listener_that_fails_is_heard_of(
    redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(link: RedisLink, data: bytes) -> None:
        raise RuntimeError("a fault of ours")

    settings.REDIS_URL = redis.url
    monkeypatch.setattr(RedisLink, "_take", broken)
    packets = RedisLink().receive()
    publisher = uplink.redis.Redis.from_url(redis.url)
    try:
        await anext(packets)
        waiting = asyncio.create_task(anext(packets))
        await subscribed(publisher)
        await publisher.publish(demand.INBOX, b"anything")
        with pytest.raises(RuntimeError, match="a fault of ours"):
            await all_of(waiting, packets)
    finally:
        await publisher.aclose()
