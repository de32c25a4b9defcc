"""picows, with its zero-copy send."""

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

HEADROOM = 14  # bytes before the message for the WebSocket header that picows writes


class Viewer(WSListener):  # type: ignore[misc]
    """A viewer, registered with its camera while it is connected."""

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
        data = bytearray(HEADROOM) + message
        for viewer in viewers[camera_of(tick)]:
            if not viewer.underlying_transport.get_write_buffer_size():
                viewer.send_reuse_external_bytearray(kind, data, HEADROOM)

    def accept(request: WSUpgradeRequest) -> WSListener:
        viewer = Viewer(viewers[int(request.path.rpartition(b"/")[2])])
        if not binary:
            return viewer
        more = {"Sec-WebSocket-Protocol": "sideline.v1"}
        answer = WSUpgradeResponse.create_101_response(more)
        return WSUpgradeResponseWithListener(answer, viewer)

    await Ticks.listen(ticks, send)
    server = await ws_create_server(accept, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


asyncio.run(main())
