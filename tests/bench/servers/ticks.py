"""Receives the load generator's ticks on the running event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.picture import Picture


class Ticks(asyncio.DatagramProtocol):
    """Calls `take(tick)` for each datagram."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, address: object) -> None:
        self._take(data)

    @classmethod
    async def listen(cls, port: int, take: Callable[[bytes], None]) -> None:
        """Listen on a port of 127.0.0.1 for as long as the loop runs."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: cls(take), local_addr=("127.0.0.1", port))


def arguments() -> tuple[int, int, bool, Picture]:
    """Parse a server's arguments: its port, the port of ticks, whether binary, and the picture."""
    port, ticks, form, picture = sys.argv[1:5]
    return int(port), int(ticks), form == "binary", Picture(Path(picture))
