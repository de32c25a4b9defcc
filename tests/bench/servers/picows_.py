"""picows, with the call that does not copy the message."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from tests.bench.picture import camera_of
from tests.bench.servers.ticks import Ticks, arguments

ROOM = 14  # bytes before the message, in which picows writes the frame's header


class Viewer(WSListener):  # type: ignore[misc]
    """Among its camera's viewers from the handshake to the end."""

    def __init__(self, watching: set[WSTransport]) -> None:
        self._watching = watching

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._watching.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Acknowledgements."""

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._watching.discard(transport)


async def main() -> None:
    port, ticks, binary, picture = arguments()
    viewers: defaultdict[int, set[WSTransport]] = defaultdict(set)
    kind = WSMsgType.BINARY if binary else WSMsgType.TEXT

    def send(tick: bytes) -> None:
        message = picture.binary(tick) if binary else picture.json(tick)
        data = bytearray(ROOM) + message
        for viewer in viewers[camera_of(tick)]:
            if not viewer.underlying_transport.get_write_buffer_size():
                viewer.send_reuse_external_bytearray(kind, data, ROOM)

    def greet(request: WSUpgradeRequest) -> WSListener:
        viewer = Viewer(viewers[int(request.path.rpartition(b"/")[2])])
        if not binary:
            return viewer
        more = {"Sec-WebSocket-Protocol": "sideline.v1"}
        answer = WSUpgradeResponse.create_101_response(more)
        return WSUpgradeResponseWithListener(answer, viewer)

    await Ticks.listen(ticks, send)
    server = await ws_create_server(greet, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
