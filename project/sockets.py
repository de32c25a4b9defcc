"""Daphne's WebSocket, with bounds on what a peer may say, and with close codes and reasons.

Autobahn has no hooks for these, so its methods are overridden; `tests/project/test_server.py` pins
what is relied upon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autobahn.util import encode_truncate
from daphne.ws_protocol import WebSocketProtocol

from project.socket_wire import SocketWire, short_texts

MESSAGE_LIMIT = 64 * 1024  # viewers say little
PONGS = 100
CLOSE_S = 5.0


class ListenedSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket whose application may listen to it by its wire. Bound: a message of `most` bytes,
    and `PONGS` that the peer has not read."""

    maxFramePayloadSize = maxMessagePayloadSize = 0  # theirs would be for what is sent, too
    closeHandshakeTimeout = CLOSE_S  # one second is too short for a viewer that is behind
    hear: Callable[[bytes], None] | None = None
    wire: SocketWire | None = None
    most = MESSAGE_LIMIT
    pongs = 0
    failedByMe = False

    def dataReceived(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING and len(self.data) + len(data) > MESSAGE_LIMIT:
            self.transport.abortConnection()  # more than any handshake, before it is answered
            return
        if self.hear is not None and not self.data and self.current_frame is None:
            data = short_texts(data, self.hear)
        if data:
            super().dataReceived(data)

    def sendData(self, *what: Any, **how: Any) -> None:
        """Whatever Autobahn itself sends."""
        if self.wire is not None:
            self.wire.disturbed()
        super().sendData(*what, **how)

    def dropConnection(self, abort: bool = False) -> None:
        """Autobahn's, but what the peer does not read holds the end up for `CLOSE_S` at most."""
        super().dropConnection(abort)
        if not abort:
            self.factory.reactor.callLater(CLOSE_S, self.transport.abortConnection)

    def connectionLost(self, reason: Any) -> None:
        if self.wire is not None:
            self.wire.disturbed()
        super().connectionLost(reason)

    def onMessageFrameBegin(self, length: int) -> None:
        """A message that is too long is refused, and thrown away as it comes."""
        super().onMessageFrameBegin(length)
        if self.message_data_total_length > self.most and not self.failedByMe:
            self.failedByMe = True
            self.sendClose(1009, "The message is too long.")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.hear is not None and not self.muted:
            self.hear(payload)
        else:
            super().onMessage(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        self.pongs = self.pongs + 1 if self.wire is not None and not self.wire.ready else 0
        if self.pongs <= PONGS:
            super().onPing(payload)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's, but the reason of a close is said."""
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            self.sendClose(message.get("code") or 1000, message.get("reason"))
        else:
            super().handle_reply(message)

    def sendClose(self, code: int | None = None, reason: str | None = None) -> None:
        """Autobahn's, which does not let servers say 1001, 1009 and 1011."""
        if self.state != self.STATE_CONNECTING:
            self.sendCloseFrame(code, encode_truncate(reason, 123))
