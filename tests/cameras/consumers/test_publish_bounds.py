"""Bounds of `/ws/publish/`: large messages, bursts, floods, a publisher that never reads."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
from collections.abc import Callable

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from cameras.consumers.publish import Publisher
from tests.installation import Installation
from tests.people import Scenario
from tests.publishers import answer, exchange, padded, publishing, seed_frame, v1_frame
from tests.push_messages import now
from tests.sockets import close_code, watching


@pytest.mark.parametrize("escaped", [False, True])
def test_jpeg_of_seven_mebibytes_is_accepted(
    installation: Installation, scenario: Scenario, camera: str, escaped: bool
) -> None:
    """In JSON also with the escapes `\\/` and `\\u002B` in the base64."""
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        assert exchange(device, v1_frame(padded(7), seq=1)) == {"ack": 1}
    message = seed_frame(camera, frame=base64.b64encode(padded(7)).decode(), seq=2)
    if escaped:
        message = message.replace("/", "\\/").replace("+", "\\u002B")
    with publishing(installation, camera, headers=scenario["operator"].bearer, v1=False) as device:
        assert exchange(device, message) == {"ack": 2}


def test_too_large_message_is_closed_with_1009(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        with contextlib.suppress(ConnectionClosed):
            device.send(v1_frame(padded(13)))
        assert close_code(device, 30) == 1009
    with watching(
        installation, scenario.plaza, headers=scenario["viewer"].bearer, v1=True
    ) as viewer:
        with contextlib.suppress(ConnectionClosed):
            viewer.send("x" * 100_000)
        assert close_code(viewer, 30) == 1009


def test_bound_is_for_the_whole_fragmented_message(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    whole = v1_frame(padded(0.5), seq=3)
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        device.send(whole[at : at + 10_000] for at in range(0, len(whole), 10_000))
        assert answer(device) == {"ack": 3}
        with contextlib.suppress(ConnectionClosed):
            device.send(bytes(2**20) for _ in range(40))
        assert close_code(device, 30) == 1009


def test_only_the_newest_of_a_burst_waits_and_dropped_ones_are_counted(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    at = now()
    burst = [v1_frame(padded(0.3), timestamp=at + seq, seq=seq) for seq in range(100)]
    with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
        for message in burst:
            device.send(message)
        said = [answer(device)]
        while said[-1]["ack"] < 99:
            said.append(answer(device))
    assert [one["ack"] for one in said] == sorted({one["ack"] for one in said})
    assert len(said) + sum(one.get("dropped", 0) for one in said) == 100
    assert not any("duplicate" in one for one in said)


def test_flood_is_closed_with_4429(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    for message in ("nonsense", v1_frame()):
        with publishing(installation, camera, headers=scenario["operator"].bearer) as device:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(2000):
                    device.send(message)
            assert close_code(device, 30) == 4429


def test_publisher_that_never_reads_costs_no_memory(
    installation: Installation, scenario: Scenario, camera: str
) -> None:
    """The server keeps almost nothing of its messages and of the answers."""
    server = psutil.Process(installation.processes[0].pid)
    message = v1_frame(padded(1))
    masked = b"\x82\xff" + struct.pack(">Q", len(message)) + bytes(4) + message
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(60)
        raw.connect(("127.0.0.1", installation.port))
        raw.sendall(
            f"GET /ws/publish/{camera} HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\n"
            f"Authorization: Bearer {scenario['operator'].token}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: sideline.v1\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        raw.sendall(masked * 5)
        before = server.memory_info().rss
        for _ in range(20):
            raw.sendall(masked * 5 + b"\x89\xfd" + bytes(4) + b"p" * 125)
        assert server.memory_info().rss - before < 32 * 2**20


class BlockedWriter:
    """A `SocketWriter` that is not ready until `is_ready` is set."""

    def __init__(self) -> None:
        self.is_ready = False
        self.written: list[bytes] = []
        self.callbacks: list[Callable[[], None]] = []

    def write(self, data: bytes) -> bool:
        self.written.append(data)
        return True

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def read_now(self) -> None: ...

    def set_auto_read(self, enabled: bool) -> None: ...


async def test_only_the_newest_unsent_answer_is_kept() -> None:
    writer = BlockedWriter()
    publisher = Publisher(writer)
    for seq in range(1000):
        publisher.offer_answer({"ack": seq})
    assert writer.written == []
    writer.is_ready = True
    for callback in writer.callbacks:
        callback()
    assert [json.loads(data[2:]) for data in writer.written] == [{"ack": 999}]
