"""`websockets` with its `broadcast`: each message is framed once, without compression."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve

from tests.bench.picture import camera_of
from tests.bench.servers.ticks import Ticks, arguments


async def main() -> None:
    port, ticks, binary, picture = arguments()
    viewers: defaultdict[int, set[ServerConnection]] = defaultdict(set)

    def send(tick: bytes) -> None:
        message = picture.binary(tick) if binary else picture.json(tick).decode()
        broadcast(viewers[camera_of(tick)], message)

    async def handle(viewer: ServerConnection) -> None:
        assert viewer.request is not None
        watching = viewers[int(viewer.request.path.rpartition("/")[2])]
        watching.add(viewer)
        try:
            async for _ in viewer:
                pass  # acknowledgements
        finally:
            watching.discard(viewer)

    await Ticks.listen(ticks, send)
    protocols = ["sideline.v1"] if binary else None
    async with serve(handle, "127.0.0.1", port, compression=None, subprotocols=protocols) as server:  # type: ignore[arg-type]
        await server.serve_forever()


asyncio.run(main())
