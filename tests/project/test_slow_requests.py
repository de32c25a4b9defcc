"""Requests that come by drops: they end, and one peer has only so many of them."""

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
    REQUESTS_EACH,
    BoundedRequest,
    PatientChannel,
    owes_too_many,
)
from tests.installation import Installation
from tests.waiting import until

POST = b"POST /signin HTTP/1.1\r\nHost: x\r\n"
UPGRADE = b"GET /ws/stream/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Long: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Asked(BoundedRequest):
    """One that is never answered."""

    def process(self) -> None:
        return


class Connection:
    """One to a server whose clock the test moves."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ended = False
        self.transport = StringTransport()
        self.transport.abortConnection = self._end  # type: ignore[method-assign]
        nothing = SimpleNamespace(protocol_connected=id, protocol_disconnected=id)
        channel: Any = PatientChannel()
        channel.factory = SimpleNamespace(server=nothing, log=id)
        channel.requestFactory, channel.callLater = Asked, self.clock.callLater
        channel.timeOut = 60
        channel.makeConnection(self.transport)
        self.channel = channel

    def _end(self) -> None:
        self.ended = True
        self.channel.connectionLost(None)

    def drips(self, drop: bytes) -> float:
        """How long it stays open while a drop comes every five seconds; at most 200 s."""
        began = self.clock.seconds()
        while not self.ended and self.clock.seconds() - began < 200:
            self.clock.advance(5)
            if not self.ended:
                self.channel.dataReceived(drop)
        return self.clock.seconds() - began


@pytest.mark.parametrize(
    ("begun", "drop", "most"),
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
def test_request_that_comes_by_drops_ends(begun: bytes, drop: bytes, most: float) -> None:
    connection = Connection()
    if begun:
        connection.channel.dataReceived(begun)
    assert connection.drips(drop) <= most
    assert not http._owing


def test_who_says_nothing_at_all_is_let_go() -> None:
    connection = Connection()
    connection.clock.advance(HEAD_S)
    assert connection.ended


def test_answer_may_take_its_time_and_the_next_request_has_its_own() -> None:
    connection = Connection()
    connection.channel.dataReceived(WHOLE)
    connection.clock.advance(500)
    assert not connection.ended, "nothing is owed while it is being answered"
    answered = connection.channel.requests[0]
    answered.setHeader(b"content-length", b"0")
    answered.finish()
    connection.clock.advance(HEAD_S + 5)
    assert not connection.ended, "idle connections have Twisted's time"
    connection.channel.dataReceived(b"GET /")
    assert connection.drips(b"a") <= HEAD_S


def test_large_body_that_goes_on_has_the_time_of_its_place() -> None:
    connection = Connection()
    head = b"POST /api/v1/actions/actions/send HTTP/1.1\r\nAuthorization: Bearer x\r\n"
    connection.channel.dataReceived(head + b"Content-Length: 11000000\r\n\r\n" + b" " * BODY_LIMIT)
    connection.clock.advance(BODY_S - 1)
    for _ in range(10):
        connection.channel.dataReceived(b" " * 100_000)
        connection.clock.advance(1)
    assert not connection.ended
    assert connection.drips(b"a") <= BODY_S
    assert not http._owing


def test_proxies_of_ours_owe_without_end() -> None:
    for _ in range(REQUESTS_EACH + 1):
        http._owing[""] += 1
    assert not owes_too_many("")
    del http._owing[""]


def test_peer_with_many_beginnings_keeps_nobody_else_out(installation: Installation) -> None:
    there = ("127.0.0.1", installation.port)
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(REQUESTS_EACH + 20):
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
