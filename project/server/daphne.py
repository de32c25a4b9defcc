"""Daphne's server with bounds: on requests, on what waits in a socket, on shutting down.

A scope's extensions have `sideline.waiting`, the bytes that wait in its connection, and over plain
TCP its writable end: a WebSocket's `sideline.wire`, a request's `sideline.response`. Daphne has no
hooks for these, so its classes are subclassed; `tests/project/test_server.py` pins what that needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daphne.server import Server as DaphneServer
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor as installed_reactor
from twisted.web.http import _GenericHTTPChannelProtocol

from project.server.http import FRAME_BODY_LIMIT, BoundedRequest, PatientChannel, is_taken
from project.server.websocket import ListenedSocket
from project.server.writer import ResponseWire, SocketWire, Wire, tcp_of

reactor: Any = installed_reactor

LISTEN_S = 0.25  # how often it is looked whether a viewer has said something, or has gone
NOBODY_S = 1.0  # ... while there is none who must be asked
HANDSHAKE_S = 30  # who waits for a busy database (20 s at most) is told, not dropped


class Server(DaphneServer):  # type: ignore[misc]
    """Daphne, with a wire in each scope."""

    failure = ""  # why it could not listen
    on_listening: Callable[[], None] | None = None

    def __init__(self, application: Any, **how: Any) -> None:
        ours = {"websocket_timeout": -1, "websocket_handshake_timeout": HANDSHAKE_S}
        super().__init__(application, **ours | how)

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
                return _GenericHTTPChannelProtocol(PatientChannel())

            def buildProtocol(self, addr: Any) -> Any:
                if not is_taken(addr):
                    return None  # closed at once, with nothing made for it
                protocol = super().buildProtocol(addr)
                protocol.requestFactory = BoundedRequest
                return protocol

        class SocketFactory(daphne_server.WebSocketFactory):  # type: ignore[misc]
            protocol = ListenedSocket

        originals = daphne_server.HTTPFactory, daphne_server.WebSocketFactory
        daphne_server.HTTPFactory, daphne_server.WebSocketFactory = Factory, SocketFactory
        reactor.callLater(LISTEN_S, self._listen_to_all)
        try:
            super().run()
        finally:
            daphne_server.HTTPFactory, daphne_server.WebSocketFactory = originals

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        transport = protocol.transport or protocol.channel.transport
        extensions = scope.setdefault("extensions", {})
        tcp = tcp_of(transport)
        if tcp is not None:
            extensions["sideline.waiting"] = Wire(tcp).waiting
            tcp.setTcpKeepAlive(True)  # else who vanished while nothing was sent stays for ever
        if isinstance(protocol, WebSocketProtocol):
            if "/ws/publish/" in scope["path"]:
                protocol.expect_pictures(FRAME_BODY_LIMIT)
            if tcp is transport:
                extensions["sideline.wire"] = protocol.wire = SocketWire(tcp, protocol)
        elif tcp is not None and tcp is transport:
            tcp.setTcpNoDelay(True)  # an event is to go when it is written
            extensions["sideline.response"] = ResponseWire(tcp, protocol)
        return super().create_application(protocol, scope)

    def _listen_to_all(self) -> None:
        """Hear those who are not read as they speak, and who were not asked a moment ago."""
        wires = [getattr(protocol, "wire", None) for protocol in self.connections]
        quiet = [wire for wire in wires if wire is not None and not wire.at_once]
        reactor.callLater(LISTEN_S if quiet else NOBODY_S, self._listen_to_all)
        for wire in quiet:
            if not wire.heard:
                wire.read_now()
            wire.heard = False

    def kill_all_applications(self) -> Any:
        """Tell sockets that this is a restart (1001), then cancel; skip what is done already."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
            elif isinstance(protocol, WebSocketProtocol):
                protocol.sendClose(code=1001)
        return super().kill_all_applications()
