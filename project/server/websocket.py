"""Daphne's WebSocket, with bounds on what a peer may say, and with close codes and reasons.

Autobahn has no hooks for these, so its methods are overridden; `tests/project/test_server.py` pins
what is relied upon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from autobahn.util import encode_truncate
from daphne.ws_protocol import WebSocketProtocol

from project.server.writer import SocketWire, short_texts

MESSAGE_LIMIT = 64 * 1024  # viewers say little
MESSAGE_FRAMES = 64  # one would do for a viewer
PUBLISHED_FRAMES = 1024  # Chromium makes frames of up to 128 KiB; 12 MiB were 124 of them at most
FRAMES_S = 250  # a viewer's acknowledgements, and pings
PUBLISHED_S = 1000
BEHIND = 4 * MESSAGE_LIMIT
PONGS = 100
CLOSE_S = 5.0


class ListenedSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket whose application may listen to it by its wire.

    Bounds: a message of `most` bytes in `most_frames`; `PONGS` that the peer has not read; and
    `each_second` frames, whatever they are, each of which costs the process as much as a large one.
    Who has sent more is not read until the second is over, and not heard after a close.
    """

    maxFramePayloadSize = maxMessagePayloadSize = 0  # theirs would be for what is sent, too
    closeHandshakeTimeout = CLOSE_S  # one second is too short for a viewer that is behind
    hear: Callable[[bytes], None] | None = None
    wire: SocketWire | None = None
    most, most_frames, each_second = MESSAGE_LIMIT, MESSAGE_FRAMES, FRAMES_S
    pongs = frames = left = 0
    since = 0.0  # when `left` was all of `each_second`
    pause: Any = None  # the call that will end it
    message_data: list[bytes]
    failedByMe = deaf = False

    def expect_pictures(self, most: int) -> None:
        """It is a publisher's, and a message has so many bytes at most."""
        self.most, self.most_frames, self.each_second = most, PUBLISHED_FRAMES, PUBLISHED_S

    def dataReceived(self, data: bytes) -> None:
        # What viewers say all the time comes first. In a pause nothing is `left`.
        if self.left > 0 and self.hear is not None and not self.data and self.current_frame is None:
            rest = short_texts(data, self.hear)
            self.left -= (len(data) - len(rest)) >> 4  # about as many as there were
            if not rest:
                return
            data = rest
        if self.state == self.STATE_CONNECTING and len(self.data) + len(data) > MESSAGE_LIMIT:
            self.transport.abortConnection()  # more than any handshake, before it is answered
        elif self.pause is not None:
            self._keep(data)
        elif not self.deaf:
            super().dataReceived(data)

    def _keep(self, data: bytes) -> None:
        """Read before the pause, or by who did not know of it. Bound: `BEHIND`."""
        self.data += data
        self.transport.pauseProducing()
        if len(self.data) > BEHIND:
            self.transport.abortConnection()

    def processData(self) -> bool:
        """Autobahn's next step, if there is a frame left for it."""
        if self.left <= 0 and self.current_frame is None and len(self.data) > 1:
            now = time.monotonic()  # not asked for each frame
            if now < self.since + 1:
                self._rest(self.since + 1 - now)
                return False
            self.since, self.left = now, self.each_second
        more: bool = super().processData()
        return more

    def _rest(self, seconds: float) -> None:
        if self.state != self.STATE_OPEN:
            self.deaf, self.data = True, b""  # it is to see why it was closed, so no reset for it
            return
        self.transport.pauseProducing()
        self.pause = self.factory.reactor.callLater(seconds, self._go_on)

    def _go_on(self) -> None:
        self.pause = None
        if self.wire is None or self.wire.at_once:
            self.transport.resumeProducing()
        self.consumeData()

    def onFrameBegin(self) -> None:
        self.left -= 1
        super().onFrameBegin()

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
        if self.pause is not None:
            self.pause.cancel()
        if self.wire is not None:
            self.wire.disturbed()
        super().connectionLost(reason)

    def onMessageBegin(self, isBinary: bool) -> None:
        super().onMessageBegin(isBinary)
        self.frames = 0

    def onMessageFrameBegin(self, length: int) -> None:
        """A message that is too long is refused, and thrown away as it comes."""
        super().onMessageFrameBegin(length)
        self.frames += 1
        if self.failedByMe:
            return
        if self.message_data_total_length > self.most or self.frames > self.most_frames:
            self.failedByMe, self.message_data = True, []
            self.sendClose(1009, "The message is too long, or in too many pieces.")

    def onMessageFrameData(self, payload: bytes) -> None:
        """Autobahn's, but a frame that comes by crumbs is one object, not one for each."""
        if self.failedByMe or not self.frame_data:
            super().onMessageFrameData(payload)
            return
        if isinstance(self.frame_data[0], bytes):
            self.frame_data[0] = bytearray(self.frame_data[0])
        self.frame_data[0] += payload

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
