"""The clients: many connections in one process, which record the delay of each token."""

from __future__ import annotations

import re
import selectors
import socket
import time
from dataclasses import dataclass

import psutil

_TOKEN = re.compile(rb"T(\d{13})")
SETTLE_S = 2.0  # after the last stream has begun
START_S = 90.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """A window of `seconds`: received tokens, CPU seconds of the server, sorted delays in ms.

    `memory` is bytes per stream.
    """

    seconds: float
    tokens: int
    cpu: float
    delays: list[float]
    memory: float

    def delay(self, share: float) -> float:
        """Return the delay that this share of the tokens does not exceed."""
        return self.delays[min(int(len(self.delays) * share), len(self.delays) - 1)]


def listen(port: int, requests: list[bytes], pid: int, seconds: float) -> Measurement:
    """Send each request on a separate connection and measure. Raises `AssertionError`."""
    server = psutil.Process(pid)
    memory = server.memory_info().rss
    waiting = set()
    with selectors.DefaultSelector() as selector:
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in requests]
        try:
            for peer, request in zip(peers, requests, strict=True):
                peer.setblocking(False)
                peer.send(request)
                selector.register(peer, selectors.EVENT_READ)
                waiting.add(peer)
            _read(selector, START_S, until=waiting)
            assert not waiting, f"{len(waiting)} of {len(peers)} streams did not begin"
            _read(selector, SETTLE_S)
            before, began = sum(server.cpu_times()[:2]), time.monotonic()
            delays = _read(selector, seconds)
            cpu, took = sum(server.cpu_times()[:2]) - before, time.monotonic() - began
            grown = server.memory_info().rss - memory
        finally:
            for peer in peers:
                peer.close()
    assert delays, "no token came"
    return Measurement(took, len(delays), cpu, sorted(delays), grown / len(peers))


def _read(
    selector: selectors.BaseSelector, seconds: float, until: set[socket.socket] | None = None
) -> list[float]:
    """Read for `seconds`, or until each socket in `until` received a token; return the delays."""
    delays: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end and (until is None or until):
        for key, _ in selector.select(0.5):
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            data = peer.recv(65536)
            assert data, "the server closed a stream"
            assert b" 503 " not in data[:16], data
            now = time.time() * 1000
            tokens = _TOKEN.findall(data)
            delays.extend(now - int(each) for each in tokens)
            if tokens and until is not None:
                until.discard(peer)
    return delays
