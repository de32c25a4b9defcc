"""A socket that cannot be admitted for now is accepted, and closed with 1011 in bounded time; with
1001 if the server stops."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import OperationalError

from cameras.consumers import camera_socket
from cameras.consumers.stream import StreamConsumer
from project.audit.view_log import ServerIsStopping

HEADERS = [(b"sec-websocket-protocol", b"sideline.v1")]
# A browser would not report the code if its subprotocol were not accepted.
ACCEPTED = ("websocket.accept", "sideline.v1")
TRY_AGAIN = [ACCEPTED, ("websocket.close", 1011)]


async def answers() -> list[tuple[str, Any]]:
    """Open a socket; return what the client gets."""
    consumer, sent = StreamConsumer(), list[tuple[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append((message["type"], message.get("subprotocol", message.get("code"))))

    consumer.base_send = send
    route = {"kwargs": {"camera": "x"}}
    consumer.scope = {"url_route": route, "headers": HEADERS, "query_string": b""}
    await consumer.connect()
    return sent


async def test_handshake_does_not_wait_for_a_database_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    monkeypatch.setattr(camera_socket, "ADMISSION_S", 0.05)
    monkeypatch.setattr(camera_socket, "admit", lambda *args, **options: released.wait(60))
    try:
        assert await answers() == TRY_AGAIN
    finally:
        released.set()


@pytest.mark.parametrize("error", [OperationalError("lost"), KeyError("a fault of ours")])
async def test_failure_is_no_refusal(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(camera_socket, "admit", fail)
    assert await answers() == TRY_AGAIN


async def test_server_that_stops_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise ServerIsStopping

    monkeypatch.setattr(camera_socket, "admit", refuse)
    assert await answers() == [ACCEPTED, ("websocket.close", 1001)]


async def test_view_of_a_socket_ends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[object] = []
    monkeypatch.setattr(camera_socket.services, "view_log", lambda: Mock(end=ended.append))
    consumer, view = StreamConsumer(), Mock()
    consumer.view, consumer.task = view, None
    consumer._release()
    consumer._release()
    assert ended == [view]
