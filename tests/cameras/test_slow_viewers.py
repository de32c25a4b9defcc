"""Viewers that read slowly, never read, or send too much do not affect others."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.installation import Installation
from tests.people import Scenario, create_scenario
from tests.sockets import (
    age_ms,
    close_code,
    next_frame,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def scenario(installation: Installation) -> Scenario:
    return create_scenario(installation, "burdens")


@pytest.mark.timing
def test_slow_viewer_gets_only_fresh_pictures(
    installation: Installation, scenario: Scenario
) -> None:
    """The seed's format has no acknowledgements. The viewer reads at half the stream's rate."""
    with stalled(installation, scenario.key) as raw:
        head = b""
        while b"\r\n\r\n" not in head:
            head += raw.recv(1)
        began, read, buffer, ages, times = time.monotonic(), 0, b"", [], []
        while time.monotonic() - began < 8:
            allowed = int(350_000 * (time.monotonic() - began)) - read
            if allowed < 2000:
                time.sleep(0.005)
                continue
            data = raw.recv(min(allowed, 16_384))
            read, buffer = read + len(data), buffer + data
            while (whole := _text(buffer)) is not None:
                message, buffer = whole
                ages.append(age_ms(message))
                times.append(message["timestamp"])
    assert len(times) > 20
    assert times == sorted(set(times))
    assert sorted(ages[3:])[int(len(ages[3:]) * 0.9)] < 1000


def _text(buffer: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return the first complete text message and the remaining bytes; None if incomplete."""
    if len(buffer) < 10:
        return None
    assert buffer[0] == 0x81
    assert buffer[1] in (126, 127)
    size = 2 if buffer[1] == 126 else 8
    end = 2 + size + int.from_bytes(buffer[2 : 2 + size], "big")
    if len(buffer) < end:
        return None
    return json.loads(buffer[2 + size : end]), buffer[end:]


@contextlib.contextmanager
def stalled(installation: Installation, key: str) -> Iterator[socket.socket]:
    """A viewer that opens the stream and then never reads."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(60)
        raw.connect(("127.0.0.1", installation.port))
        raw.sendall(
            f"GET /ws/stream/{key} HTTP/1.1\r\nHost: 127.0.0.1:{installation.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        yield raw


@pytest.mark.timing
def test_viewers_that_never_read_do_not_delay_others_or_use_memory(
    installation: Installation, scenario: Scenario
) -> None:
    """The server buffers less than a quarter of what eight such viewers leave unread."""
    server = psutil.Process(installation.processes[0].pid)
    with contextlib.ExitStack() as many, watching(installation, scenario.key) as healthy:
        for _ in range(8):
            many.enter_context(stalled(installation, scenario.key))
        for _ in range(5):
            next_frame(healthy)
        before, unread = server.memory_info().rss, 0
        ages = []
        for _ in range(60):
            message = healthy.recv(timeout=10)
            ages.append(age_ms(json.loads(message)))
            unread += 8 * len(message)
        assert sorted(ages)[int(len(ages) * 0.95)] < 1000
        assert unread > 32 * 2**20, "too little data to distinguish a queue from noise"
        assert server.memory_info().rss - before < unread / 4


def test_flood_of_messages_is_closed_with_4429(
    installation: Installation, scenario: Scenario
) -> None:
    with watching(installation, scenario.key, v1=True) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                socket.send('{"ack": 1}')
        assert close_code(socket, 60) == 4429


def descriptors(installation: Installation) -> int:
    return psutil.Process(installation.processes[0].pid).num_fds()


def test_viewer_that_closes_while_behind_is_disconnected(
    installation: Installation, scenario: Scenario
) -> None:
    """The close arrives while a part of the first frame is unsent."""
    close_while_behind(installation, scenario)


@pytest.mark.timing
def test_viewer_that_closes_while_behind_causes_no_busy_loop(
    installation: Installation, scenario: Scenario
) -> None:
    for busy in close_while_behind(installation, scenario, cpu_load):
        assert busy < 0.5


def close_while_behind(
    installation: Installation,
    scenario: Scenario,
    measure: Callable[[psutil.Process], float] = lambda _: 0.0,
) -> list[float]:
    """Measure while the server waits for eight closing viewers, and after they are gone."""
    server = psutil.Process(installation.processes[0].pid)
    with watching(installation, scenario.key) as other:  # so that a picture is there at once
        next_frame(other, 60)
        before = descriptors(installation)
        with contextlib.ExitStack() as many:
            for _ in range(8):
                raw = many.enter_context(stalled(installation, scenario.key))
                raw.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
            for _ in range(10):
                next_frame(other, 60)
            found = [measure(server)]
            until(lambda: descriptors(installation) <= before, 60, "their connections closed")
        return [*found, measure(server)]


def cpu_load(process: psutil.Process) -> float:
    """Return the CPU seconds that a process uses in one second."""
    before = process.cpu_times()
    time.sleep(1)
    after = process.cpu_times()
    return float(after.user + after.system - before.user - before.system)
