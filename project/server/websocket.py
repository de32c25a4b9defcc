"""Daphne's WebSocket protocol: bounds on what a peer may send, close reasons, refusals with a body.

Autobahn has no hooks for these, so its methods are overridden; `tests/project/test_server.py`
covers the internals that are used.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from autobahn.util import encode_truncate
from daphne.ws_protocol import WebSocketProtocol
from twisted.web.http import RESPONSES

from project.problems import PROBLEM_TYPE, SERVER_FAILED, encode_problem
from project.server.writer import SocketWriter, parse_short_texts

# "Frame" is a WebSocket frame here: a message consists of one or more.
MESSAGE_LIMIT = 64 * 1024  # bytes; viewers send short messages
MESSAGE_FRAMES = 64  # per message; viewers need one
PUBLISHED_FRAMES = 1024  # per message; Chromium sends up to 128 KiB per frame, 12 MiB in 124 frames
FRAMES_S = 250  # per second; a viewer's acknowledgements and pings
PUBLISHED_S = 1000  # per second, of a publisher
PAUSED_LIMIT = 4 * MESSAGE_LIMIT  # bytes kept while reading is paused
PONGS = 100  # unsent pongs of one connection
CLOSE_S = 5.0
DEAD_S = 1.0  # for a peer that answers no pings to read why it is closed
REFUSED = "The server refused this connection."
TOO_SLOW = "The server took too long to admit this connection; try again."


@dataclass(slots=True)
class _Refusal:
    """A response to a handshake in place of 101. Bound: `MESSAGE_LIMIT` bytes of body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)

    @classmethod
    def problem(cls, status: int, detail: str) -> _Refusal:
        body = bytearray(encode_problem(status, detail))
        return cls(status, [(b"Content-Type", PROBLEM_TYPE.encode())], body)

    def add(self, data: bytes) -> None:
        """Append to the body. Raises `ValueError` beyond the bound."""
        if len(self.body) + len(data) > MESSAGE_LIMIT:
            raise ValueError("A refusal has at most 64 KiB.")
        self.body += data

    def encode(self) -> bytes:
        """Return the whole response. The connection is closed after it."""
        framing = (b"content-length", b"connection", b"transfer-encoding")
        kept = [pair for pair in self.headers if pair[0].lower() not in framing]
        length = str(len(self.body)).encode()
        lines = [*kept, (b"Content-Length", length), (b"Connection", b"close")]
        head = b"HTTP/1.1 %d %b\r\n" % (self.status, RESPONSES.get(self.status, b""))
        return head + b"".join(b"%b: %b\r\n" % pair for pair in lines) + b"\r\n" + self.body


class BoundedWebSocket(WebSocketProtocol):  # type: ignore[misc]
    """A WebSocket whose messages go to `message_handler`, if set, instead of the application.

    Bounds: `max_bytes` and `max_frames` per message, `PONGS` unsent pongs, and `frames_per_second`,
    since even a small frame costs as much CPU as a large one. Beyond that rate, reading is paused
    until the second is over; after a close, input is discarded.
    """

    maxFramePayloadSize = maxMessagePayloadSize = 0  # off: Autobahn applies them to output, too
    closeHandshakeTimeout = CLOSE_S  # one second is too short for a viewer that is behind
    message_handler: Callable[[bytes], None] | None = None
    writer: SocketWriter | None = None
    max_bytes, max_frames, frames_per_second = MESSAGE_LIMIT, MESSAGE_FRAMES, FRAMES_S
    pongs = frames = frames_left = 0
    period_began = 0.0  # when `frames_left` was set to `frames_per_second`
    pause: Any = None  # the delayed call that ends it
    message_data: list[bytes]
    refusal: _Refusal | None = None  # of the application
    failedByMe = discards_input = False

    def allow_frames(self, max_bytes: int) -> None:
        """Set the bounds of a publisher's connection."""
        self.max_bytes, self.max_frames = max_bytes, PUBLISHED_FRAMES
        self.frames_per_second = PUBLISHED_S

    def dataReceived(self, data: bytes) -> None:
        # Fast path for acknowledgements. `frames_left` is 0 while reading is paused. Autobahn sets
        # `current_frame` after the handshake, before there is a handler: it is examined last.
        handler = self.message_handler
        is_reading = self.frames_left > 0 and not self.data
        if handler is not None and is_reading and self.current_frame is None:
            rest = parse_short_texts(data, handler)
            self.frames_left -= (len(data) - len(rest)) >> 4  # an estimate of their number
            if not rest:
                return
            data = rest
        if self.state == self.STATE_CONNECTING and len(self.data) + len(data) > MESSAGE_LIMIT:
            self.transport.abortConnection()  # more than any handshake, before it is answered
        elif self.pause is not None:
            self._buffer(data)
        elif not self.discards_input:
            super().dataReceived(data)

    def _buffer(self, data: bytes) -> None:
        """Keep data that was read despite the pause. Bound: `PAUSED_LIMIT`."""
        self.data += data
        self.transport.pauseProducing()
        if len(self.data) > PAUSED_LIMIT:
            self.transport.abortConnection()

    def processData(self) -> bool:
        """Autobahn's next parsing step, unless the frame rate is exceeded."""
        if self.frames_left <= 0 and self.current_frame is None and len(self.data) > 1:
            now = time.monotonic()  # not for each frame: that would cost
            if now < self.period_began + 1:
                self._pause(self.period_began + 1 - now)
                return False
            self.period_began, self.frames_left = now, self.frames_per_second
        more: bool = super().processData()
        return more

    def _pause(self, seconds: float) -> None:
        if self.state != self.STATE_OPEN:
            # Unread bytes would cause a TCP reset, and the peer would miss the close reason.
            self.discards_input, self.data = True, b""
            return
        self.transport.pauseProducing()
        self.pause = self.factory.reactor.callLater(seconds, self._resume)

    def _resume(self) -> None:
        self.pause = None
        if self.writer is None or self.writer.auto_read:
            self.transport.resumeProducing()
        self.consumeData()

    def onFrameBegin(self) -> None:
        self.frames_left -= 1
        super().onFrameBegin()

    def sendData(self, *args: Any, **kwargs: Any) -> None:
        """Autobahn's, for everything that it sends itself."""
        if self.writer is not None:
            self.writer.clear_ready()
        super().sendData(*args, **kwargs)

    def dropConnection(self, abort: bool = False) -> None:
        """Autobahn's, but unsent bytes delay the end by `CLOSE_S` at most."""
        super().dropConnection(abort)
        if not abort:
            self.factory.reactor.callLater(CLOSE_S, self.transport.abortConnection)

    def onAutoPingTimeout(self) -> None:
        """Close, and not only drop the connection: the peer may still read."""
        self.autoPingTimeoutCall = None
        self.closeHandshakeTimeout = DEAD_S
        self.sendClose(4408, "The connection did not answer pings.")

    def connectionLost(self, reason: Any) -> None:
        if self.pause is not None:
            self.pause.cancel()
        if self.writer is not None:
            self.writer.clear_ready()
        super().connectionLost(reason)

    def onMessageBegin(self, isBinary: bool) -> None:
        super().onMessageBegin(isBinary)
        self.frames = 0

    def onMessageFrameBegin(self, length: int) -> None:
        """Close on a message that is too long, and discard the rest of it."""
        super().onMessageFrameBegin(length)
        self.frames += 1
        if self.failedByMe:
            return
        is_too_long = self.message_data_total_length > self.max_bytes
        if is_too_long or self.frames > self.max_frames:
            self.failedByMe, self.message_data = True, []
            self.sendClose(1009, "The message is too long, or in too many pieces.")

    def onMessageFrameData(self, payload: bytes) -> None:
        """Autobahn's, but all pieces of a frame make one object, not one each."""
        if self.failedByMe or not self.frame_data:
            super().onMessageFrameData(payload)
            return
        if isinstance(self.frame_data[0], bytes):
            self.frame_data[0] = bytearray(self.frame_data[0])
        self.frame_data[0] += payload

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.message_handler is not None and not self.muted:
            self.message_handler(payload)
        else:
            super().onMessage(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        is_behind = self.writer is not None and not self.writer.is_ready
        self.pongs = self.pongs + 1 if is_behind else 0
        if self.pongs <= PONGS:
            super().onPing(payload)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Daphne's, but a close has its reason, and a handshake may be refused by a response.

        That is ASGI's extension `websocket.http.response`. It is sent when its body is complete.
        """
        kind = message.get("type")
        if kind == "websocket.close" and self.state == self.STATE_OPEN:
            self.sendClose(message.get("code") or 1000, message.get("reason"))
        elif kind == "websocket.close" and self.state == self.STATE_CONNECTING:
            self._refuse(_Refusal.problem(403, REFUSED))
        elif kind == "websocket.http.response.start" and self.state == self.STATE_CONNECTING:
            self.refusal = _Refusal(message["status"], list(message.get("headers", ())))
        elif kind == "websocket.http.response.body" and self.refusal is not None:
            self.refusal.add(message.get("body", b""))
            if not message.get("more_body", False):
                self._refuse(self.refusal)
        else:
            super().handle_reply(message)

    def serverReject(self) -> None:
        """Daphne's, which calls it for an application that takes too long."""
        self._refuse(_Refusal.problem(503, TOO_SLOW))

    def _refuse(self, refusal: _Refusal) -> None:
        self.refusal = refusal
        super().serverReject()

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        """Autobahn's, with a body: the application's response, or a problem of the handshake."""
        refusal = self.refusal or _Refusal.problem(code, SERVER_FAILED if code == 500 else reason)
        for name, value in responseHeaders or ():
            refusal.headers.append((name.encode(), value.encode()))
        self.sendData(refusal.encode())

    def sendClose(self, code: int | None = None, reason: str | None = None) -> None:
        """Autobahn's, which refuses the codes 1001, 1009 and 1011 to servers."""
        if self.state != self.STATE_CONNECTING:
            self.sendCloseFrame(code, encode_truncate(reason, 123))
