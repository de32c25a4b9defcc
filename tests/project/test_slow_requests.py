"""Slow requests: they are ended, and their number per client is limited."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from project.server import http
from project.server.http import (
    BODY_LIMIT,
    BODY_S,
    HEAD_S,
    PENDING_PER_CLIENT,
    BoundedRequest,
    TimedChannel,
    has_too_many_pending,
)
from tests.installation import Installation
from tests.waiting import until

POST = b"POST /signin HTTP/1.1\r\nHost: x\r\n"
UPGRADE = b"GET /ws/stream/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Long: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class UnansweredRequest(BoundedRequest):
    """A request that never gets a response."""

    def process(self) -> None:
        return


class Connection:
    """A connection to a server whose clock the test advances."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ended = False
        self.transport = StringTransport()
        self.transport.abortConnection = self._end  # type: ignore[method-assign]
        nothing = SimpleNamespace(protocol_connected=id, protocol_disconnected=id)
        channel: Any = TimedChannel()
        channel.factory = SimpleNamespace(server=nothing, log=id)
        channel.requestFactory, channel.callLater = UnansweredRequest, self.clock.callLater
        channel.timeOut = 60
        channel.makeConnection(self.transport)
        self.channel = channel

    def _end(self) -> None:
        self.ended = True
        self.channel.connectionLost(None)

    def send_slowly(self, piece: bytes) -> float:
        """Send a piece every five seconds; return for how long it stays open, at most 200 s."""
        began = self.clock.seconds()
        while not self.ended and self.clock.seconds() - began < 200:
            self.clock.advance(5)
            if not self.ended:
                self.channel.dataReceived(piece)
        return self.clock.seconds() - began


@pytest.mark.parametrize(
    ("start", "piece", "limit"),
    [
        (b"", b"G", HEAD_S),
        (POST, b"X: y\r\n", HEAD_S),
        (UPGRADE, b"a", HEAD_S),
        (POST + b"Content-Length: 1000\r\n\r\n", b"a", BODY_S),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", BODY_S),
        (POST + b"Content-Length: 900000000\r\n\r\n", b"a", BODY_S),
    ],
    ids=["line", "header", "handshake", "body", "chunks", "refused"],
)
def test_slow_request_is_ended(start: bytes, piece: bytes, limit: float) -> None:
    connection = Connection()
    if start:
        connection.channel.dataReceived(start)
    assert connection.send_slowly(piece) <= limit
    assert not http._pending


def test_silent_connection_is_closed() -> None:
    connection = Connection()
    connection.clock.advance(HEAD_S)
    assert connection.ended


def test_slow_answer_does_not_use_up_the_time_of_the_next_request() -> None:
    connection = Connection()
    connection.channel.dataReceived(WHOLE)
    connection.clock.advance(500)
    assert not connection.ended, "no limit while the server prepares the response"
    request = connection.channel.requests[0]
    request.setHeader(b"content-length", b"0")
    request.finish()
    connection.clock.advance(HEAD_S + 5)
    assert not connection.ended, "idle connections have Twisted's timeout"
    connection.channel.dataReceived(b"GET /")
    assert connection.send_slowly(b"a") <= HEAD_S


def test_large_body_that_continues_has_the_time_of_its_slot() -> None:
    connection = Connection()
    head = b"POST /api/v1/actions/actions/send HTTP/1.1\r\nAuthorization: Bearer x\r\n"
    connection.channel.dataReceived(head + b"Content-Length: 11000000\r\n\r\n" + b" " * BODY_LIMIT)
    connection.clock.advance(BODY_S - 1)
    for _ in range(10):
        connection.channel.dataReceived(b" " * 100_000)
        connection.clock.advance(1)
    assert not connection.ended
    assert connection.send_slowly(b"a") <= BODY_S
    assert not http._pending


def test_trusted_proxies_have_no_limit_of_pending_requests() -> None:
    for _ in range(PENDING_PER_CLIENT + 1):
        http._pending[""] += 1
    assert not has_too_many_pending("")
    del http._pending[""]


def test_peer_with_many_pending_requests_does_not_block_others(installation: Installation) -> None:
    there = ("127.0.0.1", installation.port)
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(PENDING_PER_CLIENT + 20):
            link = socket.create_connection(there, 60, source_address=("127.0.0.77", 0))
            held.append(stack.enter_context(link))
            with contextlib.suppress(ConnectionError):
                link.sendall(b"GET /")
        until(lambda: sum(map(_has_ended, held)) >= 20, 60, "the last ones to be closed")
        assert httpx.get(f"{installation.url}/healthz").status_code == 200
        until(lambda: all(map(_has_ended, held)), 60, "the others to be closed in their time")
    transport = httpx.HTTPTransport(local_address="127.0.0.77")
    with httpx.Client(transport=transport) as client:
        assert client.get(f"{installation.url}/healthz").status_code == 200


def _has_ended(link: socket.socket) -> bool:
    link.setblocking(False)
    try:
        return link.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
