"""A supervisor of one camera, whose database and web side are the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cameras.ingest import configurations, state_writer
from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.ingest.leases.embedded import EmbeddedLeases, Leases
from cameras.ingest.supervisor import Supervisor


class Heard:
    """An uplink that keeps what it is given, and says that the camera is watched. `down` is what
    else it says."""

    def __init__(self) -> None:
        self.packets: list[tuple[float, dict[str, Any]]] = []
        self.down: asyncio.Queue[tuple[dict[str, Any], bytes]] = asyncio.Queue()

    async def send(self, header: dict[str, Any], payload: bytes) -> bool:
        self.packets.append((time.time(), header))
        return True

    async def receive(self) -> AsyncGenerator[tuple[dict[str, Any], bytes], None]:
        yield {"type": "wishes", "cameras": {"c": [(0, 0, 1)]}}, b""
        while True:
            yield await self.down.get()

    def times(self, kind: str = "frame") -> list[float]:
        return [at for at, header in self.packets if header["type"] == kind]


def configuration() -> dict[str, Any]:
    return {
        "camera": "c", "kind": "demo", "source": "", "unreadable": "", "fps": 10, "width": 160,
        "quality": 60, "detect": False, "classes": list(DEFAULT_CLASSES), "threshold": 0.4,
        "allow_loopback": True, "media_root": ".", "masks": [], "mark": "",
    }  # fmt: skip


@asynccontextmanager
async def supervised(
    monkeypatch: pytest.MonkeyPatch, leases: Leases | None = None, **writes: Callable[..., object]
) -> AsyncGenerator[tuple[Supervisor, Heard], None]:
    """A supervisor of one demo camera, whose database is what the test says."""
    monkeypatch.setattr(configurations, "configurations", lambda: {"c": configuration()})
    monkeypatch.setattr(configurations, "claim_fences", lambda cameras: dict.fromkeys(cameras, 1))
    for name in ("store_state", "store_still"):
        monkeypatch.setattr(state_writer, name, lambda *facts: None)
    for name, write in writes.items():
        room = state_writer if name in ("store_state", "store_still") else configurations
        monkeypatch.setattr(room, name, write)
    keeper, heard = Supervisor(leases or EmbeddedLeases()), Heard()
    task = asyncio.create_task(keeper.run(heard))
    try:
        yield keeper, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
