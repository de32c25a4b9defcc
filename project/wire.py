"""The writable end of a connection on Daphne, for those who must not queue what they send.

`send()` of Daphne returns at once whatever the peer reads, so a viewer who stops reading would
fill the memory. Here a connection is asked what it has not taken yet (`Wire`), and a response that
goes on without end is written to it (`ResponseWire`). A WebSocket's is in socket_wire.py.
"""

from __future__ import annotations

import socket
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
