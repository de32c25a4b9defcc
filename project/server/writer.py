"""The writable end of a connection, without Daphne's unbounded queue.

Daphne's `send()` returns at once even if the peer does not read, so a viewer that stops reading
would fill the memory. `ConnectionWriter` reports how many bytes are unsent; `ResponseWriter` writes
an endless response and `SocketWriter` a WebSocket's messages directly to the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.tcp import Connection
from twisted.protocols.policies import ProtocolWrapper

NOT_SENT_LOW_WATER = 16_384  # bytes the kernel may hold unsent before a socket counts as full
_TCP_NOTSENT_LOWAT = 25


def tcp_connection(transport: Any) -> Connection | None:
    """Return Twisted's TCP connection of a transport: the transport itself, or the one below TLS.

    None for anything else. Checks the class, since wrappers forward every attribute.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport if isinstance(transport, Connection) else None


class ConnectionWriter:
    """One TCP connection of Twisted, plain or under TLS."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        _keep_kernel_buffer_short(transport.socket)

    def waiting(self) -> int:
        """Number of bytes that the kernel has not accepted yet."""
        transport = self._transport
        if not transport.connected:
            return 0
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)


class ResponseWriter(ConnectionWriter):
    """Writes the body of a response whose head was sent by Daphne.

    Bound: none of its own; the caller checks `is_behind` before it writes.
    """

    __slots__ = ("_request",)

    def __init__(self, transport: Any, request: Any) -> None:
        super().__init__(transport)
        self._request = request

    def is_behind(self, limit: int) -> bool:
        """True if more than `limit` bytes are unsent."""
        transport = self._transport
        return bool(transport.dataBuffer or transport._tempDataLen) and self.waiting() > limit

    def write(self, data: bytes, framed: bytes) -> int:
        """Write `data`; or `framed`, the same data as a chunk, if the response is chunked.

        Returns the number of bytes written; 0 if the response is over.
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
            except OSError:  # full; or broken, which the transport finds itself
                pass
        if data:
            transport.write(data)
        return size

    def abort(self) -> None:
        """Close the connection and discard unsent bytes."""
        self._transport.abortConnection()


def _keep_kernel_buffer_short(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, NOT_SENT_LOW_WATER)
    except OSError:
        return  # not Linux: frames may be a little older, nothing else


READ_BYTES = 4096  # of one `read_now`; viewers send short messages


class SocketWriter(ConnectionWriter):
    """Writes a WebSocket's messages, and passes the peer's to a handler instead of the application.

    Bound: one message, partly sent. A viewer's messages are not read as they arrive: a reactor
    event per acknowledgement would cost several times as much as its frame.
    """

    # Slots, and `_known_ready`: the writers of a thousand viewers do not fit into a CPU's cache,
    # so attribute access dominates the cost of a frame.
    __slots__ = (
        "_callback", "_known_ready", "_open", "_protocol", "_send", "auto_read", "was_read",
    )  # fmt: skip

    def __init__(self, transport: Any, protocol: Any) -> None:
        super().__init__(transport)
        self._send = transport.socket.send
        self._known_ready = False
        self._callback: Callable[[], None] | None = None
        self._protocol = protocol
        self._open = protocol.STATE_OPEN
        self.was_read = False  # since `Server` checked last
        self.auto_read = True

    @property
    def is_ready(self) -> bool:
        """True if nothing is unsent and the WebSocket is open."""
        if not self._known_ready:
            transport = self._transport
            is_empty = not transport.dataBuffer and not transport._tempDataLen
            self._known_ready = is_empty and self._is_open
        return self._known_ready

    @property
    def _is_open(self) -> bool:
        return bool(self._protocol.state == self._open)

    def clear_ready(self) -> None:
        """Forget that it is ready: other code wrote to the transport, or the connection is lost."""
        self._known_ready = False

    def write(self, data: bytes) -> bool:
        """Write a whole message: to the socket, and the rest to the transport.

        False, without writing, if not ready.
        """
        if not self._known_ready and not self.is_ready:
            return False
        try:
            sent = self._send(data)
        except OSError:  # full; or broken, which the transport finds itself
            sent = 0
        if sent < len(data):
            self._known_ready = False
            self._transport.write(data[sent:])
        return True

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when ready. Never if the connection ends first.

        A closing connection must have no producer: Twisted would poll it forever and not close.
        """
        if self._callback is not None or not self._transport.connected or not self._is_open:
            return
        transport = self._transport
        transport.unregisterProducer()  # that of HTTP, from before the upgrade
        transport.registerProducer(self, False)  # a pull producer is called when all is written
        self._callback = callback
        transport.startWriting()

    def resumeProducing(self) -> None:
        """Twisted calls this when everything is sent."""
        callback, self._callback = self._callback, None
        if callback is None:  # just registered
            return
        self._transport.unregisterProducer()  # else the connection could not close
        if self._is_open:
            callback()

    def stopProducing(self) -> None:
        """Twisted calls this when the connection is lost."""
        self._callback = None

    def set_message_handler(self, handler: Callable[[bytes], None]) -> None:
        """Pass the peer's messages to `handler`."""
        self._protocol.message_handler = handler

    def set_auto_read(self, enabled: bool) -> None:
        """Read the peer's messages as they arrive; else only on `read_now`."""
        if enabled != self.auto_read and self._transport.connected:
            self.auto_read = enabled
            if enabled:
                self._transport.startReading()
            else:
                self._transport.stopReading()

    def read_now(self) -> None:
        """Read what the peer has sent so far and pass it on."""
        self.was_read = True
        transport = self._transport
        if not transport.connected:
            return
        try:
            data = transport.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            transport.protocol.dataReceived(data)
        else:
            self.set_auto_read(True)  # closed: the reactor has to find that


def parse_short_texts(data: bytes, handler: Callable[[bytes], None]) -> bytes:
    """Pass each short masked text message at the start of `data` to `handler`; return the rest.

    Acknowledgements have this form. It costs a tenth of what Autobahn's parser does.
    """
    at, end = 0, len(data)
    while at + 6 <= end and data[at] == 0x81 and 0x80 <= data[at + 1] < 0xFE:
        length = data[at + 1] & 0x7F
        start = at + 6
        if start + length > end:
            break
        mask = data[at + 2 : start] * (length // 4 + 1)
        masked = int.from_bytes(data[start : start + length], "big")
        handler((masked ^ int.from_bytes(mask[:length], "big")).to_bytes(length, "big"))
        at = start + length
    return data[at:]
