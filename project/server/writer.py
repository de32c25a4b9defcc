"""The writable end of a connection, past Daphne's queue.

Daphne's `send()` returns at once whatever the peer reads, so a viewer who stops reading would
fill the memory. Here a connection is asked what it has not taken yet (`Wire`); a response without
end is written to it (`ResponseWire`), and so are a WebSocket's messages (`SocketWire`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

NOT_SENT_LOW_WATER = 16_384  # bytes the kernel may hold unsent before a socket counts as full
_TCP_NOTSENT_LOWAT = 25


def tcp_of(transport: Any) -> Connection | None:
    """The TCP connection of Twisted's behind a transport: itself, or what TLS is spoken over.

    None for anything else. Wrappers pass every attribute on, so it goes by class.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport if isinstance(transport, Connection) else None


class Wire:
    """One TCP connection of Twisted's, plain or under TLS."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        _keep_kernel_buffer_short(transport.socket)

    def waiting(self) -> int:
        """Bytes given to the transport that the kernel has not taken."""
        transport = self._transport
        if not transport.connected:
            return 0
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)


class ResponseWire(Wire):
    """The wire of a response that has begun in the ordinary way, and goes on without end.

    Bound: none of its own; who writes asks first how far the peer is behind.
    """

    __slots__ = ("_request",)

    def __init__(self, transport: Any, request: Any) -> None:
        super().__init__(transport)
        self._request = request

    def behind(self, most: int) -> bool:
        """Whether more than `most` bytes wait."""
        transport = self._transport
        return bool(transport.dataBuffer or transport._tempDataLen) and self.waiting() > most

    def write(self, data: bytes, framed: bytes) -> int:
        """Send it; `framed` is the same as one chunk of HTTP/1.1, for peers that speak it.

        Returns how many bytes that makes on the wire.
        """
        transport = self._transport
        if not transport.connected or transport.disconnecting or self._request.finished:
            return 0
        if self._request.chunked:
            data = framed
        size = len(data)
        if not transport.dataBuffer and not transport._tempDataLen:
            try:
                data = data[transport.socket.send(data) :]
            except OSError:  # full; or broken, which the transport meets itself
                pass
        if data:
            transport.write(data)
        return size

    def abort(self) -> None:
        """Let go of the peer, with what it has not read."""
        self._transport.abortConnection()


def _keep_kernel_buffer_short(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER)
    except OSError:
        return  # not Linux: frames may be a little older, nothing else


HEARD_AT_ONCE = 4096  # bytes; a viewer says little


class SocketWire(Wire):
    """A WebSocket's wire. Bound: one message, of which the socket took a part.

    Who listens gets what the peer says, instead of the ASGI application.
    What a viewer says is read now and then, not as it comes: an event for each acknowledgement
    would cost several times what its frame does.
    """

    # Slots, and `_clear`: a thousand viewers do not fit into a processor's cache, and what is
    # looked at for each of them is what a frame costs.
    __slots__ = ("_call", "_clear", "_open", "_protocol", "_send", "at_once", "heard")

    def __init__(self, transport: Any, protocol: Any) -> None:
        super().__init__(transport)
        self._send = transport.socket.send
        self._clear = False  # known to be ready
        self._call: Callable[[], None] | None = None
        self._protocol = protocol
        self._open = protocol.STATE_OPEN
        self.heard = False  # since `Server` looked last
        self.at_once = True

    @property
    def ready(self) -> bool:
        """Whether nothing of before waits, and the socket is open."""
        if not self._clear:
            transport = self._transport
            self._clear = not transport.dataBuffer and not transport._tempDataLen and self._is_open
        return self._clear

    @property
    def _is_open(self) -> bool:
        return bool(self._protocol.state == self._open)

    def disturbed(self) -> None:
        """Somebody else has given the transport something, or the connection is lost."""
        self._clear = False

    def write(self, data: bytes) -> bool:
        """Take a whole message: the socket what it will, the transport the rest.

        False, and nothing is taken, where it is not ready.
        """
        if not self._clear and not self.ready:
            return False
        try:
            sent = self._send(data)
        except OSError:  # full; or broken, which the transport meets itself
            sent = 0
        if sent < len(data):
            self._clear = False
            self._transport.write(data[sent:])
        return True

    def call_when_ready(self, call: Callable[[], None]) -> None:
        """Call once, when nothing waits any more. Not at all where the connection ends first.

        A socket that is closing must have no producer: Twisted would ask it for ever, not close.
        """
        if self._call is not None or not self._transport.connected or not self._is_open:
            return
        transport = self._transport
        transport.unregisterProducer()  # HTTP's, of before the upgrade
        transport.registerProducer(self, False)  # a pull producer is told when all is written
        self._call = call
        transport.startWriting()

    def resumeProducing(self) -> None:
        """Twisted's word for: nothing waits any more."""
        call, self._call = self._call, None
        if call is None:  # just registered
            return
        self._transport.unregisterProducer()  # else a connection that is to close would not
        if self._is_open:
            call()

    def stopProducing(self) -> None:
        """Twisted's word for: the connection is lost."""
        self._call = None

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Hand what the peer says to `hear`, message by message."""
        self._protocol.hear = hear

    def read_at_once(self, wanted: bool) -> None:
        """Whether what the peer says is handed on as it comes; else by `read_now` only."""
        if wanted != self.at_once and self._transport.connected:
            self.at_once = wanted
            if wanted:
                self._transport.startReading()
            else:
                self._transport.stopReading()

    def read_now(self) -> None:
        """Hand on what the peer has said so far."""
        self.heard = True
        transport = self._transport
        if not transport.connected:
            return
        try:
            data = transport.socket.recv(HEARD_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            transport.protocol.dataReceived(data)
        else:
            self.read_at_once(True)  # it has ended, and the reactor is to find that


def short_texts(data: bytes, hear: Callable[[bytes], None]) -> bytes:
    """Hand each short masked text message at the front of `data` to `hear`; return the rest.

    This is what viewers say all the time, and it costs a tenth of what a whole parser does.
    """
    at, end = 0, len(data)
    while at + 6 <= end and data[at] == 0x81 and 0x80 <= data[at + 1] < 0xFE:
        length = data[at + 1] & 0x7F
        start = at + 6
        if start + length > end:
            break
        mask = data[at + 2 : start] * (length // 4 + 1)
        masked = int.from_bytes(data[start : start + length], "big")
        hear((masked ^ int.from_bytes(mask[:length], "big")).to_bytes(length, "big"))
        at = start + length
    return data[at:]
