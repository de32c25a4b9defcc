"""Daphne's server with bounds: on requests, on unsent bytes, on shutting down.

It adds to a scope's extensions: `sideline.waiting`, a function that returns the number of unsent
bytes; and over plain TCP the connection's writer, as `sideline.writer` for a WebSocket and
`sideline.response` for a request. Daphne has no hooks for these, so its classes are subclassed;
`tests/project/test_server.py` covers the internals that are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daphne.server import Server as DaphneServer
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor as installed_reactor
from twisted.web.http import _GenericHTTPChannelProtocol

from project.server.http import FRAME_BODY_LIMIT, BoundedRequest, TimedChannel, may_connect
from project.server.websocket import BoundedWebSocket
from project.server.writer import ConnectionWriter, ResponseWriter, SocketWriter, tcp_connection

reactor: Any = installed_reactor

READ_S = 0.25  # interval at which WebSockets without auto-read are read
IDLE_S = 1.0  # ... while there are none
HANDSHAKE_S = 30  # more than the 10 s of an admission, so that the client gets an answer


class Server(DaphneServer):  # type: ignore[misc]
    """Daphne, with a writer in each scope."""

    failure = ""  # why the port could not be opened
    on_listening: Callable[[], None] | None = None

    def __init__(self, application: Any, **options: Any) -> None:
        defaults = {"websocket_timeout": -1, "websocket_handshake_timeout": HANDSHAKE_S}
        super().__init__(application, **defaults | options)

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        if self.on_listening is not None:
            self.on_listening()

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()

    def run(self) -> None:
        from daphne import server as daphne_server

        class Factory(daphne_server.HTTPFactory):  # type: ignore[misc]
            def protocol(self) -> Any:
                return _GenericHTTPChannelProtocol(TimedChannel())

            def buildProtocol(self, addr: Any) -> Any:
                if not may_connect(addr):
                    return None  # closes the connection at once
                protocol = super().buildProtocol(addr)
                protocol.requestFactory = BoundedRequest
                return protocol

        class SocketFactory(daphne_server.WebSocketFactory):  # type: ignore[misc]
            protocol = BoundedWebSocket

        originals = daphne_server.HTTPFactory, daphne_server.WebSocketFactory
        daphne_server.HTTPFactory, daphne_server.WebSocketFactory = Factory, SocketFactory
        reactor.callLater(READ_S, self._read_all)
        try:
            super().run()
        finally:
            daphne_server.HTTPFactory, daphne_server.WebSocketFactory = originals

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        transport = protocol.transport or protocol.channel.transport
        extensions = scope.setdefault("extensions", {})
        tcp = tcp_connection(transport)
        if tcp is not None:
            extensions["sideline.waiting"] = ConnectionWriter(tcp).waiting
            tcp.setTcpKeepAlive(True)  # finds peers that vanished while nothing was sent
        if isinstance(protocol, WebSocketProtocol):
            extensions["websocket.http.response"] = {}
            if "/ws/publish/" in scope["path"]:
                protocol.allow_frames(FRAME_BODY_LIMIT)
            if tcp is transport:
                extensions["sideline.writer"] = protocol.writer = SocketWriter(tcp, protocol)
        elif tcp is not None and tcp is transport:
            tcp.setTcpNoDelay(True)  # an SSE event must not wait for the next one
            extensions["sideline.response"] = ResponseWriter(tcp, protocol)
        return super().create_application(protocol, scope)

    def _read_all(self) -> None:
        """Read the WebSockets without auto-read that were not read since the last call."""
        writers = [getattr(protocol, "writer", None) for protocol in self.connections]
        polled = [writer for writer in writers if writer is not None and not writer.auto_read]
        reactor.callLater(READ_S if polled else IDLE_S, self._read_all)
        for writer in polled:
            if not writer.was_read:
                writer.read_now()
            writer.was_read = False

    def kill_all_applications(self) -> Any:
        """Close WebSockets with 1001 (restart), then cancel all applications still running."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
            elif isinstance(protocol, WebSocketProtocol):
                protocol.sendClose(code=1001)
        return super().kill_all_applications()
