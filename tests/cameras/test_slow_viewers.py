"""Viewers who read slowly, or never, or talk too much, cost nobody else anything."""

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
from tests.people import Cast, assemble
from tests.sockets import (
    age_ms,
    ended,
    frame,
    watching,
)
from tests.waiting import until


@pytest.fixture(scope="module")
def cast(installation: Installation) -> Cast:
    return assemble(installation, "burdens")


@pytest.mark.timing
def test_slow_reader_gets_new_pictures_only(installation: Installation, cast: Cast) -> None:
    """At half the stream's speed, without a word of acknowledgement."""
    with stalled(installation, cast.key) as raw:
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
    """The first whole text message of a server's bytes, and what follows it."""
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
    """A viewer who opens the stream and then never reads."""
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
def test_never_reading_viewer_costs_the_others_nothing_and_the_server_no_memory(
    installation: Installation, cast: Cast
) -> None:
    """Of everything that eight of them leave unread, the server keeps less than a quarter."""
    server = psutil.Process(installation.processes[0].pid)
    with contextlib.ExitStack() as many, watching(installation, cast.key) as healthy:
        for _ in range(8):
            many.enter_context(stalled(installation, cast.key))
        for _ in range(5):
            frame(healthy)
        before, unread = server.memory_info().rss, 0
        ages = []
        for _ in range(60):
            message = healthy.recv(timeout=10)
            ages.append(age_ms(json.loads(message)))
            unread += 8 * len(message)
        assert sorted(ages)[int(len(ages) * 0.95)] < 1000
        assert unread > 32 * 2**20, "too little to tell a queue from noise"
        assert server.memory_info().rss - before < unread / 4


def test_flood_of_messages_is_cut_off(installation: Installation, cast: Cast) -> None:
    with watching(installation, cast.key, v1=True) as socket:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(1000):
                socket.send('{"ack": 1}')
        assert ended(socket, 60) == 4429


def descriptors(installation: Installation) -> int:
    return psutil.Process(installation.processes[0].pid).num_fds()


def test_viewer_who_says_goodbye_while_behind_is_let_go(
    installation: Installation, cast: Cast
) -> None:
    """A Close that comes while a part of the first frame waits, before the next one does."""
    goodbye_while_behind(installation, cast)


@pytest.mark.timing
def test_viewer_who_says_goodbye_while_behind_costs_no_busy_loop(
    installation: Installation, cast: Cast
) -> None:
    for busy in goodbye_while_behind(installation, cast, turning):
        assert busy < 0.5


def goodbye_while_behind(
    installation: Installation,
    cast: Cast,
    measure: Callable[[psutil.Process], float] = lambda _: 0.0,
) -> list[float]:
    """What is measured while the server waits for their end, and after it."""
    server = psutil.Process(installation.processes[0].pid)
    with watching(installation, cast.key) as other:  # so that there is a picture at once
        frame(other, 60)
        before = descriptors(installation)
        with contextlib.ExitStack() as many:
            for _ in range(8):
                raw = many.enter_context(stalled(installation, cast.key))
                raw.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
            for _ in range(10):
                frame(other, 60)
            found = [measure(server)]
            until(lambda: descriptors(installation) <= before, 60, "their connections closed")
        return [*found, measure(server)]


def turning(process: psutil.Process) -> float:
    """CPU seconds that a process takes in a second."""
    before = process.cpu_times()
    time.sleep(1)
    after = process.cpu_times()
    return float(after.user + after.system - before.user - before.system)
