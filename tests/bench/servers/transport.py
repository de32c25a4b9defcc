"""The limit of asyncio: `transport.write` of prepared bytes, with a constant handshake response."""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict

from tests.bench.picture import camera_of
from tests.bench.servers.ticks import Ticks, arguments

ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n%b\r\n"
)


class Viewer(asyncio.Protocol):
    """A viewer; it misses frames while its transport has unsent bytes."""

    def __init__(self, viewers: dict[int, set[Viewer]], protocol: bytes) -> None:
        self._viewers, self._protocol = viewers, protocol
        self._request = b""
        self._watching: set[Viewer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._watching is not None:
            return  # acknowledgements
        self._request += data
        if b"\r\n\r\n" in self._request:
            self._watching = self._viewers[int(self._request.split(b" ", 2)[1].rpartition(b"/")[2])]
            self._watching.add(self)
            self.transport.write(ANSWER % self._protocol)

    def connection_lost(self, error: Exception | None) -> None:
        if self._watching is not None:
            self._watching.discard(self)


def framed(message: bytes, opcode: int) -> bytes:
    """Return one unmasked WebSocket frame."""
    if len(message) < 65536:
        return struct.pack(">BBH", 0x80 | opcode, 126, len(message)) + message
    return struct.pack(">BBQ", 0x80 | opcode, 127, len(message)) + message


async def main() -> None:
    port, ticks, binary, picture = arguments()
    viewers: defaultdict[int, set[Viewer]] = defaultdict(set)

    def send(tick: bytes) -> None:
        data = framed(picture.binary(tick), 2) if binary else framed(picture.json(tick), 1)
        for viewer in viewers[camera_of(tick)]:
            if not viewer.transport.get_write_buffer_size():
                viewer.transport.write(data)

    protocol = b"Sec-WebSocket-Protocol: sideline.v1\r\n" if binary else b""
    await Ticks.listen(ticks, send)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Viewer(viewers, protocol), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


asyncio.run(main())
