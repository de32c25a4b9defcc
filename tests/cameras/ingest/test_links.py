"""Links between processes: failed starts are retried, malformed packets are ignored."""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest import child, links, redis_link
from cameras.ingest.child import IngestChild
from cameras.ingest.links import BACKLOG_BYTES, LinkLost, SocketLink, start_process
from cameras.ingest.redis_link import RedisLink
from cameras.live import demand
from cameras.live.demand import Verdict
from cameras.live.jpeg import FrameError
from cameras.live.packets import PacketReader, pack
from cameras.live.variants import Demand
from project.tasks import end, supervise
from tests.redis import RedisServer
from tests.waiting import until_async

ECHO = (  # sends one state, then waits for the end of the link
    "import socket, sys\n"
    "from cameras.live.packets import pack\n"
    "link = socket.socket(fileno=int(sys.argv[1]))\n"
    "link.sendall(pack({'type': 'state', 'camera': 'c', 'state': 'live', 'last_frame': 1}))\n"
    "link.recv(1)\n"
)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_failed_process_start_leaks_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = descriptors()
    monkeypatch.setattr(links.subprocess, "Popen", refuse)
    for _ in range(3):
        with pytest.raises(OSError, match="temporarily"):
            await start_process("-c", "pass", environment={})
    assert descriptors() == before


async def test_ingest_child_that_cannot_start_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, refused, published = subprocess.Popen, [], []

    def sometimes(*args: Any, **kwargs: Any) -> Any:
        if len(refused) < 2:
            refused.append(1)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(*args, **kwargs)

    async def publish(camera_id: str, header: dict[str, Any], payload: bytes) -> None:
        published.append(camera_id)

    monkeypatch.setattr(links.subprocess, "Popen", sometimes)
    monkeypatch.setattr(child, "COMMAND", ("-c", ECHO))
    monkeypatch.setattr(child.channel_groups, "publish", publish)
    child_link = IngestChild()
    assert await child_link.push("c", 1, b"jpeg", time.monotonic()) is Verdict.STARTING
    owner = supervise(child_link.run, "ingest process")
    try:
        await until_async(lambda: published)
        assert await child_link.push("c", 1, b"jpeg", time.monotonic()) is Verdict.ACCEPTED
    finally:
        await end(owner)
    assert await child_link.push("c", 2, b"jpeg", time.monotonic()) is Verdict.STARTING
    monkeypatch.setattr(demand, "STARTING_S", 0.0)
    assert await child_link.push("c", 3, b"jpeg", time.monotonic()) is Verdict.NO_PROCESS
    assert caplog.text.count("the task ingest process failed") == 2


async def test_ingest_process_that_is_silent_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    async def start(*command: str, **options: Any) -> Any:
        process, link = await start_process(*command, **options)
        started.append(process)
        return process, link

    monkeypatch.setattr(child, "start_process", start)
    monkeypatch.setattr(child, "SILENCE_S", 0.1)
    monkeypatch.setattr(child, "COMMAND", ("-c", "import time; time.sleep(600)"))
    with pytest.raises(TimeoutError):
        await IngestChild().run()
    assert started[0].returncode is not None


async def test_link_drops_payloads_while_its_backlog_is_full() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        link = await SocketLink.from_socket(ours)
        assert await link.send({"n": 1}, b"jpeg")
        await link.send({"n": 2}, bytes(2 * BACKLOG_BYTES))
        assert not await link.send({"n": 3}, b"jpeg")
        assert await link.send({"n": 4}, b""), "packets without a payload are always sent"
        link.close()
        with pytest.raises(LinkLost):
            await link.send({"n": 5}, b"jpeg")


@pytest.mark.parametrize("head", [b"{", b"\xff\xfe", b"[1]", b"null", b"[" * 100_000])
def test_header_that_is_no_json_object_is_refused(head: bytes) -> None:
    with pytest.raises(FrameError, match="not a JSON object"):
        list(PacketReader().feed(struct.pack(">II", len(head), 0) + head))


async def subscribed(publisher: Any) -> None:
    async with asyncio.timeout(60):
        while not (await publisher.pubsub_numsub(demand.INBOX))[0][1]:
            await asyncio.sleep(0.01)


async def test_malformed_packets_are_ignored(
    redis: RedisServer, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = redis.url
    packets = RedisLink().receive()
    good = {"type": "push", "camera": "c", "timestamp": 5}
    publisher = redis_link.redis.Redis.from_url(redis.url)
    try:
        assert (await anext(packets))[0]["type"] == "demand"
        waiting = asyncio.create_task(anext(packets))
        await subscribed(publisher)
        wish = {"type": "demand", "sender": "t"}
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


async def test_demand_of_all_web_processes_is_summed(redis: RedisServer, settings: Any) -> None:
    settings.REDIS_URL = redis.url
    packets = RedisLink().receive()
    publisher = redis_link.redis.Redis.from_url(redis.url)
    try:
        assert demand.read_demand((await anext(packets))[0]) == {}
        waiting = asyncio.create_task(anext(packets))
        await subscribed(publisher)
        one, other = demand.RedisIngestLink(), demand.RedisIngestLink()
        await one.send_demand({"c": [Demand(320, 5, 3)], "d": [Demand(0, 0, 1)]})
        await other.send_demand({"c": [Demand(320, 10, 1), Demand(0, 1, 1)]})
        expected = {"c": [Demand(320, 10, 4), Demand(0, 1, 1)], "d": [Demand(0, 0, 1)]}
        async with asyncio.timeout(60):
            packet = await waiting
            while demand.read_demand(packet[0]) != expected:
                packet = await anext(packets)
        for line in (one, other):
            await line._client.aclose()
    finally:
        await packets.aclose()
        await publisher.aclose()


async def test_inbox_that_failed_listens_again(
    redis: RedisServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = RedisLink._enqueue

    def fails_once(link: RedisLink, data: bytes) -> None:
        monkeypatch.setattr(RedisLink, "_enqueue", real)
        raise RuntimeError("a fault of ours")

    settings.REDIS_URL = redis.url
    monkeypatch.setattr(RedisLink, "_enqueue", fails_once)
    packets = RedisLink().receive()
    publisher = redis_link.redis.Redis.from_url(redis.url)
    pushed = pack(demand.push_packet("c", 1, time.monotonic()), b"jpeg")
    try:
        await anext(packets)
        await subscribed(publisher)
        await publisher.publish(demand.INBOX, pushed)
        async with asyncio.timeout(60):
            while (packet := await anext(packets))[0]["type"] != "push":
                await publisher.publish(demand.INBOX, pushed)
        assert packet[1] == b"jpeg"
    finally:
        await packets.aclose()
        await publisher.aclose()


async def test_packet_that_cannot_be_published_delays_no_other(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    published: list[str] = []

    async def publish(camera_id: str, header: dict[str, Any], payload: bytes) -> None:
        if camera_id == "broken":
            raise TypeError("a fault of ours")
        published.append(camera_id)

    monkeypatch.setattr(redis_link.channel_groups, "publish", publish)
    settings.REDIS_URL = "redis://127.0.0.1:1"
    link = RedisLink()
    for camera_id in ("a", "broken", "b"):
        await link.send({"camera": camera_id, "type": "state"}, b"")
    task = asyncio.create_task(link._publish())
    await until_async(lambda: published == ["a", "b"])
    await end(task)
    assert "camera broken: a packet was not published" in caplog.text
